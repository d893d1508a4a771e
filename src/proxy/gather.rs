//! Whole bodies: read to their end, within bounds.
//!
//! Pieces of a body that others read, too, are shared with them, so to hold them costs nothing;
//! what is held of others is claimed from the budget of bodies in flight.

use std::{future::poll_fn, pin::Pin};

use bytes::{Bytes, BytesMut};
use http_body::Body as _;

use crate::{body::Body, collapse::budget::Claim};

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

/// Reads a body of at most `limit` bytes; what it claims is held for it.
pub(super) async fn gather(mut body: Body, limit: u64, mut claim: Option<&mut Claim>) -> Gathered {
    let (mut pieces, mut length) = (Vec::new(), 0_u64);
    if body.size_hint().lower() > limit {
        return Gathered::Longer(pieces, body);
    }
    if let Body::Full(bytes) = body {
        return Gathered::Whole(vec![bytes]);
    }
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        let Ok(frame) = frame else { return Gathered::Torn };
        let Ok(piece) = frame.into_data() else { continue };
        length = length.saturating_add(piece.len() as u64);
        pieces.push(piece);
        if length > limit {
            return Gathered::Longer(pieces, body);
        }
        if claim.as_mut().is_some_and(|claim| !claim.grow_to(length)) {
            return Gathered::NoRoom(pieces, body);
        }
    }
    Gathered::Whole(pieces)
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
