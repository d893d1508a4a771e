//! One try to get an answer on one connection, and whether there may be another.

use std::{
    future::poll_fn,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Release},
    },
    task::Poll,
    time::{Duration, Instant},
};

use http::{Request, Response};
use http_body::Body;
use hyper::{body::Incoming, client::conn::TrySendError};

use super::{
    Again, Error, RequestBody,
    connection::{Age, Connection, Course, Exchanged, Exchanging},
    framing,
    upload::Progress,
};
use crate::clock::Clock;

/// What all tries of a request share.
pub(super) struct Terms<'a> {
    pub(super) clock: &'a Clock,
    pub(super) first_byte: Duration,
    /// When the answer to a request without a body is late.
    pub(super) due: Instant,
    /// How each of them goes on.
    pub(super) course: Course,
    /// True while a byte of the request may have been written.
    pub(super) sent: &'a AtomicBool,
    /// Makes its head once more.
    pub(super) again: Option<Again<'a>>,
}

/// A response head, and the connection on which the body is to come.
pub(super) struct Answer {
    pub(super) response: Response<Incoming>,
    pub(super) connection: Connection,
    pub(super) upload: Option<Arc<Progress>>,
}

/// A try without an answer.
pub(super) struct Failed {
    error: Error,
    again: Option<Next>,
}

/// What may be sent on another connection.
enum Next {
    /// Nothing of it was written: hyper hands it back.
    Unwritten(Box<Request<RequestBody>>),
    /// A copy of it: a reused connection died before the first byte of the answer, and the request
    /// is one that may be received twice.
    Idempotent(Box<Request<RequestBody>>),
}

/// Sends `request`, and then waits for the head of its answer.
pub(super) fn attempt<'a>(
    mut connection: Connection,
    request: Box<Request<RequestBody>>,
    terms: &'a Terms<'a>,
) -> impl Future<Output = Result<Answer, Failed>> + 'a {
    let upload = request.body().progress();
    let twice = may_come_twice(&connection, &request);
    let copy = (twice && terms.again.is_none()).then(|| copy(&request));
    terms.sent.store(true, Release);
    let sending = connection.exchange(*request, terms.course);
    async move {
        let Some(sent) = waited(&mut connection, sending, (upload.as_deref(), terms)).await else {
            return Err(Failed { error: Error::FirstByteTimeout(terms.first_byte), again: None });
        };
        let anew = || terms.again.filter(|_| twice).map(anew);
        match sent {
            Ok(response) => Ok(Answer { response, connection, upload }),
            Err(error) => {
                Err(Failed::new(error, &connection, upload.as_deref(), copy.or_else(anew)))
            }
        }
    }
}

/// What became of a request; `None` where the upstream has owed us something for too long.
async fn waited(
    connection: &mut Connection,
    mut sending: Exchanging,
    (upload, terms): (Option<&Progress>, &Terms<'_>),
) -> Option<Exchanged> {
    let Terms { clock, first_byte, due, .. } = *terms;
    let mut stalled = upload.map(|upload| Box::pin(upload.stalled(clock, first_byte)));
    poll_fn(|cx| {
        if let Poll::Ready(sent) = connection.poll_with(cx, |cx| sending.as_mut().poll(cx)) {
            connection.in_time();
            return Poll::Ready(Some(sent));
        }
        let late = match &mut stalled {
            Some(stalled) => stalled.as_mut().poll(cx),
            None => connection.poll_late(due, clock, cx),
        };
        late.map(|()| None)
    })
    .await
}

/// RFC 9110 §9.2.2. Only a reused connection may die without blame: the upstream's idle timer.
fn may_come_twice(connection: &Connection, request: &Request<RequestBody>) -> bool {
    connection.age() == Age::Reused
        && request.method().is_idempotent()
        && request.body().is_end_stream()
}

/// The same request made again, for one without a body.
fn anew(again: Again<'_>) -> Box<Request<RequestBody>> {
    Box::new(framing::request(again(), RequestBody::empty()))
}

/// The same request, for one without a body.
fn copy(request: &Request<RequestBody>) -> Box<Request<RequestBody>> {
    let mut copy = Request::new(RequestBody::empty());
    copy.method_mut().clone_from(request.method());
    copy.uri_mut().clone_from(request.uri());
    copy.headers_mut().clone_from(request.headers());
    copy.extensions_mut().clone_from(request.extensions());
    Box::new(copy)
}

impl Failed {
    fn new(
        mut error: TrySendError<Request<RequestBody>>,
        connection: &Connection,
        upload: Option<&Progress>,
        copy: Option<Box<Request<RequestBody>>>,
    ) -> Failed {
        let unwritten = error.take_message().filter(|request| !request.body().polled());
        let again = match unwritten {
            Some(request) => Some(Next::Unwritten(Box::new(request))),
            None => copy.filter(|_| !connection.answered()).map(Next::Idempotent),
        };
        let error = match upload.and_then(Progress::fault) {
            Some(fault) => Error::Client(fault),
            None => Error::Http(error.into_error()),
        };
        Failed { error, again }
    }

    /// The request, if it may be sent once more, and whether it may have come the first time;
    /// else why there is no answer.
    pub(super) fn again(
        self,
        terms: &Terms<'_>,
    ) -> Result<(Box<Request<RequestBody>>, bool), Error> {
        tracing::debug!(error = %self.error, again = self.again.is_some(), "no answer");
        match self.again {
            Some(Next::Unwritten(request)) => {
                terms.sent.store(false, Release);
                Ok((request, false))
            }
            Some(Next::Idempotent(request)) => Ok((request, true)),
            None => Err(self.error),
        }
    }
}

impl From<Failed> for Error {
    fn from(failed: Failed) -> Error {
        failed.error
    }
}
