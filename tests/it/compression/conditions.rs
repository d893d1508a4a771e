//! Entity-tags of packed bodies, on their way to the origin and back (RFC 9110 §8.8.3, §13).

use super::{CODINGS, gzip, json, unpacked, users, varies};
use crate::support::{Origin, Proxy, Reply, get, send};

#[tokio::test]
async fn every_method_and_route_leads_conditions_back() {
    for config in ["", "[cache]\nmode = \"off\"", "[cache]\nbypass_when = [\"header:X-Bypass\"]"] {
        let origin = Origin::always(Reply::status(204)).await;
        let proxy = Proxy::with(&origin, config).await;
        for method in ["PUT", "PATCH", "DELETE", "POST", "GET", "HEAD"] {
            let ask = send(&proxy, method, "/").header("X-Bypass", "1");
            let ask = ask
                .header("Accept-Encoding", "zstd")
                .header("If-Match", "\"a--gzip.00ff00ff00ff00ff\", W/\"b--gzip\", \"c--br--id\"");
            ask.header("If-None-Match", "\"d--zstd\", \"e--plain\"").await;
            let seen = origin.last();
            let told = (seen.header("if-match"), seen.header("if-none-match"));
            let expected = (Some("\"a\", W/\"b\", \"c--br\""), Some("\"d\", \"e\""));
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
async fn a_tag_that_was_weakened_on_its_way_is_recognised() {
    let origin = Origin::always(json(60).header("ETag", "\"a\"")).await;
    let proxy = Proxy::before(&origin).await;
    get(&proxy, "/").await;
    for (tag, accept, status) in [
        ("W/\"a--gzip\"", "gzip", 304),
        ("W/\"a\"", "gzip", 304),
        ("W/\"a--gzip\"", "br", 200),
        ("W/\"b--gzip\"", "gzip", 200),
    ] {
        let ask = get(&proxy, "/").header("If-None-Match", tag);
        let answer = ask.header("Accept-Encoding", accept).await;
        assert_eq!(answer.status, status, "RFC 9110 §8.8.3.2, §13.1.2: {tag} for {accept:?}");
        if status == 304 {
            let strong = tag.strip_prefix("W/");
            assert_eq!(answer.header("etag"), strong, "RFC 9110 §15.4.5: as in a 200");
        }
    }
}

#[tokio::test]
async fn a_weak_tag_that_ends_like_ours_is_told_apart_from_ours() {
    for config in ["", "[cache]\nmode = \"off\""] {
        let origin = Origin::always(json(60).header("ETag", "W/\"a--gzip\"")).await;
        let proxy = Proxy::with(&origin, config).await;
        for accept in ["", "gzip"] {
            let answer = get(&proxy, "/").header("Accept-Encoding", accept).await;
            assert_eq!(answer.header("etag"), Some("W/\"a--gzip--id\""), "{accept:?} {config}");
        }
        let put = send(&proxy, "PUT", "/").header("If-None-Match", "W/\"a--gzip--id\"");
        put.body("x").await;
        assert_eq!(origin.last().header("if-none-match"), Some("W/\"a--gzip\""), "{config}");
    }
}

#[tokio::test]
async fn a_weak_tag_is_a_304_in_every_form() {
    for packs in [true, false] {
        let reply = match packs {
            true => Reply::fresh(60, gzip(users()).await).header("Content-Encoding", "gzip"),
            false => Reply::fresh(60, users()),
        };
        let reply = reply.header("Content-Type", "application/json").header("ETag", "W/\"a\"");
        let origin = Origin::always(reply).await;
        let proxy = Proxy::with(&origin, "[compression]\nupstream_encoding = \"gzip\"").await;
        for accept in ["", "br", "gzip", "br, identity;q=0"] {
            let first = get(&proxy, "/").header("Accept-Encoding", accept).await;
            assert_eq!((first.status, first.header("etag")), (200, Some("W/\"a\"")));
            assert_eq!(unpacked(&first).await, users(), "{accept:?}");
            for method in ["GET", "HEAD"] {
                let ask = send(&proxy, method, "/").header("Accept-Encoding", accept);
                let same = ask.header("If-None-Match", "W/\"a\"").await;
                let got = (same.status, same.header("etag"));
                assert_eq!(got, (304, Some("W/\"a\"")), "RFC 9110 §13.1.2: {method} {accept:?}");
            }
        }
        assert_eq!(origin.requests(), 1);
    }
}

#[tokio::test]
async fn a_304_names_what_the_client_likes_best_of_what_it_has() {
    let digest = "sha-256=:AAAA:";
    let reply = json(60).header("ETag", "\"a\"").header("Repr-Digest", digest);
    let origin = Origin::always(reply.header("Content-Digest", digest)).await;
    let proxy = Proxy::before(&origin).await;
    get(&proxy, "/").await;
    for (known, accept, tag, digested) in [
        ("\"a\", \"a--gzip\"", "gzip", Some("\"a--gzip\""), None),
        ("\"a--gzip\", \"a\"", "gzip;q=0.5, identity", Some("\"a\""), Some(digest)),
        ("\"a--br\", \"a--gzip\"", "br;q=0.1, gzip;q=0.2", Some("\"a--gzip\""), None),
        ("\"a--gzip\"", "gzip;q=0.5, identity", Some("\"a--gzip\""), None),
        ("\"a\"", "gzip, identity;q=0", None, None),
        ("\"a\"", "identity;q=0", Some("\"a\""), Some(digest)),
    ] {
        let ask = get(&proxy, "/").header("If-None-Match", known);
        let answer = ask.header("Accept-Encoding", accept).await;
        let got = (answer.status == 304).then(|| answer.header("etag").unwrap());
        assert_eq!(got, tag, "RFC 9110 §13.1.2, §15.4.5: {known} for {accept:?}");
        if got.is_some() {
            let told = answer.header("repr-digest");
            assert_eq!(told, digested, "RFC 9530 §3: of the bytes that its tag names: {known}");
            assert_eq!(answer.header("content-digest"), None, "RFC 9530 §2: there is no content");
        }
    }
}

#[tokio::test]
async fn no_304_names_what_the_client_cannot_read() {
    let packed = gzip(users()).await;
    let origin = Origin::serve(move |seen| {
        let takes = seen.header("accept-encoding").is_some_and(|it| it.contains("gzip"));
        let (tag, body) = if takes { ("\"z\"", packed.clone()) } else { ("\"p\"", users().into()) };
        let reply = match seen.header("if-none-match") {
            Some(known) if known.contains(tag) => Reply::status(304),
            _ if takes => Reply::ok(body).header("Content-Encoding", "gzip"),
            _ => Reply::ok(body),
        };
        let reply = reply.header("ETag", tag).header("Cache-Control", "no-store");
        reply.header("Vary", "Accept-Encoding").header("Content-Type", "application/json")
    })
    .await;
    let proxy = Proxy::with(&origin, "[compression]\nupstream_encoding = \"gzip\"").await;
    for _ in 0..2 {
        let packed = get(&proxy, "/").header("Accept-Encoding", "gzip").await;
        assert_eq!((packed.header("etag"), unpacked(&packed).await), (Some("\"z\""), users()));
        let ask = get(&proxy, "/").header("Accept-Encoding", "gzip");
        assert_eq!(ask.header("If-None-Match", "\"z\"").await.status, 304);
        let other = get(&proxy, "/").header("If-None-Match", "\"z\"").await;
        assert_eq!((other.status, unpacked(&other).await), (200, users()), "RFC 9110 §13.1.2");
    }
}

#[tokio::test]
async fn each_run_of_an_encoder_has_a_tag_of_its_own() {
    let reply = json(0).header("Cache-Control", "no-store").header("ETag", "\"a\"");
    let origin = Origin::always(reply).await;
    let proxy = Proxy::before(&origin).await;
    for coding in CODINGS {
        let mut tags = Vec::new();
        for _ in 0..2 {
            let answer = get(&proxy, "/").header("Accept-Encoding", coding).await;
            let tag = answer.header("etag").unwrap().to_owned();
            assert!(tag.starts_with(&format!("\"a--{coding}.")), "{tag}");
            for (method, field) in [("PUT", "if-match"), ("GET", "if-none-match")] {
                let ask = send(&proxy, method, "/").header("Accept-Encoding", coding);
                ask.header(field, &tag).await;
                assert_eq!(origin.last().header(field), Some("\"a\""), "RFC 9110 §13.1");
            }
            tags.push(tag);
        }
        assert_ne!(tags[0], tags[1], "RFC 9110 §8.8.1: flushed otherwise, these are other bytes");
    }
}

#[tokio::test]
async fn a_date_is_that_of_every_form_and_continues_none() {
    let date = "Sat, 21 Nov 2026 10:00:00 GMT";
    let origin = Origin::always(json(60).header("Last-Modified", date)).await;
    let proxy = Proxy::before(&origin).await;
    get(&proxy, "/").await;
    for (accept, status) in [("", 206), ("gzip", 200), ("identity", 206)] {
        let ask = get(&proxy, "/").header("Range", "bytes=2-11").header("If-Range", date);
        let answer = ask.header("Accept-Encoding", accept).await;
        assert_eq!(answer.status, status, "RFC 9110 §8.8.1, §13.1.5: {accept:?}");
    }
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
        assert!(tag.starts_with(&format!("\"a--{coding}")), "{tag}");
        assert_eq!(unpacked(&answer).await, users(), "{coding}");
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
    for range in ["bytes=2-11", "bytes=0-1,4-5"] {
        let part = get(&proxy, "/").header("Range", range).await;
        let told = digests.map(|name| part.header(name).is_some());
        let why = "RFC 9530 §2, §3: the content is another one, the representation is not";
        assert_eq!((part.status, told), (206, [false, true, true, false]), "{why}");
    }
}

#[tokio::test]
async fn the_digest_of_a_part_is_not_that_of_the_whole() {
    let text = users();
    let origin = Origin::serve(move |seen| {
        let (first, last) = match seen.header("range") {
            Some("bytes=0-99") => (0, 99),
            _ => (100, text.len() - 1),
        };
        let range = format!("bytes {first}-{last}/{}", text.len());
        let reply = Reply::status(206).header("Content-Range", range).header("ETag", "\"a\"");
        let reply = reply.header("Content-Type", "application/json");
        let reply = reply.header("Cache-Control", "max-age=60");
        let reply = reply.header("Content-Digest", format!("sha-256=:{first}:"));
        reply.header("Repr-Digest", "sha-256=:whole:").body(text[first..=last].to_owned())
    })
    .await;
    let proxy = Proxy::before(&origin).await;
    get(&proxy, "/").header("Range", "bytes=0-99").await;
    for hit in [false, true] {
        let whole = get(&proxy, "/").await;
        assert_eq!((whole.status, whole.is_hit(), whole.text()), (200, hit, &*users()));
        assert_eq!(whole.header("content-digest"), None, "RFC 9530 §2: those were of the parts");
        assert_eq!(whole.header("repr-digest"), Some("sha-256=:whole:"), "RFC 9530 §3: this is");
    }
}

#[tokio::test]
async fn a_date_continues_no_packed_body_whoever_has_the_part() {
    let date = "Sat, 21 Nov 2026 10:00:00 GMT";
    let text = users();
    let origin = Origin::serve(move |seen| {
        let cache = if seen.target == "/own" { "private" } else { "max-age=60" };
        let part = seen.header("range").is_some();
        let reply = match part && seen.header("if-range").is_none_or(|it| it == date) {
            true => Reply::status(206)
                .header("Content-Range", format!("bytes 2-11/{}", text.len()))
                .body(text[2..=11].to_owned()),
            false => Reply::ok(text.clone()),
        };
        let reply = reply.header("Last-Modified", date).header("Cache-Control", cache);
        reply.header("Content-Type", "application/json")
    })
    .await;
    let proxy = Proxy::before(&origin).await;
    let near = "[compression]\nencodings = []";
    let far = "[compression]\nencodings = []\nupstream_encoding = \"gzip\"";
    for (config, accept, status) in [
        ("", "", 206),
        ("", "gzip", 200),
        ("", "identity, br;q=0.5", 206),
        ("", "zz", 206),
        (near, "gzip", 206),
        (far, "gzip", 200),
        (far, "br", 206),
        ("[cache]\nmode = \"off\"", "gzip", 206),
    ] {
        for path in ["/own", "/miss", "/part"] {
            proxy.reload(config);
            let part = || get(&proxy, path).header("Range", "bytes=2-11");
            if path == "/part" {
                assert_eq!(part().await.status, 206, "whoever knows nothing of it gets a part");
            }
            let ask = part().header("If-Range", date).header("Accept-Encoding", accept);
            let answer = ask.await;
            let why = "RFC 9110 §8.8.2.2, §13.1.5";
            assert_eq!(answer.status, status, "{why}: {config} {path} {accept:?}");
            if status == 200 {
                assert_eq!(unpacked(&answer).await, users(), "all of it");
            }
        }
    }
}

#[tokio::test]
async fn who_gets_what_it_refuses_gets_a_304_of_that() {
    let short = || Reply::fresh(60, "{}").header("Content-Type", "application/json");
    let off = "[compression]\nencodings = []\nupstream_encoding = \"gzip\"";
    for (reply, config, accept) in [
        (short(), "", "gzip, identity;q=0"),
        (short(), "", "gzip, *;q=0"),
        (json(60), off, "br, gzip, identity;q=0, *;q=0"),
    ] {
        for tag in [Some("\"a\""), None] {
            let reply = tag.map_or(reply.clone(), |tag| reply.clone().header("ETag", tag));
            let origin = Origin::always(reply).await;
            let proxy = Proxy::with(&origin, config).await;
            get(&proxy, "/").await;
            let ask = || get(&proxy, "/").header("Accept-Encoding", accept);
            let first = ask().await;
            let own = first.header("etag").unwrap();
            assert_eq!((first.status, first.header("content-encoding")), (200, None), "never 406");
            for known in [own.to_owned(), format!("W/{own}"), format!("\"x\", {own}")] {
                let same = ask().header("If-None-Match", &known).await;
                let got = (same.status, same.header("etag"));
                assert_eq!(got, (304, Some(own)), "RFC 9110 §13.1.2: {known} for {accept}");
            }
        }
    }
}

#[tokio::test]
async fn what_was_unpacked_for_who_refuses_that_is_a_304_too() {
    let packed = gzip(users()).await;
    let reply = Reply::fresh(60, packed).header("Content-Type", "application/json");
    let origin =
        Origin::always(reply.header("Content-Encoding", "gzip").header("ETag", "\"a\"")).await;
    let config = "[compression]\nencodings = []\nupstream_encoding = \"gzip\"";
    let proxy = Proxy::with(&origin, config).await;
    let ask = || get(&proxy, "/").header("Accept-Encoding", "br, identity;q=0");
    for _ in 0..2 {
        let first = ask().await;
        assert_eq!((first.header("etag"), first.text()), (Some("\"a--plain\""), &*users()));
        let same = ask().header("If-None-Match", "\"a--plain\"").await;
        let got = (same.status, same.header("etag"));
        assert_eq!(got, (304, Some("\"a--plain\"")), "RFC 9110 §13.1.2, §15.4.5");
    }
}

#[tokio::test]
async fn a_relayed_304_is_of_the_plain_bytes_that_were_named() {
    let origin = Origin::serve(|seen| {
        let reply = match seen.header("if-none-match") {
            Some("\"a\"") => Reply::status(304),
            _ => Reply::ok("{}"),
        };
        let reply = reply.header("ETag", "\"a\"").header("Cache-Control", "no-store");
        reply.header("Content-Type", "application/json")
    })
    .await;
    let proxy = Proxy::before(&origin).await;
    for _ in 0..2 {
        let ask = || get(&proxy, "/").header("Accept-Encoding", "gzip, identity;q=0");
        assert_eq!(ask().await.header("etag"), Some("\"a\""), "too short to be packed");
        let same = ask().header("If-None-Match", "\"a\"").await;
        let got = (same.status, same.header("etag"));
        assert_eq!(got, (304, Some("\"a\"")), "RFC 9110 §15.4.5: what its client has");
    }
}

#[tokio::test]
async fn a_304_is_of_the_bytes_that_its_client_can_read() {
    let packed = gzip(users()).await;
    for cache in ["no-store", "private, max-age=60", "max-age=60"] {
        let packed = packed.clone();
        let origin = Origin::serve(move |seen| {
            let named = seen.header("if-none-match").is_some_and(|it| it.contains("\"a\""));
            let whole = || Reply::ok(packed.clone()).header("Content-Encoding", "gzip");
            let reply = if named { Reply::status(304) } else { whole() };
            let reply = reply.header("ETag", "\"a\"").header("Cache-Control", cache);
            if named { reply } else { reply.header("Content-Type", "application/json") }
        })
        .await;
        let proxy = Proxy::before(&origin).await;
        let ask = || get(&proxy, "/").header("Accept-Encoding", "identity");
        assert_eq!(ask().await.header("etag"), Some("\"a--plain\""));
        // So a cache asks that has both.
        for known in ["\"a\", \"a--plain\"", "\"a--plain\", \"a\""] {
            let same = ask().header("If-None-Match", known).await;
            let got = (same.status, same.header("etag"));
            assert_eq!(got, (304, Some("\"a--plain\"")), "RFC 9110 §15.4.5: {known} {cache}");
        }
    }
}

#[tokio::test]
async fn what_names_no_bytes_continues_none() {
    for tag in ["a", "\"a\"b\"", "\"a", "w/\"a\"", "W/\"a\""] {
        let text = users();
        // It compares what it should not, as some do.
        let origin = Origin::serve(move |seen| {
            let cache = if seen.target == "/own" { "no-store" } else { "max-age=60" };
            let part = seen.header("range").is_some() && seen.header("if-range") == Some(tag);
            let reply = match part {
                true => Reply::status(206)
                    .header("Content-Range", format!("bytes 2-11/{}", text.len()))
                    .body(text[2..=11].to_owned()),
                false => Reply::ok(text.clone()),
            };
            let reply = reply.header("ETag", tag).header("Cache-Control", cache);
            reply.header("Content-Type", "application/json")
        })
        .await;
        let proxy = Proxy::before(&origin).await;
        for path in ["/own", "/stored", "/stored"] {
            let ask = || get(&proxy, path).header("Accept-Encoding", "gzip");
            assert_eq!(ask().await.header("etag"), Some(tag), "the same in every form");
            let answer = ask().header("Range", "bytes=2-11").header("If-Range", tag).await;
            assert_eq!(answer.status, 200, "RFC 9110 §13.1.5, §8.8.3: {path} {tag}");
            assert_eq!(unpacked(&answer).await, users(), "all of it");
            let same = ask().header("If-None-Match", tag).await;
            let told = (path != "/own").then_some(304);
            assert_eq!(told.unwrap_or(same.status), same.status, "§8.8.3.2: it is the same: {tag}");
        }
        proxy.reload("[cache]\nmode = \"off\"");
        let part = get(&proxy, "/own").header("Range", "bytes=2-11").header("If-Range", tag).await;
        assert_eq!(part.status, 206, "what passes untouched is the origin's to judge: {tag}");
    }
}

#[tokio::test]
async fn a_304_of_one_clients_own_is_told_as_its_200_would_be() {
    let date = "Sat, 21 Nov 2026 10:00:00 GMT";
    for word in ["identity", "gzip", "client"] {
        let origin = Origin::serve(move |seen| {
            let known = seen.header("if-none-match").or(seen.header("if-modified-since"));
            let reply = match known {
                Some("\"a\"") => Reply::status(304),
                Some(known) if known == date => Reply::status(304),
                _ => json(0),
            };
            reply
                .header("ETag", "\"a\"")
                .header("Last-Modified", date)
                .header("Cache-Control", "private")
        })
        .await;
        let proxy =
            Proxy::with(&origin, &format!("[compression]\nupstream_encoding = \"{word}\"")).await;
        for (accept, name, value, tag) in [
            ("", "If-None-Match", "\"a\"", Some("\"a\"")),
            ("gzip", "If-None-Match", "\"a\"", Some("\"a\"")),
            ("gzip", "If-None-Match", "\"a--gzip.0123456789abcdef\"", None),
            ("gzip", "If-Modified-Since", date, Some("\"a--gzip\"")),
            ("", "If-Modified-Since", date, Some("\"a\"")),
        ] {
            let ask = get(&proxy, "/").header(name, value).header("Accept-Encoding", accept);
            let same = ask.await;
            let got = (same.status, same.header("etag"));
            assert_eq!(got, (304, tag.or(Some(value))), "RFC 9110 §15.4.5: {word} {accept}");
            assert!(varies(&same), "RFC 9110 §15.4.5, §12.5.5: {word} {accept:?} {name}");
        }
        let other = get(&proxy, "/").header("If-None-Match", "\"a--gzip\"").await;
        assert_eq!((other.status, unpacked(&other).await), (200, users()), "§13.1.2: {word}");
    }
}
