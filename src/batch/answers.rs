//! The answers of a batch as a body: what is ready goes together, and nothing is held back.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{Bytes, BytesMut};
use futures_util::Stream;
use http_body::Frame;

/// Bytes that are handed on at a time, where there are as many.
const CHUNK: usize = 32 << 10;

/// The answers of a batch.
pub struct Answers(Pin<Box<dyn Stream<Item = Bytes> + Send>>);

impl Answers {
    /// What this yields, one after another. It runs only while the body is read.
    #[must_use]
    pub fn new(pieces: impl Stream<Item = Bytes> + Send + 'static) -> Answers {
        Answers(Box::pin(pieces))
    }

    /// What is ready by now, or the end.
    pub fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Frame<Bytes>>> {
        let mut ready = BytesMut::new();
        while ready.len() < CHUNK {
            match self.0.as_mut().poll_next(cx) {
                Poll::Ready(Some(piece)) => ready.extend_from_slice(&piece),
                Poll::Ready(None) if ready.is_empty() => return Poll::Ready(None),
                Poll::Pending if ready.is_empty() => return Poll::Pending,
                Poll::Ready(None) | Poll::Pending => break,
            }
        }
        Poll::Ready(Some(Frame::data(ready.freeze())))
    }
}

impl std::fmt::Debug for Answers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Answers").finish_non_exhaustive()
    }
}
