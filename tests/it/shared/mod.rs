//! The shared tier against real Redis servers: what nodes store, hear, and survive.

mod coherence;
mod entries;
mod faults;
mod leases;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use larder::{
    clock::Clock,
    config,
    key::{Key, Parts},
    policy::Meta,
    store::{
        Block, BodyHasher, BodyId,
        redis::{Counters, Event, Generations, Looked, Remote, Seq, Shared, Store, What},
    },
};
use tokio::sync::{Mutex, mpsc};

use crate::support::{RedisServer, pause, within};

/// One node's link to a Redis, and what it hears.
struct Node {
    remote: Remote,
    events: Mutex<mpsc::UnboundedReceiver<Event>>,
    clock: Clock,
}

impl Node {
    /// A node at `redis`, once its link is up.
    async fn at(redis: &RedisServer) -> Node {
        let node = Node::with(config(&redis.url()));
        node.until(&Event::Up).await;
        node
    }

    fn with(config: config::Redis) -> Node {
        let (told, events) = mpsc::unbounded_channel();
        let clock = Clock::system();
        let counters = Arc::new(Counters::default());
        let handler = move |event| {
            let _ = told.send(event);
        };
        let remote = Remote::start(&config, clock.clone(), counters, handler).unwrap();
        Node { remote, events: Mutex::new(events), clock }
    }

    /// The next event that `wanted` takes.
    async fn hear<T>(&self, wanted: impl Fn(&Event) -> Option<T>) -> T {
        within("an event", async {
            let mut events = self.events.lock().await;
            loop {
                let event = events.recv().await.expect("the node lives");
                if let Some(found) = wanted(&event) {
                    return found;
                }
            }
        })
        .await
    }

    async fn until(&self, wanted: &Event) {
        self.hear(|event| (event == wanted).then_some(())).await;
    }

    async fn generations(&self) -> Generations {
        self.hear(|event| match event {
            Event::Generations(found) => Some(found.clone()),
            _ => None,
        })
        .await
    }

    /// Stores, and waits until Redis has it or has refused it.
    async fn store(&self, key: Key, body: &'static str) {
        self.write(self.response(key, body)).await;
    }

    async fn write(&self, store: Store) {
        let counters = self.remote.counters();
        let done = || {
            let superseded = counters.superseded.get();
            counters.stored.get() + superseded + counters.dropped.get() + counters.refused.get()
        };
        let before = done();
        self.remote.store(store);
        until("a write", || done() > before).await;
    }

    fn response(&self, key: Key, body: &'static str) -> Store {
        let head = Box::new(self.shared(body));
        let what = What::Response(head, Bytes::from_static(body.as_bytes()));
        Store { key, what, began: self.remote.began(), token: None }
    }

    fn shared(&self, body: &'static str) -> Shared {
        let mut fields = HeaderMap::new();
        fields.insert(header::ETAG, HeaderValue::from_static("\"a\""));
        Shared {
            version: 1,
            meta: Meta {
                received: self.clock.now().mono,
                lifetime: 60,
                validator: true,
                keep: 60,
                ..Meta::default()
            },
            status: StatusCode::OK,
            fields: Block::new(&fields),
            began: self.remote.began().seq,
            names: Box::new([7]),
            groups: 0,
            crowded: false,
            id: id(body.as_bytes()),
            length: body.len() as u64,
        }
    }

    /// The body that lies under a key.
    async fn body(&self, key: Key) -> Option<Bytes> {
        match self.remote.lookup(key).await {
            Looked::Response { body, .. } => Some(body),
            Looked::Vary(_) | Looked::Nothing => None,
        }
    }
}

fn config(url: &str) -> config::Redis {
    let mut config = config::Redis::new(url.parse().unwrap());
    // The machine may be busy; what has to be quick says so itself.
    config.timeout = Duration::from_secs(2);
    config
}

fn key(path: &str) -> Key {
    let (route, scheme, authority) = ("default", "http", "a");
    let (query, generation) = (None, 0);
    Key::primary(Parts { route, scheme, authority, path, query, generation })
}

fn id(body: &[u8]) -> BodyId {
    let mut hasher = BodyHasher::default();
    hasher.update(body);
    hasher.finish(None)
}

/// What Redis calls a key's head or body.
fn name(kind: char, key: Key) -> String {
    let hex: String = key.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("larder:v1:{kind}:{{{hex}}}")
}

/// Waits for what only a counter tells.
#[track_caller]
fn until(what: &'static str, done: impl Fn() -> bool) -> impl Future<Output = ()> {
    within(what, async move {
        while !done() {
            pause().await;
        }
    })
}

/// Real time: how long `future` takes.
#[allow(clippy::disallowed_methods, reason = "deadlines towards Redis are real time")]
async fn timed<T>(future: impl Future<Output = T>) -> (T, Duration) {
    let start = Instant::now();
    let output = future.await;
    (output, start.elapsed())
}

/// What the others hear of what [`Node::store`] stored.
fn changed(key: Key) -> Event {
    Event::Changed { key, version: 1 }
}

fn purged(event: &Event) -> Option<Seq> {
    match event {
        Event::Purged { seq, .. } | Event::Told { seq, .. } => Some(*seq),
        _ => None,
    }
}

/// A field's name.
fn field(name: &'static str) -> HeaderName {
    HeaderName::from_static(name)
}
