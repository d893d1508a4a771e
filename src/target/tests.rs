use http::Request;

use super::*;

fn head(uri: &str, fields: &[(&str, &str)]) -> request::Parts {
    let request = fields.iter().fold(Request::get(uri), |request, (n, v)| request.header(*n, *v));
    request.body(()).unwrap().into_parts().0
}

#[test]
fn what_is_taken_for_normal_is() {
    let names = ["a", "a.b", "a_b-c.9", "127.0.0.1", "a.", "A", "a..b", "", "-", "[::1]", "a@b"];
    let ports = ["", ":", ":1", ":80", ":443", ":080", ":8080", ":65535", ":65536", ":+1", ":1:2"];
    for (name, port) in names.iter().flat_map(|it| ports.map(|port| (it, port))) {
        let host = format!("{name}{port}");
        for scheme in [Scheme::Http, Scheme::Https] {
            if is_normal(host.as_bytes(), scheme) {
                assert_eq!(normal(host.as_bytes(), scheme).as_ref(), Ok(&host));
            }
        }
    }
    assert!(is_normal(b"api.example.org:8080", Scheme::Http), "the test tests something");
}

#[test]
fn the_authority_is_one_and_normal() {
    type Fields = &'static [(&'static str, &'static str)];
    let cases: [(&str, Fields, Result<&str, Refusal>); 24] = [
        ("/", &[("host", "API.example.org:80")], Ok("api.example.org")),
        ("/", &[("host", "api.example.org:8080")], Ok("api.example.org:8080")),
        ("/", &[("host", "api.example.org:443")], Ok("api.example.org:443")),
        ("/", &[("host", "[2001:DB8::1]:80")], Ok("[2001:db8::1]")),
        ("/", &[("host", "api.example.org:")], Ok("api.example.org")),
        ("/", &[], Err(Refusal::Host)),
        ("/", &[("host", "a"), ("host", "a")], Err(Refusal::Host)),
        ("/", &[("host", "")], Err(Refusal::BadHost)),
        ("/", &[("host", "a b")], Err(Refusal::BadHost)),
        ("/", &[("host", "user@a")], Err(Refusal::BadHost)),
        ("/", &[("host", "a:99999")], Err(Refusal::BadHost)),
        ("/", &[("host", "a/b")], Err(Refusal::BadHost)),
        ("/", &[("host", "API.example.org.:80")], Ok("api.example.org")),
        ("/", &[("host", ".")], Err(Refusal::BadHost)),
        ("/", &[("host", "..")], Err(Refusal::BadHost)),
        ("/", &[("host", "api.example.org..")], Err(Refusal::BadHost)),
        ("/", &[("host", "a;proto=https")], Err(Refusal::BadHost)),
        ("/", &[("host", "a,for=192.0.2.1")], Err(Refusal::BadHost)),
        ("/", &[("host", "[a;b]")], Err(Refusal::BadHost)),
        ("/", &[("host", "[::1]a")], Err(Refusal::BadHost)),
        ("/", &[("host", "a@a")], Err(Refusal::BadHost)),
        ("/", &[("host", "a:+80")], Err(Refusal::BadHost)),
        ("http://a/x", &[("host", "A:80")], Ok("a")),
        ("http://b/x", &[("host", "a")], Err(Refusal::Contradiction)),
    ];
    for (uri, fields, expected) in cases {
        let found = authority(&head(uri, fields), Scheme::Http);
        assert_eq!(found.as_deref(), expected.as_ref().copied(), "{uri} {fields:?}");
    }
}

#[test]
fn what_is_remembered_of_a_host_is_what_it_is() {
    for host in ["A.example", "A.example", "a.example", "a.example:443", "a@b", "A.example"] {
        for scheme in [Scheme::Http, Scheme::Https, Scheme::Http] {
            let head = head("/", &[("host", host)]);
            let shared = shared_authority(&head, scheme);
            assert_eq!(shared.as_deref(), authority(&head, scheme).as_deref(), "{host}");
        }
    }
}

#[test]
fn http_1_0_needs_no_host_and_http_2_names_it_in_the_target() {
    let mut old = head("/", &[]);
    old.version = Version::HTTP_10;
    assert_eq!(authority(&old, Scheme::Http).as_deref(), Ok(""));
    let mut named = head("http://A.example:80/", &[]);
    named.version = Version::HTTP_10;
    assert_eq!(authority(&named, Scheme::Http).as_deref(), Ok("a.example"), "RFC 9112 §3.3");
    let mut new = head("http://a.example/", &[]);
    new.version = Version::HTTP_2;
    assert_eq!(authority(&new, Scheme::Http).as_deref(), Ok("a.example"));
}

#[test]
fn the_scheme_of_a_target_is_the_one_it_came_by() {
    let rows = [
        ("/", Version::HTTP_11, Scheme::Http, false, Ok(())),
        ("http://a/", Version::HTTP_11, Scheme::Http, false, Ok(())),
        ("HTTPS://a/", Version::HTTP_11, Scheme::Https, false, Ok(())),
        ("https://a/", Version::HTTP_11, Scheme::Http, false, Err(Refusal::Scheme)),
        ("https://a/", Version::HTTP_10, Scheme::Http, true, Err(Refusal::Scheme)),
        ("http://a/", Version::HTTP_11, Scheme::Https, true, Err(Refusal::Scheme)),
        ("https://a/", Version::HTTP_2, Scheme::Http, false, Err(Refusal::Scheme)),
        ("https://a/", Version::HTTP_2, Scheme::Http, true, Ok(())),
        ("http://a/", Version::HTTP_2, Scheme::Https, false, Ok(())),
    ];
    for (uri, version, scheme, trusted, expected) in rows {
        let mut head = head(uri, &[]);
        head.version = version;
        let found = check_scheme(&head, scheme, trusted);
        assert_eq!(found, expected, "RFC 9110 §7.4: {uri} {version:?} {scheme:?} {trusted}");
    }
    assert_eq!(check_target(&head("ftp://a/", &[])), Err(Refusal::Form));
}

#[test]
fn paths_that_servers_read_in_two_ways_are_refused() {
    let refused = [
        "/.",
        "/..",
        "/a/../b",
        "/a/./b",
        "/%2e",
        "/%2E%2e/x",
        "/.%2e",
        "/..;/x",
        "/a/%2e;v=1/b",
        "/..%2fa",
        "/a%2F.%2Fb",
        "/a%2f%2e%2e",
        "/a/..%5cb",
        "/a%5C..",
        "/a\\..\\b",
    ];
    for path in refused {
        assert_eq!(check(&head(path, &[])), Err(Refusal::DotSegment), "{path}");
    }
    let let_in = [
        "/",
        "//x",
        "/...",
        "/.well-known/x",
        "/a..b",
        "/a%2fb",
        "/a%5cb",
        "/%zz",
        "/a.json",
        "/a..%2fb",
        "/a%2f..b",
        "/a\\.b",
        "/a;..",
    ];
    for path in let_in {
        assert_eq!(check(&head(path, &[])), Ok(()), "{path}");
    }
    assert_eq!(check(&head("/a%00b", &[])), Err(Refusal::Nul));
}

#[test]
fn the_method_the_form_and_the_framing_may_condemn_a_request() {
    let mut trace = head("/", &[]);
    trace.method = http::Method::TRACE;
    assert_eq!(check(&trace), Err(Refusal::Method));
    assert_eq!(check(&head("*", &[])), Err(Refusal::Form));
    let mut options = head("*", &[]);
    options.method = http::Method::OPTIONS;
    assert_eq!(check(&options), Ok(()));
    for (coding, expected) in
        [("chunked", Ok(())), ("Chunked ", Ok(())), ("gzip, chunked", Err(Refusal::Coding))]
    {
        let head = head("/", &[("transfer-encoding", coding)]);
        assert_eq!(check(&head), expected, "{coding}");
    }
}

#[test]
fn the_host_is_the_authority_without_its_port() {
    let cases =
        [("a", "a"), ("a:8080", "a"), ("[::1]", "[::1]"), ("[::1]:8080", "[::1]"), ("", "")];
    for (authority, expected) in cases {
        assert_eq!(host(authority), expected);
    }
}
