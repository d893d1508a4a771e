//! Fields by which a client speaks for us, for another client, or of another request.

use super::echo;
use crate::support::{Client, H2, Origin, Proxy, Reply, get, send};

/// Names that must not come through from a stranger with a word of his in them.
const LIES: &[&str] = &[
    "Forwarded",
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "X-Forwarded-Proto",
    "X-Forwarded-Port",
    "X-Forwarded-Prefix",
    "X-Forwarded-Scheme",
    "X-Forwarded-Anything",
    "X-Forwarded",
    "X-Real-IP",
    "X-Client-IP",
    "True-Client-IP",
    "X-Host",
    "X-Original-URL",
    "X-Original-Host",
    "X-Rewrite-URL",
    "X-HTTP-Method",
    "X-HTTP-Method-Override",
    "X-Method-Override",
    "Proxy",
    // CGI and WSGI read these as the ones above.
    "X_Forwarded_For",
    "X_Forwarded-Host",
    "X-Forwarded_Proto",
    "X_Real_IP",
    "X_Original_URL",
    "X_HTTP_Method_Override",
    "Content_Length",
    "Transfer_Encoding",
];

#[tokio::test]
async fn a_strangers_word_reaches_nobody() {
    let mut came_through = Vec::new();
    for name in LIES {
        let origin = Origin::serve(|seen| Reply::fresh(60, format!("{:?}", seen.fields))).await;
        let proxy = Proxy::before(&origin).await;
        let attack = get(&proxy, "/").header(name, "evil.test").await;
        assert!(get(&proxy, "/").await.is_hit(), "{name} is no part of the key");
        let connection = H2::connect(&proxy).await;
        let two = connection.get("/2", &[(&name.to_lowercase(), "evil.test")]).await.unwrap();
        if attack.text().contains("evil") || two.text().contains("evil") {
            came_through.push(name);
        }
    }
    assert!(came_through.is_empty(), "{came_through:?}");
}

/// What rewrites a request for the origin, and is no part of the key, is nobody's to say. (Who
/// asks may be told: an answer that depends on that says so in Vary, and is not shared.)
#[tokio::test]
async fn a_trusted_proxy_that_passes_all_on_poisons_nothing() {
    let who = ["X-Forwarded-For", "X-Forwarded", "X-Real-IP", "X-Client-IP", "True-Client-IP"];
    let mut poison = Vec::new();
    for name in LIES.iter().filter(|name| !who.contains(name)) {
        let origin = Origin::serve(|seen| Reply::fresh(60, format!("{:?}", seen.fields))).await;
        let proxy = Proxy::with(&origin, "trusted_proxies = [\"127.0.0.1\"]").await;
        let value = if *name == "Forwarded" { "host=evil.test" } else { "evil.test" };
        get(&proxy, "/").header(name, value).await;
        if get(&proxy, "/").await.text().contains("evil") {
            poison.push(name);
        }
    }
    assert!(poison.is_empty(), "{poison:?}");
}

#[tokio::test]
async fn trailers_tell_no_lies_either() {
    let (origin, proxy) = echo("").await;
    let mut client = Client::connect(&proxy).await;
    let head = "POST / HTTP/1.1\r\nHost: api.test\r\nTransfer-Encoding: chunked\r\n\
                Trailer: X-Sum, X-Forwarded-For\r\nTrailer: Connection, X-Real-IP, Via\r\n\r\n";
    let trailers = "X-Sum: 1\r\nX-Forwarded-For: 6.6.6.6\r\nConnection: close\r\n\
                    X-Real-IP: 6.6.6.6\r\nVia: 1.1 evil\r\nX-Undeclared: 1\r\n\r\n";
    client.write(format!("{head}2\r\nok\r\n0\r\n{trailers}")).await;
    assert_eq!(client.read().await.unwrap().status, 200);
    assert_eq!(origin.last().trailers, [("x-sum".to_owned(), "1".to_owned())]);
    assert_eq!(origin.last().headers("trailer").join(", ").to_lowercase(), "x-sum");
}

/// What Connection names is gone before anything is decided: the cache sees what the origin sees.
#[tokio::test]
async fn what_connection_names_is_gone_for_the_cache_too() {
    let rows = [
        ("authorization", "Bearer evil"),
        ("cookie", "sid=evil"),
        ("cache-control", "no-store, evil"),
        ("range", "bytes=0-1, evil"),
        ("if-none-match", "\"evil\""),
        ("if-match", "\"evil\""),
        ("accept-language", "evil"),
        ("x-forwarded-for", "evil"),
        ("via", "1.1 evil"),
        ("forwarded", "for=evil"),
    ];
    for (name, value) in rows {
        let origin = Origin::serve(|seen| {
            let answer = Reply::fresh(60, format!("{:?}", seen.fields));
            answer.header("Vary", "Accept-Language")
        })
        .await;
        let proxy = Proxy::before(&origin).await;
        let attack = get(&proxy, "/").header("Connection", name).header(name, value).await;
        assert!(!attack.text().contains("evil"), "{name}: {}", attack.text());
        assert_eq!(origin.last().headers("x-forwarded-for"), ["127.0.0.1"], "{name}");
        assert_eq!(origin.last().headers("host"), ["api.test"], "{name}");
        assert!(get(&proxy, "/").await.is_hit(), "{name}: it was a request without");
    }
}

/// What a response's Connection names is not sent on, but it is not forgotten either.
#[tokio::test]
async fn what_a_responses_connection_names_still_forbids() {
    let rows = [
        ("Cache-Control", "private"),
        ("Cache-Control", "no-store"),
        ("Vary", "*"),
        ("Set-Cookie", "sid=1"),
    ];
    for (name, value) in rows {
        let reply = Reply::fresh(60, "mine").header("Connection", name).header(name, value);
        let origin = Origin::always(reply).await;
        let proxy = Proxy::before(&origin).await;
        get(&proxy, "/").await;
        assert!(!get(&proxy, "/").await.is_hit(), "{name}: {value}");
    }
}

#[tokio::test]
async fn a_fat_get_has_no_part_in_the_cache() {
    let origin = Origin::serve(|seen| Reply::fresh(60, super::told(&seen))).await;
    let proxy = Proxy::before(&origin).await;
    assert_eq!(get(&proxy, "/").body("evil").await.text(), "GET / evil");
    assert_eq!(get(&proxy, "/").await.text(), "GET /", "it was not stored");
    assert_eq!(get(&proxy, "/").body("more").await.text(), "GET / more", "nor answered");
    assert_eq!(get(&proxy, "/").await.text(), "GET /");
    let cleared = send(&proxy, "HEAD", "/").body("evil").await;
    assert_eq!((cleared.status, cleared.is_hit()), (200, false));
}

#[tokio::test]
async fn a_log_line_is_one_line() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("access.log");
    let (_origin, proxy) = echo(&format!("log = {{ access = \"{}\" }}", path.display())).await;
    let evil = [
        "/\"},{\"path\":\"",
        "/a\\",
        "/\u{9b}31m\u{85}\u{2028}",
        "/\u{202e}",
        "/%0d%0a{\"status\":200}",
    ];
    for path in evil {
        let mut client = Client::connect(&proxy).await;
        client.write(format!("GET {path} HTTP/1.1\r\nHost: api.test\r\n\r\n")).await;
        client.read().await.unwrap();
    }
    proxy.drain().await;
    let log = std::fs::read_to_string(path).unwrap();
    let lines: Vec<serde_json::Value> = log
        .split('\n')
        .filter(|it| !it.is_empty())
        .map(|it| serde_json::from_str(it).unwrap())
        .collect();
    let mut paths: Vec<&str> = lines.iter().map(|it| it["path"].as_str().unwrap()).collect();
    paths.sort_unstable();
    let mut expected = evil.to_vec();
    expected.sort_unstable();
    assert_eq!(paths, expected);
    assert!(!log.contains(['\u{9b}', '\u{85}']), "a terminal might obey them");
}
