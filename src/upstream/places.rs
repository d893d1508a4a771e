//! How many requests an upstream is given at a time, and who gets the next place.
//!
//! Whoever waits is served round robin over clients: one with a thousand requests waiting takes
//! nothing from one with ten. Within a client, first come, first served.

use std::{
    collections::{HashMap, VecDeque},
    net::IpAddr,
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::Error;
use crate::clock::Clock;

/// Who may wait for a place at the same time. When all of them do, whoever comes takes the place
/// of the last one of the client that has the most, or is turned away at once.
const MAX_WAITING: usize = 1024;

/// When whoever is turned away may come again: places come and go by the moment.
const SOON: Duration = Duration::from_secs(1);

/// How long a request may hold its place by its client's own will.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stay {
    /// As long as the upstream takes.
    Brief,
    /// As long as the client likes: an upload, or a tunnel.
    Long,
}

/// The `max_concurrent` places of an upstream and the queue for them.
#[derive(Debug)]
pub(super) struct Places(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    free: usize,
    /// Three quarters of them, at least one: so many slow uploads and tunnels at most, lest they
    /// keep everybody else out.
    free_for_long: usize,
    waiting: usize,
    next_id: u64,
    /// None of them is empty.
    lines: HashMap<Client, VecDeque<Waiting>>,
    /// Every client that has a line, the next one first.
    turns: VecDeque<Client>,
}

/// Who takes turns with others: an address, or the /64 that one customer has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Client(u64);

#[derive(Debug)]
struct Waiting {
    id: u64,
    stay: Stay,
    give: oneshot::Sender<Place>,
}

/// One place; free again when dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Mutex<State>>,
    stay: Stay,
}

/// What whoever asks for a place gets.
enum Asked {
    Given(Place),
    Queued(Queued),
    Full,
}

/// Leaves the queue however the wait ends: with a place, too late, or with the client gone.
struct Queued {
    places: Arc<Mutex<State>>,
    client: Client,
    id: u64,
    given: oneshot::Receiver<Place>,
}

impl Client {
    /// By its address; those without one take turns as one.
    pub(super) fn of(address: Option<IpAddr>) -> Client {
        Client(match address {
            None => 0,
            Some(IpAddr::V4(address)) => u64::from(address.to_bits()),
            Some(IpAddr::V6(address)) => u64::try_from(address.to_bits() >> 64).unwrap_or_default(),
        })
    }
}

impl Places {
    pub(super) fn new(max_concurrent: usize) -> Places {
        let free = max_concurrent.max(1);
        let free_for_long = (free / 4 * 3).max(1);
        let (lines, turns) = (HashMap::new(), VecDeque::new());
        let state = State { free, free_for_long, waiting: 0, next_id: 0, lines, turns };
        Places(Arc::new(Mutex::new(state)))
    }

    /// A place, after a wait of at most `limit`.
    pub(super) async fn take(
        &self,
        (client, stay): (Client, Stay),
        clock: &Clock,
        limit: Duration,
    ) -> Result<Place, Error> {
        let queued = match self.ask(client, stay) {
            Asked::Given(place) => return Ok(place),
            Asked::Full => return Err(Error::Busy(SOON)),
            Asked::Queued(queued) => queued,
        };
        Box::pin(queued.place(clock, limit)).await
    }

    /// Of `max_concurrent`, those that are taken; and who waits for one.
    pub(super) fn load(&self, max_concurrent: usize) -> (usize, usize) {
        let state = self.0.lock();
        (max_concurrent.max(1).saturating_sub(state.free), state.waiting)
    }

    /// How many wait.
    pub(super) fn waiting(&self) -> usize {
        self.0.lock().waiting
    }

    /// Looks and queues under one lock: a place that becomes free in between would be given to
    /// nobody.
    fn ask(&self, client: Client, stay: Stay) -> Asked {
        let mut state = self.0.lock();
        if state.take(stay) {
            return Asked::Given(Place { places: self.0.clone(), stay });
        }
        if state.waiting >= MAX_WAITING && state.make_room(client).is_none() {
            return Asked::Full;
        }
        let (id, given) = state.queue(client, stay);
        Asked::Queued(Queued { places: self.0.clone(), client, id, given })
    }
}

impl State {
    fn has(&self, stay: Stay) -> bool {
        self.free > 0 && (stay == Stay::Brief || self.free_for_long > 0)
    }

    fn take(&mut self, stay: Stay) -> bool {
        if !self.has(stay) {
            return false;
        }
        self.free -= 1;
        self.free_for_long -= usize::from(stay == Stay::Long);
        true
    }

    fn queue(&mut self, client: Client, stay: Stay) -> (u64, oneshot::Receiver<Place>) {
        let (give, given) = oneshot::channel();
        let id = self.next_id;
        self.next_id += 1;
        self.waiting += 1;
        if !self.lines.contains_key(&client) {
            self.turns.push_back(client);
        }
        self.lines.entry(client).or_default().push_back(Waiting { id, stay, give });
        (id, given)
    }

    /// Frees a place, and gives who gets it: under one lock, so that nobody who comes just now is
    /// before those who wait.
    fn give_back(&mut self, stay: Stay) -> Option<Waiting> {
        self.free += 1;
        self.free_for_long += usize::from(stay == Stay::Long);
        self.next()
    }

    /// Who gets the next place, now taken: the first of the next client that can use it.
    fn next(&mut self) -> Option<Waiting> {
        for _ in 0..self.turns.len() {
            let client = self.turns.pop_front()?;
            let Some(line) = self.lines.get(&client) else { continue };
            let at = line.iter().position(|waiting| self.has(waiting.stay));
            let waiting = at.and_then(|at| self.lines.get_mut(&client)?.remove(at));
            match self.lines.get(&client) {
                Some(line) if !line.is_empty() => self.turns.push_back(client),
                _ => drop(self.lines.remove(&client)),
            }
            if let Some(waiting) = waiting {
                self.waiting -= 1;
                self.take(waiting.stay);
                return Some(waiting);
            }
        }
        None
    }

    /// Turns away the last one of the client that has the most, if that is more than the
    /// newcomer's has.
    fn make_room(&mut self, newcomer: Client) -> Option<()> {
        let own = self.lines.get(&newcomer).map_or(0, VecDeque::len);
        let most = self.lines.iter().max_by_key(|(_, line)| line.len());
        let (client, _) = most.filter(|(_, line)| line.len() > own + 1)?;
        let client = *client;
        self.lines.get_mut(&client)?.pop_back()?;
        self.waiting -= 1;
        Some(())
    }

    fn leave(&mut self, client: Client, id: u64) {
        let Some(line) = self.lines.get_mut(&client) else { return };
        let before = line.len();
        line.retain(|waiting| waiting.id != id);
        self.waiting -= before - line.len();
        if line.is_empty() {
            self.lines.remove(&client);
            self.turns.retain(|other| *other != client);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut next = self.places.lock().give_back(self.stay);
        while let Some(Waiting { stay, give, .. }) = next {
            // Who has just left drops it, and so gives it to the next.
            let _ = give.send(Place { places: self.places.clone(), stay });
            next = self.places.lock().next();
        }
    }
}

impl Queued {
    async fn place(mut self, clock: &Clock, limit: Duration) -> Result<Place, Error> {
        match clock.timeout(limit, &mut self.given).await {
            Ok(Ok(place)) => Ok(place),
            Ok(Err(_)) | Err(_) => Err(Error::Busy(SOON)),
        }
    }
}

impl Drop for Queued {
    fn drop(&mut self) {
        self.places.lock().leave(self.client, self.id);
    }
}
