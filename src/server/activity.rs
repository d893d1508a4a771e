//! What a connection is doing: noted where it happens, in atomics, and read by the connection's
//! own [`Watch`](super::watch::Watch) after it has been polled.
//!
//! Nothing here knows the time: a number that has changed says that something moved, and the
//! watch looks at its clock then. So a request costs a few stores and no timer.
//!
//! By HTTP/1 all that is noted is noted by the connection's own task. By HTTP/2 its streams have
//! tasks of their own, and what is counted is counted by atomic additions.

use std::{
    future::poll_fn,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering::Relaxed, Ordering::SeqCst},
    },
    task::{Poll, Waker},
};

use futures_util::task::AtomicWaker;

use super::repeat::{RepeaterWanted, Talk};

/// How far a connection may still go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    /// As far as it likes.
    #[default]
    Serving,
    /// What is under way may end; nothing new.
    Draining,
    /// Not a step.
    Cut,
}

/// What a connection waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// The rest of a request head; at first, its first byte too.
    Head,
    /// Nothing of its peer: at least one request is under way.
    Busy,
    /// The next request.
    Idle,
}

/// What one connection is doing.
#[derive(Debug)]
pub(super) struct Activity {
    requests: AtomicU32,
    /// The request under way has no body (HTTP/1): what comes meanwhile is the next head.
    bare: AtomicBool,
    /// Bytes of a head have come, or the first head is due.
    head: AtomicBool,
    /// HTTP/2: what comes says nothing of heads.
    multiplexed: AtomicBool,
    /// The socket takes no more bytes for now.
    blocked: AtomicBool,
    /// To close the connection may be read as the end of a body (HTTP/1.0).
    fragile: AtomicBool,
    moves: AtomicU32,
    writes: AtomicU32,
    level: AtomicU8,
    waker: AtomicWaker,
    /// Of repeats (HTTP/1).
    talk: Talk,
}

impl Activity {
    /// A connection that was just accepted: its first head is due.
    pub(super) fn new() -> Arc<Activity> {
        Arc::new(Activity {
            requests: AtomicU32::new(0),
            bare: AtomicBool::new(false),
            head: AtomicBool::new(true),
            multiplexed: AtomicBool::new(false),
            blocked: AtomicBool::new(false),
            fragile: AtomicBool::new(false),
            moves: AtomicU32::new(0),
            writes: AtomicU32::new(0),
            level: AtomicU8::new(Level::Serving as u8),
            waker: AtomicWaker::new(),
            talk: Talk::default(),
        })
    }

    /// From here on the connection speaks HTTP/2.
    pub(super) fn multiplex(&self) {
        self.multiplexed.store(true, Relaxed);
        self.talk.end();
    }

    /// Whether the connection speaks HTTP/2.
    pub(super) fn is_multiplexed(&self) -> bool {
        self.multiplexed.load(Relaxed)
    }

    /// A request head is complete; the request is under way until the guard is dropped. `content`:
    /// how many bytes follow, where that is known.
    pub(super) fn begin(self: &Arc<Self>, content: Option<u64>) -> Guard {
        let bare = content == Some(0);
        self.talk.begin(content);
        self.add(&self.requests, 1);
        self.bare.store(bare, Relaxed);
        // Where hyper reads no more before this request is over, it holds bytes of the next one.
        let ahead = bare && !self.is_multiplexed();
        self.head.store(ahead, Relaxed);
        self.add(&self.moves, 1);
        Guard(self.clone())
    }

    /// Counts up, or down by what wraps around.
    fn add(&self, count: &AtomicU32, by: u32) {
        if self.is_multiplexed() {
            count.fetch_add(by, Relaxed);
        } else {
            count.store(count.load(Relaxed).wrapping_add(by), Relaxed);
        }
    }

    /// A whole request has come and is answered, without hyper.
    pub(super) fn pass(&self) {
        self.head.store(false, Relaxed);
        self.add(&self.moves, 1);
    }

    /// What those who read and those who answer tell each other of repeats.
    pub(super) fn talk(&self) -> &Talk {
        &self.talk
    }

    /// hyper asked for more bytes, and got so many.
    pub(super) fn read(&self, bytes: usize) {
        if self.is_multiplexed() {
            return;
        }
        if self.requests.load(Relaxed) > 0 {
            let ahead = bytes > 0 && self.bare.load(Relaxed);
            self.head.store(ahead, Relaxed);
        } else if bytes > 0 && !self.head.load(Relaxed) {
            self.head.store(true, Relaxed);
            self.add(&self.moves, 1);
        }
    }

    /// The socket took bytes.
    pub(super) fn wrote(&self) {
        if self.blocked.load(Relaxed) {
            self.blocked.store(false, Relaxed);
            self.add(&self.writes, 1);
            self.add(&self.moves, 1);
        }
    }

    /// The socket takes no more bytes for now.
    pub(super) fn block(&self) {
        if !self.blocked.swap(true, Relaxed) {
            self.add(&self.writes, 1);
        }
    }

    /// Whether bytes wait for the peer to read.
    pub(super) fn is_blocked(&self) -> bool {
        self.blocked.load(Relaxed)
    }

    /// Whether the end of the connection would look like that of a body, where it is not.
    pub(super) fn set_fragile(&self, fragile: bool) {
        self.fragile.store(fragile, Relaxed);
    }

    /// Whether the connection must be broken rather than closed.
    pub(super) fn is_fragile(&self) -> bool {
        self.fragile.load(Relaxed)
    }

    /// What is waited for.
    pub(super) fn phase(&self) -> Phase {
        if self.requests.load(Relaxed) > 0 {
            Phase::Busy
        } else if self.head.load(Relaxed) {
            Phase::Head
        } else {
            Phase::Idle
        }
    }

    /// Changes whenever a head or a request begins or ends.
    pub(super) fn moves(&self) -> u32 {
        self.moves.load(Relaxed)
    }

    /// Changes whenever a write that was blocked moves, and when it blocks.
    pub(super) fn writes(&self) -> u32 {
        self.writes.load(Relaxed)
    }

    /// How far the connection may go. It never goes back.
    pub(super) fn level(&self) -> Level {
        match self.level.load(SeqCst) {
            0 => Level::Serving,
            1 => Level::Draining,
            _ => Level::Cut,
        }
    }

    /// Tells the connection how far it may go, and wakes it.
    pub(super) fn set_level(&self, level: Level) {
        self.level.fetch_max(level as u8, SeqCst);
        self.waker.wake();
    }

    /// The task that [`set_level`](Self::set_level) wakes.
    pub(super) fn register(&self, waker: &Waker) {
        self.waker.register(waker);
    }

    /// Resolves when the connection must end.
    pub(super) async fn cut(&self) {
        poll_fn(|cx| {
            self.register(cx.waker());
            if self.level() == Level::Cut { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

/// A request under way, from its complete head to the end of its response's body.
#[derive(Debug)]
pub(super) struct Guard(Arc<Activity>);

impl Guard {
    /// The connection's wish for what answers more of the kind.
    pub(super) fn repeater_wanted(&self) -> Option<RepeaterWanted> {
        self.0.talk.wants_repeater().then(|| RepeaterWanted::of(self.0.clone()))
    }

    /// From here on the connection speaks another protocol.
    pub(super) fn switch(&self) {
        self.0.talk.end();
    }

    /// Whether the connection is to end after this request.
    pub(super) fn is_last(&self) -> bool {
        self.0.level() != Level::Serving
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.add(&self.0.requests, u32::MAX);
        self.0.add(&self.0.moves, 1);
        self.0.talk.answered();
    }
}

/// The response body of one HTTP/2 stream: whether it waits for the client, and whether it moved.
#[derive(Debug, Default)]
pub(super) struct Flow {
    waits: AtomicBool,
    frames: AtomicU32,
}

impl Flow {
    /// A frame was handed over; its way to the client depends on the client's window.
    pub(super) fn handed(&self) {
        self.frames.fetch_add(1, Relaxed);
        self.waits.store(true, Relaxed);
    }

    /// Everything handed over has gone; the body itself has no more for now.
    pub(super) fn dry(&self) {
        self.waits.store(false, Relaxed);
    }

    /// Whether a frame waits for the client's window.
    pub(super) fn waits(&self) -> bool {
        self.waits.load(Relaxed)
    }

    /// Changes with every frame handed over.
    pub(super) fn frames(&self) -> u32 {
        self.frames.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_behind_a_bare_request_are_the_next_head() {
        let activity = Activity::new();
        assert_eq!(activity.phase(), Phase::Head, "the first head is due");
        let guard = activity.begin(Some(0));
        activity.read(0);
        assert_eq!(activity.phase(), Phase::Busy);
        drop(guard);
        assert_eq!(activity.phase(), Phase::Idle, "hyper's buffer was empty, or it had not read");
        let guard = activity.begin(Some(0));
        drop(guard);
        assert_eq!(activity.phase(), Phase::Head, "hyper did not read: it holds bytes already");
        let guard = activity.begin(Some(0));
        activity.read(3);
        drop(guard);
        assert_eq!(activity.phase(), Phase::Head, "they came while the request was under way");
    }

    #[test]
    fn bytes_behind_a_request_with_a_body_are_taken_for_the_body() {
        let activity = Activity::new();
        let guard = activity.begin(None);
        activity.read(100);
        drop(guard);
        assert_eq!(activity.phase(), Phase::Idle);
        activity.read(1);
        assert_eq!(activity.phase(), Phase::Head);
    }

    #[test]
    fn a_level_never_goes_back() {
        let activity = Activity::new();
        activity.set_level(Level::Cut);
        activity.set_level(Level::Draining);
        assert_eq!(activity.level(), Level::Cut);
    }
}
