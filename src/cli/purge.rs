//! `larder purge`: asks a running proxy, by its admin listener.

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
use http::{Request, StatusCode, header};
use hyper::{
    body::{Body, Frame, Incoming},
    client::conn::http1,
};
use hyper_util::rt::TokioIo;
use larder::{
    clock::Clock,
    config::{Admin, Listen},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
};

use super::{bad_configuration, block_on, fail, source::Source};

/// For the whole conversation.
const PATIENCE: Duration = Duration::from_secs(10);

/// An answer longer than this is none of ours.
const MAX_ANSWER: usize = 64 << 10;

const EXAMPLES: &str = "\
Examples:
  larder purge --url https://api.example.org/users/7
      This URL: every variant, whichever route it was stored by. http and https are the same.
  larder purge --prefix https://api.example.org/users
      /users, /users/ and all below, but not /users1.
  larder purge --tag users --tag orders --soft
      What bears one of these tags is stale from now on: it may still be served while it is
      refreshed, or when the API fails, as far as the API allows that.
  larder purge --all
      Everything.

It asks the address and uses the token of [admin] in the configuration file.
Exit codes: 0 purged, 2 wrong arguments, 78 wrong configuration, 1 anything else.";

/// Forget, or make stale, what a running proxy has stored.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Purge {
    #[command(flatten)]
    what: What,
    /// With --tag: only the tags of this host, not those of all.
    #[arg(long, value_name = "HOST", conflicts_with_all = ["url", "prefix", "all"])]
    host: Option<String>,
    /// Make it stale instead of forgetting it.
    #[arg(long)]
    soft: bool,
    /// The configuration file of the proxy [default: proxy.toml].
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Exactly one of these.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct What {
    /// One URL.
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Every URL of a host whose path begins so, segment by segment.
    #[arg(long, value_name = "URL")]
    prefix: Option<String>,
    /// What bears this tag; may be repeated.
    #[arg(long, value_name = "TAG")]
    tag: Vec<String>,
    /// Everything.
    #[arg(long)]
    all: bool,
}

impl Purge {
    pub(crate) fn run(self) -> ExitCode {
        let source = Source { config: self.config.clone(), ..Source::default() };
        let admin = match source.load() {
            Ok(config) => config.admin,
            Err(problems) => return bad_configuration(&problems),
        };
        block_on(async move {
            let asked = Clock::system().timeout(PATIENCE, ask(&admin, self.order())).await;
            match asked.unwrap_or_else(|_| Err("no answer within 10 s".to_owned())) {
                Ok(told) => {
                    let _ = writeln!(io::stdout(), "{told}");
                    ExitCode::SUCCESS
                }
                Err(why) => fail(&why),
            }
        })
    }

    fn order(&self) -> Value {
        let What { url, prefix, tag, all } = &self.what;
        let mut order = json!({ "soft": self.soft });
        for (key, value) in [("url", url), ("prefix", prefix), ("host", &self.host)] {
            if let Some(value) = value {
                order[key] = json!(value);
            }
        }
        if !tag.is_empty() {
            order["tags"] = json!(tag);
        }
        if *all {
            order["all"] = json!(true);
        }
        order
    }
}

/// Asks, and says what came of it.
async fn ask(admin: &Admin, order: Value) -> Result<String, String> {
    let Some(listen) = &admin.listen else {
        return Err(
            "the configuration has no [admin] listen: add one, and restart the proxy".into()
        );
    };
    let unreachable =
        |error| format!("cannot reach the proxy at {listen}: {error}; is it running?");
    let (status, told) = match listen {
        Listen::Tcp(address) => {
            let stream = TcpStream::connect(reachable(*address)).await.map_err(unreachable)?;
            converse(stream, admin, order).await?
        }
        Listen::Unix(path) => {
            let stream = UnixStream::connect(path).await.map_err(unreachable)?;
            converse(stream, admin, order).await?
        }
    };
    let detail = told["detail"].as_str().unwrap_or_default();
    match status {
        StatusCode::OK => {
            let nodes = told["nodes"].as_array().map_or(0, Vec::len);
            Ok(format!("purged on {}", super::counted(nodes, "node")))
        }
        StatusCode::ACCEPTED => {
            let count = |key: &str| told[key].as_array().map_or(0, Vec::len);
            let (nodes, missing) = (count("nodes"), count("missing"));
            let nodes = super::counted(nodes, "node");
            let missing = super::counted(missing, "node");
            Ok(format!("purged on {nodes}; {missing} have not said so yet: {}", told["missing"]))
        }
        _ => Err(format!("the proxy answers {status}: {detail}")),
    }
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
    order: Value,
) -> Result<(StatusCode, Value), String> {
    let broken = |error: hyper::Error| format!("the proxy broke off: {error}");
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
    let mut request = Request::post("/v1/purge").header(header::HOST, "localhost");
    if let Some(token) = &admin.token {
        request = request.header(header::AUTHORIZATION, format!("Bearer {}", token.reveal()));
    }
    let request = request.body(Once(Some(order.to_string().into())));
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
            Poll::Pending if ended => Poll::Ready(Err("the proxy closed the connection".into())),
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
