//! A conversation with a running proxy, by its admin listener.

use std::{
    future::{Future, poll_fn},
    io::{self, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::PathBuf,
    pin::{Pin, pin},
    process::ExitCode,
    task::Poll,
    time::Duration,
};

use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use hyper::{
    body::{Body, Frame, Incoming},
    client::conn::http1,
};
use hyper_util::rt::TokioIo;
use larder::{
    clock::Clock,
    config::{Admin, Listen},
};
use serde_json::Value;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
};

use super::{bad_configuration, block_on, fail, source::Source};

/// For the whole conversation.
const PATIENCE: Duration = Duration::from_secs(10);

/// An answer longer than this is none of ours.
const MAX_ANSWER: usize = 64 << 10;

/// What is asked for.
#[derive(Debug)]
pub(super) struct Ask {
    pub(super) method: Method,
    /// Path and query.
    pub(super) target: String,
    /// The body, where it has one.
    pub(super) body: Option<Value>,
}

/// Asks the proxy of a configuration file, and writes what `told` makes of its answer: nothing,
/// where the proxy says no.
pub(super) fn consult(
    config: Option<PathBuf>,
    asked: Ask,
    told: impl FnOnce(StatusCode, &Value) -> Option<String>,
) -> ExitCode {
    let admin = match (Source { config, ..Source::default() }).load() {
        Ok(config) => config.admin,
        Err(problems) => return bad_configuration(&problems),
    };
    block_on(async move {
        let (status, answer) = match ask(&admin, asked).await {
            Ok(answered) => answered,
            Err(why) => return fail(&why),
        };
        let Some(text) = told(status, &answer) else {
            let detail = answer["detail"].as_str().unwrap_or_default();
            return fail(&format!("the proxy answers {status}: {detail}"));
        };
        let _ = io::stdout().write_all(text.as_bytes());
        ExitCode::SUCCESS
    })
}

/// Asks the proxy of a configuration; its answer's status and JSON.
async fn ask(admin: &Admin, ask: Ask) -> Result<(StatusCode, Value), String> {
    let Some(listen) = &admin.listen else {
        return Err(
            "the configuration has no [admin] listen: add one, and restart the proxy".into()
        );
    };
    let unreachable =
        |error| format!("cannot reach the proxy at {listen}: {error}; is it running?");
    let asked = async {
        match listen {
            Listen::Tcp(address) => {
                let stream = TcpStream::connect(reachable(*address)).await.map_err(unreachable)?;
                converse(stream, admin, ask).await
            }
            Listen::Unix(path) => {
                let stream = UnixStream::connect(path).await.map_err(unreachable)?;
                converse(stream, admin, ask).await
            }
        }
    };
    let asked = Clock::system().timeout(PATIENCE, asked).await;
    asked.unwrap_or_else(|_| Err("no answer within 10 s".to_owned()))
}

/// Where something that listens everywhere can be reached.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

async fn converse(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    admin: &Admin,
    ask: Ask,
) -> Result<(StatusCode, Value), String> {
    // One that is going away still takes connections.
    let broken = |error: hyper::Error| format!("the proxy broke off: {error}; is it running?");
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
    let Ask { method, target, body } = ask;
    let mut request =
        Request::builder().method(method).uri(target).header(header::HOST, "localhost");
    if let Some(token) = &admin.token {
        request = request.header(header::AUTHORIZATION, format!("Bearer {}", token.reveal()));
    }
    let request = request.body(Once(body.map(|body| body.to_string().into())));
    let request = request.map_err(|error| error.to_string())?;
    let exchange = async {
        let (head, body) = sender.send_request(request).await.map_err(broken)?.into_parts();
        let body = read(body).await?;
        Ok((head.status, serde_json::from_slice(&body).unwrap_or_default()))
    };
    let (mut exchange, mut connection) = (pin!(exchange), pin!(connection));
    let mut ended = false;
    poll_fn(|cx| {
        ended = ended || connection.as_mut().poll(cx).is_ready();
        match exchange.as_mut().poll(cx) {
            Poll::Pending if ended => {
                Poll::Ready(Err("the proxy closed the connection; is it running?".into()))
            }
            other => other,
        }
    })
    .await
}

async fn read(mut body: Incoming) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        let frame = frame.map_err(|error| format!("the proxy broke off: {error}"))?;
        bytes.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data));
        if bytes.len() > MAX_ANSWER {
            return Err("the answer is too long for a proxy's".to_owned());
        }
    }
    Ok(bytes)
}

/// A body in one piece.
struct Once(Option<Bytes>);

impl Body for Once {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Poll::Ready(self.0.take().map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_none()
    }

    fn size_hint(&self) -> hyper::body::SizeHint {
        hyper::body::SizeHint::with_exact(self.0.as_ref().map_or(0, |it| it.len() as u64))
    }
}
