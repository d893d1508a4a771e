//! A load: clients that ask without a pause, keep their connections or not, and count.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::ServerName;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

use crate::support::{Authority, Client, Duplex, Place, within};

type Sender = http2::SendRequest<Empty<Bytes>>;

/// Clients that ask until they are told to stop.
pub(super) struct Load {
    state: Arc<State>,
    clients: JoinSet<Vec<String>>,
}

#[derive(Default)]
struct State {
    stop: AtomicBool,
    answered: AtomicUsize,
    more: tokio::sync::Notify,
}

/// How a client connects.
#[derive(Clone)]
struct Way {
    place: Place,
    secure: Option<TlsConnector>,
}

/// What a client does with a connection.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Habit {
    /// One request by HTTP/1.1.
    Once,
    /// One request after the other by HTTP/1.1, until it is told that one was the last.
    Keeps,
    /// The same by HTTP/2, until GOAWAY.
    Http2,
}

impl Load {
    /// Six clients in the clear, and four by TLS where there is that.
    pub(super) fn on(plain: Place, tls: Option<(Place, &Authority)>) -> Load {
        use Habit::{Http2, Keeps, Once};
        let clear = Way { place: plain, secure: None };
        let mut clients =
            [Keeps, Keeps, Keeps, Once, Once, Http2].map(|it| (clear.clone(), it)).to_vec();
        if let Some((place, authority)) = tls {
            let way = |protocol| {
                let secure = Some(authority.client(protocol, None));
                Way { place: place.clone(), secure }
            };
            clients.extend([Keeps, Keeps, Once].map(|it| (way("http/1.1"), it)));
            clients.push((way("h2"), Http2));
        }
        let state = Arc::<State>::default();
        let mut load = Load { state: state.clone(), clients: JoinSet::new() };
        for (way, habit) in clients {
            match habit {
                Habit::Http2 => load.clients.spawn(way.ask_http2(state.clone())),
                Habit::Keeps | Habit::Once => load.clients.spawn(way.ask(habit, state.clone())),
            };
        }
        load
    }

    /// Waits until so many more requests have an answer.
    #[track_caller]
    pub(super) fn until(&self, more: usize) -> impl Future<Output = ()> {
        let goal = self.state.answered.load(Relaxed) + more;
        let state = self.state.clone();
        within(format!("{more} more answers"), async move {
            while state.answered.load(Relaxed) < goal {
                state.more.notified().await;
            }
        })
    }

    /// Ends it: how many requests had an answer, and what went wrong with others.
    pub(super) async fn end(mut self) -> (usize, Vec<String>) {
        self.state.stop.store(true, Relaxed);
        let mut failed = Vec::new();
        while let Some(client) = within("the end of a client", self.clients.join_next()).await {
            failed.extend(client.unwrap_or_else(|error| vec![error.to_string()]));
        }
        (self.state.answered.load(Relaxed), failed)
    }
}

/// Why a request by HTTP/2 has no answer.
enum Failed {
    /// The server has said that it did nothing with it.
    Unprocessed,
    Lost(String),
}

/// One request by HTTP/2.
async fn answer(sender: &mut Sender, path: &str) -> Result<(), Failed> {
    let request = Request::get(format!("http://api.test{path}")).body(Empty::new());
    let sent = sender.send_request(request.expect("a good request"));
    let response = within("an answer", sent).await.map_err(|error| {
        let cause = std::error::Error::source(&error).and_then(|it| it.downcast_ref::<h2::Error>());
        match error.is_canceled() || cause.is_some_and(|it| it.is_go_away() && it.is_remote()) {
            true => Failed::Unprocessed,
            false => Failed::Lost(format!("{path}: {error:?}")),
        }
    })?;
    let status = response.status();
    let body = within("a body", response.into_body().collect()).await;
    match body.map(|body| body.to_bytes()) {
        Ok(body) if status == 200 && body == path => Ok(()),
        other => Err(Failed::Lost(format!("{path}: {status} {other:?}"))),
    }
}

/// Some of what is asked for is there, some is not.
fn path(n: usize) -> String {
    format!("/{}/{}", n % 9, n / 20)
}

impl State {
    fn answered(&self) {
        self.answered.fetch_add(1, Relaxed);
        self.more.notify_one();
    }
}

impl Way {
    /// Asks until it is told to stop; gives what went wrong.
    async fn ask(self, habit: Habit, state: Arc<State>) -> Vec<String> {
        let (mut failed, mut n) = (Vec::new(), 0_usize);
        let mut client = None;
        while !state.stop.load(Relaxed) {
            let mut open = match client.take() {
                Some(open) => open,
                None => match self.connect().await {
                    Ok(open) => Client::over(open),
                    Err(error) => {
                        failed.push(error.to_string());
                        continue;
                    }
                },
            };
            n += 1;
            let path = path(n);
            open.ask("GET", &path, &[]).await;
            match open.read().await {
                Ok(answer) if answer.status == 200 && answer.text() == path => {
                    state.answered();
                    let closes = answer.header("connection") == Some("close");
                    client = Some(open).filter(|_| habit == Habit::Keeps && !closes);
                }
                Ok(answer) => failed.push(format!("{path}: {answer:?}")),
                Err(broken) => failed.push(format!("{path}: {broken}")),
            }
        }
        failed
    }

    /// The same by HTTP/2. What was not processed when a connection ended is asked again on the
    /// next one, as every client does (RFC 9113 §6.8).
    async fn ask_http2(self, state: Arc<State>) -> Vec<String> {
        let (mut failed, mut n) = (Vec::new(), 0_usize);
        while !state.stop.load(Relaxed) {
            let open = match self.connect().await {
                Ok(open) => http2::handshake(TokioExecutor::new(), TokioIo::new(open)).await,
                Err(error) => {
                    failed.push(error.to_string());
                    continue;
                }
            };
            let (mut sender, connection) = open.expect("a preface can be written");
            let connection = tokio::spawn(connection);
            while !state.stop.load(Relaxed) && sender.ready().await.is_ok() {
                n += 1;
                match answer(&mut sender, &path(n)).await {
                    Ok(()) => state.answered(),
                    Err(Failed::Unprocessed) => break,
                    Err(Failed::Lost(why)) => failed.push(why),
                }
            }
            connection.abort();
        }
        failed
    }

    async fn connect(&self) -> std::io::Result<Box<dyn Duplex>> {
        let plain = self.place.connect().await.into_duplex();
        let Some(connector) = &self.secure else { return Ok(plain) };
        let name = ServerName::try_from("api.test").expect("a name");
        let secure = within("a handshake", connector.connect(name, plain)).await?;
        Ok(Box::new(secure))
    }
}
