//! Collapsed requests (RFC 9111 §4): one fetch a key, however many ask.
//!
//! A fetch belongs to nobody. Whoever asks first also gets a [`Leader`], and
//! then follows like everyone else. What drives the fetch is that client's own
//! task, and one of the fetch's own from the moment at which the client has its
//! answer or has left, so that it takes nothing down with it. A leader that is
//! dropped unfinished ends as [`Outcome::NotShared`]: the followers go their own
//! way, and nobody hangs.

pub mod budget;
pub mod fill;

use std::{
    collections::HashMap,
    future::poll_fn,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst},
    },
    task::Poll,
};

use futures_util::task::AtomicWaker;
use http::StatusCode;
use parking_lot::Mutex;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use crate::{
    key::{IdentityState, Key},
    reply::Failure,
    store::{Entry, Head, Place},
};
use fill::{Fill, Filling};

/// Fetches that go on at the same time although nobody waits for them any more.
const MAX_ORPHANS: usize = 64;

/// The counts of what was disowned; keys share them.
const COUNTS: usize = 1024;

/// The fetches under way, by primary key.
#[derive(Debug)]
pub struct InFlight {
    flights: Mutex<HashMap<Key, Vec<Slot>, IdentityState>>,
    orphans: Arc<Semaphore>,
    /// How often the fetches of a key were disowned. Written under the lock of the flights.
    disowned: [AtomicU64; COUNTS],
}

/// The moment at which a fetch of a key began, in the order in which those are disowned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Since(u64);

/// A flight and what it can be joined by.
#[derive(Debug)]
struct Slot {
    /// The variant's key, or the primary as long as no variant is known; `None`: it flies alone.
    key: Option<Key>,
    flight: Arc<Flight>,
}

#[derive(Debug)]
struct Flight {
    progress: Mutex<Progress>,
    /// It has come further.
    further: Notify,
    followers: AtomicUsize,
    /// Wakes the leader when the last follower has left.
    left: AtomicWaker,
    /// It is to run to its end whoever waits for it.
    kept: AtomicBool,
    /// What it brings is out of date before it arrives.
    disowned: AtomicBool,
    /// Its request may have reached the origin.
    sent: AtomicBool,
}

/// How far a fetch has come.
#[derive(Clone, Debug)]
pub enum Progress {
    /// No response head yet.
    Pending,
    /// A storable response is arriving; followers may read along.
    Arriving(Arc<Arrival>),
    /// It is over.
    Done(Outcome),
}

/// A storable response whose body is still arriving.
#[derive(Debug)]
pub struct Arrival {
    /// How it begins.
    pub head: Head,
    /// The origin's status, which may be that of the rest alone.
    pub answered: StatusCode,
    /// Where it will be stored.
    pub place: Place,
    /// Its body.
    pub filling: Filling,
}

/// What a finished fetch means to its followers.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// This was stored, or found good again.
    Entry {
        /// Where it lies.
        place: Place,
        /// It.
        entry: Entry,
        /// The origin's status where that is not the entry's.
        fwd_status: Option<StatusCode>,
    },
    /// Another node had stored this.
    Found {
        /// Where it lies.
        place: Place,
        /// It.
        entry: Entry,
    },
    /// The origin failed.
    Failed {
        /// How.
        fault: Fault,
        /// The stale response that its first client may have instead (RFC 5861 §4); the others
        /// judge what they have themselves.
        stale: Option<Entry>,
    },
    /// The response was one client's alone. Fetch your own.
    NotShared,
}

/// How an origin failed.
#[derive(Clone, Debug)]
pub enum Fault {
    /// By this answer, which is one client's alone.
    Answered(StatusCode),
    /// It gave no answer.
    Silent(Failure),
}

/// Whether a fetch may be joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Company {
    /// By everyone who asks for the same key.
    Welcome,
    /// By nobody.
    Alone,
}

/// The duty to fetch, and to say how it went.
#[derive(Debug)]
pub struct Leader {
    primary: Key,
    flight: Arc<Flight>,
    all: Arc<InFlight>,
}

/// One client waiting for a fetch.
#[derive(Debug)]
pub struct Follower {
    flight: Arc<Flight>,
}

impl Default for InFlight {
    fn default() -> InFlight {
        let disowned = std::array::from_fn(|_| AtomicU64::new(0));
        let orphans = Arc::new(Semaphore::new(MAX_ORPHANS));
        InFlight { flights: Mutex::default(), orphans, disowned }
    }
}

impl InFlight {
    /// Follows the fetch for `key`, one variant of `primary`; whoever comes first also leads it.
    pub fn join(
        self: &Arc<Self>,
        primary: Key,
        key: Key,
        company: Company,
    ) -> (Follower, Option<Leader>) {
        let mut flights = self.flights.lock();
        let slots = flights.entry(primary).or_default();
        let joined = slots.iter().find(|it| it.key == Some(key)).map(|it| it.flight.clone());
        if let Some(flight) = joined.filter(|_| company == Company::Welcome) {
            return (Follower::of(flight), None);
        }
        let flight = Arc::new(Flight::new());
        let follower = Follower::of(flight.clone());
        let key = (company == Company::Welcome).then_some(key);
        slots.push(Slot { key, flight: flight.clone() });
        (follower, Some(Leader { primary, flight, all: self.clone() }))
    }

    /// The moment at which a fetch begins that nobody is to find here yet.
    pub fn since(&self, primary: Key) -> Since {
        Since(self.count(primary).load(SeqCst))
    }

    /// Leads a fetch that nobody may join and that is under way since then already. It may have been
    /// disowned meanwhile.
    pub fn lead_alone(self: &Arc<Self>, primary: Key, since: Since) -> (Follower, Leader) {
        let mut flights = self.flights.lock();
        let flight = Arc::new(Flight::new());
        // Another key's count may be the same: then what could be stored is not, once.
        if self.since(primary) != since {
            flight.disowned.store(true, SeqCst);
        }
        flights.entry(primary).or_default().push(Slot { key: None, flight: flight.clone() });
        let follower = Follower::of(flight.clone());
        (follower, Leader { primary, flight, all: self.clone() })
    }

    /// Follows the fetch for `key` if there is one that can be followed.
    #[must_use]
    pub fn follow(&self, primary: Key, key: Key) -> Option<Follower> {
        let flights = self.flights.lock();
        let slot = flights.get(&primary)?.iter().find(|it| it.key == Some(key))?;
        Some(Follower::of(slot.flight.clone()))
    }

    /// Forgets the fetches for a target URI: they may finish, but what they bring is out of date
    /// before it does. Whoever asks next starts another.
    pub fn disown(&self, primary: Key) {
        let mut flights = self.flights.lock();
        self.count(primary).fetch_add(1, SeqCst);
        let slots = flights.remove(&primary);
        drop(flights);
        for slot in slots.into_iter().flatten() {
            slot.flight.disowned.store(true, SeqCst);
        }
    }

    fn count(&self, primary: Key) -> &AtomicU64 {
        let [a, b, ..] = *primary.as_bytes();
        &self.disowned[usize::from(u16::from_le_bytes([a, b])) % COUNTS]
    }

    /// Leave to go on without anybody waiting; `None` when too many fetches do so already.
    #[must_use]
    pub fn orphaned(&self) -> Option<OwnedSemaphorePermit> {
        self.orphans.clone().try_acquire_owned().ok()
    }

    /// Whether anything is being fetched for a target URI, but for those fetches that nobody is to
    /// find here.
    pub fn is_under_way(&self, primary: Key) -> bool {
        self.flights.lock().contains_key(&primary)
    }

    /// Like [`disown`](Self::disown), for those fetches alone whose response has begun to arrive
    /// and is out of date by its head.
    pub fn disown_arrivals(&self, primary: Key, is_outdated: impl Fn(&Head) -> bool) {
        let mut flights = self.flights.lock();
        let Some(slots) = flights.get_mut(&primary) else { return };
        slots.retain(|slot| {
            let outdated = slot.flight.progress.lock().head().is_some_and(&is_outdated);
            if outdated {
                slot.flight.disowned.store(true, SeqCst);
            }
            !outdated
        });
        if slots.is_empty() {
            flights.remove(&primary);
        }
    }

    /// How many fetches are under way.
    #[must_use]
    pub fn len(&self) -> usize {
        self.flights.lock().values().map(Vec::len).sum()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.flights.lock().is_empty()
    }
}

impl Flight {
    fn new() -> Flight {
        Flight {
            progress: Mutex::new(Progress::Pending),
            further: Notify::new(),
            followers: AtomicUsize::new(0),
            left: AtomicWaker::new(),
            kept: AtomicBool::new(false),
            disowned: AtomicBool::new(false),
            sent: AtomicBool::new(false),
        }
    }

    /// Tells how far it has come. What that was before is dropped outside the lock.
    fn tell(&self, progress: Progress) {
        let before = std::mem::replace(&mut *self.progress.lock(), progress);
        drop(before);
        self.further.notify_waiters();
    }

    fn is_deserted(&self) -> bool {
        self.followers.load(SeqCst) == 0
    }
}

impl Progress {
    /// The head of the stored response that followers get, as soon as there is one.
    #[must_use]
    pub fn head(&self) -> Option<&Head> {
        match self {
            Progress::Arriving(arrival) => Some(&arrival.head),
            Progress::Done(Outcome::Entry { entry, .. } | Outcome::Found { entry, .. }) => {
                Some(&entry.head)
            }
            Progress::Pending | Progress::Done(Outcome::Failed { .. } | Outcome::NotShared) => None,
        }
    }
}

impl Leader {
    /// Whether what this fetch brings may still be stored.
    #[must_use]
    pub fn is_current(&self) -> bool {
        !self.flight.disowned.load(SeqCst)
    }

    /// Becomes true before the request may have reached the origin.
    #[must_use]
    pub fn sent(&self) -> &AtomicBool {
        &self.flight.sent
    }

    /// Whether this fetch is to run to its end whoever waits for it.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        self.flight.kept.load(SeqCst)
    }

    /// Resolves once nobody waits for the response head.
    pub async fn deserted(&self) {
        poll_fn(|cx| {
            self.flight.left.register(cx.waker());
            if self.flight.is_deserted() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    /// Resolves once nobody waits for the head or reads the body.
    pub async fn abandoned(&self, fill: &Fill) {
        loop {
            self.deserted().await;
            fill.deserted().await;
            if self.flight.is_deserted() && !fill.has_readers() {
                return;
            }
        }
    }

    /// Leave to go on without anybody waiting; `None` when too many fetches do so already.
    #[must_use]
    pub fn orphaned(&self) -> Option<OwnedSemaphorePermit> {
        self.all.orphaned()
    }

    /// Ends the fetch if still nobody waits for it: `true`, and nobody can join it any more.
    #[must_use]
    pub fn give_up(&self) -> bool {
        let mut flights = self.all.flights.lock();
        let deserted = self.flight.is_deserted() && !self.is_kept();
        if deserted {
            forget(&mut flights, self);
        }
        deserted
    }

    /// Lets the followers read along, and those who ask for the same variant from now on.
    pub fn arriving(&self, arrival: Arc<Arrival>) {
        let mut flights = self.all.flights.lock();
        let slots = flights.get_mut(&self.primary).into_iter().flatten();
        for slot in slots.filter(|it| Arc::ptr_eq(&it.flight, &self.flight)) {
            slot.key = slot.key.map(|_| arrival.place.key);
        }
        drop(flights);
        self.flight.tell(Progress::Arriving(arrival));
    }

    /// Ends the fetch. Store first, finish second: a request that comes between the two must find
    /// either the entry or the flight.
    pub fn finish(self, outcome: Outcome) {
        self.flight.tell(Progress::Done(outcome));
    }
}

impl Drop for Leader {
    fn drop(&mut self) {
        forget(&mut self.all.flights.lock(), self);
        let finished = matches!(*self.flight.progress.lock(), Progress::Done(_));
        if !finished {
            self.flight.tell(Progress::Done(Outcome::NotShared));
        }
    }
}

fn forget(flights: &mut HashMap<Key, Vec<Slot>, IdentityState>, leader: &Leader) {
    let Some(slots) = flights.get_mut(&leader.primary) else { return };
    slots.retain(|it| !Arc::ptr_eq(&it.flight, &leader.flight));
    if slots.is_empty() {
        flights.remove(&leader.primary);
    }
}

impl Follower {
    fn of(flight: Arc<Flight>) -> Follower {
        flight.followers.fetch_add(1, SeqCst);
        Follower { flight }
    }

    /// Lets the fetch run to its end although this client does not wait for it.
    pub fn keep(&self) {
        self.flight.kept.store(true, SeqCst);
    }

    /// Waits until there is something to send: a body arriving, or the end.
    pub async fn wait(&mut self) -> Progress {
        loop {
            // Before the look: what happens after that is told to it.
            let further = self.flight.further.notified();
            let progress = self.flight.progress.lock().clone();
            match progress {
                Progress::Pending => further.await,
                progress => return progress,
            }
        }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        if self.flight.followers.fetch_sub(1, SeqCst) == 1 {
            self.flight.left.wake();
        }
    }
}

#[cfg(test)]
mod tests;
