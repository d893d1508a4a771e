//! The purges of one name: the newest hard one, and the soft ones and doubts since.

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

/// A soft purge, or a doubt: what began before `moment` has been stale since then.
#[derive(Clone, Copy, Debug)]
struct Soft {
    moment: Moment,
    since: Mono,
    doubted: bool,
}

impl Past {
    /// One more purge, newer than all others.
    pub(super) fn add(&mut self, manner: Manner, moment: Moment, now: Mono) {
        match manner {
            Manner::Hard => {
                self.hard = moment;
                self.soft.clear();
            }
            Manner::Soft | Manner::Doubt => {
                let doubted = manner == Manner::Doubt;
                self.soft.push(Soft { moment, since: now, doubted });
                self.shorten();
            }
        }
    }

    /// Takes in the purges of another name.
    pub(super) fn absorb(&mut self, other: Past) {
        self.hard = later(self.hard, other.hard);
        self.soft.extend(other.soft);
        self.soft.retain(|soft| soft.moment.local > self.hard.local);
        self.soft.sort_by_key(|soft| soft.moment.local);
        self.shorten();
    }

    /// Two of the oldest become one: the later's moment, the earlier's time, and the doubt of either.
    fn shorten(&mut self) {
        while self.soft.len() > MAX_SOFT {
            let oldest = self.soft.remove(0);
            self.soft[0].since = self.soft[0].since.min(oldest.since);
            self.soft[0].doubted |= oldest.doubted;
        }
    }

    /// The newest purge of all, in the local order.
    pub(super) fn newest(&self) -> u64 {
        self.soft.last().map_or(self.hard.local, |soft| soft.moment.local.max(self.hard.local))
    }

    /// The newest purge of this kind has this place in the cluster's order.
    pub(super) fn confirm(&mut self, manner: Manner, global: u64) {
        let is_it = |soft: &Soft| soft.doubted == (manner == Manner::Doubt);
        // One that is none of its kind any more has taken it in.
        let newest = self.soft.iter().rposition(is_it).or(self.soft.len().checked_sub(1));
        let newest = match newest {
            Some(at) if manner != Manner::Hard => &mut self.soft[at].moment,
            _ => &mut self.hard,
        };
        newest.global = newest.global.max(global);
    }

    /// What these purges mean for what began before those that `is_after` takes.
    pub(super) fn standing(&self, is_after: impl Fn(Moment) -> bool) -> Standing {
        if is_after(self.hard) {
            return Standing::Gone;
        }
        let meant = self.soft.iter().filter(|soft| is_after(soft.moment));
        meant.fold(Standing::Current, |it, soft| it.and(soft.standing()))
    }
}

impl Soft {
    fn standing(&self) -> Standing {
        if self.doubted { Standing::Doubted(self.since) } else { Standing::Stale(self.since) }
    }
}

/// The later of two in each order: for what is not known exactly, too much counts as purged.
fn later(one: Moment, other: Moment) -> Moment {
    Moment { local: one.local.max(other.local), global: one.global.max(other.global) }
}
