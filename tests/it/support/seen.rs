//! What an origin saw.

use super::wire::{Fields, values};

/// One request as it came to an [`Origin`](super::Origin).
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    /// Counted from 1, over all connections, in the order of heads.
    pub(crate) number: usize,
    /// The connection that it came on, counted from 1.
    pub(crate) connection: usize,
    /// As written.
    pub(crate) method: String,
    /// As written: path and query.
    pub(crate) target: String,
    /// In order, repeated ones as often as they came.
    pub(crate) fields: Fields,
    /// Without its framing.
    pub(crate) body: Vec<u8>,
    /// Fields after a chunked body.
    pub(crate) trailers: Fields,
}

/// Everything that an origin saw so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Record {
    /// Complete requests, in the order of their ends.
    pub(super) requests: Vec<Seen>,
    /// Request heads.
    pub(super) heads: usize,
    /// Bytes of request bodies.
    pub(super) body_bytes: usize,
    /// Connections accepted.
    pub(super) connections: usize,
    /// Connections that the peer has closed, or broken.
    pub(super) closed: usize,
    /// What came and was not HTTP.
    pub(super) faults: Vec<String>,
}

impl Seen {
    /// The first field of that name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers(name).first().copied()
    }

    /// All fields of that name, in order.
    pub(crate) fn headers(&self, name: &str) -> Vec<&str> {
        values(&self.fields, name)
    }

    /// The body as text.
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("a body of text")
    }
}
