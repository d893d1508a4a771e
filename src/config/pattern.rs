//! What a route may say of the requests that it is for.
//!
//! What a reader answers to bad text never repeats the text: it may come from the environment.

use super::{address, routes::HostPattern};

/// `"api.example.org"` or `"*.example.org"`.
pub(super) fn host(text: &str) -> Result<HostPattern, String> {
    if text == "*" {
        return Err("means every host: leave host out".into());
    }
    if text.contains("://") || text.contains('/') {
        return Err("is more than a host: write the name alone, and a path as path".into());
    }
    if let Some(address) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        let valid = address.parse::<std::net::Ipv6Addr>();
        let host = valid.map(|address| HostPattern::Exact(format!("[{address}]")));
        return host.map_err(|_| "has no IPv6 address in its brackets: write one".into());
    }
    if text.contains(':') {
        return Err("has a port: leave it out, a route matches every port".into());
    }
    if let Some(name) = text.strip_prefix("*.") {
        return address::host(name).map(|name| HostPattern::Suffix(format!(".{name}")));
    }
    if text.contains('*') {
        return Err(
            "has a * where none can be: only a whole first part, as in \"*.example.org\", \
                    stands for any"
                .into(),
        );
    }
    address::host(text).map(HostPattern::Exact)
}

/// A path as requests have it, with `*` for one segment and `**` at the end for any rest.
pub(super) fn path(text: &str) -> Result<String, String> {
    if !text.starts_with('/') {
        return Err("does not begin with /: write the path from there, as in \"/users/**\"".into());
    }
    if text.contains(['?', '#']) {
        return Err(
            "has a query or a fragment: end it before that, a route matches every query".into()
        );
    }
    if text.contains(['{', '}']) {
        return Err("has braces: write * for one segment, as in \"/users/*/orders\"".into());
    }
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("has a character that paths spell in percent-encoding: write it so, as in \
                    \"/caf%C3%A9\""
            .into());
    }
    if !escapes(text) {
        return Err("has a % without two hexadecimal digits: write %25 for the character".into());
    }
    let closed = text.strip_suffix("/**").unwrap_or(text);
    closed.split('/').try_for_each(segment)?;
    Ok(text.to_owned())
}

fn segment(segment: &str) -> Result<(), &'static str> {
    if segment == "*" {
        return Ok(());
    }
    if segment == "**" {
        return Err("has ** before its end: write * for each segment there");
    }
    if segment.contains('*') {
        return Err("has a * inside a segment: * stands for a whole one, as in \"/users/*\", and \
                    ** for any rest, as in \"/users/**\"");
    }
    let plain = segment.to_ascii_lowercase();
    if matches!(&*plain.replace("%2e", "."), "." | "..") || plain.contains("%00") {
        return Err("has a segment that every request is refused for (., .. or %00): remove it");
    }
    Ok(())
}

/// Whether every % has its two digits.
fn escapes(text: &str) -> bool {
    text.split('%').skip(1).all(|rest| {
        let digits = rest.as_bytes().get(..2);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    })
}

/// A method as requests have it.
pub(super) fn method(text: &str) -> Result<String, String> {
    let allowed = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'-';
    if matches!(text, "TRACE" | "CONNECT") {
        return Err("is refused whatever the route: remove it".into());
    }
    if text.is_empty() || !text.bytes().all(allowed) {
        return Err("is not a method: write it in capitals, as in \"GET\"".into());
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_literal_but_for_its_stars() {
        let refused = "has a segment that every request is refused for (., .. or %00): remove it";
        let inside = "has a * inside a segment: * stands for a whole one, as in \"/users/*\", and \
                      ** for any rest, as in \"/users/**\"";
        let encoded = "has a character that paths spell in percent-encoding: write it so, as in \
                       \"/caf%C3%A9\"";
        let percent = "has a % without two hexadecimal digits: write %25 for the character";
        for (text, expected) in [
            ("/", ""),
            ("/**", ""),
            ("/*", ""),
            ("/a/*/b/**", ""),
            ("/a//b/", ""),
            ("/caf%C3%A9/%2f", ""),
            ("/v1/x:verb;p=1,2", ""),
            ("", "does not begin with /: write the path from there, as in \"/users/**\""),
            ("users", "does not begin with /: write the path from there, as in \"/users/**\""),
            ("/a?x", "has a query or a fragment: end it before that, a route matches every query"),
            ("/{id}", "has braces: write * for one segment, as in \"/users/*/orders\""),
            ("/a b", encoded),
            ("/é", encoded),
            ("/a%", percent),
            ("/a%2", percent),
            ("/a%zz", percent),
            ("/a%é", encoded),
            ("/**/a", "has ** before its end: write * for each segment there"),
            ("/a*", inside),
            ("/a**", inside),
            ("/***", inside),
            ("/a/../b", refused),
            ("/.", refused),
            ("/%2E%2e/b", refused),
            ("/%00", refused),
        ] {
            assert_eq!(path(text).err().unwrap_or_default(), expected, "{text:?}");
        }
    }

    #[test]
    fn a_host_is_a_name_or_all_below_one() {
        let exact = |host: &str| Ok(HostPattern::Exact(host.to_owned()));
        assert_eq!(host("API.example.org"), exact("api.example.org"));
        assert_eq!(host("127.0.0.1"), exact("127.0.0.1"));
        assert_eq!(host("[::0:1]"), exact("[::1]"));
        assert_eq!(host("*.Example.org"), Ok(HostPattern::Suffix(".example.org".to_owned())));
        for (text, expected) in [
            ("*", "means every host: leave host out"),
            ("http://a", "is more than a host: write the name alone, and a path as path"),
            ("a/b", "is more than a host: write the name alone, and a path as path"),
            ("a:80", "has a port: leave it out, a route matches every port"),
            ("[x]", "has no IPv6 address in its brackets: write one"),
            ("", "has no host: write a name or an address"),
            ("*.", "has no host: write a name or an address"),
            (
                "a.*.b",
                "has a * where none can be: only a whole first part, as in \"*.example.org\", \
                 stands for any",
            ),
        ] {
            assert_eq!(host(text), Err(expected.to_owned()), "{text:?}");
        }
    }

    #[test]
    fn methods_are_in_capitals() {
        for text in ["GET", "M-SEARCH", "PURGE"] {
            assert_eq!(method(text), Ok(text.to_owned()));
        }
        for text in ["get", "", "G T", "Get"] {
            assert!(method(text).is_err(), "{text:?}");
        }
        assert_eq!(method("TRACE"), Err("is refused whatever the route: remove it".to_owned()));
    }
}
