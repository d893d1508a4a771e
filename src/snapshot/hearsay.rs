//! What trusted proxies claim of requests, where that is part of keys: who invalidates a target has
//! to know them all.
//!
//! Bounded. What is fetched under a claim beyond the bound is invalidated in another way, by the
//! key of its target without any claim; so is all of it where nodes share a tier, since none knows
//! what the others heard.

use arc_swap::ArcSwap;

use crate::key::Claim;

/// Claims that are remembered.
const MAX_CLAIMS: usize = 64;

/// The claims that were heard. A look costs no lock.
#[derive(Debug, Default)]
pub struct Hearsay(ArcSwap<Vec<Claim>>);

impl Hearsay {
    /// Whether who invalidates a target does so under this claim, too.
    #[must_use]
    pub fn is_known(&self, claim: &Claim) -> bool {
        self.0.load().contains(claim)
    }

    /// Remembers what a request was claimed to be, if there is room.
    pub fn hear(&self, claim: Claim) {
        let is_new = |heard: &[Claim]| heard.len() < MAX_CLAIMS && !heard.contains(&claim);
        if !is_new(&self.0.load()) {
            return;
        }
        self.0.rcu(|heard| {
            let mut heard = Vec::clone(heard);
            if is_new(&heard) {
                heard.push(claim);
            }
            heard
        });
    }

    /// Every claim that was heard.
    pub(crate) fn claims(&self) -> Vec<Claim> {
        Vec::clone(&self.0.load())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_is_heard_once_and_their_number_is_bounded() {
        let (hearsay, claim) = (Hearsay::default(), |n: usize| Claim::new(&n.to_string()));
        for n in (0..2 * MAX_CLAIMS).chain(0..2) {
            hearsay.hear(claim(n));
        }
        assert_eq!(hearsay.claims(), (0..MAX_CLAIMS).map(claim).collect::<Vec<_>>());
        assert!(hearsay.is_known(&claim(1)) && !hearsay.is_known(&claim(MAX_CLAIMS)));
    }
}
