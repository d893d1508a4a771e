//! Whose answer is whose: Authorization, Cookie and Set-Cookie.

use crate::support::{Answer, Origin, Proxy, Reply, get};

/// An origin that greets whoever asks, under this Cache-Control.
async fn before(control: &'static str, config: &str) -> (Origin, Proxy) {
    let origin = Origin::serve(move |seen| {
        let who = seen.header("authorization").or(seen.header("cookie")).unwrap_or("nobody");
        let reply = Reply::ok(format!("hello {who}"));
        if control.is_empty() { reply } else { reply.header("Cache-Control", control) }
    })
    .await;
    let proxy = Proxy::with(&origin, config).await;
    (origin, proxy)
}

async fn as_user(proxy: &Proxy, name: &str) -> Answer {
    get(proxy, "/").header("Authorization", name).await
}

async fn with_cookie(proxy: &Proxy, cookie: &str) -> Answer {
    get(proxy, "/").header("Cookie", cookie).await
}

#[tokio::test]
async fn an_answer_to_authorization_is_not_shared_unless_the_origin_says_so() {
    for control in ["max-age=60", "max-age=60, stale-while-revalidate=60"] {
        let (origin, proxy) = before(control, "").await;
        let status = as_user(&proxy, "a").await.cache_status();
        assert_eq!((status.stored, status.detail()), (false, "authorization"), "{control}");
        assert_eq!(as_user(&proxy, "b").await.text(), "hello b");
        assert_eq!(get(&proxy, "/").await.text(), "hello nobody");
        assert_eq!(origin.requests(), 3, "{control} (RFC 9111 §3.5)");
    }
}

#[tokio::test]
async fn an_answer_that_the_origin_marks_as_shareable_is_shared() {
    for control in ["public, max-age=60", "s-maxage=60", "max-age=60, must-revalidate"] {
        let (origin, proxy) = before(control, "").await;
        as_user(&proxy, "a").await;
        assert!(as_user(&proxy, "b").await.is_hit(), "{control}");
        assert_eq!(origin.requests(), 1, "{control} (RFC 9111 §3.5)");
    }
}

#[tokio::test]
async fn an_anonymous_answer_is_not_given_to_who_is_somebody() {
    let (_origin, proxy) = before("", "[cache]\nttl = \"1m\"").await;
    get(&proxy, "/").await;
    assert!(get(&proxy, "/").await.is_hit());
    assert_eq!(as_user(&proxy, "a").await.text(), "hello a", "this freshness is ours");
    assert_eq!(with_cookie(&proxy, "sid=1").await.text(), "hello sid=1");
    assert_eq!(get(&proxy, "/").await.text(), "hello nobody", "and theirs was not stored");
}

#[tokio::test]
async fn isolate_gives_each_credential_a_cache_of_its_own() {
    let config = "[cache]\nttl = \"1m\"\nauthorization = \"isolate\"";
    let (origin, proxy) = before("", config).await;
    for user in ["a", "b"] {
        assert!(as_user(&proxy, user).await.cache_status().stored, "{user}");
        let hit = as_user(&proxy, user).await;
        assert_eq!((hit.text(), hit.is_hit()), (format!("hello {user}").as_str(), true));
    }
    assert_eq!(get(&proxy, "/").await.text(), "hello nobody");
    assert_eq!(origin.requests(), 3);
}

#[tokio::test]
async fn bypass_keeps_credentials_out_of_the_cache() {
    let (origin, proxy) = before("public, max-age=60", "[cache]\nauthorization = \"bypass\"").await;
    get(&proxy, "/").await;
    for n in 2..=3 {
        assert_eq!(as_user(&proxy, "a").await.cache_status().fwd(), "bypass");
        assert_eq!(origin.requests(), n);
    }
    assert_eq!(get(&proxy, "/").await.text(), "hello nobody");
}

#[tokio::test]
async fn explicit_freshness_is_shared_between_cookies() {
    let (origin, proxy) = before("max-age=60", "").await;
    with_cookie(&proxy, "sid=1").await;
    assert!(with_cookie(&proxy, "sid=2").await.is_hit(), "Cookie is no selecting field");
    assert_eq!(origin.requests(), 1);
}

#[tokio::test]
async fn our_own_freshness_is_not_shared_between_cookies() {
    let (origin, proxy) = before("", "[cache]\nttl = \"1m\"").await;
    let status = with_cookie(&proxy, "sid=1").await.cache_status();
    assert_eq!((status.stored, status.detail()), (false, "cookie"));
    assert_eq!(with_cookie(&proxy, "sid=2").await.text(), "hello sid=2");
    assert_eq!(origin.requests(), 2);
}

#[tokio::test]
async fn ignored_cookies_are_not_forwarded_either() {
    let (origin, proxy) = before("", "[cache]\nttl = \"1m\"\ncookies = \"ignore\"").await;
    assert_eq!(with_cookie(&proxy, "sid=1").await.text(), "hello nobody");
    assert_eq!(origin.last().header("cookie"), None);
    assert!(with_cookie(&proxy, "sid=2").await.is_hit());
    crate::support::send(&proxy, "POST", "/").header("Cookie", "sid=1").await;
    assert_eq!(origin.last().header("cookie"), Some("sid=1"), "a POST keeps them");
}

#[tokio::test]
async fn a_response_that_sets_a_cookie_is_stored_only_where_it_says_so() {
    for (control, config, stored, kept) in [
        ("max-age=60", "", false, true),
        ("public, max-age=60", "", true, true),
        ("s-maxage=60", "", true, true),
        ("max-age=60", "[cache]\nset_cookie = \"rfc\"", true, true),
        ("max-age=60", "[cache]\nset_cookie = \"strip\"", true, false),
    ] {
        let reply = Reply::ok("x").header("Cache-Control", control).header("Set-Cookie", "a=1");
        let origin = Origin::always(reply).await;
        let proxy = Proxy::with(&origin, config).await;
        let status = get(&proxy, "/").await.cache_status();
        assert_eq!(status.stored, stored, "{control} {config}");
        assert_eq!(
            status.detail(),
            if stored { "cold" } else { "set-cookie" },
            "{control} {config}"
        );
        let second = get(&proxy, "/").await;
        assert_eq!(second.is_hit(), stored, "{control} {config}");
        assert_eq!(second.header("set-cookie").is_some(), kept, "{control} {config}");
    }
}
