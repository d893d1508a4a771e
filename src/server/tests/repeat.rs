//! Requests that repeat another: who answers them, and that no byte gets out of its order.

use http::StatusCode;
use tokio::{io::AsyncWriteExt, sync::Notify};

use super::{
    super::{Repeated, Repeater},
    *,
};

/// Answers with `hyper` and the path, and gives what answers more of the kind with `here` and the target,
/// but for targets with `miss`, and for none after one with `over`.
fn repeating() -> impl Handler<Body = StubBody> {
    repeating_with(Bytes::new())
}

/// The same, with more behind it.
fn repeating_with(more: Bytes) -> impl Handler<Body = StubBody> {
    move |request: Request<Incoming>, peer: Peer| {
        let more = more.clone();
        if let Some(wanted) = &peer.repeater_wanted {
            let more = more.clone();
            wanted.meet(Repeater::new(move |target, head| {
                let target = std::str::from_utf8(target).unwrap();
                if target.contains("over") {
                    return Repeated::Over;
                }
                if target.contains("miss") {
                    return Repeated::Unanswered;
                }
                let body = Bytes::from([format!("here {target}").as_bytes(), &more].concat());
                let length = body.len();
                head.extend_from_slice(b"HTTP/1.1 200 OK\r\ncontent-length: ");
                head.extend_from_slice(format!("{length}\r\n\r\n").as_bytes());
                Repeated::Answered(body)
            }));
        }
        async move {
            let path = request.uri().path().to_owned();
            let sent = request.into_body().collect().await.map(|it| it.to_bytes());
            let sent = sent.unwrap_or_default();
            full([format!("hyper {path}").as_bytes(), &sent, &more].concat())
        }
    }
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")
}

/// Asks until repeats are answered without hyper.
async fn warm(client: &mut Wire) {
    for (path, expected) in [("/1", "hyper /1"), ("/2", "hyper /2"), ("/3", "here /3")] {
        let response = client.get(path).await;
        assert!(response.ends_with(expected), "{response}");
    }
}

#[tokio::test]
async fn what_repeats_the_fields_is_answered_without_hyper_and_nothing_else_is() {
    let stub = Stub::start(repeating());
    let mut client = stub.connect().await;
    warm(&mut client).await;
    let others = [
        ("GET /a HTTP/1.1\r\nhost: a\r\n\r\n", "a field is written in another way"),
        ("GET /a HTTP/1.1\r\nHost: a\r\nA: b\r\n\r\n", "there is one more"),
        ("GET /a HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n", "another version"),
        ("HEAD /a HTTP/1.1\r\nHost: a\r\n\r\n", "another method"),
        ("get /a HTTP/1.1\r\nHost: a\r\n\r\n", "methods are told apart by case"),
        ("GET http://a/a HTTP/1.1\r\nHost: a\r\n\r\n", "the target is in absolute form"),
        ("GET  /a HTTP/1.1\r\nHost: a\r\n\r\n", "two spaces"),
        ("GET /\u{e4} HTTP/1.1\r\nHost: a\r\n\r\n", "no ASCII"),
        ("GET /a\x7f HTTP/1.1\r\nHost: a\r\n\r\n", "a control"),
        ("\r\nGET /a HTTP/1.1\r\nHost: a\r\n\r\n", "an empty line before it"),
        ("GET /a HTTP/1.1\nHost: a\r\n\r\n", "a line that ends by LF alone"),
    ];
    for (other, why) in others {
        let mut client = stub.connect().await;
        warm(&mut client).await;
        client.write(other).await;
        if other.starts_with("HEAD") {
            client.write(get("/4")).await;
        }
        let response = String::from_utf8_lossy(&client.some().await).into_owned();
        assert!(!response.contains("here /a"), "{why}: {response}");
    }
}

#[tokio::test]
async fn what_cannot_be_answered_here_goes_to_hyper_and_the_next_may_be_again() {
    let stub = Stub::start(repeating());
    let mut client = stub.connect().await;
    warm(&mut client).await;
    let rows = [
        ("/miss", "hyper /miss"),
        ("/4", "hyper /4"), // a pause of one
        ("/5", "here /5"),
        ("/miss", "hyper /miss"),
        ("/6", "hyper /6"),
        ("/over", "hyper /over"),
        ("/7", "hyper /7"), // a pause of three
        ("/8", "hyper /8"),
        ("/9", "hyper /9"),
        ("/10?q=%20&x", "here /10?q=%20&x"), // by what was met with the answer to /over
    ];
    for (path, expected) in rows {
        let response = client.get(path).await;
        assert!(response.ends_with(expected), "{path}: {response}");
    }
}

/// RFC 9112 §9.3.2: answers come in the order of their requests.
#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let stub = Stub::start(repeating());
    for together in [1, 2, 3, 7] {
        let mut client = stub.connect().await;
        warm(&mut client).await;
        for round in 0..5 {
            let paths: Vec<String> = (0..together).map(|n| format!("/{round}/{n}")).collect();
            client.write(paths.iter().map(|path| get(path)).collect::<String>()).await;
            for path in &paths {
                let response = client.response().await;
                assert!(response.ends_with(&format!(" {path}")), "{together}: {response}");
            }
        }
    }
}

#[tokio::test]
async fn a_repeat_does_not_overtake_what_hyper_is_still_answering() {
    let (asked, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (tell, wait, inner) = (asked.clone(), go.clone(), repeating());
    let stub = Stub::start(move |request: Request<Incoming>, peer: Peer| {
        let slow = request.uri().path() == "/slow-miss";
        let answer = inner.answer(request, peer);
        let (tell, wait) = (tell.clone(), wait.clone());
        async move {
            if slow {
                tell.notify_one();
                wait.notified().await;
            }
            answer.await
        }
    });
    // Alone, behind another one in the same piece, and with other fields.
    for slow in [get("/slow-miss"), get("/miss") + &get("/slow-miss")] {
        let mut client = stub.connect().await;
        warm(&mut client).await;
        client.write(&slow).await;
        within("the request", asked.notified()).await;
        client.write(get("/next")).await;
        client.write(get("/last")).await;
        tokio::task::yield_now().await;
        go.notify_one();
        let paths = slow.matches("GET").count();
        let mut answers = Vec::new();
        for _ in 0..paths + 2 {
            answers.push(client.response().await);
        }
        let ends: Vec<&str> = answers.iter().map(|it| it.rsplit(' ').next().unwrap()).collect();
        assert_eq!(&ends[paths - 1..], ["/slow-miss", "/next", "/last"]);
    }
}

#[tokio::test]
async fn content_is_never_taken_for_a_repeat() {
    let stub = Stub::start(repeating());
    let hidden = get("/hidden");
    let length = hidden.len();
    let fixed = format!("POST /post HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n");
    let chunked = "POST /post HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    let rows = [
        (fixed.clone(), hidden.clone(), "in a piece of its own"),
        (format!("{fixed}{}", &hidden[..10]), hidden[10..].to_owned(), "in two"),
        (chunked.to_owned(), format!("{length:x}\r\n{hidden}\r\n0\r\n\r\n"), "chunked"),
        (format!("{chunked}{length:x}\r\n"), format!("{hidden}\r\n0\r\n\r\n"), "in its chunk"),
    ];
    for (first, second, how) in rows {
        let mut client = stub.connect().await;
        warm(&mut client).await;
        client.write(&first).await;
        // The head is read before the rest comes.
        until("the request", || stub.counters.connections.get() > 0).await;
        client.write(&second).await;
        let response = client.response().await;
        assert!(response.ends_with(&format!("hyper /post{hidden}")), "{how}: {response}");
        for path in ["/4", "/5", "/6"] {
            let response = client.get(path).await;
            assert!(response.ends_with(&format!(" {path}")), "{how}: {response}");
        }
    }
}

/// The content of a request that is answered before it has come is never a request (RFC 9112 §6.3).
#[tokio::test]
async fn content_that_comes_after_its_answer_is_never_taken_for_a_repeat() {
    let inner = repeating();
    let stub = Stub::start(move |request: Request<Incoming>, peer: Peer| {
        let early = request.method() == http::Method::POST;
        let answer = (!early).then(|| inner.answer(request, peer));
        async move {
            match answer {
                Some(answer) => answer.await,
                None => full("early"),
            }
        }
    });
    let hidden = get("/hidden");
    let post =
        format!("POST /post HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", hidden.len());
    for (first, answers) in [(post.clone(), 1), (get("/4") + &post, 2), (get("/miss") + &post, 2)] {
        let mut client = stub.connect().await;
        warm(&mut client).await;
        client.write(&first).await;
        for _ in 0..answers {
            client.response().await;
        }
        // The connection may have ended with the early answer.
        if client.0.write_all(hidden.as_bytes()).await.is_ok() {
            let rest = String::from_utf8(client.rest_at_once().await).unwrap();
            assert!(!rest.contains("here /hidden"), "{first:?}: {rest}");
        }
    }
}

#[tokio::test]
async fn after_a_request_with_a_length_repeats_are_answered_here_again() {
    let stub = Stub::start(repeating());
    let mut client = stub.connect().await;
    warm(&mut client).await;
    client.write("POST /post HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc").await;
    assert!(client.response().await.ends_with("hyper /postabc"));
    assert!(client.get("/4").await.ends_with("here /4"), "hyper holds nothing");
}

#[tokio::test]
async fn an_answer_waits_for_a_client_that_does_not_read_and_stays_whole() {
    let more = Bytes::from(vec![b'x'; 24 << 20]);
    let stub = Stub::start(repeating_with(more.clone()));
    let mut client = stub.connect().await;
    for path in ["/1", "/2"] {
        client.write(get(path)).await;
        client.response_of(more.len()).await;
    }
    for path in ["/3", "/4"] {
        client.write(get(path)).await;
        within("a full socket", stub.manual.until_sleeping(WRITE_IDLE)).await;
        let response = client.response_of(more.len()).await;
        assert!(response.starts_with(format!("here {path}").as_bytes()), "{path}");
        assert!(response.ends_with(&more), "{path}");
    }
    client.write(get("/5")).await;
    stub.let_it_wait(WRITE_IDLE).await;
    assert!(client.rest().await.len() < more.len(), "a client that does not read is let go");
    assert_eq!(stub.counters.closed_write_idle.get(), 1);
}

#[tokio::test]
async fn a_client_that_has_said_all_gets_its_last_answer() {
    let stub = Stub::start(repeating());
    let mut client = stub.connect().await;
    warm(&mut client).await;
    client.write(get("/4")).await;
    client.0.shutdown().await.unwrap();
    let rest = String::from_utf8(client.rest().await).unwrap();
    assert!(rest.ends_with("here /4"), "{rest}");
}

#[tokio::test]
async fn a_connection_whose_repeats_are_answered_here_is_idle_between_them() {
    let stub = Stub::start(repeating());
    let mut client = stub.connect().await;
    warm(&mut client).await;
    within("idleness", stub.manual.until_sleeping(IDLE)).await;
    for path in ["/4", "/5", "/6"] {
        stub.manual.advance(IDLE - Duration::from_secs(1));
        assert!(client.get(path).await.ends_with(&format!("here {path}")), "it was in time");
    }
    stub.manual.advance(IDLE);
    assert_eq!(client.rest().await, b"");
    assert_eq!((stub.counters.closed_idle.get(), stub.counters.closed_headers.get()), (1, 0));
}

/// RFC 9112 §9.6.
#[tokio::test]
async fn the_last_answer_in_a_drain_says_that_it_is_the_last() {
    let stub = Stub::start(repeating());
    let mut client = stub.connect().await;
    warm(&mut client).await;
    let drained = tokio::spawn(stub.front.drain());
    within("its last chance", stub.manual.until_sleeping(super::super::watch::PATIENCE)).await;
    let response = client.get("/late").await;
    assert!(response.contains("connection: close") && response.ends_with("hyper /late"));
    assert_eq!(client.rest().await, b"");
    within("the drain", drained).await.unwrap();
}

#[tokio::test]
async fn a_tunnel_is_not_looked_into() {
    let inner = repeating();
    let stub = Stub::start(move |mut request: Request<Incoming>, peer: Peer| {
        let switch = request.uri().path() == "/switch";
        let upgrade = switch.then(|| hyper::upgrade::on(&mut request));
        let answer = inner.answer(request, peer);
        async move {
            let Some(upgrade) = upgrade else { return answer.await };
            tokio::spawn(async move {
                let mut tunnel = hyper_util::rt::TokioIo::new(upgrade.await.unwrap());
                let mut said = [0; 64];
                while let Ok(some @ 1..) = tunnel.read(&mut said).await {
                    tunnel.write_all(&said[..some]).await.unwrap();
                }
            });
            let mut response = full("");
            *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
            response.headers_mut().insert("connection", "upgrade".parse().unwrap());
            response.headers_mut().insert("upgrade", "echo".parse().unwrap());
            response
        }
    });
    let mut client = stub.connect().await;
    let fields = "Host: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n";
    // The same fields, first on what is no tunnel, so that what answers more of them is known.
    for path in ["/1", "/2", "/3"] {
        client.write(format!("GET {path} HTTP/1.1\r\n{fields}")).await;
        client.response().await;
    }
    client.write(format!("GET /miss HTTP/1.1\r\n{fields}")).await;
    client.response().await;
    client.write(format!("GET /switch HTTP/1.1\r\n{fields}")).await;
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        head.push(char::from(client.byte().await));
    }
    assert!(head.starts_with("HTTP/1.1 101"), "{head}");
    let said = format!("GET /4 HTTP/1.1\r\n{fields}");
    for _ in 0..3 {
        client.write(&said).await;
        let mut heard = vec![0; said.len()];
        within("an echo", client.0.read_exact(&mut heard)).await.unwrap();
        assert_eq!(heard, said.as_bytes(), "what a tunnel carries is nobody's request");
    }
}

#[tokio::test]
async fn a_head_past_its_limit_is_refused_however_often_its_fields_came() {
    let mut config = config();
    config.limits.max_head = 8 << 10;
    let stub = Stub::with(&config, repeating()).unwrap();
    let mut client = stub.connect().await;
    warm(&mut client).await;
    client.write(get(&format!("/{}", "x".repeat(9 << 10)))).await;
    let answer = String::from_utf8(client.rest().await).unwrap();
    assert!(answer.starts_with("HTTP/1.1 431") || answer.starts_with("HTTP/1.1 414"), "{answer}");
}
