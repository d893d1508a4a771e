//! For how long a response is used, and what Age says meanwhile (RFC 9111 §4.2).

use crate::support::{NOON, Origin, Proxy, Reply, date, get};

/// A proxy before an origin that gives `reply` to everything.
async fn before(reply: Reply, config: &str) -> (Origin, Proxy) {
    let origin = Origin::always(reply).await;
    let proxy = Proxy::with(&origin, config).await;
    (origin, proxy)
}

#[tokio::test]
async fn age_and_ttl_follow_the_clock() {
    let (_origin, proxy) = before(Reply::fresh(60, "x"), "").await;
    get(&proxy, "/").await;
    for (step, age, ttl) in [(1, 1, 59), (29, 30, 30), (29, 59, 1)] {
        proxy.advance(step);
        let hit = get(&proxy, "/").await;
        assert_eq!((hit.age(), hit.cache_status().ttl), (Some(age), Some(ttl)));
    }
}

#[tokio::test]
async fn a_response_is_not_used_past_its_freshness() {
    let (origin, proxy) = before(Reply::fresh(60, "x"), "").await;
    get(&proxy, "/").await;
    proxy.advance(60);
    let again = get(&proxy, "/").await;
    assert!(!again.is_hit(), "a response is fresh while its lifetime exceeds its age");
    assert_eq!(origin.requests(), 2);
}

#[tokio::test]
async fn the_age_that_a_response_came_with_counts() {
    let (origin, proxy) = before(Reply::fresh(60, "x").header("Age", "50"), "").await;
    assert_eq!(get(&proxy, "/").await.age(), Some(50), "a relayed Age stays");
    proxy.advance(9);
    assert_eq!(get(&proxy, "/").await.age(), Some(59));
    proxy.advance(1);
    get(&proxy, "/").await;
    assert_eq!(origin.requests(), 2, "50 s old when it came, and 10 s here");
}

#[tokio::test]
async fn the_age_that_date_shows_counts() {
    let (_origin, proxy) = before(Reply::fresh(60, "x").header("Date", date(-20)), "").await;
    get(&proxy, "/").await;
    let hit = get(&proxy, "/").await;
    assert_eq!((hit.age(), hit.cache_status().ttl), (Some(20), Some(40)), "apparent_age, §4.2.3");
}

#[tokio::test]
async fn age_never_decreases_whatever_the_wall_clock_does() {
    let (_origin, proxy) = before(Reply::fresh(600, "x"), "").await;
    get(&proxy, "/").await;
    proxy.advance(10);
    proxy.set_wall(NOON - 86_400_000);
    assert_eq!(get(&proxy, "/").await.age(), Some(10), "a day back");
    proxy.set_wall(NOON + 86_400_000);
    assert_eq!(get(&proxy, "/").await.age(), Some(10), "a day on");
    proxy.advance(5);
    assert_eq!(get(&proxy, "/").await.age(), Some(15));
}

#[tokio::test]
async fn s_maxage_comes_before_max_age_and_that_before_expires() {
    let fields = [
        ("s-maxage=30, max-age=60", date(90), 30),
        ("max-age=60", date(90), 60),
        ("public", date(90), 90),
    ];
    for (directives, expires, lifetime) in fields {
        let reply = Reply::ok("x").header("Cache-Control", directives).header("Expires", expires);
        let (_origin, proxy) = before(reply, "").await;
        get(&proxy, "/").await;
        let ttl = get(&proxy, "/").await.cache_status().ttl;
        assert_eq!(ttl, Some(lifetime), "{directives} and Expires (§4.2.1)");
    }
}

#[tokio::test]
async fn the_operator_may_set_and_bound_freshness() {
    for (config, ttl) in
        [("override_ttl = \"5s\"", 5), ("max_ttl = \"20s\"", 20), ("ttl = \"9s\"", 60)]
    {
        let (_origin, proxy) = before(Reply::fresh(60, "x"), &format!("[cache]\n{config}")).await;
        get(&proxy, "/").await;
        assert_eq!(get(&proxy, "/").await.cache_status().ttl, Some(ttl), "{config}");
    }
}

#[tokio::test]
async fn a_response_without_date_gets_the_time_it_came() {
    let (_origin, proxy) = before(Reply::fresh(60, "x").undated(), "").await;
    get(&proxy, "/").await;
    proxy.advance(30);
    let hit = get(&proxy, "/").await;
    assert_eq!(hit.header("date"), Some(date(0).as_str()), "RFC 9110 §6.6.1");
    assert_eq!(hit.age(), Some(30));
}
