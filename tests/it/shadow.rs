//! `mode = "shadow"`: nothing is served from the cache, and what would have been is measured.

use serde_json::Value;

use crate::support::{Answer, Origin, Proxy, Reply, get, send};

const TOKEN: &str = "0123456789abcdef";
const CONFIG: &str = "[admin]\nlisten = \"127.0.0.1:0\"\ntoken = \"0123456789abcdef\"\n\
                      [[routes]]\nname = \"all\"\nmatch = { path = \"/**\" }\n\
                      cache = { mode = \"shadow\" }\n";

async fn before(origin: &Origin) -> Proxy {
    Proxy::with(origin, CONFIG).await
}

async fn explain(proxy: &Proxy, query: &str) -> Value {
    let ask = get(&proxy.admin(), &format!("/v1/explain?{query}")).host("localhost");
    let answer = ask.header("Authorization", &format!("Bearer {TOKEN}")).await;
    serde_json::from_str(answer.text()).expect("it is JSON")
}

/// What is counted: requests, would-be hits, and of these same, different and unknown.
async fn counts(proxy: &Proxy) -> [u64; 5] {
    let told = explain(proxy, "route=all").await;
    ["requests", "would_hit", "same", "differs", "unknown"]
        .map(|name| told["shadow"][name].as_u64().unwrap_or_else(|| panic!("{name} in {told:#}")))
}

fn is_relayed(answer: &Answer) {
    let status = answer.cache_status();
    assert_eq!((status.fwd(), status.detail(), status.stored), ("bypass", "shadow", false));
    assert_eq!(answer.age(), None, "nothing of it is the cache's");
}

#[tokio::test]
async fn nothing_is_served_and_hits_are_counted() {
    let origin = Origin::always(Reply::fresh(60, "x")).await;
    let proxy = before(&origin).await;
    for _ in 0..4 {
        is_relayed(&get(&proxy, "/a").await);
    }
    proxy.advance(61);
    is_relayed(&get(&proxy, "/a").await);
    is_relayed(&get(&proxy, "/a").await);
    assert_eq!(origin.requests(), 6, "every request goes to the API");
    assert_eq!(counts(&proxy).await, [6, 4, 4, 0, 0], "two would have been fetched");
    let told = explain(&proxy, "route=all").await;
    assert_eq!(
        (&told["shadow"]["hit_ratio"], &told["route"]["mode"]),
        (&0.667.into(), &"shadow".into())
    );
}

#[tokio::test]
async fn what_would_have_been_out_of_date_is_measured() {
    let origin = Origin::serve(|seen| Reply::fresh(600, format!("{}", seen.number / 3))).await;
    let proxy = before(&origin).await;
    for _ in 0..4 {
        get(&proxy, "/a").await;
        proxy.advance(20);
    }
    // 0, 0, 1, 1: the first is stored, the second is the same, the others are 40 s and 60 s late.
    assert_eq!(counts(&proxy).await, [4, 3, 1, 2, 0]);
    let told = explain(&proxy, "route=all").await;
    assert_eq!(told["shadow"]["mean_age_of_wrong"], 50, "{told:#}");
    let page = get(&proxy.admin(), "/metrics").host("localhost").await;
    for line in [
        r#"larder_shadow_requests_total{route="all",outcome="hit"} 3"#,
        r#"larder_shadow_requests_total{route="all",outcome="uri-miss"} 1"#,
        r#"larder_shadow_compared_total{route="all",result="differs"} 2"#,
        r#"larder_shadow_staleness_seconds_sum{route="all"} 100.000000000"#,
        r#"larder_shadow_staleness_seconds_count{route="all"} 2"#,
    ] {
        assert!(page.text().lines().any(|it| it == line), "{line} in\n{}", page.text());
    }
}

#[tokio::test]
async fn the_policy_is_that_of_a_cache_that_is_on() {
    let origin = Origin::serve(|seen| match seen.target.as_str() {
        "/private" => Reply::ok("x").header("Cache-Control", "private"),
        "/vary" => Reply::fresh(60, "x").header("Vary", "Accept-Language"),
        "/torn" => Reply::fresh(60, "xyz").torn_after(1),
        _ => Reply::fresh(60, "x"),
    })
    .await;
    let proxy = before(&origin).await;
    let twice = async |path: &str, fields: [(&str, &str); 2]| {
        let before = counts_or_none(&proxy).await;
        for (name, value) in fields {
            let _ = get(&proxy, path).header(name, value).result().await;
        }
        counts_or_none(&proxy).await - before
    };
    assert_eq!(twice("/private", [("A", "b"), ("A", "b")]).await, 0, "RFC 9111 §5.2.2.7");
    assert_eq!(twice("/vary", [("Accept-Language", "de"), ("Accept-Language", "en")]).await, 0);
    assert_eq!(twice("/vary", [("Accept-Language", "de"), ("Accept-Language", "en")]).await, 2);
    assert_eq!(twice("/auth", [("Authorization", "a"), ("Authorization", "a")]).await, 0, "§3.5");
    assert_eq!(twice("/torn", [("A", "b"), ("A", "b")]).await, 0, "a torn body is not stored");
    assert_eq!(twice("/plain", [("A", "b"), ("Cache-Control", "no-store")]).await, 0, "§5.2.1.5");
    assert_eq!(twice("/plain", [("A", "b"), ("A", "b")]).await, 2);
}

/// Would-be hits so far.
async fn counts_or_none(proxy: &Proxy) -> u64 {
    explain(proxy, "route=all").await["shadow"]["would_hit"].as_u64().unwrap_or(0)
}

#[tokio::test]
async fn what_becomes_invalid_or_is_purged_is_so_in_the_shadow() {
    let origin = Origin::serve(|seen| match seen.method.as_str() {
        "GET" => Reply::fresh(600, "x").header("Cache-Groups", "\"g\""),
        _ => Reply::status(204),
    })
    .await;
    let proxy = before(&origin).await;
    let hits = async |path: &str| {
        let before = counts_or_none(&proxy).await;
        get(&proxy, path).await;
        counts_or_none(&proxy).await - before
    };
    assert_eq!((hits("/a").await, hits("/b").await, hits("/a").await), (0, 0, 1));
    send(&proxy, "POST", "/a").body("x").await;
    assert_eq!((hits("/a").await, hits("/b").await), (0, 0), "RFC 9111 §4.4, RFC 9875");
    assert_eq!(hits("/a").await, 1);
    let purge = send(&proxy.admin(), "POST", "/v1/purge").host("localhost");
    purge.header("Authorization", &format!("Bearer {TOKEN}")).body(r#"{"all": true}"#).await;
    assert_eq!(hits("/a").await, 0, "purged");
}

#[tokio::test]
async fn what_cannot_be_compared_is_unknown() {
    let origin = Origin::serve(|seen| match (seen.number, seen.header("if-none-match")) {
        (_, Some("\"v\"")) => Reply::status(304).header("ETag", "\"v\""),
        (5, _) => Reply::status(503),
        (6, _) => Reply::status(404),
        _ => Reply::fresh(600, "x").header("ETag", "\"v\""),
    })
    .await;
    let proxy = before(&origin).await;
    get(&proxy, "/").await;
    let not_modified = get(&proxy, "/").header("If-None-Match", "\"v\"").await;
    assert_eq!(not_modified.status, 304, "the API's own");
    assert_eq!(counts(&proxy).await, [2, 1, 1, 0, 0], "a 304 of the same tag is the same");
    send(&proxy, "HEAD", "/").await;
    get(&proxy, "/").header("Range", "bytes=0-0").await;
    get(&proxy, "/").await;
    assert_eq!(
        counts(&proxy).await[4],
        2,
        "a head alone, and an error that nobody would have seen"
    );
    get(&proxy, "/").await;
    assert_eq!(counts(&proxy).await[3], 1, "what is gone would have been served");
}

#[tokio::test]
async fn explain_says_what_a_request_would_have_been() {
    let origin = Origin::always(Reply::fresh(60, "x")).await;
    let proxy = before(&origin).await;
    get(&proxy, "/a").await;
    let told = explain(&proxy, "url=http%3A%2F%2Fapi.test%2Fa").await;
    let verdict = &told["verdict"];
    assert_eq!((&verdict["cache"], &verdict["reason"]), (&"bypass".into(), &"shadow".into()));
    assert_eq!(told["shadow"]["cache"], "hit", "{told:#}");
    let told = explain(&proxy, "url=http%3A%2F%2Fapi.test%2Fb").await;
    assert_eq!(told["shadow"]["cache"], "uri-miss", "{told:#}");
    proxy.reload(&CONFIG.replace("\"shadow\" }", "\"shadow\", bypass_when = [\"query:x\"] }"));
    for (query, reason) in [
        ("url=http%3A%2F%2Fapi.test%2Fa%3Fx", "bypass-when"),
        (
            "url=http%3A%2F%2Fapi.test%2Fa&header=Upgrade:websocket&header=Connection:upgrade",
            "upgrade",
        ),
        ("url=http%3A%2F%2Fapi.test%2Fa&header=X_Tenant:a", "underscore"),
    ] {
        let told = explain(&proxy, query).await;
        assert_eq!(told["shadow"]["reason"], reason, "the rule that would hold: {told:#}");
    }
}

#[tokio::test]
async fn a_route_in_shadow_can_be_switched_on() {
    let origin = Origin::always(Reply::fresh(60, "x")).await;
    let proxy = before(&origin).await;
    get(&proxy, "/a").await;
    proxy.reload(&CONFIG.replace("shadow", "on"));
    assert!(!get(&proxy, "/a").await.is_hit(), "the shadow has no bodies");
    assert!(get(&proxy, "/a").await.is_hit());
}
