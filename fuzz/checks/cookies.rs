//! Cookies and parameters as an operator names them, beside a plain reader (RFC 6265 §4.2).

use http::{HeaderMap, HeaderValue, Request, header};
use larder::policy::{
    conditions::OfRequest,
    cookies::{has_others, only},
};

use super::field;

/// Names between commas; a query; then lines of Cookie.
pub(crate) fn cookies(data: &[u8]) {
    let mut parts = data.splitn(3, |byte| *byte == b'\n');
    let mut part = || parts.next().unwrap_or_default();
    let Ok(names) = std::str::from_utf8(part()) else { return };
    let names: Vec<String> = names.split(',').map(|it| it.trim().to_owned()).collect();
    let query = part();
    let fields = field(header::COOKIE, part());
    let all = pairs(&fields);
    let named = |pair: &&String| names.contains(&name(pair).to_owned());
    let kept: Vec<String> = all.iter().filter(named).cloned().collect();
    let found = only(&fields, &names);
    let text = found.as_ref().map(|it| latin(it.as_bytes()));
    let names_are_ascii = names.iter().all(|it| it.is_ascii());
    if names_are_ascii {
        assert_eq!(text, (!kept.is_empty()).then(|| kept.join("; ")), "{names:?} of {all:?}");
        assert_eq!(has_others(&fields, &names), kept.len() < all.len(), "{names:?} of {all:?}");
        by_condition(&names[0], &fields, &all);
    }
    let Some(found) = found else { return };
    let mut again = HeaderMap::new();
    again.insert(header::COOKIE, found.clone());
    assert_eq!(only(&again, &names), Some(found), "idempotent");
    assert!(!has_others(&again, &names), "nothing else is left in it");
    parameters(&names[0], query);
}

fn by_condition(wanted: &str, fields: &HeaderMap, all: &[String]) {
    let mut head = Request::get("/").body(()).expect("a request").into_parts().0;
    head.headers = fields.clone();
    let there = OfRequest::Cookie(wanted.to_owned(), None).holds(&head);
    assert_eq!(there, all.iter().any(|pair| name(pair) == wanted), "{wanted:?} in {all:?}");
    for pair in all.iter().filter(|pair| name(pair) == wanted && pair.is_ascii()) {
        let value = pair.split_once('=').map_or("", |(_, value)| value.trim());
        let with = OfRequest::Cookie(wanted.to_owned(), Some(value.to_owned()));
        assert!(with.holds(&head), "{pair:?} is there");
        let longer = OfRequest::Cookie(wanted.to_owned(), Some(format!("{value}\n")));
        assert!(!longer.holds(&head), "{pair:?}: no other value is");
    }
}

fn parameters(wanted: &str, query: &[u8]) {
    let Ok(uri) = http::Uri::try_from([b"/?", query].concat()) else { return };
    let head = Request::get(uri).body(()).expect("a request").into_parts().0;
    let text = head.uri.query().unwrap_or_default();
    let mut names = text.split('&').map(|pair| pair.split('=').next().unwrap_or_default());
    let there = OfRequest::Query(wanted.to_owned(), None).holds(&head);
    if !wanted.is_empty() {
        assert_eq!(there, names.any(|name| name == wanted), "{wanted:?} in {text:?}");
    }
}

fn pairs(fields: &HeaderMap) -> Vec<String> {
    let text: Vec<String> = fields.values().map(HeaderValue::as_bytes).map(latin).collect();
    let text = text.join(";");
    text.split(';')
        .map(|it| it.trim_matches(SPACE).to_owned())
        .filter(|it| !it.is_empty())
        .collect()
}

const SPACE: [char; 2] = [' ', '\t'];

fn name(pair: &str) -> &str {
    pair.split('=').next().unwrap_or_default().trim_matches(SPACE)
}

fn latin(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(*byte)).collect()
}
