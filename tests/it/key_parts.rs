//! What of a request is part of its key: `[cache.key]`.

use crate::support::{Answer, Ask, Gate, Origin, Proxy, Reply, get, send};

/// An origin that says what it saw of the tenant and the cookies, under this Cache-Control.
async fn before(control: &'static str, config: &str) -> (Origin, Proxy) {
    let origin = Origin::serve(move |seen| {
        let tenant = seen.header("x-tenant").unwrap_or("-");
        let reply = Reply::ok(format!("{tenant} {}", seen.header("cookie").unwrap_or("-")));
        if control.is_empty() { reply } else { reply.header("Cache-Control", control) }
    })
    .await;
    let proxy = Proxy::with(&origin, &format!("[cache]\n{config}")).await;
    (origin, proxy)
}

fn tenant(proxy: &Proxy, name: &str) -> Ask {
    get(proxy, "/").header("X-Tenant", name)
}

async fn cookie(proxy: &Proxy, cookie: &str) -> Answer {
    get(proxy, "/").header("Cookie", cookie).await
}

#[tokio::test]
async fn parameters_outside_the_key_are_not_forwarded_either() {
    let (origin, proxy) =
        before("max-age=60", "key.query = { include = ['p*'], exclude = ['page2'] }").await;
    for (asked, seen) in
        [("/?q=1&page=2&page2=3&p", "/?page=2&p"), ("/?q=1", "/"), ("/?%70=1", "/"), ("/", "/")]
    {
        get(&proxy, asked).await;
        let known = origin.seen().iter().any(|it| it.target == seen);
        assert!(known, "{asked}: include without exclude, in key and request alike");
    }
    assert_eq!(origin.requests(), 2, "two keys");
}

#[tokio::test]
async fn the_value_of_a_key_field_chooses_the_answer() {
    let (origin, proxy) = before("max-age=60", "key.headers = ['x-TENANT']").await;
    for _ in 0..2 {
        for name in ["a", "b"] {
            assert_eq!(tenant(&proxy, name).await.text(), format!("{name} -"));
        }
        assert_eq!(get(&proxy, "/").await.text(), "- -", "none is a value, too");
    }
    assert_eq!(origin.requests(), 3, "one for each value");
}

#[tokio::test]
async fn a_thousand_tenants_have_an_answer_each() {
    let words = "key.headers = ['X-Tenant']";
    let (origin, proxy) = before("max-age=60", words).await;
    for _ in 0..2 {
        for n in 0..1000 {
            assert_eq!(tenant(&proxy, &n.to_string()).await.text(), format!("{n} -"));
        }
    }
    assert_eq!(origin.requests(), 1000, "none pushed another out: memory is the bound");
    send(&proxy, "POST", "/").await;
    for n in [0, 999] {
        assert!(!tenant(&proxy, &n.to_string()).await.is_hit(), "all of them are invalid: {n}");
    }
}

#[tokio::test]
async fn a_client_cannot_choose_a_key_of_its_own() {
    let words = "key.headers = ['X-Tenant']";
    let (origin, proxy) = before("max-age=60", words).await;
    for own in ["a", "b"] {
        tenant(&proxy, "t").header("Larder-Key-Cookies", own).await;
    }
    assert_eq!(origin.requests(), 1, "the field is Larder's alone");
    assert_eq!(origin.last().header("larder-key-cookies"), None);
}

#[tokio::test]
async fn requests_at_the_same_time_are_told_apart_by_key_fields() {
    let gate = Gate::new();
    let held = gate.clone();
    let origin = Origin::serve(move |seen| {
        let who = seen.header("x-tenant").or(seen.header("cookie")).unwrap_or("-").to_owned();
        Reply::fresh(60, who).held(&held)
    })
    .await;
    let words = "[cache.key]\nheaders = ['X-Tenant']\ncookies = ['lang']";
    let proxy = Proxy::with(&origin, words).await;
    let mut a = tenant(&proxy, "a").sent().await;
    let mut b = tenant(&proxy, "b").sent().await;
    let mut de = get(&proxy, "/").header("Cookie", "lang=de").sent().await;
    gate.until_arrived(1).await;
    proxy.settle().await;
    gate.open();
    assert_eq!(a.read().await.unwrap().text(), "a");
    assert_eq!(b.read().await.unwrap().text(), "b", "another tenant's fetch is not for it");
    assert_eq!(de.read().await.unwrap().text(), "lang=de");
}

#[tokio::test]
async fn an_unsafe_request_invalidates_for_every_value() {
    let words = "key = { headers = ['X-Tenant'], cookies = ['lang'] }";
    let (origin, proxy) = before("max-age=60", words).await;
    for name in ["a", "b"] {
        tenant(&proxy, name).await;
        cookie(&proxy, &format!("lang={name}")).await;
    }
    send(&proxy, "DELETE", "/").header("X-Tenant", "a").await;
    for name in ["a", "b"] {
        assert!(!tenant(&proxy, name).await.is_hit(), "{name}: RFC 9111 §4.4: the target URI");
        assert!(!cookie(&proxy, &format!("lang={name}")).await.is_hit(), "{name}");
    }
    assert_eq!(origin.requests(), 9);
}

#[tokio::test]
async fn key_fields_stand_beside_those_of_vary() {
    let origin = Origin::serve(|seen| {
        let said = |name| seen.header(name).unwrap_or("-").to_owned();
        let body = format!("{} {}", said("x-tenant"), said("accept"));
        Reply::fresh(60, body).header("Vary", "Accept, X-Tenant")
    })
    .await;
    let proxy = Proxy::with(&origin, "[cache.key]\nheaders = ['X-Tenant']").await;
    for _ in 0..2 {
        for (name, accept) in [("a", "x/y"), ("a", "x/z"), ("b", "x/y")] {
            let answer = tenant(&proxy, name).header("Accept", accept).await;
            assert_eq!(answer.text(), format!("{name} {accept}"), "RFC 9111 §4.1");
        }
    }
    assert_eq!(origin.requests(), 3);
}

#[tokio::test]
async fn one_cookie_in_the_key_does_not_share_the_others() {
    let (origin, proxy) = before("", "ttl = '1m'\nkey.cookies = ['lang']").await;
    for value in ["de", "en"] {
        let own = format!("lang={value}");
        assert!(cookie(&proxy, &own).await.cache_status().stored, "all its cookies are in the key");
        let hit = cookie(&proxy, &own).await;
        assert_eq!((hit.text(), hit.is_hit()), (format!("- {own}").as_str(), true));
    }
    let status = cookie(&proxy, "lang=de; sid=1").await.cache_status();
    assert_eq!((status.hit, status.stored), (false, false), "sid is not, and this ttl is ours");
    assert_eq!(cookie(&proxy, "lang=de; sid=2").await.text(), "- lang=de; sid=2");
    assert_eq!(get(&proxy, "/").await.text(), "- -");
    assert_eq!(origin.requests(), 5);
}

#[tokio::test]
async fn ignored_cookies_leave_those_of_the_key() {
    let (origin, proxy) =
        before("", "ttl = '1m'\ncookies = 'ignore'\nkey.cookies = ['lang', 'cur']").await;
    assert_eq!(cookie(&proxy, "sid=1; lang=de; cur=eur").await.text(), "- lang=de; cur=eur");
    assert!(cookie(&proxy, "lang=de; sid=2; cur=eur").await.is_hit());
    assert_eq!(cookie(&proxy, "lang=en; sid=2").await.text(), "- lang=en");
    assert_eq!(cookie(&proxy, "sid=2").await.text(), "- -");
    assert!(get(&proxy, "/").await.is_hit(), "no cookie of the key, as before");
    send(&proxy, "POST", "/").header("Cookie", "sid=1; lang=de").await;
    assert_eq!(origin.last().header("cookie"), Some("sid=1; lang=de"), "a POST keeps them");
}

#[tokio::test]
async fn a_client_cannot_write_the_field_that_selects_by_cookies() {
    for words in ["key.cookies = ['lang']", "cookies = 'ignore'", ""] {
        let (origin, proxy) = before("max-age=60", words).await;
        get(&proxy, "/").await;
        let answer = get(&proxy, "/").header("Larder-Key-Cookies", "lang=de").await;
        assert!(answer.is_hit(), "{words}: it has no cookie");
        get(&proxy, "/new").header("Larder-Key-Cookies", "lang=de").await;
        let seen = origin.last();
        assert_eq!(seen.header("larder-key-cookies"), None, "{words}: it is ours");
        assert_eq!(seen.header("cookie"), None, "{words}: and no way to a Cookie");
        cookie(&proxy, "lang=de").await;
        assert_eq!(origin.last().header("larder-key-cookies"), None, "{words}");
    }
}

#[tokio::test]
async fn no_304_names_another_tenants_answer() {
    let origin = Origin::serve(|seen| match seen.header("if-none-match") {
        Some(_) => Reply::status(304).header("ETag", "\"same\""),
        None => Reply::fresh(60, seen.header("x-tenant").unwrap_or("-").to_owned())
            .header("ETag", "\"same\""),
    })
    .await;
    let proxy = Proxy::with(&origin, "[cache.key]\nheaders = ['X-Tenant']").await;
    for name in ["a", "b"] {
        assert_eq!(tenant(&proxy, name).await.text(), name, "an origin's mistake stays its own");
    }
}

#[tokio::test]
async fn other_key_parts_find_nothing_that_was_stored_before() {
    for words in ["headers = ['X-Tenant']", "cookies = ['lang']"] {
        let (_origin, proxy) = before("max-age=60", "").await;
        let ask = |name: &str| tenant(&proxy, name).header("Cookie", &format!("lang={name}"));
        ask("a").await;
        proxy.reload(&format!("[cache.key]\n{words}"));
        assert_eq!(ask("b").await.text(), "b lang=b", "{words}");
        ask("a").await;
        proxy.reload("");
        assert!(!ask("c").await.is_hit(), "{words} told them apart; now nothing does");
    }
}
