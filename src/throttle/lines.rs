//! Who waits for a turn: a line for each client, first in, first out.
//!
//! Whoever leaves gives up its place, however it leaves: its place is a value, and is dropped.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc,
        atomic::{
            AtomicUsize,
            Ordering::{Relaxed, SeqCst},
        },
    },
};

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::key::IdentityState;

/// Requests of one client that wait at one limit.
const MAX_A_LINE: usize = 100;

/// Requests that wait at all limits together.
const MAX_IN_ALL: usize = 10_000;

/// The lines at one limit.
#[derive(Debug)]
pub(super) struct Lines {
    lines: Mutex<HashMap<u64, VecDeque<Arc<Notify>>, IdentityState>>,
    /// In all lines here: so that nobody looks for a line where there is none.
    here: AtomicUsize,
    /// In all lines of the process.
    in_all: Arc<AtomicUsize>,
}

/// A place in a line.
#[derive(Debug)]
pub(super) struct Place<'a> {
    lines: &'a Lines,
    client: u64,
    turn: Arc<Notify>,
    /// How many were before it when it came.
    pub(super) ahead: usize,
}

impl Lines {
    pub(super) fn new(in_all: Arc<AtomicUsize>) -> Lines {
        Lines { lines: Mutex::default(), here: AtomicUsize::new(0), in_all }
    }

    /// Whether a client has a line already, behind which it has to wait.
    pub(super) fn has(&self, client: u64) -> bool {
        self.here.load(Relaxed) > 0 && self.lines.lock().contains_key(&client)
    }

    /// A place at the end of a client's line; `None` where there is none left.
    pub(super) fn join(&self, client: u64) -> Option<Place<'_>> {
        let more = |waiting: usize| (waiting < MAX_IN_ALL).then_some(waiting + 1);
        let mut lines = self.lines.lock();
        let ahead = lines.get(&client).map_or(0, VecDeque::len);
        if ahead >= MAX_A_LINE || self.in_all.fetch_update(SeqCst, SeqCst, more).is_err() {
            return None;
        }
        self.here.fetch_add(1, SeqCst);
        let turn = Arc::new(Notify::new());
        if ahead == 0 {
            turn.notify_one();
        }
        lines.entry(client).or_default().push_back(turn.clone());
        Some(Place { lines: self, client, turn, ahead })
    }
}

impl Place<'_> {
    /// Resolves once nobody is before it any more.
    pub(super) async fn first(&self) {
        self.turn.notified().await;
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut lines = self.lines.lines.lock();
        if let Some(line) = lines.get_mut(&self.client) {
            let was_first = line.front().is_some_and(|first| Arc::ptr_eq(first, &self.turn));
            line.retain(|turn| !Arc::ptr_eq(turn, &self.turn));
            match line.front() {
                Some(next) if was_first => next.notify_one(),
                Some(_) => {}
                None => drop(lines.remove(&self.client)),
            }
        }
        self.lines.here.fetch_sub(1, SeqCst);
        self.lines.in_all.fetch_sub(1, SeqCst);
    }
}
