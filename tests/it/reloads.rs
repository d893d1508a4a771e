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

#[tokio::test]
async fn what_other_rules_for_urls_leave_is_validated_not_fetched_anew() {
    let origin = Origin::serve(|seen| match seen.header("if-none-match") {
        Some("\"e\"") => Reply::status(304),
        _ => Reply::fresh(600, "x").header("ETag", "\"e\""),
    })
    .await;
    let proxy = Proxy::with(&origin, ROUTE).await;
    get(&proxy, "/r/1").await;
    proxy.reload(&with(URLS[0]));
    let validated = get(&proxy, "/r/1").await;
    assert_eq!((validated.text(), validated.cache_status().fwd_status), ("x", Some(304)));
    assert!(get(&proxy, "/r/1").await.is_hit(), "and serves on");
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
