//! Why an upstream gave no response head.

use std::{error::Error as _, fmt::Write, io, time::Duration};

/// What went wrong before a response head was there. A status only in `reply.rs`.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// All its `max_concurrent` places are taken and the queue is full, or the wait took too long;
    /// when to come again.
    #[error("all places are taken")]
    Busy(Duration),
    /// It has told us to stay away for longer than anybody waits.
    #[error("told to stay away for {0:?}")]
    Paused(Duration),
    /// The name did not resolve, nobody accepts, or the TLS handshake failed.
    #[error("cannot connect: {0}")]
    Connect(#[source] io::Error),
    /// No connection within `timeouts.connect`.
    #[error("no connection within {0:?}")]
    ConnectTimeout(Duration),
    /// No response head within `timeouts.first_byte`.
    #[error("no response within {0:?}")]
    FirstByteTimeout(Duration),
    /// The connection broke, or what came was not HTTP.
    #[error("bad response: {}", with_causes(.0))]
    Http(#[source] hyper::Error),
    /// The response is framed in a way that cannot be trusted.
    #[error("bad response: {0}")]
    Framing(&'static str),
    /// The client's upload failed, so that the request could not be completed.
    #[error("the request body failed: {0}")]
    Client(#[source] ClientFault),
}

/// What went wrong with the body that a client was sending.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientFault {
    /// No bytes for `timeouts.body_idle`: 408.
    #[error("no bytes for too long")]
    Idle,
    /// It is longer than its route allows: 413.
    #[error("too long")]
    TooLarge,
    /// It broke off, or its framing is wrong: 400.
    #[error("broken off")]
    Broken,
}

/// The response body ended before its end.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// Nothing came for `timeouts.between_bytes`.
    #[error("no bytes for {0:?}")]
    Idle(Duration),
    /// The connection broke, or the framing did.
    #[error("broken off: {}", with_causes(.0))]
    Http(#[source] hyper::Error),
    /// The client's upload failed while the answer was already coming.
    #[error("the request body failed: {0}")]
    Client(#[source] ClientFault),
}

/// hyper's own words name the kind of error alone; what an operator needs is in its causes.
fn with_causes(error: &hyper::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        // Writing to a String cannot fail.
        let _ = write!(text, ": {inner}");
        cause = inner.source();
    }
    text
}
