//! Stale answers, where they are allowed: while it is refreshed, and when the origin fails
//! (RFC 5861; RFC 9111 §4.2.4).

use crate::support::{Answer, Gate, Origin, Proxy, Reply, get, within};

/// Replies that are fresh for 10 s and then have `directives`; `then` follows the first one.
async fn origin(directives: &str, then: impl Fn(usize) -> Reply + Send + Sync + 'static) -> Origin {
    let control = format!("max-age=10, {directives}");
    Origin::serve(move |seen| match seen.number {
        1 => Reply::ok("old").header("Cache-Control", control.clone()),
        n => then(n),
    })
    .await
}

/// A proxy before it that has stored `/`, `seconds` ago.
async fn stored_for(seconds: u64, origin: &Origin, config: &str) -> Proxy {
    let proxy = Proxy::with(origin, config).await;
    get(&proxy, "/").await;
    proxy.advance(seconds);
    proxy
}

fn is_stale_if_error(answer: &Answer, fwd_status: Option<u16>) {
    let status = answer.cache_status();
    assert_eq!((answer.status, answer.text()), (200, "old"), "{status:?}");
    assert_eq!((status.fwd(), status.detail()), ("stale", "stale-if-error"));
    assert_eq!(status.fwd_status, fwd_status, "what the origin said");
    assert!(answer.age() >= Some(10), "its age tells that it is stale: {:?}", answer.age());
}

/// Asks until the answer from memory is fresh: the refresh in the background has ended.
async fn until_refreshed(proxy: &Proxy) -> Answer {
    within("a refreshed answer", async {
        loop {
            let answer = get(proxy, "/").await;
            if answer.cache_status().ttl.is_some_and(|ttl| ttl > 0) {
                return answer;
            }
        }
    })
    .await
}

#[tokio::test]
async fn a_stale_answer_is_served_at_once_while_it_is_refreshed() {
    let gate = Gate::new();
    let held = gate.clone();
    let origin =
        origin("stale-while-revalidate=30", move |_| Reply::fresh(10, "new").held(&held)).await;
    let proxy = stored_for(15, &origin, "").await;
    let stale = get(&proxy, "/").await;
    assert_eq!((stale.text(), stale.age()), ("old", Some(15)));
    let status = stale.cache_status();
    assert_eq!((status.hit, status.ttl), (true, Some(-5)), "stale for 5 s");
    assert_eq!(status.detail(), "stale-while-revalidate");
    origin.until_requests(2).await;
    gate.open();
    let refreshed = until_refreshed(&proxy).await;
    assert_eq!((refreshed.text(), refreshed.age()), ("new", Some(0)));
    assert_eq!(origin.requests(), 2);
}

#[tokio::test]
async fn a_crowd_of_stale_hits_makes_one_refresh() {
    let gate = Gate::new();
    let held = gate.clone();
    let origin =
        origin("stale-while-revalidate=30", move |_| Reply::fresh(10, "new").held(&held)).await;
    let proxy = stored_for(15, &origin, "").await;
    for _ in 0..20 {
        assert_eq!(get(&proxy, "/").await.text(), "old");
    }
    gate.until_arrived(1).await;
    proxy.settle().await;
    assert_eq!(origin.requests(), 2, "a refresh is under way, nobody starts another");
    gate.open();
    until_refreshed(&proxy).await;
}

#[tokio::test]
async fn past_its_window_a_stale_answer_is_not_served() {
    let origin = origin("stale-while-revalidate=30", |_| Reply::fresh(10, "new")).await;
    let proxy = stored_for(41, &origin, "").await;
    let answer = get(&proxy, "/").await;
    assert_eq!((answer.text(), answer.is_hit()), ("new", false));
}

#[tokio::test]
async fn a_refresh_that_fails_leaves_the_stale_answer_in_place() {
    let origin = origin("stale-while-revalidate=30", |n| match n {
        2 => Reply::status(500),
        _ => Reply::fresh(10, "new"),
    })
    .await;
    let proxy = stored_for(15, &origin, "").await;
    assert_eq!(get(&proxy, "/").await.text(), "old");
    origin.until_requests(2).await;
    let refreshed = until_refreshed(&proxy).await;
    assert_eq!(refreshed.text(), "new", "and a later request tries again");
}

#[tokio::test]
async fn the_operator_may_allow_it_where_the_origin_says_nothing() {
    let origin = origin("public", |_| Reply::fresh(10, "new")).await;
    let proxy = stored_for(15, &origin, "[cache]\nstale_while_revalidate = \"1m\"").await;
    assert_eq!(get(&proxy, "/").await.cache_status().detail(), "stale-while-revalidate");
}

#[tokio::test]
async fn an_error_of_the_origin_is_covered_by_the_stale_answer() {
    for status in [500, 502, 503, 504] {
        let origin = origin("stale-if-error=60", move |_| Reply::status(status).body("oops")).await;
        let proxy = stored_for(15, &origin, "").await;
        is_stale_if_error(&get(&proxy, "/").await, Some(status));
        assert_eq!(origin.requests(), 2, "it was asked");
    }
}

#[tokio::test]
async fn an_origin_that_is_gone_is_covered_by_the_stale_answer() {
    let origin = origin("stale-if-error=60", |_| Reply::reset()).await;
    let proxy = stored_for(15, &origin, "").await;
    is_stale_if_error(&get(&proxy, "/").await, None);
    origin.stop().await;
    is_stale_if_error(&get(&proxy, "/").await, None);
}

#[tokio::test]
async fn a_client_waits_for_a_silent_origin_no_longer_than_three_seconds() {
    let gate = Gate::new();
    let held = gate.clone();
    let origin = origin("stale-if-error=60", move |_| Reply::fresh(10, "new").held(&held)).await;
    let proxy = stored_for(15, &origin, "").await;
    let mut client = get(&proxy, "/").sent().await;
    gate.until_arrived(1).await;
    proxy.let_it_wait(3).await;
    let answer = client.read().await.unwrap();
    assert_eq!((answer.text(), answer.age()), ("old", Some(18)));
    gate.open();
    assert_eq!(until_refreshed(&proxy).await.text(), "new", "the fetch went on");
    assert_eq!(origin.requests(), 2);
}

#[tokio::test]
async fn an_error_past_the_window_is_the_client_s() {
    let origin = origin("stale-if-error=60", |_| Reply::status(503).body("oops")).await;
    let proxy = stored_for(71, &origin, "").await;
    let answer = get(&proxy, "/").await;
    assert_eq!((answer.status, answer.text()), (503, "oops"));
}

#[tokio::test]
async fn an_answer_that_is_no_failure_is_not_covered() {
    for status in [404, 403, 429] {
        let origin = origin("stale-if-error=60", move |_| Reply::status(status)).await;
        let proxy = stored_for(15, &origin, "").await;
        assert_eq!(get(&proxy, "/").await.status, status, "RFC 5861 §4 names 500 to 504");
    }
}

#[tokio::test]
async fn without_permission_an_error_is_the_client_s() {
    let origin = origin("public", |_| Reply::status(503)).await;
    let proxy = stored_for(15, &origin, "").await;
    assert_eq!(get(&proxy, "/").await.status, 503);
}

#[tokio::test]
async fn must_revalidate_forbids_every_stale_answer() {
    for directive in ["must-revalidate", "proxy-revalidate", "s-maxage=10"] {
        let stale = "stale-while-revalidate=60, stale-if-error=60";
        let origin = origin(&format!("{directive}, {stale}"), |_| Reply::status(503)).await;
        let proxy = stored_for(15, &origin, "").await;
        assert_eq!(get(&proxy, "/").await.status, 503, "{directive} (RFC 9111 §4.2.4)");
        origin.stop().await;
        assert_eq!(get(&proxy, "/").await.status, 502, "{directive}");
    }
}

#[tokio::test]
async fn the_operator_may_cover_errors_where_the_origin_says_nothing() {
    let origin = origin("public", |_| Reply::status(503)).await;
    let proxy = stored_for(15, &origin, "[cache]\nstale_if_error = \"10m\"").await;
    is_stale_if_error(&get(&proxy, "/").await, Some(503));
}

#[tokio::test]
async fn a_client_may_not_buy_stale_answers_unless_the_operator_lets_it() {
    for (config, requests) in [("", 2), ("[cache]\nrequest_cache_control = \"honor\"", 1)] {
        let origin = Origin::always(Reply::fresh(10, "x").header("ETag", "\"v1\"")).await;
        let proxy = stored_for(15, &origin, config).await;
        get(&proxy, "/").header("Cache-Control", "max-stale=60").await;
        assert_eq!(origin.requests(), requests, "{config:?}");
    }
}
