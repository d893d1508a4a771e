//! What a HEAD says of the stored GET response (RFC 9111 §4.3.5), and how it is answered.

use crate::support::{Origin, Proxy, Reply, Seen, date, get, send};

/// An origin whose GET is stored under `"v1"`, and which answers HEAD by `head`.
async fn before(head: Reply) -> (Origin, Proxy) {
    let stored = Reply::fresh(60, "body").header("ETag", "\"v1\"").header("X-Take", "get");
    let stored = stored.header("Last-Modified", date(-60));
    let origin = Origin::serve(move |seen: Seen| match seen.method.as_str() {
        "HEAD" => head.clone(),
        _ => stored.clone(),
    })
    .await;
    let proxy = Proxy::before(&origin).await;
    get(&proxy, "/").await;
    (origin, proxy)
}

/// A HEAD that only the origin can judge, and so is forwarded.
async fn forwarded(proxy: &Proxy) {
    let head = send(proxy, "HEAD", "/").header("If-Match", "\"v1\"").await;
    assert!(!head.is_hit());
}

fn said(fields: &[(&str, &str)]) -> Reply {
    let reply = Reply::ok("body").header("Cache-Control", "max-age=60").header("X-Take", "head");
    fields.iter().fold(reply, |reply, (name, value)| reply.header(name, *value))
}

#[tokio::test]
async fn a_head_with_the_same_validators_freshens_the_stored_get() {
    let modified = date(-60);
    for fields in [
        &[("ETag", "\"v1\"")][..],
        &[("Last-Modified", modified.as_str())],
        &[("ETag", "\"v1\""), ("Last-Modified", modified.as_str())],
    ] {
        let (origin, proxy) = before(said(fields)).await;
        proxy.advance(50);
        forwarded(&proxy).await;
        proxy.advance(50);
        let hit = get(&proxy, "/").await;
        assert_eq!((hit.text(), hit.is_hit()), ("body", true), "{fields:?}: {:?}", hit.fields);
        assert_eq!(hit.header("x-take"), Some("head"), "its fields are used (§4.3.5): {fields:?}");
        assert_eq!(origin.requests(), 2);
    }
}

#[tokio::test]
async fn a_head_of_another_version_ends_the_stored_one() {
    let later = date(-30);
    for fields in [
        &[("ETag", "\"v2\"")][..],
        &[("Last-Modified", later.as_str())],
        &[("ETag", "\"v1\""), ("Last-Modified", later.as_str())],
    ] {
        let (_origin, proxy) = before(said(fields)).await;
        forwarded(&proxy).await;
        assert!(!get(&proxy, "/").await.is_hit(), "{fields:?}");
    }
    let longer = Reply::ok("another body").header("ETag", "\"v1\"");
    let (_origin, proxy) = before(longer).await;
    forwarded(&proxy).await;
    assert!(!get(&proxy, "/").await.is_hit(), "§4.3.5: another Content-Length");
}

#[tokio::test]
async fn a_head_that_says_nothing_of_the_bytes_changes_nothing() {
    let error = Reply::status(404).header("ETag", "\"v2\"");
    for (reply, why) in [(said(&[]), "no validator"), (error, "only a 200 counts (§4.3.5)")] {
        let (_origin, proxy) = before(reply).await;
        forwarded(&proxy).await;
        let hit = get(&proxy, "/").await;
        assert_eq!((hit.is_hit(), hit.header("x-take")), (true, Some("get")), "{why}");
    }
}

#[tokio::test]
async fn another_user_s_head_has_no_say() {
    let (_origin, proxy) = before(said(&[("ETag", "\"v2\"")])).await;
    for (name, value) in [("Authorization", "Basic YTpi"), ("Cookie", "sid=1")] {
        let head = send(&proxy, "HEAD", "/").header("If-Match", "\"v1\"");
        head.header(name, value).await;
        assert!(get(&proxy, "/").await.is_hit(), "{name}: theirs may be another thing");
    }
}

#[tokio::test]
async fn a_head_that_forbids_storing_does_not_prolong() {
    let reply = Reply::ok("body").header("ETag", "\"v1\"").header("Cache-Control", "no-store");
    let (_origin, proxy) = before(reply).await;
    proxy.advance(50);
    forwarded(&proxy).await;
    proxy.advance(20);
    assert!(!get(&proxy, "/").await.is_hit());
}

#[tokio::test]
async fn a_range_means_nothing_to_head_even_where_a_get_is_sent_for_it() {
    let origin = Origin::serve(|seen: Seen| {
        let brief = Reply::fresh(5, "body");
        match (seen.number, seen.header("range")) {
            (1, _) => brief.header("ETag", "\"v1\""),
            // A 304 of something else: Larder asks again, without conditions of its own.
            (2, _) => Reply::status(304).header("ETag", "\"other\""),
            (_, None) => brief.header("ETag", "\"v2\""),
            (_, Some(_)) => {
                let part = Reply::status(206).body("od").header("ETag", "\"v2\"");
                part.header("Content-Range", "bytes 1-2/4")
            }
        }
    })
    .await;
    let proxy = Proxy::with(&origin, "[cache]\ncollapse = 'off'").await;
    get(&proxy, "/").await;
    proxy.advance(10);
    let head = send(&proxy, "HEAD", "/").header("Range", "bytes=1-2").await;
    assert_eq!(head.status, 200, "RFC 9110 §14.2: {:?}", head.fields);
    let ranges: Vec<_> = origin.seen().iter().map(|it| it.header("range").is_some()).collect();
    assert_eq!(ranges, [false; 3], "the origin is not asked for a part");
}
