//! Bodies from an upstream, and what they hold on to until their end.

use std::{
    pin::Pin,
    sync::{Arc, Weak},
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::{
    BodyError, connection::Connection, framing::Reuse, places::Place, pool::Pool, stall::Stall,
    upload::Progress,
};

/// The longest body that is looked for together with its head, in bytes.
const SHORT: u64 = 64 << 10;

/// A response body as it arrives, within the upstream's `between_bytes`.
///
/// It holds a connection and a place among the upstream's `max_concurrent`. At its end the place
/// is free and the connection is kept for the next request; dropped before its end, it frees the
/// place and closes the connection. The body of a 101 has no bytes, but holds both until it is
/// dropped: keep it for as long as the tunnel lasts.
#[derive(Debug)]
pub struct ResponseBody(Box<Arriving>);

/// It is large, and a response is moved about with its body.
#[derive(Debug)]
struct Arriving {
    /// What was found together with the head.
    begun: Option<Result<Bytes, BodyError>>,
    incoming: Incoming,
    stall: Stall,
    lease: Option<Lease>,
    /// Held until the drop.
    _tunnel: Option<Lease>,
}

/// The connection and the place that a body has for as long as it lasts.
#[derive(Debug)]
pub(super) struct Lease {
    pub(super) connection: Connection,
    pub(super) place: Place,
    pub(super) upload: Option<Arc<Progress>>,
    pub(super) pool: Weak<Pool>,
    pub(super) reuse: Reuse,
}

impl ResponseBody {
    pub(super) fn new(incoming: Incoming, stall: Stall, lease: Lease) -> ResponseBody {
        let lease = Some(lease);
        let mut body = Box::new(Arriving { begun: None, incoming, stall, lease, _tunnel: None });
        if body.incoming.is_end_stream() {
            body.end();
        }
        ResponseBody(body)
    }

    pub(super) fn tunnel(incoming: Incoming, stall: Stall, lease: Lease) -> ResponseBody {
        let _tunnel = Some(lease);
        ResponseBody(Box::new(Arriving { begun: None, incoming, stall, lease: None, _tunnel }))
    }

    /// The length of a short body.
    #[must_use]
    pub fn short(&self) -> Option<u64> {
        self.size_hint().exact().filter(|length| *length <= SHORT)
    }

    /// All of a short body, where that came together with its head, as it mostly does: then its
    /// connection and its place are free before its client has read a byte. Else the body as it
    /// comes.
    ///
    /// # Errors
    /// The body.
    pub fn at_hand(mut self) -> Result<Bytes, ResponseBody> {
        if self.0.lease.is_some() && self.short().is_some() {
            self.0.begin();
        }
        match self.0.begun.take() {
            Some(Ok(bytes)) if self.0.incoming.is_end_stream() => Ok(bytes),
            begun => {
                self.0.begun = begun;
                Err(self)
            }
        }
    }
}

impl Arriving {
    fn begin(&mut self) {
        // To ask for a frame tells the connection that there is room, and that would wake the task
        // that asks: for nothing, once for each answer.
        self.lease.iter().for_each(|lease| lease.connection.wakes_nobody());
        let mut cx = Context::from_waker(Waker::noop());
        let Poll::Ready(Some(polled)) = Pin::new(&mut self.incoming).poll_frame(&mut cx) else {
            return;
        };
        self.begun = match polled.map(Frame::into_data) {
            Ok(Ok(bytes)) => {
                if self.incoming.is_end_stream() {
                    self.end();
                }
                Some(Ok(bytes))
            }
            // With a length, there are no trailers.
            Ok(Err(_)) => None,
            Err(error) => Some(Err(self.broken(error))),
        };
    }

    fn poll_incoming(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match &mut self.lease {
            Some(lease) => lease.connection.poll_frame(&mut self.incoming, cx),
            None => Pin::new(&mut self.incoming).poll_frame(cx),
        }
    }

    fn end(&mut self) {
        if let Some(lease) = self.lease.take() {
            lease.end();
        }
    }

    fn broken(&mut self, error: hyper::Error) -> BodyError {
        let fault = self.lease.take().and_then(|lease| lease.upload?.fault());
        fault.map_or(BodyError::Http(error), BodyError::Client)
    }

    fn stalled(&mut self, limit: Duration) -> BodyError {
        self.lease = None;
        BodyError::Idle(limit)
    }
}

impl Lease {
    /// The response has ended well.
    fn end(self) {
        let Lease { connection, place, upload, pool, reuse } = self;
        // An upstream may answer before it has read the request; the rest of the upload would
        // hold the connection for as long as the client likes, so it ends here.
        let uploaded = upload.is_none_or(|upload| upload.ended());
        if let (true, Reuse::Allowed, Some(pool)) = (uploaded, reuse, pool.upgrade()) {
            pool.park(connection);
        }
        // Last, so that whoever waits for the place finds the connection.
        drop(place);
    }
}

impl Arriving {
    fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some(begun) = self.begun.take() {
            return Poll::Ready(Some(begun.map(Frame::data)));
        }
        let Poll::Ready(polled) = self.poll_incoming(cx) else {
            let limit = ready!(self.stall.poll_waiting(cx));
            return Poll::Ready(Some(Err(self.stalled(limit))));
        };
        self.stall.moved();
        match polled {
            Some(Ok(frame)) => {
                if frame.is_trailers() || self.incoming.is_end_stream() {
                    self.end();
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Some(Err(error)) => Poll::Ready(Some(Err(self.broken(error)))),
            None => {
                self.end();
                Poll::Ready(None)
            }
        }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.0.poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.0.begun.is_none() && self.0.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let rest = self.0.incoming.size_hint();
        match &self.0.begun {
            // What has begun has a length.
            Some(Ok(begun)) => SizeHint::with_exact(rest.lower() + begun.len() as u64),
            Some(Err(_)) | None => rest,
        }
    }
}
