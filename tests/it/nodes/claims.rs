//! What trusted proxies claim of requests, on several nodes: none knows what the others heard.

use super::*;

const FIELD: &str = "X-Forwarded-Prefix";

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

async fn has(node: &Proxy, path: &str, claim: &str) -> bool {
    let ask = get(node, path).header("Cache-Control", "only-if-cached");
    ask.header(FIELD, claim).await.status == 200
}

async fn until_gone(node: &Proxy, path: &str, claim: &str) {
    within(format!("{path} to leave"), async {
        while has(node, path, claim).await {
            pause().await;
        }
    })
    .await;
}

/// RFC 9111 §4.4, where the node that invalidates never heard of what is claimed.
#[tokio::test]
async fn an_unsafe_request_invalidates_what_was_claimed_on_other_nodes() {
    let redis = RedisServer::start().await;
    let origin = Origin::serve(|seen| match (&*seen.method, &*seen.target) {
        ("GET", _) => fresh("x"),
        (_, "/lost") => Reply::reset(),
        _ => Reply::status(204).undated(),
    })
    .await;
    let (one, other) = (trusting(&origin, &redis).await, trusting(&origin, &redis).await);
    // The more is claimed the less is any claim known.
    for claims in [1, 70] {
        for path in ["/changed", "/lost"] {
            for n in 0..claims {
                let claim = format!("/t{n}");
                get(&one, path).header(FIELD, &claim).await;
                get(&one, "/other").header(FIELD, &claim).await;
                assert!(has(&one, path, &claim).await, "{path} is stored");
            }
            send(&other, "PUT", path).await;
            for n in 0..claims {
                until_gone(&one, path, &format!("/t{n}")).await;
            }
            assert!(has(&one, "/other", "/t0").await, "another target");
        }
    }
}

/// What another node could not invalidate there is not to be found there.
#[tokio::test]
async fn what_is_claimed_does_not_lie_in_redis() {
    let (redis, origin) = (RedisServer::start().await, Origin::always(fresh("x")).await);
    let (one, other) = (trusting(&origin, &redis).await, trusting(&origin, &redis).await);
    get(&one, "/a").header(FIELD, "/t").await;
    // Written in order: once this is there, the other would be.
    get(&one, "/b").await;
    within("what nothing is claimed of to be shared", async {
        while get(&other, "/b").header("Cache-Control", "only-if-cached").await.status != 200 {
            pause().await;
        }
    })
    .await;
    assert!(has(&one, "/a", "/t").await, "in its own memory");
    assert!(!has(&other, "/a", "/t").await, "nowhere else");
}

#[tokio::test]
async fn what_is_claimed_of_an_unsafe_request_is_not_told_to_redis() {
    let redis = RedisServer::start().await;
    let origin = Origin::always(Reply::status(204).undated()).await;
    let node = trusting(&origin, &redis).await;
    send(&node, "PUT", "/a").header(FIELD, "/t").await;
    let told = async || redis.ask::<Vec<String>>(&["KEYS", "larder:v1:h:*"]).await.len();
    within("its target to be told", async {
        while told().await == 0 {
            pause().await;
        }
    })
    .await;
    assert_eq!(told().await, 1, "what is stored under a claim lies in no Redis");
}
