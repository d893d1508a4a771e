//! How many bytes of bodies may be in flight at the same time (`cache.memory.max_in_flight`).

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

/// Room for bodies that are still arriving; a cheap handle.
#[derive(Clone, Debug)]
pub struct Budget(Arc<Room>);

#[derive(Debug)]
struct Room {
    used: AtomicU64,
    max: u64,
}

/// A part of the budget; given back when it is dropped.
#[derive(Debug)]
pub struct Claim {
    budget: Budget,
    bytes: u64,
}

impl Budget {
    /// Room for `max` bytes.
    #[must_use]
    pub fn new(max: u64) -> Budget {
        Budget(Arc::new(Room { used: AtomicU64::new(0), max }))
    }

    /// Takes `bytes` of it, if they are there.
    #[must_use]
    pub fn claim(&self, bytes: u64) -> Option<Claim> {
        self.take(bytes).then(|| Claim { budget: self.clone(), bytes })
    }

    /// Bytes taken.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.0.used.load(Relaxed)
    }

    fn take(&self, bytes: u64) -> bool {
        let grown = |used: u64| used.checked_add(bytes).filter(|sum| *sum <= self.0.max);
        self.0.used.fetch_update(Relaxed, Relaxed, grown).is_ok()
    }
}

impl Claim {
    /// Makes this at least `bytes`; `false` where the budget has no room for it.
    #[must_use]
    pub fn grow_to(&mut self, bytes: u64) -> bool {
        let more = bytes.saturating_sub(self.bytes);
        let granted = self.budget.take(more);
        if granted {
            self.bytes += more;
        }
        granted
    }

    /// Gives back what is over `bytes`.
    pub fn shrink_to(&mut self, bytes: u64) {
        let less = self.bytes.saturating_sub(bytes);
        self.bytes -= less;
        self.budget.0.used.fetch_sub(less, Relaxed);
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.budget.0.used.fetch_sub(self.bytes, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_is_held_until_it_is_dropped() {
        let budget = Budget::new(10);
        let mut first = budget.claim(4).unwrap();
        assert!(budget.claim(7).is_none());
        assert!(first.grow_to(10));
        assert!(first.grow_to(3), "what is held already needs no room");
        assert!(!first.grow_to(11));
        assert!(!first.grow_to(u64::MAX));
        assert_eq!(budget.used(), 10);
        first.shrink_to(2);
        first.shrink_to(5);
        assert_eq!(budget.used(), 2);
        drop(first);
        assert_eq!(budget.used(), 0);
    }
}
