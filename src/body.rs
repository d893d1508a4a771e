//! The body of every response, one enum, so that a hit boxes nothing.

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use crate::{
    batch::Answers,
    collapse::{budget::Budget, fill::Reader},
    log,
    metrics::Metrics,
    proxy::shadow::Watched,
    reason::Reason,
    transform::recoded::Recoded,
    upstream::ResponseBody,
};

/// The body of a response to a client.
#[derive(Debug, Default)]
pub enum Body {
    /// Nothing.
    #[default]
    Empty,
    /// A whole body, at hand.
    Full(Bytes),
    /// Pieces at hand, one after another.
    Pieces(Box<Pieces>),
    /// A shared fetch's, as it comes.
    Arriving(Reader),
    /// The upstream's, as it comes.
    Relayed(ResponseBody),
    /// Any of these, packed or unpacked as it comes.
    Recoded(Box<Recoded>),
    /// An upstream's, as it comes, for a cache in shadow mode to look at.
    Watched(Box<Passing>),
    /// The answers of a batch, as they come.
    Batch(Box<Answers>),
    /// One of which the beginning was read already.
    Resumed(Box<Resumed>),
    /// One that comes as it comes, its bytes counted.
    Counted(Box<Counted>),
    /// Any of these, with its end told to the access log.
    Logged(Box<Logged>),
}

/// A body whose bytes are counted as they go.
#[derive(Debug)]
pub struct Counted {
    body: Body,
    metrics: Arc<Metrics>,
    /// It has broken off, and what came before that is on its way out.
    broken: Option<Error>,
}

/// Slices of stored bodies, and what stands between them.
#[derive(Debug, Default)]
pub struct Pieces {
    pieces: VecDeque<Bytes>,
    left: u64,
}

/// A body that is looked at as it goes.
#[derive(Debug)]
pub struct Passing {
    body: Body,
    watched: Option<Watched>,
    /// Bytes that there are to be, where that is known: then nobody may ask for the end.
    declared: Option<u64>,
    passed: u64,
}

/// What was read of a body, and the rest as it comes.
#[derive(Debug)]
pub struct Resumed {
    /// What was read.
    pub begun: Pieces,
    /// What was not.
    pub rest: Body,
}

/// A body whose bytes and end are told to the access log.
#[derive(Debug)]
pub struct Logged {
    body: Body,
    record: log::Record,
    /// Bytes that there are to be, where that is known: then nobody may ask for the end.
    declared: Option<u64>,
    ended: bool,
}

/// The body ended before its end; the connection must break, so that it does not look whole.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

impl Body {
    /// An upstream's body, at hand where all of it is there and may wait in memory for its client,
    /// else as it comes.
    #[must_use]
    pub fn relayed(body: ResponseBody, budget: &Budget) -> Body {
        let Some(claim) = body.short().and_then(|length| budget.claim_for_one(length)) else {
            return Body::Relayed(body);
        };
        match body.at_hand() {
            Ok(bytes) => Body::Full(claim.hold(bytes)),
            Err(body) => Body::Relayed(body),
        }
    }

    /// The same body, its bytes counted: at once where they are at hand, else as they go.
    #[must_use]
    pub fn counted(self, metrics: &Arc<Metrics>) -> Body {
        match &self {
            Body::Empty => self,
            Body::Full(bytes) => {
                metrics.sent(bytes.len() as u64);
                self
            }
            Body::Pieces(pieces) => {
                metrics.sent(pieces.left);
                self
            }
            Body::Arriving(_)
            | Body::Relayed(_)
            | Body::Recoded(_)
            | Body::Watched(_)
            | Body::Batch(_)
            | Body::Resumed(_)
            | Body::Counted(_)
            | Body::Logged(_) => {
                let metrics = metrics.clone();
                Body::Counted(Box::new(Counted { body: self, metrics, broken: None }))
            }
        }
    }

    /// Whether all of it is at hand in one piece.
    #[must_use]
    pub fn is_at_hand(&self) -> bool {
        matches!(self, Body::Empty | Body::Full(_))
    }

    /// Whether it is these very bytes.
    #[must_use]
    pub fn shares(&self, bytes: &Bytes) -> bool {
        matches!(self, Body::Full(own) if (own.as_ptr(), own.len()) == (bytes.as_ptr(), bytes.len()))
    }

    /// All of it, where it is at hand in one piece: it counts as sent.
    ///
    /// # Errors
    /// It itself, where it is not.
    pub fn at_hand(self) -> Result<Bytes, Body> {
        match self {
            Body::Empty => Ok(Bytes::new()),
            Body::Full(bytes) => Ok(bytes),
            Body::Logged(mut logged) => match std::mem::take(&mut logged.body).at_hand() {
                Ok(bytes) => {
                    logged.record.bytes += bytes.len() as u64;
                    logged.ended = true;
                    Ok(bytes)
                }
                Err(body) => {
                    logged.body = body;
                    Err(Body::Logged(logged))
                }
            },
            body => Err(body),
        }
    }

    /// What reads a shared fetch along, where that is what it is.
    fn reader(&self) -> Option<&Reader> {
        match self {
            Body::Arriving(reader) => Some(reader),
            Body::Counted(counted) => counted.body.reader(),
            Body::Resumed(resumed) => resumed.rest.reader(),
            Body::Empty
            | Body::Full(_)
            | Body::Pieces(_)
            | Body::Relayed(_)
            | Body::Recoded(_)
            | Body::Watched(_)
            | Body::Batch(_)
            | Body::Logged(_) => None,
        }
    }

    /// The same body, looked at as it goes, where somebody does.
    #[must_use]
    pub fn watched(self, watched: Option<Watched>) -> Body {
        let Some(watched) = watched else { return self };
        let declared = http_body::Body::size_hint(&self).exact();
        let mut passing = Passing { body: self, watched: Some(watched), declared, passed: 0 };
        passing.settle(declared == Some(0));
        Body::Watched(Box::new(passing))
    }

    /// The same body, with its end told to the access log.
    #[must_use]
    pub fn logged(self, record: log::Record) -> Body {
        let declared = http_body::Body::size_hint(&self).exact();
        let ended = declared == Some(0);
        Body::Logged(Box::new(Logged { body: self, record, declared, ended }))
    }
}

impl Pieces {
    /// Adds a piece at the end; its bytes are shared, not copied.
    pub fn push(&mut self, piece: impl Into<Bytes>) {
        let piece = piece.into();
        self.left += piece.len() as u64;
        self.pieces.push_back(piece);
    }

    fn next(&mut self) -> Option<Bytes> {
        let piece = self.pieces.pop_front()?;
        self.left -= piece.len() as u64;
        Some(piece)
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        match &mut *self {
            Body::Empty => Poll::Ready(None),
            Body::Full(bytes) => {
                let bytes = std::mem::take(bytes);
                *self = Body::Empty;
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Body::Pieces(pieces) => Poll::Ready(pieces.next().map(|it| Ok(Frame::data(it)))),
            Body::Arriving(reader) => Pin::new(reader).poll_frame(cx).map_err(Into::into),
            Body::Relayed(body) => Pin::new(body).poll_frame(cx).map_err(Into::into),
            Body::Recoded(recoded) => recoded.poll_frame(cx).map_err(Into::into),
            Body::Watched(passing) => passing.poll_frame(cx),
            Body::Batch(answers) => answers.poll_frame(cx).map(|it| it.map(Ok)),
            Body::Resumed(resumed) => resumed.poll_frame(cx),
            Body::Counted(counted) => counted.poll_frame(cx),
            Body::Logged(logged) => logged.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Body::Empty => true,
            Body::Full(bytes) => bytes.is_empty(),
            Body::Pieces(pieces) => pieces.left == 0,
            Body::Arriving(reader) => reader.is_end_stream(),
            Body::Relayed(body) => body.is_end_stream(),
            Body::Recoded(_) | Body::Batch(_) | Body::Resumed(_) => false,
            Body::Watched(passing) => passing.body.is_end_stream(),
            Body::Counted(counted) => counted.body.is_end_stream(),
            Body::Logged(logged) => logged.body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Body::Empty => SizeHint::with_exact(0),
            Body::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Body::Pieces(pieces) => SizeHint::with_exact(pieces.left),
            Body::Arriving(reader) => reader.size_hint(),
            Body::Relayed(body) => body.size_hint(),
            Body::Recoded(_) | Body::Batch(_) => SizeHint::default(),
            Body::Watched(passing) => passing.body.size_hint(),
            Body::Resumed(resumed) => resumed.size_hint(),
            Body::Counted(counted) => counted.body.size_hint(),
            Body::Logged(logged) => logged.body.size_hint(),
        }
    }
}

impl Passing {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let polled = http_body::Body::poll_frame(Pin::new(&mut self.body), cx);
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                let data = frame.data_ref().map_or(&[][..], |data| data);
                self.watched.iter_mut().for_each(|it| it.update(data));
                self.passed += data.len() as u64;
                self.settle(self.declared == Some(self.passed));
            }
            Poll::Ready(None) => self.settle(true),
            Poll::Ready(Some(Err(_))) | Poll::Pending => {}
        }
        polled
    }

    fn settle(&mut self, ended: bool) {
        if ended {
            self.watched.take().into_iter().for_each(|it| it.finish(true));
        }
    }
}

impl Drop for Passing {
    fn drop(&mut self) {
        self.watched.take().into_iter().for_each(|it| it.finish(false));
    }
}

impl Resumed {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        match self.begun.next() {
            Some(piece) => Poll::Ready(Some(Ok(Frame::data(piece)))),
            None => http_body::Body::poll_frame(Pin::new(&mut self.rest), cx),
        }
    }

    fn size_hint(&self) -> SizeHint {
        let rest = http_body::Body::size_hint(&self.rest).exact();
        rest.map_or_else(SizeHint::default, |rest| SizeHint::with_exact(rest + self.begun.left))
    }
}

impl Counted {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        if let Some(broken) = self.broken.take() {
            return Poll::Ready(Some(Err(broken)));
        }
        let polled = http_body::Body::poll_frame(Pin::new(&mut self.body), cx);
        match polled {
            Poll::Ready(Some(Err(error))) => {
                // hyper drops what it has not written, be it the head: it has to write that first.
                self.broken = Some(error);
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            Poll::Ready(Some(Ok(ref frame))) => {
                self.metrics.sent(frame.data_ref().map_or(0, |data| data.len() as u64));
            }
            Poll::Ready(None) | Poll::Pending => {}
        }
        polled
    }
}

impl Logged {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let polled = http_body::Body::poll_frame(Pin::new(&mut self.body), cx);
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                self.record.bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
                self.ended = self.declared == Some(self.record.bytes);
            }
            Poll::Ready(None) => self.ended = true,
            Poll::Ready(Some(Err(_))) | Poll::Pending => {}
        }
        polled
    }
}

impl Drop for Logged {
    fn drop(&mut self) {
        self.record.torn = !self.ended;
        // The head had promised to store it.
        if let Some(reader) = self.body.reader()
            && let Some(reason) = reader.not_stored()
        {
            self.record.reason = Some(Reason::NotStored(reason));
        }
    }
}
