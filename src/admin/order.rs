//! What a purge's body says, or what is wrong with it.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{Error as _, MapAccess, Visitor},
};
use serde_json::{Map, Value};

use super::problem::Problem;
use crate::{
    proxy::purge::{Order, Target, What},
    store::Manner,
};

/// Tags in one order.
const MAX_TAGS: usize = 64;

/// Bytes of one tag.
const MAX_TAG: usize = 1024;

const KEYS: [&str; 6] = ["url", "prefix", "tags", "all", "host", "soft"];

/// Reads the JSON of an order: one of `url`, `prefix`, `tags` (with or without `host`) and `all`;
/// and `soft`.
///
/// # Errors
/// What is wrong with it.
pub fn read(body: &[u8]) -> Result<Order, Problem> {
    let Members(object) = serde_json::from_slice(body)
        .map_err(|error| Problem::bad(format!("this is no order: {error}")))?;
    if let Some(unknown) = object.keys().find(|key| !KEYS.contains(&key.as_str())) {
        let known = KEYS.join(", ");
        return Err(Problem::bad(format!("unknown member {unknown:?}: there are {known}")));
    }
    let manner = match object.get("soft") {
        None | Some(Value::Bool(false)) => Manner::Hard,
        Some(Value::Bool(true)) => Manner::Soft,
        Some(_) => return Err(Problem::bad("soft is true or false")),
    };
    Ok(Order { what: what(&object)?, manner })
}

/// The members of an object, none of them twice: who writes two URLs means both, and others would
/// take the last (RFC 8259 §4).
struct Members(Map<String, Value>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Members, D::Error> {
        json.deserialize_map(Once).map(Members)
    }
}

/// Reads such.
struct Once;

impl<'de> Visitor<'de> for Once {
    type Value = Map<String, Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object, as in {\"url\": \"https://api.example.org/a\"}")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut object = Map::new();
        while let Some((name, value)) = members.next_entry::<String, Value>()? {
            if object.contains_key(&name) {
                return Err(A::Error::custom(format!("{name:?} is there twice")));
            }
            object.insert(name, value);
        }
        Ok(object)
    }
}

fn what(object: &Map<String, Value>) -> Result<What, Problem> {
    let given: Vec<&str> =
        KEYS[..4].iter().copied().filter(|it| object.contains_key(*it)).collect();
    let host = object.get("host");
    if host.is_some() && given != ["tags"] {
        return Err(Problem::bad("host goes with tags: a url and a prefix have theirs"));
    }
    match given[..] {
        ["url"] => Ok(What::Url(Target::of_url(text(object, "url")?).map_err(about("url"))?)),
        ["prefix"] => {
            let prefix = text(object, "prefix")?;
            Ok(What::Prefix(Target::of_prefix(prefix).map_err(about("prefix"))?))
        }
        ["tags"] => {
            let host = host.map(|_| text(object, "host")).transpose()?;
            let host = host.map(Target::of_host).transpose().map_err(about("host"))?;
            Ok(What::Tags { tags: tags(object)?, host })
        }
        ["all"] if object.get("all") == Some(&Value::Bool(true)) => Ok(What::All),
        ["all"] => Err(Problem::bad("all is true, or left out")),
        _ => Err(Problem::bad("write exactly one of url, prefix, tags and all")),
    }
}

fn about(key: &'static str) -> impl Fn(&'static str) -> Problem {
    move |why| Problem::bad(format!("{key} {why}"))
}

fn text<'a>(object: &'a Map<String, Value>, key: &str) -> Result<&'a str, Problem> {
    let text = object.get(key).and_then(Value::as_str);
    text.ok_or_else(|| Problem::bad(format!("{key} is a string")))
}

fn tags(object: &Map<String, Value>) -> Result<Vec<String>, Problem> {
    let wrong = || {
        Problem::bad(format!("tags is an array of 1 to {MAX_TAGS} strings of 1 to {MAX_TAG} bytes"))
    };
    let tags = object.get("tags").and_then(Value::as_array).ok_or_else(wrong)?;
    let tag = |tag: &Value| {
        tag.as_str().filter(|it| (1..=MAX_TAG).contains(&it.len())).map(str::to_owned)
    };
    let read: Option<Vec<String>> = tags.iter().map(tag).collect();
    read.filter(|it| (1..=MAX_TAGS).contains(&it.len())).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(body: &str) -> String {
        read(body.as_bytes()).expect_err(body).detail
    }

    #[test]
    fn an_order_says_what_and_how() {
        let order = |body: &str| read(body.as_bytes()).expect(body);
        let url = Target::of_url("http://a.test/x?y=1").unwrap();
        let both = order(r#"{"url": "http://A.test:80/x?y=1", "soft": true}"#);
        assert_eq!(both, Order { what: What::Url(url), manner: Manner::Soft });
        assert_eq!(order(r#"{"all": true, "soft": false}"#).what, What::All);
        let prefix = Target::of_prefix("a.test/users").unwrap();
        assert_eq!(order(r#"{"prefix": "https://a.test/users"}"#).what, What::Prefix(prefix));
        let tags = vec!["a".to_owned(), "b c".to_owned()];
        let host = Some(Target::of_host("a.test").unwrap());
        let read = order(r#"{"tags": ["a", "b c"], "host": "A.test"}"#).what;
        assert_eq!(read, What::Tags { tags, host });
    }

    #[test]
    fn what_is_wrong_is_named() {
        let many = format!(r#"{{"tags": [{}"a"]}}"#, r#""a","#.repeat(MAX_TAGS));
        for (body, word) in [
            ("", "no order"),
            ("{\"all\": true", "no order"),
            ("[]", "JSON object"),
            (r#"{"url": "http://a/1", "url": "http://a/2"}"#, "\"url\" is there twice"),
            (r#"{"tags": ["x"], "soft": true, "\u0073oft": false}"#, "\"soft\" is there twice"),
            ("{}", "exactly one"),
            (r#"{"urls": []}"#, "\"urls\""),
            (r#"{"url": "http://a/", "all": true}"#, "exactly one"),
            (r#"{"all": false}"#, "all is true"),
            (r#"{"all": 1}"#, "all is true"),
            (r#"{"all": true, "soft": 1}"#, "soft is"),
            (r#"{"url": 1}"#, "url is a string"),
            (r#"{"url": ["http://a/"]}"#, "url is a string"),
            (r#"{"url": "/users"}"#, "url has no valid host"),
            (r#"{"url": "ftp://a/"}"#, "url has another scheme"),
            (r#"{"url": "http://a/#x"}"#, "url has a fragment"),
            (r#"{"url": "http://a/ b"}"#, "url has a path"),
            (r#"{"prefix": "http://a/b?c"}"#, "prefix has a query"),
            (r#"{"tags": []}"#, "1 to 64"),
            (&many, "1 to 64"),
            (r#"{"tags": "a"}"#, "array"),
            (r#"{"tags": [""]}"#, "1 to 1024 bytes"),
            (r#"{"tags": ["a"], "host": "a/b"}"#, "host has no valid host"),
            (r#"{"all": true, "host": "a"}"#, "host goes with tags"),
        ] {
            assert!(wrong(body).contains(word), "{body}: {}", wrong(body));
        }
    }
}
