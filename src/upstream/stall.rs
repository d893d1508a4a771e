//! The longest wait for the next bytes of a body.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use crate::clock::{Clock, Sleep};

/// Counts only while somebody waits: from a poll that found nothing to the next frame. A reader
/// that takes its time between frames is never blamed on the writer.
#[derive(Debug)]
pub(super) struct Stall {
    clock: Clock,
    limit: Duration,
    sleep: Option<Sleep>,
}

impl Stall {
    pub(super) fn new(clock: Clock, limit: Duration) -> Stall {
        Stall { clock, limit, sleep: None }
    }

    /// Nothing was there. Ready with the limit once the wait has lasted that long.
    pub(super) fn poll_waiting(&mut self, cx: &mut Context<'_>) -> Poll<Duration> {
        let sleep = self.sleep.get_or_insert_with(|| self.clock.sleep(self.limit));
        ready!(Pin::new(sleep).poll(cx));
        Poll::Ready(self.limit)
    }

    /// Something came.
    pub(super) fn moved(&mut self) {
        self.sleep = None;
    }

    pub(super) fn clock(&self) -> &Clock {
        &self.clock
    }
}
