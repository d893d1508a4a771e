//! A scripted origin over raw sockets: it can send anything, and records all it gets.

use std::{net::SocketAddr, sync::Arc};

use larder::clock::{Clock, Manual};
use parking_lot::Mutex;
use socket2::{Domain, SockAddr, Type};
use tokio::{
    net::{TcpListener, UnixListener},
    sync::watch,
    task::{JoinHandle, JoinSet},
};

use super::{
    Place, Reply, Seen, Target,
    conversation::{self, Script},
    place::Socket,
    seen::Record,
    tls, within,
};

/// When the clock of every test starts: 2026-11-21T12:00:00Z, in milliseconds.
pub(crate) const NOON: i64 = 1_795_262_400_000;

/// An API that answers as the test says. Stops on drop.
#[derive(Debug)]
pub(crate) struct Origin {
    place: Place,
    record: Arc<watch::Sender<Record>>,
    clock: Clock,
    manual: Arc<Manual>,
    accepting: Mutex<Option<JoinHandle<()>>>,
    /// Keeps the port when nobody listens at it any more.
    _port: Mutex<Option<socket2::Socket>>,
    tls: Option<tls::Identity>,
    _directory: Option<tempfile::TempDir>,
}

enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Origin {
    /// Answers every request by `handler`, at a free port.
    pub(crate) async fn serve(handler: impl Fn(Seen) -> Reply + Send + Sync + 'static) -> Origin {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let place = Place::Tcp(listener.local_addr().expect("it is bound"));
        Origin::start(place, None, None).accepting(Listener::Tcp(listener), handler)
    }

    /// Answers every request with the same.
    pub(crate) async fn always(reply: impl Into<Reply>) -> Origin {
        let reply = reply.into();
        Origin::serve(move |_| reply.clone()).await
    }

    /// Answers the first request with the first reply, and so on; the last one stays.
    pub(crate) async fn replies(replies: impl Into<Vec<Reply>>) -> Origin {
        let replies = replies.into();
        Origin::serve(move |seen| replies[seen.number.min(replies.len()) - 1].clone()).await
    }

    /// Like [`serve`](Self::serve), on a unix socket.
    pub(crate) async fn serve_unix(
        handler: impl Fn(Seen) -> Reply + Send + Sync + 'static,
    ) -> Origin {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("origin.sock");
        let listener = UnixListener::bind(&path).expect("a new path");
        let origin = Origin::start(Place::Unix(path), None, Some(directory));
        origin.accepting(Listener::Unix(listener), handler)
    }

    /// Like [`serve`](Self::serve), over TLS, as `localhost`, by an authority of its own.
    pub(crate) async fn serve_tls(
        handler: impl Fn(Seen) -> Reply + Send + Sync + 'static,
    ) -> Origin {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let place = Place::Tcp(listener.local_addr().expect("it is bound"));
        let origin = Origin::start(place, Some(tls::Identity::new()), None);
        origin.accepting(Listener::Tcp(listener), handler)
    }

    /// A place where nobody accepts, and nobody else can.
    pub(crate) async fn refusing() -> Origin {
        let (port, addr) = deaf(SocketAddr::from(([127, 0, 0, 1], 0)));
        let origin = Origin::start(Place::Tcp(addr), None, None);
        *origin._port.lock() = Some(port);
        origin
    }

    fn start(
        place: Place,
        tls: Option<tls::Identity>,
        directory: Option<tempfile::TempDir>,
    ) -> Origin {
        let (clock, manual) = Clock::manual(NOON);
        Origin {
            place,
            record: Arc::new(watch::Sender::new(Record::default())),
            clock,
            manual,
            accepting: Mutex::new(None),
            _port: Mutex::new(None),
            tls,
            _directory: directory,
        }
    }

    fn accepting(
        self,
        listener: Listener,
        handler: impl Fn(Seen) -> Reply + Send + Sync + 'static,
    ) -> Origin {
        let script = Script {
            handler: Arc::new(handler),
            record: self.record.clone(),
            clock: self.clock.clone(),
        };
        let tls = self.tls.as_ref().map(tls::Identity::acceptor);
        *self.accepting.lock() = Some(tokio::spawn(accept(listener, tls, script)));
        self
    }

    /// The clock that it dates its answers by; the proxy before it has the same.
    pub(crate) fn clock(&self) -> (Clock, Arc<Manual>) {
        (self.clock.clone(), self.manual.clone())
    }

    /// As `proxy.toml` names it.
    pub(crate) fn url(&self) -> String {
        match (&self.tls, &self.place) {
            (Some(_), Place::Tcp(addr)) => format!("https://localhost:{}", addr.port()),
            (_, place) => place.url(),
        }
    }

    /// The file with the root that its certificate is to be verified with.
    pub(crate) fn root(&self) -> &std::path::Path {
        self.tls.as_ref().expect("an origin over TLS").root()
    }

    /// Breaks every connection and accepts no more: connecting is refused from now on.
    pub(crate) async fn stop(&self) {
        let accepting = self.accepting.lock().take();
        if let Some(accepting) = accepting {
            accepting.abort();
            let _ = within("the origin's end", accepting).await;
        }
        if let Place::Tcp(addr) = self.place {
            *self._port.lock() = Some(deaf(addr).0);
        }
    }

    /// Complete requests so far.
    pub(crate) fn requests(&self) -> usize {
        self.record.borrow().requests.len()
    }

    /// All complete requests so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.record.borrow().requests.clone()
    }

    /// The request that was complete last.
    pub(crate) fn last(&self) -> Seen {
        self.record.borrow().requests.last().cloned().expect("the origin saw a request")
    }

    /// Connections so far.
    pub(crate) fn connections(&self) -> usize {
        self.record.borrow().connections
    }

    /// What came and was not HTTP.
    pub(crate) fn faults(&self) -> Vec<String> {
        self.record.borrow().faults.clone()
    }

    /// Waits until `n` requests have come completely.
    #[track_caller]
    pub(crate) fn until_requests(&self, n: usize) -> impl Future<Output = ()> {
        self.until(format!("{n} requests"), move |record| record.requests.len() >= n)
    }

    /// Waits until the heads of `n` requests have come.
    #[track_caller]
    pub(crate) fn until_heads(&self, n: usize) -> impl Future<Output = ()> {
        self.until(format!("{n} request heads"), move |record| record.heads >= n)
    }

    /// Waits until `n` bytes of request bodies have come.
    #[track_caller]
    pub(crate) fn until_body_bytes(&self, n: usize) -> impl Future<Output = ()> {
        self.until(format!("{n} bytes of request bodies"), move |record| record.body_bytes >= n)
    }

    /// Waits until the peer has closed or broken `n` connections.
    #[track_caller]
    pub(crate) fn until_closed(&self, n: usize) -> impl Future<Output = ()> {
        self.until(format!("the end of {n} connections"), move |record| record.closed >= n)
    }

    #[track_caller]
    fn until(&self, what: String, reached: impl Fn(&Record) -> bool) -> impl Future<Output = ()> {
        let mut record = self.record.subscribe();
        let what = format!("{what} at the origin, which has {}", summary(&record.borrow()));
        within(what, async move {
            record.wait_for(reached).await.expect("the origin lives as long as the test");
        })
    }
}

impl Target for Origin {
    fn place(&self) -> Place {
        self.place.clone()
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        if let Some(accepting) = self.accepting.lock().take() {
            accepting.abort();
        }
    }
}

fn summary(record: &Record) -> String {
    let Record { requests, heads, connections, closed, .. } = record;
    format!("{} of {heads} requests, {closed} of {connections} connections closed", requests.len())
}

/// A bound socket that does not listen: its port is taken, and connecting to it is refused.
fn deaf(addr: SocketAddr) -> (socket2::Socket, SocketAddr) {
    let socket = socket2::Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.set_reuse_address(true).expect("a socket takes options");
    socket.bind(&SockAddr::from(addr)).expect("a port that nobody listens at");
    let bound = socket.local_addr().expect("it is bound").as_socket().expect("an IP address");
    (socket, bound)
}

async fn accept(listener: Listener, tls: Option<tokio_rustls::TlsAcceptor>, script: Script) {
    let mut conversations = JoinSet::new();
    loop {
        tokio::select! {
            socket = listener.accept() => {
                script.record.send_modify(|record| record.connections += 1);
                let number = script.record.borrow().connections;
                let talk = conversation::hold(socket, tls.clone(), script.clone(), number);
                conversations.spawn(talk);
            }
            Some(_) = conversations.join_next() => {}
        }
    }
}

impl Listener {
    async fn accept(&self) -> Socket {
        match self {
            Listener::Tcp(listener) => {
                let (stream, _) = listener.accept().await.expect("a listener accepts");
                stream.set_nodelay(true).expect("a socket takes options");
                Socket::Tcp(stream)
            }
            Listener::Unix(listener) => {
                Socket::Unix(listener.accept().await.expect("a listener accepts").0)
            }
        }
    }
}
