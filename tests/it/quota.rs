//! An upstream's quota: a third party that counts, and what it says is heeded.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use larder::clock::Manual;
use parking_lot::Mutex;

use crate::support::{Origin, Proxy, Reply, get};

const CONFIG: &str = "upstream = \"api\"\n[upstreams.api]\nurl = \"{origin}\"\n\
                      quota = { rate = \"100/min\" }\ntimeouts = { first_byte = \"10m\" }";

#[tokio::test]
async fn a_third_party_never_has_to_say_no() {
    // It allows 100 in any minute, by the clock that all share, and keeps count.
    let clock = Arc::new(OnceLock::<larder::clock::Clock>::new());
    let times = Arc::new(Mutex::new(Vec::<i64>::new()));
    let (now, seen) = (clock.clone(), times.clone());
    let origin = Origin::serve(move |_| {
        let now = now.get().unwrap().now().mono.0;
        let mut seen = seen.lock();
        seen.push(now);
        let in_a_minute = seen.iter().filter(|time| **time > now - 60_000).count();
        if in_a_minute > 100 { Reply::status(429) } else { Reply::ok("x") }
    })
    .await;
    let (shared, manual): (_, Arc<Manual>) = origin.clock();
    clock.set(shared).unwrap();
    let proxy = Proxy::with(&origin, CONFIG).await;
    // Ten times the load: what 100 a minute would take ten minutes for comes at once.
    let mut clients = Vec::new();
    for n in 0..200 {
        clients.push(get(&proxy, &format!("/{n}")).sent().await);
    }
    for n in 1..=200 {
        origin.until_requests(n).await;
        if n < 200 {
            crate::support::within(
                "the next turn",
                manual.until_sleeping(Duration::from_millis(600)),
            )
            .await;
            manual.advance(Duration::from_millis(600));
        }
    }
    for client in &mut clients {
        assert_eq!(client.read().await.unwrap().status, 200, "no 429 from the third party");
    }
    let times = times.lock();
    assert!(times.windows(2).all(|pair| pair[1] - pair[0] >= 600), "evenly paced: {times:?}");
}

#[tokio::test]
async fn what_it_says_is_heeded_and_stale_serves_meanwhile() {
    let stale = "max-age=10, stale-if-error=600";
    let origin = Origin::serve(move |seen| match seen.number {
        1 | 3 => Reply::ok("x").header("Cache-Control", stale),
        _ => Reply::status(503).header("Retry-After", "120"),
    })
    .await;
    let config = CONFIG.replace("10m", "30s");
    let proxy = Proxy::with(&origin, &config).await;
    assert_eq!(get(&proxy, "/").await.status, 200);
    proxy.advance(20);
    assert_eq!(get(&proxy, "/").await.status, 200, "stale, as the API says 503");
    assert_eq!(origin.requests(), 2);
    for _ in 0..5 {
        let answer = get(&proxy, "/").await;
        assert_eq!((answer.status, answer.text()), (200, "x"));
        assert_eq!(answer.cache_status().detail.as_deref(), Some("stale-if-error"));
        let other = get(&proxy, "/other").await;
        assert_eq!((other.status, other.header("retry-after")), (503, Some("120")));
    }
    assert_eq!(origin.requests(), 2, "it is left alone");
    proxy.advance(120);
    assert_eq!(get(&proxy, "/").await.status, 200);
    assert_eq!(origin.requests(), 3, "for as long as it said");
}

#[tokio::test]
async fn a_pause_that_is_short_is_waited_for() {
    let origin = Origin::replies([
        Reply::status(429).header("RateLimit", "\"default\";r=0;t=5"),
        Reply::ok("x"),
    ])
    .await;
    let proxy = Proxy::with(&origin, CONFIG).await;
    assert_eq!(get(&proxy, "/").await.status, 429);
    let mut next = get(&proxy, "/").sent().await;
    proxy.let_it_wait(5).await;
    assert_eq!(next.read().await.unwrap().status, 200);
    assert_eq!(origin.requests(), 2);
}
