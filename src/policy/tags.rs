//! Tags by which an operator purges: `Surrogate-Key`, as Fastly and Varnish's xkey read it, and
//! `Cache-Tag`, as Cloudflare and Akamai do. Both are used up here, by the cache that they address.

use http::{HeaderMap, HeaderName};

use super::field;

/// Tags with spaces between them.
pub const SURROGATE_KEY: HeaderName = HeaderName::from_static("surrogate-key");

/// Tags with commas between them.
pub const CACHE_TAG: HeaderName = HeaderName::from_static("cache-tag");

/// The tags of a response, each once. Compared character by character, as cache groups are.
#[must_use]
pub fn tags(headers: &HeaderMap) -> Vec<String> {
    let spaced = field::lines(headers, SURROGATE_KEY).flat_map(|line| line.split(is_space));
    let mut tags: Vec<String> = Vec::new();
    for tag in spaced.chain(field::members(headers, CACHE_TAG)) {
        let tag = str::from_utf8(tag).ok().filter(|tag| !tag.is_empty());
        if let Some(tag) = tag.filter(|tag| !tags.iter().any(|it| it == tag)) {
            tags.push(tag.to_owned());
        }
    }
    tags
}

fn is_space(byte: &u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

#[cfg(test)]
mod tests {
    use super::tags;
    use crate::policy::fixtures::headers;

    #[test]
    fn tags_are_told_apart_by_spaces_or_commas() {
        type Row = (&'static [(&'static str, &'static str)], &'static [&'static str]);
        let rows: [Row; 8] = [
            (&[("surrogate-key", "a b  c")], &["a", "b", "c"]),
            (&[("surrogate-key", " a\tb ")], &["a", "b"]),
            (&[("surrogate-key", "a,b")], &["a,b"]),
            (&[("cache-tag", "a, b,,c d ")], &["a", "b", "c d"]),
            (&[("cache-tag", "a"), ("cache-tag", "b")], &["a", "b"]),
            (&[("surrogate-key", "a b"), ("cache-tag", "b,B")], &["a", "b", "B"]),
            (&[("surrogate-key", ""), ("cache-tag", ",")], &[]),
            (&[], &[]),
        ];
        for (fields, expected) in rows {
            assert_eq!(tags(&headers(fields)), expected, "{fields:?}");
        }
    }
}
