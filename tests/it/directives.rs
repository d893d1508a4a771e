//! Cache-Control of requests (RFC 9111 §5.2.1), in both modes of `request_cache_control`, and the
//! directives of responses that concern storing alone.

use crate::support::{Origin, Proxy, Reply, get};

const MODES: [&str; 2] = ["ignore", "honor"];

/// A proxy in the given mode, before an origin whose `/` is fresh for 60 s and can be validated;
/// it has been stored for `age` seconds.
async fn stored_for(age: u64, mode: &str, directives: &str) -> (Origin, Proxy) {
    let reply = Reply::ok("x").header("Cache-Control", directives).header("ETag", "\"a\"");
    let origin = Origin::always(reply).await;
    let config = format!("[cache]\nrequest_cache_control = \"{mode}\"");
    let proxy = Proxy::with(&origin, &config).await;
    get(&proxy, "/").await;
    proxy.advance(age);
    (origin, proxy)
}

#[tokio::test]
async fn what_a_client_asks_of_freshness_counts_where_the_operator_honors_it() {
    // Seconds stored, the request's directives, and `fwd` (nothing: a hit) in each mode.
    let rows = [
        (30, "max-age=29", ["", "request"], "§5.2.1.1: older than it wants"),
        (30, "max-age=30", ["", ""], "§5.2.1.1: just as old"),
        (30, "max-age=0", ["", "request"], "§5.2.1.1: a reload"),
        (80, "max-age=600", ["stale", "stale"], "§5.2.1.1: not willing to have it stale"),
        (80, "max-stale=30", ["stale", ""], "§5.2.1.2: stale for less"),
        (80, "max-stale=20", ["stale", ""], "§5.2.1.2: stale for just as long"),
        (80, "max-stale=19", ["stale", "stale"], "§5.2.1.2: stale for more"),
        (80, "max-stale", ["stale", ""], "§5.2.1.2: however stale"),
        (80, "max-age=90, max-stale=30", ["stale", ""], "§5.2.1.1: unless max-stale is there"),
        (80, "max-age=70, max-stale=30", ["stale", "stale"], "§5.2.1.1: both must hold"),
        (30, "min-fresh=30", ["", ""], "§5.2.1.3: fresh for just as long"),
        (30, "min-fresh=31", ["", "request"], "§5.2.1.3: not fresh for long enough"),
        (30, "no-cache", ["", "request"], "§5.2.1.4"),
        (80, "no-cache", ["stale", "stale"], "§5.2.1.4"),
        (30, "no-store", ["request", "request"], "§5.2.1.5: a MUST, whoever is the operator"),
        (30, "only-if-cached", ["", ""], "§5.2.1.7"),
        (30, "no-transform", ["", ""], "§5.2.1.6: says nothing of freshness"),
        (30, "foo=bar", ["", ""], "§5.2.3: unknown"),
    ];
    for (age, directives, expected, section) in rows {
        for (mode, fwd) in MODES.iter().zip(expected) {
            let (_origin, proxy) = stored_for(age, mode, "max-age=60").await;
            let answer = get(&proxy, "/").header("Cache-Control", directives).await;
            assert_eq!(answer.cache_status().fwd(), fwd, "{section}: {directives}, {mode}");
        }
    }
}

#[tokio::test]
async fn what_the_origin_forbids_to_use_stale_no_client_gets_stale() {
    for forbids in ["must-revalidate", "proxy-revalidate", "s-maxage=60", "no-cache"] {
        let directives = format!("max-age=60, {forbids}");
        let (_origin, proxy) = stored_for(80, "honor", &directives).await;
        let answer = get(&proxy, "/").header("Cache-Control", "max-stale").await;
        assert_eq!(answer.cache_status().fwd(), "stale", "§4.2.4: {forbids}");
    }
}

#[tokio::test]
async fn no_store_keeps_the_answer_and_leaves_what_is_stored() {
    for mode in MODES {
        let (origin, proxy) = stored_for(30, mode, "max-age=60").await;
        let answer = get(&proxy, "/").header("Cache-Control", "no-store").await.cache_status();
        assert_eq!((answer.stored, answer.detail()), (false, "request-no-store"), "§5.2.1.5");
        assert_eq!(get(&proxy, "/").await.age(), Some(30), "§5.2.1.5: {mode}");
        assert_eq!(origin.requests(), 2);
    }
}

#[tokio::test]
async fn only_if_cached_gets_504_where_the_origin_would_be_asked() {
    let rows = [
        (30, "only-if-cached", [200, 200], "§5.2.1.7: fresh"),
        (80, "only-if-cached", [504, 504], "§5.2.1.7: stale"),
        (80, "only-if-cached, max-stale=30", [504, 200], "§5.2.1.7: stale, and it may be"),
        (30, "only-if-cached, no-cache", [200, 504], "§5.2.1.4, §5.2.1.7"),
        (30, "only-if-cached, max-age=5", [200, 504], "§5.2.1.1, §5.2.1.7"),
    ];
    for (age, directives, expected, section) in rows {
        for (mode, status) in MODES.iter().zip(expected) {
            let (origin, proxy) = stored_for(age, mode, "max-age=60").await;
            let answer = get(&proxy, "/").header("Cache-Control", directives).await;
            assert_eq!(answer.status, status, "{section}: {directives}, {mode}");
            assert_eq!(origin.requests(), 1, "{section}: the origin is not asked");
        }
    }
}

#[tokio::test]
async fn no_transform_reaches_the_origin_and_leaves_the_answer_as_it_is() {
    for mode in MODES {
        let reply = Reply::fresh(60, "as it is").header("Content-Type", "text/plain");
        let origin = Origin::always(reply).await;
        let config = format!("[cache]\nrequest_cache_control = \"{mode}\"");
        let proxy = Proxy::with(&origin, &config).await;
        for _ in 0..2 {
            let ask = get(&proxy, "/").header("Cache-Control", "no-transform");
            let answer = ask.header("Accept-Encoding", "gzip").await;
            let got = (answer.text(), answer.header("content-encoding"));
            assert_eq!(got, ("as it is", None), "§5.2.1.6: {mode}");
        }
        assert_eq!(origin.last().header("cache-control"), Some("no-transform"), "§5.2.1.6");
    }
}

#[tokio::test]
async fn stale_if_error_of_a_client_counts_where_the_operator_honors_it() {
    let rows = [
        (80, "stale-if-error=30", [503, 200], "RFC 5861 §4: stale for less"),
        (80, "stale-if-error=19", [503, 503], "RFC 5861 §4: stale for more"),
        (80, "stale-if-error=x", [503, 503], "what cannot be read allows nothing"),
    ];
    for (age, directives, expected, section) in rows {
        for (mode, status) in MODES.iter().zip(expected) {
            let fresh = Reply::fresh(60, "x").header("ETag", "\"a\"");
            let origin = Origin::replies([fresh, Reply::status(503)]).await;
            let config = format!("[cache]\nrequest_cache_control = \"{mode}\"");
            let proxy = Proxy::with(&origin, &config).await;
            get(&proxy, "/").await;
            proxy.advance(age);
            let answer = get(&proxy, "/").header("Cache-Control", directives).await;
            assert_eq!(answer.status, status, "{section}: {directives}, {mode}");
        }
    }
}

#[tokio::test]
async fn must_understand_takes_the_place_of_no_store() {
    let rows = [
        (200, "max-age=60, no-store, must-understand", true, "the status is understood"),
        (404, "max-age=60, no-store, must-understand", true, "the status is understood"),
        (299, "max-age=60, no-store, must-understand", false, "it is not"),
        (299, "max-age=60, must-understand", false, "it is not, whatever else is said"),
        (299, "max-age=60", true, "§3: any final status"),
        (200, "max-age=60, no-store", false, "§5.2.2.5"),
    ];
    for (status, directives, stored, why) in rows {
        let reply = Reply::status(status).body("x").header("Cache-Control", directives);
        let origin = Origin::always(reply).await;
        let proxy = Proxy::before(&origin).await;
        get(&proxy, "/").await;
        let hit = get(&proxy, "/").await.is_hit();
        assert_eq!(hit, stored, "§5.2.2.3: {status} {directives}: {why}");
    }
}

#[tokio::test]
async fn immutable_is_validated_only_where_a_client_asks_for_it() {
    let (origin, proxy) = stored_for(30, "honor", "max-age=60, immutable").await;
    let hit = get(&proxy, "/").header("If-None-Match", "\"b\"").await;
    assert!(hit.is_hit(), "RFC 8246 §2.1: a fresh one is not validated");
    assert_eq!(hit.header("cache-control"), Some("max-age=60, immutable"), "passed on");
    let asked = get(&proxy, "/").header("Cache-Control", "no-cache").await;
    assert_eq!(asked.cache_status().fwd(), "request", "RFC 8246 §2.1: but for a client's signal");
    proxy.advance(60);
    assert_eq!(get(&proxy, "/").await.cache_status().fwd(), "stale", "RFC 8246 §2");
    assert_eq!(origin.requests(), 3);
}
