//! What the policy's own tests are made of.

use http::{HeaderMap, HeaderName, HeaderValue, Request, header};

use super::{Asked, Exchange, Mono, Now, Rules, Wall};

/// Sun, 06 Nov 1994 08:49:37 GMT, in seconds: the RFC's own example.
pub(super) const EPOCH: i64 = 784_111_777;

/// [`EPOCH`] as a Date.
pub(super) const EPOCH_DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

/// Field lines, in order; any bytes that a field value may hold.
pub(super) fn headers(lines: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("a field name");
        headers.append(name, HeaderValue::from_bytes(value.as_bytes()).expect("a field value"));
    }
    headers
}

/// Cache-Control as written, and further fields.
pub(super) fn cached(cache_control: &str, others: &[(&str, &str)]) -> HeaderMap {
    let mut headers = headers(others);
    headers.append(
        header::CACHE_CONTROL,
        HeaderValue::from_bytes(cache_control.as_bytes()).expect("a field value"),
    );
    headers
}

/// `seconds` after [`EPOCH`], on both clocks.
pub(super) fn at(seconds: i64) -> Now {
    Now { wall: Wall((EPOCH + seconds) * 1000), mono: Mono(seconds * 1000) }
}

/// Asked and answered at [`EPOCH`], without delay.
pub(super) fn exchange() -> Exchange {
    Exchange { request: at(0), response: at(0) }
}

/// A request without content, by the default rules.
pub(super) fn asked(method: &str, fields: &[(&str, &str)]) -> Asked {
    asked_by(&Rules::default(), method, fields)
}

/// A request without content.
pub(super) fn asked_by(rules: &Rules, method: &str, fields: &[(&str, &str)]) -> Asked {
    let mut request = Request::builder().method(method).body(()).expect("a request");
    *request.headers_mut() = headers(fields);
    Asked::new(&request.into_parts().0, false, rules)
}
