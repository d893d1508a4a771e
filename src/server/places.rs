//! The places of `max_connections`: a connection, or the tunnel that it became, holds one.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::Relaxed},
};

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::counters::Counters;

/// So many connections, and no more. The number may change.
#[derive(Debug)]
pub(super) struct Places {
    free: Arc<Semaphore>,
    size: Mutex<Size>,
    /// The last connection had to wait: nobody is told again.
    full: AtomicBool,
}

#[derive(Debug)]
struct Size {
    max: usize,
    /// Places that are taken and go when they become free.
    owed: usize,
}

impl Places {
    pub(super) fn new(max: usize) -> Places {
        let max = bounded(max);
        Places {
            free: Arc::new(Semaphore::new(max)),
            size: Mutex::new(Size { max, owed: 0 }),
            full: AtomicBool::new(false),
        }
    }

    /// A place, as soon as there is one. A wait is counted; a warning starts each row of them.
    pub(super) async fn take(&self, counters: &Counters) -> Arc<OwnedSemaphorePermit> {
        let mut waited = false;
        loop {
            let place = match self.free.clone().try_acquire_owned() {
                Ok(place) => place,
                Err(_) => {
                    if !std::mem::replace(&mut waited, true) {
                        self.tell(counters);
                    }
                    let place = self.free.clone().acquire_owned().await;
                    place.expect("the semaphore is never closed")
                }
            };
            if !self.settle(1) {
                self.full.store(waited, Relaxed);
                return Arc::new(place);
            }
            place.forget();
        }
    }

    /// Changes how many there are. Whoever has a place keeps it.
    pub(super) fn resize(&self, max: usize) {
        let max = bounded(max);
        let mut size = self.size.lock();
        if max < size.max {
            let gone = self.free.forget_permits(size.max - max);
            size.owed += size.max - max - gone;
        } else {
            let kept = size.owed.min(max - size.max);
            size.owed -= kept;
            self.free.add_permits(max - size.max - kept);
        }
        size.max = max;
    }

    /// How many are taken.
    pub(super) fn taken(&self) -> usize {
        self.there().saturating_sub(self.free.available_permits())
    }

    /// Resolves when none is taken. Nobody may take or resize meanwhile.
    pub(super) async fn all_free(&self) {
        let all = u32::try_from(self.there()).unwrap_or(u32::MAX);
        let _ = self.free.acquire_many(all).await;
    }

    fn there(&self) -> usize {
        let size = self.size.lock();
        size.max + size.owed
    }

    /// Whether a place that was just taken is owed.
    fn settle(&self, place: usize) -> bool {
        let mut size = self.size.lock();
        let owed = size.owed >= place;
        if owed {
            size.owed -= place;
        }
        owed
    }

    fn tell(&self, counters: &Counters) {
        counters.connections_full.one();
        if !self.full.swap(true, Relaxed) {
            let max = self.size.lock().max;
            tracing::warn!(max, "limits.max_connections are open: the next have to wait");
        }
    }
}

/// A semaphore's batch is counted in 32 bits.
fn bounded(max: usize) -> usize {
    max.min(u32::MAX as usize / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn fewer_places_take_effect_as_connections_end() {
        let (places, counters) = (Places::new(3), Counters::default());
        let (a, b) = (places.take(&counters).await, places.take(&counters).await);
        places.resize(1);
        assert_eq!(places.taken(), 2, "whoever has a place keeps it");
        drop(a);
        let mut next = tokio_test(places.take(&counters));
        assert!(next.is_pending(), "one is still open, and there is one place");
        drop(b);
        assert!(next.is_ready());
        assert_eq!(counters.connections_full.get(), 1);
    }

    #[tokio::test]
    async fn more_places_are_there_at_once() {
        let (places, counters) = (Places::new(2), Counters::default());
        let held = (places.take(&counters).await, places.take(&counters).await);
        places.resize(1);
        places.resize(3);
        let third = places.take(&counters).await;
        assert_eq!((places.taken(), counters.connections_full.get()), (3, 0));
        drop((held, third));
        places.all_free().await;
    }

    fn tokio_test<F: Future>(future: F) -> Polled<F> {
        Polled(Box::pin(future))
    }

    struct Polled<F: Future>(std::pin::Pin<Box<F>>);

    impl<F: Future> Polled<F> {
        fn is_ready(&mut self) -> bool {
            let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
            self.0.as_mut().poll(&mut cx).is_ready()
        }

        fn is_pending(&mut self) -> bool {
            !self.is_ready()
        }
    }
}
