//! What the origin is asked for, and what becomes of what it packed itself.

use super::{gzip, json, unpacked, users, varies};
use crate::support::{Answer, Origin, Proxy, Reply, get, send};

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

#[tokio::test]
async fn what_may_not_be_transformed_any_more_is_asked_for_anew() {
    for method in ["GET", "HEAD"] {
        let packed = gzip(users()).await;
        let origin = Origin::serve(move |seen| {
            let takes = seen.header("accept-encoding").is_some_and(|it| it.contains("gzip"));
            let reply = match seen.header("if-none-match") {
                Some("\"a\"") => Reply::status(304),
                _ if takes => Reply::ok(packed.clone()).header("Content-Encoding", "gzip"),
                _ => Reply::ok(users()),
            };
            let reply = reply.header("Vary", "Accept-Encoding").header("ETag", "\"a\"");
            let more = if seen.number == 1 { "" } else { ", no-transform" };
            let reply = reply.header("Cache-Control", format!("max-age=60{more}"));
            reply.header("Content-Type", "application/json")
        })
        .await;
        let proxy = Proxy::with(&origin, &mode("gzip")).await;
        get(&proxy, "/").header("Accept-Encoding", "gzip").await;
        proxy.advance(61);
        let ask = send(&proxy, method, "/").await;
        assert_eq!(ask.header("content-encoding"), None, "RFC 9110 §12.5.3: {method}");
        for (accept, coding) in [("", None), ("gzip", Some("gzip")), ("br", None)] {
            for _ in 0..2 {
                let answer = get(&proxy, "/").header("Accept-Encoding", accept).await;
                assert_eq!(answer.header("content-encoding"), coding, "§7.7: {method} {accept:?}");
                assert_eq!(unpacked(&answer).await, users(), "{method} {accept:?}");
                assert!(varies(&answer), "RFC 9110 §12.5.5: {method} {accept:?}");
            }
        }
    }
}

/// What HEAD and GET tell alike; a body that is packed as it comes has a tag of its own each time.
fn told(answer: &Answer) -> (u16, Option<String>, Option<String>, bool) {
    let tag = answer.header("etag").map(|tag| match tag.split_once("--br.") {
        Some((origin, _)) => format!("{origin}--br\""),
        None => tag.to_owned(),
    });
    let coding = answer.header("content-encoding").map(str::to_owned);
    (answer.status, tag, coding, varies(answer))
}

#[tokio::test]
async fn a_head_of_what_is_one_clients_own_tells_of_what_a_get_brings() {
    let packed = gzip(users()).await;
    let small = gzip("{}").await;
    let origin = Origin::serve(move |seen| {
        let takes = seen.header("accept-encoding").is_some_and(|it| it.contains("gzip"));
        let is_small = seen.target.contains("small");
        let reply = match (takes, is_small) {
            (true, false) => Reply::ok(packed.clone()),
            (true, true) => Reply::ok(small.clone()),
            (false, false) => Reply::ok(users()),
            (false, true) => Reply::ok("{}"),
        };
        let reply = match takes {
            true => reply.header("Content-Encoding", "gzip").header("ETag", "\"z\""),
            false => reply.header("ETag", "\"p\""),
        };
        let more = if seen.target.contains("bound") { ", no-transform" } else { "" };
        let cache = if seen.target.contains("own") { "private" } else { "max-age=60" };
        let reply = reply.header("Cache-Control", format!("{cache}{more}"));
        reply.header("Vary", "Accept-Encoding").header("Content-Type", "application/json")
    })
    .await;
    let proxy = Proxy::with(&origin, &mode("gzip")).await;
    for path in ["/own", "/own-small", "/own-bound", "/all", "/all-small", "/all-bound"] {
        for (name, value) in [
            ("Accept", "*/*"),
            ("Cache-Control", "no-store"),
            ("Authorization", "Bearer x"),
            ("If-None-Match", "\"other\""),
        ] {
            for accept in ["", "gzip", "br", "br, identity;q=0"] {
                let ask = |method| {
                    let ask = send(&proxy, method, path).header(name, value);
                    ask.header("Accept-Encoding", accept)
                };
                let why = format!("{path} {name} {accept:?}");
                let (head, got, again) = (ask("HEAD").await, ask("GET").await, ask("HEAD").await);
                assert_eq!(told(&head), told(&got), "RFC 9110 §9.3.2: {why}");
                assert_eq!(told(&again), told(&got), "RFC 9110 §9.3.2: {why}");
                assert!(varies(&got), "RFC 9110 §12.5.5: {why}");
                let text = if path.contains("small") { "{}".to_owned() } else { users() };
                assert_eq!(unpacked(&got).await, text, "{why}");
                if !accept.contains("gzip") {
                    assert_ne!(got.header("content-encoding"), Some("gzip"), "§12.5.3: {why}");
                }
            }
        }
    }
}

#[tokio::test]
async fn who_refuses_plain_bytes_gets_what_came_packed_in_another_coding() {
    let origin = packing("\"a\"", "").await;
    let proxy = Proxy::with(&origin, &mode("gzip")).await;
    for hit in [false, true, true] {
        for (accept, coding) in [
            ("br, identity;q=0", Some("br")),
            ("*;q=0, zstd", Some("zstd")),
            ("br, gzip;q=0.001, identity;q=0", Some("gzip")),
            ("br;q=0.1", None),
            ("identity, gzip;q=0.5", None),
            ("br, gzip;q=0.001", Some("gzip")),
            ("deflate, identity;q=0", None),
        ] {
            let ask = |method| send(&proxy, method, "/").header("Accept-Encoding", accept);
            let (answer, head) = (ask("GET").await, ask("HEAD").await);
            let told = answer.header("content-encoding");
            assert_eq!(told, coding, "RFC 9110 §12.5.3: {accept}");
            assert_eq!(head.header("content-encoding"), coding, "RFC 9110 §9.3.2: {accept}");
            assert_eq!(unpacked(&answer).await, users(), "{accept}");
            assert!(varies(&answer), "RFC 9110 §12.5.5: {accept}");
            if hit {
                let tag = answer.header("etag").unwrap();
                assert_eq!(head.header("etag"), Some(tag), "RFC 9110 §8.8.3.3");
                let same = ask("GET").header("If-None-Match", tag).await;
                assert_eq!((same.status, same.header("etag")), (304, Some(tag)), "§13.1.2");
            }
        }
    }
    assert_eq!(origin.requests(), 1, "one stored response for all of them");
}

#[tokio::test]
async fn a_head_does_not_bind_what_came_packed_for_all() {
    let packed = gzip(users()).await;
    let origin = Origin::serve(move |seen| {
        let reply = match seen.method.as_str() {
            "HEAD" => Reply::ok(packed.clone()).header("Cache-Control", "max-age=60, no-transform"),
            _ => Reply::fresh(60, packed.clone()).header("Content-Encoding", "gzip"),
        };
        reply.header("ETag", "\"a\"").header("Content-Type", "application/json")
    })
    .await;
    let proxy = Proxy::with(&origin, &mode("gzip")).await;
    get(&proxy, "/").header("Accept-Encoding", "gzip").await;
    let head = send(&proxy, "HEAD", "/").header("If-Match", "*").await;
    assert!(!head.is_hit(), "so that it is learnt from");
    let answer = get(&proxy, "/").await;
    assert_eq!(answer.header("content-encoding"), None, "RFC 9110 §12.5.3: it cannot read that");
    assert_eq!(unpacked(&answer).await, users());
}
