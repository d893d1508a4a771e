//! What went wrong, in the words of a status: the one table, and how clients are told.
//!
//! A client that takes JSON gets a problem document (RFC 9457), any other a line of text.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Method, Response, StatusCode,
    header::{self, HeaderName},
    request,
};

use super::Answer;
use crate::{
    body::Body,
    cache_status::{CacheStatus, Forwarded},
    fields,
    reason::{Ended, Failed, Reason, Refused},
    target::{self, Refusal, Scheme},
    throttle,
    upstream::{self, ClientFault},
    validate::{Invalid, Validation},
};

/// The methods that are served here; an upstream may serve fewer, or others.
const ALLOWED: HeaderValue =
    HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");

/// An upstream's failure, as many followers may share it.
#[derive(Clone, Debug)]
pub struct Failure(Arc<upstream::Error>);

/// A failure to have an answer.
struct Trouble {
    status: StatusCode,
    why: String,
    fields: Vec<(HeaderName, HeaderValue)>,
}

/// A request that was not let in.
#[must_use]
pub fn refused(refusal: Refusal, asked: &HeaderMap) -> Answer {
    let status = match refusal {
        Refusal::Host
        | Refusal::BadHost
        | Refusal::Contradiction
        | Refusal::Form
        | Refusal::DotSegment
        | Refusal::Nul => StatusCode::BAD_REQUEST,
        Refusal::Scheme => StatusCode::MISDIRECTED_REQUEST,
        Refusal::Method => StatusCode::METHOD_NOT_ALLOWED,
        Refusal::Coding => StatusCode::NOT_IMPLEMENTED,
        Refusal::NoRoute => StatusCode::NOT_FOUND,
    };
    let mut trouble = Trouble::new(status, refusal.to_string());
    if status == StatusCode::METHOD_NOT_ALLOWED {
        trouble = trouble.with(header::ALLOW, ALLOWED);
    }
    here(trouble, Refused::Refusal(refusal), asked)
}

/// The answer to an OPTIONS that must not go further (RFC 9110 §7.6.2).
#[must_use]
pub fn options() -> Answer {
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = StatusCode::NO_CONTENT;
    response.headers_mut().insert(header::ALLOW, ALLOWED);
    Answer::new(response, CacheStatus::Refused(Refused::Ended(Ended::MaxForwards)))
}

/// Sends a request that came in the clear to https, at `port`, with its path and query as they
/// came. The host is the one that it names, once that is known to be one and nothing else.
#[must_use]
pub fn to_https(head: &request::Parts, port: u16) -> Answer {
    let authority = target::check(head).and_then(|()| target::authority(head, Scheme::Http));
    let target = match (authority, head.uri.path_and_query()) {
        (Err(refusal), _) => Err(refusal),
        (Ok(authority), Some(target)) if !authority.is_empty() && head.uri.path() != "*" => {
            let port = if port == 443 { String::new() } else { format!(":{port}") };
            Ok(format!("https://{}{port}{target}", target::host(&authority)))
        }
        (Ok(_), _) => Err(Refusal::Host),
    };
    let location = target.and_then(|it| HeaderValue::try_from(it).map_err(|_| Refusal::Form));
    let location = match location {
        Ok(location) => location,
        Err(refusal) => return refused(refusal, &head.headers),
    };
    let mut response = Response::new(Body::Empty);
    // A method may change on 301, which old clients know; on 308 it may not (RFC 9110 §15.4).
    *response.status_mut() = match head.method {
        Method::GET | Method::HEAD => StatusCode::MOVED_PERMANENTLY,
        _ => StatusCode::PERMANENT_REDIRECT,
    };
    response.headers_mut().insert(header::LOCATION, location);
    Answer::new(response, CacheStatus::Refused(Refused::Ended(Ended::Redirect)))
}

/// A request that its route does not take.
#[must_use]
pub fn invalid(invalid: Invalid, by: &Validation, asked: &HeaderMap) -> Answer {
    let (status, why, field, ended) = match invalid {
        Invalid::Method => (
            StatusCode::METHOD_NOT_ALLOWED,
            "this method is not served here",
            by.allow().map(|it| (header::ALLOW, it)),
            Ended::Method,
        ),
        Invalid::TooLarge => {
            let why = "the request body is too large";
            (StatusCode::PAYLOAD_TOO_LARGE, why, None, Ended::TooLarge)
        }
        Invalid::MediaType => (
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "this media type is not taken here",
            by.accept().map(|it| (header::ACCEPT, it)),
            Ended::MediaType,
        ),
    };
    let mut trouble = Trouble::new(status, why);
    trouble.fields.extend(field.map(|(name, value)| (name, value.clone())));
    here(trouble, Refused::Ended(ended), asked)
}

/// A request past a limit.
#[must_use]
pub fn throttled(refused: throttle::Refused, asked: &HeaderMap) -> Answer {
    let why = "too many requests: come again after the time in Retry-After";
    let mut trouble = Trouble::new(StatusCode::TOO_MANY_REQUESTS, why).retry_after(refused.after);
    if let Some(told) = refused.told {
        trouble = trouble
            .with(throttle::RATE_LIMIT, told.limit)
            .with(throttle::RATE_LIMIT_POLICY, told.policy);
    }
    here(trouble, Refused::Ended(refused.reason), asked)
}

/// `only-if-cached`, and nothing to send (RFC 9111 §5.2.1.7).
#[must_use]
pub fn only_if_cached(asked: &HeaderMap) -> Answer {
    let trouble = Trouble::new(StatusCode::GATEWAY_TIMEOUT, "not in the cache");
    here(trouble, Refused::Ended(Ended::OnlyIfCached), asked)
}

/// If-Match names nothing that is known to be current.
#[must_use]
pub fn precondition_failed(asked: &HeaderMap) -> Answer {
    let why = "no current entity-tag matches";
    here(
        Trouble::new(StatusCode::PRECONDITION_FAILED, why),
        Refused::Ended(Ended::Precondition),
        asked,
    )
}

/// A fetch ended without an answer for the one who led it: it must not wait for ever.
#[must_use]
pub fn lost(told: Forwarded, asked: &HeaderMap) -> Answer {
    let told = told.detail(Reason::Failed(Failed::FetchLost));
    let trouble = Trouble::new(StatusCode::BAD_GATEWAY, "fetch lost");
    Answer::new(trouble.told(asked), CacheStatus::Forwarded(told))
}

/// A stored body is not packed as it says, or would become too long.
#[must_use]
pub fn spoilt(status: CacheStatus, asked: &HeaderMap) -> Answer {
    let reason = Reason::Failed(Failed::BadEncoding);
    let status = match status {
        CacheStatus::Forwarded(told) => {
            CacheStatus::Forwarded(Forwarded { stored: false, ..told.detail(reason) })
        }
        CacheStatus::Hit { ttl, .. } => CacheStatus::Hit { ttl, detail: Some(reason) },
        CacheStatus::Refused(_) => status,
    };
    let trouble = Trouble::new(StatusCode::BAD_GATEWAY, "bad encoding");
    Answer::new(trouble.told(asked), status)
}

/// The upstream agreed to another protocol on a connection that cannot change.
#[must_use]
pub fn refused_upgrade(status: CacheStatus) -> Answer {
    let trouble = Trouble::new(StatusCode::BAD_GATEWAY, "bad response");
    Answer::new(trouble.told(&HeaderMap::new()), status)
}

/// An upstream gave no answer.
#[must_use]
pub fn failed(failure: &Failure, asked: &HeaderMap) -> Response<Body> {
    let (status, why) = failure.told();
    let mut trouble = Trouble::new(status, why.token().replace('-', " "));
    match &*failure.0 {
        upstream::Error::Busy(after) | upstream::Error::Paused(after) => {
            trouble = trouble.retry_after(*after);
        }
        _ => {}
    }
    trouble.told(asked)
}

impl Failure {
    /// The status that tells a client of it: the one table.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.told().0
    }

    /// Its name.
    #[must_use]
    pub fn reason(&self) -> Failed {
        self.told().1
    }

    fn told(&self) -> (StatusCode, Failed) {
        match &*self.0 {
            upstream::Error::Busy(_) => (StatusCode::SERVICE_UNAVAILABLE, Failed::Busy),
            upstream::Error::Paused(_) => (StatusCode::SERVICE_UNAVAILABLE, Failed::Paused),
            upstream::Error::Connect(_) => (StatusCode::BAD_GATEWAY, Failed::Connect),
            upstream::Error::ConnectTimeout(_) => {
                (StatusCode::GATEWAY_TIMEOUT, Failed::ConnectTimeout)
            }
            upstream::Error::FirstByteTimeout(_) => {
                (StatusCode::GATEWAY_TIMEOUT, Failed::FirstByteTimeout)
            }
            upstream::Error::Http(_) | upstream::Error::Framing(_) => {
                (StatusCode::BAD_GATEWAY, Failed::BadResponse)
            }
            upstream::Error::Client(ClientFault::Idle) => {
                (StatusCode::REQUEST_TIMEOUT, Failed::RequestBodyTimeout)
            }
            upstream::Error::Client(ClientFault::Broken) => {
                (StatusCode::BAD_REQUEST, Failed::RequestBodyBroken)
            }
            upstream::Error::Client(ClientFault::TooLarge) => {
                (StatusCode::PAYLOAD_TOO_LARGE, Failed::RequestBodyTooLarge)
            }
        }
    }

    /// One for tests of what carries failures.
    #[cfg(test)]
    #[must_use]
    pub fn test() -> Failure {
        Failure::from(upstream::Error::Busy(Duration::from_secs(1)))
    }
}

impl From<upstream::Error> for Failure {
    fn from(error: upstream::Error) -> Failure {
        Failure(Arc::new(error))
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

fn here(trouble: Trouble, refused: Refused, asked: &HeaderMap) -> Answer {
    Answer::new(trouble.told(asked), CacheStatus::Refused(refused))
}

impl Trouble {
    fn new(status: StatusCode, why: impl Into<String>) -> Trouble {
        Trouble { status, why: why.into(), fields: Vec::new() }
    }

    fn with(mut self, name: HeaderName, value: HeaderValue) -> Trouble {
        self.fields.push((name, value));
        self
    }

    /// In whole seconds, at least one.
    fn retry_after(self, after: Duration) -> Trouble {
        self.with(header::RETRY_AFTER, HeaderValue::from(throttle::seconds(after).max(1)))
    }

    fn told(self, asked: &HeaderMap) -> Response<Body> {
        let Trouble { status, why, fields } = self;
        let (media_type, text) = match fields::takes_json(asked) {
            true => ("application/problem+json", problem(status, &why)),
            false => ("text/plain; charset=utf-8", format!("{status}: {why}\n")),
        };
        let mut response = Response::new(Body::Full(Bytes::from(text)));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.extend(fields);
        // What is left of the request's body is not read any more.
        if let StatusCode::REQUEST_TIMEOUT
        | StatusCode::BAD_REQUEST
        | StatusCode::PAYLOAD_TOO_LARGE = status
        {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

/// A problem document (RFC 9457 §3). Its texts are ours, and have nothing to escape.
fn problem(status: StatusCode, why: &str) -> String {
    let (number, title) = (status.as_u16(), status.canonical_reason().unwrap_or_default());
    format!(
        "{{\"type\":\"about:blank\",\"title\":\"{title}\",\"status\":{number},\
         \"detail\":\"{why}\"}}\n"
    )
}
