//! `private="…"` and `no-cache="…"` with field names (RFC 9111 §5.2.2.7, §5.2.2.4): those fields
//! are for the client that asked, the rest is for everybody.

use crate::support::{Gate, Origin, Proxy, Reply, get, send};

const FIELDS: [&str; 2] = ["set-cookie", "x-user"];

fn personal(directives: &str) -> Reply {
    with_personal(Reply::ok("x"), directives)
}

fn with_personal(reply: Reply, directives: &str) -> Reply {
    reply
        .header("Cache-Control", directives)
        .header("Set-Cookie", "a=1")
        .header("X-User", "ada")
        .header("Set-Cookie", "b=2")
        .header("X-Other", "o")
}

#[tokio::test]
async fn named_fields_go_to_the_first_client_alone() {
    for directives in [
        "max-age=60, private=\"set-cookie, x-user\"",
        "max-age=60, no-cache=\"Set-Cookie, X-User\"",
        "max-age=60, private=\"set-cookie\", no-cache=x-user",
    ] {
        let origin = Origin::always(personal(directives)).await;
        let proxy = Proxy::before(&origin).await;
        let first = get(&proxy, "/").await;
        assert_eq!(first.headers("set-cookie"), ["a=1", "b=2"], "{directives}");
        assert_eq!(first.header("x-user"), Some("ada"), "{directives}");
        let second = get(&proxy, "/").await;
        assert!(second.is_hit(), "the rest is stored and shared: {directives}");
        assert_eq!(second.header("x-other"), Some("o"));
        for field in FIELDS {
            assert_eq!(second.header(field), None, "§5.2.2: {directives}");
        }
    }
}

#[tokio::test]
async fn who_reads_along_gets_none_of_them() {
    let gate = Gate::new();
    let reply = personal("max-age=60, private=\"set-cookie, x-user\"").gate(&gate).chunked();
    let origin = Origin::always(reply).await;
    let proxy = Proxy::before(&origin).await;
    let mut first = get(&proxy, "/").arriving().await;
    first.body(1).await;
    let mut second = get(&proxy, "/").arriving().await;
    second.body(1).await;
    assert!(second.so_far().cache_status().collapsed);
    assert_eq!(first.so_far().headers("set-cookie").len(), 2, "it is its own");
    for field in FIELDS {
        assert_eq!(second.so_far().header(field), None, "§5.2.2.7: another client's {field}");
    }
    gate.open();
    first.end().await.unwrap();
    second.end().await.unwrap();
    assert_eq!(origin.requests(), 1);
}

#[tokio::test]
async fn a_validation_brings_them_to_the_client_that_asked() {
    let origin = Origin::serve(|seen| {
        let reply = match seen.header("if-none-match") {
            Some(_) => Reply::status(304),
            None => Reply::ok("x"),
        };
        let cookie = format!("n={}", seen.number);
        let reply = reply.header("Cache-Control", "max-age=60, no-cache=\"set-cookie\"");
        reply.header("ETag", "\"a\"").header("Set-Cookie", cookie)
    })
    .await;
    let proxy = Proxy::before(&origin).await;
    assert_eq!(get(&proxy, "/").await.headers("set-cookie"), ["n=1"]);
    proxy.advance(60);
    let validated = get(&proxy, "/").await;
    assert_eq!(validated.cache_status().fwd_status, Some(304));
    assert_eq!(validated.headers("set-cookie"), ["n=2"], "§5.2.2.4: after a validation");
    let hit = get(&proxy, "/").await;
    assert_eq!((hit.is_hit(), hit.header("set-cookie")), (true, None), "§5.2.2.4: not without");
}

#[tokio::test]
async fn what_a_304_names_leaves_the_store() {
    let origin = Origin::serve(|seen| match seen.header("if-none-match") {
        Some(_) => Reply::status(304)
            .header("ETag", "\"a\"")
            .header("Cache-Control", "max-age=60, private=\"x-user\""),
        None => Reply::fresh(60, "x").header("ETag", "\"a\"").header("X-User", "ada"),
    })
    .await;
    let proxy = Proxy::before(&origin).await;
    get(&proxy, "/").await;
    assert_eq!(get(&proxy, "/").await.header("x-user"), Some("ada"));
    proxy.advance(60);
    get(&proxy, "/").await;
    let hit = get(&proxy, "/").await;
    assert_eq!((hit.is_hit(), hit.header("x-user")), (true, None), "§3.2, §5.2.2.7");
}

#[tokio::test]
async fn a_response_that_cannot_do_without_them_is_nobody_elses() {
    for (directives, fwd) in [
        ("max-age=60, private=\"content-type\"", "uri-miss"),
        ("max-age=60, private=\"\"", "uri-miss"),
        ("max-age=60, private=\"x-user\", private", "uri-miss"),
        ("max-age=60, no-cache=\"etag\"", "stale"),
    ] {
        let reply = Reply::ok("x").header("Cache-Control", directives).header("ETag", "\"a\"");
        let origin = Origin::always(reply).await;
        let proxy = Proxy::before(&origin).await;
        get(&proxy, "/").await;
        let again = get(&proxy, "/").await.cache_status();
        assert_eq!(
            (again.hit, again.fwd()),
            (false, fwd),
            "§5.2.2: as without names: {directives}"
        );
    }
}

#[tokio::test]
async fn fields_of_one_hop_are_not_passed_on_because_they_are_named() {
    let reply = Reply::fresh(60, "x")
        .header("Connection", "x-hop")
        .header("X-Hop", "1")
        .header("Cache-Control", "private=\"x-hop, connection\"");
    let origin = Origin::always(reply).await;
    let proxy = Proxy::before(&origin).await;
    assert_eq!(get(&proxy, "/").await.header("x-hop"), None, "RFC 9110 §7.6.1");
}

#[tokio::test]
async fn a_cookie_that_the_operator_strips_is_stripped_for_all() {
    let origin = Origin::always(personal("max-age=60, no-cache=\"set-cookie\"")).await;
    let proxy = Proxy::with(&origin, "[cache]\nset_cookie = \"strip\"").await;
    assert_eq!(get(&proxy, "/").await.header("set-cookie"), None, "`set_cookie = \"strip\"`");
}

#[tokio::test]
async fn what_is_kept_in_passing_is_kept_without_them() {
    for method in ["GET", "POST"] {
        let directives = "max-age=60, private=\"set-cookie, x-user\"";
        let reply = match method {
            "GET" => with_personal(Reply::status(206).body("x"), directives)
                .header("Content-Range", "bytes 0-0/2"),
            _ => personal(directives).header("Content-Location", "/"),
        };
        let origin = Origin::always(reply).await;
        let proxy = Proxy::before(&origin).await;
        let first = send(&proxy, method, "/").header("Range", "bytes=0-0").await;
        assert_eq!(first.headers("set-cookie"), ["a=1", "b=2"], "{method}");
        assert_eq!(first.header("x-user"), Some("ada"), "{method}");
        let second = get(&proxy, "/").header("Range", "bytes=0-0").await;
        assert!(second.is_hit(), "{method}");
        for field in FIELDS {
            assert_eq!(second.header(field), None, "§5.2.2: {method}");
        }
    }
}

#[tokio::test]
async fn a_304_that_withholds_a_field_gives_nobody_the_stored_one() {
    for directives in ["max-age=60, private=\"set-cookie\"", "max-age=60, no-cache=\"set-cookie\""]
    {
        let origin = Origin::serve(move |seen| match seen.number {
            1 => {
                let shared = Reply::ok("x").header("Cache-Control", "s-maxage=1");
                shared.header("Set-Cookie", "user=ada").header("ETag", "\"a\"")
            }
            _ => Reply::status(304).header("Cache-Control", directives).header("ETag", "\"a\""),
        })
        .await;
        let proxy = Proxy::before(&origin).await;
        get(&proxy, "/").await;
        proxy.advance(2);
        for _ in 0..2 {
            let later = get(&proxy, "/").await;
            assert_eq!((later.status, later.text()), (200, "x"));
            assert_eq!(later.header("set-cookie"), None, "§5.2.2.7: another client's cookie");
        }
        assert_eq!(origin.requests(), 2, "validated once");
    }
}

#[tokio::test]
async fn a_part_that_withholds_a_field_completes_no_other_clients_answer_with_it() {
    for (second, what) in [("bytes=4-9", "a later part"), ("", "the rest")] {
        let origin = Origin::serve(|seen| {
            let range = seen.header("range").unwrap_or_default();
            let (span, text) = match range {
                "bytes=0-3" => ("bytes 0-3/10", "0123"),
                _ => ("bytes 4-9/10", "456789"),
            };
            let part = Reply::status(206).body(text).header("Content-Range", span);
            let part = part.header("ETag", "\"a\"");
            match seen.number {
                1 => part.header("Cache-Control", "s-maxage=60").header("Set-Cookie", "user=ada"),
                _ => part.header("Cache-Control", "max-age=60, private=\"set-cookie\""),
            }
        })
        .await;
        let proxy = Proxy::before(&origin).await;
        get(&proxy, "/").header("Range", "bytes=0-3").await;
        let next = match second {
            "" => get(&proxy, "/").await,
            range => get(&proxy, "/").header("Range", range).await,
        };
        let whole = get(&proxy, "/").await;
        assert_eq!(whole.text(), "0123456789", "§3.4: {what}");
        for answer in [&next, &whole] {
            assert_eq!(answer.header("set-cookie"), None, "§5.2.2.7: another's cookie by {what}");
        }
    }
}
