//! Cache groups (RFC 9875): what belongs together is invalidated together.

use crate::support::{Gate, Origin, Proxy, Reply, get, send};

/// An origin whose GETs are fresh, in the groups that their query names (`?a,b`); everything else
/// is answered by `unsafe_reply`.
async fn before(unsafe_reply: Reply) -> (Origin, Proxy) {
    let origin = Origin::serve(move |seen| match seen.method.as_str() {
        "GET" | "HEAD" => grouped(&seen.target, Reply::fresh(600, format!("take {}", seen.number))),
        _ => unsafe_reply.clone(),
    })
    .await;
    let proxy = Proxy::before(&origin).await;
    (origin, proxy)
}

fn grouped(target: &str, reply: Reply) -> Reply {
    let groups = target.split_once('?').map_or("", |(_, groups)| groups);
    let groups = groups.split(',').filter(|it| !it.is_empty());
    let list: Vec<String> = groups.map(|group| format!("\"{group}\"")).collect();
    reply.header("Cache-Groups", list.join(", "))
}

fn invalidating(groups: &str) -> Reply {
    Reply::status(204).header("Cache-Group-Invalidation", groups)
}

/// Whether `path` is still in the cache; nothing is fetched.
async fn is_cached(proxy: &Proxy, path: &str) -> bool {
    get(proxy, path).header("Cache-Control", "only-if-cached").await.status == 200
}

#[tokio::test]
async fn an_unsafe_method_invalidates_the_groups_that_its_answer_lists() {
    for method in ["POST", "PUT", "DELETE", "PATCH"] {
        let (_origin, proxy) = before(invalidating("\"a\", \"b\";x=1")).await;
        for path in ["/1?a", "/2?c,b", "/3?c", "/4"] {
            get(&proxy, path).await;
        }
        let answer = send(&proxy, method, "/elsewhere").await;
        let passed_on = answer.header("cache-group-invalidation");
        assert_eq!(passed_on, Some("\"a\", \"b\";x=1"), "caches before us want it, too");
        assert!(!is_cached(&proxy, "/1?a").await, "§3: {method}");
        assert!(!is_cached(&proxy, "/2?c,b").await, "§2.1: in any position: {method}");
        assert!(is_cached(&proxy, "/3?c").await, "another group: {method}");
        assert!(is_cached(&proxy, "/4").await, "no group: {method}");
        assert!(!get(&proxy, "/1?a").await.is_hit());
        assert!(get(&proxy, "/1?a").await.is_hit(), "what is fetched later is not concerned");
    }
}

#[tokio::test]
async fn a_safe_method_or_an_error_invalidates_no_group() {
    for status in [400, 404, 500, 503] {
        let failed = Reply::status(status).header("Cache-Group-Invalidation", "\"a\"");
        let (_origin, proxy) = before(failed).await;
        get(&proxy, "/1?a").await;
        send(&proxy, "POST", "/elsewhere").await;
        assert!(is_cached(&proxy, "/1?a").await, "RFC 9111 §4.4: {status} changed nothing");
    }
    let reply = Reply::fresh(600, "x").header("Cache-Groups", "\"a\"");
    let origin = Origin::always(reply.header("Cache-Group-Invalidation", "\"a\"")).await;
    let proxy = Proxy::before(&origin).await;
    get(&proxy, "/1").await;
    for method in ["GET", "HEAD", "OPTIONS"] {
        send(&proxy, method, "/elsewhere").await;
        assert!(is_cached(&proxy, "/1").await, "§3: ignored on {method}");
    }
}

#[tokio::test]
async fn what_is_no_list_of_strings_invalidates_nothing() {
    for value in ["a", "\"a\",", "(\"a\")", "\"a\", b", "1", ""] {
        let (_origin, proxy) = before(invalidating(value)).await;
        get(&proxy, "/1?a").await;
        send(&proxy, "POST", "/elsewhere").await;
        assert!(is_cached(&proxy, "/1?a").await, "§3, RFC 9651 §4.2: {value}");
    }
}

#[tokio::test]
async fn a_group_ends_at_its_origin() {
    let (_origin, proxy) = before(invalidating("\"a\"")).await;
    get(&proxy, "/1?a").await;
    for host in ["other.test", "api.test:81"] {
        send(&proxy, "POST", "/").host(host).await;
        assert!(is_cached(&proxy, "/1?a").await, "§2.1: {host} is another origin");
    }
    send(&proxy, "POST", "/").host("API.test:80").await;
    assert!(!is_cached(&proxy, "/1?a").await, "§2.1: this is the same");
}

#[tokio::test]
async fn what_is_invalidated_takes_its_groups_along_but_not_theirs() {
    let (_origin, proxy) = before(Reply::status(204)).await;
    for path in ["/1?a", "/2?a,b", "/3?b", "/4?c"] {
        get(&proxy, path).await;
    }
    send(&proxy, "DELETE", "/1?a").await;
    assert!(!is_cached(&proxy, "/1?a").await, "RFC 9111 §4.4");
    assert!(!is_cached(&proxy, "/2?a,b").await, "§2.2.1: it shares a group");
    assert!(is_cached(&proxy, "/3?b").await, "§2.2.1: it does not cascade");
    assert!(is_cached(&proxy, "/4?c").await, "another group");
}

#[tokio::test]
async fn the_groups_of_every_variant_are_invalidated() {
    let origin = Origin::serve(|seen| match seen.method.as_str() {
        "GET" => {
            let language = seen.header("accept-language").unwrap_or("none").to_owned();
            let reply = Reply::fresh(600, "x").header("Vary", "Accept-Language");
            reply.header("Cache-Groups", format!("\"{language}\""))
        }
        _ => Reply::status(204),
    })
    .await;
    let proxy = Proxy::before(&origin).await;
    let ask = |path: &'static str, language| get(&proxy, path).header("Accept-Language", language);
    for language in ["de", "en", "fr"] {
        ask("/other", language).await;
    }
    ask("/", "de").await;
    ask("/", "en").await;
    send(&proxy, "DELETE", "/").await;
    for (language, hit) in [("de", false), ("en", false), ("fr", true)] {
        assert_eq!(ask("/other", language).await.is_hit(), hit, "§2.2.1: {language}");
    }
}

#[tokio::test]
async fn many_groups_with_long_names_are_kept() {
    let names: Vec<String> = (0..64).map(|n| format!("{n:032}")).collect();
    let path = format!("/1?{}", names.join(","));
    for name in [&names[0], &names[31], &names[63]] {
        let (_origin, proxy) = before(invalidating(&format!("\"{name}\""))).await;
        get(&proxy, &path).await;
        assert!(is_cached(&proxy, &path).await);
        send(&proxy, "POST", "/elsewhere").await;
        assert!(!is_cached(&proxy, &path).await, "§2: 32 of 32 characters at the least");
    }
}

#[tokio::test]
async fn a_fetch_under_way_is_invalidated_too() {
    for held_before_the_head in [true, false] {
        let gate = Gate::new();
        let held = gate.clone();
        let origin = Origin::serve(move |seen| match (seen.method.as_str(), seen.number) {
            ("GET", 1) if held_before_the_head => {
                grouped("/?a", Reply::fresh(600, "old").held(&held))
            }
            ("GET", 1) => grouped("/?a", Reply::fresh(600, "old").gate(&held).chunked()),
            ("GET", _) => grouped("/?a", Reply::fresh(600, "new")),
            _ => invalidating("\"a\""),
        })
        .await;
        let proxy = Proxy::before(&origin).await;
        let mut before = get(&proxy, "/1").sent().await;
        gate.until_arrived(1).await;
        send(&proxy, "POST", "/elsewhere").await;
        gate.open();
        assert_eq!(before.read().await.unwrap().text(), "old", "its client gets it");
        let after = get(&proxy, "/1").await;
        assert_eq!((after.text(), after.is_hit()), ("new", false), "nobody else does");
        assert!(get(&proxy, "/1").await.is_hit());
    }
}

#[tokio::test]
async fn who_asks_after_the_change_does_not_follow_a_fetch_from_before() {
    let gate = Gate::new();
    let held = gate.clone();
    let origin = Origin::serve(move |seen| match (seen.method.as_str(), seen.number) {
        ("GET", 1) => grouped("/?a", Reply::fresh(600, "old").gate(&held).body(" state").chunked()),
        ("GET", _) => grouped("/?a", Reply::fresh(600, "new state")),
        _ => invalidating("\"a\""),
    })
    .await;
    let proxy = Proxy::before(&origin).await;
    let mut before = get(&proxy, "/1").arriving().await;
    before.body(3).await;
    send(&proxy, "POST", "/elsewhere").await;
    assert_eq!(get(&proxy, "/1").await.text(), "new state", "a client reads its own writes");
    gate.open();
    assert_eq!(before.end().await.unwrap().text(), "old state");
    let hit = get(&proxy, "/1").await;
    assert_eq!((hit.text(), hit.is_hit()), ("new state", true), "the older one does not win");
    assert_eq!(origin.requests(), 3);
}

#[tokio::test]
async fn a_crowd_after_the_change_makes_one_request() {
    let (gate, second) = (Gate::new(), Gate::new());
    let held = [gate.clone(), second.clone()];
    let origin = Origin::serve(move |seen| match (seen.method.as_str(), seen.number) {
        ("GET", 1) => grouped("/?a", Reply::fresh(600, "old").gate(&held[0]).chunked()),
        ("GET", _) => grouped("/?a", Reply::fresh(600, "new").gate(&held[1]).chunked()),
        _ => invalidating("\"a\""),
    })
    .await;
    let proxy = Proxy::before(&origin).await;
    let mut before = get(&proxy, "/1").arriving().await;
    before.body(3).await;
    send(&proxy, "POST", "/elsewhere").await;
    let mut crowd = Vec::new();
    for _ in 0..20 {
        let mut client = get(&proxy, "/1").arriving().await;
        assert_eq!(client.body(3).await, b"new", "not the one from before");
        crowd.push(client);
    }
    assert_eq!(origin.requests(), 3, "the others follow the first of them");
    gate.open();
    second.open();
    before.end().await.unwrap();
    for client in crowd {
        client.end().await.unwrap();
    }
    assert!(get(&proxy, "/1").await.is_hit());
}

#[tokio::test]
async fn who_waits_for_a_head_from_before_the_change_looks_again() {
    let gate = Gate::new();
    let held = gate.clone();
    let origin = Origin::serve(move |seen| match (seen.method.as_str(), seen.number) {
        ("GET", 1) => grouped("/?a", Reply::fresh(600, "old").held(&held)),
        ("GET", _) => grouped("/?a", Reply::fresh(600, "new")),
        _ => invalidating("\"a\""),
    })
    .await;
    let proxy = Proxy::before(&origin).await;
    let mut before = get(&proxy, "/1").sent().await;
    gate.until_arrived(1).await;
    send(&proxy, "POST", "/elsewhere").await;
    let mut after = get(&proxy, "/1").sent().await;
    proxy.settle().await;
    assert_eq!(origin.requests(), 2, "it waits: whose groups they are is not known yet");
    gate.open();
    assert_eq!(before.read().await.unwrap().text(), "old", "it asked before");
    assert_eq!(after.read().await.unwrap().text(), "new", "it asked after");
}

#[tokio::test]
async fn a_validation_says_anew_which_groups_and_since_when() {
    let gate = Gate::new();
    let held = gate.clone();
    let origin = Origin::serve(move |seen| match (seen.method.as_str(), seen.number) {
        ("GET", 1) => grouped("/?a", Reply::fresh(60, "x").header("ETag", "\"v\"")),
        ("GET", 3) => Reply::status(304).header("ETag", "\"v\"").header("Cache-Groups", "\"b\""),
        ("GET", 4) => Reply::status(304).header("ETag", "\"v\"").held(&held),
        ("GET", _) => Reply::fresh(60, "anew"),
        (_, 2) => invalidating("\"other\""),
        _ => invalidating("\"b\""),
    })
    .await;
    let proxy = Proxy::before(&origin).await;
    get(&proxy, "/1").await;
    send(&proxy, "POST", "/elsewhere").await;
    proxy.advance(60);
    assert_eq!(get(&proxy, "/1").await.cache_status().fwd_status, Some(304));
    assert!(is_cached(&proxy, "/1").await);
    proxy.advance(60);
    let mut validating = get(&proxy, "/1").sent().await;
    gate.until_arrived(1).await;
    send(&proxy, "POST", "/elsewhere").await;
    gate.open();
    assert_eq!(validating.read().await.unwrap().text(), "x", "it asked before");
    assert!(
        !is_cached(&proxy, "/1").await,
        "the validation began before, and `b` is its group now"
    );
    assert_eq!(get(&proxy, "/1").await.text(), "anew");
}

#[tokio::test]
async fn a_stored_part_is_in_its_groups() {
    let origin = Origin::serve(|seen| match seen.method.as_str() {
        "GET" => Reply::status(206)
            .header("Cache-Control", "max-age=60")
            .header("Cache-Groups", "\"a\"")
            .header("Content-Range", "bytes 0-1/10")
            .header("ETag", "\"v\"")
            .body("01"),
        _ => invalidating("\"a\""),
    })
    .await;
    let proxy = Proxy::before(&origin).await;
    get(&proxy, "/").header("Range", "bytes=0-1").await;
    assert!(get(&proxy, "/").header("Range", "bytes=0-1").await.is_hit());
    send(&proxy, "POST", "/elsewhere").await;
    let after = get(&proxy, "/").header("Range", "bytes=0-1").await;
    assert!(!after.is_hit(), "RFC 9875 §3");
}

/// A trusted proxy may pass another Host on than the one that clients ask for; what an API says there
/// of its groups is said of no other's.
#[tokio::test]
async fn groups_are_not_those_of_the_host_that_clients_ask_for() {
    let origin = Origin::serve(|seen| match seen.method.as_str() {
        "POST" => Reply::status(204).header("Cache-Group-Invalidation", "\"g\""),
        _ => Reply::fresh(60, "x").header("Cache-Groups", "\"g\""),
    })
    .await;
    let proxy = Proxy::with(&origin, "trusted_proxies = ['127.0.0.0/8']").await;
    let stored = || get(&proxy, "/s").host("a.test").header("X-Forwarded-Host", "www.test");
    stored().await;
    send(&proxy, "POST", "/other").host("www.test").await;
    assert!(stored().await.is_hit(), "RFC 9875 §2.1: a group is its origin's");
    send(&proxy, "POST", "/other").host("a.test").await;
    assert!(!stored().await.is_hit(), "this is its own");
}
