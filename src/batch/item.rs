//! The array that a client posts.

use http::{HeaderMap, HeaderName, HeaderValue, Method, header, uri::PathAndQuery};
use serde_json::{Map, Value};

use super::Rules;

/// The longest path of an item, in bytes.
const MAX_PATH: usize = 8192;

/// The longest `id` that is a string, in bytes.
const MAX_ID: usize = 256;

/// The fields that an item may have of its own: what it takes, and what it has. None of them says
/// who asks.
pub const ALLOWED: [HeaderName; 5] = [
    header::ACCEPT,
    header::ACCEPT_LANGUAGE,
    header::CACHE_CONTROL,
    header::IF_MODIFIED_SINCE,
    header::IF_NONE_MATCH,
];

/// One request of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// What its client calls it: a string or a number; its place in the array where it says nothing.
    pub id: Value,
    /// GET or HEAD.
    pub method: Method,
    /// Path and query.
    pub target: PathAndQuery,
    /// Its own fields, of those that are allowed.
    pub fields: HeaderMap,
}

impl Item {
    /// Whether its path is all that it says.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.method == Method::GET && self.fields.is_empty()
    }
}

/// What is wrong with a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// The place of the item, from 0; `None`: it is the batch itself.
    pub item: Option<usize>,
    /// What, as the end of a sentence.
    pub why: String,
}

/// Reads what was posted.
///
/// # Errors
/// What is wrong with the first item that is.
pub fn items(posted: &[u8], rules: &Rules) -> Result<Vec<Item>, Wrong> {
    let whole = |why: String| Wrong { item: None, why };
    let posted: Value = serde_json::from_slice(posted)
        .map_err(|error| whole(format!("the batch is not JSON: {error}")))?;
    let Value::Array(posted) = posted else {
        return Err(whole("the batch is no array".to_owned()));
    };
    if posted.len() > rules.max_items {
        let (are, most) = (posted.len(), rules.max_items);
        return Err(whole(format!("the batch has {are} items: at most {most} may be in one")));
    }
    let named =
        |(place, value)| item(place, value, rules).map_err(|why| Wrong { item: Some(place), why });
    posted.into_iter().enumerate().map(named).collect()
}

fn item(place: usize, value: Value, rules: &Rules) -> Result<Item, String> {
    let mut members = match value {
        Value::String(path) => {
            let target = target(&path, rules)?;
            let (id, fields) = (Value::from(place), HeaderMap::new());
            return Ok(Item { id, method: Method::GET, target, fields });
        }
        Value::Object(members) => members,
        _ => return Err("is neither a path nor an object".to_owned()),
    };
    let Some(Value::String(path)) = members.remove("path") else {
        return Err("has no path that is a string".to_owned());
    };
    let item = Item {
        id: id(members.remove("id"), place)?,
        method: method(members.remove("method"))?,
        target: target(&path, rules)?,
        fields: fields(members.remove("headers"))?,
    };
    match members.keys().next() {
        Some(unknown) => Err(format!("has the member {unknown:?}, which means nothing here")),
        None => Ok(item),
    }
}

fn id(value: Option<Value>, place: usize) -> Result<Value, String> {
    match value {
        None => Ok(place.into()),
        Some(Value::String(text)) if text.len() <= MAX_ID => Ok(text.into()),
        Some(Value::Number(number)) => Ok(number.into()),
        Some(_) => Err(format!("has an id that is no number, and no string of {MAX_ID} bytes")),
    }
}

fn method(value: Option<Value>) -> Result<Method, String> {
    match value.as_ref().map(Value::as_str) {
        None | Some(Some("GET")) => Ok(Method::GET),
        Some(Some("HEAD")) => Ok(Method::HEAD),
        Some(_) => Err("has another method than GET and HEAD".to_owned()),
    }
}

/// A path on this host: nothing that could be read as another host's.
fn target(text: &str, rules: &Rules) -> Result<PathAndQuery, String> {
    if !text.starts_with('/') || text.starts_with("//") || text.starts_with("/\\") {
        return Err("has a path that does not begin with one /: other hosts are not asked".into());
    }
    if text.len() > MAX_PATH {
        return Err(format!("has a path of more than {MAX_PATH} bytes"));
    }
    if text.contains('#') {
        return Err("has a path with a fragment: end it before the #".to_owned());
    }
    let no_path = |_| "has a path that no request has: percent-encode it".to_owned();
    let target = PathAndQuery::try_from(text).map_err(no_path)?;
    match target.path() == rules.path {
        true => Err("is a batch itself".to_owned()),
        false => Ok(target),
    }
}

fn fields(value: Option<Value>) -> Result<HeaderMap, String> {
    let members = match value {
        None => Map::new(),
        Some(Value::Object(members)) => members,
        Some(_) => return Err("has headers that are no object".to_owned()),
    };
    let mut fields = HeaderMap::new();
    for (name, value) in members {
        let known = HeaderName::from_bytes(name.as_bytes()).ok();
        let Some(known) = known.filter(|name| ALLOWED.contains(name)) else {
            let allowed = ALLOWED.map(|name| name.to_string()).join(", ");
            return Err(format!("has the field {name:?}: an item's own are {allowed} alone"));
        };
        let value = value.as_str().and_then(|text| HeaderValue::from_str(text).ok());
        let value = value.ok_or_else(|| format!("has no value of a field in {name:?}"))?;
        if fields.insert(known, value).is_some() {
            return Err(format!("has the field {name:?} twice"));
        }
    }
    Ok(fields)
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::{ALLOWED, Rules, items};
    use crate::policy::encoding::Packing;

    pub(in super::super) fn rules() -> Rules {
        Rules {
            path: "/_batch".to_owned(),
            max_items: 3,
            max_body: 1 << 16,
            max_answer: 1 << 20,
            timeout: Duration::from_secs(30),
            parallel: 2,
            packing: Packing::default(),
        }
    }

    fn told(posted: &str) -> String {
        match items(posted.as_bytes(), &rules()) {
            Ok(items) => {
                let item = |it: &super::Item| {
                    let fields =
                        it.fields.iter().map(|(k, v)| format!(" {k}={}", v.to_str().unwrap()));
                    let fields: String = fields.collect();
                    format!("{} {} {}{fields}", it.id, it.method, it.target)
                };
                items.iter().map(item).collect::<Vec<_>>().join("; ")
            }
            Err(wrong) => match wrong.item {
                Some(place) => format!("item {place} {}", wrong.why),
                None => wrong.why,
            },
        }
    }

    #[test]
    fn an_item_is_a_path_or_an_object() {
        let rows = [
            ("[]", ""),
            ("[\"/a\", \"/b?c=%20\"]", "0 GET /a; 1 GET /b?c=%20"),
            (
                r#"[{"path":"/a"},{"id":"x","method":"HEAD","path":"/_batch/b"}]"#,
                "0 GET /a; \"x\" HEAD /_batch/b",
            ),
            (
                r#"[{"id":7.5,"path":"/","headers":{"IF-None-Match":"\"v\""}}]"#,
                "7.5 GET / if-none-match=\"v\"",
            ),
        ];
        for (posted, expected) in rows {
            assert_eq!(told(posted), expected, "{posted}");
        }
    }

    #[test]
    fn what_is_wrong_is_named_with_its_item() {
        let elsewhere = "has a path that does not begin with one /: other hosts are not asked";
        let own = "accept, accept-language, cache-control, if-modified-since, if-none-match";
        let rows = [
            ("{}", "the batch is no array".to_owned()),
            (
                "[\"/1\",\"/2\",\"/3\",\"/4\"]",
                "the batch has 4 items: at most 3 may be in one".to_owned(),
            ),
            ("[7]", "item 0 is neither a path nor an object".to_owned()),
            ("[\"/a\",{}]", "item 1 has no path that is a string".to_owned()),
            ("[\"http://b/a\"]", format!("item 0 {elsewhere}")),
            ("[\"//b/a\"]", format!("item 0 {elsewhere}")),
            (r#"["/\\b"]"#, format!("item 0 {elsewhere}")),
            ("[\"a\"]", format!("item 0 {elsewhere}")),
            ("[\"/a#b\"]", "item 0 has a path with a fragment: end it before the #".to_owned()),
            ("[\"/a b\"]", "item 0 has a path that no request has: percent-encode it".to_owned()),
            ("[\"/_batch\"]", "item 0 is a batch itself".to_owned()),
            ("[\"/_batch?x\"]", "item 0 is a batch itself".to_owned()),
            (
                r#"[{"path":"/","method":"POST"}]"#,
                "item 0 has another method than GET and HEAD".to_owned(),
            ),
            (
                r#"[{"path":"/","method":null}]"#,
                "item 0 has another method than GET and HEAD".to_owned(),
            ),
            (
                r#"[{"path":"/","body":1}]"#,
                "item 0 has the member \"body\", which means nothing here".to_owned(),
            ),
            (
                r#"[{"path":"/","id":{}}]"#,
                "item 0 has an id that is no number, and no string of 256 bytes".to_owned(),
            ),
            (r#"[{"path":"/","headers":[]}]"#, "item 0 has headers that are no object".to_owned()),
            (
                r#"[{"path":"/","headers":{"accept":"a\nb"}}]"#,
                "item 0 has no value of a field in \"accept\"".to_owned(),
            ),
            (
                r#"[{"path":"/","headers":{"Accept":"a","accept":"b"}}]"#,
                "item 0 has the field \"accept\" twice".to_owned(),
            ),
            (
                r#"[{"path":"/","headers":{"Cookie":"a"}}]"#,
                format!("item 0 has the field \"Cookie\": an item's own are {own} alone"),
            ),
        ];
        for (posted, expected) in rows {
            assert_eq!(told(posted), expected, "{posted}");
        }
        assert!(told("[").starts_with("the batch is not JSON: "));
        let long = format!("[\"/{}\"]", "a".repeat(8192));
        assert_eq!(told(&long), "item 0 has a path of more than 8192 bytes");
    }

    proptest! {
        #[test]
        fn no_field_outside_the_list_comes_in(name in "[A-Za-z-]{1,20}") {
            let posted = serde_json::json!([{ "path": "/", "headers": { &name: "x" } }]);
            let allowed = ALLOWED.iter().any(|it| it.as_str().eq_ignore_ascii_case(&name));
            prop_assert_eq!(items(posted.to_string().as_bytes(), &rules()).is_ok(), allowed);
        }

        #[test]
        fn any_bytes_are_items_or_a_mistake(posted in "[\\[\\]{}\":,/a-e\\\\ #0-9]{0,60}") {
            if let Ok(items) = items(posted.as_bytes(), &rules()) {
                for item in items {
                    let target = item.target.as_str();
                    prop_assert!(target.starts_with('/') && !target.starts_with("//"));
                }
            }
        }
    }
}
