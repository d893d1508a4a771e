//! What trusted proxies claim of requests, where that is part of keys: who invalidates a target has
//! to know them all.
//!
//! Bounded. What is fetched under a claim beyond the bound is invalidated in another way, by the
//! key of its target without any claim, and does not lie in the shared tier.

use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::key::Claim;

/// Claims that this node adds.
const MAX_CLAIMS: usize = 64;

/// Claims that are taken over, those of other nodes among them.
const MAX_OF_ALL: usize = 1024;

/// The claims that were heard. A look costs no lock.
#[derive(Debug, Default)]
pub struct Hearsay(ArcSwap<Vec<Heard>>);

#[derive(Clone, Copy, Debug)]
struct Heard {
    claim: Claim,
    known: Known,
}

/// Who knows of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    /// This node, and maybe nobody else.
    Here,
    /// This node, which is telling the others.
    Telling,
    /// All nodes.
    Everywhere,
}

impl Hearsay {
    /// Whether every node that invalidates a target does so under this claim, too.
    #[must_use]
    pub fn is_known(&self, claim: &Claim) -> bool {
        self.0.load().iter().any(|it| it.claim == *claim && it.known == Known::Everywhere)
    }

    /// Takes in what a request was claimed to be, if there is room; whether the other nodes are to be
    /// told.
    #[must_use]
    pub fn hear(&self, claim: Claim) -> bool {
        let is_new = |heard: &[Heard]| match heard.iter().find(|it| it.claim == claim) {
            Some(it) => it.known == Known::Here,
            None => heard.len() < MAX_CLAIMS,
        };
        if !is_new(&self.0.load()) {
            return false;
        }
        let before = self.change(|heard| {
            if is_new(heard) {
                set(heard, claim, Known::Telling);
            }
        });
        is_new(&before)
    }

    /// All nodes know these.
    pub fn is_told(&self, claims: &[Claim]) {
        if claims.is_empty() {
            return;
        }
        self.change(|heard| {
            for claim in claims {
                if heard.len() < MAX_OF_ALL || heard.iter().any(|it| it.claim == *claim) {
                    set(heard, *claim, Known::Everywhere);
                }
            }
        });
    }

    /// What was told may be lost.
    pub fn is_lost(&self) {
        self.change(|heard| heard.iter_mut().for_each(|it| it.known = Known::Here));
    }

    /// Every claim that was heard.
    pub(crate) fn claims(&self) -> Vec<Claim> {
        self.0.load().iter().map(|it| it.claim).collect()
    }

    /// What there was before.
    fn change(&self, change: impl Fn(&mut Vec<Heard>)) -> Arc<Vec<Heard>> {
        self.0.rcu(|heard| {
            let mut heard = Vec::clone(heard);
            change(&mut heard);
            heard
        })
    }
}

fn set(heard: &mut Vec<Heard>, claim: Claim, known: Known) {
    match heard.iter_mut().find(|it| it.claim == claim) {
        Some(it) => it.known = known,
        None => heard.push(Heard { claim, known }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(n: usize) -> Claim {
        Claim::new(&n.to_string())
    }

    #[test]
    fn a_claim_is_known_once_it_was_told() {
        let hearsay = Hearsay::default();
        assert!(hearsay.hear(claim(1)), "nobody else knows it");
        assert!(!hearsay.hear(claim(1)) && !hearsay.is_known(&claim(1)), "they are being told");
        hearsay.is_told(&[claim(1), claim(2)]);
        assert!(hearsay.is_known(&claim(1)) && !hearsay.hear(claim(1)));
        assert!(hearsay.is_known(&claim(2)), "another node's");
        hearsay.is_lost();
        assert!(!hearsay.is_known(&claim(1)) && hearsay.hear(claim(1)), "they are told again");
        assert_eq!(hearsay.claims(), [claim(1), claim(2)]);
    }

    #[test]
    fn their_number_is_bounded() {
        let hearsay = Hearsay::default();
        let added = (0..2 * MAX_CLAIMS).filter(|n| hearsay.hear(claim(*n))).count();
        assert_eq!((added, hearsay.claims().len()), (MAX_CLAIMS, MAX_CLAIMS));
        hearsay.is_told(&(0..2 * MAX_OF_ALL).map(claim).collect::<Vec<_>>());
        assert_eq!(hearsay.claims().len(), MAX_OF_ALL, "what Redis says is bounded, too");
    }
}
