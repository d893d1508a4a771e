//! Aliases: CGI and its descendants (WSGI, PHP, Rack) take `X_Tenant` for `X-Tenant`. A cache tells
//! answers apart by one of the two names and must not let the other choose what is stored. What has
//! such a field goes to the origin as it came (RFC 9110 §5.1), and its answer to its client alone.

use http::{HeaderMap, HeaderName};

use crate::policy::has_underscore;

/// Whether a request has a field that an origin may take for another: one with an underscore in its
/// name that is not among the `known` ones, or the twin of one of these.
#[must_use]
pub fn has_aliases(fields: &HeaderMap, known: &[HeaderName]) -> bool {
    let is_twin = |name: &HeaderName| known.iter().any(|it| is_same(name, it));
    fields.keys().any(|name| !known.contains(name) && (has_underscore(name) || is_twin(name)))
}

/// Whether CGI takes two names for one.
fn is_same(one: &HeaderName, other: &HeaderName) -> bool {
    let plain = |byte: &u8| if *byte == b'_' { b'-' } else { *byte };
    let (one, other) = (one.as_str().as_bytes(), other.as_str().as_bytes());
    one.len() == other.len() && one.iter().map(plain).eq(other.iter().map(plain))
}
