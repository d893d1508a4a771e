//! The support itself: what a client reads straight from a scripted origin.

use crate::support::{
    CacheStatus, Client, Gate, H2, Origin, Place, Reply, Target, date, get, send, within,
};

#[tokio::test]
async fn an_origin_answers_and_remembers() {
    let origin = Origin::serve(|seen| Reply::ok(format!("{} {}", seen.method, seen.number))).await;
    let answer =
        send(&origin, "PUT", "/a?b").header("X-A", "1").header("x-a", "2").body("in").await;
    assert_eq!((answer.status, answer.text()), (200, "PUT 1"));
    let seen = origin.last();
    assert_eq!((seen.method.as_str(), seen.target.as_str(), seen.text()), ("PUT", "/a?b", "in"));
    assert_eq!(seen.headers("X-A"), ["1", "2"], "repeated fields stay two, in order");
}

#[tokio::test]
async fn an_origin_dates_its_answers_by_the_common_clock() {
    let origin = Origin::always("x").await;
    assert_eq!(get(&origin, "/").await.header("date"), Some("Sat, 21 Nov 2026 12:00:00 GMT"));
    origin.clock().1.advance(std::time::Duration::from_secs(3600));
    assert_eq!(get(&origin, "/").await.header("date"), Some(date(3600).as_str()));
    let undated = Origin::always(Reply::ok("x").undated()).await;
    assert_eq!(get(&undated, "/").await.header("date"), None);
}

#[tokio::test]
async fn a_connection_serves_many_requests_pipelined_ones_too() {
    let origin = Origin::serve(|seen| Reply::ok(seen.target)).await;
    let mut client = Client::connect(&origin).await;
    client.ask("GET", "/1", &[]).await;
    client.ask("HEAD", "/2", &[]).await;
    client.ask("GET", "/3", &[]).await;
    assert_eq!(client.read().await.unwrap().text(), "/1");
    let head = client.read().await.unwrap();
    assert_eq!((head.text(), head.header("content-length")), ("", Some("2")));
    assert_eq!(client.read().await.unwrap().text(), "/3");
    assert_eq!((origin.requests(), origin.connections()), (3, 1));
    get(&origin, "/4").await;
    let connections: Vec<usize> = origin.seen().iter().map(|seen| seen.connection).collect();
    assert_eq!(connections, [1, 1, 1, 2]);
}

#[tokio::test]
async fn chunks_and_trailers_pass_in_both_directions() {
    let reply = Reply::ok("ab").body("cde").chunked().trailer("X-Sum", "5");
    let origin = Origin::always(reply).await;
    let mut client = Client::connect(&origin).await;
    client.write("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n").await;
    origin.until_heads(1).await;
    client.write("3\r\nabc\r\n").await;
    origin.until_body_bytes(3).await;
    assert_eq!(origin.requests(), 0, "the request has not ended");
    client.write("0\r\nX-End: yes\r\n\r\n").await;
    client.finish().await;
    let answer = client.read().await.unwrap();
    assert_eq!((answer.text(), answer.trailers.len()), ("abcde", 1));
    let seen = origin.last();
    assert_eq!((seen.text(), seen.trailers[0].1.as_str()), ("abc", "yes"));
}

#[tokio::test]
async fn a_reply_waits_at_its_gates() {
    let (head, middle) = (Gate::new(), Gate::new());
    let reply = Reply::ok("first").gate(&middle).body("second").chunked().held(&head);
    let origin = Origin::always(reply).await;
    let client = get(&origin, "/").sent().await;
    head.until_arrived(1).await;
    head.open();
    let mut arriving = client.arriving().await.unwrap();
    assert_eq!(arriving.body(5).await, b"first");
    middle.until_arrived(1).await;
    assert_eq!(arriving.so_far().text(), "first");
    middle.open();
    assert_eq!(arriving.end().await.unwrap().text(), "firstsecond");
}

#[tokio::test]
async fn a_torn_body_is_an_error_that_says_what_came() {
    for reply in [Reply::ok("whole body"), Reply::ok("whole body").chunked()] {
        let origin = Origin::always(reply.torn_after(5)).await;
        let broken = get(&origin, "/").result().await.unwrap_err();
        assert_eq!(broken.so_far.text(), "whole");
        assert!(broken.to_string().contains("the connection ended in a"), "{broken}");
    }
}

#[tokio::test]
async fn a_reset_and_garbage_are_errors() {
    let origin = Origin::replies([Reply::reset(), Reply::raw("SSH-2.0-x\r\n\r\n")]).await;
    let reset = get(&origin, "/").result().await.unwrap_err();
    assert!(reset.why.contains("reset"), "{reset}");
    let garbage = get(&origin, "/").result().await.unwrap_err();
    assert!(garbage.why.contains("SSH-2.0-x"), "{garbage}");
}

#[tokio::test]
async fn an_interim_response_is_told_apart() {
    let origin = Origin::always(Reply::ok("x").early(103, "Link", "</a>")).await;
    let answer = get(&origin, "/").await;
    assert_eq!((answer.status, answer.early), (200, vec![103]));
    let mut client = get(&origin, "/").sent().await;
    assert_eq!(client.read_early().await, 103);
    assert_eq!(client.read().await.unwrap().text(), "x");
}

#[tokio::test]
async fn a_body_until_close_is_read_to_the_end() {
    let origin = Origin::always(Reply::ok("all").until_close()).await;
    assert_eq!(get(&origin, "/").await.text(), "all");
    let mut client = get(&origin, "/").sent().await;
    let bytes = client.read_to_close().await.unwrap();
    assert!(bytes.ends_with(b"\r\n\r\nall"), "{:?}", String::from_utf8_lossy(&bytes));
}

#[tokio::test]
async fn an_origin_knows_when_its_peer_has_left() {
    let gate = Gate::new();
    let origin = Origin::always(Reply::ok("x").held(&gate)).await;
    let client = get(&origin, "/").sent().await;
    origin.until_requests(1).await;
    client.reset();
    origin.until_closed(1).await;
}

#[tokio::test]
async fn a_stopped_origin_refuses() {
    let origin = Origin::always("x").await;
    let mut client = Client::connect(&origin).await;
    origin.stop().await;
    assert!(client.read().await.is_err(), "its connections end");
    let Place::Tcp(addr) = origin.place() else { panic!("it is TCP") };
    let refused = within("a refusal", tokio::net::TcpStream::connect(addr)).await;
    assert_eq!(refused.unwrap_err().kind(), std::io::ErrorKind::ConnectionRefused);
}

#[tokio::test]
async fn an_origin_may_listen_on_a_unix_socket() {
    let origin = Origin::serve_unix(|_| "by path".into()).await;
    assert_eq!(get(&origin, "/").await.text(), "by path");
    assert!(origin.url().starts_with("unix:/"), "{}", origin.url());
}

#[tokio::test]
async fn a_tunnel_sends_back_what_comes() {
    let origin = Origin::always(Reply::tunnel("websocket")).await;
    let mut client = Client::connect(&origin).await;
    client.ask("GET", "/", &[("Upgrade", "websocket"), ("Connection", "upgrade")]).await;
    assert_eq!(client.read().await.unwrap().status, 101);
    client.write("ping").await;
    assert_eq!(client.read_bytes(4).await, b"ping");
}

#[tokio::test]
async fn what_is_not_http_is_recorded_as_a_fault() {
    let origin = Origin::always("x").await;
    let mut client = Client::connect(&origin).await;
    client.write("GET / HTTP/1.1\nHost: x\n\n").await;
    origin.until_closed(1).await;
    assert_eq!(origin.faults().len(), 1, "a bare LF is refused");
}

#[tokio::test]
async fn a_client_may_speak_http2() {
    let (addr, server) = h2_server().await;
    let client = H2::connect(&addr).await;
    let answer = client.get("/x", &[("x-a", "1")]).await.unwrap();
    assert_eq!((answer.status, answer.text()), (200, "/x 1"));
    server.abort();
}

/// An HTTP/2 server that answers one connection with the path and the field `x-a`.
async fn h2_server() -> (std::net::SocketAddr, tokio::task::JoinHandle<()>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let service = hyper::service::service_fn(|request: http::Request<_>| async move {
        let _: &hyper::body::Incoming = request.body();
        let value = request.headers()["x-a"].to_str().unwrap();
        let text = format!("{} {value}", request.uri().path());
        Ok::<_, std::convert::Infallible>(http::Response::new(text))
    });
    let server = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let io = hyper_util::rt::TokioIo::new(stream);
        let executor = hyper_util::rt::TokioExecutor::new();
        let _ =
            hyper::server::conn::http2::Builder::new(executor).serve_connection(io, service).await;
    });
    (addr, server)
}

#[test]
fn cache_status_is_parsed() {
    let parsed =
        CacheStatus::parse(&["cdn; hit, larder; fwd=stale; fwd-status=304; stored; ttl=-3"]);
    assert_eq!((parsed.len(), parsed[0].hit, parsed[1].stored), (2, true, true));
    assert_eq!(
        (parsed[1].fwd(), parsed[1].fwd_status, parsed[1].ttl),
        ("stale", Some(304), Some(-3))
    );
}
