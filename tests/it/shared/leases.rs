//! Leases: one of all nodes asks the origin.

use larder::store::redis::Lease;

use super::*;

const LONG: Duration = Duration::from_secs(60);

#[tokio::test]
async fn one_has_the_lease_and_the_others_are_woken() {
    let redis = RedisServer::start().await;
    let (one, other) = (Node::at(&redis).await, Node::at(&redis).await);
    let Lease::Taken(taken) = one.remote.lease(key("/a"), LONG).await else { panic!("free") };
    let Lease::Held(held) = other.remote.lease(key("/a"), LONG).await else { panic!("held") };
    let Lease::Held(same) = one.remote.lease(key("/a"), LONG).await else { panic!("held") };
    let Lease::Taken(_) = other.remote.lease(key("/b"), LONG).await else { panic!("another") };
    let mut store = one.response(key("/a"), "filled");
    store.token = Some(taken.token());
    one.remote.store(store);
    drop(taken);
    within("the lease's end", held.over()).await;
    within("the lease's end, on its own node", same.over()).await;
    assert_eq!(other.body(key("/a")).await.unwrap(), "filled", "stored before it was given back");
}

#[tokio::test]
async fn a_lease_whose_holder_died_is_taken_over_and_the_dead_stores_nothing() {
    let redis = RedisServer::start().await;
    let (one, other) = (Node::at(&redis).await, Node::at(&redis).await);
    let short = Duration::from_millis(50);
    let Lease::Taken(dead) = one.remote.lease(key("/a"), short).await else { panic!("free") };
    let mut late = one.response(key("/a"), "late");
    late.token = Some(dead.token());
    let taken = within("a lease to run out", async {
        loop {
            match other.remote.lease(key("/a"), LONG).await {
                Lease::Taken(taken) => return taken,
                Lease::Held(held) => held.over().await,
                Lease::Unavailable => panic!("Redis is there"),
            }
        }
    })
    .await;
    assert!(taken.token() > dead.token(), "fencing tokens grow");
    one.write(late).await;
    assert_eq!(other.body(key("/a")).await, None, "overtaken");
    assert_eq!(one.remote.counters().superseded.get(), 1);
    drop(dead);
    let mut store = other.response(key("/a"), "good");
    store.token = Some(taken.token());
    other.write(store).await;
    assert_eq!(
        one.body(key("/a")).await.unwrap(),
        "good",
        "what is given back late is not its own"
    );
}

#[tokio::test]
async fn without_redis_nobody_waits_for_a_lease() {
    let mut redis = RedisServer::start().await;
    let (one, other) = (Node::at(&redis).await, Node::at(&redis).await);
    let Lease::Taken(_taken) = one.remote.lease(key("/a"), LONG).await else { panic!("free") };
    let Lease::Held(held) = other.remote.lease(key("/a"), LONG).await else { panic!("held") };
    redis.kill();
    within("the link's end to wake", held.over()).await;
    other.until(&Event::Down).await;
    let lease = other.remote.lease(key("/a"), LONG).await;
    assert!(matches!(lease, Lease::Unavailable), "{lease:?}");
}
