//! Entity-tags of shapes, on their way to the origin and back (RFC 9110 §8.8.3, §13).

use super::{OFFER, USER, before, json};
use crate::{
    compression::gzip,
    support::{Answer, Origin, Proxy, Reply, get, send},
};

fn tag(answer: &Answer) -> String {
    answer.header("etag").expect("it has an entity-tag").to_owned()
}

#[tokio::test]
async fn every_shape_has_a_strong_tag_of_its_own() {
    for reply in [json(USER).header("ETag", "\"v1\""), json(USER)] {
        let (origin, proxy) = before(reply).await;
        let mut tags = Vec::new();
        for query in ["", "?fields=id", "?fields=name", "?limit=1", "?limit=2", "?status=a"] {
            let first = get(&proxy, &format!("/{query}")).await;
            if !query.is_empty() {
                let again = get(&proxy, &format!("/{query}")).await;
                assert_eq!(tag(&first), tag(&again), "{query}: the first one has it, too");
            }
            tags.push(tag(&get(&proxy, &format!("/{query}")).await));
        }
        assert!(tags.iter().all(|tag| tag.starts_with('"')), "{tags:?}");
        let known = tags.len();
        tags.sort();
        tags.dedup();
        assert_eq!(tags.len(), known, "RFC 9110 §8.8.3.3: other bytes, other tags: {tags:?}");
        assert_eq!(origin.requests(), 1);
    }
}

#[tokio::test]
async fn a_shapes_own_tag_is_a_304_and_no_other_is() {
    let (origin, proxy) = before(json(USER).header("ETag", "\"v1\"")).await;
    let whole = tag(&get(&proxy, "/").await);
    let id = tag(&get(&proxy, "/?fields=id").await);
    let name = tag(&get(&proxy, "/?fields=name").await);
    let rows = [
        ("/?fields=id", &*id, 304),
        ("/?fields=id", &*format!("\"x\", {id}"), 304),
        ("/?fields=id", "*", 304),
        ("/?fields=id", &*name, 200),
        ("/?fields=id", &*whole, 200),
        ("/", &*id, 200),
        ("/", &*whole, 304),
    ];
    for (path, named, status) in rows {
        let answer = get(&proxy, path).header("If-None-Match", named).await;
        assert_eq!(answer.status, status, "RFC 9110 §13.1.2: {named} for {path}");
        let own = if path == "/" { &whole } else { &id };
        assert_eq!(answer.header("etag"), Some(own.as_str()), "{named} for {path}");
    }
    let dated = get(&proxy, "/?fields=id").header("If-None-Match", &name);
    let dated = dated.header("If-Modified-Since", "Sat, 21 Nov 2099 10:00:00 GMT").await;
    assert_eq!(dated.status, 200, "RFC 9110 §13.1.3: not looked at beside the tags");
    assert_eq!(origin.requests(), 1);
}

#[tokio::test]
async fn the_origin_is_never_asked_by_a_shapes_tag() {
    let origin = Origin::serve(|seen| {
        let reply = match seen.header("if-none-match") {
            Some("\"v1\"") => Reply::status(304),
            _ => Reply::ok(USER).header("Content-Type", "application/json"),
        };
        reply.header("ETag", "\"v1\"").header("Cache-Control", "no-cache")
    })
    .await;
    let proxy = Proxy::with(&origin, OFFER).await;
    let id = tag(&get(&proxy, "/?fields=id").await);
    let same = get(&proxy, "/?fields=id").header("If-None-Match", &id).await;
    assert_eq!((same.status, tag(&same)), (304, id.clone()), "its 304 is one for the shape");
    assert_eq!(origin.last().header("if-none-match"), Some("\"v1\""), "RFC 9111 §4.3.1");
    for path in ["/?fields=name", "/"] {
        let other = get(&proxy, path).header("If-None-Match", &id).await;
        assert_eq!(other.status, 200, "{path} is another representation");
    }
}

#[tokio::test]
async fn a_private_answers_shape_is_validated_by_the_origin() {
    let origin = Origin::serve(|seen| {
        let reply = match seen.header("if-none-match") {
            Some("\"v1\"") => Reply::status(304),
            _ => Reply::ok(USER).header("Content-Type", "application/json"),
        };
        reply.header("ETag", "\"v1\"").header("Cache-Control", "private")
    })
    .await;
    let proxy = Proxy::with(&origin, OFFER).await;
    for config in ["", "[cache]\nmode = \"off\"\n"] {
        proxy.reload(&format!("{config}{OFFER}"));
        let ask = |path: &str, tag: &str| get(&proxy, path).header("If-None-Match", tag);
        let id = tag(&get(&proxy, "/?fields=id").await);
        let same = ask("/?fields=id", &id).await;
        assert_eq!((same.status, tag(&same)), (304, id.clone()), "{config}");
        assert_eq!(ask("/", &id).await.status, 200, "who has a part has not the whole: {config}");
        assert_eq!(ask("/?fields=id", "\"v1\"").await.text(), r#"{"id":1}"#, "{config}");
    }
}

#[tokio::test]
async fn a_private_shape_of_what_came_packed_is_a_304_at_once() {
    let packed = gzip(USER).await;
    // It has a tag for each coding, as many have.
    let origin = Origin::serve(move |seen| {
        let takes = seen.header("accept-encoding").is_some_and(|it| it.contains("gzip"));
        let tag = if takes { "\"v1-gz\"" } else { "\"v1\"" };
        let reply = match (seen.header("if-none-match"), takes) {
            (Some(known), _) if known == tag => Reply::status(304),
            (_, true) => Reply::ok(packed.clone()).header("Content-Encoding", "gzip"),
            (_, false) => Reply::ok(USER),
        };
        let reply = reply.header("ETag", tag).header("Vary", "Accept-Encoding");
        reply.header("Cache-Control", "private").header("Content-Type", "application/json")
    })
    .await;
    let config = format!("{OFFER}\n[compression]\nupstream_encoding = \"gzip\"");
    let proxy = Proxy::with(&origin, &config).await;
    for accept in ["gzip", "identity", "zstd"] {
        let ask = || get(&proxy, "/?fields=id").header("Accept-Encoding", accept);
        let first = ask().await;
        let tag = first.header("etag").expect("a tag");
        let same = ask().header("If-None-Match", tag).await;
        let got = (same.status, same.header("etag"));
        assert_eq!(got, (304, Some(tag)), "RFC 9110 §13.1.2: {accept}");
    }
}

#[tokio::test]
async fn a_cut_is_not_continued_from_the_whole() {
    let (_origin, proxy) = before(json(USER).header("ETag", "\"v1\"")).await;
    let id = tag(&get(&proxy, "/?fields=id").await);
    let part = |path: &str, tag: &str| {
        get(&proxy, path).header("Range", "bytes=1-4").header("If-Range", tag)
    };
    for config in [OFFER, ""] {
        proxy.reload(config);
        for path in ["/", "/?fields=id"] {
            get(&proxy, path).await;
            let answer = part(path, &id).await;
            let why = "RFC 9110 §13.1.5: those are other bytes";
            assert_eq!(answer.status, 200, "{why}: {path}, {config:?}");
        }
        assert_eq!(part("/", "\"v1\"").await.status, 206, "its own bytes are continued");
    }
}

#[tokio::test]
async fn a_304_of_a_cut_names_the_bytes_that_its_client_has() {
    let origin = Origin::serve(|seen| {
        let reply = match seen.header("if-none-match") {
            Some("\"v1\"") => Reply::status(304),
            _ => Reply::ok(format!("[{}]", vec![USER; 200].join(",")))
                .header("Content-Type", "application/json"),
        };
        reply.header("ETag", "\"v1\"").header("Cache-Control", "private, no-cache")
    })
    .await;
    let proxy = Proxy::with(&origin, OFFER).await;
    for coding in ["gzip", "br", "zstd"] {
        let ask = || get(&proxy, "/?fields=id").header("Accept-Encoding", coding);
        let first = ask().await;
        let has = tag(&first);
        assert_eq!(first.header("content-encoding"), Some(coding));
        assert!(has.contains(&format!("--{coding}.")), "packed as it came: {has}");
        for known in [has.clone(), format!("W/{has}")] {
            let same = ask().header("If-None-Match", &known).await;
            let why = "RFC 9110 §8.8.1, §15.4.5; RFC 9111 §4.3.4: no other bytes' name";
            assert_eq!((same.status, tag(&same)), (304, has.clone()), "{why}: {known}");
        }
    }
}

#[tokio::test]
async fn a_304_of_a_cut_is_of_a_form_that_the_cut_has() {
    let date = "Sat, 21 Nov 2026 10:00:00 GMT";
    let body = gzip(format!("[{}]", vec![USER; 200].join(","))).await;
    let reply = Reply::fresh(60, body).header("Content-Encoding", "gzip");
    let reply = reply.header("ETag", "\"v1\"").header("Last-Modified", date);
    let origin = Origin::always(reply.header("Content-Type", "application/json")).await;
    let config = format!("{OFFER}compression = {{ upstream_encoding = \"gzip\" }}\n");
    let known = Proxy::with(&origin, &config).await;
    let cut = "/?limit=100";
    let plain = tag(&get(&known, cut).await);
    let packed = tag(&get(&known, cut).header("Accept-Encoding", "gzip").await);
    assert!(packed.ends_with("--gzip\"") && !plain.contains("--gzip"), "{packed} {plain}");
    for at_hand in [true, false] {
        let proxy = Proxy::with(&origin, &config).await;
        get(&proxy, if at_hand { cut } else { "/" }).await;
        for method in ["HEAD", "GET", "HEAD"] {
            let ask = |accept: &str| send(&proxy, method, cut).header("Accept-Encoding", accept);
            let refused = ask("gzip, identity;q=0").header("If-None-Match", &plain).await;
            let got = (refused.status, tag(&refused));
            let why = "RFC 9110 §13.1.2, §9.3.2: what it has is not what it would get";
            assert_eq!(got, (200, packed.clone()), "{why}: {method} {at_hand}");
            let dated = ask("gzip").header("If-Modified-Since", date).await;
            let got = (dated.status, tag(&dated), dated.header("vary"));
            let expected = (304, packed.clone(), Some("accept-encoding"));
            assert_eq!(got, expected, "RFC 9110 §15.4.5: {method} {at_hand}");
            for (accept, named) in [("", &plain), ("gzip", &plain), ("gzip", &packed)] {
                let same = ask(accept).header("If-None-Match", named).await;
                let got = (same.status, tag(&same));
                assert_eq!(got, (304, named.clone()), "§13.1.2: {method} {at_hand} {accept:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_304_of_a_cut_has_no_digest_of_the_whole() {
    let digests = ["Repr-Digest", "Digest"];
    for cache in ["max-age=60", "no-cache", "private"] {
        let origin = Origin::serve(move |seen| {
            let reply = match seen.header("if-none-match") {
                Some("\"v1\"") => Reply::status(304),
                _ => Reply::ok(USER).header("Content-Type", "application/json"),
            };
            let reply = digests.iter().fold(reply, |it, name| it.header(name, "sha-256=:AA:"));
            reply.header("ETag", "\"v1\"").header("Cache-Control", cache)
        })
        .await;
        let proxy = Proxy::with(&origin, OFFER).await;
        for _ in 0..2 {
            let id = tag(&get(&proxy, "/?fields=id").await);
            for method in ["GET", "HEAD"] {
                let same = send(&proxy, method, "/?fields=id").header("If-None-Match", &id).await;
                assert_eq!((same.status, tag(&same)), (304, id.clone()));
                for name in digests {
                    let why = "RFC 9530 §3: that is of other bytes";
                    assert_eq!(same.header(name), None, "{why}: {method} {cache}");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_weak_tag_is_that_of_one_shape_and_stays_weak() {
    let origin = Origin::serve(|seen| {
        let forbids = if seen.number == 1 { ", no-transform" } else { "" };
        let reply = match seen.header("if-none-match") {
            Some("W/\"v\"") => Reply::status(304),
            _ => Reply::ok(USER).header("Content-Type", "application/json"),
        };
        let reply = reply.header("ETag", "W/\"v\"");
        reply.header("Cache-Control", format!("max-age=60{forbids}"))
    })
    .await;
    let proxy = Proxy::with(&origin, OFFER).await;
    let ask = |tag: &str| get(&proxy, "/?fields=id").header("If-None-Match", tag);
    let whole = tag(&get(&proxy, "/?fields=id").await);
    assert_eq!((&*whole, ask(&whole).await.status), ("W/\"v\"", 304), "the whole, untouched");
    proxy.advance(61);
    for _ in 0..2 {
        let other = ask(&whole).await;
        let got = (other.status, other.text());
        assert_eq!(got, (200, r#"{"id":1}"#), "RFC 9110 §8.8.1, §13.1.2: not equivalent");
        let id = tag(&other);
        assert!(id.starts_with("W/\"v--s"), "weak ones stay weak: {id}");
        let same = ask(&id).await;
        assert_eq!((same.status, tag(&same)), (304, id.clone()), "RFC 9110 §8.8.3.2");
        let name = get(&proxy, "/?fields=name").header("If-None-Match", &id).await;
        assert_eq!(name.status, 200, "that is another shape");
        send(&proxy, "PATCH", "/other").header("If-None-Match", &id).body("{}").await;
        assert_eq!(origin.last().header("if-none-match"), Some("W/\"v\""), "RFC 9110 §13.1");
    }
}

#[tokio::test]
async fn a_malformed_tag_is_none_of_a_cut() {
    for theirs in ["v", "\"v", "\"v\"w\""] {
        let (_origin, proxy) = before(json(USER).header("ETag", theirs)).await;
        for method in ["GET", "HEAD", "GET"] {
            let ask = || send(&proxy, method, "/?fields=id");
            assert_eq!(ask().await.header("etag"), None, "RFC 9110 §8.8.3: it names the whole");
            let named = ask().header("If-None-Match", theirs).await;
            assert_eq!(named.status, 200, "RFC 9110 §13.1.2: {method} {theirs}");
        }
        assert_eq!(tag(&get(&proxy, "/").await), theirs, "which has it still");
    }
}

#[tokio::test]
async fn a_change_is_conditional_on_the_whole() {
    let (origin, proxy) = before(json(USER).header("ETag", "\"v1\"")).await;
    let plain = tag(&get(&proxy, "/u?fields=id").await);
    let packed = plain.replace("\"", "") + "--gzip\"";
    for (name, path) in [("If-Match", "/u"), ("If-None-Match", "/u"), ("If-Match", "/u?fields=id")]
    {
        for tag in [&plain, &format!("\"{packed}")] {
            send(&proxy, "PUT", path).header(name, tag).body("{}").await;
            assert_eq!(origin.last().header(name), Some("\"v1\""), "RFC 9110 §13.1.1: {tag}");
        }
    }
}

#[tokio::test]
async fn a_tag_of_ours_in_a_shape_is_judged_by_us() {
    let origin = Origin::serve(|seen| match seen.method.as_str() {
        "GET" => json(USER),
        _ => Reply::status(204),
    })
    .await;
    let proxy = Proxy::with(&origin, OFFER).await;
    get(&proxy, "/u").await;
    let id = tag(&get(&proxy, "/u?fields=id").await);
    assert!(id.starts_with("\"larder-"), "{id}");
    let stale = id.replace("larder-", "larder-0");
    let put = send(&proxy, "PUT", "/u").header("If-Match", &stale).body("{}").await;
    assert_eq!(put.status, 412, "RFC 9110 §13.1.1");
    let put = send(&proxy, "PUT", "/u").header("If-Match", &id).body("{}").await;
    assert_eq!(put.status, 204, "the whole has not changed");
    assert_eq!(origin.last().header("if-match"), None, "which the origin knows nothing of");
}

#[tokio::test]
async fn an_origins_tag_that_ends_like_a_shapes_comes_back_as_it_was() {
    let theirs = "\"a--s0123456789abcdef\"";
    let (origin, proxy) = before(json(USER).header("ETag", theirs)).await;
    let whole = tag(&get(&proxy, "/u").await);
    let id = tag(&get(&proxy, "/u?fields=id").await);
    for (path, named) in [("/u", &whole), ("/u?fields=id", &id)] {
        let same = get(&proxy, path).header("If-None-Match", named).await;
        assert_eq!((same.status, &tag(&same)), (304, named), "{path}");
        send(&proxy, "PATCH", "/other").header("If-Match", named).body("{}").await;
        assert_eq!(origin.last().header("if-match"), Some(theirs), "{path}");
    }
    assert_eq!(get(&proxy, "/u").header("If-None-Match", theirs).await.status, 200);
}

/// RFC 9110 §13.1.3, RFC 9111 §4.3.2: where the API gives no Last-Modified, a cut has no date to be
/// compared with, whether it is made for this request or lies in memory.
#[tokio::test]
async fn without_last_modified_a_cut_is_unchanged_by_no_date_however_often_it_is_asked_for() {
    let (_origin, proxy) = before(json(USER)).await;
    get(&proxy, "/u").await;
    for time in ["made", "at hand", "at hand again"] {
        let ask = get(&proxy, "/u?fields=id");
        let cut = ask.header("If-Modified-Since", "Sun, 22 Nov 2099 00:00:00 GMT").await;
        assert_eq!((cut.status, cut.text()), (200, "{\"id\":1}"), "{time}");
        get(&proxy, "/u?fields=id").await;
    }
}
