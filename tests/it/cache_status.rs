//! Cache-Status (RFC 9211) on every response: what happened, in one line.

use crate::support::{CacheStatus, Gate, Origin, Proxy, Reply, get, send};

fn larder() -> CacheStatus {
    CacheStatus { cache: "larder".into(), ..CacheStatus::default() }
}

fn forwarded(fwd: &str) -> CacheStatus {
    CacheStatus { fwd: Some(fwd.into()), ..larder() }
}

#[tokio::test]
async fn a_miss_and_its_hit() {
    let origin = Origin::always(Reply::fresh(60, "x")).await;
    let proxy = Proxy::before(&origin).await;
    let miss = get(&proxy, "/").await;
    assert_eq!(
        miss.header("cache-status"),
        Some("larder; fwd=uri-miss; stored; ttl=60; detail=cold"),
        "as written"
    );
    proxy.advance(20);
    let hit = get(&proxy, "/").await;
    assert_eq!(hit.header("cache-status"), Some("larder; hit; ttl=40"), "as written");
}

#[tokio::test]
async fn what_is_not_stored_says_why() {
    let mut refused = forwarded("uri-miss");
    refused.detail = Some("no-store".into());
    let origin = Origin::always(Reply::ok("x").header("Cache-Control", "no-store")).await;
    let proxy = Proxy::before(&origin).await;
    assert_eq!(get(&proxy, "/").await.cache_status(), refused);
}

#[tokio::test]
async fn a_validation_tells_the_origin_s_status() {
    let origin = Origin::serve(|seen| match seen.header("if-none-match") {
        Some(_) => Reply::status(304).header("ETag", "\"v1\""),
        None => Reply::fresh(10, "x").header("ETag", "\"v1\""),
    })
    .await;
    let proxy = Proxy::before(&origin).await;
    get(&proxy, "/").await;
    proxy.advance(10);
    let validated = get(&proxy, "/").await.cache_status();
    let fresh = CacheStatus { ttl: Some(10), stored: true, ..forwarded("stale") };
    assert_eq!(validated, CacheStatus { fwd_status: Some(304), ..fresh });
}

#[tokio::test]
async fn what_the_cache_has_no_part_in_says_so() {
    let origin = Origin::always(Reply::status(201)).await;
    let proxy = Proxy::before(&origin).await;
    let posted = send(&proxy, "POST", "/").body("x").await.cache_status();
    assert_eq!((posted.fwd(), posted.hit, posted.stored), ("method", false, false));
    let conditional = get(&proxy, "/").header("If-Match", "\"a\"").await.cache_status();
    assert_eq!((conditional.fwd(), conditional.detail()), ("request", "precondition"));
    let with_content = send(&proxy, "GET", "/").body("x").await.cache_status();
    assert_eq!((with_content.fwd(), with_content.detail()), ("bypass", "content"));
    proxy.reload("[cache]\nauthorization = \"bypass\"");
    let credential = get(&proxy, "/").header("Authorization", "Bearer x").await.cache_status();
    assert_eq!((credential.fwd(), credential.detail()), ("bypass", "authorization-bypass"));
    proxy.reload("[cache]\nmode = \"off\"");
    let off = get(&proxy, "/").await.cache_status();
    assert_eq!((off.fwd(), off.detail()), ("bypass", "cache-off"));
}

#[tokio::test]
async fn freshness_that_is_ours_or_has_ended_shows_in_ttl() {
    let origin = Origin::serve(|seen| match seen.number {
        1 | 2 => Reply::ok("x").header("Age", "4").header("ETag", "\"a\""),
        _ => Reply::status(503),
    })
    .await;
    let proxy = Proxy::with(&origin, "[cache]\nttl = \"30s\"\nstale_if_error = \"1m\"").await;
    assert_eq!(get(&proxy, "/").await.cache_status().ttl, Some(26), "§2.4: whoever assigned it");
    proxy.advance(36);
    assert_eq!(get(&proxy, "/").await.cache_status().ttl, Some(26), "fetched again");
    proxy.advance(36);
    let stale = get(&proxy, "/").await.cache_status();
    assert_eq!((stale.ttl, stale.fwd_status), (Some(-10), Some(503)), "§2.4: negative");
    let unstored = Origin::always(Reply::ok("x").header("Cache-Control", "no-store")).await;
    let proxy = Proxy::before(&unstored).await;
    assert_eq!(get(&proxy, "/").await.cache_status().ttl, None, "nothing is stored");
}

#[tokio::test]
async fn waiting_for_another_in_vain_is_told() {
    let gate = Gate::new();
    let reply = Reply::ok("x").header("Cache-Control", "private").held(&gate);
    let origin = Origin::always(reply).await;
    let proxy = Proxy::before(&origin).await;
    let first = get(&proxy, "/").sent().await;
    gate.until_arrived(1).await;
    let second = get(&proxy, "/").sent().await;
    proxy.settle().await;
    assert_eq!(origin.requests(), 1, "the second waits for the first");
    gate.open();
    for (mut client, in_vain) in [(first, false), (second, true)] {
        let status = client.read().await.unwrap().cache_status();
        assert_eq!((status.in_vain, status.collapsed), (in_vain, false), "§2.6: collapsed=?0");
        assert_eq!((status.fwd(), status.detail()), ("uri-miss", "private"));
    }
}

#[tokio::test]
async fn a_request_that_forbids_what_is_stored_says_so() {
    let origin = Origin::always(Reply::fresh(60, "x")).await;
    let proxy = Proxy::with(&origin, "[cache]\nrequest_cache_control = \"honor\"").await;
    get(&proxy, "/").await;
    proxy.advance(1);
    let status = get(&proxy, "/").header("Cache-Control", "no-cache").await.cache_status();
    assert_eq!((status.fwd(), status.hit), ("request", false));
}

#[tokio::test]
async fn the_member_of_a_cache_behind_us_stays_in_front() {
    let inner = "inner; hit; ttl=5";
    let origin = Origin::always(Reply::fresh(60, "x").header("Cache-Status", inner)).await;
    let proxy = Proxy::before(&origin).await;
    for pass in ["miss", "hit"] {
        let members = get(&proxy, "/").await.cache_statuses();
        let names: Vec<&str> = members.iter().map(|member| member.cache.as_str()).collect();
        assert_eq!(names, ["inner", "larder"], "{pass}: the origin's side first (RFC 9211 §2)");
        assert_eq!(members[1].hit, pass == "hit");
    }
}

#[tokio::test]
async fn our_own_errors_have_it_too() {
    let origin = Origin::refusing().await;
    let proxy = Proxy::before(&origin).await;
    let failed = get(&proxy, "/").await;
    assert_eq!((failed.status, failed.cache_status().fwd()), (502, "uri-miss"));
    let refused = get(&proxy, "/a/../b").await;
    assert_eq!((refused.status, refused.cache_status().hit), (400, false));
    assert_eq!(refused.cache_status().detail(), "dot-segment", "the reason has a name");
    let head = get(&proxy, "/").header("If-Match", "\"larder-0f\"").await;
    assert_eq!((head.status, head.cache_status().detail()), (412, "precondition-failed"));
    let options = send(&proxy, "OPTIONS", "/").header("Max-Forwards", "0").await;
    assert_eq!((options.status, options.cache_status().detail()), (204, "max-forwards"));
    let absent = get(&proxy, "/").header("Cache-Control", "only-if-cached").await;
    assert_eq!((absent.status, absent.cache_status().hit), (504, false));
    assert_eq!(absent.cache_status().detail(), "only-if-cached");
}

#[tokio::test]
async fn an_error_of_the_origin_is_no_error_of_ours() {
    let origin = Origin::always(Reply::status(500).body("theirs")).await;
    let proxy = Proxy::before(&origin).await;
    let answer = get(&proxy, "/").await;
    assert_eq!((answer.status, answer.text()), (500, "theirs"));
    assert_eq!(answer.cache_status().fwd_status, None, "it is the status of the response itself");
}
