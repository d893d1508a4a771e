//! `tls.redirect`: who comes in the clear is sent to https.

use super::authority;
use crate::support::{Client, Origin, Proxy, Reply, get, send};

#[tokio::test]
async fn requests_in_the_clear_are_sent_to_https_with_path_and_query() {
    let origin = Origin::always(Reply::ok("x")).await;
    let authority = authority();
    let more = "redirect = \"127.0.0.1:0\"";
    let proxy = Proxy::with(&origin, &authority.tls(more, &["site"])).await;
    let place = proxy.redirect();
    for (method, status) in
        [("GET", 301), ("HEAD", 301), ("POST", 308), ("DELETE", 308), ("PURGE", 308)]
    {
        let ask = send(&place, method, "/a%20b//c?x=1&y=%2F").host("API.test:80");
        let answer = ask.await;
        let location = answer.header("location");
        assert_eq!(answer.status, status, "{method} (RFC 9110 §15.4)");
        assert_eq!(location, Some("https://api.test/a%20b//c?x=1&y=%2F"), "{method}");
        assert_eq!(answer.cache_status().detail(), "https-redirect");
    }
    for (host, location) in [
        ("[::1]:8080", "https://[::1]/"),
        ("127.0.0.1", "https://127.0.0.1/"),
        ("api.test.", "https://api.test/"),
    ] {
        assert_eq!(get(&place, "/").host(host).await.header("location"), Some(location));
    }
    proxy.reload(&authority.tls(&format!("{more}\nredirect_port = 8443"), &["site"]));
    let location = get(&place, "/").await.header("location").map(str::to_owned);
    assert_eq!(location.as_deref(), Some("https://api.test:8443/"));
    assert_eq!(origin.requests(), 0, "nothing is forwarded from there");
}

#[tokio::test]
async fn a_host_that_is_none_leads_nowhere() {
    let origin = Origin::always(Reply::ok("x")).await;
    let authority = authority();
    let more = "redirect = \"127.0.0.1:0\"";
    let proxy = Proxy::with(&origin, &authority.tls(more, &["site"])).await;
    for head in [
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.0\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: me@evil.test\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",
        "GET http://other.test/ HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /../a HTTP/1.1\r\nHost: a\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
    ] {
        let mut client = Client::connect(&proxy.redirect()).await;
        client.write(head).await;
        let answer = client.read().await.unwrap();
        assert_eq!((answer.status, answer.header("location")), (400, None), "{head}");
    }
}
