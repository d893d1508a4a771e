//! What was stored before a reload, and what writes made of it by the rules of that time
//! (RFC 9111 §4.4).

use crate::support::{Gate, Origin, Proxy, Reply, get, send};

/// A route for `/r/**`, the other one at the top for the rest.
const ROUTE: &str = "[[routes]]\nname = 'r'\nmatch = { path = '/r/**' }\n";

/// Rules by which other things may be shared.
const SHARED: [&str; 4] = [
    "cache.authorization = 'isolate'",
    "cache.key.headers = ['X-Tenant']",
    "cache.bypass_when = ['header:X-Probe']",
    "cache.no_store_when = ['status:404']",
];

/// Rules by which other URLs are one.
const URLS: [&str; 5] = [
    "cache.key.query = { exclude = ['a'] }",
    "cache.key.query = { include = ['b'] }",
    "cache.key.query = { sort = true }",
    "shape = { fields = 'a' }",
    "shape = { filter = ['a'] }",
];

fn with(rule: &str) -> String {
    format!("{ROUTE}{rule}\n")
}

async fn numbered() -> Origin {
    Origin::serve(|seen| match &*seen.method {
        "GET" => Reply::fresh(600, format!("take {}", seen.number)),
        _ => Reply::status(204),
    })
    .await
}

#[tokio::test]
async fn what_a_write_ended_by_other_rules_does_not_come_back() {
    let gone = SHARED.iter().chain(&URLS).map(|rule| with(rule)).chain([String::new()]);
    for between in gone {
        let origin = numbered().await;
        let proxy = Proxy::with(&origin, ROUTE).await;
        get(&proxy, "/r/1?b=1&a=1").await;
        get(&proxy, "/other").await;
        assert!(get(&proxy, "/r/1?b=1&a=1").await.is_hit(), "{between}");
        proxy.reload(&between);
        send(&proxy, "PUT", "/r/1?b=1&a=1").await;
        proxy.reload(ROUTE);
        let after = get(&proxy, "/r/1?b=1&a=1").await;
        assert_eq!((after.text(), after.is_hit()), ("take 4", false), "§4.4: {between}");
        assert!(get(&proxy, "/r/1?b=1&a=1").await.is_hit(), "{between}: it is stored again");
        assert!(get(&proxy, "/other").await.is_hit(), "{between}: no other route is concerned");
    }
}

#[tokio::test]
async fn what_a_write_did_not_name_is_asked_for_once_it_is_the_same() {
    let origin = numbered().await;
    let proxy = Proxy::with(&origin, ROUTE).await;
    get(&proxy, "/r/1?b=1").await;
    send(&proxy, "PUT", "/r/1?b=1&a=1").await;
    assert!(get(&proxy, "/r/1?b=1").await.is_hit(), "another URL so far");
    proxy.reload(&with(URLS[0]));
    let after = get(&proxy, "/r/1?b=1&a=1").await;
    assert_eq!((after.text(), after.is_hit()), ("take 3", false), "§4.4: now it is that one");
}

/// RFC 9111 §4.2.4: nor does it stand in for an error.
#[tokio::test]
async fn what_a_write_ended_by_other_rules_does_not_stand_in_for_an_error_either() {
    let stale = "[cache]\nstale_if_error = '1h'\nrequest_cache_control = 'honor'\n";
    for rule in SHARED.iter().chain(&URLS) {
        let origin = Origin::serve(|seen| match (&*seen.method, seen.number) {
            ("GET", 1) => Reply::fresh(600, "before the write"),
            ("GET", _) => Reply::status(503),
            _ => Reply::status(204),
        })
        .await;
        let proxy = Proxy::with(&origin, &format!("{stale}{ROUTE}")).await;
        get(&proxy, "/r/1?b=1&a=1").await;
        proxy.reload(&format!("{stale}{}", with(rule)));
        send(&proxy, "PUT", "/r/1?b=1&a=1").await;
        proxy.reload(&format!("{stale}{ROUTE}"));
        for asked in ["max-age=1000", "max-stale=9999"] {
            let answer = get(&proxy, "/r/1?b=1&a=1").header("Cache-Control", asked).await;
            assert_eq!(answer.status, 503, "{rule}, {asked}: {answer:?}");
        }
    }
}

/// Whom the proxy believes decides of which scheme a request is, and so under which key it lies.
#[tokio::test]
async fn what_a_write_ended_while_others_were_believed_does_not_come_back() {
    let trusting = "trusted_proxies = [\"127.0.0.0/8\"]\n";
    for (before, between) in [("", trusting), (trusting, "")] {
        let origin = numbered().await;
        let proxy = Proxy::with(&origin, before).await;
        let ask = || get(&proxy, "/r/1").header("X-Forwarded-Proto", "https");
        ask().await;
        assert!(ask().await.is_hit(), "{before}");
        proxy.reload(between);
        let put = send(&proxy, "PUT", "/r/1").header("X-Forwarded-Proto", "https").await;
        assert_eq!(put.status, 204);
        proxy.reload(before);
        assert!(!ask().await.is_hit(), "§4.4: {before:?}, and {between:?} meanwhile");
    }
}

/// RFC 9875 §2.2.1.
#[tokio::test]
async fn what_shares_a_group_with_what_lies_under_other_rules_is_ended_by_its_writes() {
    let origin = Origin::serve(|seen| match &*seen.method {
        "GET" => Reply::fresh(600, "x").header("Cache-Groups", "\"g\""),
        _ => Reply::status(204),
    })
    .await;
    let proxy = Proxy::with(&origin, ROUTE).await;
    for path in ["/r/1?b=1&a=1", "/s/1"] {
        get(&proxy, path).await;
        assert!(get(&proxy, path).await.is_hit());
    }
    proxy.reload(&with(SHARED[0]));
    send(&proxy, "PUT", "/r/1?b=1&a=1").await;
    assert!(!get(&proxy, "/s/1").await.is_hit(), "of the same group");
}

#[tokio::test]
async fn a_reload_that_changes_nothing_of_it_leaves_what_is_stored() {
    let origin = numbered().await;
    let proxy = Proxy::with(&origin, ROUTE).await;
    get(&proxy, "/r/1").await;
    for rule in ["cache.ttl = '5s'", "cache.tags = ['t']", "", "cache.mode = 'off'", ""] {
        proxy.reload(&with(rule));
        let hit = get(&proxy, "/r/1").await.is_hit();
        assert_eq!(hit, !rule.contains("off"), "{rule:?} says nothing of who shares what");
    }
}

#[tokio::test]
async fn a_fetch_under_way_across_there_and_back_brings_nothing_back() {
    for between in [with(SHARED[0]), with(URLS[0]), String::new()] {
        let gate = Gate::new();
        let held = gate.clone();
        let origin = Origin::serve(move |seen| match (&*seen.method, seen.number) {
            ("GET", 1) => Reply::fresh(600, "before the write").held(&held),
            ("GET", _) => Reply::fresh(600, "after the write"),
            _ => Reply::status(204),
        })
        .await;
        let proxy = Proxy::with(&origin, ROUTE).await;
        let mut first = get(&proxy, "/r/1?b=1&a=1").sent().await;
        gate.until_arrived(1).await;
        proxy.reload(&between);
        send(&proxy, "PUT", "/r/1?b=1&a=1").await;
        proxy.reload(ROUTE);
        let mut joined = get(&proxy, "/r/1?b=1&a=1").sent().await;
        proxy.settle().await;
        gate.open();
        assert_eq!(first.read().await.unwrap().text(), "before the write", "it asked before");
        let joined = joined.read().await.unwrap();
        assert_eq!(joined.text(), "after the write", "§4.4: who asks after it: {between}");
        let later = get(&proxy, "/r/1?b=1&a=1").await;
        assert_eq!(later.text(), "after the write", "nor is it stored: {between}");
    }
}
