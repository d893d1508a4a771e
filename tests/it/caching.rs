//! What is stored, and under which key (RFC 9111 §2, §3).

use crate::support::{H2, Origin, Proxy, Reply, date, get, send};

/// A proxy before an origin that gives `reply` to everything.
async fn before(reply: Reply, config: &str) -> (Origin, Proxy) {
    let origin = Origin::always(reply).await;
    let proxy = Proxy::with(&origin, config).await;
    (origin, proxy)
}

/// Asks twice and asserts that the second came from the cache.
async fn is_stored(reply: Reply, config: &str, why: &str) {
    let (origin, proxy) = before(reply, config).await;
    let first = get(&proxy, "/a").await;
    assert!(first.cache_status().stored, "{why}: {:?}", first.cache_status());
    assert!(get(&proxy, "/a").await.is_hit(), "{why}");
    assert_eq!(origin.requests(), 1, "{why}");
}

/// Asks twice and asserts that both went to the origin, and that Cache-Status says why.
async fn is_not_stored(reply: Reply, config: &str, detail: &str) {
    let (origin, proxy) = before(reply, config).await;
    for n in 1..=2 {
        let status = get(&proxy, "/a").await.cache_status();
        assert_eq!((status.stored, status.detail()), (false, detail));
        assert_eq!(origin.requests(), n, "{detail}: nothing is stored");
    }
}

#[tokio::test]
async fn a_fresh_response_comes_from_memory() {
    let origin = Origin::serve(|seen| Reply::fresh(60, format!("take {}", seen.number))).await;
    let proxy = Proxy::before(&origin).await;
    let miss = get(&proxy, "/users").await;
    assert_eq!((miss.status, miss.text()), (200, "take 1"));
    assert_eq!(miss.age(), None, "it has just been made");
    assert_eq!((miss.cache_status().fwd(), miss.cache_status().stored), ("uri-miss", true));
    let hit = get(&proxy, "/users").await;
    assert_eq!((hit.status, hit.text()), (200, "take 1"));
    assert_eq!((hit.age(), hit.cache_status().ttl), (Some(0), Some(60)));
    assert_eq!(origin.requests(), 1);
}

#[tokio::test]
async fn what_http_forbids_to_share_is_not_stored() {
    for (directives, detail) in [
        ("no-store", "no-store"),
        ("max-age=60, no-store", "no-store"),
        ("private, max-age=60", "private"),
        ("PRIVATE", "private"),
    ] {
        is_not_stored(Reply::ok("x").header("Cache-Control", directives), "", detail).await;
    }
}

#[tokio::test]
async fn a_response_without_freshness_or_validator_is_not_stored() {
    is_not_stored(Reply::ok("x"), "", "no-freshness").await;
    let modified = Reply::ok("x").header("Last-Modified", date(-100_000));
    let (origin, proxy) = before(modified, "").await;
    get(&proxy, "/").await;
    let again = get(&proxy, "/").await;
    assert!(!again.is_hit(), "heuristics are off");
    assert!(origin.last().header("if-modified-since").is_some(), "but it can be validated");
}

#[tokio::test]
async fn the_operator_may_give_freshness_where_the_origin_gives_none() {
    is_stored(Reply::ok("x"), "[cache]\nttl = \"30s\"", "ttl").await;
    is_stored(Reply::status(404), "[cache]\nstatus_ttl = { 404 = \"10s\" }", "status_ttl").await;
    let modified = Reply::ok("x").header("Last-Modified", date(-1000));
    is_stored(modified, "[cache]\nheuristic = \"10%\"", "heuristic").await;
    is_not_stored(Reply::ok("x"), "[cache]\nstatus_ttl = { 404 = \"10s\" }", "no-freshness").await;
    let refused = Reply::ok("x").header("Cache-Control", "no-store");
    is_not_stored(refused, "[cache]\nttl = \"30s\"", "no-store").await;
}

#[tokio::test]
async fn a_cache_that_is_off_stores_nothing() {
    let (origin, proxy) = before(Reply::fresh(60, "x"), "[cache]\nmode = \"off\"").await;
    for n in 1..=2 {
        assert_eq!(get(&proxy, "/").await.cache_status().fwd(), "bypass");
        assert_eq!(origin.requests(), n);
    }
}

#[tokio::test]
async fn errors_and_redirects_with_freshness_are_stored_too() {
    for status in [203, 300, 301, 308, 404, 405, 410, 501] {
        let reply = Reply::status(status).body("x").header("Cache-Control", "max-age=60");
        let (origin, proxy) = before(reply, "").await;
        get(&proxy, "/").await;
        let hit = get(&proxy, "/").await;
        assert_eq!((hit.status, hit.is_hit(), hit.text()), (status, true, "x"));
        assert_eq!(origin.requests(), 1, "{status} is stored");
    }
}

#[tokio::test]
async fn no_store_in_a_request_keeps_its_response_out() {
    let (origin, proxy) = before(Reply::fresh(60, "x"), "").await;
    let refused = get(&proxy, "/").header("Cache-Control", "no-store").await.cache_status();
    assert_eq!((refused.stored, refused.detail()), (false, "request-no-store"), "§5.2.1.5");
    assert!(!get(&proxy, "/").await.is_hit(), "nothing was stored");
    assert_eq!(origin.requests(), 2);
}

#[tokio::test]
async fn only_if_cached_never_reaches_the_origin() {
    let (origin, proxy) = before(Reply::fresh(60, "x"), "").await;
    let ask = || get(&proxy, "/").header("Cache-Control", "only-if-cached");
    assert_eq!(ask().await.status, 504, "§5.2.1.7");
    assert_eq!(origin.requests(), 0);
    get(&proxy, "/").await;
    assert_eq!((ask().await.status, origin.requests()), (200, 1), "now it is cached");
}

#[tokio::test]
async fn a_reload_in_the_browser_does_not_reach_the_api_unless_the_operator_lets_it() {
    for (config, requests) in [("", 1), ("[cache]\nrequest_cache_control = \"honor\"", 2)] {
        let (origin, proxy) = before(Reply::fresh(60, "x"), config).await;
        get(&proxy, "/").await;
        proxy.advance(1);
        get(&proxy, "/").header("Cache-Control", "no-cache").header("Pragma", "no-cache").await;
        assert_eq!(origin.requests(), requests, "{config:?}");
    }
}

#[tokio::test]
async fn the_key_is_host_path_and_query_as_they_are() {
    let origin = Origin::serve(|seen| Reply::fresh(60, seen.target)).await;
    let proxy = Proxy::before(&origin).await;
    for (n, path) in
        ["/a", "/a?", "/a?x=1&y=2", "/a?y=2&x=1", "/A", "/a/", "/%61"].iter().enumerate()
    {
        assert_eq!(get(&proxy, path).await.text(), *path);
        assert_eq!(origin.requests(), n + 1, "{path} is a resource of its own");
        assert!(get(&proxy, path).await.is_hit(), "{path}");
    }
    assert!(!get(&proxy, "/a").host("other.test").await.is_hit(), "another host");
    assert!(get(&proxy, "/a").host("API.test").await.is_hit(), "hosts have no case");
}

#[tokio::test]
async fn parameters_that_the_operator_excludes_are_neither_key_nor_forwarded() {
    let config = "[cache.key]\nquery = { exclude = [\"utm_*\"], sort = true }";
    let (origin, proxy) = before(Reply::fresh(60, "x"), config).await;
    get(&proxy, "/a?y=2&utm_source=mail&x=1&x=0").await;
    assert_eq!(origin.last().target, "/a?x=1&x=0&y=2", "the origin sees what the key saw");
    assert!(get(&proxy, "/a?x=1&x=0&y=2&utm_medium=tv").await.is_hit());
    assert!(!get(&proxy, "/a?x=0&x=1&y=2").await.is_hit(), "equal names keep their order");
}

#[tokio::test]
async fn a_stored_get_answers_head() {
    let (origin, proxy) = before(Reply::fresh(60, "twelve bytes").header("X-A", "1"), "").await;
    get(&proxy, "/").await;
    let head = send(&proxy, "HEAD", "/").await;
    assert!(head.is_hit(), "{:?}", head.cache_status());
    assert_eq!((head.header("content-length"), head.header("x-a")), (Some("12"), Some("1")));
    assert_eq!((head.text(), origin.requests()), ("", 1));
}

#[tokio::test]
async fn a_head_alone_stores_nothing() {
    let (origin, proxy) = before(Reply::fresh(60, "x"), "").await;
    let head = send(&proxy, "HEAD", "/").await.cache_status();
    assert_eq!((head.stored, head.detail()), (false, "method"));
    assert_eq!(origin.last().method, "HEAD", "a HEAD is not made a GET");
    assert_eq!(get(&proxy, "/").await.text(), "x");
    assert_eq!(origin.requests(), 2);
}

#[tokio::test]
async fn other_methods_are_never_served_from_the_cache() {
    let origin = Origin::always(Reply::fresh(60, "x")).await;
    let proxy = Proxy::before(&origin).await;
    get(&proxy, "/").await;
    for (n, method) in ["OPTIONS", "POST", "PUT", "DELETE", "PATCH"].iter().enumerate() {
        let status = send(&proxy, method, "/").await.cache_status();
        assert_eq!((status.fwd(), status.stored), ("method", false), "{method}");
        assert_eq!(origin.requests(), n + 2, "{method} goes to the origin");
    }
}

#[tokio::test]
async fn a_hit_is_the_response_that_was_stored_byte_for_byte() {
    let body: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    let reply = Reply::fresh(60, body.clone())
        .header("Link", "</a>; rel=next")
        .header("X-Odd", "  two  spaces \t")
        .header("Link", "</b>; rel=prev")
        .header("Content-Type", "application/octet-stream");
    let (_origin, proxy) = before(reply, "").await;
    let (miss, hit) = (get(&proxy, "/").await, get(&proxy, "/").await);
    assert!(miss.body == body && hit.body == body, "the body is the origin's");
    assert_eq!(hit.headers("link"), ["</a>; rel=next", "</b>; rel=prev"], "repeated, in order");
    assert_eq!(hit.header("x-odd"), Some("two  spaces"));
    assert_eq!(hit.header("date"), miss.header("date"), "Date is the origin's");
    assert_eq!(hit.header("content-length"), Some("100000"));
}

#[tokio::test]
async fn http_1_and_http_2_clients_share_one_cache() {
    let (origin, proxy) = before(Reply::fresh(60, "x"), "").await;
    get(&proxy, "/").await;
    let hit = H2::connect(&proxy).await.get("/", &[]).await.unwrap();
    assert!(hit.is_hit(), "{:?}", hit.cache_status());
    assert_eq!((hit.text(), origin.requests()), ("x", 1));
}

#[tokio::test]
async fn what_the_cache_has_survives_a_reload() {
    let (origin, proxy) = before(Reply::fresh(60, "x"), "").await;
    get(&proxy, "/").await;
    proxy.reload("[cache]\nstale_if_error = \"1h\"");
    assert!(get(&proxy, "/").await.is_hit());
    proxy.reload("[cache]\nmode = \"off\"");
    assert!(!get(&proxy, "/").await.is_hit(), "the new configuration counts");
    assert_eq!(origin.requests(), 2);
}

#[tokio::test]
async fn memory_holds_no_more_than_its_size() {
    let origin = Origin::always(Reply::fresh(600, vec![b'x'; 50_000])).await;
    let proxy = Proxy::with(&origin, "[cache.memory]\nmax_size = \"1MiB\"").await;
    for n in 0..40 {
        get(&proxy, &format!("/{n}")).await;
    }
    let mut hits = 0;
    for n in 0..40 {
        let ask = get(&proxy, &format!("/{n}")).header("Cache-Control", "only-if-cached");
        hits += usize::from(ask.await.status == 200);
    }
    assert!(hits * 50_000 <= 1_153_433, "{hits} of 50,000 bytes are more than 1 MiB and 10 %");
    assert!(hits >= 5, "{hits}: but it holds something");
}
