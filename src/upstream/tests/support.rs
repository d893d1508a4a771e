//! An origin that says what the test says, and a client that uploads what the test writes.

use std::{
    convert::Infallible,
    future::{Future, pending},
    io,
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use bytes::Bytes;
use futures_util::{FutureExt, future::BoxFuture};
use http::{Method, Request, Response, request};
use http_body_util::{BodyExt, Empty};
use hyper::{
    body::Incoming,
    service::{Service, service_fn},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream},
    net::{TcpListener, TcpSocket, TcpStream},
    runtime::Builder,
    sync::mpsc,
};

use crate::{
    clock::{Clock, Manual},
    config::{self, Address},
    upstream::{BodyError, Errand, Error, RequestBody, ResponseBody, Upstream},
};

pub(super) const CONNECT: Duration = Duration::from_secs(3);
pub(super) const FIRST_BYTE: Duration = Duration::from_secs(30);
pub(super) const BETWEEN_BYTES: Duration = Duration::from_secs(20);
pub(super) const BODY_IDLE: Duration = Duration::from_secs(45);
pub(super) const MAX_IDLE: Duration = Duration::from_secs(4);

/// Runs a test on one thread; fails instead of hanging.
pub(super) fn run(test: impl Future<Output = ()>) {
    run_on(&mut Builder::new_current_thread(), test);
}

pub(super) fn run_on(runtime: &mut Builder, test: impl Future<Output = ()>) {
    runtime.enable_all().build().unwrap().block_on(async {
        let limit = Duration::from_secs(60);
        Clock::system().timeout(limit, test).await.expect("the test hangs");
    });
}

pub(super) struct Origin {
    listener: TcpListener,
}

/// The origin's end of one connection.
pub(super) struct Peer<S = TcpStream>(pub(super) S);

impl Origin {
    pub(super) async fn start() -> Origin {
        Origin { listener: TcpListener::bind("127.0.0.1:0").await.unwrap() }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.listener.local_addr().unwrap()
    }

    pub(super) fn config(&self) -> config::Upstream {
        config(Address::Http { host: "127.0.0.1".into(), port: self.address().port() })
    }

    /// An upstream of this origin, and the clock that it goes by.
    pub(super) fn upstream(&self) -> (Upstream, Arc<Manual>) {
        upstream(self.config())
    }

    pub(super) async fn accept(&self) -> Peer {
        Peer(self.listener.accept().await.unwrap().0)
    }

    /// Accepts a connection, reads a request, and answers it.
    pub(super) async fn serve(&self, answer: &str) -> Peer {
        let mut peer = self.accept().await;
        peer.serve(answer).await;
        peer
    }

    /// Nobody else has connected; what has, is accepted already.
    pub(super) fn assert_no_other(self, why: &str) {
        let listener = self.listener.into_std().unwrap();
        let error = listener.accept().map(|_| ()).expect_err(why);
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock, "{why}");
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Peer<S> {
    /// The request's head, without reading on.
    pub(super) async fn head(&mut self) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.0.read_u8().await.expect("a whole head"));
        }
        String::from_utf8(head).unwrap()
    }

    pub(super) async fn read(&mut self, bytes: usize) -> String {
        let mut read = vec![0; bytes];
        self.0.read_exact(&mut read).await.unwrap();
        String::from_utf8(read).unwrap()
    }

    pub(super) async fn say(&mut self, answer: &str) {
        self.0.write_all(answer.as_bytes()).await.unwrap();
        self.0.flush().await.unwrap();
    }

    pub(super) async fn serve(&mut self, answer: &str) {
        self.head().await;
        self.say(answer).await;
    }

    /// Waits until the proxy has closed the connection; what still comes.
    pub(super) async fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        match self.0.read_to_end(&mut rest).await {
            Ok(_) => rest,
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => rest,
            Err(error) => panic!("{error}"),
        }
    }
}

/// An address where nobody accepts, for as long as the socket is kept.
pub(super) fn deaf() -> (TcpSocket, SocketAddr) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}

pub(super) fn config(address: Address) -> config::Upstream {
    config::Upstream {
        name: "api".into(),
        address,
        host: config::Host::Preserve,
        ca: None,
        connect: CONNECT,
        first_byte: FIRST_BYTE,
        between_bytes: BETWEEN_BYTES,
        max_concurrent: 512,
        quota: None,
    }
}

pub(super) fn unix(path: PathBuf) -> config::Upstream {
    config(Address::Unix(path))
}

pub(super) fn upstream(config: config::Upstream) -> (Upstream, Arc<Manual>) {
    let (clock, manual) = Clock::manual(0);
    (Upstream::new(config, None, clock).unwrap(), manual)
}

pub(super) fn head(method: Method, fields: &[(&str, &str)]) -> request::Parts {
    let mut request = Request::builder().method(method).uri("/").header("host", "api.example");
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap().into_parts().0
}

pub(super) type Answer = Result<Response<ResponseBody>, Error>;

pub(super) async fn send(upstream: &Upstream, method: Method) -> Answer {
    upstream
        .send(head(method, &[]), RequestBody::empty(), Errand::test(&AtomicBool::new(false)))
        .await
}

pub(super) async fn get(upstream: &Upstream) -> Answer {
    send(upstream, Method::GET).await
}

/// The whole body.
pub(super) async fn text(response: Response<ResponseBody>) -> Result<String, BodyError> {
    let bytes = response.into_body().collect().await?.to_bytes();
    Ok(String::from_utf8(bytes.to_vec()).unwrap())
}

/// One exchange on a new connection, which is idle afterwards.
pub(super) async fn idle_connection(origin: &Origin, upstream: &Upstream) -> Peer {
    let (answer, peer) = tokio::join!(get(upstream), origin.serve(OK));
    assert_eq!(text(answer.unwrap()).await.unwrap(), "ok");
    peer
}

pub(super) const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// A client that has sent `head` over HTTP/1.1 and may go on with the body; the request as the
/// front sees it.
pub(super) async fn uploading(head: &str) -> (DuplexStream, Request<Incoming>) {
    let (client, front) = tokio::io::duplex(8 << 10);
    let (service, requests) = front_service();
    let http = hyper::server::conn::http1::Builder::new();
    tokio::spawn(http.serve_connection(TokioIo::new(front), service));
    began(client, head.as_bytes(), requests).await
}

/// The same over HTTP/2, whose frames the test writes.
pub(super) async fn uploading_h2(frames: &[u8]) -> (DuplexStream, Request<Incoming>) {
    let (client, front) = tokio::io::duplex(8 << 10);
    let (service, requests) = front_service();
    let http = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
    tokio::spawn(http.serve_connection(TokioIo::new(front), service));
    began(client, frames, requests).await
}

type Requests = mpsc::Receiver<Request<Incoming>>;
type Never = BoxFuture<'static, Result<Response<Empty<Bytes>>, Infallible>>;

/// Hands each request to the test and never answers.
fn front_service() -> (
    impl Service<
        Request<Incoming>,
        Response = Response<Empty<Bytes>>,
        Error = Infallible,
        Future = Never,
    >,
    Requests,
) {
    let (tx, rx) = mpsc::channel(1);
    let service = service_fn(move |request| -> Never {
        tx.try_send(request).expect("one request a test");
        pending().boxed()
    });
    (service, rx)
}

async fn began(
    mut client: DuplexStream,
    bytes: &[u8],
    mut requests: Requests,
) -> (DuplexStream, Request<Incoming>) {
    client.write_all(bytes).await.unwrap();
    (client, requests.recv().await.unwrap())
}

/// Sends on what a client is uploading.
pub(super) async fn forward(
    upstream: &Upstream,
    request: Request<Incoming>,
    clock: &Arc<Manual>,
) -> Answer {
    let (head, body) = request.into_parts();
    let body = RequestBody::streamed(body, Clock::Manual(clock.clone()), BODY_IDLE);
    upstream.send(head, body, Errand::test(&AtomicBool::new(false))).await
}
