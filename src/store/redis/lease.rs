//! Leases: of all nodes that miss the same thing, one asks the origin.
//!
//! A lease is renewed while its holder lives, and ends when that gives it back, or by itself; who
//! waits is woken by the log. Its fencing token grows: what an overtaken holder stores while another
//! has the lease is refused.

use std::{collections::HashMap, sync::Arc, time::Duration};

use parking_lot::Mutex;
use redis::FromRedisValue;
use tokio::{sync::oneshot, task::JoinHandle};

use super::{
    Inner,
    record::MAGIC,
    scripts::{Call, Script},
};
use crate::key::Key;

/// How often a lease is renewed while it lasts.
const RENEWALS: u32 = 3;

/// Who may ask the origin.
#[derive(Debug)]
pub enum Lease {
    /// This node may.
    Taken(Taken),
    /// Another does.
    Held(Held),
    /// Nobody has to: this version was stored since the caller looked.
    Stored(u64),
    /// Nobody can say: Redis is not there. Who asks decides for itself.
    Unavailable,
}

/// A lease that this node has; given back when it is dropped, after what was stored under it.
pub struct Taken {
    key: Key,
    token: u64,
    inner: Arc<Inner>,
    renewing: JoinHandle<()>,
}

/// A lease that another has.
#[derive(Debug)]
pub struct Held {
    queued: Queued,
    left: Duration,
}

/// How a lease of another's ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// Its holder has given it back: what it was to store, it has stored.
    GivenBack,
    /// It may have run out, or nobody can say any more.
    Perhaps,
}

/// Who waits for which lease.
#[derive(Debug, Default)]
pub(super) struct Waiters(Mutex<HashMap<Key, Vec<oneshot::Sender<()>>>>);

/// One who waits; forgotten when it is dropped.
#[derive(Debug)]
struct Queued {
    key: Key,
    woken: oneshot::Receiver<()>,
    inner: Arc<Inner>,
}

impl Waiters {
    fn wait(&self, key: Key) -> oneshot::Receiver<()> {
        let (wake, woken) = oneshot::channel();
        self.0.lock().entry(key).or_default().push(wake);
        woken
    }

    /// Forgets who has gone away meanwhile.
    fn forget(&self, key: Key) {
        let mut waiters = self.0.lock();
        if let Some(those) = waiters.get_mut(&key) {
            those.retain(|other| !other.is_closed());
            if those.is_empty() {
                waiters.remove(&key);
            }
        }
    }

    /// The lease was given back.
    pub(super) fn wake(&self, key: Key) {
        let those = self.0.lock().remove(&key);
        for wake in those.into_iter().flatten() {
            let _ = wake.send(());
        }
    }

    /// Something has happened to it.
    pub(super) fn stir(&self, key: Key) {
        // dropping the senders is what stirs
        drop(self.0.lock().remove(&key));
    }

    pub(super) fn stir_all(&self) {
        let all = std::mem::take(&mut *self.0.lock());
        drop(all);
    }
}

impl Queued {
    fn new(key: Key, inner: &Arc<Inner>) -> Queued {
        Queued { key, woken: inner.waiters.wait(key), inner: inner.clone() }
    }
}

impl Drop for Queued {
    fn drop(&mut self) {
        self.woken.close();
        self.inner.waiters.forget(self.key);
    }
}

impl std::fmt::Debug for Taken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Taken").field("key", &self.key).field("token", &self.token).finish()
    }
}

impl Taken {
    fn new(key: Key, token: u64, lasts: Duration, inner: &Arc<Inner>) -> Taken {
        let renewing = tokio::spawn(renew(inner.clone(), (key, token), lasts));
        Taken { key, token, inner: inner.clone(), renewing }
    }

    /// Goes with what is stored under the lease.
    #[must_use]
    pub fn token(&self) -> u64 {
        self.token
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.renewing.abort();
        self.inner.writes.release(self.key, self.token);
    }
}

impl Held {
    /// Returns when the lease may be over: given back, run out, or nobody can say any more.
    pub async fn over(mut self) -> Over {
        // Its end in Redis is in whole milliseconds.
        let left = self.left.saturating_add(Duration::from_millis(1));
        let clock = self.queued.inner.link.clock.clone();
        match clock.timeout(left, &mut self.queued.woken).await {
            Ok(Ok(())) => Over::GivenBack,
            Ok(Err(_)) | Err(_) => Over::Perhaps,
        }
    }
}

/// Asks for the lease of `key`, to end by itself after `lasts` where its holder dies; `seen` is the
/// version that lay there when the caller looked, or 0.
pub(super) async fn take(inner: &Arc<Inner>, (key, seen): (Key, u64), lasts: Duration) -> Lease {
    let Some(on) = inner.link.up() else { return Lease::Unavailable };
    // Before it is asked for: so its end cannot be missed.
    let queued = Queued::new(key, inner);
    let names = &inner.names;
    let call = Call::new(Script::Lease, &[&names.lease(key), &names.generations, &names.head(key)]);
    let seen = if seen == 0 { Vec::new() } else { seen.to_be_bytes().to_vec() };
    let call = call.arg(&inner.node).arg(milliseconds(lasts)).arg(MAGIC).arg(seen);
    let answers = inner.link.run(&on, &[call], inner.timeout).await;
    let answer = answers.ok().and_then(|mut answers| answers.pop()?.ok());
    let answer = answer.and_then(|it| <(String, Vec<u8>)>::from_redis_value(it).ok());
    let Some((said, told)) = answer else { return Lease::Unavailable };
    let number = || std::str::from_utf8(&told).ok()?.parse::<u64>().ok();
    let lease = match &*said {
        "taken" => number().map(|token| Lease::Taken(Taken::new(key, token, lasts, inner))),
        "held" => {
            number().map(|left| Lease::Held(Held { queued, left: Duration::from_millis(left) }))
        }
        _ => told.first_chunk().map(|version| Lease::Stored(u64::from_be_bytes(*version))),
    };
    lease.unwrap_or(Lease::Unavailable)
}

/// Renews a lease for as long as it is this node's.
async fn renew(inner: Arc<Inner>, (key, token): (Key, u64), lasts: Duration) {
    loop {
        inner.link.clock.sleep(lasts / RENEWALS).await;
        let Some(on) = inner.link.up() else { continue };
        let call = Call::new(Script::Renew, &[&inner.names.lease(key)]);
        let call = call.arg(&inner.node).arg(token.to_string()).arg(milliseconds(lasts));
        let answers = inner.link.run(&on, &[call], inner.timeout).await;
        let said = answers.ok().and_then(|mut answers| answers.pop()?.ok());
        if said.and_then(|it| String::from_redis_value(it).ok()).as_deref() == Some("lost") {
            return;
        }
    }
}

fn milliseconds(duration: Duration) -> String {
    duration.as_millis().max(1).to_string()
}
