//! The front over real sockets, before stubs, on a clock that stands still.
//!
//! Each test runs on one thread: when a client has an answer, what the server does after it is
//! done, too.

mod drain;
mod http1;
mod http2;
mod listen;
mod repeat;

use std::{future::Future, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::Incoming;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::mpsc,
};

use super::{
    Peer, StartError,
    front::{Front, Terms},
    handler::Handler,
};
use crate::{
    body::Error,
    clock::{Clock, Manual},
    config::{Admin, Config, Limits, Listen, Log, Memory, Timeouts},
    counters::Counters,
};

type StubBody = UnsyncBoxBody<Bytes, Error>;

const HEADERS: Duration = Duration::from_secs(8);
const IDLE: Duration = Duration::from_secs(75);
const WRITE_IDLE: Duration = Duration::from_secs(30);
const SHUTDOWN: Duration = Duration::from_secs(25);
/// Nothing here takes so long, unless it hangs.
const HANGS: Duration = Duration::from_secs(20);

struct Stub {
    front: Front,
    counters: Arc<Counters>,
    manual: Arc<Manual>,
}

fn config() -> Config {
    Config {
        listen: vec![Listen::Tcp(([127, 0, 0, 1], 0).into())],
        tls: None,
        proxy_protocol: Vec::new(),
        trusted_proxies: Vec::new(),
        upstreams: Vec::new(),
        routes: Vec::new(),
        limits: Limits::default(),
        timeouts: Timeouts::default(),
        log: Log::default(),
        memory: Memory::default(),
        max_streams: 256,
        redis: None,
        batch: None,
        admin: Admin::default(),
    }
}

impl Stub {
    fn start(handler: impl Handler) -> Stub {
        Stub::with(&config(), handler).expect("a free port")
    }

    fn with(config: &Config, handler: impl Handler) -> Result<Stub, StartError> {
        let (clock, manual) = Clock::manual(0);
        let counters = Arc::<Counters>::default();
        let front = Front::start(Terms::of(config, None), clock, counters.clone(), handler)?;
        Ok(Stub { front, counters, manual })
    }

    async fn connect(&self) -> Wire {
        let Listen::Tcp(addr) = self.front.addresses()[0] else { panic!("not TCP") };
        Wire(TcpStream::connect(addr).await.unwrap())
    }

    /// Waits until the server waits for something for so long, and lets the time pass.
    async fn let_it_wait(&self, wait: Duration) {
        within("the server to wait", self.manual.until_sleeping(wait)).await;
        self.manual.advance(wait);
    }
}

/// A client that sees the bytes.
struct Wire(TcpStream);

impl Wire {
    async fn write(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.write_all(bytes.as_ref()).await.unwrap();
    }

    async fn get(&mut self, path: &str) -> String {
        self.write(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")).await;
        self.response().await
    }

    /// One response that has a Content-Length.
    async fn response(&mut self) -> String {
        let mut text = String::new();
        while !text.ends_with("\r\n\r\n") {
            text.push(char::from(self.byte().await));
        }
        let lower = text.to_lowercase();
        let length = lower.split("content-length: ").nth(1).expect("a Content-Length");
        let length = length.split('\r').next().unwrap().parse().unwrap();
        for _ in 0..length {
            text.push(char::from(self.byte().await));
        }
        text
    }

    /// What comes next, in one read.
    async fn some(&mut self) -> Vec<u8> {
        let mut some = vec![0; 64 << 10];
        let length = within("some bytes", self.0.read(&mut some)).await.unwrap();
        some.truncate(length);
        some
    }

    /// The body of a response of at least so many bytes.
    async fn response_of(&mut self, at_least: usize) -> Vec<u8> {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            head.push(char::from(self.byte().await));
        }
        let lower = head.to_lowercase();
        let length = lower.split("content-length: ").nth(1).expect("a Content-Length");
        let length: usize = length.split('\r').next().unwrap().parse().unwrap();
        assert!(length >= at_least, "{head}");
        let mut body = vec![0; length];
        within("the body", self.0.read_exact(&mut body)).await.unwrap();
        body
    }

    /// What comes until the connection is closed, or until nothing more comes once the server has
    /// done what there was to do.
    async fn rest_at_once(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        while let Ok(1..) = self.0.try_read_buf(&mut rest) {
            tokio::task::yield_now().await;
        }
        rest
    }

    async fn byte(&mut self) -> u8 {
        within("a byte", self.0.read_u8()).await.expect("the connection goes on")
    }

    /// Everything until the connection is closed, however that is done.
    async fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        let _ = within("the connection's end", self.0.read_to_end(&mut rest)).await;
        rest
    }
}

/// What comes of `future`, unless it hangs.
#[allow(clippy::disallowed_methods, reason = "a hanging test must end by the real time")]
async fn within<F: Future>(what: &str, future: F) -> F::Output {
    let Ok(output) = tokio::time::timeout(HANGS, future).await else {
        panic!("waited {HANGS:?} for {what}")
    };
    output
}

/// Waits until something has become true.
async fn until(what: &str, is: impl Fn() -> bool) {
    within(what, async {
        while !is() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

fn full(text: impl Into<Bytes>) -> Response<StubBody> {
    Response::new(Full::new(text.into()).map_err(|never| match never {}).boxed_unsync())
}

/// Answers with the path.
async fn echo(request: Request<Incoming>, _: Peer) -> Response<StubBody> {
    full(request.uri().path().to_owned())
}

/// A response that a test feeds.
fn fed() -> (mpsc::UnboundedSender<&'static str>, Response<StubBody>) {
    let (feed, mut food) = mpsc::unbounded_channel();
    let frames = futures_util::stream::poll_fn(move |cx| {
        food.poll_recv(cx).map(|it| it.map(|it: &str| Ok(Frame::data(Bytes::from(it)))))
    });
    (feed, Response::new(StreamBody::new(frames).boxed_unsync()))
}
