//! What trusted proxies say of a request besides its target URI: it tells stored responses apart,
//! and saves none of them from what invalidates their target (RFC 9111 §4.4).

use crate::support::{Answer, Ask, Origin, Proxy, Reply, get, send};

const FIELD: &str = "X-Forwarded-Prefix";
const TRUSTED: &str = "trusted_proxies = ['127.0.0.1/32']";

/// An API whose answer to a GET is `fresh` and to anything else `changed`.
async fn api(fresh: Reply, changed: Reply) -> (Origin, Proxy) {
    let origin = Origin::serve(move |seen| match seen.method.as_str() {
        "GET" => fresh.clone(),
        _ => changed.clone(),
    })
    .await;
    let proxy = Proxy::with(&origin, TRUSTED).await;
    (origin, proxy)
}

async fn by(ask: Ask, server: &str) -> Answer {
    if server.is_empty() { ask.await } else { ask.header(FIELD, server).await }
}

async fn is_hit(proxy: &Proxy, path: &str, server: &str) -> bool {
    by(get(proxy, path), server).await.is_hit()
}

/// Whether it is there; nothing is fetched.
async fn is_cached(proxy: &Proxy, path: &str, server: &str) -> bool {
    let ask = get(proxy, path).header("Cache-Control", "only-if-cached");
    by(ask, server).await.status == 200
}

async fn purges(proxy: &Proxy) -> String {
    let page = get(&proxy.admin(), "/metrics").host("localhost").await;
    let found = page.text().lines().find(|line| line.starts_with("larder_purges_total "));
    found.expect("it is counted").to_owned()
}

#[tokio::test]
async fn an_unsafe_request_needs_no_purge_to_reach_what_others_claimed() {
    let origin = Origin::always(Reply::fresh(60, "x")).await;
    let config = format!("{TRUSTED}\n[admin]\nlisten = '127.0.0.1:0'\ntoken = '0123456789abcdef'");
    let proxy = Proxy::with(&origin, &config).await;
    for server in ["", "t1", "t2"] {
        by(get(&proxy, "/other"), server).await;
        by(get(&proxy, "/a"), server).await;
    }
    for path in ["/a", "/made-up?1", "/made-up?2"] {
        send(&proxy, "POST", path).header(FIELD, "t3").await;
    }
    for server in ["", "t1", "t2"] {
        assert!(is_hit(&proxy, "/other", server).await, "another target, by {server:?}");
        assert!(!is_hit(&proxy, "/a", server).await, "RFC 9111 §4.4, by {server:?}");
    }
    let counted = purges(&proxy).await;
    assert_eq!(counted, "larder_purges_total 0", "who writes in numbers pushes no purge out");
}

/// RFC 9111 §4.4, RFC 9110 §9.2.1: nobody knows what it did.
#[tokio::test]
async fn an_unknown_outcome_leaves_nothing_fresh_whatever_was_claimed() {
    let torn = Reply::raw("HTTP/1.1 200 OK\r\nContent-Le");
    // What is claimed for the first time is invalidated in another way than what is known.
    for (lost, paths) in [(Reply::reset(), ["/a", "/other"]), (torn, ["/other", "/a"])] {
        for server in ["", "t2", "t1"] {
            let (_origin, proxy) = api(Reply::fresh(60, "x"), lost.clone()).await;
            for path in paths {
                by(get(&proxy, path), "t1").await;
            }
            assert_eq!(by(send(&proxy, "PUT", "/a"), server).await.status, 502);
            assert!(is_hit(&proxy, "/other", "t1").await, "another target");
            assert!(!is_hit(&proxy, "/a", "t1").await, "stored by t1, maybe changed by {server:?}");
        }
    }
}

#[tokio::test]
async fn what_shares_a_group_with_the_target_is_invalidated_whatever_was_claimed() {
    for (server, expected) in [("t1", false), ("t2", false), ("", false)] {
        let fresh = Reply::fresh(60, "x").header("Cache-Groups", "\"k\"");
        let (_origin, proxy) = api(fresh, Reply::status(204)).await;
        for path in ["/a", "/b"] {
            by(get(&proxy, path), "t1").await;
        }
        by(send(&proxy, "PUT", "/a"), server).await;
        let left = is_cached(&proxy, "/b", "t1").await;
        assert_eq!(left, expected, "RFC 9875 §2.2.1: it shares a group with /a, PUT by {server:?}");
    }
}

/// More claims than are told apart to who invalidates.
#[tokio::test]
async fn however_many_claims_there_are_none_saves_its_target() {
    for changed in [Reply::status(204), Reply::reset()] {
        let (_origin, proxy) = api(Reply::fresh(60, "x"), changed.clone()).await;
        let servers: Vec<String> = (0..70).map(|n| format!("t{n}")).collect();
        for server in &servers {
            by(get(&proxy, "/a"), server).await;
            by(get(&proxy, "/other"), server).await;
        }
        for server in &servers {
            assert!(is_hit(&proxy, "/a", server).await, "it is stored, {server}");
        }
        for n in 0..10 {
            send(&proxy, "PUT", &format!("/made-up?{n}")).await;
        }
        send(&proxy, "PUT", "/a").await;
        for server in &servers {
            assert!(is_cached(&proxy, "/other", server).await, "another target, {server}");
            assert!(!is_hit(&proxy, "/a", server).await, "RFC 9111 §4.4: {server}");
        }
        assert!(is_hit(&proxy, "/a", "t69").await, "what came after it is stored again");
    }
}

/// RFC 9111 §4.4: Location and Content-Location, where the client's own host is not the one that
/// the proxy before asks for.
#[tokio::test]
async fn a_location_may_name_the_host_that_a_trusted_proxy_was_asked_for() {
    let public = "X-Forwarded-Host";
    for (config, location, goes) in [
        (TRUSTED, "http://pub.test/l", true),
        (TRUSTED, "http://PUB.test:80/l", true),
        (TRUSTED, "http://api.test/l", true),
        (TRUSTED, "/l", true),
        (TRUSTED, "http://other.test/l", false),
        (TRUSTED, "https://pub.test/l", false),
        ("", "http://pub.test/l", false),
    ] {
        let posted = Reply::status(201).header("Location", location);
        let origin = Origin::serve(move |seen| match seen.method.as_str() {
            "GET" => Reply::fresh(60, "x"),
            _ => posted.clone(),
        })
        .await;
        let proxy = Proxy::with(&origin, config).await;
        get(&proxy, "/l").header(public, "pub.test").await;
        send(&proxy, "POST", "/new").header(public, "pub.test").await;
        let hit = get(&proxy, "/l").header(public, "pub.test").await.is_hit();
        assert_eq!(!hit, goes, "{location} with {config:?}");
    }
}

/// More claims than are told apart to who invalidates: who can send a request and leave takes nothing
/// out of the cache by that.
#[tokio::test]
async fn an_unknown_outcome_drops_nothing_that_lies_under_a_claim_of_many() {
    let origin = Origin::serve(|seen| match seen.method.as_str() {
        "GET" if seen.header("if-none-match").is_some() => Reply::status(304),
        "GET" => Reply::fresh(60, "x").header("ETag", "\"1\""),
        _ => Reply::reset(),
    })
    .await;
    let proxy = Proxy::with(&origin, TRUSTED).await;
    for n in 0..64 {
        by(get(&proxy, "/other"), &format!("t{n}")).await;
    }
    by(get(&proxy, "/a"), "t64").await;
    assert!(is_hit(&proxy, "/a", "t64").await, "it is stored");
    assert_eq!(send(&proxy, "PUT", "/a").await.status, 502);
    let told = by(get(&proxy, "/a"), "t64").await.cache_status();
    assert_eq!((told.fwd(), told.fwd_status), ("stale", Some(304)), "it is validated");
    assert!(is_hit(&proxy, "/a", "t64").await, "and is good again");
}
