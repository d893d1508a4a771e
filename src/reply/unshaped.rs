//! What is told of an answer that could not be cut as its client asked.
//!
//! Who asks for fields reads JSON, so that is what it is told in, always.

use std::fmt::Display;

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use serde_json::json;

use super::Answer;
use crate::{
    body::Body,
    cache_status::{self, CacheStatus, Forwarded},
    reason::{Ended, Failed, Reason, Refused, Unshaped},
    shape::Malformed,
};

/// A request for a shape that makes no sense: 400, which points at the character.
#[must_use]
pub fn malformed(malformed: &Malformed) -> Answer {
    let Malformed { parameter, at, why } = malformed;
    let detail = format!("{parameter}: character {at} {why}");
    let text = json!({
        "type": "about:blank",
        "title": "Bad Request",
        "status": 400,
        "detail": detail,
        "parameter": parameter,
        "position": at,
    });
    let response = problem(StatusCode::BAD_REQUEST, &text);
    Answer::new(response, CacheStatus::Refused(Refused::Ended(Ended::BadShape)))
}

/// A body that is longer than is cut, where the operator refuses such: 502.
#[must_use]
pub fn too_large(status: CacheStatus) -> Answer {
    let detail = "the answer is too large for a part of it to be sent: ask for the whole";
    bad_gateway(because(status, Reason::Unshaped(Unshaped::TooLarge)), detail)
}

/// A body that broke off before it could be cut: 502.
#[must_use]
pub fn torn(status: CacheStatus) -> Answer {
    let status = match because(status, Reason::Failed(Failed::BadResponse)) {
        CacheStatus::Forwarded(told) => {
            CacheStatus::Forwarded(Forwarded { stored: false, ttl: None, ..told })
        }
        status => status,
    };
    bad_gateway(status, "bad response")
}

/// An answer that is sent whole although less was asked for.
#[must_use]
pub fn untouched(mut answer: Answer, why: Unshaped) -> Answer {
    // That it is stale is the graver news.
    if !answer.status.is_stale() {
        answer.status = because(answer.status, Reason::Unshaped(why));
        if std::mem::take(&mut answer.is_told) {
            // What a hit's head says already is told anew; nobody else's word is in it.
            answer.response.headers_mut().remove(cache_status::NAME);
        }
    }
    answer
}

fn because(status: CacheStatus, reason: Reason) -> CacheStatus {
    match status {
        CacheStatus::Hit { ttl, .. } => CacheStatus::Hit { ttl, detail: Some(reason) },
        CacheStatus::Forwarded(told) => CacheStatus::Forwarded(told.detail(reason)),
        CacheStatus::Refused(_) => status,
    }
}

fn bad_gateway(status: CacheStatus, detail: &str) -> Answer {
    let title = "Bad Gateway";
    let text = json!({ "type": "about:blank", "title": title, "status": 502, "detail": detail });
    Answer::new(problem(StatusCode::BAD_GATEWAY, &text), status)
}

/// A problem document (RFC 9457 §3).
pub(super) fn problem(status: StatusCode, text: &impl Display) -> Response<Body> {
    let mut response = Response::new(Body::Full(Bytes::from(format!("{text}\n"))));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    let media_type = HeaderValue::from_static("application/problem+json");
    headers.insert(header::CONTENT_TYPE, media_type);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
