//! What of Cookie counts (RFC 6265 §4.2): the cookies that the operator makes part of the key, and
//! the others.
//!
//! A pair stays as it was sent, byte for byte: what an origin makes of a strange one is its own.

use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::field;

/// The field in which a request carries the cookies of its key as one selecting field. Ours alone:
/// a client's own is replaced, and it is never forwarded. Wherever anything of a request is part of
/// its key by the operator's word, this is among the selecting fields, be there cookies or none.
pub const KEY_COOKIES: HeaderName = HeaderName::from_static("larder-key-cookies");

/// The pairs of Cookie, in order.
pub(super) fn pairs(fields: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    field::lines(fields, header::COOKIE).flat_map(pairs_of)
}

fn pairs_of(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    let pairs = line.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
    pairs.filter(|pair| !pair.is_empty())
}

/// What the cookies of one name say.
pub fn values<'a>(fields: &'a HeaderMap, name: &str) -> impl Iterator<Item = &'a [u8]> {
    field::lines(fields, header::COOKIE).flat_map(move |line| values_of(line, name))
}

/// The same of one line of Cookie.
pub fn values_of<'a>(line: &'a [u8], name: &str) -> impl Iterator<Item = &'a [u8]> {
    pairs_of(line).filter(move |pair| self::name(pair) == name.as_bytes()).map(value)
}

/// The value of a pair; one without `=` has none.
pub(super) fn value(pair: &[u8]) -> &[u8] {
    let at = pair.iter().position(|byte| *byte == b'=');
    at.map_or(&b""[..], |at| pair[at + 1..].trim_ascii())
}

/// The name of a pair; one without `=` is a name alone.
pub(super) fn name(pair: &[u8]) -> &[u8] {
    let end = pair.iter().position(|byte| *byte == b'=');
    pair[..end.unwrap_or(pair.len())].trim_ascii_end()
}

/// The pairs of these names alone, as one Cookie has them; `None` where there is none.
#[must_use]
pub fn only(fields: &HeaderMap, names: &[String]) -> Option<HeaderValue> {
    let kept: Vec<&[u8]> = pairs(fields).filter(|pair| is_one_of(names, pair)).collect();
    let value = (!kept.is_empty()).then(|| kept.join(&b"; "[..]));
    value.and_then(|value| HeaderValue::from_bytes(&value).ok())
}

/// Cookie as one line.
#[must_use]
pub fn joined(fields: &HeaderMap) -> Option<HeaderValue> {
    let lines = fields.get_all(header::COOKIE);
    let lines: Vec<&[u8]> = lines.iter().map(HeaderValue::as_bytes).collect();
    match lines[..] {
        [] => None,
        [_] => fields.get(header::COOKIE).cloned(),
        [..] => HeaderValue::from_bytes(&lines.join(&b"; "[..])).ok(),
    }
}

/// Whether Cookie holds anything else than pairs of these names.
#[must_use]
pub fn has_others(fields: &HeaderMap, names: &[String]) -> bool {
    match names {
        [] => fields.contains_key(header::COOKIE),
        names => pairs(fields).any(|pair| !is_one_of(names, pair)),
    }
}

fn is_one_of(names: &[String], pair: &[u8]) -> bool {
    names.iter().any(|known| known.as_bytes() == name(pair))
}

#[cfg(test)]
mod tests {
    use super::{has_others, only};
    use crate::policy::fixtures::headers;

    #[test]
    fn cookies_of_the_key_are_told_from_the_others() {
        let names = ["lang".to_owned(), "cur".to_owned()];
        let rows = [
            (vec![], None, false),
            (vec!["lang=de"], Some("lang=de"), false),
            (vec!["sid=1; lang=de"], Some("lang=de"), true),
            (vec!["cur=eur; lang=de"], Some("cur=eur; lang=de"), false),
            (vec!["lang=de;lang=en ;; "], Some("lang=de; lang=en"), false),
            (vec!["lang=a=b"], Some("lang=a=b"), false),
            (vec!["lang"], Some("lang"), false),
            (vec!["lang = de"], Some("lang = de"), false),
            (vec!["Lang=de"], None, true),
            (vec!["language=de"], None, true),
            (vec!["x=lang=de"], None, true),
            (vec!["sid=1", "lang=de"], Some("lang=de"), true),
        ];
        for (lines, expected, others) in rows {
            let lines: Vec<_> = lines.into_iter().map(|line| ("cookie", line)).collect();
            let fields = headers(&lines);
            let kept = only(&fields, &names);
            let kept = kept.as_ref().map(|value| value.to_str().expect("text"));
            assert_eq!(kept, expected, "{lines:?} (RFC 6265 §4.2.1)");
            assert_eq!(has_others(&fields, &names), others, "{lines:?}");
            assert_eq!(has_others(&fields, &[]), !lines.is_empty(), "{lines:?}: without a key");
        }
    }
}
