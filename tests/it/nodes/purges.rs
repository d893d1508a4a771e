//! Purges across nodes.

use std::collections::BTreeMap;

use super::*;

pub(super) async fn try_purge(node: &Proxy, order: &str) -> Answer {
    let ask: Ask = send(&node.admin(), "POST", "/v1/purge").host("localhost").body(order);
    ask.header("Authorization", &format!("Bearer {TOKEN}")).await
}

/// Purges on all nodes, and says so.
pub(super) async fn purge(node: &Proxy, order: &str) {
    let answer = try_purge(node, order).await;
    assert_eq!(answer.status, 200, "{order}: {}", answer.text());
    let told: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(told["nodes"].as_array().map(Vec::len), Some(2), "both have it: {told}");
}

/// Waits until both nodes have shown signs of life: only who lives is waited for.
pub(super) async fn until_both_live(redis: &RedisServer) {
    within("two heartbeats", async {
        while redis.ask::<usize>(&["HLEN", "larder:v1:nodes"]).await < 2 {
            pause().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_purge_reaches_all_nodes_before_it_is_answered() {
    let redis = RedisServer::start().await;
    let origin = Origin::always(fresh("x").header("Surrogate-Key", "t")).await;
    let (one, other) = two(&origin, &redis).await;
    until_both_live(&redis).await;
    let orders = [
        r#"{"url": "http://api.test/a"}"#,
        r#"{"prefix": "http://api.test/"}"#,
        r#"{"tags": ["t"]}"#,
        r#"{"all": true}"#,
    ];
    for order in orders {
        let stored = metric(&one, &event("stored")).await;
        get(&one, "/a").await;
        until_stored(&one, stored + 1).await;
        assert!(get(&other, "/a").await.is_hit(), "{order}");
        let asked = origin.requests();
        purge(&one, order).await;
        assert!(!is_cached(&other, "/a").await, "gone from memory and Redis: {order}");
        assert!(!is_cached(&one, "/a").await, "{order}");
        assert!(!get(&other, "/a").await.is_hit() && origin.requests() == asked + 1, "{order}");
        let found = get(&other, "/a").await;
        assert!(found.is_hit(), "what came after it is not concerned: {order}");
        purge(&other, order).await;
        assert!(!is_cached(&one, "/a").await, "the other way round: {order}");
    }
}

#[tokio::test]
async fn a_soft_purge_makes_it_stale_everywhere() {
    let redis = RedisServer::start().await;
    let reply =
        Reply::ok("x").undated().header("Cache-Control", "max-age=600").header("ETag", "\"e\"");
    let validated = Reply::status(304).undated().header("ETag", "\"e\"");
    let origin = Origin::replies([reply, validated]).await;
    let (one, other) = two(&origin, &redis).await;
    until_both_live(&redis).await;
    get(&one, "/a").await;
    until_stored(&one, 1).await;
    assert!(get(&other, "/a").await.is_hit());
    purge(&one, r#"{"url": "http://api.test/a", "soft": true}"#).await;
    let answer = get(&other, "/a").await;
    assert_eq!(answer.cache_status().fwd_status, Some(304), "{:?}", answer.fields);
    until_stored(&other, 1).await;
    let third = node(&origin, &redis.url()).await;
    until_up(&third).await;
    let found = get(&third, "/a").await;
    assert_eq!((found.text(), found.cache_status().detail()), ("x", "l2"), "validated since");
}

#[tokio::test]
async fn a_node_that_does_not_say_so_is_told_of() {
    let (redis, origin) = (RedisServer::start().await, Origin::always(fresh("x")).await);
    let (one, _other) = two(&origin, &redis).await;
    until_both_live(&redis).await;
    let now: (u64, u64) = redis.ask(&["TIME"]).await;
    let seen = format!("{} 0", now.0 * 1000 + 2_500);
    redis.ask::<()>(&["HSET", "larder:v1:nodes", "silent", &seen]).await;
    let answer = try_purge(&one, r#"{"all": true}"#).await;
    assert_eq!(answer.status, 202, "{}", answer.text());
    let told: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(told["missing"], serde_json::json!(["silent"]));
}

#[tokio::test]
async fn a_purge_counts_the_nodes_that_redis_has_forgotten() {
    let (redis, origin) = (RedisServer::start().await, Origin::always(fresh("x")).await);
    let (one, other) = two(&origin, &redis).await;
    until_both_live(&redis).await;
    let signs = || redis.ask::<BTreeMap<String, String>>(&["HGETALL", "larder:v1:nodes"]);
    let first = signs().await;
    within("each to have seen the other alive", async {
        while signs().await.iter().any(|(node, at)| first.get(node) == Some(at)) {
            pause().await;
        }
    })
    .await;
    get(&one, "/a").await;
    until_stored(&one, 1).await;
    assert!(get(&other, "/a").await.is_hit());
    redis.ask::<()>(&["FLUSHALL"]).await;
    let answer = try_purge(&one, r#"{"url": "http://api.test/a"}"#).await;
    let told: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    let count = |list: &str| told[list].as_array().map_or(0, Vec::len);
    match answer.status {
        200 => assert!(count("nodes") == 2 && !is_cached(&other, "/a").await, "{told}"),
        202 => assert_eq!((count("nodes"), count("missing")), (1, 1), "{told}"),
        status => assert_eq!(status, 503, "{told}"),
    }
}

#[tokio::test]
async fn a_purge_without_redis_is_of_this_node_and_told_to_the_others_later() {
    let (mut redis, origin) = (RedisServer::start().await, Origin::always(fresh("x")).await);
    let (one, other) = two(&origin, &redis).await;
    get(&one, "/a").await;
    until_stored(&one, 1).await;
    assert!(get(&other, "/a").await.is_hit());
    redis.kill();
    until(&one, "larder_redis_up", |up| up == 0).await;
    let answer = try_purge(&one, r#"{"url": "http://api.test/a"}"#).await;
    assert_eq!(answer.status, 503, "{}", answer.text());
    assert!(answer.text().contains("purged on this node only"), "{}", answer.text());
    assert_eq!(answer.header("content-type"), Some("application/problem+json"), "RFC 9457");
    assert!(answer.text().contains("\"nodes\""), "{}", answer.text());
    assert!(!is_cached(&one, "/a").await, "this node has purged it");
    redis.restart().await;
    within("the other to hear of it", async {
        while get(&other, "/a").header("Cache-Control", "only-if-cached").await.status == 200 {
            pause().await;
        }
    })
    .await;
}

#[tokio::test]
async fn what_was_purged_does_not_come_back_with_an_older_redis() {
    let (mut redis, origin) = (RedisServer::start().await, Origin::always(fresh("x")).await);
    let (one, other) = two(&origin, &redis).await;
    for path in ["/purged", "/deleted"] {
        get(&one, path).await;
    }
    until_stored(&one, 2).await;
    redis.ask::<()>(&["SAVE"]).await;
    until_both_live(&redis).await;
    purge(&one, r#"{"url": "http://api.test/purged"}"#).await;
    send(&other, "DELETE", "/deleted").await;
    within("the deletion to be told", async {
        while is_cached(&one, "/deleted").await {
            pause().await;
        }
    })
    .await;
    redis.kill();
    for node in [&one, &other] {
        until(node, "larder_redis_up", |up| up == 0).await;
    }
    redis.restart().await;
    for node in [&one, &other] {
        until_up(node).await;
    }
    let third = node(&origin, &redis.url()).await;
    until_up(&third).await;
    for path in ["/purged", "/deleted"] {
        assert!(!is_cached(&third, path).await, "{path}: Redis has forgotten, the nodes have not");
        assert!(!get(&third, path).await.is_hit(), "{path}");
    }
}

#[tokio::test]
async fn a_webhook_works_once_on_all_nodes_together() {
    let (redis, origin) = (RedisServer::start().await, Origin::always(fresh("x")).await);
    let mut nodes = Vec::new();
    for _ in 0..2 {
        let secret = "[admin]\nlisten = \"127.0.0.1:0\"\nwebhook_secret = \"0123456789abcdef\"\n";
        let shared = format!("[cache.redis]\nurl = \"{}\"\ntimeout = \"2s\"\n", redis.url());
        let node = Proxy::in_real_time(&origin, &format!("{secret}{shared}")).await;
        until_up(&node).await;
        nodes.push(node);
    }
    let now: (u64, u64) = redis.ask(&["TIME"]).await;
    let (timestamp, order) = (now.0.to_string(), r#"{"all": true}"#);
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, b"0123456789abcdef");
    let tag = aws_lc_rs::hmac::sign(&key, format!("{timestamp}.{order}").as_bytes());
    let hex: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    let sent = |node: &Proxy| {
        let ask: Ask = send(&node.admin(), "POST", "/v1/webhook/purge").host("localhost");
        let ask = ask.body(order).header("X-Larder-Timestamp", &timestamp);
        ask.header("X-Larder-Signature", &format!("sha256={hex}"))
    };
    assert_eq!(sent(&nodes[0]).await.status, 200);
    let again = sent(&nodes[1]).await;
    assert_eq!(again.status, 401, "another node, the same signature: {}", again.text());
}
