//! Bare hyper, for comparison: a server with one response, and a relay to one origin.
//!
//! As little as a server or a relay on hyper can be, so that what Larder costs more is Larder's.

use std::{convert::Infallible, net::SocketAddr, pin::Pin, sync::Arc};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, Uri, header};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{Empty, Full};
use hyper::{
    body::Incoming,
    client::conn::http1::{self as client, SendRequest},
    server::conn::http1 as server,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use std::task::{Context, Poll};
use tokio::net::{TcpListener, TcpStream};

/// What goes wrong in a benchmark ends it.
pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

type Sender = SendRequest<Empty<Bytes>>;

/// Serves a clone of one head and one body to whoever asks.
pub(crate) async fn serve(listener: TcpListener, head: HeaderMap, body: Bytes) {
    let whole = Arc::new((head, body));
    while let Ok((stream, _)) = listener.accept().await {
        let whole = whole.clone();
        let service = service_fn(move |_: Request<Incoming>| {
            let mut response = Response::new(Full::new(whole.1.clone()));
            *response.headers_mut() = whole.0.clone();
            async move { Ok::<_, Infallible>(response) }
        });
        // Set as Larder sets it: a small response must not wait for an ACK.
        stream.set_nodelay(true).ok();
        tokio::spawn(server::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

/// Relays every GET to `origin`, over connections that are used again.
pub(crate) async fn relay(listener: TcpListener, origin: SocketAddr) {
    let pool = Arc::new(Pool { origin, idle: Mutex::new(Vec::new()) });
    while let Ok((stream, _)) = listener.accept().await {
        let pool = pool.clone();
        let service = service_fn(move |request| pool.clone().forward(request));
        stream.set_nodelay(true).ok();
        tokio::spawn(server::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

struct Pool {
    origin: SocketAddr,
    idle: Mutex<Vec<Sender>>,
}

impl Pool {
    async fn forward(
        self: Arc<Self>,
        request: Request<Incoming>,
    ) -> Result<Response<Returning>, Failure> {
        let (mut head, _) = request.into_parts();
        head.headers.remove(header::CONNECTION);
        let path = head.uri.path_and_query().cloned();
        head.uri = path.map_or_else(Uri::default, Uri::from);
        let mut sender = self.sender().await?;
        let response = sender.send_request(Request::from_parts(head, Empty::new())).await?;
        Ok(response.map(|body| Returning { body, back: Some((self, sender)) }))
    }

    async fn sender(&self) -> Result<Sender, Failure> {
        let idle = self.idle.lock().pop();
        if let Some(sender) = idle
            && !sender.is_closed()
        {
            return Ok(sender);
        }
        let stream = TcpStream::connect(self.origin).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = client::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(sender)
    }
}

/// A body that gives its connection back when it is done.
struct Returning {
    body: Incoming,
    back: Option<(Arc<Pool>, Sender)>,
}

impl Body for Returning {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Returning {
    fn drop(&mut self) {
        if let Some((pool, sender)) = self.back.take() {
            pool.idle.lock().push(sender);
        }
    }
}
