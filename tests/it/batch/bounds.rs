//! What a batch may not be, and what it costs.

use std::future::IntoFuture;

use serde_json::{Value, json};

use super::{TAKEN, named, post, statuses, told};
use crate::support::{Gate, Origin, Proxy, RedisServer, Reply, get, pause, send, within};

#[tokio::test]
async fn what_is_no_batch_is_refused_with_its_reason() {
    let origin = named().await;
    let config = format!("{TAKEN}max_items = 3\nmax_body = \"1KiB\"\n");
    let proxy = Proxy::with(&origin, &config).await;
    let rows = [
        ("POST", "application/json", "{}".to_owned(), 400, "the batch is no array"),
        ("POST", "application/json", json!(["/a", "//b/c"]).to_string(), 400, "item 1 has a path"),
        (
            "POST",
            "application/json",
            json!(["/_batch"]).to_string(),
            400,
            "item 0 is a batch itself",
        ),
        ("POST", "application/json", json!(["http://b/"]).to_string(), 400, "item 0 has a path"),
        ("POST", "application/json", json!(["/1", "/2", "/3", "/4"]).to_string(), 400, "4 items"),
        ("POST", "application/json", format!("[\"/{}\"]", "a".repeat(2000)), 413, "too large"),
        ("POST", "text/plain", "[]".to_owned(), 415, "application/json"),
        ("POST", "text/plain; application/json", "[]".to_owned(), 415, "application/json"),
        ("POST", "application/jsonx", "[]".to_owned(), 415, "application/json"),
        ("PUT", "application/json", "[]".to_owned(), 405, "a batch is a POST"),
        ("GET", "application/json", String::new(), 405, "a batch is a POST"),
    ];
    for (method, media_type, body, status, why) in rows {
        let ask = send(&proxy, method, "/_batch").header("Content-Type", media_type);
        let answer = ask.body(body.clone()).await;
        assert_eq!(answer.status, status, "{method} {body}");
        assert_eq!(answer.header("content-type"), Some("application/problem+json"), "RFC 9457");
        let problem: Value = serde_json::from_str(answer.text()).unwrap();
        assert!(problem["detail"].as_str().unwrap().contains(why), "{problem}");
        let named = why.starts_with("item ").then(|| why.split(' ').nth(1).unwrap());
        assert_eq!(problem["item"].as_u64().map(|it| it.to_string()).as_deref(), named);
        assert_eq!(answer.header("allow"), (status == 405).then_some("POST"), "RFC 9110 §15.5.6");
    }
    let untyped = send(&proxy, "POST", "/_batch").body("[\"/a\"]").await;
    assert_eq!(untyped.status, 415, "any page can have a browser send that (Fetch §2.2.2)");
    assert_eq!(untyped.header("content-type"), Some("application/problem+json"), "RFC 9457");
    assert_eq!(origin.requests(), 0);
    let special = send(&proxy, "POST", "/_batch").header("Content-Type", "application/x+json");
    assert_eq!(special.body("[]").await.status, 200, "RFC 6839 §3.1");
    let empty = post(&proxy, &json!([])).await;
    assert_eq!(told(&empty).len(), 0, "none is a batch, too");
}

#[tokio::test]
async fn every_item_counts_by_the_limits() {
    let origin = named().await;
    let config = format!("{TAKEN}[throttle]\nrate = \"1/min\"\nburst = 3\n");
    let proxy = Proxy::with(&origin, &config).await;
    let answers = told(&post(&proxy, &json!(["/a", "/a", "/b", "/c", "/a"])).await);
    assert_eq!(statuses(&answers), [200, 200, 200, 429, 429], "RFC 6585 §4");
    assert_eq!(answers[3]["headers"]["retry-after"], json!("60"));
    assert_eq!(get(&proxy, "/a").await.status, 429, "a batch is no way around them");
}

#[tokio::test]
async fn the_answer_is_bounded_in_bytes() {
    let origin = Origin::always(Reply::fresh(60, "x".repeat(700))).await;
    let proxy =
        Proxy::with(&origin, &format!("{TAKEN}max_answer = \"1KiB\"\nparallel = 1\n")).await;
    for _ in 0..2 {
        let answers = told(&post(&proxy, &json!(["/a", "/b", "/a"])).await);
        assert_eq!(statuses(&answers), [200, 502, 502], "what is past the bound is not sent");
        assert_eq!(answers[1]["body"]["detail"], json!("too large for this batch"));
    }
    let answers = told(&post(&proxy, &json!([{ "method": "HEAD", "path": "/a" }, "/b"])).await);
    assert_eq!(statuses(&answers), [200, 200], "a HEAD costs nothing of it");
}

#[tokio::test]
async fn the_answer_is_bounded_in_time() {
    let gate = Gate::new();
    let held = gate.clone();
    let origin = Origin::serve(move |seen| match seen.target.as_str() {
        "/slow" => Reply::fresh(60, "slow").held(&held),
        _ => Reply::fresh(60, "fast"),
    })
    .await;
    let proxy = Proxy::with(&origin, &format!("{TAKEN}timeout = \"7s\"\n")).await;
    get(&proxy, "/fast").await;
    let asked = tokio::spawn(post(&proxy, &json!(["/fast", "/slow"])).into_future());
    origin.until_requests(2).await;
    proxy.let_it_wait(7).await;
    let answers = told(&asked.await.unwrap());
    assert_eq!(statuses(&answers), [200, 504], "RFC 9110 §15.6.5");
    gate.open();
}

#[tokio::test]
async fn only_so_many_misses_are_under_way() {
    let gate = Gate::new();
    let origin = Origin::always(Reply::fresh(60, "x").held(&gate)).await;
    let proxy = Proxy::with(&origin, &format!("{TAKEN}parallel = 2\n")).await;
    let asked = tokio::spawn(post(&proxy, &json!(["/a", "/b", "/c", "/d"])).into_future());
    origin.until_requests(2).await;
    proxy.settle().await;
    assert_eq!(origin.requests(), 2, "the others wait");
    gate.open();
    assert_eq!(statuses(&told(&asked.await.unwrap())), [200; 4]);
}

#[tokio::test]
async fn every_item_has_a_line_in_the_log() {
    let (origin, directory) = (named().await, tempfile::tempdir().unwrap());
    let log = directory.path().join("access.log");
    let config = format!("{TAKEN}[log]\naccess = \"{}\"\n", log.display());
    let proxy = Proxy::with(&origin, &config).await;
    post(&proxy, &json!(["/a", "/b"])).await;
    proxy.drain().await;
    let text = std::fs::read_to_string(&log).unwrap();
    let mut paths: Vec<String> = text
        .lines()
        .map(|line| {
            serde_json::from_str::<Value>(line).unwrap()["path"].as_str().unwrap().to_owned()
        })
        .collect();
    paths.sort();
    assert_eq!(paths, ["/_batch", "/a", "/b"], "{text}");
}

/// The number of a metric of this node.
async fn metric(node: &Proxy, name: &str) -> u64 {
    let page = get(&node.admin(), "/metrics").host("localhost").await;
    let line = page.text().lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {name}")).parse().unwrap()
}

async fn until(node: &Proxy, name: &str, least: u64) {
    within(format!("{name} to reach {least}"), async {
        while metric(node, name).await < least {
            pause().await;
        }
    })
    .await;
}

#[tokio::test]
async fn all_that_the_shared_tier_has_comes_in_one_round_trip() {
    let redis = RedisServer::start().await;
    let origin = Origin::serve(|seen| Reply::fresh(600, seen.target).undated()).await;
    let config = format!(
        "{TAKEN}[admin]\nlisten = \"127.0.0.1:0\"\n[cache.redis]\nurl = \"{}\"\ntimeout = \"2s\"\n",
        redis.url()
    );
    let (one, other) =
        (Proxy::in_real_time(&origin, &config).await, Proxy::in_real_time(&origin, &config).await);
    until(&one, "larder_redis_up", 1).await;
    until(&other, "larder_redis_up", 1).await;
    let paths: Vec<String> = (0..50).map(|n| format!("/{n}")).collect();
    assert_eq!(statuses(&told(&post(&one, &json!(paths)).await)), [200; 50]);
    let event = |name: &str| format!("larder_redis_events_total{{event=\"{name}\"}}");
    until(&one, &event("stored"), 50).await;
    let more: Vec<String> = (48..52).map(|n| format!("/{n}")).collect();
    for (paths, flushes) in [(&paths, 1), (&paths, 1), (&more, 2)] {
        let answers = told(&post(&other, &json!(paths)).await);
        let bodies: Vec<&str> = answers.iter().map(|it| it["body"].as_str().unwrap()).collect();
        assert_eq!(bodies, *paths);
        let asked = metric(&other, &event("flush")).await;
        assert_eq!(asked, flushes, "one round trip for all that memory does not have");
    }
    assert_eq!(origin.requests(), 52, "50 came from the other node");
}

#[tokio::test]
async fn who_does_not_read_a_batch_keeps_nobody_waiting() {
    let gate = Gate::new();
    let held = gate.clone();
    let origin = Origin::serve(move |seen| match &*seen.target {
        "/big" => Reply::fresh(600, "x".repeat(6 << 20)),
        _ => Reply::fresh(600, "held").held(&held),
    })
    .await;
    let proxy = Proxy::with(&origin, TAKEN).await;
    get(&proxy, "/big").await;
    let batch = post(&proxy, &json!(["/big", "/held"])).sent().await;
    gate.until_arrived(1).await;
    let other = tokio::spawn(get(&proxy, "/held").into_future());
    gate.open();
    let answer = within("the answer that the batch leads to", other).await.unwrap();
    assert_eq!(answer.text(), "held", "what it began is for others, too");
    assert_eq!(origin.requests(), 2, "and is fetched once");
    drop(batch);
}
