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
async fn a_head_tells_of_what_a_get_brings_even_where_that_does_not_shrink() {
    let noise: Vec<u8> = std::iter::repeat_with(|| fastrand::u8(..)).take(4096).collect();
    let reply = Reply::fresh(60, noise.clone()).header("Content-Type", "text/plain");
    let origin = Origin::always(reply.header("ETag", "\"a\"")).await;
    let proxy = Proxy::before(&origin).await;
    get(&proxy, "/").await;
    for method in ["HEAD", "GET", "HEAD", "GET"] {
        let answer = send(&proxy, method, "/").header("Accept-Encoding", "gzip").await;
        let got = (answer.header("content-encoding"), answer.header("etag"));
        assert_eq!(got, (Some("gzip"), Some("\"a--gzip\"")), "RFC 9110 §9.3.2: {method}");
        if method == "GET" {
            let length = answer.body.len();
            assert!((4096..4200).contains(&length), "it costs next to nothing: {length}");
            assert!(super::unpack("gzip", &answer.body).await == noise, "byte for byte");
        }
    }
}

#[tokio::test]
async fn nothing_is_nothing_in_every_form() {
    let empty = |reply: Reply| {
        let reply = reply.header("Content-Encoding", "gzip").header("ETag", "\"a\"");
        reply.header("Content-Type", "application/json")
    };
    for cache in ["max-age=60", "no-store"] {
        for (reply, status) in
            [(Reply::ok(""), 200), (Reply::ok("").chunked(), 200), (Reply::status(204), 204)]
        {
            let origin = Origin::always(empty(reply).header("Cache-Control", cache)).await;
            let proxy = Proxy::with(&origin, GZIP).await;
            for accept in ["", "gzip", ""] {
                let answer = get(&proxy, "/").header("Accept-Encoding", accept).result().await;
                let answer = answer.unwrap_or_else(|it| panic!("{cache}, {accept:?}: {it}"));
                assert_eq!((answer.status, answer.body.len()), (status, 0), "{cache} {accept:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_bomb_is_cut_refused_and_dropped() {
    // The longer ones are longer than what is kept, before their ratio tells what they are.
    for length in [16 << 20, 40 << 20, 64 << 20] {
        is_a_bomb(gzip(vec![b' '; length]).await).await;
    }
}

async fn is_a_bomb(bomb: Vec<u8>) {
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
    assert_eq!(send(&proxy, "HEAD", "/").await.status, 502, "and known from now on");
}

#[tokio::test]
async fn a_head_of_what_announces_trailers_tells_of_what_a_get_brings() {
    for cache in ["max-age=60", "no-store"] {
        let reply = Reply::ok(users()).chunked().header("Content-Type", "application/json");
        let reply = reply.header("Trailer", "X-Sum").trailer("X-Sum", "1");
        let reply = reply.header("Cache-Control", cache).header("ETag", "\"a\"");
        let origin = Origin::always(reply).await;
        let proxy = Proxy::before(&origin).await;
        for accept in ["gzip", ""] {
            let ask = |method| send(&proxy, method, "/").header("Accept-Encoding", accept);
            let told = |answer: &crate::support::Answer| {
                let names = ["content-encoding", "vary"];
                names.map(|name| answer.header(name).map(str::to_owned))
            };
            let head = ask("HEAD").await;
            let got = ask("GET").await;
            assert_eq!(told(&head), told(&got), "RFC 9110 §9.3.2: {cache} {accept:?}");
            let packed = cache == "max-age=60" && accept == "gzip";
            assert_eq!(head.header("content-encoding").is_some(), packed, "{cache} {accept:?}");
        }
    }
}

#[tokio::test]
async fn a_head_of_what_is_too_long_to_store_keeps_what_announces_trailers() {
    let reply = Reply::ok(users()).header("Content-Type", "application/json");
    let reply = reply.header("Trailer", "X-Sum").header("ETag", "\"a\"");
    let origin = Origin::always(reply.header("Cache-Control", "max-age=60")).await;
    for (limit, packs) in [("1KiB", false), ("64KiB", true)] {
        let config = format!("[cache]\nmax_object_size = \"{limit}\"");
        let proxy = Proxy::with(&origin, &config).await;
        for _ in 0..2 {
            let [head, got] = ["HEAD", "GET"].map(|method| {
                let ask = send(&proxy, method, "/").header("Accept-Encoding", "gzip");
                async move { ask.await.header("content-encoding").map(str::to_owned) }
            });
            let (head, got) = (head.await, got.await);
            assert_eq!(head, got, "RFC 9110 §9.3.2: {limit}");
            assert_eq!(head.is_some(), packs, "{limit}");
        }
    }
}

#[tokio::test]
async fn who_forbids_to_pack_gets_a_304_of_what_it_gets() {
    let packed = Reply::fresh(60, gzip(users()).await).header("Content-Encoding", "gzip");
    let packed = packed.header("Content-Type", "application/json");
    for (reply, accept, own) in
        [(json(60), "gzip, identity;q=0", "\"a\""), (packed, "br, identity;q=0", "\"a--plain\"")]
    {
        let origin = Origin::always(reply.header("ETag", "\"a\"")).await;
        let proxy = Proxy::with(&origin, GZIP).await;
        get(&proxy, "/").await;
        for method in ["GET", "HEAD"] {
            for (name, value) in [("Cache-Control", "no-transform"), ("Range", "bytes=0-")] {
                let ask = || send(&proxy, method, "/").header("Accept-Encoding", accept);
                let first = ask().header(name, value).await;
                assert_eq!(first.header("etag"), Some(own), "RFC 9111 §5.2.1.6: {method} {name}");
                let same = ask().header(name, value).header("If-None-Match", own).await;
                let got = (same.status, same.header("etag"));
                assert_eq!(got, (304, Some(own)), "RFC 9110 §13.1.2: {method} {name}");
            }
            let ask = send(&proxy, method, "/").header("Accept-Encoding", accept);
            let other = ask.header("If-None-Match", own).await;
            assert_eq!(other.status, 200, "RFC 9110 §13.1.2: it may be packed: {method}");
        }
    }
}

#[tokio::test]
async fn what_is_no_gzip_is_refused() {
    let reply = Reply::fresh(60, users()).header("Content-Type", "application/json");
    let origin = Origin::always(reply.header("Content-Encoding", "gzip")).await;
    let proxy = Proxy::with(&origin, GZIP).await;
    for accept in ["application/json", "text/html"] {
        get(&proxy, "/").header("Accept-Encoding", "gzip").await;
        let refused = get(&proxy, "/").header("Accept", accept).await;
        assert_eq!((refused.status, refused.cache_status().detail()), (502, "bad-encoding"));
        let problem = refused.header("content-type") == Some("application/problem+json");
        assert_eq!(problem, accept == "application/json", "RFC 9457 §3: {accept}");
    }
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

#[tokio::test]
async fn a_head_of_what_does_not_unpack_is_refused_as_its_get_is() {
    let reply = Reply::fresh(60, users()).header("Content-Type", "application/json");
    let origin = Origin::always(reply.header("Content-Encoding", "gzip")).await;
    let proxy = Proxy::with(&origin, GZIP).await;
    for accept in ["", "br, identity;q=0"] {
        let ask = |method| send(&proxy, method, "/").header("Accept-Encoding", accept);
        get(&proxy, "/").header("Accept-Encoding", "gzip").await;
        assert_eq!(ask("GET").await.status, 502, "it is known to be none");
        get(&proxy, "/").header("Accept-Encoding", "gzip").await;
        let head = ask("HEAD").await;
        assert_eq!((head.status, head.text()), (502, ""), "RFC 9110 §9.3.2: {accept:?}");
    }
}
