//! What the operator keeps out of the cache: `bypass_when` and `no_store_when`.

use crate::support::{Origin, Proxy, Reply, get, send};

/// An origin whose every answer is fresh for ten minutes, and another one.
async fn counting() -> Origin {
    Origin::serve(|seen| Reply::fresh(600, format!("take {}", seen.number))).await
}

#[tokio::test]
async fn what_is_bypassed_is_neither_served_from_the_cache_nor_stored() {
    let origin = counting().await;
    let words = "bypass_when = ['header:X-Preview', 'cookie:session', 'query:debug=1']";
    let proxy = Proxy::with(&origin, &format!("[cache]\n{words}")).await;
    assert_eq!(get(&proxy, "/").await.text(), "take 1");
    assert_eq!(get(&proxy, "/?debug=0").await.text(), "take 2");
    let asks = [
        (get(&proxy, "/").header("X-Preview", ""), "take 3"),
        (get(&proxy, "/").header("Cookie", "a=b; session=1"), "take 4"),
        (get(&proxy, "/?debug=1"), "take 5"),
        (get(&proxy, "/?debug=1"), "take 6"),
        (send(&proxy, "HEAD", "/").header("X-Preview", "1"), ""),
        (get(&proxy, "/").header("X-Preview", "1").header("Range", "bytes=0-1"), "take 8"),
        (get(&proxy, "/").header("X-Preview", "1").header("If-None-Match", "\"x\""), "take 9"),
    ];
    for (ask, expected) in asks {
        let answer = ask.await;
        let status = answer.cache_status();
        assert_eq!(answer.text(), expected, "it went to the API");
        let told = (status.fwd(), status.stored, status.detail());
        assert_eq!(told, ("bypass", false, "bypass-when"), "RFC 9211 §2.2");
    }
    assert_eq!(get(&proxy, "/").await.text(), "take 1", "what was stored is as it was");
    assert_eq!(get(&proxy, "/?debug=0").await.text(), "take 2");
}

#[tokio::test]
async fn what_is_bypassed_is_forwarded_as_it_came() {
    let origin = counting().await;
    let proxy = Proxy::with(
        &origin,
        "[cache]\nbypass_when = ['cookie:session', 'query:debug']\ncookies = 'ignore'\n\
         key = { query = { exclude = ['debug'] }, cookies = ['lang'] }",
    )
    .await;
    get(&proxy, "/?debug=1&a=2").header("Cookie", "x=1").await;
    assert_eq!(origin.last().target, "/?debug=1&a=2");
    assert_eq!(origin.last().header("cookie"), Some("x=1"), "the cookies belong to the request");
    get(&proxy, "/").header("Cookie", "session=1; lang=de").await;
    assert_eq!(origin.last().header("cookie"), Some("session=1; lang=de"));
    get(&proxy, "/?a=2").header("Cookie", "x=1; lang=de").await;
    assert_eq!(origin.last().header("cookie"), Some("lang=de"), "others go as the route says");
}

#[tokio::test]
async fn what_is_bypassed_still_invalidates() {
    let origin = counting().await;
    let words = "bypass_when = 'header:X-Preview'\nkey.query.exclude = ['debug']";
    let proxy = Proxy::with(&origin, &format!("[cache]\n{words}")).await;
    get(&proxy, "/").await;
    send(&proxy, "POST", "/?debug=1").header("X-Preview", "1").body("new").await;
    assert_eq!(get(&proxy, "/").await.text(), "take 3", "RFC 9111 §4.4");
}

#[tokio::test]
async fn a_bypassed_post_is_not_stored_for_gets() {
    for words in ["bypass_when = 'header:X-Preview'", "no_store_when = 'header:X-Preview'"] {
        let origin = Origin::serve(|seen| {
            Reply::fresh(600, format!("take {}", seen.number)).header("Content-Location", "/")
        })
        .await;
        let proxy = Proxy::with(&origin, &format!("[cache]\n{words}")).await;
        send(&proxy, "POST", "/").header("X-Preview", "1").body("x").await;
        assert_eq!(get(&proxy, "/").await.text(), "take 2", "{words} over RFC 9110 §9.3.3");
        send(&proxy, "POST", "/").body("x").await;
        assert_eq!(get(&proxy, "/").await.text(), "take 3", "{words}: others are");
    }
}

#[tokio::test]
async fn requests_that_are_not_stored_may_be_answered_by_what_is() {
    let origin = counting().await;
    let proxy = Proxy::with(&origin, "[cache]\nno_store_when = 'query:debug'").await;
    for n in 1..=2 {
        let answer = get(&proxy, "/?debug").await;
        assert_eq!(answer.text(), format!("take {n}"), "nothing is stored by it");
        assert_eq!(answer.cache_status().detail(), "no-store-when");
    }
    let proxy = Proxy::with(&origin, "[cache]\nno_store_when = 'header:X-Probe'").await;
    get(&proxy, "/").await;
    let hit = get(&proxy, "/").header("X-Probe", "1").await;
    assert!(hit.is_hit(), "what is stored is fresh, and no more is stored by it");
}

#[tokio::test]
async fn requests_that_are_not_stored_do_not_change_what_is() {
    let origin = Origin::serve(|seen| match seen.header("if-none-match") {
        Some(_) => Reply::status(304).header("Cache-Control", "max-age=600"),
        None => Reply::fresh(10, format!("take {}", seen.number)).header("ETag", "\"a\""),
    })
    .await;
    let words = "no_store_when = 'header:X-Probe'\nstale_while_revalidate = '1m'";
    let proxy = Proxy::with(&origin, &format!("[cache]\n{words}")).await;
    get(&proxy, "/").await;
    proxy.advance(20);
    let own = get(&proxy, "/").header("X-Probe", "1").await;
    assert_eq!((own.text(), own.cache_status().fwd()), ("take 2", "stale"), "it is its own alone");
    let stale = get(&proxy, "/").await;
    assert_eq!(stale.cache_status().detail(), "stale-while-revalidate", "nothing was refreshed");
    assert_eq!(stale.text(), "take 1");
    let only = get(&proxy, "/").header("X-Probe", "1").header("Cache-Control", "only-if-cached");
    assert_eq!(only.await.text(), "take 1", "RFC 9111 §5.2.1.7");
}

#[tokio::test]
async fn answers_that_are_not_stored_are_served_and_end_what_was() {
    let origin = Origin::serve(|seen| match seen.number {
        1 => Reply::fresh(10, "kept").header("ETag", "\"a\""),
        2 => Reply::status(304).header("X-Volatile", "yes"),
        n => Reply::fresh(600, format!("take {n}")).header("X-Volatile", "no"),
    })
    .await;
    let proxy = Proxy::with(&origin, "[cache]\nno_store_when = 'response:X-Volatile=yes'").await;
    get(&proxy, "/").await;
    proxy.advance(20);
    let validated = get(&proxy, "/").await;
    assert_eq!(validated.text(), "kept", "RFC 9111 §4.3.4: for the client that asked");
    assert_eq!(validated.cache_status().detail(), "no-store-when");
    assert!(get(&proxy, "/").await.cache_status().stored, "another value is stored");
    assert_eq!(get(&proxy, "/").await.text(), "take 3");
}

#[tokio::test]
async fn an_error_that_is_not_stored_leaves_what_may_stand_in() {
    let origin = Origin::serve(|seen| match seen.number {
        1 => Reply::fresh(10, "kept"),
        _ => Reply::status(503).header("Cache-Control", "max-age=600"),
    })
    .await;
    let words = "no_store_when = 'status:5xx'\nstale_if_error = '1m'";
    let proxy = Proxy::with(&origin, &format!("[cache]\n{words}")).await;
    get(&proxy, "/").await;
    proxy.advance(20);
    for _ in 0..2 {
        assert_eq!(get(&proxy, "/").await.text(), "kept", "RFC 5861 §4");
    }
    assert_eq!(get(&proxy, "/other").await.status, 503);
    let status = get(&proxy, "/other").await.cache_status();
    assert_eq!((status.hit, status.detail()), (false, "no-store-when"));
}

#[tokio::test]
async fn a_new_condition_finds_nothing_that_was_stored_without_it() {
    for words in ["bypass_when = 'header:X-Preview'", "no_store_when = 'response:X-Preview'"] {
        let origin = Origin::serve(|seen| {
            let preview = seen.header("x-preview").unwrap_or("none").to_owned();
            Reply::fresh(600, preview.clone()).header("X-Preview", preview)
        })
        .await;
        let proxy = Proxy::before(&origin).await;
        get(&proxy, "/").header("X-Preview", "draft").await;
        proxy.reload(&format!("[cache]\n{words}"));
        assert_eq!(
            get(&proxy, "/").await.text(),
            "none",
            "{words}: the draft was stored before it"
        );
    }
}
