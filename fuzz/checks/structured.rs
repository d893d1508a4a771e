//! Targeted fields (RFC 9213) and cache groups (RFC 9875), beside the plain reader of RFC 9651.

use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode};
use larder::policy::{
    Asked, Rules,
    cache_control::{LARDER_CACHE_CONTROL, ResponseDirectives, withheld},
    groups,
};

use super::{
    MAX_SECONDS, field,
    rfc9651::{self, Item, No},
};

const GROUPS: HeaderName = HeaderName::from_static("cache-groups");
const INVALIDATION: HeaderName = HeaderName::from_static("cache-group-invalidation");

/// What a stored response cannot do without, and so no targeted field can withhold.
const NEEDED: [&str; 17] = [
    "age",
    "cache-control",
    "cache-groups",
    "cdn-cache-control",
    "content-encoding",
    "content-language",
    "content-length",
    "content-location",
    "content-range",
    "content-type",
    "date",
    "etag",
    "expires",
    "larder-cache-control",
    "last-modified",
    "location",
    "vary",
];

/// Targeted fields (RFC 9213), a line of input a line of the field.
pub(crate) fn targeted(data: &[u8]) {
    let headers = field(LARDER_CACHE_CONTROL, data);
    let read = ResponseDirectives::of(&headers);
    let members = match rfc9651::dictionary(&joined(&headers)) {
        Err(No::Unsure) => return,
        Err(No::Fails) => Vec::new(),
        Ok(members) => members,
    };
    assert_eq!(read.targeted, !members.is_empty(), "§2.2: one that parses and is not empty");
    let value = |key: &str| members.iter().find(|(it, _)| it == key).map(|(_, item)| item.clone());
    let seconds = |key| match value(key) {
        Some(Item::Integer(number)) => {
            u64::try_from(number).ok().map(|it| it.min(u64::from(MAX_SECONDS)))
        }
        _ => None,
    };
    for (key, found) in [
        ("max-age", read.max_age),
        ("s-maxage", read.s_maxage),
        ("stale-while-revalidate", read.stale_while_revalidate),
        ("stale-if-error", read.stale_if_error),
    ] {
        assert_eq!(found.map(u64::from), seconds(key), "{key}: §2.1");
    }
    let forbids_use = |key| value(key).is_some_and(|it| it != Item::Boolean(false));
    for (key, found) in [("no-store", read.no_store), ("no-transform", read.no_transform)] {
        assert_eq!(found, forbids_use(key), "{key}: what forbids counts whatever its value");
    }
    let revalidates = forbids_use("must-revalidate") || forbids_use("proxy-revalidate");
    let found = read.must_revalidate || read.proxy_revalidate;
    assert_eq!(found, revalidates, "what forbids counts whatever its value");
    for (key, found) in [
        ("must-revalidate", read.must_revalidate),
        ("public", read.public),
        ("must-understand", read.must_understand),
        ("immutable", read.immutable),
    ] {
        let permits = value(key) == Some(Item::Boolean(true));
        assert_eq!(found, permits, "{key}: what permits counts only as it is defined");
    }
    let mut names = Vec::new();
    for (key, found) in [("no-cache", read.no_cache), ("private", read.private)] {
        let (whole, named) = forbids(value(key));
        assert_eq!(found, whole, "{key}: as a whole");
        names.extend(named);
    }
    let withheld = withheld(&headers);
    assert_eq!(withheld.is_empty(), names.is_empty(), "{names:?}: RFC 9111 §5.2.2.4");
    assert_eq!(read.withholds, !withheld.is_empty());
    assert!(names.iter().all(|it| withheld.iter().any(|name| name == it.as_str())), "{names:?}");
    the_first_of_the_list_counts(&headers, read);
}

/// Whether `no-cache` or `private` forbids the whole, and the fields that it names otherwise.
fn forbids(value: Option<Item>) -> (bool, Vec<String>) {
    let text = match value {
        None | Some(Item::Boolean(false)) => return (false, Vec::new()),
        Some(Item::Text(text)) => text,
        Some(_) => return (true, Vec::new()),
    };
    let mut names: Vec<String> = text.split(',').map(|it| it.trim().to_lowercase()).collect();
    names.retain(|it| !it.is_empty());
    names.sort();
    names.dedup();
    let tchar = |it: char| it.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(it);
    let plain = names.iter().all(|it| it.chars().all(tchar) && !NEEDED.contains(&it.as_str()));
    match plain && (1..=16).contains(&names.len()) {
        true => (false, names),
        false => (true, Vec::new()),
    }
}

fn the_first_of_the_list_counts(headers: &HeaderMap, read: ResponseDirectives) {
    let mut both = headers.clone();
    both.append("cdn-cache-control", HeaderValue::from_static("max-age=7"));
    both.append(http::header::CACHE_CONTROL, HeaderValue::from_static("max-age=8"));
    let found = ResponseDirectives::of(&both);
    match read.targeted {
        true => assert_eq!(found, read, "§2.2: nothing else is looked at"),
        false => assert_eq!(found.max_age, Some(7), "§2.2: the next one is, where there is none"),
    }
}

/// Cache groups (RFC 9875), a line of input a line of the field.
pub(crate) fn groups(data: &[u8]) {
    let headers = field(GROUPS, data);
    let found = groups::groups(&headers);
    let texts = |items: Vec<Item>| -> Option<Vec<String>> {
        let text = |item| if let Item::Text(text) = item { Some(text) } else { None };
        items.into_iter().map(text).collect()
    };
    match rfc9651::list(&joined(&headers)).map(texts) {
        Err(No::Unsure) => return,
        Ok(Some(expected)) => assert_eq!(found, expected, "§2: a List of Strings"),
        Err(No::Fails) | Ok(None) => assert!(found.is_empty(), "{found:?}: the field is ignored"),
    }
    let printed: Vec<String> = found
        .iter()
        .map(|it| format!("\"{}\"", it.replace('\\', "\\\\").replace('"', "\\\"")))
        .collect();
    for lines in [printed.join(", "), printed.join("\n")] {
        assert_eq!(groups::groups(&field(GROUPS, lines.as_bytes())), found, "printed, read again");
    }
    let headers = field(INVALIDATION, data);
    for (method, status, counts) in [("POST", 200, true), ("GET", 200, false), ("PUT", 404, false)]
    {
        let request = Request::builder().method(method).body(()).expect("a request");
        let asked = Asked::new(&request.into_parts().0, false, &Rules::default());
        let status = StatusCode::from_u16(status).expect("a status");
        let invalidated = groups::invalidated(&asked, status, &headers);
        assert_eq!(invalidated, if counts { found.clone() } else { Vec::new() }, "§3: {method}");
    }
}

fn joined(headers: &HeaderMap) -> Vec<u8> {
    let lines: Vec<&[u8]> = headers.values().map(HeaderValue::as_bytes).collect();
    lines.join(&b", "[..])
}
