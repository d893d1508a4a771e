//! Idle connections: the last one in is the first one out, and none stays for long.

use std::{
    collections::VecDeque,
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use tokio::{runtime::Handle, task::AbortHandle};

use super::connection::{Connection, Course};
use crate::clock::Clock;

/// How long a connection may be idle. Servers close theirs after 5 s and more (Node.js: 5 s), and
/// a request that crosses such a close is lost if it may not be repeated.
const MAX_IDLE: Duration = Duration::from_secs(4);

/// The idle connections of one upstream. Dropping it closes them.
#[derive(Debug)]
pub(super) struct Pool {
    idle: Mutex<Idle>,
    clock: Clock,
    max: usize,
}

#[derive(Debug, Default)]
struct Idle {
    /// The youngest is at the back.
    stack: VecDeque<Parked>,
    /// Runs while there is something to wait for.
    reaper: Option<AbortHandle>,
}

#[derive(Debug)]
struct Parked {
    connection: Connection,
    since: Instant,
}

impl Pool {
    /// Keeps at most `max` connections.
    pub(super) fn new(clock: Clock, max: usize) -> Arc<Pool> {
        Arc::new(Pool { idle: Mutex::default(), clock, max })
    }

    /// The connection that served last, if that can serve again at once. Whether it is at its end is
    /// seen later for what goes along.
    pub(super) fn at_hand(&self, course: Course) -> Option<Connection> {
        loop {
            let mut parked = self.pop()?;
            let settled = match course {
                Course::Apart => parked.connection.is_settled(),
                Course::Along => parked.connection.is_ready(),
            };
            if settled {
                parked.connection.set_reused();
                return Some(parked.connection);
            }
            if !parked.connection.is_closed() {
                self.idle.lock().stack.push_back(parked);
                return None;
            }
        }
    }

    /// The connection that served last, if one is left that can serve again.
    pub(super) async fn checkout(&self) -> Option<Connection> {
        loop {
            let mut connection = self.pop()?.connection;
            if connection.settles(&self.clock).await {
                connection.set_reused();
                return Some(connection);
            }
            // One that is open and does not settle ends the search: a new connection is there
            // sooner than many have been waited for.
            if !connection.is_closed() {
                return None;
            }
        }
    }

    /// Takes a connection back, or closes it if there is no room.
    pub(super) fn park(self: &Arc<Self>, mut connection: Connection) {
        if !connection.rests() {
            // Without a runtime, the process is ending.
            let Ok(_) = Handle::try_current() else { return };
            connection.set_apart();
        }
        let since = self.clock.last_tick();
        let mut idle = self.idle.lock();
        if connection.is_closed() || idle.stack.len() >= self.max {
            return;
        }
        if idle.reaper.is_none() {
            let Ok(runtime) = Handle::try_current() else { return };
            let reaper = runtime.spawn(reap(Arc::downgrade(self), self.clock.clone()));
            idle.reaper = Some(reaper.abort_handle());
        }
        idle.stack.push_back(Parked { connection, since });
    }

    fn pop(&self) -> Option<Parked> {
        let now = self.clock.last_tick();
        let parked = self.idle.lock().stack.pop_back()?;
        (parked.idle_for(now) < MAX_IDLE).then_some(parked)
    }

    /// Closes what has been idle for too long; how long until the next one will be.
    fn sweep(&self) -> Option<Duration> {
        let now = self.clock.instant();
        let mut idle = self.idle.lock();
        while idle.stack.pop_front_if(|oldest| oldest.idle_for(now) >= MAX_IDLE).is_some() {}
        let oldest = idle.stack.front().map(|oldest| oldest.idle_for(now));
        if oldest.is_none() {
            idle.reaper = None;
        }
        oldest.map(|idle_for| MAX_IDLE - idle_for)
    }
}

impl Parked {
    fn idle_for(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.since)
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        if let Some(reaper) = &self.idle.get_mut().reaper {
            reaper.abort();
        }
    }
}

/// Ends when nothing is idle any more; started again by the next connection that is parked.
async fn reap(pool: Weak<Pool>, clock: Clock) {
    while let Some(wait) = pool.upgrade().and_then(|pool| pool.sweep()) {
        clock.sleep(wait).await;
    }
}
