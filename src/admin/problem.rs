//! What was wrong with a request, as a problem document (RFC 9457).

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Response, StatusCode, header};

use serde_json::{Value, json};

use crate::body::Body;

/// Why a request was not granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Its status.
    pub status: StatusCode,
    /// What was wrong, as a sentence.
    pub detail: String,
    /// What the status asks for besides.
    field: Option<(HeaderName, HeaderValue)>,
}

impl Problem {
    pub(super) fn new(status: StatusCode, detail: impl Into<String>) -> Problem {
        Problem { status, detail: detail.into(), field: None }
    }

    /// The body does not say what to do.
    pub(super) fn bad(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::BAD_REQUEST, detail)
    }

    pub(super) fn not_found() -> Problem {
        let there = "here are /health, /ready, /metrics, /v1/explain and /v1/purge";
        Problem::new(StatusCode::NOT_FOUND, there)
    }

    pub(super) fn with(self, name: HeaderName, value: HeaderValue) -> Problem {
        Problem { field: Some((name, value)), ..self }
    }

    pub(super) fn response(self) -> Response<Body> {
        let mut response = document(self.status, &self.detail, json!({}));
        response.headers_mut().extend(self.field);
        response
    }
}

/// A problem document; `told` is an object with members of its own (RFC 9457 §3.2).
pub(super) fn document(status: StatusCode, detail: &str, mut told: Value) -> Response<Body> {
    told["type"] = json!("about:blank");
    told["title"] = json!(status.canonical_reason().unwrap_or_default());
    told["status"] = json!(status.as_u16());
    told["detail"] = json!(detail);
    let mut response = Response::new(Body::Full(Bytes::from(told.to_string())));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    let json = HeaderValue::from_static("application/problem+json");
    headers.insert(header::CONTENT_TYPE, json);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Lets one of some methods through (RFC 9110 §15.5.6).
///
/// # Errors
/// 405, for any other.
pub(super) fn allow(method: &Method, methods: &[Method]) -> Result<(), Problem> {
    if methods.contains(method) {
        return Ok(());
    }
    let list: Vec<&str> = methods.iter().map(Method::as_str).collect();
    let list = list.join(", ");
    let value = HeaderValue::from_str(&list).map_err(|_| Problem::not_found())?;
    let detail = format!("ask by {list}");
    Err(Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail).with(header::ALLOW, value))
}
