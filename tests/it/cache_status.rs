//! Cache-Status (RFC 9211) on every response: what happened, in one line.

use crate::support::{CacheStatus, Origin, Proxy, Reply, get, send};

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
    assert_eq!(miss.header("cache-status"), Some("larder; fwd=uri-miss; stored"), "as written");
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
    let validated = CacheStatus { fwd_status: Some(304), stored: true, ..forwarded("stale") };
    assert_eq!(get(&proxy, "/").await.cache_status(), validated);
}

#[tokio::test]
async fn what_the_cache_has_no_part_in_says_so() {
    let origin = Origin::always(Reply::status(201)).await;
    let proxy = Proxy::before(&origin).await;
    let posted = send(&proxy, "POST", "/").body("x").await.cache_status();
    assert_eq!((posted.fwd(), posted.hit, posted.stored), ("method", false, false));
    proxy.reload("[cache]\nmode = \"off\"");
    assert_eq!(get(&proxy, "/").await.cache_status().fwd(), "bypass");
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
    let absent = get(&proxy, "/").header("Cache-Control", "only-if-cached").await;
    assert_eq!((absent.status, absent.cache_status().hit), (504, false));
}

#[tokio::test]
async fn an_error_of_the_origin_is_no_error_of_ours() {
    let origin = Origin::always(Reply::status(500).body("theirs")).await;
    let proxy = Proxy::before(&origin).await;
    let answer = get(&proxy, "/").await;
    assert_eq!((answer.status, answer.text()), (500, "theirs"));
    assert_eq!(answer.cache_status().fwd_status, None, "it is the status of the response itself");
}
