//! The sample API's resources: each shows one thing that a cache does.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use http::{
    HeaderValue, Method, Request, Response, StatusCode,
    header::{
        ALLOW, CACHE_CONTROL, CONTENT_TYPE, DATE, ETAG, HeaderName, IF_MODIFIED_SINCE,
        IF_NONE_MATCH, LAST_MODIFIED,
    },
};

use super::{
    body::{Body, Events},
    people,
};
use crate::clock::Clock;

/// What the API knows.
#[derive(Debug)]
pub(super) struct Resources {
    clock: Clock,
    /// When the orders were last changed.
    ordered: SystemTime,
    slow_requests: AtomicU64,
    flaky_requests: AtomicU64,
}

impl Resources {
    /// The last order was placed a day ago.
    pub(super) fn new(clock: Clock) -> Resources {
        let ordered = moment(&clock) - Duration::from_secs(86_400);
        let (slow_requests, flaky_requests) = (AtomicU64::new(0), AtomicU64::new(0));
        Resources { clock, ordered, slow_requests, flaky_requests }
    }

    /// Answers one request.
    pub(super) async fn answer<B>(&self, request: &Request<B>) -> Response<Body> {
        let mut response = if [Method::GET, Method::HEAD].contains(request.method()) {
            self.resource(request).await
        } else {
            let refused = json(StatusCode::METHOD_NOT_ALLOWED, "{\"error\": \"read only\"}".into());
            with(refused, ALLOW, "GET, HEAD")
        };
        let now = httpdate::fmt_http_date(moment(&self.clock));
        response.headers_mut().extend(HeaderValue::try_from(now).map(|now| (DATE, now)));
        response
    }

    async fn resource<B>(&self, request: &Request<B>) -> Response<Body> {
        match request.uri().path() {
            "/" => fresh(60, INDEX.to_owned()),
            "/users" => tagged(request, "\"users-1\"", people::users()),
            "/orders" => self.orders(request),
            "/time" => self.time(),
            "/events" => self.events(),
            "/slow" => self.slow().await,
            "/flaky" => self.flaky(),
            path => {
                let id = path.strip_prefix("/users/").and_then(|id| id.parse().ok());
                match id.and_then(|id| Some((id, people::user(id)?))) {
                    Some((id, user)) => tagged(request, &format!("\"user-{id}-1\""), user),
                    None => json(StatusCode::NOT_FOUND, "{\"error\": \"not found\"}".to_owned()),
                }
            }
        }
    }

    /// Says when it changed and nothing else: stored, and validated at every use.
    fn orders<B>(&self, request: &Request<B>) -> Response<Body> {
        let since = request.headers().get(IF_MODIFIED_SINCE).and_then(|it| it.to_str().ok());
        let since = since.and_then(|text| httpdate::parse_http_date(text).ok());
        let response = if since.is_some_and(|since| self.ordered <= since) {
            not_modified()
        } else {
            json(StatusCode::OK, people::orders())
        };
        with(response, LAST_MODIFIED, &httpdate::fmt_http_date(self.ordered))
    }

    /// Never stored.
    fn time(&self) -> Response<Body> {
        let unix = self.clock.now().wall.seconds();
        let now = httpdate::fmt_http_date(moment(&self.clock));
        let text = format!("{{\"unix\": {unix}, \"text\": \"{now}\"}}");
        with(json(StatusCode::OK, text), CACHE_CONTROL, "no-store")
    }

    /// Never stored, and never buffered.
    fn events(&self) -> Response<Body> {
        let response = Response::new(Body::Events(Events::new(self.clock.clone())));
        let response = with(response, CONTENT_TYPE, "text/event-stream");
        with(response, CACHE_CONTROL, "no-store")
    }

    /// Takes a second: whoever asks meanwhile follows.
    async fn slow(&self) -> Response<Body> {
        let number = self.slow_requests.fetch_add(1, Relaxed) + 1;
        self.clock.sleep(Duration::from_secs(1)).await;
        fresh(30, format!("{{\"answer\": \"worth a second\", \"request\": {number}}}"))
    }

    /// Fails every third time, and allows what it said before to stand in.
    fn flaky(&self) -> Response<Body> {
        let number = self.flaky_requests.fetch_add(1, Relaxed) + 1;
        if number.is_multiple_of(3) {
            let text = format!("{{\"error\": \"out of order\", \"request\": {number}}}");
            return json(StatusCode::SERVICE_UNAVAILABLE, text);
        }
        let text = format!("{{\"answer\": \"this time\", \"request\": {number}}}");
        with(json(StatusCode::OK, text), CACHE_CONTROL, "max-age=2, stale-if-error=60")
    }
}

const INDEX: &str = "{\"resources\": [\"/users\", \"/users/{id}\", \"/orders\", \"/time\", \
                     \"/events\", \"/slow\", \"/flaky\"]}";

/// Fresh for 10 s, and validated by its tag from then on.
fn tagged<B>(request: &Request<B>, tag: &str, text: String) -> Response<Body> {
    let mut known =
        request.headers().get_all(IF_NONE_MATCH).iter().filter_map(|it| it.to_str().ok());
    let response = if known.any(|tags| tags.contains(tag)) {
        not_modified()
    } else {
        json(StatusCode::OK, text)
    };
    with(with(response, ETAG, tag), CACHE_CONTROL, "max-age=10")
}

fn fresh(seconds: u32, text: String) -> Response<Body> {
    with(json(StatusCode::OK, text), CACHE_CONTROL, &format!("max-age={seconds}"))
}

fn json(status: StatusCode, text: String) -> Response<Body> {
    let mut response = Response::new(Body::Whole(Bytes::from(text + "\n")));
    *response.status_mut() = status;
    with(response, CONTENT_TYPE, "application/json")
}

fn not_modified() -> Response<Body> {
    let mut response = Response::new(Body::Whole(Bytes::new()));
    *response.status_mut() = StatusCode::NOT_MODIFIED;
    response
}

fn with(mut response: Response<Body>, name: HeaderName, value: &str) -> Response<Body> {
    response.headers_mut().extend(HeaderValue::try_from(value).map(|value| (name, value)));
    response
}

/// The clock's present time, whole seconds.
fn moment(clock: &Clock) -> SystemTime {
    let seconds = u64::try_from(clock.now().wall.seconds()).unwrap_or_default();
    UNIX_EPOCH + Duration::from_secs(seconds)
}
