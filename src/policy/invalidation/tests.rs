use http::StatusCode;
use proptest::proptest;

use super::{also_invalidated, invalidates, is_located_at};
use crate::policy::fixtures::{asked, headers};

#[test]
fn a_successful_unsafe_request_invalidates() {
    let rows = [
        ("POST", 200, true, "non-error: 2xx"),
        ("PUT", 204, true, "non-error: 2xx"),
        ("DELETE", 303, true, "non-error: 3xx"),
        ("M-SEARCH", 200, true, "of unknown safety"),
        ("POST", 404, false, "an error"),
        ("POST", 500, false, "an error"),
        ("GET", 200, false, "safe"),
        ("HEAD", 200, false, "safe"),
        ("OPTIONS", 200, false, "safe"),
    ];
    for (method, status, expected, why) in rows {
        let status = StatusCode::from_u16(status).expect("a status");
        let invalidates = invalidates(&asked(method, &[]), status);
        assert_eq!(invalidates, expected, "RFC 9111 §4.4 {why}: {method} {status}");
    }
}

fn from(scheme: &str, authority: &str, path: &str, location: &str) -> Vec<String> {
    also_invalidated(scheme, authority, path, &headers(&[("location", location)]))
}

#[test]
fn references_are_resolved() {
    // The examples of RFC 3986 §5.4 whose scheme and authority can be ours, with `;` as it stands.
    let rows = [
        ("g", "/b/c/g"),
        ("./g", "/b/c/g"),
        ("g/", "/b/c/g/"),
        ("/g", "/g"),
        ("?y", "/b/c/d;p?y"),
        ("g?y", "/b/c/g?y"),
        ("g#s", "/b/c/g"),
        ("g?y#s", "/b/c/g?y"),
        (";x", "/b/c/;x"),
        ("g;x?y#s", "/b/c/g;x?y"),
        (".", "/b/c/"),
        ("./", "/b/c/"),
        ("..", "/b/"),
        ("../", "/b/"),
        ("../g", "/b/g"),
        ("../..", "/"),
        ("../../", "/"),
        ("../../g", "/g"),
        ("../../../g", "/g"),
        ("/./g", "/g"),
        ("/../g", "/g"),
        ("g.", "/b/c/g."),
        ("..g", "/b/c/..g"),
        ("./../g", "/b/g"),
        ("./g/.", "/b/c/g/"),
        ("g/../h", "/b/c/h"),
        ("g;x=1/../y", "/b/c/y"),
        ("g?y/../x", "/b/c/g?y/../x"),
        ("//a/g", "/g"),
        ("http://a/g//h", "/g//h"),
        ("http://a", "/"),
        ("http://a?q", "/?q"),
        ("HTTP://A:80/g", "/g"),
        ("http://a:/g", "/g"),
    ];
    for (reference, expected) in rows {
        let found = from("http", "a", "/b/c/d;p?q", reference);
        assert_eq!(found, [expected], "RFC 3986 §5.4: {reference}");
    }
}

#[test]
fn the_target_itself_is_named_once() {
    for reference in ["", "#s", "d;p?q", "/b/c/d;p?q", "http://a/b/c/d;p?q"] {
        let found = from("http", "a", "/b/c/d;p?q", reference);
        assert!(found.is_empty(), "it is invalidated anyway: {reference}: {found:?}");
    }
}

#[test]
fn another_origin_is_left_alone() {
    let rows = [
        ("http", "a", "http://b/x"),
        ("http", "a", "//b/x"),
        ("http", "a", "https://a/x"),
        ("http", "a", "http://a:8080/x"),
        ("https", "a", "https://a:80/x"),
        ("http", "a:8080", "http://a/x"),
        ("http", "a", "http://a@b/x"),
        ("http", "a", "http://user@a/x"),
        ("http", "a", "http:x"),
        ("http", "a", "http:/x"),
        ("http", "a", "mailto:a@b"),
        ("http", "[::1]:80", "http://[::2]/x"),
    ];
    for (scheme, authority, location) in rows {
        let found = from(scheme, authority, "/p", location);
        assert!(found.is_empty(), "RFC 9111 §4.4: {location} from {authority}: {found:?}");
    }
}

#[test]
fn the_scheme_has_its_port() {
    let rows = [
        ("https", "a", "https://a:443/x"),
        ("https", "a:443", "https://a/x"),
        ("http", "[::1]", "http://[::1]:80/x"),
        ("http", "a:8080", "//A:8080/x"),
    ];
    for (scheme, authority, location) in rows {
        let found = from(scheme, authority, "/p", location);
        assert_eq!(found, ["/x"], "RFC 9110 §4.2.3: {location} from {authority}");
    }
}

#[test]
fn both_fields_and_all_lines_count_once() {
    let headers = headers(&[
        ("location", "/a"),
        ("content-location", "/b"),
        ("content-location", "/a"),
        ("content-location", "\u{e9}\u{fffd}"),
    ]);
    let found = also_invalidated("http", "h", "/p", &headers);
    assert_eq!(found, ["/a", "/b", "/\u{e9}\u{fffd}"], "RFC 9111 §4.4");
}

proptest! {
    #[test]
    fn whatever_is_named_becomes_an_absolute_path_without_dots(reference in "[a:/.?#@\\[\\]]{0,16}") {
        for uri in from("http", "a", "/b/c?q", &reference) {
            assert!(uri.starts_with('/'), "{reference}: {uri}");
            let path = uri.split('?').next().unwrap_or("");
            let dotted = path.split('/').any(|segment| matches!(segment, "." | ".."));
            assert!(!dotted, "RFC 3986 §5.2.4: {reference}: {uri}");
        }
    }
}

#[test]
fn content_location_may_be_the_target_itself() {
    let rows: [(&[&str], bool, &str); 9] = [
        (&["/a?b"], true, "the same"),
        (&["http://h.test/a?b"], true, "absolute"),
        (&["HTTP://H.test:80/a?b"], true, "RFC 9110 §4.2.3: normalised"),
        (&["a?b"], true, "relative"),
        (&[""], true, "the same document"),
        (&["/a"], false, "without its query"),
        (&["/a?c"], false, "another"),
        (&["https://h.test/a?b"], false, "another origin"),
        (&["/a?b", "/c"], false, "two of them"),
    ];
    for (values, expected, why) in rows {
        let fields: Vec<_> = values.iter().map(|value| ("content-location", *value)).collect();
        let found = is_located_at("http", "h.test", "/a?b", &headers(&fields));
        assert_eq!(found, expected, "RFC 9110 §9.3.3, §8.7 {why}: {values:?}");
    }
    assert!(!is_located_at("http", "h.test", "/a?b", &headers(&[])), "none");
    assert!(!is_located_at("http", "h.test", "/a?b", &headers(&[("location", "/a?b")])));
}
