//! What happened, counted; what must not have happened, listed; all of it told at the end.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    io::Write as _,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use parking_lot::Mutex;

use crate::{Failure, child::Ended};

/// Memory may grow by this, and by [`SLACK`], between two moments of the same load.
const GROWTH: f64 = 1.10;

/// KiB of memory that prove nothing: the allocator's own.
const SLACK: u64 = 16 << 10;

/// Sockets that may be open when every client has left: listeners and idle upstream connections.
const SOCKETS: usize = 64;

/// Failures that are told in full; the others are counted.
const TOLD: usize = 20;

/// All that is known of a run.
pub(crate) struct Tally {
    most: u64,
    done: AtomicU64,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    actions: BTreeMap<&'static str, (u64, u64)>,
    /// The first of them.
    violations: Vec<String>,
    /// All of them.
    wrong: u64,
    /// KiB.
    rss: (u64, u64),
    most_rss: u64,
    most_sockets: usize,
    left_open: usize,
}

impl Tally {
    /// Full after `most` actions.
    pub(crate) fn new(most: u64) -> Tally {
        Tally { most, done: AtomicU64::new(0), seen: Mutex::default() }
    }

    /// Whether as much was done as may be.
    pub(crate) fn is_full(&self) -> bool {
        self.done.load(Relaxed) >= self.most
    }

    /// One more action, and what came of it.
    pub(crate) fn count(&self, action: &'static str, done: Result<(), Failure>) {
        self.done.fetch_add(1, Relaxed);
        let mut seen = self.seen.lock();
        let counts = seen.actions.entry(action).or_default();
        counts.0 += 1;
        if let Err(error) = done {
            counts.1 += 1;
            seen.violate(format!("{action}: {error}"));
        }
    }

    /// A look at the process under load.
    pub(crate) fn sample(&self, rss: u64, sockets: usize) {
        let mut seen = self.seen.lock();
        seen.most_rss = seen.most_rss.max(rss);
        seen.most_sockets = seen.most_sockets.max(sockets);
    }

    /// Memory when the cache was full for the first time, in KiB.
    pub(crate) fn rss_before(&self, rss: u64) {
        self.seen.lock().rss.0 = rss;
    }

    /// Memory at the end, in KiB.
    pub(crate) fn rss_after(&self, rss: u64) {
        let mut seen = self.seen.lock();
        seen.rss.1 = rss;
        let most = (seen.rss.0 as f64 * GROWTH) as u64 + SLACK;
        if rss > most {
            let before = seen.rss.0;
            seen.violate(format!("memory grew from {before} to {rss} KiB"));
        }
    }

    /// Sockets that are open when every client has left.
    pub(crate) fn left_open(&self, sockets: usize) {
        let mut seen = self.seen.lock();
        seen.left_open = sockets;
        if sockets > SOCKETS {
            seen.violate(format!("{sockets} sockets are open, and nobody asks"));
        }
    }

    /// How the process ended.
    pub(crate) fn ended(&self, ended: Ended) {
        if !ended.success {
            let violation = format!("SIGTERM: no clean end within {:?}", ended.within);
            self.seen.lock().violate(violation);
        }
    }

    /// Whether nothing happened that must not.
    pub(crate) fn is_clean(&self) -> bool {
        self.seen.lock().wrong == 0
    }

    /// Prints the table.
    pub(crate) fn tell(&self) {
        let seen = self.seen.lock();
        let mut text = format!("\n{:<22}{:>12}{:>10}\n", "action", "times", "wrong");
        for (action, (times, wrong)) in &seen.actions {
            let _ = writeln!(text, "{action:<22}{times:>12}{wrong:>10}");
        }
        let mib = |kib: u64| kib as f64 / 1024.0;
        let _ = writeln!(
            text,
            "\nmemory, MiB: {:.1} with a full cache, {:.1} at most, {:.1} at the end",
            mib(seen.rss.0),
            mib(seen.most_rss),
            mib(seen.rss.1)
        );
        let _ =
            writeln!(text, "sockets: {} at most, {} at the end", seen.most_sockets, seen.left_open);
        for violation in &seen.violations {
            let _ = writeln!(text, "WRONG  {violation}");
        }
        let verdict = match seen.wrong {
            0 => "All as it should be.".to_owned(),
            wrong => format!("FAILED: {wrong} times it was not as it should be."),
        };
        let _ = writeln!(text, "{verdict}");
        say(&text);
    }
}

impl Seen {
    fn violate(&mut self, violation: String) {
        self.wrong += 1;
        if self.violations.len() < TOLD {
            self.violations.push(violation);
        }
    }
}

/// A line on standard output.
pub(crate) fn say(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}
