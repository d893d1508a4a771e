//! What a scripted origin answers: a builder for good answers, and for all kinds of bad ones.

use bytes::Bytes;

use super::{Gate, wire::Fields};

/// One answer of an [`Origin`](super::Origin), made piece by piece.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(super) status: u16,
    pub(super) fields: Fields,
    pub(super) framed: Framed,
    pub(super) dated: bool,
    pub(super) steps: Vec<Step>,
    pub(super) trailers: Fields,
    pub(super) early: Vec<(u16, Fields)>,
    pub(super) held: Option<Gate>,
    pub(super) cut: Option<usize>,
    pub(super) end: End,
}

/// How the end of the body is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framed {
    /// By Content-Length, the true one unless the fields have one.
    Length,
    /// By chunks: one a [`Step::Bytes`].
    Chunked,
    /// By the end of the connection.
    Close,
    /// The steps are all that is sent, head included.
    Raw,
    /// By 101: what comes is sent back until the connection ends.
    Tunnel,
}

/// What happens in the course of a body.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Bytes(Bytes),
    Gate(Gate),
}

/// What becomes of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    KeepAlive,
    Close,
    Reset,
}

impl Reply {
    /// `status`, without a body so far.
    pub(crate) fn status(status: u16) -> Reply {
        Reply {
            status,
            fields: Fields::new(),
            framed: Framed::Length,
            dated: true,
            steps: Vec::new(),
            trailers: Fields::new(),
            early: Vec::new(),
            held: None,
            cut: None,
            end: End::KeepAlive,
        }
    }

    /// 200 with a body.
    pub(crate) fn ok(body: impl Into<Bytes>) -> Reply {
        Reply::status(200).body(body)
    }

    /// 200 with a body that is fresh for `seconds`.
    pub(crate) fn fresh(seconds: u32, body: impl Into<Bytes>) -> Reply {
        Reply::ok(body).header("Cache-Control", format!("max-age={seconds}"))
    }

    /// These bytes, head and all, and then the end of the connection.
    pub(crate) fn raw(bytes: impl Into<Bytes>) -> Reply {
        Reply { framed: Framed::Raw, end: End::Close, ..Reply::status(0) }.body(bytes)
    }

    /// 101, and every byte that then comes is sent back.
    pub(crate) fn tunnel(protocol: &str) -> Reply {
        let switched = Reply { framed: Framed::Tunnel, ..Reply::status(101) };
        switched.header("Upgrade", protocol).header("Connection", "upgrade")
    }

    /// No answer: the connection is reset.
    pub(crate) fn reset() -> Reply {
        Reply::raw("").resetting()
    }

    /// One more header field, after those that are there.
    pub(crate) fn header(mut self, name: &str, value: impl Into<String>) -> Reply {
        self.fields.push((name.to_owned(), value.into()));
        self
    }

    /// More of the body: with [`chunked`](Self::chunked) a chunk of its own.
    pub(crate) fn body(mut self, bytes: impl Into<Bytes>) -> Reply {
        self.steps.push(Step::Bytes(bytes.into()));
        self
    }

    /// Waits in the course of the body until the gate is open.
    pub(crate) fn gate(mut self, gate: &Gate) -> Reply {
        self.steps.push(Step::Gate(gate.clone()));
        self
    }

    /// Waits before the head until the gate is open.
    pub(crate) fn held(mut self, gate: &Gate) -> Reply {
        self.held = Some(gate.clone());
        self
    }

    /// Sends a 1xx first.
    pub(crate) fn early(mut self, status: u16, name: &str, value: &str) -> Reply {
        self.early.push((status, vec![(name.to_owned(), value.to_owned())]));
        self
    }

    /// The body in chunks.
    pub(crate) fn chunked(mut self) -> Reply {
        self.framed = Framed::Chunked;
        self
    }

    /// The body until the connection ends.
    pub(crate) fn until_close(mut self) -> Reply {
        self.framed = Framed::Close;
        self.closing()
    }

    /// A trailer field, after a chunked body.
    pub(crate) fn trailer(mut self, name: &str, value: &str) -> Reply {
        self.trailers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Ends the connection after `n` bytes of the body.
    pub(crate) fn torn_after(mut self, n: usize) -> Reply {
        self.cut = Some(n);
        self.closing()
    }

    /// Closes the connection at the end of the answer.
    pub(crate) fn closing(mut self) -> Reply {
        self.end = End::Close;
        self
    }

    /// Leaves the connection open, although the answer may say otherwise.
    pub(crate) fn kept_alive(mut self) -> Reply {
        self.end = End::KeepAlive;
        self
    }

    /// Resets the connection at the end of the answer, before the end of a chunked body is told.
    pub(crate) fn resetting(mut self) -> Reply {
        self.end = End::Reset;
        self
    }

    /// Without a Date.
    pub(crate) fn undated(mut self) -> Reply {
        self.dated = false;
        self
    }

    /// The length of the whole body.
    pub(super) fn length(&self) -> usize {
        let bytes = self.steps.iter().map(|step| match step {
            Step::Bytes(bytes) => bytes.len(),
            Step::Gate(_) => 0,
        });
        bytes.sum()
    }

    /// Whether this answer to `method` has a body at all (RFC 9110 §6.4.1).
    pub(super) fn has_body(&self, method: &str) -> bool {
        self.framed == Framed::Raw || method != "HEAD" && !matches!(self.status, 101 | 204 | 304)
    }
}

impl From<&str> for Reply {
    fn from(body: &str) -> Reply {
        Reply::ok(body.to_owned())
    }
}
