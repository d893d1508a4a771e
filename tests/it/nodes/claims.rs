//! What trusted proxies claim of requests, told to all nodes.

use super::*;

const FIELD: &str = "X-Forwarded-Server";

async fn trusting(origin: &Origin, redis: &RedisServer) -> Proxy {
    let url = redis.url();
    let text = format!(
        "trusted_proxies = ['127.0.0.1/32']\n[admin]\nlisten = '127.0.0.1:0'\ntoken = '{TOKEN}'\n\
         [cache.redis]\nurl = '{url}'\ntimeout = '2s'\n"
    );
    let node = Proxy::in_real_time(origin, &text).await;
    until_up(&node).await;
    node
}

async fn has(node: &Proxy, path: &str, server: &str) -> bool {
    let ask = get(node, path).header("Cache-Control", "only-if-cached");
    ask.header(FIELD, server).await.status == 200
}

/// Stores something under a claim on one node until Redis has it: once the others know the claim.
async fn share(node: &Proxy, name: &str) -> String {
    let before = metric(node, &event("stored")).await;
    for n in 0.. {
        let path = format!("/{name}?{n}");
        get(node, &path).header(FIELD, "t1").await;
        pause().await;
        if metric(node, &event("stored")).await > before {
            return path;
        }
    }
    unreachable!("a range without an end")
}

async fn until_gone(node: &Proxy, path: &str, server: &str) {
    within(format!("{path} to leave"), async {
        while has(node, path, server).await {
            pause().await;
        }
    })
    .await;
}

/// RFC 9111 §4.4, where the node that invalidates never heard of what is claimed.
#[tokio::test]
async fn an_unsafe_request_invalidates_what_was_claimed_on_other_nodes() {
    let redis = RedisServer::start().await;
    let origin = Origin::serve(|seen| match (&*seen.method, seen.target.split('?').next()) {
        ("GET", _) => fresh("x"),
        (_, Some("/lost")) => Reply::reset(),
        _ => Reply::status(204).undated(),
    })
    .await;
    let (one, other) = (trusting(&origin, &redis).await, trusting(&origin, &redis).await);
    for (name, held) in [("changed", true), ("changed", false), ("lost", true), ("lost", false)] {
        let path = within("something to be shared", share(&one, name)).await;
        if held {
            within("the other node to find it", async {
                while !has(&other, &path, "t1").await {
                    pause().await;
                }
            })
            .await;
        }
        send(&other, "PUT", &path).await;
        assert!(!has(&other, &path, "t1").await, "{path}: neither in its memory nor in Redis");
        until_gone(&one, &path, "t1").await;
        let third = trusting(&origin, &redis).await;
        assert!(!has(&third, &path, "t1").await, "{path}: not for a node that starts, either");
    }
}

/// More claims than are told: those lie in one node's memory alone, and hear of their target.
#[tokio::test]
async fn what_is_claimed_beyond_the_bound_is_invalidated_by_other_nodes_too() {
    let (redis, origin) = (RedisServer::start().await, Origin::always(fresh("x")).await);
    let (one, other) = (trusting(&origin, &redis).await, trusting(&origin, &redis).await);
    for n in 0..70 {
        get(&one, "/other").header(FIELD, &format!("t{n}")).await;
    }
    get(&one, "/first").header(FIELD, "t69").await;
    assert!(has(&one, "/first", "t69").await);
    send(&other, "PUT", "/first").await;
    until_gone(&one, "/first", "t69").await;
    assert!(has(&one, "/other", "t69").await, "another target");
}
