//! What befalls a Redis, and what callers notice of it: nothing.

use larder::store::redis::{Member, NotWritten};

use super::*;

/// Far less than any deadline: no work was done.
const AT_ONCE: Duration = Duration::from_millis(20);

#[tokio::test]
async fn without_redis_every_call_returns_at_once() {
    let mut redis = RedisServer::start().await;
    let url = redis.url();
    redis.kill();
    let node = Node::with(config(&url));
    for _ in 0..50 {
        let (found, took) = timed(node.body(key("/a"))).await;
        assert_eq!(found, None);
        assert!(took < AT_ONCE, "{took:?}");
    }
    node.remote.store(node.response(key("/a"), "a"));
    assert_eq!(node.remote.purge(&[Member::AllHard]).await, Err(NotWritten));
    assert!(!node.remote.is_up() && node.remote.down_since().is_some());
    assert_eq!(node.remote.counters().skipped.get(), 50);
    assert_eq!(node.remote.counters().dropped.get(), 1);
    redis.restart().await;
    node.until(&Event::Up).await;
    assert_eq!(node.remote.down_since(), None);
    node.store(key("/a"), "a").await;
    assert_eq!(node.body(key("/a")).await.unwrap(), "a", "used as soon as it is there");
}

#[tokio::test]
async fn a_redis_that_hangs_costs_three_deadlines_and_then_nothing() {
    let redis = RedisServer::start().await;
    let mut config = config(&redis.url());
    config.timeout = Duration::from_millis(50);
    let node = Node::with(config);
    node.until(&Event::Up).await;
    redis.stop();
    let mut waited = 0;
    while node.remote.is_up() {
        let (found, took) = timed(node.body(key("/a"))).await;
        assert_eq!(found, None);
        assert!(took < Duration::from_secs(1), "the deadline holds: {took:?}");
        waited += 1;
        assert!(waited < 20, "it is given up");
    }
    assert!(waited <= 4, "after three failures in a row: {waited}");
    node.until(&Event::Down).await;
    for _ in 0..50 {
        let (_, took) = timed(node.body(key("/a"))).await;
        assert!(took < AT_ONCE, "{took:?}");
    }
    let late = node.remote.counters().late.get();
    assert!((2..=4).contains(&late), "nobody tried again: {late}");
    redis.cont();
    node.until(&Event::Up).await;
    node.store(key("/a"), "a").await;
    assert_eq!(node.body(key("/a")).await.unwrap(), "a", "and goes on");
}

#[tokio::test]
async fn an_idle_node_notices_that_redis_hangs() {
    let redis = RedisServer::start().await;
    let mut config = config(&redis.url());
    config.timeout = Duration::from_millis(50);
    let node = Node::with(config);
    node.until(&Event::Up).await;
    redis.stop();
    node.until(&Event::Down).await;
    redis.cont();
    node.until(&Event::Up).await;
}

#[tokio::test]
async fn a_redis_restarted_empty_is_another_epoch() {
    let mut redis = RedisServer::start().await;
    let node = Node::at(&redis).await;
    let before = node.remote.began();
    node.store(key("/a"), "a").await;
    redis.kill();
    node.until(&Event::Down).await;
    redis.restart().await;
    node.until(&Event::Lost).await;
    let found = node.generations().await;
    assert!(found.newest > before.seq, "later than every purge before");
    node.until(&Event::Up).await;
    assert_eq!(node.body(key("/a")).await, None);
    node.store(key("/a"), "b").await;
    assert_eq!(node.body(key("/a")).await.unwrap(), "b");
}

#[tokio::test]
async fn without_memory_reads_and_purges_go_on() {
    let redis = RedisServer::start().await;
    let node = Node::at(&redis).await;
    node.store(key("/a"), "a").await;
    redis.ask::<()>(&["CONFIG", "SET", "maxmemory", "1"]).await;
    node.store(key("/b"), "b").await;
    let counters = node.remote.counters();
    assert_eq!(counters.refused.get(), 1, "refused, and counted");
    node.store(key("/c"), "c").await;
    assert_eq!(counters.refused.get(), 1, "nothing is sent for a while");
    assert_eq!(counters.dropped.get(), 1);
    assert_eq!(node.body(key("/a")).await.unwrap(), "a", "what is there is read");
    let seq = node.remote.purge(&[Member::Hard(1)]).await.expect("a purge needs no memory");
    assert_eq!(node.hear(purged).await, seq);
    node.remote.invalidate(&[key("/a")]);
    until("the invalidation", || counters.events.get() >= 3).await;
    assert_eq!(node.body(key("/a")).await, None, "nor does an invalidation");
    assert!(node.remote.is_up() && counters.downs.get() == 0, "the link is good");
    redis.ask::<()>(&["CONFIG", "SET", "maxmemory", "0"]).await;
    within("storing again", async {
        while node.body(key("/d")).await.is_none() {
            node.store(key("/d"), "d").await;
            pause().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_read_only_replica_is_read() {
    let master = RedisServer::start().await;
    let writer = Node::at(&master).await;
    writer.store(key("/a"), "a").await;
    let port = master.address().port().to_string();
    let replica = RedisServer::with(&["--replicaof", "127.0.0.1", &port]).await;
    let node = Node::with(config(&replica.url()));
    node.until(&Event::Up).await;
    assert_eq!(node.body(key("/a")).await.unwrap(), "a");
    node.store(key("/b"), "b").await;
    assert!(node.remote.counters().refused.get() >= 1);
    writer.store(key("/c"), "c").await;
    node.until(&changed(key("/c"))).await;
    assert_eq!(node.remote.purge(&[Member::Hard(1)]).await, Err(NotWritten));
    assert!(node.remote.is_up(), "the link is good");
    assert_eq!(node.body(key("/a")).await, None, "but a purge is to be written before it is read");
}

#[tokio::test]
async fn who_may_not_in_gets_nothing_and_tries_on() {
    let redis = RedisServer::with(&["--requirepass", "sesame"]).await;
    let at = redis.address();
    for url in
        [format!("redis://{at}"), format!("redis://:wrong@{at}"), format!("redis://nobody:x@{at}")]
    {
        let node = Node::with(config(&url));
        until("two attempts", || node.remote.counters().unmade.get() > 1).await;
        assert!(!node.remote.is_up(), "{url}");
        assert_eq!(node.body(key("/a")).await, None, "{url}");
    }
    let node = Node::with(config(&format!("redis://:sesame@{at}")));
    node.until(&Event::Up).await;
}

#[tokio::test]
async fn who_may_only_read_reads() {
    let redis = RedisServer::start().await;
    let writer = Node::at(&redis).await;
    writer.store(key("/a"), "a").await;
    let acl = ["ACL", "SETUSER", "reader", "on", ">x", "~larder:*", "+@read", "+ping"];
    redis.ask::<()>(&acl).await;
    let node = Node::with(config(&format!("redis://reader:x@{}", redis.address())));
    node.until(&Event::Up).await;
    assert_eq!(node.body(key("/a")).await.unwrap(), "a");
    node.store(key("/b"), "b").await;
    assert!(node.remote.counters().refused.get() >= 1, "NOPERM is counted");
    assert!(node.remote.is_up());
}

#[tokio::test]
async fn a_redis_that_loads_is_not_used_until_it_has_loaded() {
    let redis = RedisServer::with(&["--enable-debug-command", "yes"]).await;
    let node = Node::at(&redis).await;
    node.store(key("/a"), "a").await;
    redis.ask::<()>(&["DEBUG", "POPULATE", "500"]).await;
    for (name, value) in
        [("key-load-delay", "2000"), ("loading-process-events-interval-bytes", "1024")]
    {
        redis.ask::<()>(&["CONFIG", "SET", name, value]).await;
    }
    // It answers LOADING while it reads back what it has just saved.
    let reload = redis.ask::<()>(&["DEBUG", "RELOAD"]);
    let meanwhile = async {
        // Before it begins to load, it still finds it.
        within("the link to be given up", async {
            while node.remote.is_up() {
                let _ = node.body(key("/a")).await;
                pause().await;
            }
        })
        .await;
        let (found, took) = timed(node.body(key("/a"))).await;
        assert_eq!(found, None);
        assert!(took < AT_ONCE, "{took:?}");
    };
    tokio::join!(reload, meanwhile);
    node.until(&Event::Up).await;
    assert_eq!(node.body(key("/a")).await.unwrap(), "a", "nothing was lost");
}

#[tokio::test]
async fn evicted_generations_are_made_anew() {
    let redis = RedisServer::with(&["--maxmemory-policy", "allkeys-lru"]).await;
    let node = Node::at(&redis).await;
    node.store(key("/a"), "a").await;
    let used: String = redis.ask(&["INFO", "memory"]).await;
    assert!(used.contains("maxmemory_policy:allkeys-lru"));
    redis.ask::<()>(&["CONFIG", "SET", "maxmemory", "1"]).await;
    node.until(&Event::Down).await;
    redis.ask::<()>(&["CONFIG", "SET", "maxmemory", "0"]).await;
    node.until(&Event::Up).await;
    assert_eq!(node.body(key("/a")).await, None);
    node.store(key("/a"), "b").await;
    assert_eq!(node.body(key("/a")).await.unwrap(), "b");
}
