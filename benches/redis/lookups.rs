//! A look-up in Redis beside a bare GET of the same value; and a whole answer from Redis beside one
//! from memory.

use std::{fs, sync::Arc, thread, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use larder::{
    clock::Clock,
    key::{Key, Parts},
    policy::Meta,
    store::{
        Block, BodyHasher,
        redis::{Counters, Event, Looked, Remote, Shared, Store, What},
    },
};
use tokio::{
    runtime::{Builder, Runtime},
    sync::mpsc,
    task::JoinSet,
};

use crate::{
    Failure, Times,
    net::{LENGTH, Node, Origin},
    now,
    redis_server::RedisServer,
    say,
};

/// Calls of each figure.
const CALLS: usize = 20_000;

/// Calls that wait together, where many do.
const TOGETHER: usize = 64;

pub(crate) fn run() -> Result<(), Failure> {
    // One thread, whose CPU time is that of the client alone.
    let measured = thread::spawn(|| {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(beside_a_bare_get())
    });
    measured.join().map_err(|_| "it panicked")??;
    Runtime::new()?.block_on(beside_memory())
}

async fn beside_a_bare_get() -> Result<(), Failure> {
    let redis = RedisServer::start()?;
    let (told, mut events) = mpsc::unbounded_channel();
    let handler = move |event| drop(told.send(event));
    let counters = Arc::<Counters>::default();
    let remote = Remote::start(&redis.config()?, Clock::system(), counters.clone(), handler)?;
    while events.recv().await != Some(Event::Up) {}
    let key = key("/users/1042");
    remote.store(Store { key, what: response(), began: remote.began(), token: None });
    while counters.stored.get() == 0 {
        Clock::system().sleep(Duration::from_millis(1)).await;
    }
    let connection = redis.connect().await?;
    let mut set = redis::cmd("SET");
    set.arg("bare").arg(vec![b'x'; LENGTH]).exec_async(&mut connection.clone()).await?;
    let remote = Arc::new(remote);
    let found = || {
        let remote = remote.clone();
        async move { matches!(remote.lookup(key).await, Looked::Response { .. }) }
    };
    let got = || {
        let mut connection = connection.clone();
        async move {
            let value: redis::RedisResult<Vec<u8>> =
                redis::cmd("GET").arg("bare").query_async(&mut connection).await;
            value.is_ok_and(|value| value.len() == LENGTH)
        }
    };
    for together in [1, TOGETHER] {
        measure("look-up in Redis (head and body, checked)", together, found).await?;
        measure("bare GET of the body by the same library", together, got).await?;
    }
    Ok(())
}

/// Says how long a call takes, and how much CPU of this thread.
async fn measure<F>(what: &str, together: usize, call: impl Fn() -> F) -> Result<(), Failure>
where
    F: Future<Output = bool> + Send + 'static,
{
    let (mut times, before) = (Times::default(), cpu()?);
    for _ in 0..CALLS / together {
        let (mut calls, start) = (JoinSet::new(), now());
        (0..together).for_each(|_| drop(calls.spawn(call())));
        while let Some(good) = calls.join_next().await {
            if !good? {
                return Err(format!("{what}: not found").into());
            }
            times.since(start);
        }
    }
    let each = (cpu()? - before) / times.0.len() as f64;
    say(&format!("{what}, {together} at once: {}, {each:.1} µs of CPU", times.text()));
    Ok(())
}

/// Microseconds that this thread has run.
fn cpu() -> Result<f64, Failure> {
    let text = fs::read_to_string("/proc/thread-self/schedstat")?;
    let first = text.split(' ').next().ok_or("no schedstat")?;
    Ok(first.parse::<f64>()? / 1000.0)
}

async fn beside_memory() -> Result<(), Failure> {
    let (redis, origin) = (RedisServer::start()?, Origin::start().await?);
    let one = Node::start(&origin, Some(&redis), "").await?;
    let other = Node::start(&origin, Some(&redis), "").await?;
    let mut fills = one.client().await?;
    let paths: Vec<String> = (0..CALLS / 4).map(|n| format!("/users/{n}")).collect();
    for path in &paths {
        fills.get(path).await?;
    }
    let stored = format!("larder_redis_events_total{{event=\"stored\"}} {}", paths.len());
    one.until(&stored).await?;
    let mut client = other.client().await?;
    for (what, word) in [("answer from Redis", "detail=l2"), ("answer from memory", "hit")] {
        let mut times = Times::default();
        for path in &paths {
            let start = now();
            let answer = client.get(path).await?;
            times.since(start);
            if !answer.contains(word) {
                return Err(format!("{what}: {answer:.300}").into());
            }
        }
        say(&format!("{what}, whole, one at a time: {}", times.text()));
    }
    Ok(())
}

pub(crate) fn key(path: &str) -> Key {
    let (route, scheme, authority) = ("default", "http", "a");
    let (query, generation) = (None, 0);
    Key::primary(Parts { route, scheme, authority, path, query, generation })
}

/// 1 KiB with a few fields.
fn response() -> What {
    let body = Bytes::from(vec![b'x'; LENGTH]);
    let mut hasher = BodyHasher::default();
    hasher.update(&body);
    let mut fields = HeaderMap::new();
    fields.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    fields.insert(header::ETAG, HeaderValue::from_static("\"33a64df551425fcc\""));
    let head = Shared {
        version: 1,
        meta: Meta { received: Clock::system().now().mono, lifetime: 3600, ..Meta::default() },
        status: StatusCode::OK,
        fields: Block::new(&fields),
        began: larder::store::redis::Seq(u64::MAX >> 12),
        names: Box::new([1, 2, 3, 4]),
        groups: 0,
        crowded: false,
        id: hasher.finish(None),
        length: LENGTH as u64,
    };
    What::Response(Box::new(head), body)
}
