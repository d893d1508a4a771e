//! Redis killed, hanging, full, unwilling, or not there yet: clients do not notice.

use std::time::Duration;

use super::*;
use crate::support::Relay;

/// Requests for stored and new things, each of which is answered.
async fn all_is_well(node: &Proxy, what: &str) {
    for path in ["/a", "/b", "/a", "/c"] {
        let answer = get(node, path).await;
        assert_eq!((answer.status, answer.text()), (200, "x"), "{what}: {path}");
    }
    assert!(get(node, "/a").await.is_hit(), "{what}: memory goes on");
}

#[tokio::test]
async fn a_redis_that_dies_or_hangs_fails_no_request() {
    let origin = Origin::always(fresh("x")).await;
    for hangs in [false, true] {
        let mut redis = RedisServer::start().await;
        let node = with(&origin, &redis.url(), "").await;
        until_up(&node).await;
        get(&node, "/a").await;
        if hangs {
            redis.stop()
        } else {
            redis.kill()
        }
        all_is_well(&node, if hangs { "it hangs" } else { "it is dead" }).await;
        for n in 0..4 {
            get(&node, &format!("/new/{n}")).await;
        }
        until(&node, "larder_redis_up", |up| up == 0).await;
        let skipped = metric(&node, &event("skipped")).await;
        get(&node, "/another").await;
        assert!(metric(&node, &event("skipped")).await > skipped, "it is not even asked");
        if hangs {
            redis.cont()
        } else {
            redis.restart().await
        }
        until_up(&node).await;
    }
}

#[tokio::test]
async fn a_redis_that_refuses_fails_no_request() {
    let origin = Origin::always(fresh("x")).await;
    let full = RedisServer::with(&["--maxmemory", "1"]).await;
    all_is_well(&with(&origin, &full.url(), "").await, "it is full").await;
    let locked = RedisServer::with(&["--requirepass", "secret"]).await;
    let url = locked.url().replace("redis://", "redis://:wrong@");
    let node = with(&origin, &url, "").await;
    all_is_well(&node, "it takes no password").await;
    until(&node, &event("unmade"), |tries| tries > 0).await;
}

#[tokio::test]
async fn a_node_starts_without_redis_and_uses_it_once_it_is_there() {
    let origin = Origin::always(fresh("x")).await;
    let mut redis = RedisServer::start().await;
    redis.kill();
    let node = with(&origin, &redis.url(), "timeout = \"2s\"\n").await;
    all_is_well(&node, "it was never there").await;
    redis.restart().await;
    until_up(&node).await;
    get(&node, "/later").await;
    until_stored(&node, 1).await;
}

#[tokio::test]
async fn what_is_older_than_a_long_silence_is_validated() {
    let mut redis = RedisServer::start().await;
    let first = fresh("x").header("ETag", "\"e\"");
    let validated = Reply::status(304).undated().header("ETag", "\"e\"");
    let origin = Origin::replies([first, validated.header("Cache-Control", "max-age=600")]).await;
    let node = with(&origin, &redis.url(), "max_blind = \"1s\"\n").await;
    until_up(&node).await;
    get(&node, "/a").await;
    assert!(get(&node, "/a").await.is_hit());
    redis.kill();
    within("the silence to be too long", async {
        while is_cached(&node, "/a").await {
            pause().await;
        }
    })
    .await;
    let answer = get(&node, "/a").await;
    assert_eq!(answer.cache_status().fwd_status, Some(304), "{:?}", answer.fields);
    assert!(get(&node, "/a").await.is_hit(), "what is received in the meantime is served");
}

#[tokio::test]
async fn garbage_in_redis_is_a_miss_and_counted() {
    let (redis, origin) = (RedisServer::start().await, Origin::always(fresh("x")).await);
    let (one, other) = two(&origin, &redis).await;
    get(&one, "/a").await;
    until_stored(&one, 1).await;
    let heads: Vec<String> = redis.ask(&["KEYS", "larder:v1:h:*"]).await;
    redis.set(&heads[0], b"garbage").await;
    let answer = get(&other, "/a").await;
    assert_eq!((answer.text(), answer.is_hit()), ("x", false));
    assert_eq!(metric(&other, &event("unusable")).await, 1);
}

#[tokio::test]
async fn a_slow_redis_is_waited_for_three_times_and_then_not_asked() {
    let (redis, origin) = (RedisServer::start().await, Origin::always(fresh("x")).await);
    let relay = Relay::before(redis.address()).await;
    let url = format!("redis://{}", relay.address());
    // So much later that whoever waited for it would fail this test.
    let node = with(&origin, &url, "timeout = \"300ms\"\n").await;
    until_up(&node).await;
    get(&node, "/a").await;
    relay.slow_down(Duration::from_secs(60));
    all_is_well(&node, "it is slow").await;
    let late = event("late");
    until(&node, "larder_redis_up", |up| up == 0).await;
    let waits = metric(&node, &late).await;
    assert!(waits <= 3 + 2, "look-ups, and what goes on behind them at the same time: {waits}");
    let asked = metric(&node, &event("lookup")).await;
    for n in 0..20 {
        assert_eq!(get(&node, &format!("/new/{n}")).await.status, 200);
    }
    assert_eq!(metric(&node, &event("lookup")).await, asked, "nobody waits for it any more");
    assert_eq!(metric(&node, &late).await, waits);
    relay.slow_down(Duration::ZERO);
    until_up(&node).await;
}

#[tokio::test]
async fn a_redis_that_is_slow_from_the_start_is_never_waited_for() {
    let (redis, origin) = (RedisServer::start().await, Origin::always(fresh("x")).await);
    let relay = Relay::before(redis.address()).await;
    relay.slow_down(Duration::from_millis(80));
    let url = format!("redis://{}", relay.address());
    let node = with(&origin, &url, "timeout = \"20ms\"\n").await;
    until(&node, &event("unmade"), |tries| tries > 1).await;
    all_is_well(&node, "it takes longer than a look-up may").await;
    assert_eq!(metric(&node, &event("up")).await, 0, "it is tried in the background alone");
    assert_eq!(metric(&node, &event("lookup")).await, 0);
}

#[tokio::test]
async fn a_redis_restarted_empty_is_filled_anew() {
    let (mut redis, origin) = (RedisServer::start().await, Origin::always(fresh("x")).await);
    let (one, other) = two(&origin, &redis).await;
    get(&one, "/a").await;
    until_stored(&one, 1).await;
    redis.kill();
    all_is_well(&one, "it is dead").await;
    redis.restart().await;
    for node in [&one, &other] {
        until(node, "larder_redis_up", |up| up == 1).await;
        all_is_well(node, "it is empty").await;
    }
    let stored = metric(&one, &event("stored")).await;
    get(&one, "/after").await;
    until_stored(&one, stored + 1).await;
    assert_eq!(get(&other, "/after").await.cache_status().detail(), "l2", "as before");
    purges::until_both_live(&redis).await;
    purges::purge(&other, r#"{"all": true}"#).await;
    assert!(!is_cached(&one, "/after").await, "and so are purges");
}

#[tokio::test]
async fn a_redis_without_memory_takes_purges_and_fails_no_request() {
    let (redis, origin) = (RedisServer::start().await, Origin::always(fresh("x")).await);
    let (one, other) = two(&origin, &redis).await;
    get(&one, "/a").await;
    until_stored(&one, 1).await;
    redis.ask::<()>(&["CONFIG", "SET", "maxmemory", "1"]).await;
    all_is_well(&one, "it is full").await;
    until(&one, &event("refused"), |refused| refused > 0).await;
    assert_eq!(get(&other, "/a").await.cache_status().detail(), "l2", "what is there is read");
    let answer = purges::try_purge(&one, r#"{"url": "http://api.test/a"}"#).await;
    assert!(answer.status < 300, "a purge needs no memory: {}", answer.text());
    within("the other to hear of it", async {
        while is_cached(&other, "/a").await {
            pause().await;
        }
    })
    .await;
    redis.ask::<()>(&["CONFIG", "SET", "maxmemory", "0"]).await;
    let stored = metric(&one, &event("stored")).await;
    within("storing again", async {
        for n in 0.. {
            get(&one, &format!("/again/{n}")).await;
            if metric(&one, &event("stored")).await > stored {
                return;
            }
            pause().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_replica_is_read_until_something_is_purged_there() {
    let (redis, origin) = (RedisServer::start().await, Origin::always(fresh("x")).await);
    let port = redis.address().port().to_string();
    let one = node(&origin, &redis.url()).await;
    until_up(&one).await;
    get(&one, "/a").await;
    until_stored(&one, 1).await;
    let replica = RedisServer::with(&["--replicaof", "127.0.0.1", &port]).await;
    let other = node(&origin, &replica.url()).await;
    until_up(&other).await;
    assert_eq!(get(&other, "/a").await.cache_status().detail(), "l2");
    all_is_well(&other, "it is read-only").await;
    until(&other, &event("refused"), |refused| refused > 0).await;
    let answer = purges::try_purge(&other, r#"{"url": "http://api.test/a"}"#).await;
    assert_eq!(answer.status, 503, "{}", answer.text());
    let asked = metric(&other, &event("lookup")).await;
    assert!(!get(&other, "/a").await.is_hit(), "what it could not tell, it does not read");
    assert_eq!(metric(&other, &event("lookup")).await, asked);
    all_is_well(&other, "it is read-only, and a purge is still to be told").await;
}

#[tokio::test]
async fn a_redis_that_evicts_fails_no_request() {
    let redis = RedisServer::with(&["--maxmemory-policy", "allkeys-random"]).await;
    let origin = Origin::always(fresh("x").body(vec![b'x'; 100 << 10])).await;
    let (one, other) = two(&origin, &redis).await;
    redis.ask::<()>(&["CONFIG", "SET", "maxmemory", "3mb"]).await;
    for n in 0..80 {
        let path = format!("/{}", n % 40);
        for node in [&one, &other] {
            let answer = get(node, &path).await;
            assert_eq!((answer.status, answer.body.len()), (200, 1 + (100 << 10)), "{path}");
        }
    }
    let evicted: String = redis.ask(&["INFO", "stats"]).await;
    assert!(!evicted.contains("evicted_keys:0\r"), "it did evict");
    purges::try_purge(&one, r#"{"all": true}"#).await;
    assert!(!is_cached(&one, "/1").await);
}

#[tokio::test]
async fn a_redis_that_loads_fails_no_request() {
    let redis = RedisServer::with(&["--enable-debug-command", "yes"]).await;
    let origin = Origin::always(fresh("x")).await;
    let node = node(&origin, &redis.url()).await;
    until_up(&node).await;
    redis.ask::<()>(&["DEBUG", "POPULATE", "500"]).await;
    for (name, value) in
        [("key-load-delay", "4000"), ("loading-process-events-interval-bytes", "1024")]
    {
        redis.ask::<()>(&["CONFIG", "SET", name, value]).await;
    }
    let reload = redis.ask::<()>(&["DEBUG", "RELOAD"]);
    let meanwhile = async {
        within("LOADING to be noticed", async {
            for n in 0.. {
                assert_eq!(get(&node, &format!("/{n}")).await.status, 200);
                if metric(&node, "larder_redis_up").await == 0 {
                    return;
                }
            }
        })
        .await;
        all_is_well(&node, "it loads").await;
    };
    tokio::join!(reload, meanwhile);
    until_up(&node).await;
}
