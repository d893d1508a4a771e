//! What is known of status codes (RFC 9110 §15).

/// The codes that may be stored without a word of the origin about caching (RFC 9110 §15.1),
/// 206 left out: a part is judged as the 200 that it is part of.
pub(super) fn is_heuristically_cacheable(status: u16) -> bool {
    matches!(status, 200 | 203 | 204 | 300 | 301 | 308 | 404 | 405 | 410 | 414 | 501)
}

/// The codes whose meaning for a cache is implemented here (RFC 9111 §3, §5.2.2.3): the final
/// ones of RFC 9110, but for those whose meaning is a part, or another response's freshness.
pub(super) fn is_understood(status: u16) -> bool {
    matches!(status,
        200..=205 | 300..=303 | 305 | 307 | 308 | 400..=415 | 417 | 421 | 422 | 426 | 500..=505)
}

/// The errors for which a stale response may stand in (RFC 5861 §4).
pub(super) fn is_failure(status: u16) -> bool {
    matches!(status, 500 | 502 | 503 | 504)
}
