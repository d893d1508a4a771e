//! Routes, key and upstream see the same bytes.

use crate::support::{Client, Origin, Proxy, Reply, get, send};

async fn echo(config: &str) -> (Origin, Proxy) {
    let origin = Origin::serve(|seen| Reply::fresh(60, seen.target)).await;
    let proxy = Proxy::with(&origin, config).await;
    (origin, proxy)
}

/// A configuration that caches nothing on routes of this pattern, so that a bypass shows a match.
fn marked(pattern: &str) -> String {
    format!(
        "[[routes]]\nmatch = {pattern}\nupstream = \"{{origin}}\"\ncache = {{ mode = \"off\" }}\n"
    )
}

async fn takes(proxy: &Proxy, path: &str) -> bool {
    get(proxy, path).await.cache_status().fwd() == "bypass"
}

#[tokio::test]
async fn a_dot_segment_is_refused_however_it_is_spelled() {
    let (origin, proxy) = echo("").await;
    for path in
        ["/.", "/..", "/a/./b", "/a/../b", "/%2e%2e/b", "/a/%2E", "/a/.%2e/b", "/a/%2e./", "/../"]
    {
        assert_eq!(get(&proxy, path).await.status, 400, "{path}");
    }
    for path in ["/...", "/.well-known/x", "/a/b..c", "/a.", "/?q=/../", "/%2e%2e%2e"] {
        assert_eq!(get(&proxy, path).await.text(), path, "{path} has none");
    }
    assert_eq!(origin.requests(), 6);
}

#[tokio::test]
async fn a_path_is_forwarded_as_it_came() {
    let (_origin, proxy) = echo("").await;
    for path in
        ["/a%2fb", "/a%5Cb", "//a//b", "/a//", "/%7Euser", "/~user", "/a;v=1", "/%c3%a9?q=%20+"]
    {
        let first = get(&proxy, path).await;
        assert_eq!((first.text(), first.is_hit()), (path, false), "{path} is a key of its own");
    }
}

#[tokio::test]
async fn encoded_separators_separate_nothing() {
    let (_origin, proxy) = echo(&marked("{ path = \"/users/*\" }")).await;
    for (path, matches) in [
        ("/users/1", true),
        ("/users/1%2fsecret", true),
        ("/users%2f1", false),
        ("/users%5c1", false),
        ("//users/1", false),
        ("/users//1", false),
        ("/users/1/posts", false),
        ("/users", false),
    ] {
        assert_eq!(takes(&proxy, path).await, matches, "{path}");
    }
}

#[tokio::test]
async fn two_stars_are_any_rest() {
    let (_origin, proxy) = echo(&marked("{ path = \"/users/**\" }")).await;
    for (path, matches) in [
        ("/users", true),
        ("/users/", true),
        ("/users/1", true),
        ("/users/1/posts?page=2", true),
        ("/usersandmore", false),
        ("/Users", false),
        ("/", false),
    ] {
        assert_eq!(takes(&proxy, path).await, matches, "{path}");
    }
}

#[tokio::test]
async fn the_more_specific_route_wins_whatever_the_order() {
    let on = "[[routes]]\nmatch = { path = \"/a/b/**\" }\nupstream = \"{origin}\"\n";
    for config in
        [marked("{ path = \"/a/**\" }") + on, on.to_owned() + &marked("{ path = \"/a/**\" }")]
    {
        let (_origin, proxy) = echo(&config).await;
        assert!(takes(&proxy, "/a/x").await, "{config}");
        assert!(!takes(&proxy, "/a/b/x").await, "the longer literal prefix:\n{config}");
    }
}

#[tokio::test]
async fn a_host_comes_before_a_path() {
    let routes = marked("{ host = \"api.test\", path = \"/**\" }")
        + "[[routes]]\nmatch = { path = \"/long/literal/**\" }\nupstream = \"{origin}\"\n"
        + "[[routes]]\nmatch = { host = \"*.test\", path = \"/**\" }\nupstream = \"{origin}\"\n";
    let (_origin, proxy) = echo(&routes).await;
    assert!(takes(&proxy, "/long/literal/x").await, "an exact host before none");
    let suffix = get(&proxy, "/x").host("other.test").await;
    assert!(suffix.cache_status().stored, "*.test takes it");
    let port = get(&proxy, "/x").host("API.test:8080").await;
    assert_eq!(port.cache_status().fwd(), "bypass", "without case or port");
}

#[tokio::test]
async fn a_route_may_be_for_some_methods_and_get_includes_head() {
    let (_origin, proxy) = echo(&marked("{ path = \"/**\", methods = [\"GET\"] }")).await;
    assert!(takes(&proxy, "/").await);
    assert_eq!(send(&proxy, "HEAD", "/").await.cache_status().fwd(), "bypass");
    assert_eq!(send(&proxy, "POST", "/").await.cache_status().fwd(), "method");
}

#[tokio::test]
async fn what_no_route_matches_is_404_where_nothing_else_is_configured() {
    let origin = Origin::always("x").await;
    let config = marked("{ path = \"/a\" }");
    let fallback = Proxy::with(&origin, &config).await;
    assert_eq!(get(&fallback, "/b").await.status, 200, "the top-level upstream takes the rest");
    let routes_alone =
        Proxy::exactly(&origin, &format!("listen = \"127.0.0.1:0\"\n{config}")).await;
    assert_eq!(get(&routes_alone, "/a").await.status, 200);
    assert_eq!(get(&routes_alone, "/b").await.status, 404);
}

#[tokio::test]
async fn what_cannot_be_a_good_request_is_400() {
    let (origin, proxy) = echo("").await;
    for head in [
        "GET /%00 HTTP/1.1\r\nHost: api.test",
        "GET / HTTP/1.1",
        "GET / HTTP/1.1\r\nHost: a.test\r\nHost: b.test",
        "GET http://other.test/ HTTP/1.1\r\nHost: api.test",
        "GET / HTTP/1.1\r\nHost: api.test\r\nContent-Length: 1\r\nContent-Length: 2",
        "GET / HTTP/1.1\r\nHost : api.test",
        "GET / HTTP/1.1\r\nHost: api.test\r\n folded: yes",
    ] {
        let mut client = Client::connect(&proxy).await;
        client.write(format!("{head}\r\n\r\n")).await;
        let answer = client.read().await;
        assert_eq!(answer.map(|it| it.status).unwrap_or_default(), 400, "{head:?}");
    }
    assert_eq!(origin.requests(), 0);
}

#[tokio::test]
async fn length_beside_chunked_is_reframed_and_the_connection_closed() {
    let (origin, proxy) = echo("").await;
    let mut client = Client::connect(&proxy).await;
    let head =
        "POST / HTTP/1.1\r\nHost: api.test\r\nContent-Length: 3\r\nTransfer-Encoding: chunked";
    client.write(format!("{head}\r\n\r\n2\r\nok\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\n")).await;
    let answer = client.read().await.unwrap();
    assert_eq!((answer.status, origin.last().text()), (200, "ok"), "chunked counts");
    assert!(client.read_to_close().await.is_ok_and(|rest| rest.is_empty()), "RFC 9112 §6.1");
    assert_eq!(origin.requests(), 1);
    assert!(origin.faults().is_empty(), "{:?}", origin.faults());
}
