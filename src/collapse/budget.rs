//! How many bytes of bodies may be in flight at the same time (`cache.memory.max_in_flight`).

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use bytes::Bytes;

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
    /// How much of the budget may be used when this grows.
    most: u64,
}

/// Bytes that keep a claim.
struct Held {
    bytes: Bytes,
    _claim: Claim,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
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
        self.claim_up_to(self.0.max, bytes)
    }

    /// Takes `bytes` of it, if a half is left then: for what waits for one client. However many do
    /// not read, there is room for what is stored.
    #[must_use]
    pub fn claim_for_one(&self, bytes: u64) -> Option<Claim> {
        self.claim_up_to(self.0.max / 2, bytes)
    }

    fn claim_up_to(&self, most: u64, bytes: u64) -> Option<Claim> {
        self.take(bytes, most).then(|| Claim { budget: self.clone(), bytes, most })
    }

    /// Bytes taken.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.0.used.load(Relaxed)
    }

    fn take(&self, bytes: u64, most: u64) -> bool {
        // To begin with nothing is no question of room; to grow is.
        if bytes == 0 {
            return true;
        }
        let grown = |used: u64| used.checked_add(bytes).filter(|sum| *sum <= most);
        self.0.used.fetch_update(Relaxed, Relaxed, grown).is_ok()
    }
}

impl Claim {
    /// Makes this at least `bytes`; `false` where the budget has no room for it.
    #[must_use]
    pub fn grow_to(&mut self, bytes: u64) -> bool {
        let more = bytes.saturating_sub(self.bytes);
        let granted = self.budget.take(more, self.most);
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

    /// Takes a part out of this, as a claim of its own.
    #[must_use]
    pub fn split(&mut self, bytes: u64) -> Claim {
        let bytes = bytes.min(self.bytes);
        self.bytes -= bytes;
        Claim { budget: self.budget.clone(), bytes, most: self.most }
    }

    /// These bytes, which keep the claim until the last handle to them is dropped: wherever they
    /// wait to be sent, they count.
    #[must_use]
    pub fn hold(self, bytes: Bytes) -> Bytes {
        Bytes::from_owner(Held { bytes, _claim: self })
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

    #[test]
    fn what_waits_for_one_client_leaves_a_half() {
        let budget = Budget::new(10);
        let mut one = budget.claim_for_one(4).unwrap();
        assert!(one.grow_to(5));
        assert!(
            !one.grow_to(6) && budget.claim_for_one(1).is_none(),
            "the other half is not for it"
        );
        let rest = budget.claim(5).unwrap();
        drop(one);
        assert!(budget.claim_for_one(1).is_none(), "others have taken that half");
        drop(rest);
        assert!(budget.claim_for_one(5).is_some());
        let all = budget.claim(10).unwrap();
        let mut none = budget.claim_for_one(0).expect("whoever counts has a claim");
        assert!(!none.grow_to(1), "however much others use, it counts");
        drop(all);
    }

    #[test]
    fn bytes_keep_their_part_of_a_claim_until_nobody_has_them() {
        let budget = Budget::new(10);
        let mut claim = budget.claim(8).unwrap();
        let one = claim.split(3).hold(Bytes::from_static(b"one"));
        let rest = claim.split(100).hold(Bytes::from_static(b"other"));
        drop(claim);
        assert_eq!((&one[..], &rest[..], budget.used()), (&b"one"[..], &b"other"[..], 8));
        let half = one.slice(1..);
        drop(one);
        assert_eq!(budget.used(), 8, "half of it is still there");
        drop((half, rest));
        assert_eq!(budget.used(), 0);
    }
}
