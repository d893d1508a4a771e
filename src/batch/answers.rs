//! The answers of a batch as a body: what is ready goes together, and nothing is held back.

use std::{
    collections::VecDeque,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{Bytes, BytesMut};
use futures_util::Stream;
use http_body::Frame;

/// Bytes that are handed on at a time, where there are as many.
const CHUNK: usize = 32 << 10;

/// What is shorter is copied to what stands before it.
const SMALL: usize = 4 << 10;

/// Answers in the making: small pieces together, large ones as they are, so that nobody's bytes are
/// copied who has many of them.
#[derive(Debug, Default)]
pub struct Written {
    pieces: VecDeque<Bytes>,
    small: BytesMut,
    /// What is set aside for small ones.
    room: usize,
}

impl Written {
    /// With room for so many answers of ordinary length, so that few are moved later.
    #[must_use]
    pub fn of(answers: usize) -> Written {
        let room = answers.saturating_mul(SMALL / 2).min(CHUNK + SMALL);
        Written { room, ..Written::default() }
    }

    /// Where what is small is written.
    pub fn small(&mut self) -> &mut BytesMut {
        if self.small.capacity() == 0 {
            self.small.reserve(self.room);
        }
        &mut self.small
    }

    /// Adds bytes; many of them are shared.
    pub fn push(&mut self, bytes: Bytes) {
        if bytes.len() < SMALL {
            return self.small().extend_from_slice(&bytes);
        }
        self.settle();
        self.pieces.push_back(bytes);
    }

    /// Whether there is enough of it to go.
    #[must_use]
    pub fn is_due(&self) -> bool {
        !self.pieces.is_empty() || self.small.len() >= CHUNK
    }

    /// The next piece of what there is.
    pub fn piece(&mut self) -> Option<Bytes> {
        if self.pieces.is_empty() {
            self.settle();
        }
        self.pieces.pop_front()
    }

    fn settle(&mut self) {
        if !self.small.is_empty() {
            self.pieces.push_back(std::mem::take(&mut self.small).freeze());
        }
    }
}

/// The answers of a batch.
pub struct Answers(Pin<Box<dyn Stream<Item = Bytes> + Send>>);

impl Answers {
    /// What this yields, one after another. It runs only while the body is read.
    #[must_use]
    pub fn new(pieces: impl Stream<Item = Bytes> + Send + 'static) -> Answers {
        Answers(Box::pin(pieces))
    }

    /// The next piece, or the end.
    pub fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Frame<Bytes>>> {
        self.0.as_mut().poll_next(cx).map(|piece| piece.map(Frame::data))
    }
}

impl std::fmt::Debug for Answers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Answers").finish_non_exhaustive()
    }
}
