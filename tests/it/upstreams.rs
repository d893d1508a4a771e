//! The way to the API: what its faults become, what is repeated, and which connections are used.

use crate::support::{Client, Gate, Origin, Place, Proxy, Reply, Target, get, send};

/// A fault of the origin becomes this status, and the answer tells nothing about the inside.
async fn becomes(status: u16, origin: Origin, why: &str) {
    let proxy = Proxy::before(&origin).await;
    let answer = get(&proxy, "/secret-path").await;
    assert_eq!(answer.status, status, "{why}");
    let Place::Tcp(addr) = origin.place() else { panic!("it is TCP") };
    let told = format!("{} {:?}", answer.text(), answer.fields);
    assert!(!told.contains(&addr.port().to_string()), "{why}: {told}");
    assert!(!answer.cache_status().stored, "{why}");
}

#[tokio::test]
async fn an_origin_that_gives_no_answer_is_502() {
    becomes(502, Origin::refusing().await, "refused").await;
    becomes(502, Origin::always(Reply::reset()).await, "reset").await;
    becomes(502, Origin::always(Reply::raw("")).await, "closed").await;
    becomes(502, Origin::always(Reply::raw("HTTP/1.1 200 OK\r\nX-A: 1\r\n")).await, "half").await;
    becomes(502, Origin::always(Reply::raw("SSH-2.0-OpenSSH\r\n\r\n")).await, "garbage").await;
    let endless = format!("HTTP/1.1 200 OK\r\n{}", "X-Filler: 0123456789\r\n".repeat(100_000));
    becomes(502, Origin::always(Reply::raw(endless)).await, "a head without end").await;
}

#[tokio::test]
async fn a_response_framed_in_two_ways_is_502() {
    for fields in [
        "Content-Length: 3\r\nContent-Length: 4",
        "Content-Length: 3, 4",
        "Content-Length: x",
        "Transfer-Encoding: gzip, chunked\r\nContent-Length: 3",
    ] {
        let reply = Reply::raw(format!("HTTP/1.1 200 OK\r\n{fields}\r\n\r\nabc"));
        becomes(502, Origin::always(reply).await, fields).await;
    }
}

#[tokio::test]
async fn an_origin_that_is_silent_is_504_after_its_time() {
    let gate = Gate::new();
    let origin = Origin::always(Reply::ok("x").held(&gate)).await;
    let config = "upstream = \"api\"\n[upstreams.api]\nurl = \"{origin}\"\n\
                  timeouts = { first_byte = \"7s\" }";
    let proxy = Proxy::with(&origin, config).await;
    let mut client = get(&proxy, "/").sent().await;
    gate.until_arrived(1).await;
    proxy.let_it_wait(7).await;
    assert_eq!(client.read().await.unwrap().status, 504);
    origin.until_closed(1).await;
}

#[tokio::test]
async fn a_body_that_stops_for_too_long_is_torn() {
    let gate = Gate::new();
    let origin = Origin::always(Reply::fresh(60, "first").gate(&gate).body("x").chunked()).await;
    let config = "upstream = \"api\"\n[upstreams.api]\nurl = \"{origin}\"\n\
                  timeouts = { between_bytes = \"7s\" }";
    let proxy = Proxy::with(&origin, config).await;
    let mut arriving = get(&proxy, "/").arriving().await;
    arriving.body(5).await;
    proxy.let_it_wait(7).await;
    arriving.end().await.expect_err("it must not look whole");
}

#[tokio::test]
async fn a_connection_is_used_again() {
    let origin = Origin::always(Reply::status(200)).await;
    let proxy = Proxy::before(&origin).await;
    for n in 1..=3 {
        send(&proxy, "POST", "/").body("x").await;
        proxy.settle().await;
        assert_eq!((origin.requests(), origin.connections()), (n, 1));
    }
    proxy.advance(5);
    get(&proxy, "/").await;
    assert_eq!(origin.connections(), 2, "but not after it was idle for 4 s");
}

#[tokio::test]
async fn a_get_is_repeated_once_when_a_used_connection_dies() {
    let origin = Origin::replies([Reply::ok("1"), Reply::reset(), Reply::ok("3")]).await;
    let proxy = Proxy::before(&origin).await;
    get(&proxy, "/a").await;
    proxy.settle().await;
    assert_eq!(get(&proxy, "/b").await.text(), "3");
    assert_eq!((origin.requests(), origin.connections()), (3, 2));
}

#[tokio::test]
async fn nothing_is_repeated_that_could_happen_twice() {
    let origin = Origin::replies([Reply::ok("1"), Reply::reset(), Reply::ok("3")]).await;
    let proxy = Proxy::before(&origin).await;
    get(&proxy, "/a").await;
    proxy.settle().await;
    assert_eq!(send(&proxy, "POST", "/b").body("pay").await.status, 502);
    assert_eq!(origin.requests(), 2, "it may have been done");
}

#[tokio::test]
async fn a_new_connection_that_dies_is_no_reason_to_repeat() {
    let origin = Origin::replies([Reply::reset(), Reply::ok("2")]).await;
    let proxy = Proxy::before(&origin).await;
    assert_eq!(get(&proxy, "/").await.status, 502);
    assert_eq!(origin.requests(), 1, "it was the request, or the origin");
}

#[tokio::test]
async fn an_origin_is_asked_no_more_at_once_than_it_may_be() {
    let gate = Gate::new();
    let origin = Origin::always(Reply::ok("x").held(&gate)).await;
    let config = "upstream = \"api\"\n[upstreams.api]\nurl = \"{origin}\"\nmax_concurrent = 2";
    let proxy = Proxy::with(&origin, config).await;
    let mut clients = Vec::new();
    for path in ["/a", "/b", "/c"] {
        clients.push(get(&proxy, path).sent().await);
    }
    gate.until_arrived(2).await;
    proxy.settle().await;
    assert_eq!(origin.requests(), 2, "the third waits for a place");
    gate.open();
    for mut client in clients {
        assert_eq!(client.read().await.unwrap().status, 200);
    }
}

#[tokio::test]
async fn the_origin_sees_the_host_that_the_operator_wants() {
    for (setting, host) in [("", "api.test"), ("host = \"inner.test\"", "inner.test")] {
        let origin = Origin::always("x").await;
        let config =
            format!("upstream = \"api\"\n[upstreams.api]\nurl = \"{{origin}}\"\n{setting}");
        let proxy = Proxy::with(&origin, &config).await;
        get(&proxy, "/").await;
        assert_eq!(origin.last().headers("host"), [host], "{setting:?}");
    }
    let origin = Origin::always("x").await;
    let config = "upstream = \"api\"\n[upstreams.api]\nurl = \"{origin}\"\nhost = \"upstream\"";
    let proxy = Proxy::with(&origin, config).await;
    get(&proxy, "/").await;
    let authority = origin.url().replace("http://", "");
    assert_eq!(origin.last().headers("host"), [authority]);
}

#[tokio::test]
async fn an_https_origin_is_verified_with_the_given_roots() {
    let origin = Origin::serve_tls(|seen| Reply::ok(seen.target)).await;
    let root = origin.root().display();
    let config =
        format!("upstream = \"api\"\n[upstreams.api]\nurl = \"{{origin}}\"\nca = \"{root}\"");
    let proxy = Proxy::with(&origin, &config).await;
    assert_eq!(get(&proxy, "/by-tls").await.text(), "/by-tls");
    let stranger = Proxy::before(&origin).await;
    assert_eq!(get(&stranger, "/").await.status, 502, "the system does not know its root");
    assert_eq!(origin.requests(), 1);
}

#[tokio::test]
async fn an_origin_may_listen_on_a_unix_socket() {
    let origin = Origin::serve_unix(|seen| Reply::ok(seen.target)).await;
    let proxy = Proxy::before(&origin).await;
    assert_eq!(get(&proxy, "/by-path").await.text(), "/by-path");
}

#[tokio::test]
async fn uploads_that_take_their_time_leave_places_to_others() {
    let origin = Origin::serve(|seen| Reply::ok(seen.method)).await;
    let config = "upstream = \"api\"\n[upstreams.api]\nurl = \"{origin}\"\nmax_concurrent = 4\n";
    let proxy = Proxy::with(&origin, config).await;
    let mut slow = Vec::new();
    for _ in 0..4 {
        let mut client = Client::connect(&proxy).await;
        let head = "POST / HTTP/1.1\r\nHost: api.test\r\nContent-Length: 9\r\n\r\nb";
        client.write(head).await;
        slow.push(client);
    }
    origin.until_heads(3).await;
    assert_eq!(get(&proxy, "/").await.text(), "GET", "one place in four is not for uploads");
    for client in &mut slow {
        client.expect_answer_to("POST");
        client.write("ytebybyte".get(..8).unwrap()).await;
        assert_eq!(client.read().await.unwrap().text(), "POST");
    }
}
