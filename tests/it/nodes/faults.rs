//! Redis killed, hanging, full, unwilling, or not there yet: clients do not notice.

use super::*;

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
