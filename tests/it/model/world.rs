//! Everything that there is: the proxy in process, clients on in-memory connections, the origin
//! on a unix socket, and the list of all that was ever said.

use std::{collections::HashMap, net::Ipv4Addr, sync::Arc, time::Duration};

use bytes::Bytes;
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use larder::{
    clock::{Clock, Manual},
    config::{self, Config},
    counters::Counters,
    proxy::Proxy,
    server::{Peer, PeerAddr, Tenure, Way},
};
use parking_lot::Mutex;
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt, DuplexStream, ReadHalf, WriteHalf},
    net::UnixListener,
};

use super::{
    modes::{MODES, Mode},
    purged::Purged,
    read::{Fields, line, lines},
    script::{Ask, Manner, Purge, Reload},
};
use crate::support::{Framing, NOON, Wire};

/// A moment: its number among all events, and both clocks in milliseconds.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Moment {
    pub(super) tick: usize,
    pub(super) wall: i64,
    pub(super) mono: i64,
}

/// A client's request.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) method: String,
    pub(super) target: Target,
    pub(super) fields: Fields,
    /// It has a body.
    pub(super) content: bool,
    /// It is an item of a batch.
    pub(super) batched: bool,
    pub(super) sent: Moment,
    pub(super) got: Option<Got>,
}

/// What is known of an answer once it was judged.
#[derive(Clone, Debug)]
pub(super) struct Got {
    /// When it was complete.
    pub(super) at: Moment,
    /// The proxy said that it was stored.
    pub(super) stored: bool,
    /// The exchanges whose heads it was made of.
    pub(super) numbers: Vec<usize>,
}

/// Host, path and query.
pub(super) type Target = (String, String);

/// What the origin was asked and what it sent.
#[derive(Clone, Debug)]
pub(super) struct Exchange {
    pub(super) number: usize,
    /// The client's request that it is for.
    pub(super) by: usize,
    pub(super) method: String,
    /// It had a body.
    pub(super) content: bool,
    pub(super) target: Target,
    pub(super) asked: Moment,
    pub(super) answered: Moment,
    /// `None`: no answer.
    pub(super) status: Option<u16>,
    pub(super) head: Fields,
    /// The representation that the answer is, or is a part of.
    pub(super) text: String,
    pub(super) range: Option<(usize, usize)>,
    pub(super) torn: bool,
    /// The targets that it makes invalid, its own first.
    pub(super) invalidates: Vec<Target>,
    /// Authorization and Cookie as the origin saw them.
    pub(super) credentials: [String; 2],
    /// It was while the nodes heard nothing of each other.
    pub(super) apart: bool,
}

/// The list.
#[derive(Debug, Default)]
pub(super) struct History {
    pub(super) asked: Vec<Asked>,
    pub(super) exchanges: Vec<Exchange>,
    pub(super) tick: usize,
    pub(super) purges: Vec<Purged>,
    /// When who may share what was changed.
    pub(super) reloads: Vec<usize>,
    /// The nodes hear nothing of each other.
    pub(super) apart: bool,
    pub(super) nodes: usize,
    pub(super) manners: Vec<Manner>,
    /// Part of every path of this sequence: what an earlier one left behind is not listed.
    pub(super) part: String,
    representations: HashMap<Target, (usize, String)>,
}

/// An answer as a client saw it.
#[derive(Clone, Debug, Default)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) fields: Fields,
    pub(super) body: String,
    /// Its end was seen.
    pub(super) whole: bool,
    pub(super) got: Moment,
}

/// What all sequences of a thread share.
pub(super) struct World {
    pub(super) history: Arc<Mutex<History>>,
    pub(super) manual: Arc<Manual>,
    clock: Clock,
    /// The nodes, asked in turn.
    pub(super) proxies: Vec<Arc<Proxy>>,
    /// What they begin with, and the same but for who may share what.
    configs: [Config; 2],
    /// Which of them they have.
    config: usize,
    idle: Vec<Client>,
    /// The sequence: part of every path, so that each begins with an empty cache.
    pub(super) sequence: usize,
    _directory: tempfile::TempDir,
}

impl World {
    /// One node without a shared tier.
    pub(super) fn new() -> World {
        World::of(1, "")
    }

    /// So many nodes; `redis` is their `[cache.redis]`.
    pub(super) fn of(nodes: usize, redis: &str) -> World {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("origin");
        let (clock, manual) = Clock::manual(NOON);
        let path = socket.display().to_string();
        let configs = [config(&path, "", redis), config(&path, NEVER, redis)];
        let counters = || Arc::new(Counters::default());
        let node = |_| Proxy::new(&configs[0], clock.clone(), counters()).unwrap();
        let proxies = (0..nodes).map(node).collect();
        let history = Arc::new(Mutex::new(History::default()));
        let listener = UnixListener::bind(&socket).unwrap();
        tokio::spawn(serve(listener, history.clone(), clock.clone(), manual.clone()));
        World {
            history,
            manual,
            clock,
            proxies,
            configs,
            config: 0,
            idle: Vec::new(),
            sequence: 0,
            _directory: directory,
        }
    }

    /// Forgets what was; new paths begin.
    pub(super) fn begin(&mut self, manners: &[Manner]) {
        self.sequence += 1;
        self.manual.set_wall(NOON);
        let mut history = self.history.lock();
        let part = format!("/{:07}/", self.sequence);
        let nodes = self.proxies.len();
        *history = History { part, nodes, manners: manners.to_vec(), ..History::default() };
    }

    /// Purges, as an operator would.
    pub(super) async fn purge(&self, mode: &Mode, purge: Purge) {
        let at = self.history.lock().moment(&self.clock);
        let part = format!("/{}/{:07}", mode.name, self.sequence);
        let purged = Purged::of(purge, &part, at);
        self.proxies[0].purge(&purged.order()).await;
        self.history.lock().purges.push(purged);
    }

    /// Reads the configuration again.
    pub(super) fn reload(&mut self, reload: Reload) {
        if reload == Reload::Sharing {
            let mut history = self.history.lock();
            let now = history.moment(&self.clock).tick;
            history.reloads.push(now);
            self.config = 1 - self.config;
        }
        for proxy in &self.proxies {
            proxy.reload(&self.configs[self.config]).unwrap();
        }
    }

    /// Sends a request and reads its answer. `fields` are all but Host.
    pub(super) async fn ask(
        mut client: Client,
        clock: Clock,
        history: Arc<Mutex<History>>,
        id: usize,
    ) -> (Option<Client>, Answer) {
        let asked = history.lock().asked[id].clone();
        let (host, path) = &asked.target;
        let mut text = format!("{} {path} HTTP/1.1\r\nHost: {host}\r\n", asked.method);
        for (name, value) in &asked.fields {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str(&format!("X-Request: {id}\r\n"));
        text.push_str(if asked.content { "Content-Length: 4\r\n\r\nbody" } else { "\r\n" });
        let _ = client.write.write_all(text.as_bytes()).await;
        let mut answer = Answer::default();
        answer.whole = client.read(&asked.method, &mut answer).await.is_ok();
        answer.got = history.lock().moment(&clock);
        let client = answer.whole.then_some(client);
        let closes = lines(&answer.fields, "connection").contains(&"close");
        (client.filter(|_| !closes), answer)
    }

    /// Sends requests as one batch, and reads the answer to each.
    pub(super) async fn ask_together(
        mut client: Client,
        clock: Clock,
        history: Arc<Mutex<History>>,
        ids: Vec<usize>,
    ) -> (Option<Client>, Vec<Answer>) {
        let asked: Vec<Asked> = ids.iter().map(|id| history.lock().asked[*id].clone()).collect();
        let own = |name: &str| larder::batch::ALLOWED.iter().any(|it| *it == *name.to_lowercase());
        let items = asked.iter().map(|it| {
            let fields = it.fields.iter().filter(|(name, _)| own(name)).cloned();
            let fields: std::collections::BTreeMap<String, String> = fields.collect();
            serde_json::json!({ "method": it.method, "path": it.target.1, "headers": fields })
        });
        let (items, host) = (serde_json::Value::from_iter(items).to_string(), &asked[0].target.0);
        let mut text = format!("POST /_batch HTTP/1.1\r\nHost: {host}\r\n");
        for (name, value) in asked[0].fields.iter().filter(|(name, _)| !own(name)) {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        let (ids, length) = (ids.iter().map(usize::to_string).collect::<Vec<_>>(), items.len());
        text.push_str(&format!(
            "X-Request: {}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n",
            ids.join(" ")
        ));
        let _ = client.write.write_all((text + &items).as_bytes()).await;
        let mut answer = Answer::default();
        let whole = client.read("POST", &mut answer).await.is_ok();
        let got = history.lock().moment(&clock);
        let told: Vec<serde_json::Value> = serde_json::from_str(&answer.body)
            .unwrap_or_else(|error| panic!("{error}: {answer:?}"));
        assert_eq!(told.len(), ids.len(), "an answer to each: {told:?}");
        let answers = told.into_iter().map(|it| Answer { got, ..Answer::told(&it) });
        (whole.then_some(client), answers.collect())
    }

    /// A connection to the node whose turn it is.
    pub(super) fn client(&mut self) -> Client {
        let node = (self.sequence + self.history.lock().asked.len()) % self.proxies.len();
        match self.idle.iter().rposition(|it| it.node == node) {
            Some(at) => self.idle.swap_remove(at),
            None => Client::connect(self.proxies[node].clone(), node),
        }
    }

    pub(super) fn park(&mut self, client: Option<Client>) {
        self.idle.extend(client);
    }

    pub(super) fn clock(&self) -> Clock {
        self.clock.clone()
    }

    /// Lets what goes on behind the answers come to its end.
    pub(super) async fn settle(&self, turns: usize) {
        for _ in 0..turns {
            tokio::task::yield_now().await;
        }
    }

    /// Puts a request on the list.
    pub(super) fn enter(&self, ask: &Ask, fields: Fields, mode: &str) -> usize {
        let path = format!("/{mode}/{:07}/{}", self.sequence, ask.path);
        let mut history = self.history.lock();
        let sent = history.moment(&self.clock);
        history.asked.push(Asked {
            method: ask.method.to_owned(),
            target: (ask.host.to_owned(), path),
            fields,
            content: ask.content,
            batched: false,
            sent,
            got: None,
        });
        history.asked.len() - 1
    }
}

impl Answer {
    /// What a batch tells of an item.
    fn told(item: &serde_json::Value) -> Answer {
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        let mut fields = Fields::new();
        for (name, value) in item["headers"].as_object().into_iter().flatten() {
            let lines = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
            fields.extend(lines.iter().map(|line| (name.clone(), text(line))));
        }
        let status = item["status"].as_u64().and_then(|it| it.try_into().ok()).unwrap_or(0);
        let (body, got) = (text(&item["body"]), Moment::default());
        Answer { status, fields, body, whole: true, got }
    }
}

impl History {
    pub(super) fn moment(&mut self, clock: &Clock) -> Moment {
        self.tick += 1;
        let now = clock.now();
        Moment { tick: self.tick, wall: now.wall.0, mono: now.mono.0 }
    }

    /// The representation of a target, another one if `new`.
    pub(super) fn representation(&mut self, target: &Target, new: bool) -> (usize, String) {
        let number = self.exchanges.len();
        let made = || (number, format!("body {number} of {}", target.1));
        let entry = self.representations.entry(target.clone()).or_insert_with(made);
        if new {
            *entry = made();
        }
        entry.clone()
    }
}

/// Changes who may share what on every route that has no such key of its own.
const NEVER: &str = "[cache]\nno_store_when = [\"header:X-Never\"]\n";

/// A route for each mode.
fn config(socket: &str, more: &str, redis: &str) -> Config {
    let routes = MODES.iter().map(|mode| {
        let (name, toml) = (mode.name, mode.toml);
        format!("[[routes]]\nmatch = {{ path = \"/{name}/**\" }}\ncache = {{ {toml} }}\n")
    });
    let text = format!(
        "listen = \"127.0.0.1:0\"\nupstream = \"unix:{socket}\"\n{more}[batch]\n\
         path = \"/_batch\"\n[cache.memory]\n\
         max_size = \"64MiB\"\n{redis}{}",
        routes.collect::<String>(),
    );
    let config = config::parse("model.toml", &text, &|_| None);
    config.unwrap_or_else(|problems| panic!("{text}\n{problems:?}"))
}

/// A client's connection to the proxy, in memory.
pub(super) struct Client {
    /// Which node it is connected to.
    node: usize,
    wire: Wire<ReadHalf<DuplexStream>>,
    write: WriteHalf<DuplexStream>,
}

impl Client {
    fn connect(proxy: Arc<Proxy>, node: usize) -> Client {
        let (near, far) = tokio::io::duplex(64 << 10);
        let (read, write) = tokio::io::split(near);
        let place = Arc::new(tokio::sync::Semaphore::new(1)).try_acquire_owned().unwrap();
        let tenure =
            Arc::new(Tenure { place: Arc::new(place), cut: tokio::sync::watch::channel(false).1 });
        let addr = PeerAddr::Ip(Ipv4Addr::LOCALHOST.into());
        let peer = Peer { addr, socket: addr, way: Way::Plain, tenure, repeater_wanted: None };
        let service = service_fn(move |request: http::Request<Incoming>| {
            let answer = proxy.clone().handle(request, peer.clone());
            async move { Ok::<_, std::convert::Infallible>(answer.await) }
        });
        let serving =
            hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(far), service);
        tokio::spawn(async move {
            let _ = serving.await;
        });
        Client { node, wire: Wire::new(read), write }
    }

    async fn read(&mut self, method: &str, answer: &mut Answer) -> std::io::Result<()> {
        let (start, fields) = self.wire.head().await?.ok_or(std::io::ErrorKind::UnexpectedEof)?;
        answer.status = start.split(' ').nth(1).and_then(|it| it.parse().ok()).unwrap_or(0);
        answer.fields = fields;
        if method == "HEAD" || matches!(answer.status, 204 | 304) {
            return Ok(());
        }
        let mut framing = Framing::of(&answer.fields, Framing::Close)?;
        while let Some(piece) = self.wire.piece(&mut framing, &mut Vec::new()).await? {
            answer.body.push_str(&String::from_utf8_lossy(&piece));
        }
        Ok(())
    }
}

async fn serve(
    listener: UnixListener,
    history: Arc<Mutex<History>>,
    clock: Clock,
    manual: Arc<Manual>,
) {
    while let Ok((stream, _)) = listener.accept().await {
        let (history, clock, manual) = (history.clone(), clock.clone(), manual.clone());
        tokio::spawn(async move {
            let _ = converse(stream, history, clock, manual).await;
        });
    }
}

async fn converse(
    stream: impl AsyncRead + AsyncWrite,
    history: Arc<Mutex<History>>,
    clock: Clock,
    manual: Arc<Manual>,
) -> std::io::Result<()> {
    let (read, mut write) = tokio::io::split(stream);
    let mut wire = Wire::new(read);
    while let Some((start, fields)) = wire.head().await? {
        let mut framing = Framing::of(&fields, Framing::Ended)?;
        while wire.piece(&mut framing, &mut Vec::new()).await?.is_some() {}
        let mut words = start.split(' ').map(str::to_owned);
        let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let host = line(&fields, "host").unwrap_or_default().to_owned();
        if !path.contains(&history.lock().part) {
            return Ok(());
        }
        let asked = history.lock().moment(&clock);
        let request = super::origin::Request { method, target: (host, path), fields, asked };
        let late = super::origin::delay(&history.lock());
        if late > 0 {
            manual.advance(Duration::from_millis(late));
            for _ in 0..10 {
                tokio::task::yield_now().await;
            }
        }
        let bytes: Option<(Bytes, bool)> = match &mut *history.lock() {
            history if request.target.1.contains(&history.part) => {
                super::origin::answer(history, request, &clock)
            }
            _ => None,
        };
        let Some((bytes, torn)) = bytes else { return Ok(()) };
        write.write_all(&bytes).await?;
        if torn {
            return Ok(());
        }
    }
    Ok(())
}
