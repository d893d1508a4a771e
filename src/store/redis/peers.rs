//! The nodes that were seen alive, also while Redis does not know them: after it was away, or has lost
//! all it had, they come back one by one, and until then each goes on with what it has in memory.

use parking_lot::Mutex;

use super::MAX_NODES;
use crate::policy::Mono;

/// How long a node may take to come back once another has: the longest wait between two tries, and
/// some time to connect, in milliseconds.
const BACK_WITHIN: i64 = 7_000;

/// Nodes by name, this one among them.
#[derive(Debug, Default)]
pub(super) struct Peers(Mutex<Seen>);

#[derive(Debug, Default)]
struct Seen {
    /// Those of the last heartbeat.
    now: Vec<String>,
    /// Those before the link came up, and when it did.
    before: Option<(Vec<String>, Mono)>,
}

impl Peers {
    /// These live, as the heartbeat tells.
    pub(super) fn see(&self, mut names: Vec<String>) {
        names.truncate(MAX_NODES);
        self.0.lock().now = names;
    }

    /// The link is lost: who lives now may be back when it is.
    pub(super) fn go(&self, at: Mono) {
        let mut seen = self.0.lock();
        seen.now = seen.expected(at);
        seen.before = None;
    }

    /// The link has come up: who lived before has perhaps not come back yet.
    pub(super) fn come_back(&self, at: Mono) {
        let mut seen = self.0.lock();
        seen.before = Some((std::mem::take(&mut seen.now), at));
    }

    /// Those that may live at this time.
    pub(super) fn expected(&self, at: Mono) -> Vec<String> {
        self.0.lock().expected(at)
    }
}

impl Seen {
    fn expected(&self, at: Mono) -> Vec<String> {
        let mut names = self.now.clone();
        let before = self.before.iter().filter(|(_, up)| at.since(*up) < BACK_WITHIN);
        for name in before.flat_map(|(names, _)| names) {
            if names.len() < MAX_NODES && !names.contains(name) {
                names.push(name.clone());
            }
        }
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn who_lived_before_the_link_came_up_may_take_its_time() {
        let peers = Peers::default();
        assert_eq!(peers.expected(Mono(0)), names(&[]));
        peers.come_back(Mono(0));
        peers.see(names(&["a", "b"]));
        assert_eq!(peers.expected(Mono(1)), names(&["a", "b"]));
        peers.go(Mono(2));
        peers.come_back(Mono(10_000));
        peers.see(names(&["a"]));
        assert_eq!(peers.expected(Mono(10_001)), names(&["a", "b"]), "b is on its way");
        peers.go(Mono(10_002));
        peers.come_back(Mono(90_000));
        peers.go(Mono(90_001));
        assert_eq!(
            peers.expected(Mono(100_000)),
            names(&["a", "b"]),
            "time stands still meanwhile"
        );
        peers.come_back(Mono(112_000));
        peers.see(names(&["a", "c"]));
        assert_eq!(
            peers.expected(Mono(118_999)),
            names(&["a", "c", "b"]),
            "it may need another try"
        );
        assert_eq!(peers.expected(Mono(119_000)), names(&["a", "c"]), "and then it is gone");
        peers.see(names(&["a"]));
        assert_eq!(peers.expected(Mono(119_001)), names(&["a"]), "who stops is not waited for");
    }
}
