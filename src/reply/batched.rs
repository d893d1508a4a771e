//! What is told of a batch that is none, and of an item that has no answer.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header, response};
use serde_json::{Value, json};

use super::{Answer, unshaped::problem};
use crate::{
    batch::Wrong,
    cache_status::CacheStatus,
    reason::{Ended, Refused},
};

/// Why a batch is not run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unbatched {
    /// It is no POST.
    Method,
    /// It is not said to be JSON, or is packed.
    MediaType,
    /// It is longer than is read.
    TooLarge,
    /// It did not come in time.
    Late,
    /// It broke off.
    Torn,
    /// It makes no sense.
    Wrong(Wrong),
}

/// A batch that is not run.
#[must_use]
pub fn unbatched(why: Unbatched) -> Answer {
    let (status, detail, item) = match why {
        Unbatched::Method => (StatusCode::METHOD_NOT_ALLOWED, "a batch is a POST".to_owned(), None),
        Unbatched::MediaType => {
            let detail = "a batch is application/json, and not packed";
            (StatusCode::UNSUPPORTED_MEDIA_TYPE, detail.to_owned(), None)
        }
        Unbatched::TooLarge => {
            (StatusCode::PAYLOAD_TOO_LARGE, "the batch is too large".to_owned(), None)
        }
        Unbatched::Late => {
            (StatusCode::REQUEST_TIMEOUT, "the batch did not come in time".to_owned(), None)
        }
        Unbatched::Torn => (StatusCode::BAD_REQUEST, "the batch broke off".to_owned(), None),
        Unbatched::Wrong(Wrong { item: None, why }) => (StatusCode::BAD_REQUEST, why, None),
        Unbatched::Wrong(Wrong { item: Some(item), why }) => {
            (StatusCode::BAD_REQUEST, format!("item {item} {why}"), Some(item))
        }
    };
    let mut text = told(status, &detail);
    item.into_iter().for_each(|item| text["item"] = item.into());
    let mut response = problem(status, &text);
    let headers = response.headers_mut();
    match status {
        StatusCode::METHOD_NOT_ALLOWED => {
            headers.insert(header::ALLOW, HeaderValue::from_static("POST"));
        }
        // What is left of it is not read any more.
        StatusCode::PAYLOAD_TOO_LARGE | StatusCode::REQUEST_TIMEOUT => {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        _ => {}
    }
    Answer::new(response, CacheStatus::Refused(Refused::Ended(Ended::BadBatch)))
}

/// What stands in a batch in place of an item's answer.
#[must_use]
pub fn in_place(status: StatusCode, detail: &str) -> (response::Parts, Bytes) {
    let text = told(status, detail).to_string();
    let mut response = Response::new(());
    *response.status_mut() = status;
    let media_type = HeaderValue::from_static("application/problem+json");
    response.headers_mut().insert(header::CONTENT_TYPE, media_type);
    (response.into_parts().0, Bytes::from(text))
}

/// A problem document (RFC 9457 §3).
fn told(status: StatusCode, detail: &str) -> Value {
    let title = status.canonical_reason().unwrap_or_default();
    json!({ "type": "about:blank", "title": title, "status": status.as_u16(), "detail": detail })
}
