//! One connection to an upstream, owned: who drops it closes it.
//!
//! Whoever waits for something of it drives it, in its own task: a task for each connection would
//! have to be woken for each request, and to wake whoever waits for the answer. What can make
//! progress while nobody waits is given a task: an upload, a tunnel, an exchange that has not come
//! to rest.

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    sync::{
        Arc,
        atomic::{
            AtomicBool,
            Ordering::{Acquire, Relaxed, Release},
        },
    },
    task::{Context, Poll, Wake, Waker, ready},
    time::{Duration, Instant},
};

use futures_util::task::AtomicWaker;
use http::{Request, Response};
use http_body::Body as _;
use hyper::{
    body::{Bytes, Frame, Incoming},
    client::conn::{
        TrySendError,
        http1::{self, SendRequest},
    },
};
use hyper_util::rt::TokioIo;
use tokio::task::{AbortHandle, coop::has_budget_remaining};

use super::{
    Error, RequestBody, Upgrade,
    wire::{Socket, Wire},
};
use crate::clock::{Clock, Sleep};

/// Bytes of a response head, and of what is read ahead or written behind on one connection. The
/// number of fields is hyper's default, 100; to set it would cost an allocation a response.
const MAX_BUFFER: usize = 64 << 10;

/// For a connection that was just put back to come to rest; it takes microseconds unless the
/// upstream has left a part of the last request unread.
const SETTLE: Duration = Duration::from_millis(20);

/// How much too early an alarm may go off before it is set anew.
const EARLY: Duration = Duration::from_secs(1);

/// A connection, and what drives it.
#[derive(Debug)]
pub(super) struct Connection(Box<Inner>);

#[derive(Debug)]
struct Inner {
    sender: SendRequest<RequestBody>,
    answered: Arc<AtomicBool>,
    driven: Driven,
    /// Tells whoever drives it that it can go on.
    nudge: Arc<Nudge>,
    waker: Waker,
    age: Age,
    /// Wakes whoever waits for an answer when that is late.
    alarm: Option<(Instant, Sleep)>,
}

/// By whom a connection is driven.
#[derive(Debug)]
enum Driven {
    /// By its owner.
    Here(Box<Driver>),
    /// By a task of its own.
    Apart(AbortHandle),
    /// It is over.
    Ended,
}

type Driver = http1::Connection<TokioIo<Wire>, RequestBody>;

/// What hyper gets as the one to wake: the same for as long as the connection lasts, whoever owns
/// it. While nobody waits, it remembers that there was something.
#[derive(Debug, Default)]
struct Nudge {
    waits: AtomicWaker,
    came: AtomicBool,
}

impl Wake for Nudge {
    fn wake(self: Arc<Nudge>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Nudge>) {
        self.came.store(true, Release);
        self.waits.wake();
    }
}

/// What a request to the upstream comes to.
pub(super) type Exchanging = Pin<Box<dyn Future<Output = Exchanged> + Send>>;

/// The same, when it is there.
pub(super) type Exchanged = Result<Response<Incoming>, TrySendError<Request<RequestBody>>>;

/// Whether a connection has served before: the upstream may just be closing such a one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Age {
    New,
    Reused,
}

/// How a request goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Course {
    /// With whoever waits for its answer.
    Along,
    /// By a task that drives its connection.
    Apart,
}

impl Connection {
    /// Speaks HTTP/1.1 on a connected socket.
    pub(super) async fn open(socket: Box<dyn Socket>) -> Result<Connection, Error> {
        let answered = Arc::new(AtomicBool::new(false));
        let wire = TokioIo::new(Wire::new(socket, answered.clone()));
        let handshake = http1::Builder::new().max_buf_size(MAX_BUFFER).handshake(wire);
        let (sender, driver) = handshake.await.map_err(Error::Http)?;
        let nudge = Arc::<Nudge>::default();
        let (waker, driven) = (Waker::from(nudge.clone()), Driven::Here(Box::new(driver)));
        let (age, alarm) = (Age::New, None);
        let inner = Inner { sender, answered, driven, nudge, waker, age, alarm };
        Ok(Connection(Box::new(inner)))
    }

    pub(super) fn age(&self) -> Age {
        self.0.age
    }

    pub(super) fn set_reused(&mut self) {
        self.0.age = Age::Reused;
    }

    /// Sends one request. What was not written at all is handed back in the error. Nothing comes of
    /// it unless the connection is driven.
    pub(super) fn exchange(&mut self, request: Request<RequestBody>, course: Course) -> Exchanging {
        if course == Course::Apart {
            self.set_apart();
        }
        self.0.answered.store(false, Relaxed);
        // Boxed, because it is large, and moved about with all that holds it.
        Box::pin(self.0.sender.try_send_request(request))
    }

    /// The next frame of a body that comes on this connection.
    pub(super) fn poll_frame(
        &mut self,
        body: &mut Incoming,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        // What was read ahead is there, whoever drives.
        let at_hand = Pin::new(&mut *body).poll_frame(&mut Context::from_waker(Waker::noop()));
        if at_hand.is_ready() {
            return at_hand;
        }
        self.poll_with(cx, |cx| Pin::new(&mut *body).poll_frame(cx))
    }

    /// Drives the connection, if that is the owner's part, and then looks for what it brings: ready
    /// once that is there.
    pub(super) fn poll_with<T>(
        &mut self,
        cx: &mut Context<'_>,
        mut look: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        match self.drive(cx) {
            // Nobody but the driver brings it, and that is polled before. But a task whose turn is
            // over sees nothing of what is there, and is to be woken.
            Poll::Pending if has_budget_remaining() => {
                look(&mut Context::from_waker(Waker::noop()))
            }
            Poll::Pending | Poll::Ready(()) => look(cx),
        }
    }

    /// Ready once `due` has come. One sleep serves many requests: as long as it fires a little too
    /// early, it is armed anew then and not before.
    pub(super) fn poll_late(
        &mut self,
        due: Instant,
        clock: &Clock,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        let serves = |at: Instant| at <= due && due - at < EARLY;
        loop {
            let alarm = self.0.alarm.take().filter(|(at, _)| serves(*at));
            let (at, mut sleep) = alarm.unwrap_or_else(|| {
                (due, clock.sleep(due.saturating_duration_since(clock.instant())))
            });
            if Pin::new(&mut sleep).poll(cx).is_pending() {
                self.0.alarm = Some((at, sleep));
                return Poll::Pending;
            }
            if at == due {
                return Poll::Ready(());
            }
        }
    }

    /// Nothing is late any more.
    pub(super) fn in_time(&self) {
        self.0.alarm.iter().for_each(|(_, sleep)| sleep.idle());
    }

    /// Ready where this is nothing to the owner: there is a task for it, or it is over.
    fn drive(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Driven::Here(_) = self.0.driven {
            self.0.nudge.waits.register(cx.waker());
        }
        self.go_on()
    }

    /// The same for who does not wait.
    fn go_on(&mut self) -> Poll<()> {
        let Inner { driven, nudge, waker, .. } = &mut *self.0;
        let Driven::Here(driver) = driven else { return Poll::Ready(()) };
        nudge.came.store(false, Relaxed);
        if let Err(error) = ready!(Pin::new(&mut **driver).poll(&mut Context::from_waker(waker))) {
            tracing::debug!(%error, "a connection to an upstream ended");
        }
        *driven = Driven::Ended;
        Poll::Ready(())
    }

    /// Gives it a task of its own, if it has none.
    pub(super) fn set_apart(&mut self) {
        self.0.driven = match std::mem::replace(&mut self.0.driven, Driven::Ended) {
            Driven::Here(driver) => {
                let task = tokio::spawn(async move {
                    if let Err(error) = driver.with_upgrades().await {
                        tracing::debug!(%error, "a connection to an upstream ended");
                    }
                });
                Driven::Apart(task.abort_handle())
            }
            driven => driven,
        };
    }

    /// Whether a byte came since the last request was sent.
    pub(super) fn answered(&self) -> bool {
        self.0.answered.load(Relaxed)
    }

    pub(super) fn is_closed(&self) -> bool {
        self.0.sender.is_closed()
    }

    /// Wakes nobody until it is driven again: whoever would be woken looks at what it brings now.
    pub(super) fn wakes_nobody(&self) {
        drop(self.0.nudge.waits.take());
    }

    /// Its exchange is over, and nobody waits for anything of it: whether it has come to rest by
    /// now, or is to be [set apart](Self::set_apart).
    pub(super) fn rests(&mut self) -> bool {
        self.wakes_nobody();
        self.is_ready() || self.go_on().is_ready() || self.is_ready()
    }

    /// Whether it can take the next request, now or in a moment.
    ///
    /// A body's end can reach its reader before hyper has come to rest on another thread, so what
    /// is not ready at once is waited for, shortly.
    pub(super) async fn settles(&mut self, clock: &Clock) -> bool {
        self.is_settled() || matches!(clock.timeout(SETTLE, self.ready()).await, Ok(Ok(())))
    }

    /// Whether it can take the next request now.
    pub(super) fn is_settled(&mut self) -> bool {
        if self.0.nudge.came.load(Acquire) {
            // Most likely that is its end.
            let _ = self.go_on();
        }
        self.is_ready()
    }

    /// The same, by what is known so far. Should it be at its end, a request that its owner drives
    /// is handed back unwritten: the end is seen before anything is written.
    pub(super) fn is_ready(&self) -> bool {
        self.0.sender.is_ready()
    }

    async fn ready(&mut self) -> hyper::Result<()> {
        poll_fn(|cx| {
            let _ = self.drive(cx);
            self.0.sender.poll_ready(cx)
        })
        .await
    }
}

impl Course {
    /// An upload and a tunnel go on while nobody waits for the answer, or nobody reads it. And what
    /// may not be repeated is written a step later than the connection was chosen: if that is at its
    /// end, it is seen in between.
    pub(super) fn of(request: &Request<RequestBody>, upgrade: Upgrade) -> Course {
        let along = upgrade == Upgrade::NotAsked
            && request.body().is_end_stream()
            && request.method().is_idempotent();
        if along { Course::Along } else { Course::Apart }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let Driven::Apart(task) = &self.0.driven {
            task.abort();
        }
    }
}
