//! Bodies to an upstream, and how far they have got.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::{ClientFault, stall::Stall};
use crate::clock::Clock;

/// What is sent to an upstream: nothing, or a client's body, streamed.
#[derive(Debug, Default)]
pub struct RequestBody(Option<Box<Upload>>);

#[derive(Debug)]
struct Upload {
    body: Incoming,
    stall: Stall,
    ending: Ending,
    /// Bytes that may still come.
    left: u64,
    progress: Arc<Progress>,
}

/// What the end of a client's body proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    /// HTTP/1: a body that is cut short is an error already.
    Sound,
    /// HTTP/2: hyper ends a body as if it were whole after `RST_STREAM(NO_ERROR)`, too.
    NeedsEndStream,
}

/// How far an upload has got, as the one who waits for the answer sees it.
#[derive(Debug)]
pub(super) struct Progress {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Clone, Copy, Debug)]
struct State {
    phase: Phase,
    /// When it last moved.
    since: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Nobody has asked for a byte: the request can still be sent as if new.
    Untouched,
    /// The client owes the next bytes.
    WaitingForClient,
    /// The upstream has yet to take what the client sent.
    Sending,
    /// All of it was taken.
    Ended,
    Failed(ClientFault),
    /// Dropped before its end.
    Dropped,
}

impl RequestBody {
    /// No body.
    #[must_use]
    pub fn empty() -> RequestBody {
        RequestBody::default()
    }

    /// A client's body; no bytes for `idle` is [`ClientFault::Idle`].
    ///
    /// The wait counts only while the upstream asks for more.
    #[must_use]
    pub fn streamed(body: Incoming, clock: Clock, idle: Duration) -> RequestBody {
        if is_whole(&body) {
            return RequestBody::empty();
        }
        let progress = Arc::new(Progress::new(clock.instant()));
        let stall = Stall::new(clock, idle);
        let (ending, left) = (Ending::Sound, u64::MAX);
        RequestBody(Some(Box::new(Upload { body, stall, ending, left, progress })))
    }

    /// The same, cut off as [`ClientFault::TooLarge`] where it is longer.
    #[must_use]
    pub fn at_most(mut self, limit: Option<u64>) -> RequestBody {
        if let (Some(upload), Some(limit)) = (&mut self.0, limit) {
            upload.left = limit;
        }
        self
    }

    /// Whether any of it was asked for: such a request must not be repeated.
    #[must_use]
    pub fn polled(&self) -> bool {
        self.0.as_ref().is_some_and(|upload| upload.progress.phase() != Phase::Untouched)
    }

    /// The body came over HTTP/2: it is whole only if its stream was ended, not reset.
    pub(super) fn needs_end_stream(&mut self) {
        if let Some(upload) = &mut self.0 {
            upload.ending = Ending::NeedsEndStream;
        }
    }

    /// None where there is no body.
    pub(super) fn progress(&self) -> Option<Arc<Progress>> {
        self.0.as_ref().map(|upload| upload.progress.clone())
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = ClientFault;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ClientFault>>> {
        match &mut self.0 {
            Some(upload) => upload.poll_frame(cx),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(|upload| is_whole(&upload.body))
    }

    fn size_hint(&self) -> SizeHint {
        self.0.as_ref().map_or(SizeHint::with_exact(0), |upload| upload.body.size_hint())
    }
}

impl Upload {
    fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ClientFault>>> {
        match Pin::new(&mut self.body).poll_frame(cx) {
            Poll::Pending => {
                self.set(Phase::WaitingForClient);
                ready!(self.stall.poll_waiting(cx));
                Poll::Ready(Some(Err(self.fail(ClientFault::Idle))))
            }
            Poll::Ready(Some(Ok(frame))) => {
                self.stall.moved();
                let length = frame.data_ref().map_or(0, Bytes::len) as u64;
                let Some(left) = self.left.checked_sub(length) else {
                    return Poll::Ready(Some(Err(self.fail(ClientFault::TooLarge))));
                };
                self.left = left;
                let last = frame.is_trailers() || is_whole(&self.body);
                self.set(if last { Phase::Ended } else { Phase::Sending });
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(_))) => Poll::Ready(Some(Err(self.fail(ClientFault::Broken)))),
            Poll::Ready(None) if self.is_cut_short() => {
                Poll::Ready(Some(Err(self.fail(ClientFault::Broken))))
            }
            Poll::Ready(None) => {
                self.set(Phase::Ended);
                Poll::Ready(None)
            }
        }
    }

    fn is_cut_short(&self) -> bool {
        match self.body.size_hint().exact() {
            Some(owed) => owed > 0,
            None => self.ending == Ending::NeedsEndStream && !self.body.is_end_stream(),
        }
    }

    fn fail(&self, fault: ClientFault) -> ClientFault {
        self.set(Phase::Failed(fault));
        fault
    }

    fn set(&self, phase: Phase) {
        self.progress.set(phase, self.stall.clock().instant());
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        match self.progress.phase() {
            Phase::Ended | Phase::Failed(_) | Phase::Dropped => {}
            Phase::Untouched | Phase::WaitingForClient | Phase::Sending => self.set(Phase::Dropped),
        }
    }
}

impl Progress {
    fn new(now: Instant) -> Progress {
        let state = State { phase: Phase::Untouched, since: now };
        Progress { state: Mutex::new(state), changed: Notify::new() }
    }

    /// Whether the upstream has taken all of it.
    pub(super) fn ended(&self) -> bool {
        self.phase() == Phase::Ended
    }

    /// What the client did wrong, if it did.
    pub(super) fn fault(&self) -> Option<ClientFault> {
        match self.phase() {
            Phase::Failed(fault) => Some(fault),
            Phase::Untouched
            | Phase::WaitingForClient
            | Phase::Sending
            | Phase::Ended
            | Phase::Dropped => None,
        }
    }

    /// Resolves once the upstream has owed us something for `limit`: to take more of the upload,
    /// or to answer. The time that the client takes for its next bytes is not the upstream's.
    ///
    /// Each byte taken starts the time anew; the timer itself is left running and set again for
    /// the rest when it fires, so that a chunk costs no timer.
    pub(super) async fn stalled(&self, clock: &Clock, limit: Duration) {
        let began = clock.instant();
        loop {
            let state = *self.state.lock();
            if state.phase == Phase::WaitingForClient {
                self.changed.notified().await;
                continue;
            }
            let waited = clock.instant().saturating_duration_since(state.since.max(began));
            match limit.checked_sub(waited) {
                None | Some(Duration::ZERO) => return,
                Some(rest) => clock.sleep(rest).await,
            }
        }
    }

    fn phase(&self) -> Phase {
        self.state.lock().phase
    }

    fn set(&self, phase: Phase, now: Instant) {
        let mut state = self.state.lock();
        let before = state.phase;
        *state = State { phase, since: now };
        drop(state);
        if before == Phase::WaitingForClient && phase != before {
            self.changed.notify_one();
        }
    }
}

/// Nothing more is to come. Over HTTP/2 the last declared byte comes before the stream's end.
fn is_whole(body: &Incoming) -> bool {
    body.is_end_stream() || body.size_hint().exact() == Some(0)
}
