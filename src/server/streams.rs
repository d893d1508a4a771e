//! The tasks of HTTP/2 streams: one whose client does not take what it asked for is reset.
//!
//! Most answers are at hand, and go out without a task.
//!
//! hyper waits for a stream's window without a limit, and would hold the response, and whatever
//! feeds it, for as long as the client likes.

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use hyper::rt::Executor;

use super::{
    activity::{Activity, Flow},
    handler::Latest,
};
use crate::{
    clock::{Clock, Sleep},
    counters::Counters,
};

/// Runs the streams of one connection; a cheap handle.
#[derive(Clone, Debug)]
pub(super) struct Streams(pub(super) Arc<Shared>);

/// What the streams of one connection share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) latest: Latest,
    pub(super) activity: Arc<Activity>,
    pub(super) clock: Clock,
    pub(super) counters: Arc<Counters>,
    pub(super) write_idle: Duration,
}

impl<F> Executor<F> for Streams
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, stream: F) {
        let flow = self.0.latest.lock().take().unwrap_or_default();
        let mut stream = Box::pin(stream);
        // What is at hand goes out at once, on the connection's own task. What is not is polled
        // again by a task of its own, which is then the one that is woken.
        if stream.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready() {
            return;
        }
        let mut stall = Stall { flow, streams: self.clone(), armed: None };
        tokio::spawn(async move {
            poll_fn(|cx| {
                if stream.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(());
                }
                stall.poll(cx)
            })
            .await;
        });
    }
}

/// Notices that nothing of a stream's body has gone for `write_idle`.
struct Stall {
    flow: Arc<Flow>,
    streams: Streams,
    /// With the number of frames handed over when it was armed.
    armed: Option<(u32, Sleep)>,
}

impl Stall {
    /// Ready when the stream must be given up.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            if !self.flow.waits() {
                return Poll::Pending;
            }
            let (frames, streams) = (self.flow.frames(), &*self.streams.0);
            let (seen, sleep) =
                self.armed.get_or_insert_with(|| (frames, streams.clock.sleep(streams.write_idle)));
            ready!(Pin::new(sleep).poll(cx));
            if *seen == frames {
                self.give_up();
                return Poll::Ready(());
            }
            self.armed = None;
        }
    }

    fn give_up(&self) {
        // Where the whole socket is blocked, the connection's own watch closes and counts it.
        if !self.streams.0.activity.is_blocked() {
            self.streams.0.counters.closed_write_idle.one();
        }
        tracing::debug!("stream reset: its client takes nothing of it");
    }
}
