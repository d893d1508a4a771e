//! What is believed, what is stripped, what is forwarded.

use http::{HeaderValue, Version};
use ipnet::IpNet;

use super::*;
use crate::{server::PeerAddr, target::Scheme};

#[test]
fn what_is_for_one_hop_is_told_by_its_name() {
    assert!(ONE_HOP.iter().all(is_of_one_hop));
    for name in ["host", "content-length", "via", "x-te", "keep-alive2", "age"] {
        assert!(!is_of_one_hop(&HeaderName::from_static(name)), "{name}");
    }
}

fn fields(lines: &[(&'static str, &'static str)]) -> HeaderMap {
    let mut fields = HeaderMap::new();
    for (name, value) in lines {
        fields.append(*name, HeaderValue::from_static(value));
    }
    fields
}

fn lines(fields: &HeaderMap) -> Vec<(String, String)> {
    let line = |(name, value): (&HeaderName, &HeaderValue)| {
        (name.to_string(), value.to_str().unwrap().to_owned())
    };
    fields.iter().map(line).collect()
}

fn peer(address: &str) -> PeerAddr {
    PeerAddr::Ip(address.parse().unwrap())
}

fn trusted() -> Vec<IpNet> {
    vec!["10.0.0.0/8".parse().unwrap(), "2001:db8::/32".parse().unwrap()]
}

#[test]
fn what_connection_names_is_removed_but_not_what_frames_the_message() {
    let mut got = fields(&[
        ("connection", "close, X-Hop"),
        ("connection", "host, content-length"),
        ("x-hop", "1"),
        ("keep-alive", "timeout=5"),
        ("te", "gzip"),
        ("upgrade", "h2c"),
        ("proxy-authorization", "secret"),
        ("host", "a"),
        ("content-length", "3"),
        ("x-end", "1"),
    ]);
    remove_hop_by_hop(&mut got);
    let mut names: Vec<_> = got.keys().map(HeaderName::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["content-length", "host", "x-end"]);
}

#[test]
fn a_stranger_is_not_believed() {
    let mut got = fields(&[
        ("forwarded", "for=1.1.1.1;proto=https;host=evil"),
        ("x-forwarded-for", "1.1.1.1"),
        ("x-forwarded-prefix", "/x"),
        ("x-real-ip", "1.1.1.1"),
        ("x-original-url", "/admin"),
        ("x-rewrite-url", "/admin"),
        ("x-http-method-override", "DELETE"),
        ("x_forwarded_for", "1.1.1.1"),
        ("x_real-ip", "1.1.1.1"),
        ("content_length", "9"),
        ("proxy", "http://evil"),
        ("accept", "*/*"),
    ]);
    let believed = believe(&mut got, peer("192.0.2.1"), &trusted(), Scheme::Http);
    assert_eq!(believed.client, Some("192.0.2.1".parse().unwrap()));
    assert_eq!((believed.scheme, believed.host), (Scheme::Http, None));
    assert_eq!(lines(&got), [("accept".to_owned(), "*/*".to_owned())]);
}

#[test]
fn what_rewrites_a_request_is_not_even_a_trusted_proxys_to_say() {
    let mut got = fields(&[
        ("x-original-url", "/admin"),
        ("x-http-method-override", "DELETE"),
        ("x_forwarded_proto", "https"),
        ("x-real-ip", "198.51.100.1"),
        ("api_key", "1"),
    ]);
    believe(&mut got, peer("10.0.0.1"), &trusted(), Scheme::Http);
    let mut names: Vec<_> = got.keys().map(HeaderName::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["api_key", "x-real-ip"]);
}

#[test]
fn a_trusted_chain_is_walked_from_the_right() {
    type Fields = &'static [(&'static str, &'static str)];
    let cases: [(Fields, &str, Scheme, Option<&str>); 10] = [
        (&[], "10.0.0.1", Scheme::Http, None),
        (&[("x-forwarded-for", "198.51.100.1")], "198.51.100.1", Scheme::Http, None),
        (
            &[("x-forwarded-for", "6.6.6.6, 198.51.100.1, 10.9.9.9")],
            "198.51.100.1",
            Scheme::Http,
            None,
        ),
        (
            &[("x-forwarded-for", "6.6.6.6"), ("x-forwarded-for", "198.51.100.1")],
            "198.51.100.1",
            Scheme::Http,
            None,
        ),
        (&[("x-forwarded-for", "10.1.1.1, 10.2.2.2")], "10.1.1.1", Scheme::Http, None),
        (
            &[("x-forwarded-proto", "https"), ("x-forwarded-host", "a.example")],
            "10.0.0.1",
            Scheme::Https,
            Some("a.example"),
        ),
        (
            &[
                ("forwarded", "for=\"[2001:db9::1]:99\";proto=HTTPS;host=\"a.example:1\""),
                ("x-forwarded-for", "6.6.6.6"),
            ],
            "2001:db9::1",
            Scheme::Https,
            Some("a.example:1"),
        ),
        (
            &[("forwarded", "for=6.6.6.6, for=198.51.100.1;proto=https, for=10.3.3.3;proto=http")],
            "198.51.100.1",
            Scheme::Https,
            None,
        ),
        (&[("forwarded", "for=\"a,b;c\\\"\";proto=https")], "10.0.0.1", Scheme::Https, None),
        (&[("forwarded", "for=198.51.100.1, for=unknown")], "10.0.0.1", Scheme::Http, None),
    ];
    for (given, client, scheme, host) in cases {
        let mut got = HeaderMap::new();
        for (name, value) in given {
            got.append(
                HeaderName::from_bytes(name.as_bytes()).unwrap(),
                HeaderValue::from_str(value).unwrap(),
            );
        }
        let believed = believe(&mut got, peer("10.0.0.1"), &trusted(), Scheme::Http);
        assert_eq!(believed.client, Some(client.parse().unwrap()), "{given:?}");
        assert_eq!((believed.scheme, believed.host.as_deref()), (scheme, host), "{given:?}");
    }
}

fn forwarded(got: &mut HeaderMap, from: &str, version: Version) {
    let peer = peer(from);
    let believed = believe(got, peer, &trusted(), Scheme::Http);
    let (authority, host) = ("api.example:8080", "api.example:8080");
    let upgrade = Upgrade::No;
    forward(got, Forwarding { peer, believed: &believed, authority, host, version, upgrade });
}

#[test]
fn addresses_are_written_as_they_are() {
    for from in ["0.9.10.99", "100.199.200.255", "1.1.1.1", "2001:db8::1", "::"] {
        let mut got = fields(&[("host", "a")]);
        forwarded(&mut got, from, Version::HTTP_11);
        assert_eq!(got["x-forwarded-for"], from);
    }
}

#[test]
fn what_was_told_of_one_is_told_of_no_other() {
    let long = format!("{}.example", "a".repeat(300));
    for from in ["192.0.2.1", "198.51.100.1", "2001:db8::1", "192.0.2.1"] {
        for (host, scheme) in [("a", Scheme::Http), ("b", Scheme::Http), ("b", Scheme::Https)] {
            for host in [host, &long, host] {
                let (mut got, peer) = (fields(&[("host", "a")]), peer(from));
                let believed = Believed { scheme, ..Believed::default() };
                let (version, upgrade) = (Version::HTTP_11, Upgrade::No);
                let authority = host;
                let about =
                    Forwarding { peer, believed: &believed, authority, host, version, upgrade };
                forward(&mut got, about);
                assert_eq!(got["x-forwarded-for"], from);
                assert_eq!(got["x-forwarded-host"], host);
                let proto = format!("host={host};proto={}", scheme.as_str());
                let told = got["forwarded"].to_str().unwrap();
                assert!(told.ends_with(&proto), "{told}");
                assert!(told.contains(from), "{told}");
            }
        }
    }
}

#[test]
fn a_forwarded_request_says_where_it_comes_from() {
    let mut got = fields(&[("host", "API.example:8080"), ("x-forwarded-for", "6.6.6.6")]);
    forwarded(&mut got, "192.0.2.1", Version::HTTP_11);
    let mut got = lines(&got);
    got.sort();
    let expected = [
        ("forwarded", "for=192.0.2.1;host=\"api.example:8080\";proto=http"),
        ("host", "api.example:8080"),
        ("via", "1.1 larder"),
        ("x-forwarded-for", "192.0.2.1"),
        ("x-forwarded-host", "api.example:8080"),
        ("x-forwarded-proto", "http"),
    ];
    assert_eq!(got, expected.map(|(n, v)| (n.to_owned(), v.to_owned())));
}

#[test]
fn a_trusted_chain_is_continued() {
    let mut got = fields(&[
        ("forwarded", "for=198.51.100.1;proto=https"),
        ("x-forwarded-for", "198.51.100.1"),
        ("via", "1.1 edge"),
    ]);
    forwarded(&mut got, "10.0.0.1", Version::HTTP_2);
    assert_eq!(
        got["forwarded"],
        "for=198.51.100.1;proto=https, for=10.0.0.1;host=\"api.example:8080\";proto=https"
    );
    assert_eq!(got["x-forwarded-for"], "198.51.100.1, 10.0.0.1");
    assert_eq!(got["x-forwarded-proto"], "https");
    let via: Vec<_> = got.get_all("via").iter().collect();
    assert_eq!(via, ["1.1 edge", "2 larder"]);
}

#[test]
fn cookies_split_by_http_2_are_joined_and_only_those() {
    let split = [("cookie", "a=1"), ("cookie", "b=2")];
    let mut got = fields(&split);
    join_cookies(&mut got, Version::HTTP_2);
    assert_eq!(got["cookie"], "a=1; b=2");
    assert_eq!(got.get_all("cookie").iter().count(), 1);
    let mut got = fields(&split);
    join_cookies(&mut got, Version::HTTP_11);
    assert_eq!(got.get_all("cookie").iter().count(), 2);
}

#[test]
fn te_trailers_is_sent_on_as_a_hop_of_our_own() {
    let mut got = fields(&[("te", "trailers, deflate"), ("connection", "te")]);
    forwarded(&mut got, "192.0.2.1", Version::HTTP_11);
    assert_eq!(
        (&got["te"], &got["connection"]),
        (&"trailers".parse().unwrap(), &"te".parse().unwrap())
    );
}

#[test]
fn trailers_are_announced_but_for_what_we_say_ourselves() {
    let mut got = fields(&[
        ("trailer", "X-Sum, X-Forwarded-For"),
        ("trailer", "Via, Connection, X_Real_IP, Host, X-End"),
    ]);
    forwarded(&mut got, "192.0.2.1", Version::HTTP_11);
    assert_eq!(got.get_all("trailer").iter().collect::<Vec<_>>(), ["x-sum, x-end"]);
    let mut got = fields(&[("trailer", "Via")]);
    forwarded(&mut got, "192.0.2.1", Version::HTTP_11);
    assert_eq!(got.get("trailer"), None);
}

/// RFC 9110 §6.5.1: what Trailer names may come behind the body, and some servers take it for a field
/// of the head.
#[test]
fn only_we_vouch_for_a_client_in_head_and_trailers() {
    let name = HeaderName::from_static("x-subject");
    let sent = [
        ("x-subject", "root"),
        ("x_subject", "root"),
        ("x-other", "kept"),
        ("trailer", "Expires, X_Subject"),
    ];
    for (value, told) in [(Some("alice"), &["alice"][..]), (None, &[])] {
        let mut got = HeaderMap::new();
        for (name, value) in sent {
            got.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        vouch(&mut got, &name, value.map(HeaderValue::from_static).as_ref());
        assert_eq!(got.get_all(&name).iter().collect::<Vec<_>>(), told);
        assert!(!got.contains_key("x_subject") && !got.contains_key(header::TRAILER), "{got:?}");
        assert!(got.contains_key("x-other"));
    }
}
