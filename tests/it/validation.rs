//! Validation towards the origin, and for clients (RFC 9111 §4.3; RFC 9110 §13).

use crate::support::{Answer, Origin, Proxy, Reply, date, get, send};

/// An origin whose one resource has this validator; it knows what is current.
async fn versioned(field: &'static str, value: String) -> (Origin, Proxy) {
    let origin = Origin::serve(move |seen| {
        let condition = if field == "ETag" { "If-None-Match" } else { "If-Modified-Since" };
        let status = if seen.header(condition) == Some(value.as_str()) { 304 } else { 200 };
        let reply = Reply::status(status).header("Cache-Control", "max-age=10");
        let reply = reply.header(field, value.clone()).header("X-Take", seen.number.to_string());
        if status == 304 { reply } else { reply.body("the body") }
    })
    .await;
    let proxy = Proxy::before(&origin).await;
    (origin, proxy)
}

fn tagged(tag: &str, body: &str) -> Reply {
    Reply::fresh(10, body.to_owned()).header("ETag", tag)
}

/// Asks for `/` under a condition.
async fn on_condition(proxy: &Proxy, name: &str, value: &str) -> Answer {
    get(proxy, "/").header(name, value).await
}

#[tokio::test]
async fn a_stale_response_is_validated_by_its_etag() {
    let (origin, proxy) = versioned("ETag", "\"v1\"".into()).await;
    get(&proxy, "/").await;
    proxy.advance(10);
    let validated = get(&proxy, "/").await;
    assert_eq!((validated.status, validated.text()), (200, "the body"), "the stored body");
    assert_eq!(validated.header("x-take"), Some("2"), "with the fields of the 304 (§3.2)");
    let status = validated.cache_status();
    assert_eq!((status.hit, status.fwd(), status.fwd_status), (false, "stale", Some(304)));
    assert!(status.stored, "it is fresh again");
    assert_eq!(origin.last().headers("if-none-match"), ["\"v1\""]);
    let hit = get(&proxy, "/").await;
    assert_eq!((hit.age(), hit.cache_status().ttl), (Some(0), Some(10)), "age starts anew");
    assert_eq!(origin.requests(), 2);
}

#[tokio::test]
async fn a_stale_response_without_etag_is_validated_by_its_date() {
    let (origin, proxy) = versioned("Last-Modified", date(-3600)).await;
    get(&proxy, "/").await;
    proxy.advance(10);
    assert_eq!(get(&proxy, "/").await.cache_status().fwd_status, Some(304));
    assert_eq!(origin.last().header("if-modified-since"), Some(date(-3600).as_str()));
}

#[tokio::test]
async fn a_new_version_replaces_the_stored_one() {
    let replies = [tagged("\"v1\"", "old"), tagged("\"v2\"", "new")];
    let origin = Origin::replies(replies).await;
    let proxy = Proxy::before(&origin).await;
    get(&proxy, "/").await;
    proxy.advance(10);
    let replaced = get(&proxy, "/").await;
    let status = replaced.cache_status();
    assert_eq!((replaced.text(), status.fwd(), status.fwd_status), ("new", "stale", None));
    assert_eq!(origin.last().header("if-none-match"), Some("\"v1\""));
    let hit = get(&proxy, "/").await;
    assert_eq!((hit.text(), hit.is_hit()), ("new", true));
}

#[tokio::test]
async fn a_304_with_another_strong_etag_freshens_nothing() {
    let confused = Reply::status(304).header("ETag", "\"v2\"");
    let origin =
        Origin::replies([tagged("\"v1\"", "old"), confused, tagged("\"v2\"", "new")]).await;
    let proxy = Proxy::before(&origin).await;
    get(&proxy, "/").await;
    proxy.advance(10);
    assert_eq!(get(&proxy, "/").await.text(), "new", "§4.3.4: fetched anew");
    assert_eq!(origin.last().header("if-none-match"), None, "without conditions");
    assert_eq!(origin.requests(), 3);
}

#[tokio::test]
async fn no_cache_is_validated_before_every_use() {
    let origin = Origin::serve(|seen| match seen.header("if-none-match") {
        Some(_) => Reply::status(304).header("ETag", "\"v1\""),
        None => {
            Reply::ok("x").header("ETag", "\"v1\"").header("Cache-Control", "no-cache, max-age=60")
        }
    })
    .await;
    let proxy = Proxy::before(&origin).await;
    for n in 1..=3 {
        assert_eq!(get(&proxy, "/").await.text(), "x");
        assert_eq!(origin.requests(), n, "§5.2.2.4");
    }
}

#[tokio::test]
async fn a_client_that_has_the_stored_version_gets_304() {
    let modified = date(-3600);
    let reply =
        tagged("\"v1\"", "x").header("Last-Modified", modified.clone()).header("Vary", "X-A");
    let origin = Origin::always(reply).await;
    let proxy = Proxy::before(&origin).await;
    get(&proxy, "/").await;
    for (name, value) in [
        ("If-None-Match", "\"v1\""),
        ("If-None-Match", "\"v0\", W/\"v1\""),
        ("If-None-Match", "*"),
        ("If-Modified-Since", modified.as_str()),
        ("If-Modified-Since", date(-10).as_str()),
    ] {
        let answer = on_condition(&proxy, name, value).await;
        assert_eq!((answer.status, answer.text()), (304, ""), "{name}: {value}");
        assert!(answer.is_hit(), "{name}: {value}: {:?}", answer.cache_status());
        for kept in ["etag", "cache-control", "date", "vary"] {
            assert!(answer.header(kept).is_some(), "a 304 has {kept} (RFC 9110 §15.4.5)");
        }
    }
    assert_eq!(origin.requests(), 1, "the cache answers conditions itself");
}

#[tokio::test]
async fn a_client_that_has_another_version_gets_the_stored_one() {
    let reply = tagged("\"v1\"", "x").header("Last-Modified", date(-3600));
    let origin = Origin::always(reply).await;
    let proxy = Proxy::before(&origin).await;
    get(&proxy, "/").await;
    for (name, value) in [
        ("If-None-Match", "\"v0\""),
        ("If-None-Match", "v1"),
        ("If-Modified-Since", date(-3601).as_str()),
        ("If-Modified-Since", "yesterday"),
    ] {
        assert_eq!(on_condition(&proxy, name, value).await.text(), "x", "{name}: {value}");
    }
    let both = get(&proxy, "/").header("If-None-Match", "\"v0\"");
    let both = both.header("If-Modified-Since", &date(0)).await;
    assert_eq!(both.status, 200, "If-None-Match wins (RFC 9110 §13.1.3)");
    assert_eq!(origin.requests(), 1);
}

#[tokio::test]
async fn the_response_that_was_just_fetched_answers_a_condition_too() {
    let origin = Origin::always(tagged("\"v1\"", "x")).await;
    let proxy = Proxy::before(&origin).await;
    let answer = on_condition(&proxy, "If-None-Match", "\"v1\"").await;
    assert_eq!((answer.status, answer.text()), (304, ""));
    assert_eq!(answer.cache_status().fwd_status, Some(200), "the origin sent it whole");
    assert_eq!(origin.last().header("if-none-match"), None, "so that it can be stored");
    assert!(get(&proxy, "/").await.is_hit(), "and it is");
}

#[tokio::test]
async fn the_client_s_condition_is_judged_after_validation() {
    let (origin, proxy) = versioned("ETag", "\"v1\"".into()).await;
    get(&proxy, "/").await;
    proxy.advance(10);
    let answer = on_condition(&proxy, "If-None-Match", "\"v0\"").await;
    assert_eq!((answer.status, answer.text()), (200, "the body"));
    assert_eq!(origin.last().headers("if-none-match"), ["\"v1\""], "ours, not the client's");
    proxy.advance(10);
    assert_eq!(on_condition(&proxy, "If-None-Match", "\"v1\"").await.status, 304);
}

#[tokio::test]
async fn preconditions_that_only_the_origin_can_judge_reach_it() {
    let origin = Origin::always(tagged("\"v1\"", "x")).await;
    let proxy = Proxy::before(&origin).await;
    get(&proxy, "/").await;
    for (n, (name, value)) in
        [("If-Match", "\"v1\""), ("If-Unmodified-Since", date(0).as_str())].iter().enumerate()
    {
        let answer = on_condition(&proxy, name, value).await;
        assert!(!answer.is_hit(), "{name} (§4.3.2)");
        assert_eq!((origin.requests(), origin.last().header(name)), (n + 2, Some(*value)));
    }
}

#[tokio::test]
async fn conditions_are_judged_in_the_order_of_the_rfc() {
    let reply = tagged("\"v1\"", "0123456789").header("Last-Modified", date(-3600));
    let origin = Origin::always(reply).await;
    let proxy = Proxy::before(&origin).await;
    get(&proxy, "/").await;
    let (old, new) = (date(-7200), date(-60));
    let (tag, other) = ("\"v1\"", "\"v0\"");
    type Row<'a> = (&'a [(&'a str, &'a str)], u16, &'a str);
    let rows: [Row<'_>; 9] = [
        (&[("If-None-Match", tag), ("If-Modified-Since", &old)], 304, "3: the tag alone"),
        (&[("If-None-Match", other), ("If-Modified-Since", &new)], 200, "3: the tag alone"),
        (&[("If-Modified-Since", &new)], 304, "4"),
        (&[("If-Modified-Since", &old), ("Range", "bytes=0-1")], 206, "4, then 5"),
        (&[("If-Modified-Since", &new), ("Range", "bytes=0-1")], 304, "4 before 5"),
        (&[("If-None-Match", tag), ("Range", "bytes=0-1"), ("If-Range", other)], 304, "3 before 5"),
        (&[("If-None-Match", other), ("Range", "bytes=0-1"), ("If-Range", tag)], 206, "3, then 5"),
        (&[("If-None-Match", other), ("Range", "bytes=0-1"), ("If-Range", other)], 200, "5 fails"),
        (&[("If-Range", other)], 200, "§13.1.5: If-Range without Range says nothing"),
    ];
    for (fields, status, step) in rows {
        let ask =
            fields.iter().fold(get(&proxy, "/"), |ask, (name, value)| ask.header(name, value));
        let answer = ask.await;
        assert_eq!((answer.status, answer.is_hit()), (status, true), "§13.2.2 {step}: {fields:?}");
    }
    assert_eq!(origin.requests(), 1);
}

#[tokio::test]
async fn conditions_mean_nothing_for_what_is_no_success() {
    let reply = Reply::status(404).header("ETag", "\"v1\"").header("Cache-Control", "max-age=60");
    let origin = Origin::always(reply.body("none")).await;
    let proxy = Proxy::before(&origin).await;
    get(&proxy, "/").await;
    let answer = on_condition(&proxy, "If-None-Match", "\"v1\"").await;
    assert_eq!((answer.status, answer.is_hit()), (404, true), "RFC 9110 §13.2.1");
}

#[tokio::test]
async fn a_head_is_answered_after_validation_too() {
    let (origin, proxy) = versioned("ETag", "\"v1\"".into()).await;
    get(&proxy, "/").await;
    proxy.advance(10);
    let head = send(&proxy, "HEAD", "/").await;
    assert_eq!((head.status, head.text()), (200, ""));
    assert_eq!(origin.requests(), 2);
}

#[tokio::test]
async fn validation_asks_for_what_the_client_asked_for() {
    let (origin, proxy) = versioned("ETag", "\"v1\"".into()).await;
    get(&proxy, "/").await;
    proxy.advance(10);
    get(&proxy, "/").header("X-Tenant", "7").header("Accept", "text/csv").await;
    let seen = origin.last();
    assert_eq!((seen.header("x-tenant"), seen.header("accept")), (Some("7"), Some("text/csv")));
}
