//! The shared tier: a Redis that several nodes use as one cache, and never wait for.
//!
//! [`Remote`] is all that others see. What comes from Redis is checked and what does not check is
//! a miss ([`record`]); every call has a deadline, and while the link is down a call does nothing
//! ([`link`](self)); what a node has to hear of the others comes by a log in order, without gaps or
//! with the gap told ([`Event`]). `docs/redis.md` has the format.

mod acks;
mod bytes;
mod counters;
mod dial;
pub mod event;
mod lease;
mod link;
mod lookups;
mod member;
mod names;
mod peers;
mod pending;
pub mod record;
mod scripts;
mod session;
mod writes;

use std::{
    sync::{
        Arc,
        atomic::{
            AtomicU64, AtomicUsize,
            Ordering::{Relaxed, SeqCst},
        },
    },
    time::Duration,
};

use parking_lot::Mutex;
use redis::FromRedisValue;
use tokio::{sync::Notify, task::JoinHandle};

pub use acks::Acks;
pub use counters::Counters;
pub use event::Heard;
pub use lease::{Held, Lease, Over, Taken};
pub use lookups::{Began, Looked};
pub use member::{Generations, Member};
pub use record::{Codec, Label, Record, Seq, Shared, Unusable};
pub use writes::{Store, What};

use super::Name;
use crate::{clock::Clock, config, key::Key, policy::Mono};
use dial::Dialer;
use link::{Connections, Link};
use lookups::{Desk, Lookups};
use names::Names;
use pending::Pending;
use scripts::{Call, Script};
use writes::Writes;

/// Names that are purged and told apart; the oldest count for everything.
const MAX_NAMES: usize = 65_536;

/// Nodes that are remembered.
const MAX_NODES: usize = 4096;

/// Members that one call purges.
const PURGED_TOGETHER: usize = 256;

/// How long it is remembered that something was done.
const REMEMBERED: Duration = Duration::from_secs(600);

/// What a node hears. In order; when the handler returns, it counts as done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The link is up; everything before it was told.
    Up,
    /// The link is lost, and nothing is heard.
    Down,
    /// Something may never be heard of: what was stored before now may have been invalidated, or
    /// purged, or replaced.
    Lost,
    /// All generations that there are.
    Generations(Generations),
    /// A purge by another node.
    Purged {
        /// Its place among all purges.
        seq: Seq,
        /// What it names.
        members: Vec<Member>,
    },
    /// A purge by this node has its place among all purges.
    Told {
        /// Its place among all purges.
        seq: Seq,
        /// What it names.
        members: Vec<Member>,
    },
    /// Another node stored something newer under a key.
    Changed {
        /// Which key.
        key: Key,
        /// The version of what lies there now: a head's, or a variant list's number.
        version: u64,
    },
    /// Another node invalidated what lies under this key.
    Invalidated(Key),
}

/// A purge that Redis does not know of. This node tells it before it reads from Redis again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the purge is not written")]
pub struct NotWritten;

/// The shared tier, as one node uses it. Ends when it is dropped.
#[derive(Debug)]
pub struct Remote {
    inner: Arc<Inner>,
    lookups: Lookups,
    tasks: Vec<JoinHandle<()>>,
}

/// What all parts share.
struct Inner {
    /// Where Redis is, for the log.
    place: String,
    /// This node's name, made at its start.
    node: String,
    names: Names,
    timeout: Duration,
    dialer: Dialer,
    link: Arc<Link>,
    writes: Writes,
    pending: Pending,
    /// Purges that are being told.
    purging: AtomicUsize,
    /// Told when something is pending.
    nudge: Notify,
    waiters: lease::Waiters,
    acks: acks::Said,
    peers: peers::Peers,
    handler: Box<dyn Fn(Event) + Send + Sync>,
    applied: AtomicU64,
    /// The newest purge that Redis is known to have had; never less than what is applied.
    confirmed: AtomicU64,
    /// `None` before the first link, and after a gap.
    heard: Mutex<Option<Heard>>,
    /// The newest entry of the log that Redis is known to have had.
    furthest: Mutex<Heard>,
    /// The epoch of the last link.
    known: Mutex<Option<u64>>,
    down_since: Mutex<Option<Mono>>,
}

impl Remote {
    /// Begins to use a Redis, in the background: it need not be there.
    ///
    /// # Errors
    /// Where TLS cannot be set up, as with a CA file that cannot be read.
    pub fn start(
        config: &config::Redis,
        clock: Clock,
        counters: Arc<Counters>,
        handler: impl Fn(Event) + Send + Sync + 'static,
    ) -> Result<Remote, String> {
        let node = format!("{:016x}", fastrand::u64(..));
        let names = Names::new(&config.prefix);
        let since = clock.now().mono;
        let link = Arc::new(Link::new(clock, counters));
        let desk = Arc::new(Desk {
            link: link.clone(),
            names: names.clone(),
            codec: Codec::new(config.secret.as_ref()),
            timeout: config.timeout,
            max_object_size: config.max_object_size,
        });
        let dialer = Dialer::new(config)?;
        let (lookups, gathering) = Lookups::new(desk.clone());
        let (writes, writing) = Writes::new(desk, node.clone());
        let inner = Arc::new(Inner {
            place: config.url.to_string(),
            node,
            names,
            timeout: config.timeout,
            dialer,
            link,
            writes,
            pending: Pending::default(),
            purging: AtomicUsize::new(0),
            nudge: Notify::new(),
            waiters: lease::Waiters::default(),
            acks: acks::Said::default(),
            peers: peers::Peers::default(),
            handler: Box::new(handler),
            applied: AtomicU64::new(0),
            confirmed: AtomicU64::new(0),
            heard: Mutex::new(None),
            furthest: Mutex::default(),
            known: Mutex::new(None),
            down_since: Mutex::new(Some(since)),
        });
        let living = session::run(inner.clone());
        let tasks = vec![tokio::spawn(gathering), tokio::spawn(writing), tokio::spawn(living)];
        Ok(Remote { inner, lookups, tasks })
    }

    /// What lies under a key. Never longer than the deadline; at once, while the link is down.
    pub async fn lookup(&self, key: Key) -> Looked {
        let inner = &self.inner;
        let blocked = || inner.purging.load(SeqCst) > 0 || inner.pending.blocks(key);
        let usable = || inner.link.is_up() && !blocked();
        if !usable() {
            inner.link.counters.skipped.one();
            return Looked::Nothing;
        }
        let asked = inner.link.clock.timeout(inner.timeout, self.lookups.ask(&[key])).await;
        let looked = asked.ok().and_then(|mut looked| looked.pop());
        // What was invalidated meanwhile may have been read before.
        looked.filter(|_| !blocked()).unwrap_or(Looked::Nothing)
    }

    /// What lies under some keys, in their order, in one round trip for each hundred. Like
    /// [`lookup`](Self::lookup) otherwise.
    pub async fn lookup_all(&self, keys: &[Key]) -> Vec<Looked> {
        let inner = &self.inner;
        let purges = || inner.purging.load(Relaxed) > 0;
        let mut looked = Vec::with_capacity(keys.len());
        for keys in keys.chunks(lookups::MAX_AT_ONCE) {
            if !inner.link.is_up() || purges() {
                inner.link.counters.skipped.add(keys.len() as u64);
                looked.extend(keys.iter().map(|_| Looked::Nothing));
                continue;
            }
            let asked = inner.link.clock.timeout(inner.timeout, self.lookups.ask(keys)).await;
            let mut found = asked.unwrap_or_default().into_iter();
            // What was invalidated meanwhile may have been read before, and so may what is still
            // to be told.
            looked.extend(keys.iter().map(|key| {
                let found = found.next().filter(|_| !purges() && !inner.pending.blocks(*key));
                found.unwrap_or(Looked::Nothing)
            }));
        }
        looked
    }

    /// When a fetch begins, as all nodes count it; to be taken before the origin is asked.
    #[must_use]
    pub fn began(&self) -> Began {
        // First: what is read after a new beginning is newer at most.
        let beginnings = self.inner.link.beginnings();
        let heard = self.inner.heard().unwrap_or_default();
        Began { seq: self.inner.applied(), heard, beginnings }
    }

    /// Stores, behind the caller's back. What cannot be stored is dropped and counted.
    pub fn store(&self, store: Store) {
        let inner = &self.inner;
        if !inner.link.is_up() || !inner.writes.store(store) {
            inner.link.counters.dropped.one();
        }
    }

    /// Whether a body of so many bytes is stored at all.
    #[must_use]
    pub fn takes(&self, length: usize) -> bool {
        self.inner.writes.takes(length)
    }

    /// Drops what lies under these keys, for all nodes. What was asked for before does not come
    /// back, and until Redis knows, this node finds nothing there.
    pub fn invalidate(&self, keys: &[Key]) {
        self.inner.pending.invalidate(keys);
        self.inner.nudge.notify_one();
    }

    /// Held while something is purged here that has no place among all purges yet: until then,
    /// what lies in Redis cannot be compared with it, and is not looked up. To be taken before.
    #[must_use]
    pub fn purging(&self) -> Purging {
        Purging::begin(&self.inner)
    }

    /// Purges for all nodes; gives its place among all purges.
    ///
    /// # Errors
    /// Where Redis does not say that it has it: then it is told before Redis is read again.
    pub async fn purge(&self, members: &[Member]) -> Result<Seq, NotWritten> {
        let _purging = self.purging();
        let mut newest = Seq::default();
        for (at, some) in members.chunks(PURGED_TOGETHER).enumerate() {
            let told = match self.inner.link.up() {
                Some(on) => self.inner.tell_purge(&on, some).await,
                None => None,
            };
            let Some(seq) = told else {
                self.inner.pending.purge(&members[at * PURGED_TOGETHER..]);
                self.inner.nudge.notify_one();
                return Err(NotWritten);
            };
            newest = seq;
        }
        Ok(newest)
    }

    /// Waits until every node that lives has applied a purge, or `within` has passed.
    pub async fn acknowledged(&self, seq: Seq, within: Duration) -> Acks {
        let inner = &self.inner;
        let nodes = inner.nodes().await;
        let _ = inner.link.clock.timeout(within, inner.acks.until(&nodes, seq)).await;
        inner.acks.sort(&nodes, seq)
    }

    /// Who of all nodes is to ask the origin, where nothing else lies there than the version that
    /// was `seen` (0: nothing); where its holder dies, the lease ends by itself after `lasts`.
    pub async fn lease(&self, key: Key, seen: u64, lasts: Duration) -> Lease {
        lease::take(&self.inner, (key, seen), lasts).await
    }

    /// Whether this is done for the first time in ten minutes, on whichever node; `None` where
    /// nobody can say.
    pub async fn is_first(&self, what: &[u8; 32]) -> Option<bool> {
        let inner = &self.inner;
        let on = inner.link.up()?;
        let call = Call::new(Script::Once, &[&inner.names.once(what)]);
        let call = call.arg(REMEMBERED.as_millis().to_string());
        let said = inner.link.run(&on, &[call], inner.timeout).await.ok()?.pop()?.ok()?;
        Some(String::from_redis_value(said).ok()? == "first")
    }

    /// This node's name, as other nodes see it.
    #[must_use]
    pub fn node(&self) -> &str {
        &self.inner.node
    }

    /// Whether the link is up.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.inner.link.is_up()
    }

    /// Since when nothing is heard of other nodes; `None` while the link is up.
    #[must_use]
    pub fn down_since(&self) -> Option<Mono> {
        *self.inner.down_since.lock()
    }

    /// What is counted.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.inner.link.counters
    }
}

/// A purge that is being told, until it is dropped.
#[derive(Debug)]
pub struct Purging(Arc<Inner>);

impl Purging {
    fn begin(inner: &Arc<Inner>) -> Purging {
        inner.purging.fetch_add(1, SeqCst);
        Purging(inner.clone())
    }
}

impl Drop for Purging {
    fn drop(&mut self) {
        self.0.purging.fetch_sub(1, SeqCst);
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
        self.inner.link.close();
    }
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inner").field("place", &self.place).field("node", &self.node).finish()
    }
}

impl Inner {
    fn applied(&self) -> Seq {
        Seq(self.applied.load(Relaxed))
    }

    fn apply_to(&self, seq: Seq) {
        self.applied.fetch_max(seq.0, Relaxed);
        self.confirmed.fetch_max(seq.0, Relaxed);
    }

    /// Redis has this entry of the log.
    fn has_come(&self, at: Heard) {
        let mut furthest = self.furthest.lock();
        *furthest = at.max(*furthest);
    }

    fn heard(&self) -> Option<Heard> {
        *self.heard.lock()
    }

    /// Forgets where in the log this node was: it is read anew from its end.
    fn lose(&self) {
        *self.heard.lock() = None;
    }

    fn purge_call(&self, members: &[Member]) -> Call {
        let keys = [&*self.names.generations, &self.names.log];
        let call = Call::new(Script::Purge, &keys).arg(&self.node).arg(session::fresh_epoch());
        let call = call.arg(MAX_NAMES.to_string());
        members.iter().fold(call, |call, member| call.arg(member.bytes()))
    }

    fn invalidate_call(&self, key: Key) -> Call {
        let (head, body) = (self.names.head(key), self.names.body(key));
        let keys = [&*head, &body, &self.names.log, &self.names.generations];
        let call = Call::new(Script::Invalidate, &keys).arg(&self.node).arg(record::MAGIC);
        let call = call.arg(key.as_bytes()).arg(session::fresh_epoch()).arg(MAX_NAMES.to_string());
        call.arg(Member::Hard(Name::any_tag().number()).bytes())
    }

    async fn tell_purge(&self, on: &Connections, members: &[Member]) -> Option<Seq> {
        let within = self.timeout.max(Duration::from_millis(250));
        let answers = self.link.run(on, &[self.purge_call(members)], within).await;
        let seq = String::from_redis_value(answers.ok()?.pop()?.ok()?).ok()?;
        let seq = Seq(seq.parse().ok()?);
        self.confirmed.fetch_max(seq.0, Relaxed);
        (self.handler)(Event::Told { seq, members: members.to_vec() });
        Some(seq)
    }

    /// The nodes that live, as far as Redis knows, each with the newest purge that it had applied at
    /// its last heartbeat; and those that Redis may have forgotten.
    async fn nodes(&self) -> Vec<(String, Seq)> {
        let mut nodes = self.known_nodes().await;
        for node in self.peers.expected(self.link.clock.mono()) {
            if !nodes.iter().any(|(known, _)| *known == node) {
                nodes.push((node, Seq::default()));
            }
        }
        nodes
    }

    async fn known_nodes(&self) -> Vec<(String, Seq)> {
        let Some(on) = self.link.up() else { return Vec::new() };
        let call = Call::new(Script::Nodes, &[&self.names.nodes]);
        let answers =
            self.link.run(&on, &[call], self.timeout.max(Duration::from_millis(250))).await;
        let answer = answers.ok().and_then(|mut answers| answers.pop()?.ok());
        let pairs = answer.and_then(|it| Vec::<(String, u64)>::from_redis_value(it).ok());
        pairs.unwrap_or_default().into_iter().map(|(node, seq)| (node, Seq(seq))).collect()
    }
}
