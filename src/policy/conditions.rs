//! What an operator's `bypass_when` and `no_store_when` look for in a request and in its answer.
//!
//! Of several conditions one is enough. A value is compared byte for byte; without one, to be
//! there is enough.

use http::{HeaderMap, HeaderName, request};

use super::{cookies, field};

/// What a request may show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OfRequest {
    /// A header field: one of its lines is the value.
    Header(HeaderName, Option<String>),
    /// A cookie.
    Cookie(String, Option<String>),
    /// A parameter of the query, as it stands there.
    Query(String, Option<String>),
}

/// What an answer may show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OfResponse {
    /// Its status, from the one to the other.
    Status(u16, u16),
    /// A header field: one of its lines is the value.
    Header(HeaderName, Option<String>),
}

/// When an answer is not stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NoStoreWhen {
    /// By its request.
    pub request: Vec<OfRequest>,
    /// By itself.
    pub response: Vec<OfResponse>,
}

impl OfRequest {
    /// Whether a request shows it.
    #[must_use]
    pub fn holds(&self, head: &request::Parts) -> bool {
        match self {
            OfRequest::Header(name, value) => has_line(&head.headers, name, value.as_deref()),
            OfRequest::Cookie(name, value) => {
                let mut pairs = cookies::pairs(&head.headers);
                pairs.any(|pair| is_pair(pair, name, value.as_deref()))
            }
            OfRequest::Query(name, value) => {
                let mut pairs = head.uri.query().unwrap_or_default().split('&');
                pairs.any(|pair| is_pair(pair.as_bytes(), name, value.as_deref()))
            }
        }
    }
}

impl OfResponse {
    /// Whether an answer shows it.
    #[must_use]
    pub fn holds(&self, status: u16, headers: &HeaderMap) -> bool {
        match self {
            OfResponse::Status(first, last) => (*first..=*last).contains(&status),
            OfResponse::Header(name, value) => has_line(headers, name, value.as_deref()),
        }
    }
}

fn has_line(headers: &HeaderMap, name: &HeaderName, value: Option<&str>) -> bool {
    let mut lines = field::lines(headers, name.clone());
    lines.any(|line| value.is_none_or(|value| line.trim_ascii() == value.as_bytes()))
}

/// Whether a pair of a query or of Cookie has this name, and this value if there is one.
fn is_pair(pair: &[u8], name: &str, value: Option<&str>) -> bool {
    let is_value = |value: &str| cookies::value(pair) == value.as_bytes();
    cookies::name(pair) == name.as_bytes() && value.is_none_or(is_value)
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, Request};

    use super::{OfRequest, OfResponse};
    use crate::policy::fixtures::headers;

    #[test]
    fn requests_show_what_they_carry() {
        let preview = |value: Option<&str>| {
            OfRequest::Header(HeaderName::from_static("x-preview"), value.map(str::to_owned))
        };
        let sid = |value: Option<&str>| OfRequest::Cookie("sid".into(), value.map(str::to_owned));
        let debug =
            |value: Option<&str>| OfRequest::Query("debug".into(), value.map(str::to_owned));
        let rows = [
            (preview(None), "/", vec![("x-preview", "")], true),
            (preview(None), "/?x-preview", vec![("cookie", "x-preview=1")], false),
            (preview(Some("1")), "/", vec![("x-preview", "1")], true),
            (preview(Some("1")), "/", vec![("x-preview", "0"), ("x-preview", "1")], true),
            (preview(Some("1")), "/", vec![("x-preview", "11")], false),
            (preview(Some("")), "/", vec![("x-preview", "1")], false),
            (sid(None), "/", vec![("cookie", "a=1; sid=2")], true),
            (sid(None), "/", vec![("cookie", "sid")], true),
            (sid(None), "/?sid", vec![("cookie", "asid=1; a=sid"), ("sid", "1")], false),
            (sid(Some("a=b")), "/", vec![("cookie", "x=1; sid=a=b")], true),
            (sid(Some("a")), "/", vec![("cookie", "sid=a=b")], false),
            (debug(None), "/?a=1&debug", vec![], true),
            (debug(None), "/?a=debug", vec![], false),
            (debug(None), "/debug", vec![], false),
            (debug(Some("1")), "/?debug=0&debug=1", vec![], true),
            (debug(Some("1")), "/?debug=01", vec![], false),
            (debug(Some("")), "/?debug=", vec![], true),
        ];
        for (condition, target, fields, expected) in rows {
            let mut request = Request::get(target).body(()).expect("a request");
            *request.headers_mut() = headers(&fields);
            let (head, ()) = request.into_parts();
            assert_eq!(condition.holds(&head), expected, "{condition:?}: {target} {fields:?}");
        }
    }

    #[test]
    fn answers_show_their_status_and_fields() {
        let flag = HeaderName::from_static("x-no-cache");
        let rows = [
            (OfResponse::Status(500, 500), 500, true),
            (OfResponse::Status(500, 500), 501, false),
            (OfResponse::Status(400, 499), 404, true),
            (OfResponse::Status(400, 499), 500, false),
            (OfResponse::Header(flag.clone(), None), 200, true),
            (OfResponse::Header(flag.clone(), Some("1".into())), 200, true),
            (OfResponse::Header(flag, Some("2".into())), 200, false),
            (OfResponse::Header(HeaderName::from_static("x-other"), None), 200, false),
        ];
        let fields = headers(&[("x-no-cache", "1")]);
        for (condition, status, expected) in rows {
            assert_eq!(condition.holds(status, &fields), expected, "{condition:?}: {status}");
        }
    }
}
