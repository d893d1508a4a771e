//! What the origin is asked for, and what becomes of what it packed itself.

use super::{gzip, json, unpacked, users, varies};
use crate::support::{Origin, Proxy, Reply, get, send};

fn mode(word: &str) -> String {
    format!("[compression]\nupstream_encoding = \"{word}\"")
}

/// An origin that packs for who asks for gzip, and says so.
async fn packing(tag: &'static str, more: &'static str) -> Origin {
    let packed = gzip(users()).await;
    Origin::serve(move |seen| {
        let takes = seen.header("accept-encoding").is_some_and(|it| it.contains("gzip"));
        let reply = match takes {
            true => Reply::ok(packed.clone()).header("Content-Encoding", "gzip"),
            false => Reply::ok(users()),
        };
        let reply = reply.header("Vary", "Accept-Encoding").header("ETag", tag);
        let reply = reply.header("Cache-Control", format!("max-age=60{more}"));
        reply.header("Content-Type", "application/json")
    })
    .await
}

#[tokio::test]
async fn the_origin_is_asked_for_what_the_route_says() {
    let origin = Origin::always(json(0)).await;
    for (word, asked) in [
        ("auto", Some("identity")),
        ("identity", Some("identity")),
        ("gzip", Some("gzip")),
        ("client", Some("br, zz")),
    ] {
        let proxy = Proxy::with(&origin, &mode(word)).await;
        get(&proxy, "/").header("Accept-Encoding", "br, zz").await;
        assert_eq!(origin.last().header("accept-encoding"), asked, "{word}");
    }
}

#[tokio::test]
async fn passed_requests_keep_their_accept_encoding_and_their_answer() {
    for (method, config) in [
        ("POST", ""),
        ("PUT", ""),
        ("GET", "[cache]\nmode = \"off\""),
        ("GET", "[cache]\nbypass_when = [\"header:X-Bypass\"]"),
    ] {
        let origin = Origin::always(json(60).header("Vary", "Accept-Encoding")).await;
        let proxy = Proxy::with(&origin, config).await;
        let ask = send(&proxy, method, "/").header("X-Bypass", "1");
        let answer = ask.header("Accept-Encoding", "gzip, zz").await;
        assert_eq!(origin.last().header("accept-encoding"), Some("gzip, zz"), "{method}");
        assert_eq!((answer.header("content-encoding"), answer.text()), (None, &*users()));
        assert_eq!(answer.header("vary"), Some("Accept-Encoding"), "as it came: {method}");
    }
}

#[tokio::test]
async fn what_came_packed_is_stored_so_and_unpacked_for_who_cannot() {
    let origin = packing("\"a\"", "").await;
    let proxy = Proxy::with(&origin, &mode("gzip")).await;
    let stored = gzip(users()).await;
    for _ in 0..2 {
        for (accept, coding, tag) in [
            ("gzip", Some("gzip"), "\"a\""),
            ("", None, "\"a--plain\""),
            ("br", None, "\"a--plain\""),
        ] {
            let answer = get(&proxy, "/").header("Accept-Encoding", accept).await;
            let got = (answer.header("content-encoding"), answer.header("etag"));
            assert_eq!(got, (coding, Some(tag)), "RFC 9110 §8.8.3.3: {accept:?}");
            assert_eq!(unpacked(&answer).await, users(), "{accept:?}");
            assert!(varies(&answer), "RFC 9110 §12.5.5: {accept:?}");
            if coding.is_some() {
                assert_eq!(answer.body, stored, "as it came, byte for byte");
            }
            let ask = get(&proxy, "/").header("If-None-Match", tag);
            let same = ask.header("Accept-Encoding", accept).await;
            assert_eq!((same.status, same.header("etag")), (304, Some(tag)), "§13.1.2");
        }
    }
    assert_eq!(origin.requests(), 1, "one stored response for all of them");
    let known = get(&proxy, "/").header("If-None-Match", "\"a\"").await;
    assert_eq!(known.status, 200, "§13.1.2: who takes no gzip does not get that one");
}

#[tokio::test]
async fn a_range_is_one_of_the_bytes_that_its_tag_names() {
    let origin = packing("\"a\"", "").await;
    let proxy = Proxy::with(&origin, &mode("gzip")).await;
    let stored = get(&proxy, "/").header("Accept-Encoding", "gzip").await.body;
    let range = || get(&proxy, "/").header("Range", "bytes=5-9");
    let part = range().header("Accept-Encoding", "gzip").await;
    assert_eq!((part.status, part.header("etag")), (206, Some("\"a\"")), "RFC 9110 §14.2");
    assert_eq!((&part.body[..], part.header("content-encoding")), (&stored[5..10], Some("gzip")));
    assert!(varies(&part), "RFC 9110 §15.3.7: Vary as in the 200");
    let whole = range().await;
    assert_eq!((whole.status, whole.header("etag")), (200, Some("\"a--plain\"")));
    assert_eq!((whole.text(), whole.header("accept-ranges")), (&*users(), None));
    let cut = range().header("If-Range", "\"a--plain\"").header("Accept-Encoding", "gzip").await;
    assert_eq!((cut.status, unpacked(&cut).await), (200, users()), "RFC 9110 §13.1.5");
}

#[tokio::test]
async fn the_clients_own_word_selects_where_the_route_says_so() {
    let origin = packing("W/\"a\"", "").await;
    let proxy = Proxy::with(&origin, &mode("client")).await;
    for hit in [false, true] {
        for (accept, coding) in [("gzip", Some("gzip")), ("", None), ("br", Some("br"))] {
            let answer = get(&proxy, "/").header("Accept-Encoding", accept).await;
            assert_eq!(answer.header("content-encoding"), coding, "{accept:?}");
            assert_eq!((unpacked(&answer).await, answer.is_hit()), (users(), hit));
            assert!(varies(&answer), "RFC 9110 §12.5.5");
            assert_eq!(answer.header("etag"), Some("W/\"a\""), "weak tags stay weak");
        }
    }
    assert_eq!(origin.requests(), 3, "RFC 9111 §4.1: one variant each");
}

#[tokio::test]
async fn what_must_not_be_transformed_is_what_the_origin_made_for_that_client() {
    let origin = packing("\"a\"", ", no-transform").await;
    for word in ["identity", "gzip", "client"] {
        let proxy = Proxy::with(&origin, &mode(word)).await;
        for _ in 0..2 {
            for accept in ["gzip", "", "br"] {
                let answer = get(&proxy, "/").header("Accept-Encoding", accept).await;
                assert_eq!(unpacked(&answer).await, users(), "{word}, {accept:?}");
                assert_eq!(answer.header("etag"), Some("\"a\""), "RFC 9110 §7.7: untouched");
                let packed = answer.header("content-encoding");
                let expected = (word != "identity" && accept == "gzip").then_some("gzip");
                assert_eq!(packed, expected, "RFC 9110 §7.7: {word}, {accept:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_client_that_wants_no_transformation_gets_none() {
    let origin = Origin::always(json(60)).await;
    let proxy = Proxy::before(&origin).await;
    for _ in 0..2 {
        let ask = get(&proxy, "/").header("Cache-Control", "no-transform");
        let answer = ask.header("Accept-Encoding", "gzip").await;
        assert_eq!(
            (answer.header("content-encoding"), answer.text()),
            (None, &*users()),
            "§5.2.1.6"
        );
    }
}

#[tokio::test]
async fn a_head_of_what_came_packed_tells_of_what_a_get_brings() {
    let origin = packing("\"a\"", "").await;
    let proxy = Proxy::with(&origin, &mode("gzip")).await;
    for stored in [false, true] {
        for (accept, coding, tag) in [("gzip", Some("gzip"), "\"a\""), ("", None, "\"a--plain\"")] {
            let head = send(&proxy, "HEAD", "/").header("Accept-Encoding", accept).await;
            let got = (head.header("content-encoding"), head.header("etag"));
            assert_eq!(got, (coding, Some(tag)), "RFC 9110 §9.3.2: {accept:?}, {stored}");
            assert!(varies(&head), "RFC 9110 §12.5.5");
        }
        get(&proxy, "/").await;
    }
}
