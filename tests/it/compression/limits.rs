//! What is not packed, and what is not unpacked.

use super::{gzip, json, unpacked, users, varies};
use crate::support::{Origin, Proxy, Reply, get, send};

const GZIP: &str = "[compression]\nupstream_encoding = \"gzip\"";

#[tokio::test]
async fn what_gains_nothing_is_sent_as_it_is() {
    let png = Reply::fresh(60, users()).header("Content-Type", "image/png");
    let short = Reply::fresh(60, "{}").header("Content-Type", "application/json");
    let packed = json(60).header("Content-Encoding", "compress");
    for (reply, config, why) in [
        (png, "", "dense types"),
        (short, "", "tiny"),
        (packed, "", "a coding that is not known here"),
        (json(60).header("Cache-Control", "no-transform"), "", "RFC 9110 §7.7"),
        (json(60), "[compression]\nencodings = []", "off"),
        (json(60), "[compression]\nmin_length = \"1MiB\"", "shorter than the operator says"),
    ] {
        let origin = Origin::always(reply.header("ETag", "\"a\"")).await;
        let proxy = Proxy::with(&origin, config).await;
        let plain = get(&proxy, "/").await;
        let asked = get(&proxy, "/").header("Accept-Encoding", "gzip, br, zstd").await;
        assert_eq!(asked.body, plain.body, "{why}");
        assert_eq!(asked.header("etag"), Some("\"a\""), "{why}");
        assert!(!varies(&asked) && !varies(&plain), "RFC 9110 §12.5.5: {why}");
    }
}

#[tokio::test]
async fn what_does_not_shrink_is_sent_as_it_is() {
    let noise: Vec<u8> = std::iter::repeat_with(|| fastrand::u8(..)).take(4096).collect();
    let reply = Reply::fresh(60, noise.clone()).header("Content-Type", "text/plain");
    let origin = Origin::always(reply.header("ETag", "\"a\"")).await;
    let proxy = Proxy::before(&origin).await;
    get(&proxy, "/").await;
    for method in ["GET", "GET", "HEAD"] {
        let answer = send(&proxy, method, "/").header("Accept-Encoding", "gzip").await;
        let got = (answer.header("content-encoding"), answer.header("etag"));
        assert_eq!(got, (None, Some("\"a\"")), "{method}");
        assert_eq!(answer.header("content-length"), Some("4096"), "{method}");
    }
}

#[tokio::test]
async fn a_bomb_is_cut_refused_and_dropped() {
    let bomb = gzip(vec![b' '; 16 << 20]).await;
    let reply = Reply::fresh(60, bomb).header("Content-Type", "application/json");
    let origin = Origin::always(reply.header("Content-Encoding", "gzip")).await;
    let proxy = Proxy::with(&origin, GZIP).await;
    let cut = get(&proxy, "/").result().await;
    assert!(cut.is_err(), "it is cut while it arrives");
    let packed = get(&proxy, "/").header("Accept-Encoding", "gzip").await;
    assert_eq!((packed.status, packed.is_hit()), (200, false), "and was not stored");
    let refused = get(&proxy, "/").await;
    assert_eq!(refused.status, 502, "what is stored meanwhile is refused");
    assert_eq!(refused.cache_status().detail(), "bad-encoding");
    let again = get(&proxy, "/").header("Accept-Encoding", "gzip").await;
    assert!(!again.is_hit(), "and dropped");
}

#[tokio::test]
async fn what_is_no_gzip_is_refused() {
    let reply = Reply::fresh(60, users()).header("Content-Type", "application/json");
    let origin = Origin::always(reply.header("Content-Encoding", "gzip")).await;
    let proxy = Proxy::with(&origin, GZIP).await;
    get(&proxy, "/").header("Accept-Encoding", "gzip").await;
    assert_eq!(get(&proxy, "/").await.status, 502);
}

#[tokio::test]
async fn what_unpacks_to_more_than_is_kept_is_unpacked_as_it_is_sent() {
    let text = users().repeat(200);
    let reply = Reply::fresh(60, gzip(&text).await).header("Content-Type", "application/json");
    let origin = Origin::always(reply.header("Content-Encoding", "gzip")).await;
    let config = format!("{GZIP}\n[cache]\nmax_object_size = \"1MiB\"");
    let proxy = Proxy::with(&origin, &config).await;
    for hit in [false, true, true] {
        let answer = get(&proxy, "/").await;
        assert_eq!((answer.is_hit(), answer.body.len()), (hit, text.len()));
        assert!(unpacked(&answer).await == text, "byte for byte");
    }
}

#[tokio::test]
async fn a_head_starts_no_compression() {
    let origin = Origin::always(json(60).header("ETag", "\"a\"")).await;
    let proxy = Proxy::before(&origin).await;
    get(&proxy, "/").await;
    let head = || send(&proxy, "HEAD", "/").header("Accept-Encoding", "gzip");
    for _ in 0..2 {
        let head = head().await;
        let got = (head.header("content-encoding"), head.header("etag"));
        assert_eq!(got, (Some("gzip"), Some("\"a--gzip\"")), "RFC 9110 §9.3.2");
        assert_eq!(head.header("content-length"), None, "nothing was packed that could tell it");
    }
    let packed = get(&proxy, "/").header("Accept-Encoding", "gzip").await;
    let length = packed.body.len().to_string();
    assert_eq!(head().await.header("content-length"), Some(&*length), "now it is known");
}
