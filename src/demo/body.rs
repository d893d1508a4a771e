//! What the sample API sends: JSON at once, or an event a second.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use crate::clock::{Clock, Sleep};

/// The body of an answer.
#[derive(Debug)]
pub(super) enum Body {
    /// All of it.
    Whole(Bytes),
    /// Events without end.
    Events(Events),
}

/// Numbered server-sent events: the first at once, then one a second.
#[derive(Debug)]
pub(super) struct Events {
    clock: Clock,
    pause: Option<Sleep>,
    number: u64,
}

impl Events {
    /// The first one has the number 1.
    pub(super) fn new(clock: Clock) -> Events {
        Events { clock, pause: None, number: 0 }
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Bytes> {
        if let Some(pause) = &mut self.pause {
            ready!(Pin::new(pause).poll(cx));
        }
        self.pause = Some(self.clock.sleep(Duration::from_secs(1)));
        self.number += 1;
        let unix = self.clock.now().wall.seconds();
        let event = format!("data: {{\"tick\": {}, \"unix\": {unix}}}\n\n", self.number);
        Poll::Ready(Bytes::from(event))
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match &mut *self {
            Body::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Body::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Body::Events(events) => events.poll_next(cx).map(|event| Some(Ok(Frame::data(event)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Body::Whole(bytes) => bytes.is_empty(),
            Body::Events(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Body::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Body::Events(_) => SizeHint::default(),
        }
    }
}
