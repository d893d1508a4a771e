//! Leases: of all nodes that miss the same thing, one asks the origin.
//!
//! A lease ends when its holder gives it back, or by itself; who waits is woken by the log. Its
//! fencing token grows: what an overtaken holder stores while another has the lease is refused.

use std::{collections::HashMap, sync::Arc, time::Duration};

use parking_lot::Mutex;
use redis::FromRedisValue;
use tokio::sync::oneshot;

use super::{
    Inner,
    scripts::{Call, Script},
};
use crate::key::Key;

/// Who may ask the origin.
#[derive(Debug)]
pub enum Lease {
    /// This node may.
    Taken(Taken),
    /// Another does.
    Held(Held),
    /// Nobody can say: Redis is not there. Who asks decides for itself.
    Unavailable,
}

/// A lease that this node has; given back when it is dropped, after what was stored under it.
pub struct Taken {
    key: Key,
    token: u64,
    inner: Arc<Inner>,
}

/// A lease that another has.
#[derive(Debug)]
pub struct Held {
    over: oneshot::Receiver<()>,
    left: Duration,
    inner: Arc<Inner>,
}

/// Who waits for what to happen to a key.
#[derive(Debug, Default)]
pub(super) struct Waiters(Mutex<HashMap<Key, Vec<oneshot::Sender<()>>>>);

impl Waiters {
    fn wait(&self, key: Key) -> oneshot::Receiver<()> {
        let (wake, woken) = oneshot::channel();
        let mut waiters = self.0.lock();
        let those = waiters.entry(key).or_default();
        those.retain(|other| !other.is_closed());
        those.push(wake);
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

    pub(super) fn wake(&self, key: Key) {
        // dropping the sender is what wakes
        let those = self.0.lock().remove(&key);
        drop(those);
    }

    pub(super) fn wake_all(&self) {
        let all = std::mem::take(&mut *self.0.lock());
        drop(all);
    }
}

impl std::fmt::Debug for Taken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Taken").field("key", &self.key).field("token", &self.token).finish()
    }
}

impl Taken {
    /// Goes with what is stored under the lease.
    #[must_use]
    pub fn token(&self) -> u64 {
        self.token
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.inner.writes.release(self.key, self.token);
    }
}

impl Held {
    /// Returns when the lease may be over: given back, run out, or nobody can say any more.
    pub async fn over(self) {
        let Held { over, left, inner } = self;
        // Its end in Redis is in whole milliseconds.
        let left = left.saturating_add(Duration::from_millis(1));
        let _ = inner.link.clock.timeout(left, over).await;
    }
}

/// Asks for the lease of `key`, to end by itself after `lasts`.
pub(super) async fn take(inner: &Arc<Inner>, key: Key, lasts: Duration) -> Lease {
    let Some(on) = inner.link.up() else { return Lease::Unavailable };
    // Before it is asked for: so its end cannot be missed.
    let over = inner.waiters.wait(key);
    let lease = inner.names.lease(key);
    let milliseconds = lasts.as_millis().max(1).to_string();
    let call = Call::new(Script::Lease, &[&lease, &inner.names.generations]);
    let call = call.arg(&inner.node).arg(milliseconds);
    let answers = inner.link.run(&on, &[call], inner.timeout).await;
    let answer = answers.ok().and_then(|mut answers| answers.pop()?.ok());
    let answer = answer.and_then(|it| <(String, String)>::from_redis_value(it).ok());
    let number = answer.as_ref().and_then(|(_, number)| number.parse().ok());
    let (Some((said, _)), Some(number)) = (&answer, number) else {
        drop(over);
        inner.waiters.forget(key);
        return Lease::Unavailable;
    };
    if said == "held" {
        return Lease::Held(Held {
            over,
            left: Duration::from_millis(number),
            inner: inner.clone(),
        });
    }
    drop(over);
    inner.waiters.forget(key);
    Lease::Taken(Taken { key, token: number, inner: inner.clone() })
}
