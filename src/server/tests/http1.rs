//! HTTP/1: limits and timeouts, each with its counted close.

use http::StatusCode;
use tokio::sync::{Notify, oneshot};

use super::*;

#[tokio::test]
async fn connections_are_kept_and_pipelined_requests_are_answered_in_order() {
    let stub = Stub::start(echo);
    let mut client = stub.connect().await;
    let request = |path| format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
    client.write(request("/1") + &request("/2") + &request("/3")).await;
    for path in ["/1", "/2", "/3", "/4"] {
        if path == "/4" {
            client.write(request(path)).await;
        }
        let response = client.response().await;
        assert!(response.starts_with("HTTP/1.1 200") && response.ends_with(path), "{response}");
    }
    assert_eq!(stub.counters.connections.get(), 1);
}

#[tokio::test]
async fn a_connection_without_a_head_is_closed_after_the_headers_timeout() {
    let stub = Stub::start(echo);
    let mut client = stub.connect().await;
    stub.let_it_wait(HEADERS).await;
    assert_eq!(client.rest().await, b"", "hyper writes no answer, and neither do we");
    assert_eq!(stub.counters.closed_headers.get(), 1);
}

#[tokio::test]
async fn a_head_of_a_byte_a_second_is_closed_after_the_headers_timeout() {
    let stub = Stub::start(echo);
    let mut client = stub.connect().await;
    within("the first wait", stub.manual.until_sleeping(HEADERS)).await;
    for byte in b"GET / H" {
        client.write([*byte]).await;
        stub.manual.advance(Duration::from_secs(1));
    }
    assert_eq!(stub.counters.closed_headers.get(), 0);
    stub.let_it_wait(Duration::from_secs(1)).await;
    client.rest().await;
    assert_eq!(stub.counters.closed_headers.get(), 1);
}

#[tokio::test]
async fn a_later_head_has_the_headers_timeout_from_its_first_byte() {
    let stub = Stub::start(echo);
    let mut client = stub.connect().await;
    client.get("/").await;
    within("idleness", stub.manual.until_sleeping(IDLE)).await;
    stub.manual.advance(Duration::from_secs(60));
    client.write("GET / H").await;
    stub.let_it_wait(HEADERS).await;
    client.rest().await;
    assert_eq!((stub.counters.closed_headers.get(), stub.counters.closed_idle.get()), (1, 0));
}

#[tokio::test]
async fn half_a_head_behind_a_pipelined_request_has_the_headers_timeout() {
    let stub = Stub::start(echo);
    let mut client = stub.connect().await;
    client.write("GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HT").await;
    client.response().await;
    stub.let_it_wait(HEADERS).await;
    client.rest().await;
    assert_eq!(stub.counters.closed_headers.get(), 1);
}

#[tokio::test]
async fn an_idle_connection_is_closed_after_the_idle_timeout() {
    let stub = Stub::start(echo);
    let mut client = stub.connect().await;
    client.get("/").await;
    stub.let_it_wait(IDLE).await;
    assert_eq!(client.rest().await, b"");
    assert_eq!((stub.counters.closed_idle.get(), stub.counters.closed_headers.get()), (1, 0));
}

#[tokio::test]
async fn each_request_begins_the_idle_timeout_anew() {
    let stub = Stub::start(echo);
    let mut client = stub.connect().await;
    client.get("/").await;
    within("idleness", stub.manual.until_sleeping(IDLE)).await;
    stub.manual.advance(Duration::from_secs(70));
    client.get("/").await;
    stub.manual.advance(Duration::from_secs(5));
    stub.let_it_wait(Duration::from_secs(70)).await;
    client.rest().await;
    assert_eq!(stub.counters.closed_idle.get(), 1);
}

#[tokio::test]
async fn a_response_that_is_silent_for_hours_is_no_idleness() {
    let (feed, response) = fed();
    let response = Arc::new(parking_lot::Mutex::new(Some(response)));
    let stub = Stub::start(move |_, _| std::future::ready(response.lock().take().unwrap()));
    let mut client = stub.connect().await;
    client.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    feed.send("first").unwrap();
    while client.byte().await != b't' {}
    while client.byte().await != b'f' {}
    for _ in 0..100 {
        stub.manual.advance(Duration::from_secs(100));
        tokio::task::yield_now().await;
    }
    feed.send("last").unwrap();
    drop(feed);
    while client.byte().await != b'l' {}
    let counters = &stub.counters;
    assert_eq!((counters.closed_idle.get(), counters.closed_headers.get()), (0, 0));
}

#[tokio::test]
async fn a_client_that_reads_nothing_is_closed_after_the_write_timeout() {
    let big = Bytes::from(vec![b'x'; 64 << 20]);
    let stub = Stub::start(move |_, _| std::future::ready(full(big.clone())));
    let mut client = stub.connect().await;
    client.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    stub.let_it_wait(WRITE_IDLE).await;
    until("the close", || stub.counters.closed_write_idle.get() == 1).await;
    assert!(client.rest().await.len() < 64 << 20, "it never looks whole");
}

#[tokio::test]
async fn a_client_that_reads_slowly_is_served() {
    let megabyte = Bytes::from(vec![b'x'; 1 << 20]);
    let stub = Stub::start(move |_, _| {
        let megabytes = std::iter::repeat_n(megabyte.clone(), 240);
        let frames = megabytes.map(|it| Ok::<_, Error>(Frame::data(it)));
        let frames = futures_util::stream::iter(frames);
        std::future::ready(Response::new(StreamBody::new(frames).boxed_unsync()))
    });
    let mut client = stub.connect().await;
    client.write("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
    within("a blocked write", stub.manual.until_sleeping(WRITE_IDLE)).await;
    // More than the kernel holds: for the last of it the server has written again.
    let mut some = vec![0; 24 << 20];
    for _ in 0..9 {
        stub.manual.advance(Duration::from_secs(10));
        within("bytes", client.0.read_exact(&mut some)).await.unwrap();
    }
    assert!(client.rest().await.ends_with(b"\r\n0\r\n\r\n"));
    assert_eq!(stub.counters.closed_write_idle.get(), 0);
}

#[tokio::test]
async fn a_head_that_is_too_long_is_431() {
    let stub = Stub::start(echo);
    let mut client = stub.connect().await;
    client.write("GET / HTTP/1.1\r\nHost: a\r\nA: ".to_owned() + &"a".repeat(200_000)).await;
    assert!(client.response().await.starts_with("HTTP/1.1 431"));
    assert_eq!(client.rest().await, b"");
    drop(client);
    until("the count", || stub.counters.closed_protocol.get() == 1).await;
}

#[tokio::test]
async fn a_head_of_too_many_fields_is_431() {
    for max in [100, 10] {
        let mut config = config();
        config.limits.max_fields = max;
        let stub = Stub::with(&config, echo).unwrap();
        let head = |fields: usize| {
            let fields: String = (0..fields).map(|n| format!("F{n}: a\r\n")).collect();
            format!("GET / HTTP/1.1\r\n{fields}\r\n")
        };
        let mut client = stub.connect().await;
        client.write(head(max)).await;
        assert!(client.response().await.starts_with("HTTP/1.1 200"), "{max} are fine");
        client.write(head(max + 1)).await;
        assert!(client.response().await.starts_with("HTTP/1.1 431"));
    }
}

#[tokio::test]
async fn what_is_no_http_is_400_and_counted() {
    let stub = Stub::start(echo);
    let mut client = stub.connect().await;
    client.write("GET / HTTP/1.1\r\nHost : a\r\n\r\n").await;
    assert!(client.response().await.starts_with("HTTP/1.1 400"));
    assert_eq!(client.rest().await, b"");
    until("the count", || stub.counters.closed_protocol.get() == 1).await;
}

#[tokio::test]
async fn an_early_answer_reaches_a_client_that_is_still_sending() {
    let stub = Stub::start(|_, _| async {
        let mut response = full("enough");
        *response.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
        response
    });
    let mut client = stub.connect().await;
    client.write("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n").await;
    client.write(vec![b'x'; 100_000]).await;
    assert!(client.response().await.starts_with("HTTP/1.1 413"));
}

#[tokio::test]
async fn a_handler_that_panics_breaks_its_connection_alone() {
    let stub = Stub::start(|request: Request<Incoming>, _| async move {
        assert_ne!(request.uri().path(), "/panic", "as the test wants it");
        full("fine")
    });
    let (mut client, mut other) = (stub.connect().await, stub.connect().await);
    other.get("/").await;
    client.write("GET /panic HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(client.rest().await, b"");
    assert!(other.get("/").await.ends_with("fine"));
    assert!(stub.connect().await.get("/").await.ends_with("fine"), "its place is free again");
}

#[tokio::test]
async fn a_torn_body_breaks_the_connection() {
    let stub = Stub::start(|_, _| async {
        let frames = futures_util::stream::iter([
            Ok(Frame::data(Bytes::from("half"))),
            Err(Error::from("the origin is gone")),
        ]);
        Response::new(StreamBody::new(frames).boxed_unsync())
    });
    let mut client = stub.connect().await;
    client.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let all = client.rest().await;
    assert!(!all.ends_with(b"0\r\n\r\n"), "it never looks whole");
    assert_eq!(stub.counters.closed_protocol.get(), 0, "not the client's fault");
}

#[tokio::test]
async fn a_body_without_a_length_is_broken_off_by_a_reset() {
    let (feed, response) = fed();
    let response = Arc::new(parking_lot::Mutex::new(Some(response)));
    let stub = Stub::start(move |_, _| std::future::ready(response.lock().take().unwrap()));
    let mut client = stub.connect().await;
    client.write("GET / HTTP/1.0\r\n\r\n").await;
    feed.send("half").unwrap();
    while client.byte().await != b'f' {}
    drop(stub.front);
    let mut rest = Vec::new();
    let end = within("the end", client.0.read_to_end(&mut rest)).await;
    assert_eq!(end.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset, "no end, but a break");
}

#[tokio::test]
async fn a_body_without_a_length_ends_with_its_connection() {
    let (feed, response) = fed();
    let response = Arc::new(parking_lot::Mutex::new(Some(response)));
    let stub = Stub::start(move |_, _| std::future::ready(response.lock().take().unwrap()));
    let mut client = stub.connect().await;
    client.write("GET / HTTP/1.0\r\n\r\n").await;
    feed.send("whole").unwrap();
    drop(feed);
    let mut all = Vec::new();
    within("the end", client.0.read_to_end(&mut all)).await.expect("an end, and no break");
    assert!(all.ends_with(b"whole"));
}

#[tokio::test]
async fn a_client_that_leaves_cancels_its_request() {
    let (told, asked) = oneshot::channel::<()>();
    let told = Arc::new(parking_lot::Mutex::new(Some(told)));
    let stub = Stub::start(move |_, _| {
        let held = told.lock().take();
        async move {
            std::future::pending::<()>().await;
            drop(held);
            full("")
        }
    });
    let mut client = stub.connect().await;
    client.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    drop(client);
    within("the handler's end", asked).await.unwrap_err();
}

#[tokio::test]
async fn when_all_places_are_taken_the_next_connection_waits() {
    let mut config = config();
    config.limits.max_connections = 1;
    let stub = Stub::with(&config, echo).unwrap();
    let mut first = stub.connect().await;
    first.get("/").await;
    let mut next = stub.connect().await;
    next.write("GET /next HTTP/1.1\r\nHost: a\r\n\r\n").await;
    until("the count", || stub.counters.connections_full.get() == 1).await;
    assert!(first.get("/").await.starts_with("HTTP/1.1 200"), "who has a place is served");
    drop(first);
    assert!(next.response().await.ends_with("/next"));
    assert_eq!(stub.counters.connections_full.get(), 1);
}

#[tokio::test]
async fn bounds_that_are_reloaded_hold_for_the_next_connection() {
    let mut config = config();
    config.limits.max_connections = 1;
    let stub = Stub::with(&config, echo).unwrap();
    let mut first = stub.connect().await;
    first.get("/").await;
    let idle = Duration::from_secs(5);
    let (limits, timeouts) = (Limits::default(), Timeouts { idle, ..config.timeouts });
    stub.front.reload(&Config { limits, timeouts, ..config });
    let mut next = stub.connect().await;
    next.get("/").await;
    within("the old wait", stub.manual.until_sleeping(IDLE)).await;
    stub.let_it_wait(idle).await;
    next.rest().await;
    assert!(first.get("/").await.starts_with("HTTP/1.1 200"), "it keeps its own");
}

#[tokio::test]
async fn an_upgraded_connection_keeps_its_place() {
    let ended = Arc::new(Notify::new());
    let end = ended.clone();
    let stub = Stub::start(move |request, peer| tunnel(request, peer, end.clone()));
    let mut client = stub.connect().await;
    client.write("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n").await;
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        head.push(char::from(client.byte().await));
    }
    assert!(head.starts_with("HTTP/1.1 101"), "{head}");
    client.write("ping").await;
    assert_eq!(client.byte().await, b'p', "the tunnel echoes");
    stub.manual.advance(IDLE * 2);
    client.write("pong").await;
    within("a drain that finds it", async {
        tokio::join!(stub.front.drain(), async {
            stub.manual.until_sleeping(SHUTDOWN).await;
            stub.manual.advance(SHUTDOWN);
            ended.notified().await;
        })
    })
    .await;
    assert_eq!(stub.counters.closed_drain.get(), 1);
}

async fn tunnel(
    mut request: Request<Incoming>,
    peer: Peer,
    ended: Arc<Notify>,
) -> Response<StubBody> {
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let tunnel = hyper_util::rt::TokioIo::new(upgrade.await.unwrap());
        let (mut from, mut to) = tokio::io::split(tunnel);
        let tenure = peer.tenure;
        let mut cut = tenure.cut.clone();
        tokio::select! {
            _ = tokio::io::copy(&mut from, &mut to) => panic!("the client went first"),
            _ = cut.wait_for(|cut| *cut) => ended.notify_one(),
        }
    });
    let mut response = full("");
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    response.headers_mut().insert("connection", "upgrade".parse().unwrap());
    response.headers_mut().insert("upgrade", "x".parse().unwrap());
    response
}
