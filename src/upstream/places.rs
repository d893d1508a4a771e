//! How many requests an upstream is given at a time, and who waits for the next place.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Error;
use crate::clock::Clock;

/// Who may wait for a place at the same time; whoever comes then is turned away at once.
const MAX_WAITING: usize = 1024;

/// How long a request may hold its place by its client's own will.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stay {
    /// As long as the upstream takes.
    Brief,
    /// As long as the client likes: an upload, or a tunnel.
    Long,
}

/// The `max_concurrent` places of an upstream and the queue for them, first come, first served.
#[derive(Debug)]
pub(super) struct Places {
    free: Arc<Semaphore>,
    /// Three quarters of them, at least one: so many slow uploads and tunnels at most, lest they
    /// keep everybody else out.
    long: Arc<Semaphore>,
    waiting: AtomicUsize,
}

/// One place; free again when dropped.
#[derive(Debug)]
pub(super) struct Place {
    _permit: OwnedSemaphorePermit,
    _long: Option<OwnedSemaphorePermit>,
}

/// Leaves the queue however the wait ends: with a place, too late, or with the client gone.
struct Queued<'a>(&'a AtomicUsize);

impl Places {
    pub(super) fn new(max_concurrent: usize) -> Places {
        let places = max_concurrent.clamp(1, Semaphore::MAX_PERMITS);
        let (free, long) = (Semaphore::new(places), Semaphore::new((places / 4 * 3).max(1)));
        Places { free: Arc::new(free), long: Arc::new(long), waiting: AtomicUsize::new(0) }
    }

    /// A place, after a wait of at most `limit`.
    pub(super) async fn take(
        &self,
        stay: Stay,
        clock: &Clock,
        limit: Duration,
    ) -> Result<Place, Error> {
        if let Some(place) = self.at_once(stay) {
            return Ok(place);
        }
        let _queued = self.queue()?;
        match clock.timeout(limit, self.wait(stay)).await {
            Ok(Some(place)) => Ok(place),
            Ok(None) | Err(_) => Err(Error::Busy),
        }
    }

    fn at_once(&self, stay: Stay) -> Option<Place> {
        let long = match stay {
            Stay::Brief => None,
            Stay::Long => Some(self.long.clone().try_acquire_owned().ok()?),
        };
        let permit = self.free.clone().try_acquire_owned().ok()?;
        Some(Place { _permit: permit, _long: long })
    }

    async fn wait(&self, stay: Stay) -> Option<Place> {
        let long = match stay {
            Stay::Brief => None,
            Stay::Long => Some(self.long.clone().acquire_owned().await.ok()?),
        };
        let permit = self.free.clone().acquire_owned().await.ok()?;
        Some(Place { _permit: permit, _long: long })
    }

    fn queue(&self) -> Result<Queued<'_>, Error> {
        let queued = Queued(&self.waiting);
        if self.waiting.fetch_add(1, Relaxed) < MAX_WAITING { Ok(queued) } else { Err(Error::Busy) }
    }
}

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}
