//! A connection's timeouts, and how long it may go on in a drain: `headers`, `idle` and `write_idle`, by one sleep.
//!
//! hyper has one timer, and it counts the wait for a head and keep-alive alike. So none of its
//! timers is used: this polls hyper's connection, reads what [`Activity`] noted meanwhile, and
//! keeps one sleep armed. The sleep is armed anew only when another kind of wait begins or when
//! it has fired too early, so that requests that follow each other quickly touch no timer.

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker, ready},
    time::{Duration, Instant},
};

use super::activity::{Activity, Level, Phase};
use crate::{
    clock::{Clock, Sleep},
    config::Timeouts,
};

/// How long a connection by HTTP/1 may bring one more request once everything ends: what is on its
/// way to us is answered, with `Connection: close`, rather than lost (RFC 9112 §9.6). HTTP/2 needs
/// no such wait: GOAWAY says what was not processed.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);

/// A sleep that ends no sooner has not ended yet, whatever the last tick of the clock was.
const FAR: Duration = Duration::from_secs(1);

/// hyper's two server connections, as far as the watch needs them.
pub(super) trait Connection: Future<Output = hyper::Result<()>> + Unpin {
    /// Ends after what is under way (`Connection: close`, or GOAWAY).
    fn leave(self: Pin<&mut Self>);
}

/// How a connection ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// By itself: hyper has nothing more to do.
    Done(hyper::Result<()>),
    /// We close it: it waited too long.
    Late(Wait),
    /// We close it: it was told to leave and did not.
    Stayed,
    /// We close it: everything ends.
    Cut,
}

/// What a connection can wait too long for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wait {
    /// A complete request head.
    Headers,
    /// The next request.
    Idle,
    /// The last one, once everything ends.
    Last,
    /// Its peer to read.
    Write,
}

/// Watches over one connection.
#[derive(Debug)]
pub(super) struct Watch {
    activity: Arc<Activity>,
    clock: Clock,
    timeouts: Timeouts,
    /// The last move seen, and when.
    moved: (u32, Instant),
    /// The last change of a blocked write seen, and when.
    wrote: (u32, Instant),
    armed: Option<(Due, Sleep)>,
    leaving: Option<Why>,
    /// When it was seen, between two requests, that everything ends.
    drained: Option<Instant>,
    /// The task that the activity knows.
    known: Option<Waker>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    Drained,
    Idle,
}

#[derive(Clone, Copy, Debug)]
struct Due {
    wait: Wait,
    at: Instant,
}

impl Watch {
    /// The wait for the first head begins now.
    pub(super) fn new(activity: Arc<Activity>, clock: Clock, timeouts: Timeouts) -> Watch {
        let now = clock.instant();
        let (moved, wrote) = ((activity.moves(), now), (activity.writes(), now));
        let (armed, leaving, drained, known) = (None, None, None, None);
        Watch { activity, clock, timeouts, moved, wrote, armed, leaving, drained, known }
    }

    /// Runs a connection to its end, or to the end of our patience.
    pub(super) async fn drive<C: Connection>(&mut self, connection: &mut C) -> Ended {
        // Of a second connection on the same socket (HTTP/2 after its preface), nothing is told yet.
        self.leaving = None;
        poll_fn(|cx| self.poll(Pin::new(&mut *connection), cx)).await
    }

    fn poll<C: Connection>(&mut self, mut it: Pin<&mut C>, cx: &mut Context<'_>) -> Poll<Ended> {
        let known = self.register(cx.waker());
        if self.activity.level() == Level::Cut {
            return Poll::Ready(Ended::Cut);
        }
        // First of all what has come already: a request that was sent before a drain is answered.
        if let Poll::Ready(result) = it.as_mut().poll(cx) {
            return Poll::Ready(self.done(result));
        }
        if self.activity.level() == Level::Draining && self.leaving.is_none() && !self.lingers() {
            let left = self.leave(Why::Drained, it.as_mut(), cx);
            if left.is_ready() {
                return left;
            }
        }
        if known && self.has_time() {
            return Poll::Pending;
        }
        self.poll_timer(it, cx)
    }

    /// Makes this task known, and gives whether it was. Once is enough until the connection is told
    /// something, which forgets it: each time it takes a handful of locked instructions.
    fn register(&mut self, waker: &Waker) -> bool {
        let known = self.known.as_ref().is_some_and(|known| known.will_wake(waker));
        if known && self.activity.level() == Level::Serving {
            return true;
        }
        self.activity.register(waker);
        self.known = Some(waker.clone());
        false
    }

    /// Whether something has just moved, and the armed sleep is for what is waited for now and will
    /// not fire for a while: then it need not be asked. It knows this task from the last time.
    fn has_time(&mut self) -> bool {
        let before = self.moved.0;
        let Some(due) = self.due() else { return false };
        let (moves, now) = self.moved;
        let late = |armed: &Due| armed.at.saturating_duration_since(now) > FAR;
        let armed = self.armed.as_ref().map(|(armed, _)| armed);
        moves != before && armed.is_some_and(|armed| armed.serves(due) && late(armed))
    }

    /// Whether it waits for a last request.
    fn lingers(&mut self) -> bool {
        if self.activity.is_multiplexed() || self.activity.phase() == Phase::Busy {
            return false;
        }
        let now = self.clock.instant();
        now < *self.drained.get_or_insert(now) + PATIENCE
    }

    fn poll_timer<C: Connection>(
        &mut self,
        mut it: Pin<&mut C>,
        cx: &mut Context<'_>,
    ) -> Poll<Ended> {
        while let Some(due) = self.due() {
            ready!(self.poll_sleep(due, cx));
            if self.clock.instant() < due.at {
                continue;
            }
            let goaway = due.wait == Wait::Idle && self.activity.is_multiplexed();
            let left = match self.leaving {
                None if due.wait == Wait::Last => self.leave(Why::Drained, it.as_mut(), cx),
                None if goaway => self.leave(Why::Idle, it.as_mut(), cx),
                Some(Why::Drained) if goaway => Poll::Ready(Ended::Stayed),
                _ => Poll::Ready(Ended::Late(due.wait)),
            };
            if left.is_ready() {
                return left;
            }
        }
        Poll::Pending
    }

    /// Tells the connection to leave; ready if it is gone at once. HTTP/1 is, when it is idle.
    fn leave<C: Connection>(
        &mut self,
        why: Why,
        mut it: Pin<&mut C>,
        cx: &mut Context<'_>,
    ) -> Poll<Ended> {
        self.leaving = Some(why);
        self.moved.1 = self.clock.instant();
        it.as_mut().leave();
        it.poll(cx).map(|result| self.done(result))
    }

    /// A connection that was idle for too long and left when told so was late all the same.
    fn done(&self, result: hyper::Result<()>) -> Ended {
        match self.leaving {
            Some(Why::Idle) => Ended::Late(Wait::Idle),
            Some(Why::Drained) | None => Ended::Done(result),
        }
    }

    /// What is waited for, and until when.
    fn due(&mut self) -> Option<Due> {
        let (moves, writes) = (self.activity.moves(), self.activity.writes());
        if moves != self.moved.0 {
            self.moved = (moves, self.clock.last_tick());
        }
        if writes != self.wrote.0 {
            self.wrote = (writes, self.clock.instant());
        }
        if self.activity.is_blocked() {
            return Some(Due::after(Wait::Write, self.wrote.1, self.timeouts.write_idle));
        }
        let since = self.moved.1;
        let drained = self.drained.filter(|_| self.leaving.is_none());
        match (self.activity.phase(), drained) {
            (Phase::Busy, _) => None,
            (Phase::Head | Phase::Idle, Some(drained)) => {
                Some(Due::after(Wait::Last, drained, PATIENCE))
            }
            (Phase::Head, None) => Some(Due::after(Wait::Headers, since, self.timeouts.headers)),
            // The peer of a connection that was told to leave has as long for that as for a head.
            (Phase::Idle, None) if self.leaving.is_some() => {
                Some(Due::after(Wait::Idle, since, self.timeouts.headers))
            }
            (Phase::Idle, None) => Some(Due::after(Wait::Idle, since, self.timeouts.idle)),
        }
    }

    /// Ready when the sleep has fired, be it too early; it must be armed anew then.
    fn poll_sleep(&mut self, due: Due, cx: &mut Context<'_>) -> Poll<()> {
        let armed = self.armed.take().filter(|(for_, _)| for_.serves(due));
        let (for_, mut sleep) = armed.unwrap_or_else(|| {
            let left = due.at.saturating_duration_since(self.clock.instant());
            (due, self.clock.sleep(left))
        });
        let fired = Pin::new(&mut sleep).poll(cx);
        if fired.is_pending() {
            self.armed = Some((for_, sleep));
        }
        fired
    }
}

impl Due {
    fn after(wait: Wait, since: Instant, timeout: Duration) -> Due {
        Due { wait, at: since + timeout }
    }

    /// Whether a sleep armed for this one is early enough for the other, and no useless wake.
    fn serves(self, other: Due) -> bool {
        self.wait == other.wait && self.at <= other.at
    }
}
