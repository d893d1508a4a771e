//! Tags by which an operator purges: `Surrogate-Key`, as Fastly and Varnish's xkey read it, and
//! `Cache-Tag`, as Cloudflare and Akamai do. Both are used up here, by the cache that they address.

use http::{HeaderMap, HeaderName};

use super::field;

/// Tags with spaces between them.
pub const SURROGATE_KEY: HeaderName = HeaderName::from_static("surrogate-key");

/// Tags with commas between them.
pub const CACHE_TAG: HeaderName = HeaderName::from_static("cache-tag");

/// The most tags of one response that are read: a few more than the store tells apart, so that it
/// knows that there are too many. Each is compared with all before it.
const MOST: usize = 128;

/// The tags of a response, each once, and no more than 128. Compared character by character, as
/// cache groups are.
#[must_use]
pub fn tags(headers: &HeaderMap) -> Vec<String> {
    // Most have none, and to see that costs less than to look for each.
    if !headers.keys().any(|name| *name == SURROGATE_KEY || *name == CACHE_TAG) {
        return Vec::new();
    }
    let spaced = field::lines(headers, SURROGATE_KEY).flat_map(|line| line.split(is_space));
    let mut tags: Vec<String> = Vec::new();
    for tag in spaced.chain(field::members(headers, CACHE_TAG)) {
        if tags.len() == MOST {
            break;
        }
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

    #[test]
    fn so_many_tags_that_comparing_them_takes_long_are_not_all_read() {
        let many: Vec<String> = (0..10_000).map(|n| n.to_string()).collect();
        let fields = [("surrogate-key", &*many.join(" ")), ("cache-tag", &*many.join(","))];
        let found = tags(&headers(&fields));
        assert_eq!(found, many[..128], "more than the 64 that are told apart");
    }
}
