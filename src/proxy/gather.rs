//! Whole bodies: read to their end, within bounds.
//!
//! Pieces of a body that others read, too, are shared with them, so to hold them costs nothing;
//! what is held of others is claimed from the budget of bodies in flight.

use std::{future::poll_fn, pin::Pin};

use bytes::{Bytes, BytesMut};
use http_body::Body as _;

use crate::{body::Body, collapse::budget::Claim};

/// Pieces below this are put together.
const SMALL: usize = 1 << 10;

/// Into pieces of about this.
const TOGETHER: usize = 64 << 10;

/// What was read of a body.
pub(super) enum Gathered {
    /// All of it.
    Whole(Vec<Bytes>),
    /// It is longer than is cut; what was read, and the rest.
    Longer(Vec<Bytes>, Body),
    /// There is no room to hold more of it; what was read, and the rest.
    NoRoom(Vec<Bytes>, Body),
    /// It broke off.
    Torn,
}

/// What is held of a body: large pieces as they came, small ones together, so that a body in very
/// many pieces takes no more room than it has bytes.
#[derive(Default)]
struct Held {
    pieces: Vec<Bytes>,
    small: BytesMut,
    length: u64,
}

impl Held {
    fn push(&mut self, piece: Bytes) {
        self.length = self.length.saturating_add(piece.len() as u64);
        if piece.len() < SMALL {
            self.small.extend_from_slice(&piece);
            if self.small.len() < TOGETHER {
                return;
            }
            return self.settle();
        }
        self.settle();
        self.pieces.push(piece);
    }

    fn settle(&mut self) {
        if !self.small.is_empty() {
            self.pieces.push(self.small.split().freeze());
        }
    }

    fn into_pieces(mut self) -> Vec<Bytes> {
        self.settle();
        self.pieces
    }
}

/// Reads a body of at most `limit` bytes; what it claims is held for it.
pub(super) async fn gather(mut body: Body, limit: u64, mut claim: Option<&mut Claim>) -> Gathered {
    if body.size_hint().lower() > limit {
        return Gathered::Longer(Vec::new(), body);
    }
    if let Body::Full(bytes) = body {
        return Gathered::Whole(vec![bytes]);
    }
    let mut held = Held::default();
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        let Ok(frame) = frame else { return Gathered::Torn };
        let Ok(piece) = frame.into_data() else { continue };
        held.push(piece);
        if held.length > limit {
            return Gathered::Longer(held.into_pieces(), body);
        }
        if claim.as_mut().is_some_and(|claim| !claim.grow_to(held.length)) {
            return Gathered::NoRoom(held.into_pieces(), body);
        }
    }
    Gathered::Whole(held.into_pieces())
}

/// The same pieces, each of which keeps its part of what was claimed until it is sent or dropped.
pub(super) fn held(pieces: Vec<Bytes>, claim: Option<Claim>) -> Vec<Bytes> {
    let Some(mut claim) = claim else { return pieces };
    pieces.into_iter().map(|piece| claim.split(piece.len() as u64).hold(piece)).collect()
}

/// One piece of several.
pub(super) fn joined(mut pieces: Vec<Bytes>) -> Bytes {
    if pieces.len() < 2 {
        return pieces.pop().unwrap_or_default();
    }
    let mut all = BytesMut::with_capacity(pieces.iter().map(Bytes::len).sum());
    pieces.into_iter().for_each(|piece| all.extend_from_slice(&piece));
    all.freeze()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::{Held, SMALL, TOGETHER, joined};

    #[test]
    fn many_small_pieces_are_few_and_keep_their_order() {
        let mut held = Held::default();
        let piece = |byte: u8, length: usize| Bytes::from(vec![byte; length]);
        let mut expected = Vec::new();
        for round in 0..4 {
            for _ in 0..TOGETHER {
                held.push(piece(round, 1));
                expected.push(round);
            }
            held.push(piece(b'x', SMALL));
            expected.extend(vec![b'x'; SMALL]);
        }
        held.push(piece(b'y', 3));
        expected.extend(*b"yyy");
        assert_eq!(held.length, expected.len() as u64);
        let pieces = held.into_pieces();
        assert!(pieces.len() <= 10, "{} pieces", pieces.len());
        assert_eq!(joined(pieces), expected);
    }
}
