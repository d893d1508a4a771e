//! What is remembered of clients: a number each, and never more of them than is allowed.
//!
//! governor's own stores grow without bound. Here a client whose bucket is full, which is what a
//! client that was never seen has, is forgotten for one who is new. Where all are in debt, the new
//! one shares a bucket with its neighbours. None does as long as any bucket is full.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    sync::{
        Arc,
        atomic::{
            AtomicBool, AtomicU64, AtomicUsize,
            Ordering::{Relaxed, SeqCst},
        },
    },
    time::Duration,
};

use governor::{nanos::Nanos, state::StateStore};
use parking_lot::Mutex;

use super::client::Client;
use crate::key::IdentityState;

/// Clients in one shard, on average, when all are there.
const A_SHARD: usize = 1024;

/// More shards would buy nothing.
const MAX_SHARDS: usize = 1024;

/// Fewer would be one queue.
const MIN_SHARDS: usize = 4;

/// Buckets that are shared by those for whom there is no room.
const SHARED: u64 = 4096;

/// By client: when its bucket is full again, in nanoseconds since the limiter's start.
type Shard = HashMap<u64, u64, IdentityState>;

/// The buckets of one limiter.
#[derive(Clone, Debug)]
pub(super) struct Buckets(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    shards: Box<[Mutex<Shard>]>,
    /// By shard: none of its buckets is full before this time. Changed under its lock alone.
    soonest: Box<[AtomicU64]>,
    /// The buckets of those for whom there was no room, by neighbourhood.
    shared: Mutex<Shard>,
    /// Whether there are any.
    has_shared: AtomicBool,
    known: AtomicUsize,
    max: AtomicUsize,
    /// From one request to the next, in nanoseconds.
    interval: u64,
    seed: RandomState,
}

impl Buckets {
    /// For at most `max` clients.
    pub(super) fn new(max: usize, interval: u64) -> Buckets {
        let shards = (max / A_SHARD).next_power_of_two().clamp(MIN_SHARDS, MAX_SHARDS);
        Buckets(Arc::new(Inner {
            shards: (0..shards).map(|_| Mutex::default()).collect(),
            soonest: (0..shards).map(|_| AtomicU64::new(u64::MAX)).collect(),
            shared: Mutex::default(),
            has_shared: AtomicBool::new(false),
            known: AtomicUsize::new(0),
            max: AtomicUsize::new(max),
            interval,
            seed: RandomState::new(),
        }))
    }

    /// Changes how many clients there is room for. None is forgotten for it.
    pub(super) fn set_max(&self, max: usize) {
        self.0.max.store(max, Relaxed);
    }

    /// Clients with a bucket of their own.
    #[cfg(test)]
    pub(super) fn known(&self) -> usize {
        self.0.known.load(SeqCst)
    }

    /// Gives back what a request was charged that long ago. What the bucket would have been full
    /// by in the meantime is lost: it must not be given twice.
    pub(super) fn give_back(&self, client: &Client, ago: Duration) {
        let (inner, ago) = (&self.0, u64::try_from(ago.as_nanos()).unwrap_or(u64::MAX));
        let back = inner.interval.saturating_sub(ago);
        let index = inner.index(client.id);
        if let Some(full_at) = inner.shards[index].lock().get_mut(&client.id) {
            *full_at = full_at.saturating_sub(back);
            inner.soonest[index].fetch_min(*full_at, SeqCst);
        } else if let Some(full_at) = inner.shared.lock().get_mut(&inner.neighbours(client)) {
            *full_at = full_at.saturating_sub(back);
        }
    }
}

impl StateStore for Buckets {
    type Key = Client;

    fn measure_and_replace<T, F, E>(&self, client: &Client, f: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let inner = &self.0;
        if let Some(outcome) = inner.own(client, &f) {
            return outcome;
        }
        // A bucket that nobody has used is full one interval after its first request.
        let now = f(None)?.1.as_u64().saturating_sub(inner.interval);
        while inner.forget(client, now) {
            if let Some(outcome) = inner.own(client, &f) {
                return outcome;
            }
        }
        inner.has_shared.store(true, SeqCst);
        let mut shared = inner.shared.lock();
        let before = shared.get(&inner.neighbours(client)).copied();
        let (outcome, full_at) = f(before.map(Nanos::new))?;
        shared.insert(inner.neighbours(client), full_at.as_u64());
        Ok(outcome)
    }
}

impl Inner {
    /// By bits that the map does not go by.
    fn index(&self, id: u64) -> usize {
        usize::try_from(id >> 32).unwrap_or_default() & (self.shards.len() - 1)
    }

    /// Asks the client's own bucket; `None` where it has none and there is no room.
    fn own<T, E>(
        &self,
        client: &Client,
        f: impl Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    ) -> Option<Result<T, E>> {
        let index = self.index(client.id);
        let mut shard = self.shards[index].lock();
        if let Some(full_at) = shard.get_mut(&client.id) {
            return Some(f(Some(Nanos::new(*full_at))).map(|(outcome, next)| {
                *full_at = next.as_u64();
                outcome
            }));
        }
        let max = self.max.load(Relaxed);
        let more = |known: usize| (known < max).then_some(known + 1);
        self.known.fetch_update(SeqCst, SeqCst, more).ok()?;
        // What it has used of a shared bucket is not given to it twice.
        let shared = self.has_shared.load(SeqCst).then(|| self.shared.lock());
        let before = shared.and_then(|shared| shared.get(&self.neighbours(client)).copied());
        match f(before.map(Nanos::new)) {
            Ok((outcome, next)) => {
                shard.insert(client.id, next.as_u64());
                self.soonest[index].fetch_min(next.as_u64(), SeqCst);
                Some(Ok(outcome))
            }
            Err(refused) => {
                self.known.fetch_sub(1, SeqCst);
                Some(Err(refused))
            }
        }
    }

    /// Forgets clients of a shard where a bucket is full; `false` where none is, in any.
    ///
    /// A shard is searched in vain only if the bucket that was to be full first has been charged
    /// since: no more often than requests are let through.
    fn forget(&self, client: &Client, now: u64) -> bool {
        let first = self.index(client.id);
        let indices = (first..self.shards.len()).chain(0..first);
        let mut may = indices.filter(|index| self.soonest[*index].load(SeqCst) <= now);
        may.any(|index| {
            let (mut shard, mut soonest) = (self.shards[index].lock(), u64::MAX);
            let before = shard.len();
            shard.retain(|_, full_at| {
                let stays = *full_at > now;
                soonest = if stays { soonest.min(*full_at) } else { soonest };
                stays
            });
            self.soonest[index].store(soonest, SeqCst);
            let forgotten = before - shard.len();
            self.known.fetch_sub(forgotten, SeqCst);
            forgotten > 0
        })
    }

    /// The shared bucket of a client for whom there is no room.
    fn neighbours(&self, client: &Client) -> u64 {
        match client.network() {
            Some(network) => self.seed.hash_one(network) % SHARED,
            None => client.id % SHARED,
        }
    }
}
