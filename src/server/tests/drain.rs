//! Stopping: what is under way ends, what stays too long is cut.

use tokio::sync::Notify;

use super::{super::watch::PATIENCE, *};

/// Answers once it is let go; says when it was asked.
fn gated() -> (Arc<Notify>, Arc<Notify>, impl Handler) {
    let (asked, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (tell, wait) = (asked.clone(), go.clone());
    let handler = move |request: Request<Incoming>, _: Peer| {
        let (tell, wait) = (tell.clone(), wait.clone());
        async move {
            if request.uri().path() == "/slow" {
                tell.notify_one();
                wait.notified().await;
            }
            full("done")
        }
    };
    (asked, go, handler)
}

#[tokio::test]
async fn a_drain_lets_an_active_response_finish_and_closes_idle_connections() {
    let (asked, go, handler) = gated();
    let stub = Stub::start(handler);
    let (mut busy, mut idle, mut fresh) =
        (stub.connect().await, stub.connect().await, stub.connect().await);
    idle.get("/").await;
    busy.write("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n").await;
    within("the request", asked.notified()).await;
    let Listen::Tcp(addr) = stub.front.addresses()[0] else { panic!("not TCP") };
    let drained = tokio::spawn(stub.front.drain());
    within("their last chance", stub.manual.until_sleeping(PATIENCE)).await;
    stub.manual.advance(PATIENCE);
    assert_eq!(idle.rest().await, b"", "it asked for nothing more");
    assert_eq!(fresh.rest().await, b"", "it never asked");
    TcpStream::connect(addr).await.expect_err("nobody listens");
    go.notify_one();
    let response = busy.response().await;
    assert!(response.contains("connection: close") && response.ends_with("done"), "{response}");
    within("the drain", drained).await.unwrap();
    assert_eq!(stub.counters.closed_drain.get(), 0);
}

/// RFC 9112 §9.6: a request that was on its way when the end began is answered, and the answer says
/// that it is the last.
#[tokio::test]
async fn one_more_request_is_answered_in_a_drain_and_then_the_connection_ends() {
    let stub = Stub::start(echo);
    let (mut known, mut fresh) = (stub.connect().await, stub.connect().await);
    known.get("/").await;
    until("its accept", || stub.counters.connections.get() == 2).await;
    let drained = tokio::spawn(stub.front.drain());
    within("their last chance", stub.manual.until_sleeping(PATIENCE)).await;
    for client in [&mut known, &mut fresh] {
        let response = client.get("/late").await;
        assert!(response.contains("connection: close"), "{response}");
        assert_eq!(client.rest().await, b"");
    }
    within("the drain", drained).await.unwrap();
}

#[tokio::test]
async fn a_change_of_protocol_that_was_under_way_in_a_drain_still_names_it() {
    let (asked, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (tell, wait) = (asked.clone(), go.clone());
    let stub = Stub::start(move |_: Request<Incoming>, _: Peer| {
        let (tell, wait) = (tell.clone(), wait.clone());
        async move {
            tell.notify_one();
            wait.notified().await;
            let mut response = full("");
            *response.status_mut() = http::StatusCode::SWITCHING_PROTOCOLS;
            for name in ["connection", "upgrade"] {
                let value = if name == "upgrade" { "websocket" } else { "upgrade" };
                response.headers_mut().insert(name, value.parse().unwrap());
            }
            response
        }
    });
    let mut client = stub.connect().await;
    let fields = "Host: a\r\nConnection: upgrade\r\nUpgrade: websocket";
    client.write(format!("GET / HTTP/1.1\r\n{fields}\r\n\r\n")).await;
    within("the request", asked.notified()).await;
    let drained = tokio::spawn(stub.front.drain());
    within("the drain", stub.manual.until_sleeping(SHUTDOWN)).await;
    go.notify_one();
    let head = String::from_utf8(client.rest().await).unwrap();
    assert!(head.contains("connection: upgrade"), "RFC 9110 §7.8: {head}");
    within("the drain", drained).await.unwrap();
}

#[tokio::test]
async fn what_is_left_at_the_drain_deadline_is_cut_and_counted() {
    let (asked, _go, handler) = gated();
    let stub = Stub::start(handler);
    let (mut first, mut second) = (stub.connect().await, http2::Frames::connect(&stub).await);
    first.write("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n").await;
    within("the request", asked.notified()).await;
    second.headers(1, "/slow").await;
    within("the request", asked.notified()).await;
    let drained = tokio::spawn(stub.front.drain());
    within("the deadline", stub.manual.until_sleeping(SHUTDOWN)).await;
    stub.manual.advance(SHUTDOWN);
    within("the drain", drained).await.unwrap();
    assert_eq!(first.rest().await, b"");
    second.rest().await;
    assert_eq!(stub.counters.closed_drain.get(), 2);
}

#[tokio::test]
async fn a_request_that_came_before_the_drain_is_answered() {
    let stub = Stub::start(echo);
    let mut client = stub.connect().await;
    until("its accept", || stub.counters.connections.get() == 1).await;
    client.write("GET /early HTTP/1.1\r\nHost: a\r\n\r\n").await;
    within("the drain", stub.front.drain()).await;
    assert!(client.response().await.ends_with("/early"));
}

#[tokio::test]
async fn dropping_ends_everything_at_once() {
    let (asked, _go, handler) = gated();
    let stub = Stub::start(handler);
    let (mut busy, mut idle) = (stub.connect().await, stub.connect().await);
    idle.get("/").await;
    busy.write("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n").await;
    within("the request", asked.notified()).await;
    drop(stub.front);
    assert_eq!((busy.rest().await, idle.rest().await), (vec![], vec![]));
}
