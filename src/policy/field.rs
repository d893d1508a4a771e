//! Field values as bytes (RFC 9110 §5): a field that has one value, a list, a number.
//!
//! Whatever the bytes are, these answer; they allocate nothing.

use http::{HeaderMap, HeaderName, HeaderValue};

/// The greatest delta-seconds that is told apart from greater ones (RFC 9111 §1.2.2).
pub(super) const MAX_DELTA_SECONDS: u32 = 1 << 31;

/// The field's lines, in order.
pub(super) fn lines(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &[u8]> {
    headers.get_all(name).iter().map(HeaderValue::as_bytes)
}

/// The value of a field that has only one; `None` where it is absent or its lines differ.
pub(super) fn single(headers: &HeaderMap, name: HeaderName) -> Option<&[u8]> {
    let mut lines = lines(headers, name);
    let first = lines.next()?;
    lines.all(|line| line == first).then_some(first)
}

/// The members of a list of tokens, the empty ones left out (RFC 9110 §5.6.1.2).
pub(super) fn members(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &[u8]> {
    lines(headers, name)
        .flat_map(|line| line.split(|byte| *byte == b','))
        .map(<[u8]>::trim_ascii)
        .filter(|member| !member.is_empty())
}

/// `1*DIGIT`; what is too great counts as `u64::MAX`.
pub(super) fn digits(bytes: impl Iterator<Item = u8>) -> Option<u64> {
    let mut number = None;
    for byte in bytes {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        number = Some(number.unwrap_or(0_u64).saturating_mul(10).saturating_add(digit));
    }
    number
}

/// Delta-seconds (RFC 9111 §1.2.2); what is too great counts as 2^31.
pub(super) fn delta_seconds(bytes: impl Iterator<Item = u8>) -> Option<u32> {
    let seconds = digits(bytes)?;
    Some(u32::try_from(seconds).unwrap_or(u32::MAX).min(MAX_DELTA_SECONDS))
}

#[cfg(test)]
mod tests {
    use http::header::{AGE, VARY};

    use super::{delta_seconds, digits, members, single};
    use crate::policy::fixtures::headers;

    #[test]
    fn numbers_saturate() {
        let rows: [(&[u8], Option<u64>, Option<u32>); 8] = [
            (b"0", Some(0), Some(0)),
            (b"003600", Some(3600), Some(3600)),
            (b"2147483648", Some(1 << 31), Some(1 << 31)),
            (b"2147483649", Some((1 << 31) + 1), Some(1 << 31)),
            (b"99999999999999999999999", Some(u64::MAX), Some(1 << 31)),
            (b"", None, None),
            (b"-1", None, None),
            (b"1a", None, None),
        ];
        for (text, number, seconds) in rows {
            assert_eq!(digits(text.iter().copied()), number, "RFC 9110 §2.1: {text:?}");
            assert_eq!(delta_seconds(text.iter().copied()), seconds, "RFC 9111 §1.2.2: {text:?}");
        }
    }

    #[test]
    fn a_field_of_one_value_may_be_repeated_but_not_differ() {
        assert_eq!(single(&headers(&[]), AGE), None);
        assert_eq!(single(&headers(&[("age", "1"), ("age", "1")]), AGE), Some(&b"1"[..]));
        assert_eq!(single(&headers(&[("age", "1"), ("age", "2")]), AGE), None);
    }

    #[test]
    fn empty_members_of_a_list_do_not_count() {
        let headers = headers(&[("vary", ", a,, b"), ("vary", ""), ("vary", "c ,")]);
        let members: Vec<_> = members(&headers, VARY).collect();
        assert_eq!(members, [b"a", b"b", b"c"], "RFC 9110 §5.6.1.2");
    }
}
