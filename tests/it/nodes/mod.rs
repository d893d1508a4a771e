//! Several proxies with one Redis: what one stores all have, what one drops all drop, and no fault
//! of Redis is a client's.

mod claims;
mod cluster;
mod faults;
mod purges;
mod reloads;

use crate::support::{Answer, Ask, Origin, Proxy, RedisServer, Reply, get, pause, send, within};

const TOKEN: &str = "0123456789abcdef";

/// A node at the Redis of that URL; with the machine as busy as it is while tests run, a look-up
/// may take its time.
async fn node(origin: &Origin, url: &str) -> Proxy {
    with(origin, url, "timeout = \"2s\"\n").await
}

async fn with(origin: &Origin, url: &str, more: &str) -> Proxy {
    let admin = format!("[admin]\nlisten = \"127.0.0.1:0\"\ntoken = \"{TOKEN}\"\n");
    let redis = format!("[cache.redis]\nurl = \"{url}\"\n{more}");
    Proxy::in_real_time(origin, &(admin + &redis)).await
}

/// Two nodes whose links are up.
pub(crate) async fn two(origin: &Origin, redis: &RedisServer) -> (Proxy, Proxy) {
    let (one, other) = (node(origin, &redis.url()).await, node(origin, &redis.url()).await);
    until_up(&one).await;
    until_up(&other).await;
    (one, other)
}

/// A number of `/metrics`.
async fn metric(node: &Proxy, name: &str) -> u64 {
    let page = get(&node.admin(), "/metrics").host("localhost").await;
    let line = page.text().lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {name}")).parse().unwrap()
}

fn event(name: &str) -> String {
    format!("larder_redis_events_total{{event=\"{name}\"}}")
}

async fn until(node: &Proxy, name: &str, reached: impl Fn(u64) -> bool) {
    within(format!("{name} to change"), async {
        while !reached(metric(node, name).await) {
            pause().await;
        }
    })
    .await;
}

async fn until_up(node: &Proxy) {
    until(node, "larder_redis_up", |up| up == 1).await;
}

async fn until_stored(node: &Proxy, n: u64) {
    until(node, &event("stored"), |stored| stored >= n).await;
}

/// Whether this node's memory, or Redis, has it; nothing is fetched.
async fn is_cached(node: &Proxy, path: &str) -> bool {
    get(node, path).header("Cache-Control", "only-if-cached").await.status == 200
}

fn fresh(body: &'static str) -> Reply {
    Reply::fresh(600, body).undated()
}

fn by_language() -> impl Fn(crate::support::Seen) -> Reply {
    |seen| {
        let language = seen.header("accept-language").unwrap_or_default().to_owned();
        Reply::fresh(600, language).undated().header("Vary", "Accept-Language")
    }
}

#[tokio::test]
async fn what_one_node_stores_another_answers_and_keeps() {
    let (redis, origin) = (RedisServer::start().await, Origin::always(fresh("shared")).await);
    let (one, other) = two(&origin, &redis).await;
    assert_eq!(get(&one, "/a").await.text(), "shared");
    until_stored(&one, 1).await;
    let found = get(&other, "/a").await;
    assert_eq!((found.text(), found.status), ("shared", 200));
    assert!(found.is_hit(), "it never went to the origin");
    assert_eq!(found.cache_status().detail(), "l2");
    let flushes = metric(&other, &event("flush")).await;
    let again = get(&other, "/a").await;
    assert!(again.is_hit() && again.cache_status().detail().is_empty(), "it lies in memory now");
    assert_eq!(metric(&other, &event("flush")).await, flushes, "Redis was not asked again");
    assert_eq!(metric(&other, "larder_store_hits_total{tier=\"l2\"}").await, 1);
    let timed = "larder_store_lookup_duration_seconds_count{tier=\"l2\"}";
    assert_eq!(metric(&other, timed).await, 1, "the look-up in Redis was timed");
    let head = send(&other, "HEAD", "/a").await;
    assert!(head.is_hit() && origin.requests() == 1);
}

#[tokio::test]
async fn a_node_that_starts_is_warm() {
    let (redis, origin) = (RedisServer::start().await, Origin::serve(by_language()).await);
    let first = node(&origin, &redis.url()).await;
    until_up(&first).await;
    for language in ["en", "de"] {
        get(&first, "/").header("Accept-Language", language).await;
    }
    until_stored(&first, 4).await;
    drop(first);
    let second = node(&origin, &redis.url()).await;
    until_up(&second).await;
    for (language, flushes) in [("en", 2), ("de", 3)] {
        let found = get(&second, "/").header("Accept-Language", language).await;
        assert_eq!((found.text(), found.cache_status().detail()), (language, "l2"));
        let asked = metric(&second, &event("flush")).await;
        assert_eq!(asked, flushes, "a known Vary costs no round trip ({language})");
    }
    assert_eq!(origin.requests(), 2);
}

#[tokio::test]
async fn a_304_writes_the_head_and_not_the_body() {
    let redis = RedisServer::start().await;
    let first = Reply::fresh(1, "body").undated().header("ETag", "\"a\"");
    let validated = Reply::status(304).undated().header("ETag", "\"a\"");
    let validated = validated.header("Cache-Control", "max-age=600").header("X-New", "yes");
    let origin = Origin::replies([first, validated]).await;
    let (one, other) = two(&origin, &redis).await;
    get(&one, "/a").await;
    until_stored(&one, 1).await;
    let bodies: Vec<String> = redis.ask(&["KEYS", "larder:v1:b:*"]).await;
    redis.ask::<()>(&["SETRANGE", &bodies[0], "0", "BODY"]).await;
    until_stale(&one).await;
    let answer = get(&one, "/a").await;
    assert_eq!(answer.cache_status().fwd_status, Some(304), "{:?}", answer.fields);
    until_stored(&one, 2).await;
    let body: String = redis.ask(&["GET", &bodies[0]]).await;
    assert_eq!(body, "BODY", "RFC 9111 §4.3.4: it is not written again");
    redis.ask::<()>(&["SETRANGE", &bodies[0], "0", "body"]).await;
    let found = get(&other, "/a").await;
    assert_eq!((found.text(), found.header("x-new")), ("body", Some("yes")));
    assert_eq!(found.cache_status().detail(), "l2");
}

/// Waits until what is fresh for a second is not.
async fn until_stale(node: &Proxy) {
    within("an answer to become stale", async {
        while is_cached(node, "/a").await {
            pause().await;
        }
    })
    .await;
}

#[tokio::test]
async fn an_unsafe_method_on_one_node_drops_it_on_all() {
    let redis = RedisServer::start().await;
    let origin = Origin::always(fresh("x")).await;
    let (one, other) = two(&origin, &redis).await;
    get(&one, "/a").await;
    until_stored(&one, 1).await;
    assert!(get(&other, "/a").await.is_hit());
    send(&one, "DELETE", "/a").await;
    within("the other to hear of it", async {
        while is_cached(&other, "/a").await {
            pause().await;
        }
    })
    .await;
    assert!(!get(&other, "/a").await.is_hit(), "RFC 9111 §4.4: gone from memory and from Redis");
}

#[tokio::test]
async fn an_unknown_outcome_on_one_node_is_a_doubt_on_all() {
    let redis = RedisServer::start().await;
    let cache = "max-age=600, stale-while-revalidate=600";
    let origin = Origin::serve(move |seen| match seen.method.as_str() {
        "GET" if seen.header("if-none-match").is_some() => Reply::status(304).undated(),
        "GET" => Reply::ok("x").undated().header("Cache-Control", cache).header("ETag", "\"e\""),
        _ => Reply::reset(),
    })
    .await;
    let (one, other) = two(&origin, &redis).await;
    get(&one, "/a").await;
    until_stored(&one, 1).await;
    assert!(get(&other, "/a").await.is_hit());
    assert_eq!(send(&one, "POST", "/a").await.status, 502);
    until_stale(&other).await;
    let sent = origin.requests();
    let validated = get(&other, "/a").await;
    assert_eq!(origin.requests(), sent + 1, "not served while it is validated");
    assert_eq!(validated.cache_status().fwd_status, Some(304), "kept: {:?}", validated.fields);
}

#[tokio::test]
async fn what_does_not_unpack_is_dropped_on_all() {
    let redis = RedisServer::start().await;
    let reply = fresh("no gzip").header("Content-Encoding", "gzip");
    let origin = Origin::always(reply.header("Content-Type", "application/json")).await;
    let (one, other) = two(&origin, &redis).await;
    get(&one, "/a").header("Accept-Encoding", "gzip").await;
    until_stored(&one, 1).await;
    assert!(get(&other, "/a").header("Accept-Encoding", "gzip").await.is_hit());
    assert_eq!(get(&one, "/a").await.status, 502, "it is not what it says it is");
    within("the other to hear of it", async {
        let cached = || get(&other, "/a").header("Accept-Encoding", "gzip");
        while cached().header("Cache-Control", "only-if-cached").await.status == 200 {
            pause().await;
        }
    })
    .await;
}

/// RFC 9111 §4.3.4: what a 304 says of a strong validator is said of all variants that have it.
#[tokio::test]
async fn a_304_that_forbids_to_store_drops_every_variant_on_all() {
    let redis = RedisServer::start().await;
    let origin = Origin::serve(|seen| {
        let said = |reply: Reply, control: &str| {
            let reply = reply.undated().header("Cache-Control", control).header("Vary", "X-V");
            reply.header("ETag", "\"s\"")
        };
        match (seen.header("x-v"), seen.header("if-none-match")) {
            (Some("a"), Some(_)) => said(Reply::status(304), "private"),
            (Some("a"), _) => said(Reply::ok("a"), "no-cache"),
            _ => said(Reply::ok("b"), "max-age=600"),
        }
    })
    .await;
    let (one, other) = two(&origin, &redis).await;
    let cached = async |node: &Proxy| {
        let ask = get(node, "/a").header("X-V", "b").header("Cache-Control", "only-if-cached");
        ask.await.status == 200
    };
    get(&one, "/a").header("X-V", "a").await;
    get(&one, "/a").header("X-V", "b").await;
    within("the other to find it", async {
        while !cached(&other).await {
            pause().await;
        }
    })
    .await;
    let validated = get(&one, "/a").header("X-V", "a").await;
    assert_eq!(validated.cache_status().fwd_status, Some(304));
    assert!(!cached(&one).await, "gone here");
    within("the other to hear of it", async {
        while cached(&other).await {
            pause().await;
        }
    })
    .await;
}

#[tokio::test]
async fn an_unsafe_method_takes_along_the_groups_of_what_only_redis_holds() {
    for vary in ["", "Accept-Language"] {
        let redis = RedisServer::start().await;
        let grouped = fresh("x").header("Cache-Groups", "\"g\"");
        let reply = if vary.is_empty() { grouped } else { grouped.header("Vary", vary) };
        let origin = Origin::always(reply).await;
        let (one, other) = two(&origin, &redis).await;
        for path in ["/a", "/b"] {
            get(&one, path).await;
        }
        until_stored(&one, if vary.is_empty() { 2 } else { 4 }).await;
        send(&other, "DELETE", "/a").await;
        within("all to hear of it", async {
            while is_cached(&one, "/b").await || is_cached(&other, "/b").await {
                pause().await;
            }
        })
        .await;
        let gone = !get(&one, "/b").await.is_hit();
        assert!(gone, "RFC 9875 §2.2.1: /a was in its group, which only Redis and one node knew");
    }
}

#[tokio::test]
async fn an_answer_from_redis_is_no_miss_to_a_limit() {
    let redis = RedisServer::start().await;
    let origin = Origin::always(fresh("x")).await;
    let one = node(&origin, &redis.url()).await;
    let admin = format!("[admin]\nlisten = \"127.0.0.1:0\"\ntoken = \"{TOKEN}\"\n");
    let limit = "[throttle]\nrate = \"1/h\"\nburst = 1\ncount = \"misses\"\n";
    let shared = format!("[cache.redis]\nurl = \"{}\"\ntimeout = \"2s\"\n", redis.url());
    let other = Proxy::in_real_time(&origin, &format!("{admin}{limit}{shared}")).await;
    until_up(&one).await;
    until_up(&other).await;
    for path in ["/a", "/b", "/c"] {
        get(&one, path).await;
    }
    until_stored(&one, 3).await;
    for path in ["/a", "/b", "/c"] {
        assert_eq!(get(&other, path).await.cache_status().detail(), "l2", "{path}");
    }
    assert_eq!(get(&other, "/d").await.status, 200, "nothing was charged so far");
    assert_eq!(get(&other, "/e").await.status, 429, "and this one is a miss");
}

#[tokio::test]
async fn a_newer_answer_takes_the_place_of_the_other_nodes() {
    let redis = RedisServer::start().await;
    let origin = Origin::serve(|seen| Reply::fresh(600, seen.number.to_string()).undated()).await;
    let (one, other) = two(&origin, &redis).await;
    get(&one, "/a").await;
    until_stored(&one, 1).await;
    assert_eq!(get(&other, "/a").await.text(), "1");
    purges::purge(&one, r#"{"url": "http://api.test/a"}"#).await;
    assert_eq!(get(&one, "/a").await.text(), "2");
    until_stored(&one, 2).await;
    let found = get(&other, "/a").await;
    assert_eq!((found.text(), found.cache_status().detail()), ("2", "l2"));
}

#[tokio::test]
async fn what_is_too_long_or_one_users_alone_stays_on_its_node() {
    let redis = RedisServer::start().await;
    let origin = Origin::always(Reply::fresh(600, vec![b'x'; 2000]).undated()).await;
    let isolate = "max_object_size = \"1KiB\"\n";
    let one = with(&origin, &redis.url(), isolate).await;
    until_up(&one).await;
    get(&one, "/long").await;
    assert!(get(&one, "/long").await.is_hit(), "its own memory has it");
    let keys: Vec<String> = redis.ask(&["KEYS", "larder:v1:[hb]:*"]).await;
    assert!(keys.is_empty(), "{keys:?}");
}
