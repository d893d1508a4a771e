//! What answers requests, and how a connection hands them over.

use std::{convert::Infallible, future::Future, sync::Arc};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, Version, header};
use http_body::Body;
use hyper::{
    body::Incoming,
    service::{Service, service_fn},
};
use parking_lot::Mutex;

use super::{
    activity::{Activity, Flow, Guard},
    guarded::Guarded,
    peer::Peer,
};
use crate::body::Error;

const CLOSE: HeaderValue = HeaderValue::from_static("close");

/// What answers requests: any `Fn(Request<Incoming>, Peer) -> Future<Output = Response<Body>>`.
/// The proxy is one, and so are the stubs of the tests.
pub(super) trait Handler: Clone + Send + Sync + 'static {
    /// Of its responses.
    type Body: Body<Data = Bytes, Error: Into<Error>> + Default + Send + Unpin + 'static;
    /// What it is asked for.
    type Answer: Future<Output = Response<Self::Body>> + Send + 'static;

    /// Answers one request.
    fn answer(&self, request: Request<Incoming>, peer: Peer) -> Self::Answer;
}

impl<F, A, B> Handler for F
where
    F: Fn(Request<Incoming>, Peer) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = Response<B>> + Send + 'static,
    B: Body<Data = Bytes, Error: Into<Error>> + Default + Send + Unpin + 'static,
{
    type Body = B;
    type Answer = A;

    fn answer(&self, request: Request<Incoming>, peer: Peer) -> A {
        self(request, peer)
    }
}

/// The flow of the stream whose service was called last, until its task is spawned: hyper does
/// both in one breath.
pub(super) type Latest = Arc<Mutex<Option<Arc<Flow>>>>;

/// One connection's way to the handler.
pub(super) struct Requests<H> {
    pub(super) handler: H,
    pub(super) peer: Peer,
    pub(super) activity: Arc<Activity>,
}

impl<H: Handler> Requests<H> {
    /// For HTTP/1: hyper holds the limits.
    pub(super) fn http1(
        self,
    ) -> impl Service<
        Request<Incoming>,
        Response = Response<Guarded<H::Body>>,
        Error = Infallible,
        Future: Send,
    > + Send {
        service_fn(move |request: Request<Incoming>| {
            let guard = self.activity.begin(request.body().size_hint().exact());
            if request.version() == Version::HTTP_10 {
                // It knows no chunks: a body without a length ends with its connection.
                self.activity.set_fragile(true);
            }
            let peer = Peer { repeater_wanted: guard.repeater_wanted(), ..self.peer.clone() };
            let answer = self.handler.answer(request, peer);
            async move {
                let mut response = answer.await;
                // What is answered at once is answered before the watch can tell hyper.
                let switches = response.status() == StatusCode::SWITCHING_PROTOCOLS;
                if switches {
                    guard.switch();
                }
                if guard.is_last() && !switches {
                    response.headers_mut().insert(header::CONNECTION, CLOSE);
                }
                Ok(response.map(|body| Guarded::new(body, guard, None)))
            }
        })
    }

    /// For HTTP/2: hyper knows no number of fields.
    pub(super) fn http2(
        self,
        latest: Latest,
        max_fields: usize,
    ) -> impl Service<
        Request<Incoming>,
        Response = Response<Guarded<H::Body>>,
        Error = Infallible,
        Future: Send + 'static,
    > + Send {
        service_fn(move |request: Request<Incoming>| {
            let (guard, flow) = (self.activity.begin(None), Arc::<Flow>::default());
            *latest.lock() = Some(flow.clone());
            let is_head = request.method() == Method::HEAD;
            let answer = (request.headers().len() <= max_fields)
                .then(|| self.handler.answer(request, self.peer.clone()));
            respond((answer, is_head), guard, flow)
        })
    }
}

async fn respond<B: Body + Default>(
    (answer, is_head): (Option<impl Future<Output = Response<B>>>, bool),
    guard: Guard,
    flow: Arc<Flow>,
) -> Result<Response<Guarded<B>>, Infallible> {
    let mut response = match answer {
        Some(answer) => answer.await,
        None => {
            let mut refusal = Response::new(B::default());
            *refusal.status_mut() = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
            refusal
        }
    };
    if is_head {
        forget_body(&mut response);
    }
    Ok(response.map(|body| Guarded::new(body, guard, Some(flow))))
}

/// The answer to a HEAD has no body (RFC 9110 §9.3.2); hyper sees to that by HTTP/1 alone.
fn forget_body<B: Body + Default>(response: &mut Response<B>) {
    let length = response.body().size_hint().exact().filter(|length| *length > 0);
    if let Some(length) = length {
        let fields = response.headers_mut();
        fields.entry(header::CONTENT_LENGTH).or_insert_with(|| length.into());
    }
    *response.body_mut() = B::default();
}
