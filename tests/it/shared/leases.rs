//! Leases: one of all nodes asks the origin.

use larder::store::redis::{Lease, Over};

use super::*;

const LONG: Duration = Duration::from_secs(60);

#[tokio::test]
async fn one_has_the_lease_and_the_others_are_woken() {
    let redis = RedisServer::start().await;
    let (one, other) = (Node::at(&redis).await, Node::at(&redis).await);
    let Lease::Taken(taken) = one.remote.lease(key("/a"), 0, LONG).await else { panic!("free") };
    let Lease::Held(held) = other.remote.lease(key("/a"), 0, LONG).await else { panic!("held") };
    let Lease::Held(same) = one.remote.lease(key("/a"), 0, LONG).await else { panic!("held") };
    let Lease::Taken(_) = other.remote.lease(key("/b"), 0, LONG).await else { panic!("another") };
    let mut store = one.response(key("/a"), "filled");
    store.token = Some(taken.token());
    one.remote.store(store);
    drop(taken);
    assert_eq!(within("the lease's end", held.over()).await, Over::GivenBack);
    assert_eq!(within("its end on its own node", same.over()).await, Over::GivenBack);
    assert_eq!(other.body(key("/a")).await.unwrap(), "filled", "stored before it was given back");
}

#[tokio::test]
async fn a_lease_lasts_while_its_holder_lives_and_no_longer() {
    let redis = RedisServer::start().await;
    let (one, other) = (Node::at(&redis).await, Node::at(&redis).await);
    let short = Duration::from_millis(600);
    let Lease::Taken(_taken) = one.remote.lease(key("/a"), 0, short).await else { panic!("free") };
    for _ in 0..2 {
        let Lease::Held(held) = other.remote.lease(key("/a"), 0, short).await else {
            panic!("it is renewed")
        };
        assert_eq!(within("its end to be near", held.over()).await, Over::Perhaps);
    }
    drop(one.remote);
    within("it to run out", async {
        loop {
            match other.remote.lease(key("/a"), 0, LONG).await {
                Lease::Taken(_) => return,
                Lease::Held(held) => drop(held.over().await),
                lease => panic!("Redis is there, and empty: {lease:?}"),
            }
        }
    })
    .await;
}

#[tokio::test]
async fn what_an_overtaken_holder_stores_is_refused() {
    let redis = RedisServer::start().await;
    let (one, other) = (Node::at(&redis).await, Node::at(&redis).await);
    let Lease::Taken(overtaken) = one.remote.lease(key("/a"), 0, LONG).await else {
        panic!("free")
    };
    let mut late = one.response(key("/a"), "late");
    late.token = Some(overtaken.token());
    redis.ask::<()>(&["DEL", &name('l', key("/a"))]).await;
    let Lease::Taken(taken) = other.remote.lease(key("/a"), 0, LONG).await else {
        panic!("it ran out")
    };
    assert!(taken.token() > overtaken.token(), "fencing tokens grow");
    one.write(late).await;
    assert_eq!(other.body(key("/a")).await, None, "overtaken");
    assert_eq!(one.remote.counters().superseded.get(), 1);
    drop(overtaken);
    let mut store = other.response(key("/a"), "good");
    store.token = Some(taken.token());
    other.write(store).await;
    let found = one.body(key("/a")).await.unwrap();
    assert_eq!(found, "good", "what is given back late is not its own");
}

#[tokio::test]
async fn nobody_needs_a_lease_for_what_was_stored_meanwhile() {
    let redis = RedisServer::start().await;
    let (one, other) = (Node::at(&redis).await, Node::at(&redis).await);
    one.store(key("/a"), "stored").await;
    let lease = other.remote.lease(key("/a"), 0, LONG).await;
    assert!(matches!(lease, Lease::Stored(1)), "since it looked: {lease:?}");
    let lease = other.remote.lease(key("/a"), 1, LONG).await;
    assert!(matches!(lease, Lease::Taken(_)), "it has seen that, and it is of no use: {lease:?}");
}

#[tokio::test]
async fn without_redis_nobody_waits_for_a_lease() {
    let mut redis = RedisServer::start().await;
    let (one, other) = (Node::at(&redis).await, Node::at(&redis).await);
    let Lease::Taken(_taken) = one.remote.lease(key("/a"), 0, LONG).await else { panic!("free") };
    let Lease::Held(held) = other.remote.lease(key("/a"), 0, LONG).await else { panic!("held") };
    redis.kill();
    within("the link's end to wake", held.over()).await;
    other.until(&Event::Down).await;
    let lease = other.remote.lease(key("/a"), 0, LONG).await;
    assert!(matches!(lease, Lease::Unavailable), "{lease:?}");
}

#[tokio::test]
async fn a_lease_is_given_back_although_nothing_can_be_stored() {
    let redis = RedisServer::start().await;
    let (one, other) = (Node::at(&redis).await, Node::at(&redis).await);
    let Lease::Taken(taken) = one.remote.lease(key("/a"), 0, LONG).await else { panic!("free") };
    let Lease::Held(held) = other.remote.lease(key("/a"), 0, LONG).await else { panic!("held") };
    redis.ask::<()>(&["CONFIG", "SET", "maxmemory", "1"]).await;
    one.write(one.response(key("/b"), "refused")).await;
    drop(taken);
    assert_eq!(within("the lease's end", held.over()).await, Over::GivenBack);
}
