//! Fields: what is sent, what the origin sees, and that there is one answer behind all of them.

use super::{OFFER, USER, before, json};
use crate::support::{Gate, Origin, Proxy, Reply, get, send};

#[tokio::test]
async fn fields_are_cut_out_of_the_one_stored_answer() {
    let (origin, proxy) = before(json(USER)).await;
    for (mask, expected) in [
        ("id,name", r#"{"id":1,"name":"Ada"}"#),
        ("name,id", r#"{"id":1,"name":"Ada"}"#),
        ("address(city)", r#"{"address":{"city":"London"}}"#),
        ("address%28city%29,score", r#"{"address":{"city":"London"},"score":1.50}"#),
        ("nothing", "{}"),
    ] {
        for _ in 0..2 {
            let answer = get(&proxy, &format!("/u?a=1&fields={mask}&b=2")).await;
            assert_eq!((answer.status, answer.text()), (200, expected), "{mask}");
            let length = expected.len().to_string();
            assert_eq!(answer.header("content-length"), Some(&*length), "{mask}");
            assert_eq!(answer.header("content-type"), Some("application/json"));
        }
    }
    assert_eq!(origin.requests(), 1, "all of them are one answer");
    assert_eq!(origin.last().target, "/u?a=1&b=2", "the origin never sees the parameter");
    let whole = get(&proxy, "/u?a=1&b=2").await;
    assert!(whole.is_hit() && whole.text() == USER, "and the whole is the same entry");
    let cut = get(&proxy, "/u?fields=id&a=1&b=2").await;
    assert_eq!(cut.header("cache-status"), Some("larder; hit; ttl=60"), "a hit like any other");
}

#[tokio::test]
async fn the_first_answer_is_cut_as_well() {
    for reply in [json(USER), json(USER).chunked(), json(USER).header("Cache-Control", "private")] {
        let (_origin, proxy) = before(reply).await;
        let answer = get(&proxy, "/?fields=id").await;
        assert_eq!(answer.text(), r#"{"id":1}"#, "{:?}", answer.header("cache-status"));
        assert_eq!(answer.header("content-length"), Some("8"));
        assert_eq!(answer.header("transfer-encoding"), None);
    }
}

#[tokio::test]
async fn what_the_cache_has_no_part_in_is_cut_for_its_client_alone() {
    for config in ["mode = \"off\"", "authorization = \"bypass\"", "authorization = \"isolate\""] {
        let origin = Origin::serve(|seen| {
            let who = seen.header("authorization").unwrap_or("nobody");
            json(format!(r#"{{"who":"{who}","rest":1}}"#))
        })
        .await;
        let proxy = Proxy::with(&origin, &format!("[cache]\n{config}\n{OFFER}")).await;
        for who in ["alice", "bob", "alice"] {
            let answer = get(&proxy, "/?fields=who").header("Authorization", who).await;
            assert_eq!(answer.text(), format!(r#"{{"who":"{who}"}}"#), "{config}");
        }
        assert_eq!(origin.last().target, "/");
    }
}

#[tokio::test]
async fn different_masks_at_the_same_time_are_one_fetch() {
    let gate = Gate::new();
    let origin = Origin::always(json(USER).held(&gate)).await;
    let proxy = Proxy::with(&origin, OFFER).await;
    let asked = ["?fields=id", "?fields=name", "?fields=score", "", "?fields=id,name"];
    let asked: Vec<_> = asked
        .into_iter()
        .map(|query| {
            let ask = get(&proxy, &format!("/u{query}"));
            tokio::spawn(async move { ask.await.text().to_owned() })
        })
        .collect();
    origin.until_requests(1).await;
    proxy.settle().await;
    gate.open();
    let mut texts = Vec::new();
    for answer in asked {
        texts.push(answer.await.unwrap());
    }
    let expected =
        [r#"{"id":1}"#, r#"{"name":"Ada"}"#, r#"{"score":1.50}"#, USER, r#"{"id":1,"name":"Ada"}"#];
    assert_eq!(texts, expected);
    assert_eq!(origin.requests(), 1, "all of them wait for one fetch");
}

#[tokio::test]
async fn json_api_names_fields_by_type() {
    let text = r#"{"data":[{"type":"post","id":"1","attributes":{"title":"t","body":"b"}}]}"#;
    let (_origin, proxy) =
        before(json(text).header("Content-Type", "application/vnd.api+json")).await;
    let expected = r#"{"data":[{"type":"post","id":"1","attributes":{"title":"t"}}]}"#;
    for query in ["fields[post]=title", "fields%5Bpost%5D=title"] {
        assert_eq!(get(&proxy, &format!("/?{query}")).await.text(), expected, "{query}");
    }
}

#[tokio::test]
async fn head_tells_what_get_would() {
    let (origin, proxy) = before(json("[{\"a\":1},{\"a\":2}]")).await;
    for _ in 0..2 {
        let head = send(&proxy, "HEAD", "/?fields=a&limit=1").await;
        let get = get(&proxy, "/?fields=a&limit=1").await;
        for name in ["content-length", "etag", "link", "x-total-count", "content-type"] {
            assert_eq!(head.header(name), get.header(name), "RFC 9110 §9.3.2: {name}");
        }
        assert_eq!((head.status, head.text(), get.text()), (200, "", "[{\"a\":1}]"));
        assert_eq!(head.header("content-length"), Some("9"));
    }
    assert_eq!(origin.requests(), 1, "the whole is fetched, and stored");
}

#[tokio::test]
async fn a_cut_varies_by_its_own_length() {
    let rows: Vec<String> = (0..500).map(|id| format!(r#"{{"id":{id},"name":"user"}}"#)).collect();
    let whole = format!("[{}]", rows.join(","));
    let short = format!("[{}]", rows[0]);
    for (body, path, vary) in [
        (&whole, "/?limit=2", None),
        (&whole, "/?limit=100", Some("accept-encoding")),
        (&short, "/?limit=2", None),
    ] {
        let (_origin, proxy) = before(json(&**body).header("ETag", "\"v\"")).await;
        get(&proxy, "/").await;
        let mut own = String::new();
        for method in ["GET", "HEAD", "GET", "HEAD"] {
            for known in ["\"x\"", &own.clone()] {
                for accept in ["", "gzip"] {
                    let ask = send(&proxy, method, path).header("Accept-Encoding", accept);
                    let answer = ask.header("If-None-Match", known).await;
                    let why = "RFC 9110 §12.5.5, §9.3.2, §15.4.5";
                    let told = answer.header("vary");
                    assert_eq!(told, vary, "{why}: {method} {path} {accept:?} {}", answer.status);
                    if own.is_empty() {
                        own = answer.header("etag").unwrap().to_owned();
                    }
                }
            }
        }
    }
}

#[tokio::test]
async fn a_shape_is_packed_like_any_other_body() {
    let many: Vec<String> =
        (0..500).map(|id| format!(r#"{{"id":{id},"name":"user number {id}","x":1}}"#)).collect();
    let text = format!("[{}]", many.join(","));
    let (origin, proxy) = before(json(text).header("ETag", "\"v1\"")).await;
    let plain = get(&proxy, "/?fields=id").await;
    for _ in 0..2 {
        let packed = get(&proxy, "/?fields=id").header("Accept-Encoding", "gzip").await;
        assert_eq!(packed.header("content-encoding"), Some("gzip"));
        assert!(packed.body.len() < plain.body.len() / 2, "it shrinks");
        let unpacked = super::super::compression::unpack("gzip", &packed.body).await;
        assert_eq!(unpacked, plain.body);
        let plain = plain.header("etag").unwrap().trim_end_matches('"').to_owned();
        assert_eq!(packed.header("etag"), Some(&*format!("{plain}--gzip\"")), "a tag of its own");
    }
    assert_eq!(origin.requests(), 1);
}

#[tokio::test]
async fn what_came_packed_is_unpacked_before_it_is_cut() {
    let packed = super::super::compression::gzip(USER).await;
    let reply = Reply::fresh(60, packed)
        .header("Content-Type", "application/json")
        .header("Content-Encoding", "gzip");
    let (_origin, proxy) = before(reply).await;
    for accept in ["", "gzip", ""] {
        let answer = get(&proxy, "/?fields=id").header("Accept-Encoding", accept).await;
        assert_eq!(answer.text(), r#"{"id":1}"#, "{accept:?}: too short to be packed again");
        assert_eq!(answer.header("content-encoding"), None);
    }
}

#[tokio::test]
async fn there_are_no_ranges_and_no_digests_of_shapes() {
    let digests = ["Content-Digest", "Repr-Digest", "Digest", "Content-MD5"];
    let reply = digests.iter().fold(json(USER), |reply, name| reply.header(name, "sha-256=:AA:"));
    let (_origin, proxy) = before(reply.header("Accept-Ranges", "bytes")).await;
    for _ in 0..2 {
        let answer = get(&proxy, "/?fields=id").header("Range", "bytes=0-1").await;
        assert_eq!(
            (answer.status, answer.text()),
            (200, r#"{"id":1}"#),
            "RFC 9110 §14.2: may be ignored"
        );
        for name in digests.iter().chain(&["Accept-Ranges"]) {
            assert_eq!(answer.header(name), None, "RFC 9530 §2, §3: {name} told of other bytes");
        }
    }
}

#[tokio::test]
async fn unsafe_requests_are_not_shaped_and_make_every_shape_invalid() {
    let origin = Origin::serve(|seen| match seen.method.as_str() {
        "GET" => json(format!(r#"{{"n":{},"m":1}}"#, seen.number)),
        _ => Reply::ok(r#"{"n":0,"m":0}"#).header("Content-Type", "application/json"),
    })
    .await;
    let proxy = Proxy::with(&origin, OFFER).await;
    let first = get(&proxy, "/u?fields=n").await.text().to_owned();
    let put = send(&proxy, "PUT", "/u?fields=n").body("{}").await;
    assert_eq!(put.text(), r#"{"n":0,"m":0}"#, "as it came");
    assert_eq!(origin.last().target, "/u?fields=n", "as it was asked");
    let second = get(&proxy, "/u?fields=n").await.text().to_owned();
    assert_ne!(first, second, "RFC 9111 §4.4: the target URI is made invalid");
    let again = get(&proxy, "/u?fields=n").await.text().to_owned();
    assert_eq!(second, again);
}

#[tokio::test]
async fn a_purge_of_a_shapes_url_is_one_of_the_whole() {
    let origin = Origin::always(json(USER)).await;
    let config = format!("[admin]\npurge_from = [\"127.0.0.0/8\"]\n{OFFER}");
    let proxy = Proxy::with(&origin, &config).await;
    get(&proxy, "/u?a=1&fields=id").await;
    assert_eq!(send(&proxy, "PURGE", "/u?fields=name&a=1").await.status, 200);
    get(&proxy, "/u?a=1&fields=id").await;
    assert_eq!(origin.requests(), 2, "there is one thing under all of these URLs");
}

#[tokio::test]
async fn a_route_without_a_shape_forwards_what_it_gets() {
    let origin = Origin::always(json(USER)).await;
    let config = OFFER.replace("/**", "/shaped/**");
    let proxy = Proxy::with(&origin, &config).await;
    assert_eq!(get(&proxy, "/u?fields=id").await.text(), USER);
    assert_eq!(origin.last().target, "/u?fields=id");
    get(&proxy, "/u?fields=name").await;
    assert_eq!(origin.requests(), 2, "and it is part of the key");
}
