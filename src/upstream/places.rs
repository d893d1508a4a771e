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

/// The `max_concurrent` places of an upstream and the queue for them, first come, first served.
#[derive(Debug)]
pub(super) struct Places {
    free: Arc<Semaphore>,
    waiting: AtomicUsize,
}

/// One place; free again when dropped.
#[derive(Debug)]
pub(super) struct Place {
    _permit: OwnedSemaphorePermit,
}

/// Leaves the queue however the wait ends: with a place, too late, or with the client gone.
struct Queued<'a>(&'a AtomicUsize);

impl Places {
    pub(super) fn new(max_concurrent: usize) -> Places {
        let places = max_concurrent.clamp(1, Semaphore::MAX_PERMITS);
        Places { free: Arc::new(Semaphore::new(places)), waiting: AtomicUsize::new(0) }
    }

    /// A place, after a wait of at most `limit`.
    pub(super) async fn take(&self, clock: &Clock, limit: Duration) -> Result<Place, Error> {
        if let Ok(permit) = self.free.clone().try_acquire_owned() {
            return Ok(Place { _permit: permit });
        }
        let _queued = self.queue()?;
        match clock.timeout(limit, self.free.clone().acquire_owned()).await {
            Ok(Ok(permit)) => Ok(Place { _permit: permit }),
            Ok(Err(_)) | Err(_) => Err(Error::Busy),
        }
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
