//! HTTP/2 by prior knowledge: limits and timeouts, each with its counted close.

use http_body_util::Empty;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::task::JoinHandle;

use super::*;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const DATA: u8 = 0;
const HEADERS_FRAME: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const ACK: u8 = 1;

/// A client of hyper's.
struct Client {
    sender: http2::SendRequest<Empty<Bytes>>,
    connection: JoinHandle<hyper::Result<()>>,
}

impl Client {
    async fn connect(stub: &Stub) -> Client {
        let io = TokioIo::new(stub.connect().await.0);
        let handshake = http2::handshake(TokioExecutor::new(), io);
        let (sender, connection) = within("a handshake", handshake).await.unwrap();
        Client { sender, connection: tokio::spawn(connection) }
    }

    async fn get(&self, path: &str) -> (u16, Bytes) {
        let request = Request::get(format!("http://a{path}")).body(Empty::new()).unwrap();
        self.send(request).await
    }

    async fn send(&self, request: Request<Empty<Bytes>>) -> (u16, Bytes) {
        let response = self.sender.clone().send_request(request);
        let response = within("a response", response).await.unwrap();
        let status = response.status().as_u16();
        (status, within("a body", response.collect()).await.unwrap().to_bytes())
    }
}

/// A client that sees the frames.
pub(super) struct Frames(Wire);

/// A frame that came.
struct Came {
    kind: u8,
    stream: u32,
    payload: Vec<u8>,
}

impl Frames {
    pub(super) async fn connect(stub: &Stub) -> Frames {
        let mut frames = Frames(stub.connect().await);
        frames.0.write(PREFACE).await;
        frames.0.write(frame(SETTINGS, 0, 0, &[])).await;
        frames
    }

    /// A GET with the fields that every request has.
    pub(super) async fn headers(&mut self, stream: u32, path: &str) {
        self.0.write(frame(HEADERS_FRAME, END_STREAM | END_HEADERS, stream, &block(path))).await;
    }

    pub(super) async fn rest(&mut self) -> Vec<u8> {
        self.0.rest().await
    }

    /// The next frame; pings and settings are acknowledged.
    async fn next(&mut self) -> Option<Came> {
        let mut head = [0; 9];
        within("a frame", self.0.0.read_exact(&mut head)).await.ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        let mut payload = vec![0; length];
        within("a payload", self.0.0.read_exact(&mut payload)).await.ok()?;
        if [PING, SETTINGS].contains(&head[3]) && head[4] & ACK == 0 {
            let payload: &[u8] = if head[3] == PING { &payload } else { &[] };
            let _ = self.0.0.write_all(&frame(head[3], ACK, 0, payload)).await;
        }
        Some(Came { kind: head[3], stream, payload })
    }

    /// The next frame of a kind, unless the connection ends before it.
    async fn until(&mut self, kind: u8) -> Option<Came> {
        loop {
            let came = self.next().await?;
            if came.kind == kind {
                return Some(came);
            }
        }
    }

    /// The reason that the server closes the connection for, if it is heard.
    async fn farewell(&mut self) -> Option<u32> {
        let goaway = self.until(GOAWAY).await?;
        Some(u32::from_be_bytes(goaway.payload[4..8].try_into().unwrap()))
    }
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut frame = u32::try_from(payload.len()).unwrap().to_be_bytes()[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// HPACK without compression: `:method GET`, `:scheme http`, `:authority a`, `:path`.
fn block(path: &str) -> Vec<u8> {
    let mut block = vec![0x82, 0x86, 0x01, 0x01, b'a', 0x04, u8::try_from(path.len()).unwrap()];
    block.extend(path.bytes());
    block
}

#[tokio::test]
async fn http_2_is_spoken_on_the_same_port() {
    let stub = Stub::start(echo);
    let client = Client::connect(&stub).await;
    let (one, two) = tokio::join!(client.get("/1"), client.get("/2"));
    assert_eq!((one, two), ((200, "/1".into()), (200, "/2".into())));
    assert!(stub.connect().await.get("/3").await.ends_with("/3"), "and HTTP/1 beside it");
}

#[tokio::test]
async fn a_preface_may_come_byte_by_byte() {
    let stub = Stub::start(echo);
    let mut client = Frames(stub.connect().await);
    for byte in PREFACE {
        client.0.write([*byte]).await;
        tokio::task::yield_now().await;
    }
    client.0.write(frame(SETTINGS, 0, 0, &[])).await;
    client.headers(1, "/").await;
    let data = client.until(DATA).await.expect("an answer");
    assert_eq!((data.stream, data.payload.as_slice()), (1, &b"/"[..]));
}

#[tokio::test]
async fn what_begins_like_a_preface_and_is_none_is_read_as_it_came() {
    let stub = Stub::start(echo);
    let mut client = stub.connect().await;
    for part in ["P", "RI", " * HTTP/1.1\r\nHost: a\r\n\r\n"] {
        client.write(part).await;
        tokio::task::yield_now().await;
    }
    assert!(client.response().await.ends_with('*'), "PRI is a method like another");
}

#[tokio::test]
async fn a_long_body_arrives_whole() {
    let big: Bytes = (0..1_000_000u32).flat_map(u32::to_be_bytes).collect();
    let answer = big.clone();
    let stub = Stub::start(move |_, _| std::future::ready(full(answer.clone())));
    let client = Client::connect(&stub).await;
    let (_, body) = client.get("/").await;
    assert_eq!(body, big);
}

#[tokio::test]
async fn a_preface_alone_is_closed_after_the_headers_timeout() {
    let stub = Stub::start(echo);
    let mut client = stub.connect().await;
    client.write(PREFACE).await;
    stub.let_it_wait(HEADERS).await;
    client.rest().await;
    assert_eq!(stub.counters.closed_headers.get(), 1);
}

#[tokio::test]
async fn an_idle_connection_is_told_and_closed() {
    let stub = Stub::start(echo);
    let client = Client::connect(&stub).await;
    client.get("/").await;
    stub.let_it_wait(IDLE).await;
    within("its end", client.connection).await.unwrap().unwrap();
    until("the count", || stub.counters.closed_idle.get() == 1).await;
    assert_eq!(stub.counters.closed_headers.get(), 0);
}

#[tokio::test]
async fn an_idle_client_that_does_not_leave_is_closed_all_the_same() {
    let stub = Stub::start(echo);
    let mut client = Frames::connect(&stub).await;
    client.headers(1, "/").await;
    client.until(DATA).await.expect("an answer");
    stub.let_it_wait(IDLE).await;
    let goaway = within("GOAWAY", async {
        let mut head = [0; 9];
        loop {
            client.0.0.read_exact(&mut head).await.unwrap();
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
            client.0.0.read_exact(&mut vec![0; length]).await.unwrap();
            if head[3] == GOAWAY {
                return head;
            }
        }
    })
    .await;
    assert_eq!(goaway[3], GOAWAY);
    stub.let_it_wait(HEADERS).await;
    client.rest().await;
    assert_eq!(stub.counters.closed_idle.get(), 1);
}

#[tokio::test]
async fn a_stream_that_its_client_does_not_take_is_reset() {
    let stub = Stub::start(|_, _| std::future::ready(full(vec![b'x'; 1 << 20])));
    let mut client = Frames::connect(&stub).await;
    client.headers(1, "/").await;
    let mut read = 0;
    while read < 65_535 {
        read += client.until(DATA).await.expect("data, as the window allows").payload.len();
    }
    stub.let_it_wait(WRITE_IDLE).await;
    let reset = client.until(RST_STREAM).await.expect("a reset");
    assert_eq!((reset.stream, reset.payload.as_slice()), (1, &[0, 0, 0, 8][..]), "CANCEL");
    assert_eq!(stub.counters.closed_write_idle.get(), 1);
    client.headers(3, "/").await;
    client.until(HEADERS_FRAME).await.expect("the connection goes on");
}

#[tokio::test]
async fn a_client_that_reads_nothing_is_closed_after_the_write_timeout() {
    let stub = Stub::start(|_, _| std::future::ready(full(vec![b'x'; 16 << 20])));
    let mut client = Frames::connect(&stub).await;
    let window = [0, 4, 0x7f, 0xff, 0xff, 0xff];
    client.0.write(frame(SETTINGS, 0, 0, &window)).await;
    client.0.write(frame(8, 0, 0, &0x7fff_0000u32.to_be_bytes())).await;
    client.headers(1, "/").await;
    until("a blocked write", || stub.manual.is_sleeping(WRITE_IDLE)).await;
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    stub.manual.advance(WRITE_IDLE);
    until("the close", || stub.counters.closed_write_idle.get() == 1).await;
    client.rest().await;
}

#[tokio::test]
async fn a_head_that_is_too_long_or_has_too_many_fields_is_431() {
    let stub = Stub::start(echo);
    let client = Client::connect(&stub).await;
    let many = (0..101).fold(Request::get("http://a/"), |it, n| it.header(format!("f{n}"), "a"));
    assert_eq!(client.send(many.body(Empty::new()).unwrap()).await.0, 431);
    let mut client = Frames::connect(&stub).await;
    let mut long = block("/");
    for name in b'a'..=b'r' {
        long.extend([0, 1, name, 0x7f, 0x80 | 0x50, 0x0f]);
        long.extend([b'v'; 127 + 0x50 + 0x0f * 128]);
    }
    client.0.write(frame(HEADERS_FRAME, END_STREAM, 1, &long[..16_000])).await;
    client.0.write(frame(CONTINUATION, 0, 1, &long[16_000..32_000])).await;
    client.0.write(frame(CONTINUATION, END_HEADERS, 1, &long[32_000..])).await;
    let answer = client.until(HEADERS_FRAME).await.expect("an answer");
    assert_eq!(answer.payload, [0x48, 0x83, 0x69, 0x90, 0xff], "`:status` 431, in Huffman's code");
}

#[tokio::test]
async fn a_flood_of_resets_ends_the_connection() {
    let stub = Stub::start(|_, _| std::future::pending::<Response<StubBody>>());
    let mut client = Frames::connect(&stub).await;
    let mut flood = Vec::new();
    for stream in (1..400).step_by(2) {
        flood.extend(frame(HEADERS_FRAME, END_STREAM | END_HEADERS, stream, &block("/")));
        flood.extend(frame(RST_STREAM, 0, stream, &[0, 0, 0, 8]));
    }
    client.0.write(flood).await;
    assert!(matches!(client.farewell().await, Some(11) | None), "ENHANCE_YOUR_CALM");
    client.rest().await;
    until("the count", || stub.counters.closed_protocol.get() == 1).await;
}

#[tokio::test]
async fn a_flood_of_continuations_ends_the_connection() {
    let stub = Stub::start(echo);
    let mut client = Frames::connect(&stub).await;
    let mut flood = frame(HEADERS_FRAME, END_STREAM, 1, &block("/"));
    for _ in 0..10_000 {
        flood.extend(frame(CONTINUATION, 0, 1, &[0, 1, b'a', 1, b'b']));
    }
    let _ = client.0.0.write_all(&flood).await;
    client.farewell().await;
    client.rest().await;
    until("the count", || stub.counters.closed_protocol.get() == 1).await;
}

#[tokio::test]
async fn what_is_no_http_2_behind_a_preface_ends_the_connection() {
    let stub = Stub::start(echo);
    let mut client = Frames::connect(&stub).await;
    client.0.write(frame(DATA, 0, 1, b"there is no such stream")).await;
    client.rest().await;
    until("the count", || stub.counters.closed_protocol.get() == 1).await;
}

#[tokio::test]
async fn a_drain_says_goaway_and_lets_streams_finish() {
    let (feed, response) = fed();
    let response = Arc::new(parking_lot::Mutex::new(Some(response)));
    let stub = Stub::start(move |_, _| std::future::ready(response.lock().take().unwrap()));
    let mut client = Frames::connect(&stub).await;
    client.headers(1, "/").await;
    client.until(HEADERS_FRAME).await.expect("a head");
    let drained = tokio::spawn(stub.front.drain());
    assert_eq!(client.farewell().await, Some(0), "NO_ERROR");
    feed.send("the end").unwrap();
    drop(feed);
    assert_eq!(client.until(DATA).await.expect("the body").payload, b"the end");
    client.farewell().await;
    client.rest().await;
    within("the drain", drained).await.unwrap();
    assert_eq!(stub.counters.closed_drain.get(), 0);
}
