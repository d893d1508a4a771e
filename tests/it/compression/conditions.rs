//! Entity-tags of packed bodies, on their way to the origin and back (RFC 9110 §8.8.3, §13).

use super::{CODINGS, json, unpacked, users, varies};
use crate::support::{Origin, Proxy, Reply, get, send};

#[tokio::test]
async fn every_method_and_route_leads_conditions_back() {
    for config in ["", "[cache]\nmode = \"off\"", "[cache]\nbypass_when = [\"header:X-Bypass\"]"] {
        let origin = Origin::always(Reply::status(204)).await;
        let proxy = Proxy::with(&origin, config).await;
        for method in ["PUT", "PATCH", "DELETE", "POST", "GET", "HEAD"] {
            let ask = send(&proxy, method, "/").header("X-Bypass", "1");
            let ask = ask.header("If-Match", "\"a--gzip\", W/\"b--gzip\", \"c--br--id\"");
            ask.header("If-None-Match", "\"d--zstd\", \"e--plain\"").await;
            let seen = origin.last();
            let told = (seen.header("if-match"), seen.header("if-none-match"));
            let expected = (Some("\"a\", W/\"b--gzip\", \"c--br\""), Some("\"d\", \"e\""));
            assert_eq!(told, expected, "RFC 9110 §13.1: {method} {config}");
        }
    }
}

#[tokio::test]
async fn an_origins_tag_that_ends_like_ours_comes_back_as_it_was() {
    for config in ["", "[cache]\nmode = \"off\""] {
        let origin = Origin::serve(|seen| match seen.header("if-none-match") {
            Some("\"a--gzip\"") => Reply::status(304).header("ETag", "\"a--gzip\""),
            _ => json(0).header("ETag", "\"a--gzip\""),
        })
        .await;
        let proxy = Proxy::with(&origin, config).await;
        for _ in 0..2 {
            let plain = get(&proxy, "/").await;
            assert_eq!(plain.header("etag"), Some("\"a--gzip--id\""), "{config}");
            let same = get(&proxy, "/").header("If-None-Match", "\"a--gzip--id\"").await;
            assert_eq!((same.status, same.header("etag")), (304, Some("\"a--gzip--id\"")));
            let other = get(&proxy, "/").header("If-None-Match", "\"a--gzip\"").await;
            assert_eq!(other.status, 200, "RFC 9110 §8.8.3.3: that is another one's: {config}");
        }
        let put = send(&proxy, "PUT", "/").header("If-Match", "\"a--gzip--id\"").body("x").await;
        assert_eq!(put.header("etag"), Some("\"a--gzip--id\""), "in every answer: {config}");
        assert_eq!(origin.last().header("if-match"), Some("\"a--gzip\""), "RFC 9110 §13.1.1");
    }
}

#[tokio::test]
async fn any_codings_tag_is_recognised_by_who_takes_it() {
    let origin = Origin::always(json(60).header("ETag", "\"a\"")).await;
    let proxy = Proxy::before(&origin).await;
    get(&proxy, "/").await;
    for (tag, accept, status) in [
        ("\"a--gzip\"", "gzip", 304),
        ("\"a--br\"", "gzip, br", 304),
        ("\"x\", \"a--zstd\"", "zstd;q=0.1, gzip", 304),
        ("\"a\"", "gzip", 304),
        ("\"a--gzip\"", "br", 200),
        ("\"a--gzip\"", "", 200),
        ("\"b--gzip\"", "gzip", 200),
    ] {
        let ask = get(&proxy, "/").header("If-None-Match", tag);
        let answer = ask.header("Accept-Encoding", accept).await;
        assert_eq!(answer.status, status, "RFC 9110 §13.1.2: {tag} for {accept:?}");
        if status == 304 {
            assert!(tag.ends_with(answer.header("etag").unwrap()), "the tag that it has: {tag}");
        }
        assert!(varies(&answer), "RFC 9110 §12.5.5");
    }
    assert_eq!(origin.requests(), 1);
}

#[tokio::test]
async fn a_304_of_the_origin_is_a_304_in_every_coding() {
    let origin = Origin::serve(|seen| match seen.header("if-none-match") {
        Some(_) => Reply::status(304).header("ETag", "\"a\"").header("Cache-Control", "no-cache"),
        None => json(0).header("ETag", "\"a\"").header("Cache-Control", "no-cache"),
    })
    .await;
    let proxy = Proxy::before(&origin).await;
    for coding in CODINGS {
        let answer = get(&proxy, "/").header("Accept-Encoding", coding).await;
        let tag = answer.header("etag").unwrap().to_owned();
        assert_eq!((&*tag, unpacked(&answer).await), (&*format!("\"a--{coding}\""), users()));
        let ask = get(&proxy, "/").header("Accept-Encoding", coding);
        let same = ask.header("If-None-Match", &tag).await;
        assert_eq!((same.status, same.header("etag")), (304, Some(&*tag)), "RFC 9110 §13.1.2");
    }
    assert_eq!(origin.last().header("if-none-match"), Some("\"a\""), "RFC 9111 §4.3.1");
}

#[tokio::test]
async fn a_date_is_a_condition_in_every_coding() {
    let date = "Sat, 21 Nov 2026 10:00:00 GMT";
    let origin =
        Origin::always(json(60).header("Last-Modified", date).header("ETag", "\"a\"")).await;
    let proxy = Proxy::before(&origin).await;
    get(&proxy, "/").await;
    let ask = get(&proxy, "/").header("If-Modified-Since", date);
    let same = ask.header("Accept-Encoding", "br").await;
    assert_eq!((same.status, same.header("etag")), (304, Some("\"a--br\"")), "§15.4.5: as a 200");
}

#[tokio::test]
async fn digests_tell_of_the_bytes_that_are_sent_or_are_gone() {
    let digests = ["Content-Digest", "Repr-Digest", "Digest", "Content-MD5"];
    let reply = digests.iter().fold(json(60), |reply, name| reply.header(name, "sha-256=:AAAA:"));
    let origin = Origin::always(reply).await;
    let proxy = Proxy::before(&origin).await;
    for _ in 0..2 {
        let packed = get(&proxy, "/").header("Accept-Encoding", "gzip").await;
        let plain = get(&proxy, "/").await;
        for name in digests {
            assert_eq!(packed.header(name), None, "RFC 9530 §2, §3: of other bytes");
            assert!(plain.header(name).is_some(), "RFC 9530 §2, §3: of these");
        }
    }
}
