//! What a POST says of its own target (RFC 9110 §9.3.3).

use crate::support::{Ask, Origin, Proxy, Reply, get, send};

fn located(at: &str) -> Reply {
    Reply::fresh(60, "posted").header("Content-Location", at)
}

async fn before(posted: Reply) -> (Origin, Proxy) {
    let origin = Origin::serve(move |seen| match seen.method.as_str() {
        "POST" => posted.clone(),
        _ => Reply::fresh(60, "got"),
    })
    .await;
    let proxy = Proxy::before(&origin).await;
    (origin, proxy)
}

fn post(proxy: &Proxy, path: &str) -> Ask {
    send(proxy, "POST", path).body("x")
}

#[tokio::test]
async fn a_post_that_tells_its_target_s_state_answers_later_gets() {
    for at in ["/users?page=1", "http://api.test/users?page=1", "users?page=1", ""] {
        let (origin, proxy) = before(located(at)).await;
        let posted = post(&proxy, "/users?page=1").await;
        let status = posted.cache_status();
        assert_eq!((status.fwd(), status.stored), ("method", true), "{at}");
        let hit = get(&proxy, "/users?page=1").await;
        assert_eq!((hit.text(), hit.is_hit()), ("posted", true), "{at}");
        let head = send(&proxy, "HEAD", "/users?page=1").await;
        assert_eq!((head.header("content-length"), head.is_hit()), (Some("6"), true), "{at}");
        assert!(!get(&proxy, "/users").await.is_hit(), "another URI");
        assert_eq!(origin.requests(), 2, "{at}");
    }
}

#[tokio::test]
async fn a_post_is_always_forwarded() {
    let (origin, proxy) = before(located("/")).await;
    for n in 1..=3 {
        let posted = post(&proxy, "/").await;
        assert_eq!((posted.text(), posted.is_hit()), ("posted", false));
        assert_eq!(origin.requests(), n);
    }
}

#[tokio::test]
async fn it_replaces_what_was_stored() {
    let (_origin, proxy) = before(located("/")).await;
    assert_eq!(get(&proxy, "/").await.text(), "got");
    post(&proxy, "/").await;
    assert_eq!(get(&proxy, "/").await.text(), "posted");
    send(&proxy, "PUT", "/").body("x").await;
    assert_eq!(get(&proxy, "/").await.text(), "got", "and is invalidated like everything else");
}

#[tokio::test]
async fn a_post_that_does_not_say_so_is_not_stored() {
    let bare = || Reply::ok("posted").header("Content-Location", "/");
    for (reply, why) in [
        (Reply::fresh(60, "posted"), "no Content-Location"),
        (located("/other"), "of something else"),
        (located("https://api.test/"), "of another origin"),
        (located("/").header("Content-Location", "/other"), "of two things"),
        (bare(), "no freshness"),
        (bare().header("ETag", "\"v1\""), "a validator is not freshness"),
        (bare().header("Cache-Control", "public"), "public is not freshness"),
        (bare().header("Cache-Control", "max-age=0"), "stale at once"),
        (bare().header("Cache-Control", "no-store, max-age=60"), "no-store"),
        (bare().header("Cache-Control", "private, max-age=60"), "private"),
        (located("/").header("Set-Cookie", "a=1"), "a cookie"),
        (located("/").header("Vary", "*"), "Vary: *"),
        (
            Reply::status(201)
                .body("posted")
                .header("Content-Location", "/")
                .header("Cache-Control", "max-age=60"),
            "201 is about what was created",
        ),
    ] {
        let (_origin, proxy) = before(reply).await;
        let status = post(&proxy, "/").await.cache_status();
        assert!(!status.stored, "{why}");
        let got = get(&proxy, "/").await;
        assert_eq!((got.text(), got.is_hit()), ("got", false), "{why}");
    }
}

#[tokio::test]
async fn our_own_freshness_stores_no_post() {
    let reply = Reply::ok("posted").header("Content-Location", "/");
    let origin = Origin::always(reply).await;
    let proxy = Proxy::with(&origin, "[cache]\nttl = \"60s\"").await;
    post(&proxy, "/").await;
    assert!(!get(&proxy, "/").await.is_hit(), "RFC 9110 §9.3.3: explicit freshness");
    assert!(get(&proxy, "/").await.is_hit());
}

#[tokio::test]
async fn a_post_with_a_credential_is_stored_only_where_the_origin_says_so() {
    for (directives, stored) in [("max-age=60", false), ("public, max-age=60", true)] {
        let reply = Reply::ok("posted").header("Content-Location", "/");
        let (_origin, proxy) = before(reply.header("Cache-Control", directives)).await;
        post(&proxy, "/").header("Authorization", "Basic YTpi").await;
        assert_eq!(get(&proxy, "/").await.is_hit(), stored, "RFC 9111 §3.5: {directives}");
    }
}

#[tokio::test]
async fn a_post_s_own_fields_select_its_variant() {
    let (_origin, proxy) = before(located("/").header("Vary", "Accept-Language")).await;
    post(&proxy, "/").header("Accept-Language", "de").await;
    let ask = |tongue| get(&proxy, "/").header("Accept-Language", tongue);
    assert_eq!(ask("de").await.text(), "posted", "RFC 9111 §4.1");
    assert!(!ask("en").await.is_hit());
}

#[tokio::test]
async fn it_is_stored_as_a_get_s_route_says() {
    let (origin, proxy) = before(located("/users")).await;
    proxy.reload(
        "[[routes]]\nmatch = { path = \"/**\", methods = [\"GET\"] }\nupstream = \"{origin}\"\n\
         [[routes]]\nmatch = { path = \"/**\", methods = [\"POST\"] }\nupstream = \"{origin}\"\n\
         cache = { mode = \"off\" }\n",
    );
    post(&proxy, "/users").await;
    assert!(!get(&proxy, "/users").await.is_hit(), "the cache is off where the POST came in");
    assert_eq!(origin.requests(), 2);
}
