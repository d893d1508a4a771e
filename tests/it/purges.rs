//! Purges: by URL, prefix, tag, and of everything; hard and soft; of what is under way.

use crate::support::{Answer, Ask, Gate, Origin, Proxy, Reply, get, send};

const TOKEN: &str = "0123456789abcdef";

/// `[admin]` with a token, and what comes below it.
fn admin(more: &str) -> String {
    format!("[admin]\nlisten = \"127.0.0.1:0\"\ntoken = \"{TOKEN}\"\n{more}")
}

fn ask(proxy: &Proxy, order: &str) -> Ask {
    let ask = send(&proxy.admin(), "POST", "/v1/purge").host("localhost").body(order);
    ask.header("Authorization", &format!("Bearer {TOKEN}"))
}

/// Purges, and says so.
async fn purge(proxy: &Proxy, order: &str) -> Answer {
    let answer = ask(proxy, order).await;
    assert_eq!(answer.status, 200, "{order}: {}", answer.text());
    answer
}

/// Whether `path` can still be answered from the cache; nothing is fetched.
async fn is_cached(proxy: &Proxy, path: &str) -> bool {
    get(proxy, path).header("Cache-Control", "only-if-cached").await.status == 200
}

async fn before(reply: Reply, config: &str) -> (Origin, Proxy) {
    let origin = Origin::always(reply).await;
    let proxy = Proxy::with(&origin, config).await;
    (origin, proxy)
}

#[tokio::test]
async fn a_purge_by_url_takes_that_url_alone() {
    let (_origin, proxy) = before(Reply::fresh(600, "x"), &admin("")).await;
    for path in ["/a", "/a?q=1", "/a/b"] {
        get(&proxy, path).await;
    }
    let answer = purge(&proxy, r#"{"url": "https://API.test/a"}"#).await;
    let told: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(told["seq"], 1, "its place in the order of purges");
    assert_eq!(told["nodes"].as_array().map(Vec::len), Some(1), "this node has done it");
    assert!(!is_cached(&proxy, "/a").await, "http and https are the same here");
    assert!(is_cached(&proxy, "/a?q=1").await, "another query is another URL");
    assert!(is_cached(&proxy, "/a/b").await);
    purge(&proxy, r#"{"url": "api.test/a/b"}"#).await;
    assert!(!is_cached(&proxy, "/a/b").await, "without a scheme");
    purge(&proxy, r#"{"url": "http://other.test/a?q=1"}"#).await;
    assert!(is_cached(&proxy, "/a?q=1").await, "another host");
    assert!(!get(&proxy, "/a").await.is_hit());
    assert!(get(&proxy, "/a").await.is_hit(), "what is fetched later is not concerned");
}

#[tokio::test]
async fn a_url_is_purged_under_each_route_by_the_query_that_its_key_has() {
    let routes = "[[routes]]\nmatch = { path = \"/**\", methods = [\"GET\"] }\n\
        cache = { key.query = { exclude = [\"utm_*\"], sort = true } }\n";
    let (_origin, proxy) = before(Reply::fresh(600, "x"), &(admin("") + routes)).await;
    for (stored, purged) in
        [("/a?b=1&a=2", "/a?utm_x=1&a=2&b=1"), ("/b?utm_y=1", "/b"), ("/c", "/c?utm_z=1")]
    {
        get(&proxy, stored).await;
        assert!(is_cached(&proxy, purged).await, "they are the same on this route");
        purge(&proxy, &format!(r#"{{"url": "http://api.test{purged}"}}"#)).await;
        assert!(!is_cached(&proxy, stored).await, "{stored} by {purged}");
    }
}

#[tokio::test]
async fn a_purge_by_url_takes_all_variants() {
    let origin = Origin::serve(|seen| {
        let language = seen.header("accept-language").unwrap_or_default().to_owned();
        let reply = Reply::fresh(600, language.clone()).header("Vary", "Accept-Language");
        reply.header("ETag", format!("\"{language}\""))
    })
    .await;
    let proxy = Proxy::with(&origin, &admin("")).await;
    let ask = |language| get(&proxy, "/").header("Accept-Language", language);
    for language in ["de", "en"] {
        ask(language).await;
    }
    purge(&proxy, r#"{"url": "http://api.test/"}"#).await;
    for (language, requests) in [("de", 3), ("en", 4), ("fr", 5)] {
        assert_eq!(ask(language).await.text(), language);
        assert_eq!(origin.requests(), requests, "fetched anew, by one request");
    }
    let offered: Vec<_> =
        origin.seen()[2..].iter().map(|it| it.header("if-none-match").map(str::to_owned)).collect();
    let later = [None, Some("\"de\"".to_owned()), Some("\"de\", \"en\"".to_owned())];
    assert_eq!(offered, later, "no purged variant's tag is offered");
}

#[tokio::test]
async fn a_purge_by_prefix_ends_at_segments_and_hosts() {
    let paths = ["/users", "/users/", "/users/1", "/users/1?x=2", "/users1", "/", "/Users"];
    for (prefix, gone) in [("/users", 4), ("/users/", 4), ("/users/1", 2), ("/", 7), ("", 7)] {
        let (_origin, proxy) = before(Reply::fresh(600, "x"), &admin("")).await;
        for path in paths {
            get(&proxy, path).await;
        }
        get(&proxy, "/users").host("other.test").await;
        purge(&proxy, &format!(r#"{{"prefix": "https://api.test{prefix}"}}"#)).await;
        let mut left = 0;
        for path in paths {
            left += usize::from(is_cached(&proxy, path).await);
        }
        assert_eq!(left, paths.len() - gone, "below {prefix:?}");
        let other = get(&proxy, "/users").host("other.test").await;
        assert!(other.is_hit(), "another host's are another's");
    }
}

#[tokio::test]
async fn tags_come_from_four_places_and_two_do_not_reach_clients() {
    let reply = Reply::fresh(600, "x")
        .header("Surrogate-Key", "fastly varnish")
        .header("Cache-Tag", "cloudflare, two words")
        .header("Cache-Groups", "\"group\"");
    let route = "[[routes]]\nmatch.path = \"/**\"\ncache.tags = [\"route\"]\n";
    for tag in ["fastly", "varnish", "cloudflare", "two words", "group", "route"] {
        let (_origin, proxy) = before(reply.clone(), &(admin("") + route)).await;
        for is_hit in [false, true] {
            let answer = get(&proxy, "/").await;
            assert_eq!(answer.is_hit(), is_hit);
            let told = ["surrogate-key", "cache-tag"].map(|it| answer.header(it).is_some());
            assert_eq!(told, [false; 2], "they address this cache");
            assert_eq!(answer.header("cache-groups"), Some("\"group\""), "RFC 9875 §2: for all");
        }
        purge(&proxy, r#"{"tags": ["other", "Fastly"]}"#).await;
        purge(&proxy, &format!(r#"{{"tags": ["{tag}"], "host": "other.test"}}"#)).await;
        assert!(is_cached(&proxy, "/").await, "a tag of another host: {tag}");
        purge(&proxy, &format!(r#"{{"tags": ["other", "{tag}"], "host": "api.test"}}"#)).await;
        assert!(!is_cached(&proxy, "/").await, "{tag}");
        get(&proxy, "/").await;
        purge(&proxy, &format!(r#"{{"tags": ["{tag}"]}}"#)).await;
        assert!(!is_cached(&proxy, "/").await, "without a host, on all hosts: {tag}");
    }
}

#[tokio::test]
async fn an_unsafe_request_takes_groups_along_and_tags_not() {
    let origin = Origin::serve(|seen| match seen.method.as_str() {
        "GET" => Reply::fresh(600, "x").header("Surrogate-Key", "all"),
        _ => Reply::status(204),
    })
    .await;
    let proxy = Proxy::with(&origin, &admin("")).await;
    for path in ["/1", "/2"] {
        get(&proxy, path).await;
    }
    send(&proxy, "DELETE", "/1").await;
    assert!(!is_cached(&proxy, "/1").await, "RFC 9111 §4.4");
    assert!(is_cached(&proxy, "/2").await, "RFC 9875 §2.2.1 speaks of groups alone");
}

#[tokio::test]
async fn a_validation_keeps_the_tags_that_were_stored() {
    let origin = Origin::serve(|seen| match seen.number {
        1 => Reply::fresh(60, "x").header("ETag", "\"v\"").header("Surrogate-Key", "a"),
        _ => Reply::status(304).header("ETag", "\"v\"").header("Cache-Control", "max-age=60"),
    })
    .await;
    let proxy = Proxy::with(&origin, &admin("")).await;
    get(&proxy, "/").await;
    proxy.advance(60);
    assert_eq!(get(&proxy, "/").await.cache_status().fwd_status, Some(304));
    assert!(is_cached(&proxy, "/").await);
    purge(&proxy, r#"{"tags": ["a"]}"#).await;
    assert!(!is_cached(&proxy, "/").await, "RFC 9111 §3.2: what the 304 left out stays");
}

#[tokio::test]
async fn everything_is_everything() {
    let part = Reply::status(206)
        .header("Cache-Control", "max-age=60")
        .header("Content-Range", "bytes 0-1/10")
        .header("ETag", "\"v\"")
        .body("01");
    for order in [r#"{"all": true}"#, r#"{"url": "http://api.test/"}"#, r#"{"prefix": "api.test"}"#]
    {
        let (_origin, proxy) = before(part.clone(), &admin("")).await;
        let ask = || get(&proxy, "/").header("Range", "bytes=0-1");
        ask().await;
        assert!(ask().await.is_hit());
        purge(&proxy, order).await;
        assert!(!ask().await.is_hit(), "a stored part, too: {order}");
    }
}

#[tokio::test]
async fn what_is_softly_purged_is_stale_from_that_moment() {
    let gate = Gate::new();
    let held = gate.clone();
    let origin = Origin::serve(move |seen| {
        let reply = Reply::ok(format!("take {}", seen.number));
        let reply = reply.header("Cache-Control", "max-age=600, stale-while-revalidate=30");
        if seen.number == 1 { reply } else { reply.held(&held) }
    })
    .await;
    let proxy = Proxy::with(&origin, &admin("")).await;
    get(&proxy, "/").await;
    proxy.advance(100);
    purge(&proxy, r#"{"url": "http://api.test/", "soft": true}"#).await;
    proxy.advance(20);
    let stale = get(&proxy, "/").await;
    let status = stale.cache_status();
    assert_eq!((stale.text(), status.hit), ("take 1", true), "RFC 5861 §3: while it is refreshed");
    assert_eq!(status.ttl, Some(-20), "since the purge");
    assert_eq!(stale.age(), Some(120), "RFC 9111 §4.2.3: its age is what it is");
    gate.until_arrived(1).await;
    purge(&proxy, r#"{"all": true, "soft": true}"#).await;
    proxy.advance(11);
    let late = get(&proxy, "/").header("Cache-Control", "only-if-cached").await;
    assert_eq!(late.status, 504, "a further purge does not prolong the window of the first");
    gate.open();
}

#[tokio::test]
async fn a_soft_purge_respects_who_must_not_be_stale() {
    for (directives, hit) in [("", true), (", must-revalidate", false), (", no-cache", false)] {
        let control = format!("max-age=600, stale-while-revalidate=30{directives}");
        let reply = Reply::ok("x").header("Cache-Control", &control).header("ETag", "\"v\"");
        let (_origin, proxy) = before(reply, &admin("")).await;
        get(&proxy, "/").await;
        purge(&proxy, r#"{"all": true, "soft": true}"#).await;
        assert_eq!(get(&proxy, "/").await.is_hit(), hit, "RFC 9111 §4.2.4: {control}");
    }
}

#[tokio::test]
async fn what_is_softly_purged_stands_in_for_a_failing_origin() {
    let origin = Origin::serve(|seen| match seen.number {
        1 => Reply::ok("x").header("Cache-Control", "max-age=600, stale-if-error=60"),
        _ => Reply::status(503),
    })
    .await;
    let proxy = Proxy::with(&origin, &admin("")).await;
    get(&proxy, "/").await;
    purge(&proxy, r#"{"tags": ["none"]}"#).await;
    purge(&proxy, r#"{"prefix": "http://api.test/", "soft": true}"#).await;
    for (seconds, status) in [(59, 200), (2, 503)] {
        proxy.advance(seconds);
        assert_eq!(get(&proxy, "/").await.status, status, "RFC 5861 §4: for a minute after it");
    }
}

#[tokio::test]
async fn what_was_being_fetched_is_for_those_who_asked_before() {
    for order in [r#"{"all": true}"#, r#"{"url": "api.test/"}"#, r#"{"all": true, "soft": true}"#] {
        let gate = Gate::new();
        let held = gate.clone();
        let origin = Origin::serve(move |seen| match seen.number {
            1 => Reply::fresh(600, "old").held(&held),
            _ => Reply::fresh(600, "new"),
        })
        .await;
        let proxy = Proxy::with(&origin, &admin("")).await;
        let mut first = get(&proxy, "/").sent().await;
        gate.until_arrived(1).await;
        let mut second = get(&proxy, "/").sent().await;
        proxy.settle().await;
        purge(&proxy, order).await;
        let mut after = get(&proxy, "/").sent().await;
        proxy.settle().await;
        gate.open();
        assert_eq!(first.read().await.unwrap().text(), "old", "it asked before: {order}");
        assert_eq!(second.read().await.unwrap().text(), "old", "so did its follower: {order}");
        assert_eq!(after.read().await.unwrap().text(), "new", "it asked after: {order}");
        let hit = get(&proxy, "/").await;
        assert_eq!((hit.text(), hit.is_hit()), ("new", true), "the old one was not kept: {order}");
        assert_eq!(origin.requests(), 2, "{order}");
    }
}

#[tokio::test]
async fn the_method_purge_is_for_some_networks_alone() {
    let (origin, proxy) =
        before(Reply::fresh(600, "x"), "[admin]\npurge_from = [\"127.0.0.0/8\"]\n").await;
    for path in ["/a", "/b"] {
        get(&proxy, path).await;
    }
    let answer = send(&proxy, "PURGE", "/a").await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
    assert!(!is_cached(&proxy, "/a").await);
    assert!(is_cached(&proxy, "/b").await);
    assert_eq!(origin.requests(), 2, "it goes no further");
    let wrong = send(&proxy, "PURGE", "/a/../b").await;
    assert_eq!(wrong.status, 400, "the rules for targets are the same");
}

#[tokio::test]
async fn who_is_elsewhere_cannot_purge_whatever_they_say() {
    for config in
        ["", "trusted_proxies = [\"127.0.0.1\"]\n[admin]\npurge_from = [\"10.0.0.0/8\"]\n"]
    {
        let (origin, proxy) = before(Reply::fresh(600, "x"), config).await;
        get(&proxy, "/").await;
        let lying = send(&proxy, "PURGE", "/").header("X-Forwarded-For", "10.0.0.1");
        let answer = lying.header("Forwarded", "for=10.0.0.1").await;
        assert_eq!(answer.status, 405, "the socket's peer counts");
        assert!(answer.header("allow").is_some(), "RFC 9110 §15.5.6");
        assert!(is_cached(&proxy, "/").await);
        assert_eq!(origin.requests(), 1, "nor does it reach the API");
    }
}

#[tokio::test]
async fn a_purge_of_many_writes_one_name() {
    let reply = Reply::fresh(600, "x").header("Cache-Tag", "t");
    let (origin, proxy) = before(reply, &admin("")).await;
    for n in 0..50 {
        get(&proxy, &format!("/{n}")).await;
    }
    let answer = purge(&proxy, r#"{"tags": ["t"]}"#).await;
    assert!(answer.text().contains("\"seq\":1"), "one purge, however many: {}", answer.text());
    for n in 0..50 {
        assert!(!is_cached(&proxy, &format!("/{n}")).await, "{n}");
    }
    assert_eq!(origin.requests(), 50);
}

/// Behind a trusted proxy that rewrites Host, operators know the host that clients ask for.
#[tokio::test]
async fn what_was_asked_for_by_another_host_is_purged_by_either() {
    let config =
        format!("trusted_proxies = ['127.0.0.0/8']\n{}", admin("purge_from = ['127.0.0.0/8']"));
    let reply = Reply::fresh(600, "x").header("Surrogate-Key", "k").header("Cache-Groups", "\"g\"");
    for (reply, has_tags) in [(reply, true), (Reply::fresh(600, "x"), false)] {
        let (_origin, proxy) = before(reply, &config).await;
        let stored =
            |path: &'static str| get(&proxy, path).header("X-Forwarded-Host", "WWW.test:80");
        let orders = |host: &str| {
            let plain = [
                format!(r#"{{"url": "http://{host}/s?a"}}"#),
                format!(r#"{{"url": "https://{host}/s?a"}}"#),
                format!(r#"{{"prefix": "http://{host}/s"}}"#),
            ];
            let tags = ["k", "g"].map(|tag| format!(r#"{{"tags": ["{tag}"], "host": "{host}"}}"#));
            plain.into_iter().chain(tags.into_iter().filter(|_| has_tags)).collect::<Vec<_>>()
        };
        for (host, goes) in [("www.test", true), ("api.test", true), ("other.test", false)] {
            for order in orders(host) {
                stored("/s?a").await;
                purge(&proxy, &order).await;
                assert_eq!(!stored("/s?a").await.is_hit(), goes, "{order}");
            }
            stored("/s?a").await;
            send(&proxy, "PURGE", "/s?a").host(host).await;
            assert_eq!(!stored("/s?a").await.is_hit(), goes, "PURGE of {host}");
        }
    }
}
