//! The purges of one name: the newest hard one, and the soft ones since.

use super::{Manner, Moment, Standing};
use crate::policy::Mono;

/// The soft purges of one name that are told apart; what is older than all but the newest of them
/// counts as stale for longer than it is, never for less.
const MAX_SOFT: usize = 4;

#[derive(Clone, Debug, Default)]
pub(super) struct Past {
    hard: Moment,
    /// The oldest first.
    soft: Vec<Soft>,
}

/// A soft purge: what began before `moment` has been stale since then.
#[derive(Clone, Copy, Debug)]
struct Soft {
    moment: Moment,
    since: Mono,
}

impl Past {
    /// One more purge, newer than all others.
    pub(super) fn add(&mut self, manner: Manner, moment: Moment, now: Mono) {
        match manner {
            Manner::Hard => {
                self.hard = moment;
                self.soft.clear();
            }
            Manner::Soft => {
                self.soft.push(Soft { moment, since: now });
                self.shorten();
            }
        }
    }

    /// Takes in the purges of another name.
    pub(super) fn absorb(&mut self, other: Past) {
        self.hard = later(self.hard, other.hard);
        self.soft.extend(other.soft);
        self.soft.retain(|soft| is_after(soft.moment, self.hard));
        self.soft.sort_by_key(|soft| soft.moment.local);
        self.shorten();
    }

    /// Two of the oldest become one: the later's moment, the earlier's time.
    fn shorten(&mut self) {
        while self.soft.len() > MAX_SOFT {
            let oldest = self.soft.remove(0);
            self.soft[0].since = self.soft[0].since.min(oldest.since);
        }
    }

    /// The newest purge of all, in the local order.
    pub(super) fn newest(&self) -> u64 {
        self.soft.last().map_or(self.hard.local, |soft| soft.moment.local.max(self.hard.local))
    }

    /// What these purges mean for what began at `began`.
    pub(super) fn standing(&self, began: Moment) -> Standing {
        if is_after(self.hard, began) {
            return Standing::Gone;
        }
        let since = self.soft.iter().filter(|soft| is_after(soft.moment, began));
        since.map(|soft| soft.since).min().map_or(Standing::Current, Standing::Stale)
    }
}

/// Whether a purge came later, in whichever order tells: what this node fetched is told by its
/// own, what another did by the cluster's.
fn is_after(purge: Moment, began: Moment) -> bool {
    purge.local > began.local || purge.global > began.global
}

fn later(one: Moment, other: Moment) -> Moment {
    if one.local >= other.local { one } else { other }
}
