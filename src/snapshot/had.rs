//! The rules that something may be stored by, besides those of now.
//!
//! A purge costs every later hit on what is older a look at what was purged. So a reload that brings
//! rules which nobody had before, as a new route does, ends nothing.

use std::collections::HashSet;

use super::Snapshot;
use crate::config::Config;

/// Generations that are told apart; beyond it, each may have been there.
const MAX_HAD: usize = 16_384;

/// The generations that were there before.
#[derive(Clone, Debug)]
pub(super) enum Had {
    /// These, in this process.
    These(HashSet<u64>),
    /// Any: other nodes may have had them, or there were too many.
    Any,
}

impl Had {
    /// Those before the snapshot that comes after `previous`.
    pub(super) fn of(config: &Config, previous: Option<&Snapshot>) -> Had {
        if config.redis.is_some() {
            return Had::Any;
        }
        let Some(previous) = previous else { return Had::These(HashSet::new()) };
        previous.had.and(previous.routes.iter().map(|route| route.generation))
    }

    fn and(&self, more: impl Iterator<Item = u64>) -> Had {
        let Had::These(had) = self else { return Had::Any };
        let had: HashSet<u64> = had.iter().copied().chain(more).collect();
        if had.len() > MAX_HAD { Had::Any } else { Had::These(had) }
    }

    pub(super) fn may_include(&self, generation: u64) -> bool {
        match self {
            Had::These(had) => had.contains(&generation),
            Had::Any => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_many_are_any() {
        let full = |count: u64| Had::These(HashSet::new()).and(0..count);
        let most = full(MAX_HAD as u64);
        assert!(most.may_include(1) && !most.may_include(u64::MAX));
        assert!(full(MAX_HAD as u64 + 1).may_include(u64::MAX), "to the safe side");
    }
}
