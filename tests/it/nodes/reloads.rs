//! Nodes that reload: rules are the same on all of them, however each came to have them
//! (RFC 9111 §4.4).

use super::*;

const ROUTE: &str = "[[routes]]\nname = 'r'\nmatch = { path = '/r/**' }\n";

/// By this, other things may be shared.
const SHARED: &str = "[[routes]]\nname = 'r'\nmatch = { path = '/r/**' }\n\
                      cache.authorization = 'isolate'\n";

/// By this, other URLs are one.
const URLS: &str = "[[routes]]\nname = 'r'\nmatch = { path = '/r/**' }\n\
                    cache.key.query = { exclude = ['a'] }\n";

const TARGET: &str = "/r/1?b=1&a=1";

/// A node with these routes, whose link is up.
async fn started(origin: &Origin, redis: &RedisServer, routes: &str) -> Proxy {
    let node = Proxy::in_real_time(origin, &text(&redis.url(), routes)).await;
    until_up(&node).await;
    node
}

fn text(url: &str, routes: &str) -> String {
    format!(
        "[admin]\nlisten = '127.0.0.1:0'\ntoken = '{TOKEN}'\n\
         [cache.redis]\nurl = '{url}'\ntimeout = '2s'\n{routes}"
    )
}

async fn serving() -> Origin {
    Origin::serve(|seen| match &*seen.method {
        "GET" => fresh("x"),
        _ => Reply::status(204).undated(),
    })
    .await
}

async fn until_gone(node: &Proxy, path: &str) {
    within(format!("{path} to leave"), async {
        while is_cached(node, path).await {
            pause().await;
        }
    })
    .await;
}

/// Lets `one` fetch it, and `other` find it.
async fn share(one: &Proxy, other: &Proxy) {
    let stored = metric(one, &event("stored")).await;
    assert!(!get(one, TARGET).await.is_hit(), "nothing is there before");
    until_stored(one, stored + 1).await;
    assert!(get(other, TARGET).await.is_hit(), "what one has stored the other finds");
}

#[tokio::test]
async fn who_reloaded_and_who_started_with_the_same_rules_are_one_cache() {
    let (redis, origin) = (RedisServer::start().await, serving().await);
    let one = started(&origin, &redis, ROUTE).await;
    for (routes, times) in [(SHARED, 1), (URLS, 2), (ROUTE, 3)] {
        one.reload(&text(&redis.url(), routes));
        let other = started(&origin, &redis, routes).await;
        for (here, there) in [(&one, &other), (&other, &one)] {
            share(here, there).await;
            send(there, "PUT", TARGET).await;
            until_gone(here, TARGET).await;
            assert!(!get(here, TARGET).await.is_hit(), "§4.4: after {times} reloads");
            send(here, "PUT", TARGET).await;
            until_gone(there, TARGET).await;
        }
    }
}

#[tokio::test]
async fn what_a_write_ended_by_other_rules_comes_back_on_no_node() {
    for between in [SHARED, URLS] {
        let (redis, origin) = (RedisServer::start().await, serving().await);
        let one = started(&origin, &redis, ROUTE).await;
        let other = started(&origin, &redis, ROUTE).await;
        share(&one, &other).await;
        for node in [&one, &other] {
            node.reload(&text(&redis.url(), between));
        }
        send(&one, "PUT", TARGET).await;
        for node in [&one, &other] {
            node.reload(&text(&redis.url(), ROUTE));
            let hit = get(node, TARGET).header("Cache-Control", "only-if-cached").await;
            assert_eq!(hit.status, 504, "§4.4: not from memory, not from Redis: {between}");
        }
    }
}

/// Who has other rules for a while ends, when it comes back, what it could not end meanwhile.
#[tokio::test]
async fn a_node_that_comes_back_ends_what_its_writes_did_not_reach() {
    for between in [SHARED, URLS] {
        let (redis, origin) = (RedisServer::start().await, serving().await);
        let one = started(&origin, &redis, ROUTE).await;
        // It never had the rules of the others before.
        let other = started(&origin, &redis, between).await;
        get(&one, TARGET).await;
        until_stored(&one, 1).await;
        send(&other, "PUT", TARGET).await;
        other.reload(&text(&redis.url(), ROUTE));
        let found = get(&other, TARGET).header("Cache-Control", "only-if-cached").await;
        assert_eq!(found.status, 504, "§4.4: what lies in Redis is older: {between}");
        until_gone(&one, TARGET).await;
        assert!(!get(&one, TARGET).await.is_hit(), "nor does the other serve it: {between}");
    }
}

/// Nodes are reloaded one after the other: who is ahead knows what the others have still.
#[tokio::test]
async fn who_has_reloaded_ends_what_those_hold_that_have_not_yet() {
    for (before, after) in [(ROUTE, SHARED), (ROUTE, URLS), (URLS, ROUTE), (ROUTE, "")] {
        let (redis, origin) = (RedisServer::start().await, serving().await);
        let one = started(&origin, &redis, before).await;
        let other = started(&origin, &redis, before).await;
        share(&one, &other).await;
        one.reload(&text(&redis.url(), after));
        send(&one, "PUT", TARGET).await;
        until_gone(&other, TARGET).await;
        assert!(!get(&other, TARGET).await.is_hit(), "§4.4: {before} and {after}");
        let order = format!("{{\"url\": \"http://api.test{TARGET}\"}}");
        purges::until_both_live(&redis).await;
        purges::purge(&one, &order).await;
        assert!(!is_cached(&other, TARGET).await, "by order, too: {before} and {after}");
    }
}
