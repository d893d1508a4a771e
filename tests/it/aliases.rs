//! Fields with an underscore in their name: CGI and its descendants (WSGI, PHP, Rack) take
//! `X_Tenant` for `X-Tenant`, and no cache keys by both (RFC 9111 §4.1).

use crate::support::{Ask, Origin, Proxy, Reply, Seen, get, send};

/// What CGI makes of a field: all of that name, `-` and `_` being the same to it.
fn by_cgi(seen: &Seen, name: &str) -> String {
    let same = |other: &str| other.replace('_', "-").eq_ignore_ascii_case(name);
    let lines = seen.fields.iter().filter(|it| same(&it.0)).map(|it| it.1.as_str());
    lines.collect::<Vec<_>>().join(",")
}

/// An origin behind CGI: it says which tenant and which language it was asked for.
async fn behind_cgi(config: &str) -> (Origin, Proxy) {
    let origin = Origin::serve(|seen| {
        let (tenant, language) = (by_cgi(&seen, "x-tenant"), by_cgi(&seen, "accept-language"));
        Reply::fresh(60, format!("{tenant}/{language}")).header("Vary", "Accept-Language")
    })
    .await;
    let proxy = Proxy::with(&origin, config).await;
    (origin, proxy)
}

#[tokio::test]
async fn the_alias_of_a_selecting_field_poisons_nothing() {
    let (origin, proxy) = behind_cgi("[cache]\nkey.headers = ['X-Tenant']").await;
    let evil = |ask: Ask| ask.header("X_Tenant", "evil").header("Accept_Language", "xx");
    assert_eq!(evil(get(&proxy, "/")).await.text(), "/", "the aliases do not reach the origin");
    let plain = get(&proxy, "/").await;
    assert_eq!((plain.text(), plain.is_hit()), ("/", true), "RFC 9111 §4.1");
    evil(get(&proxy, "/").header("X-Tenant", "a")).await;
    assert_eq!(get(&proxy, "/").header("X-Tenant", "a").await.text(), "a/");
    assert_eq!(origin.requests(), 2);
}

#[tokio::test]
async fn no_condition_and_no_coding_reaches_the_origin_by_an_alias() {
    let (origin, proxy) = behind_cgi("").await;
    let ask = get(&proxy, "/").header("If_None_Match", "*").header("Accept_Encoding", "br");
    ask.header("Range_", "bytes=0-1").await;
    let seen = origin.last();
    let aliases: Vec<_> = seen.fields.iter().filter(|it| it.0.contains('_')).collect();
    assert!(aliases.is_empty(), "RFC 9111 §4.3.1: the conditions are ours: {aliases:?}");
}

#[tokio::test]
async fn a_field_that_the_operator_names_with_its_underscore_is_kept_and_has_no_twin() {
    let (_origin, proxy) = behind_cgi("[cache]\nkey.headers = ['X_Tenant']").await;
    let ask =
        |own: &str, twin: &str| get(&proxy, "/").header("X_Tenant", own).header("X-Tenant", twin);
    assert_eq!(ask("a", "evil").await.text(), "a/", "the twin is the alias here");
    assert_eq!(ask("a", "b").await.text(), "a/");
    assert_eq!(ask("c", "a").await.text(), "c/", "it is part of the key");
    for config in [
        "[throttle]\nrate = '100/s'\nkey = 'header:x_tenant'",
        "[cache]\nbypass_when = ['header:X_Tenant=no']",
        "[cache]\nno_store_when = ['header:X_Tenant=no']",
    ] {
        let (origin, proxy) = behind_cgi(config).await;
        get(&proxy, "/").header("X_Tenant", "a").await;
        assert_eq!(origin.last().header("x_tenant"), Some("a"), "{config}");
    }
}

#[tokio::test]
async fn what_the_cache_has_no_part_in_keeps_its_fields() {
    let (origin, proxy) = behind_cgi("[cache]\nbypass_when = ['query:live']").await;
    for (method, target) in [("GET", "/?live"), ("PUT", "/"), ("POST", "/"), ("OPTIONS", "/")] {
        send(&proxy, method, target).header("X_Tenant", "a").await;
        assert_eq!(origin.last().header("x_tenant"), Some("a"), "{method} {target}");
    }
    get(&proxy, "/body").header("X_Tenant", "a").body("b").await;
    assert_eq!(origin.last().header("x_tenant"), Some("a"), "a GET with content is passed");
    let (origin, proxy) = behind_cgi("[cache]\nmode = 'off'").await;
    get(&proxy, "/").header("X_Tenant", "a").await;
    assert_eq!(origin.last().header("x_tenant"), Some("a"), "mode = \"off\"");
}

#[tokio::test]
async fn what_a_post_with_an_alias_brings_answers_no_get() {
    let origin = Origin::serve(|seen| {
        let said = Reply::fresh(60, by_cgi(&seen, "x-tenant"));
        said.header("Content-Location", "/")
    })
    .await;
    let proxy = Proxy::before(&origin).await;
    send(&proxy, "POST", "/").header("X_Tenant", "evil").await;
    let answer = get(&proxy, "/").await;
    assert_eq!((answer.text(), answer.is_hit()), ("", false), "RFC 9110 §9.3.3");
    send(&proxy, "POST", "/").await;
    assert!(get(&proxy, "/").await.is_hit(), "without one it does");
}
