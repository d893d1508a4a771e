//! An API whose places are all taken: who waits takes turns, and who cannot wait gets what is stale,
//! or is told when to come again.

use futures_util::{StreamExt, stream::FuturesUnordered};

use crate::support::{Gate, H2, Origin, Proxy, Reply, get};

/// How many may wait for a place.
const MAX_WAITING: usize = 1024;

#[tokio::test]
async fn when_the_queue_is_full_stale_serves_or_503_says_when_to_come_again() {
    let gate = Gate::new();
    let held = gate.clone();
    let origin = Origin::serve(move |seen| match seen.target.as_str() {
        "/stale" => Reply::ok("x").header("Cache-Control", "max-age=10, stale-if-error=600"),
        _ => Reply::ok("x").held(&held),
    })
    .await;
    let text = "upstream = \"api\"\n[upstreams.api]\nurl = \"{origin}\"\nmax_concurrent = 1";
    let proxy = Proxy::with(&origin, text).await;
    assert_eq!(get(&proxy, "/stale").await.status, 200);
    proxy.advance(20);
    let mut connections = Vec::new();
    for _ in 0..11 {
        connections.push(H2::connect(&proxy).await);
    }
    // One has the only place, 1,024 wait, and three find the queue full.
    let ask = |n: usize| {
        let connection = &connections[n % connections.len()];
        async move { connection.get(&format!("/{n}"), &[]).await.unwrap() }
    };
    let mut asking: FuturesUnordered<_> = (0..=MAX_WAITING + 3).map(ask).collect();
    for _ in 0..3 {
        let refused = asking.next().await.unwrap();
        assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")), "at once");
        assert_eq!(refused.cache_status().detail.as_deref(), Some("upstream-busy"));
    }
    // It has nothing waiting, so the one who has most makes room for it: but both are 127.0.0.1.
    let (stale, refused) = (get(&proxy, "/stale"), get(&proxy, "/other"));
    let mut asked = Box::pin(async { (stale.await, refused.await) });
    let (stale, refused) = tokio::select! {
        both = &mut asked => both,
        other = asking.next() => panic!("{other:?}: the others wait"),
    };
    assert_eq!((stale.status, stale.text()), (200, "x"), "RFC 5861 §4");
    assert_eq!(stale.cache_status().detail.as_deref(), Some("stale-if-error"));
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")));
    assert_eq!(origin.requests(), 2, "the API has seen one of all these");
    gate.open();
    while let Some(answer) = asking.next().await {
        assert_eq!(answer.status, 200, "who could wait is served");
    }
}
