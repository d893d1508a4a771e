//! Writes: behind the reply, through one queue that is bounded in count and bytes. What there is
//! no room for is dropped and counted; a response is only ever missing in Redis, never wrong.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use redis::{FromRedisValue, RedisResult, Value};
use tokio::sync::mpsc;

use super::{
    Began, Label, Shared,
    link::Connections,
    lookups::Desk,
    record::MAGIC,
    scripts::{Call, Script},
};
use crate::{key::Key, store::Vary};

/// Writes that wait.
const MAX_QUEUED: usize = 4096;

/// Bytes of bodies that wait.
const MAX_QUEUED_BYTES: usize = 32 << 20;

/// What goes in one pipeline; more bytes only where one write alone has them.
const MAX_TOGETHER: usize = 16;
const MAX_BYTES_TOGETHER: usize = 1 << 20;

/// Nobody waits for a write: it has so many times the deadline of a look-up.
const PATIENCE: u32 = 10;

/// A year: what is to be kept for longer, is not.
const MAX_KEPT: i64 = 365 * 86_400_000;

/// What to store.
#[derive(Clone, Debug)]
pub struct Store {
    /// Under which key.
    pub key: Key,
    /// What.
    pub what: What,
    /// When the origin was asked for it.
    pub began: Began,
    /// The fencing token of the lease that it was fetched under, if any.
    pub token: Option<u64>,
}

/// What is stored.
#[derive(Clone, Debug)]
pub enum What {
    /// A response.
    Response(Box<Shared>, Bytes),
    /// A response of which Redis has the body: the head alone is written (RFC 9111 §4.3.4). The
    /// body is for when it has not.
    Head(Box<Shared>, Bytes),
    /// What tells a target's variants apart, to be kept so many milliseconds.
    Vary(Vary, u64),
}

#[derive(Debug)]
enum Write {
    Store(Store),
    /// A lease of ours, given back after what was stored under it.
    Release(Key, u64),
}

/// Takes writes.
#[derive(Debug)]
pub(super) struct Writes {
    queue: mpsc::Sender<Write>,
    bytes: Arc<AtomicUsize>,
    desk_max: usize,
}

impl Store {
    fn size(&self) -> usize {
        match &self.what {
            What::Response(_, body) | What::Head(_, body) => body.len(),
            What::Vary(..) => 0,
        }
    }
}

impl Write {
    fn size(&self) -> usize {
        match self {
            Write::Store(store) => store.size(),
            Write::Release(..) => 0,
        }
    }
}

impl Writes {
    /// And the task that writes.
    pub(super) fn new(desk: Arc<Desk>, node: String) -> (Writes, impl Future<Output = ()>) {
        let (queue, queued) = mpsc::channel(MAX_QUEUED);
        let bytes = Arc::new(AtomicUsize::new(0));
        let writes = Writes { queue, bytes: bytes.clone(), desk_max: desk.max_object_size };
        (writes, Writer { desk, node, bytes }.run(queued))
    }

    pub(super) fn takes(&self, size: usize) -> bool {
        size <= self.desk_max
    }

    /// Queues what is not too long; `false` where it is dropped.
    pub(super) fn store(&self, store: Store) -> bool {
        let size = store.size();
        if !self.takes(size) {
            return true;
        }
        if self.bytes.fetch_add(size, Relaxed) + size > MAX_QUEUED_BYTES {
            self.bytes.fetch_sub(size, Relaxed);
            return false;
        }
        let queued = self.queue.try_send(Write::Store(store)).is_ok();
        if !queued {
            self.bytes.fetch_sub(size, Relaxed);
        }
        queued
    }

    pub(super) fn release(&self, key: Key, token: u64) {
        // Without room it ends by itself.
        let _ = self.queue.try_send(Write::Release(key, token));
    }
}

struct Writer {
    desk: Arc<Desk>,
    node: String,
    bytes: Arc<AtomicUsize>,
}

impl Writer {
    async fn run(self, mut queued: mpsc::Receiver<Write>) {
        while let Some(first) = queued.recv().await {
            let mut size = first.size();
            let mut batch = vec![first];
            while batch.len() < MAX_TOGETHER && size < MAX_BYTES_TOGETHER {
                let Ok(next) = queued.try_recv() else { break };
                size += next.size();
                batch.push(next);
            }
            self.write(batch).await;
            self.bytes.fetch_sub(size, Relaxed);
        }
    }

    async fn write(&self, batch: Vec<Write>) {
        let link = &self.desk.link;
        let count = batch.len();
        let Some(on) = link.up() else {
            link.counters.dropped.add(count as u64);
            return;
        };
        // A lease is given back in any case: others wait for it.
        let stores = link.stores(&on);
        let batch = batch.into_iter().filter(|it| stores || matches!(it, Write::Release(..)));
        let (batch, calls): (Vec<Write>, Vec<Call>) =
            batch.filter_map(|it| self.call(&on, &it).map(|call| (it, call))).unzip();
        link.counters.dropped.add((count - calls.len()) as u64);
        if calls.is_empty() {
            return;
        }
        let answers = link.run(&on, &calls, self.within()).await;
        let Ok(answers) = answers else {
            link.counters.dropped.add(calls.len() as u64);
            return;
        };
        let bodiless: Vec<bool> = answers.into_iter().map(|it| self.is_bodiless(&on, it)).collect();
        self.write_whole(&on, batch.into_iter().zip(bodiless)).await;
    }

    /// Writes the whole of what was to be a head alone, where Redis has not the body.
    async fn write_whole(&self, on: &Connections, batch: impl Iterator<Item = (Write, bool)>) {
        for (write, _) in batch.filter(|(_, bodiless)| *bodiless) {
            let Write::Store(Store { what: What::Head(head, body), key, began, token }) = write
            else {
                continue;
            };
            let store = Store { what: What::Response(head, body), key, began, token };
            let Some(call) = self.call(on, &Write::Store(store)) else { continue };
            if let Ok(answers) = self.desk.link.run(on, &[call], self.within()).await {
                answers.into_iter().for_each(|answer| {
                    self.is_bodiless(on, answer);
                });
            }
        }
    }

    /// Counts an answer; whether it asks for the body.
    fn is_bodiless(&self, on: &Connections, answer: RedisResult<Value>) -> bool {
        let counters = &self.desk.link.counters;
        let said = answer.and_then(|value| Ok(String::from_redis_value(value)?));
        match said.as_deref() {
            Ok("stored") => counters.stored.one(),
            Ok("bodiless") => return true,
            Ok("invalidated" | "newer" | "fenced") => counters.superseded.one(),
            Ok(_) => {}
            Err(_) => self.desk.link.pause(on),
        }
        false
    }

    fn call(&self, on: &Connections, write: &Write) -> Option<Call> {
        match write {
            Write::Store(store) => self.store(on, store),
            Write::Release(key, token) => {
                let lease = self.desk.names.lease(*key);
                let call = Call::new(Script::Release, &[&lease, &self.desk.names.log]);
                Some(call.arg(&self.node).arg(token.to_string()).arg(key.as_bytes()))
            }
        }
    }

    /// `None` where there is nothing to keep, it is too long, or what became invalid since it was
    /// asked for may never have been heard of.
    fn store(&self, on: &Connections, store: &Store) -> Option<Call> {
        if store.began.beginnings != self.desk.link.beginnings() {
            return None;
        }
        let now = self.desk.link.clock.now();
        let label = Label { key: store.key, epoch: on.epoch };
        let codec = &self.desk.codec;
        let none = Bytes::new();
        let (mode, record, body, kept) = match &store.what {
            What::Response(head, body) => {
                ("all", codec.head(label, head, now), body, head.meta.usable_for(now))
            }
            What::Head(head, _) => {
                ("head", codec.head(label, head, now), &none, head.meta.usable_for(now))
            }
            What::Vary(vary, kept) => (
                "vary",
                codec.vary(label, vary, now),
                &none,
                i64::try_from(*kept).unwrap_or(MAX_KEPT),
            ),
        };
        if kept <= 0 {
            return None;
        }
        let names = &self.desk.names;
        let keys =
            [&*names.head(store.key), &names.body(store.key), &names.log, &names.lease(store.key)];
        let call = Call::new(Script::Store, &keys).arg(&self.node).arg(MAGIC);
        let call = call.arg(store.key.as_bytes()).arg(mode).arg(record?).arg(body);
        let call = call.arg(kept.min(MAX_KEPT).to_string()).arg(store.began.heard.text());
        Some(call.arg(store.token.map(|it| it.to_string()).unwrap_or_default()))
    }

    fn within(&self) -> Duration {
        self.desk.timeout.saturating_mul(PATIENCE)
    }
}
