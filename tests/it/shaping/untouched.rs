//! What is not cut passes as it came, and Cache-Status says why (RFC 9211 §2.8).

use super::{OFFER, USER, before, json};
use crate::support::{Origin, Proxy, Reply, get, send};

const DATE: &str = "Sat, 21 Nov 2026 10:00:00 GMT";

#[tokio::test]
async fn what_cannot_be_cut_passes_untouched() {
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
    let rows = [
        (Reply::fresh(60, USER).header("Content-Type", "text/plain"), USER, 200, "not-json"),
        (Reply::fresh(60, USER), USER, 200, "not-json"),
        (json("{\"id\":1"), "{\"id\":1", 200, "not-json"),
        (json(""), "", 200, "not-json"),
        (json(&*deep), &*deep, 200, "too-deep"),
        (json(USER).header("Content-Encoding", "br, gzip"), USER, 200, "unknown-coding"),
        (json(USER).header("Content-Encoding", "x-own"), USER, 200, "unknown-coding"),
        (json(USER).header("Cache-Control", "no-transform"), USER, 200, "no-transform"),
        (
            Reply::status(404).header("Cache-Control", "max-age=9").body("{\"id\":1}"),
            "{\"id\":1}",
            404,
            "not-ok",
        ),
        (Reply::status(500).body("{\"id\":1}"), "{\"id\":1}", 500, "not-ok"),
    ];
    for (reply, text, status, why) in rows {
        let (_origin, proxy) = before(reply).await;
        for _ in 0..2 {
            let answer = get(&proxy, "/?fields=x").await;
            assert_eq!((answer.status, answer.text()), (status, text), "{why}");
            let told = answer.header("cache-status").unwrap();
            assert!(told.ends_with(&format!("; detail={why}")), "{told}: {why}");
        }
    }
}

#[tokio::test]
async fn what_passes_untouched_has_the_tag_of_the_whole() {
    let reply =
        Reply::fresh(60, "text").header("Content-Type", "text/plain").header("ETag", "\"v\"");
    let (origin, proxy) = before(reply.header("Last-Modified", DATE)).await;
    for _ in 0..2 {
        let first = get(&proxy, "/?fields=x").await;
        assert_eq!(first.header("etag"), Some("\"v\""), "RFC 9110 §8.8.1: these are its bytes");
        for (name, value) in [
            ("If-None-Match", "\"v\""),
            ("If-None-Match", "\"x\", W/\"v\""),
            ("If-None-Match", "*"),
            ("If-Modified-Since", DATE),
        ] {
            for method in ["GET", "HEAD"] {
                let same = send(&proxy, method, "/?fields=x").header(name, value).await;
                let got = (same.status, same.header("etag"), same.text());
                assert_eq!(got, (304, Some("\"v\""), ""), "RFC 9110 §13.1: {method} {name}");
            }
        }
        let other = get(&proxy, "/?fields=x").header("If-None-Match", "\"w\"").await;
        assert_eq!((other.status, other.text()), (200, "text"));
    }
    assert_eq!(origin.requests(), 1);
}

#[tokio::test]
async fn one_tag_never_names_the_whole_and_its_cut() {
    let origin = Origin::serve(|seen| {
        let forbids = if seen.number == 1 { ", no-transform" } else { "" };
        let reply = match seen.header("if-none-match") {
            Some("\"v\"") => Reply::status(304),
            _ => Reply::ok(USER).header("Content-Type", "application/json"),
        };
        let reply = reply.header("ETag", "\"v\"").header("Last-Modified", DATE);
        reply.header("Cache-Control", format!("max-age=60{forbids}"))
    })
    .await;
    let proxy = Proxy::with(&origin, OFFER).await;
    let whole = get(&proxy, "/?fields=id").await;
    let dated = get(&proxy, "/?fields=id").header("If-Modified-Since", DATE).await;
    assert_eq!((dated.status, dated.header("etag")), (304, whole.header("etag")), "§15.4.5");
    proxy.advance(61);
    let cut = get(&proxy, "/?fields=id").await;
    assert_eq!((whole.text(), cut.text()), (USER, r#"{"id":1}"#), "a 304 has allowed it");
    assert_ne!(whole.header("etag"), cut.header("etag"), "RFC 9110 §8.8.1: other bytes");
    let known = whole.header("etag").unwrap();
    let ask = get(&proxy, "/?fields=id").header("If-None-Match", known).await;
    assert_eq!((ask.status, ask.text()), (200, r#"{"id":1}"#), "§13.1.2: that was the whole");
}

#[tokio::test]
async fn what_is_too_long_to_be_cut_is_packed_once() {
    let text = format!("[{}]", vec![USER; 100].join(","));
    let origin = Origin::always(json(&*text).header("ETag", "\"v\"")).await;
    let proxy = Proxy::with(&origin, &OFFER.replace("filter", "max_size = \"1KiB\", filter")).await;
    get(&proxy, "/").await;
    for _ in 0..2 {
        let answer = get(&proxy, "/?fields=id").header("Accept-Encoding", "gzip").await;
        let why = "it is stored, and so has no run of an encoder of its own";
        assert_eq!(answer.header("etag"), Some("\"v--gzip\""), "{why}");
        assert!(answer.cache_status().detail().contains("too-large"));
    }
}
