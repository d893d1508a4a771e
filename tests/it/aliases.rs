//! Fields with an underscore in their name: CGI and its descendants (WSGI, PHP, Rack) take
//! `X_Tenant` for `X-Tenant`, and no cache keys by both (RFC 9111 §4.1). They are forwarded as they
//! came (RFC 9110 §5.1), and the answer is their client's alone.

use serde_json::{Value, json};

use crate::support::{Ask, Gate, Origin, Proxy, Reply, Seen, get, send};

/// What CGI makes of a field: all of that name, `-` and `_` being the same to it.
fn by_cgi(seen: &Seen, name: &str) -> String {
    let same = |other: &str| other.replace('_', "-").eq_ignore_ascii_case(name);
    let lines = seen.fields.iter().filter(|it| same(&it.0)).map(|it| it.1.as_str());
    lines.collect::<Vec<_>>().join(",")
}

/// What an origin behind CGI says: which tenant and which language it was asked for.
fn said(seen: &Seen) -> String {
    let named = ["x-tenant", "accept-language"].map(|name| by_cgi(seen, name));
    named.join("/")
}

/// An origin behind CGI.
async fn behind_cgi(config: &str) -> (Origin, Proxy) {
    let origin = Origin::serve(|seen| {
        let reply = Reply::fresh(60, said(&seen)).header("Vary", "Accept-Language, X-Tenant");
        reply.header("ETag", format!("\"{}\"", said(&seen).replace('/', ".")))
    })
    .await;
    let proxy = Proxy::with(&origin, config).await;
    (origin, proxy)
}

#[tokio::test]
async fn the_alias_of_a_selecting_field_poisons_nothing() {
    for config in [
        "",
        "[cache]\nkey.headers = ['X-Tenant']",
        "[throttle]\nrate = '100/s'\nkey = 'header:X_Tenant'",
        "[cache]\nbypass_when = ['header:X_Tenant=no']\nkey.headers = ['X-Tenant']",
        "[cache]\nno_store_when = ['header:X_Tenant=no']",
    ] {
        let (origin, proxy) = behind_cgi(config).await;
        let evil = |ask: Ask| ask.header("X_Tenant", "evil").header("Accept_Language", "xx");
        assert_eq!(evil(get(&proxy, "/")).await.text(), "evil/xx", "RFC 9110 §5.1: {config}");
        let plain = get(&proxy, "/").await;
        assert_eq!((plain.text(), plain.is_hit()), ("/", false), "RFC 9111 §4.1: {config}");
        let again = evil(get(&proxy, "/")).await;
        assert_eq!((again.text(), again.is_hit()), ("evil/xx", false), "nor the reverse: {config}");
        let status = again.cache_status();
        assert_eq!((status.fwd(), status.detail(), status.stored), ("bypass", "underscore", false));
        evil(get(&proxy, "/").header("X-Tenant", "a")).await;
        assert_eq!(get(&proxy, "/").header("X-Tenant", "a").await.text(), "a/", "{config}");
        assert!(get(&proxy, "/").await.is_hit(), "{config}");
        assert_eq!(origin.requests(), 5, "{config}");
    }
}

/// RFC 9110 §5.1: "A proxy MUST forward unrecognized header fields".
#[tokio::test]
async fn an_api_that_is_asked_by_such_a_field_is_answered() {
    let origin = Origin::serve(|seen| match seen.header("api_key") {
        Some("k") => Reply::fresh(60, "pet").header("Vary", "api_key"),
        _ => Reply::status(401),
    })
    .await;
    let proxy = Proxy::before(&origin).await;
    for method in ["GET", "HEAD", "POST"] {
        let answer = send(&proxy, method, "/pet").header("api_key", "k").await;
        assert_eq!((answer.status, answer.is_hit()), (200, false), "{method}");
    }
    assert_eq!(get(&proxy, "/pet").await.status, 401, "and it opens to nobody else");
    let answer = get(&proxy, "/pet").header("api_key", "k").header("If-None-Match", "\"x\"").await;
    assert_eq!(answer.text(), "pet");
    assert_eq!(origin.last().header("if-none-match"), Some("\"x\""), "as it came");
    let answer = get(&proxy, "/pet").header("api_key", "k");
    let answer = answer.header("Cache-Control", "only-if-cached").await;
    assert_eq!(answer.status, 504, "RFC 9111 §5.2.1.7: nothing stored is for it");
}

/// RFC 9111 §4.3.1: the twin of a condition, of a range, of a coding is the origin's to read, and
/// what it then says is for nobody else.
#[tokio::test]
async fn what_an_alias_conditions_or_forms_goes_to_its_client_alone() {
    let gzip = |seen: &Seen| by_cgi(seen, "accept-encoding").contains("gzip");
    let origin = Origin::serve(move |seen| {
        let reply = |status| Reply::status(status).header("ETag", "\"v\"");
        let fresh = |status| reply(status).header("Cache-Control", "max-age=60");
        match &seen {
            _ if seen.header("if_none_match").is_some() => fresh(304),
            _ if seen.header("range_").is_some() => {
                fresh(206).header("Content-Range", "bytes 0-1/5").body("wh")
            }
            seen if gzip(seen) => fresh(200).header("Content-Encoding", "gzip").body("no gzip"),
            _ => fresh(200).body("whole"),
        }
    })
    .await;
    let config = "compression.upstream_encoding = 'identity'";
    let proxy = Proxy::with(&origin, config).await;
    for round in ["nothing is stored", "it is stored"] {
        let condition = get(&proxy, "/").header("If_None_Match", "*").await;
        assert_eq!((condition.status, condition.text()), (304, ""), "{round}");
        let part = get(&proxy, "/").header("Range_", "bytes=0-1").await;
        assert_eq!((part.status, part.text()), (206, "wh"), "{round}");
        let packed = get(&proxy, "/").header("Accept_Encoding", "gzip").await;
        assert_eq!(packed.header("content-encoding"), Some("gzip"), "{round}");
        assert_eq!(packed.text(), "no gzip", "{round}: as it came");
        let whole = get(&proxy, "/").await;
        assert_eq!((whole.status, whole.text()), (200, "whole"), "{round}");
    }
    assert_eq!(origin.requests(), 7, "what is stored is what was asked for without them");
}

#[tokio::test]
async fn a_field_of_the_key_selects_with_its_underscore_and_its_twin_is_the_alias() {
    let (origin, proxy) = behind_cgi("[cache]\nkey.headers = ['X_Tenant']").await;
    let ask = |own: &str| get(&proxy, "/").header("X_Tenant", own);
    for tenant in ["a", "b"] {
        assert_eq!(ask(tenant).await.text(), format!("{tenant}/"));
        assert!(ask(tenant).await.is_hit(), "it is part of the key");
    }
    assert_eq!(origin.requests(), 2);
    let twin = get(&proxy, "/").header("X-Tenant", "evil").await;
    assert_eq!(twin.cache_status().detail(), "underscore");
    let both = ask("a").header("X-Tenant", "evil").await;
    assert_eq!((both.is_hit(), both.cache_status().detail()), (false, "underscore"));
    assert_eq!(ask("a").await.text(), "a/");
    assert_eq!(get(&proxy, "/").await.text(), "/", "nor what is kept without it");
}

#[tokio::test]
async fn who_has_an_alias_follows_nobody() {
    let gate = Gate::new();
    let held = gate.clone();
    let origin = Origin::serve(move |seen| Reply::fresh(60, said(&seen)).held(&held)).await;
    let proxy = Proxy::before(&origin).await;
    let mut plain = get(&proxy, "/").sent().await;
    gate.until_arrived(1).await;
    let mut alias = get(&proxy, "/").header("X_Tenant", "a").sent().await;
    gate.until_arrived(2).await;
    gate.open();
    assert_eq!(plain.read().await.unwrap().text(), "/");
    let alias = alias.read().await.unwrap();
    assert_eq!((alias.text(), alias.cache_status().collapsed), ("a/", false));
    assert!(get(&proxy, "/").await.is_hit());
}

/// RFC 9111 §4.4: an unsafe request invalidates its target, whatever it carries.
#[tokio::test]
async fn an_unsafe_method_with_an_alias_invalidates() {
    let (_origin, proxy) = behind_cgi("").await;
    get(&proxy, "/").await;
    get(&proxy, "/").header("X-Tenant", "a").await;
    send(&proxy, "PUT", "/").header("X_Tenant", "a").await;
    assert!(!get(&proxy, "/").await.is_hit());
    assert!(!get(&proxy, "/").header("X-Tenant", "a").await.is_hit());
}

/// RFC 9111 §4.3.5: what a HEAD is answered for another name's sake says nothing of the GET.
#[tokio::test]
async fn a_head_with_an_alias_has_no_say() {
    let origin = Origin::serve(|seen| {
        let tag = format!("\"{}\"", by_cgi(&seen, "x-tenant"));
        Reply::fresh(60, "x").header("ETag", tag)
    })
    .await;
    let proxy = Proxy::before(&origin).await;
    get(&proxy, "/").await;
    let head = send(&proxy, "HEAD", "/").header("X_Tenant", "a").header("If-Match", "\"a\"").await;
    assert_eq!(head.header("etag"), Some("\"a\""));
    assert!(get(&proxy, "/").await.is_hit());
}

/// Entity-tags of ours are of what is stored, and that is for none with an alias: what cannot be
/// judged must not pass (RFC 9110 §13.1.1).
#[tokio::test]
async fn a_tag_of_what_is_stored_says_nothing_to_who_has_an_alias() {
    let origin = Origin::serve(|seen| Reply::fresh(60, said(&seen))).await;
    let proxy = Proxy::before(&origin).await;
    get(&proxy, "/").await;
    let tag = get(&proxy, "/").await.header("etag").expect("one of ours").to_owned();
    let put = || send(&proxy, "PUT", "/").header("If-Match", &tag);
    assert_eq!(put().header("X_Tenant", "a").await.status, 412);
    let got = get(&proxy, "/").header("X_Tenant", "a").header("If-None-Match", &tag).await;
    assert_eq!((got.status, got.text()), (200, "a/"));
    assert_eq!(put().await.status, 200);
}

#[tokio::test]
async fn an_alias_of_a_batch_is_one_of_its_items() {
    let origin = Origin::serve(|seen| {
        let told = json!(said(&seen)).to_string();
        Reply::fresh(60, told).header("Content-Type", "application/json")
    })
    .await;
    let proxy = Proxy::with(&origin, "[batch]\npath = '/_batch'\n").await;
    let batch = async |fields: &[(&str, &str)], items: Value| -> Vec<Value> {
        let ask = send(&proxy, "POST", "/_batch").header("Content-Type", "application/json");
        let ask = fields.iter().fold(ask, |ask, (name, value)| ask.header(name, value));
        let answer = ask.body(items.to_string()).await;
        let answers: Vec<Value> = serde_json::from_str(answer.text()).unwrap();
        answers.iter().map(|it| it["body"].clone()).collect()
    };
    let twice = json!([{ "path": "/1" }, { "path": "/2" }]);
    assert_eq!(
        batch(&[("X_Tenant", "evil")], twice.clone()).await,
        [json!("evil/"), json!("evil/")]
    );
    assert_eq!(batch(&[], twice.clone()).await, [json!("/"), json!("/")]);
    assert_eq!(batch(&[("X_Tenant", "evil")], twice).await, [json!("evil/"), json!("evil/")]);
    assert!(get(&proxy, "/1").await.is_hit());
}

#[tokio::test]
async fn an_alias_is_cut_for_its_client_alone() {
    let origin = Origin::serve(|seen| {
        let told = json!({ "tenant": said(&seen), "more": 1 }).to_string();
        Reply::fresh(60, told).header("Content-Type", "application/json")
    })
    .await;
    let shape = "[[routes]]\nmatch = { path = '/**' }\nshape = { fields = 'fields' }\n";
    let proxy = Proxy::with(&origin, shape).await;
    let cut = |ask: Ask| async { ask.await.text().to_owned() };
    let evil = || get(&proxy, "/?fields=tenant").header("X_Tenant", "evil");
    assert_eq!(cut(evil()).await, r#"{"tenant":"evil/"}"#);
    assert_eq!(cut(get(&proxy, "/?fields=tenant")).await, r#"{"tenant":"/"}"#);
    assert_eq!(cut(evil()).await, r#"{"tenant":"evil/"}"#);
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
async fn what_speaks_for_us_or_frames_is_dropped_in_disguise_too() {
    let (origin, proxy) = behind_cgi("").await;
    for name in ["X_Forwarded_For", "Content_Length", "Transfer_Encoding", "X_Real_IP", "Te_"] {
        get(&proxy, "/").header(name, "1").await;
        let reached = origin.last().fields.iter().any(|it| it.0.eq_ignore_ascii_case(name));
        assert_eq!(reached, name == "Te_", "{name}: RFC 9112 §6.3");
    }
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
