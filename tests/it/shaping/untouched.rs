//! What is not cut passes as it came, and Cache-Status says why (RFC 9211 §2.8).

use super::{USER, before, json};
use crate::support::{Reply, get};

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
async fn what_passes_untouched_has_a_tag_of_this_url_all_the_same() {
    let reply =
        Reply::fresh(60, "text").header("Content-Type", "text/plain").header("ETag", "\"v\"");
    let (origin, proxy) = before(reply).await;
    let first = get(&proxy, "/?fields=x").await;
    let tag = first.header("etag").unwrap();
    let same = get(&proxy, "/?fields=x").header("If-None-Match", tag).await;
    assert_eq!((same.status, same.header("etag")), (304, Some(tag)), "RFC 9110 §13.1.2");
    assert_eq!(origin.requests(), 1);
}
