//! Entity-tags as bytes (RFC 9110 §8.8.3), as malformed as they come.
//!
//! Origins and clients exist that leave out the quotes, or one of them; such a tag is compared as it
//! stands, and is never strong: no suffix of ours tells the forms of a body apart by it.

use super::validation::OWN_TAG;

/// Compares by the weak function (RFC 9110 §8.8.3.2).
pub(super) fn weakly_equal(one: &[u8], other: &[u8]) -> bool {
    opaque(one) == opaque(other)
}

/// Compares by the strong function (RFC 9110 §8.8.3.2).
pub(super) fn strongly_equal(one: &[u8], other: &[u8]) -> bool {
    is_strong(one) && one == other
}

/// Whether it names the bytes themselves (RFC 9110 §8.8.1).
pub(super) fn is_strong(tag: &[u8]) -> bool {
    let content = tag.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\""));
    content.is_some_and(|content| !content.contains(&b'"'))
}

/// Whether Larder made it, and no origin knows it.
pub(super) fn is_own(tag: &[u8]) -> bool {
    opaque(tag).starts_with(OWN_TAG.as_bytes())
}

/// The tags in the lines of a list; `*` is one of them, what is malformed too.
pub(super) fn list<'a>(lines: impl Iterator<Item = &'a [u8]>) -> impl Iterator<Item = &'a [u8]> {
    lines.flat_map(|line| Tags { rest: line })
}

pub(super) fn opaque(tag: &[u8]) -> &[u8] {
    tag.strip_prefix(b"W/").unwrap_or(tag)
}

/// The members of one line. A comma within quotes belongs to the tag, and there are no escapes.
struct Tags<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Tags<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let start = self.rest.iter().position(|byte| !matches!(byte, b' ' | b'\t' | b','))?;
        let (tag, rest) = self.rest[start..].split_at(length(&self.rest[start..]));
        self.rest = rest;
        Some(tag.trim_ascii_end())
    }
}

fn length(text: &[u8]) -> usize {
    let quoted = quoted_length(text).unwrap_or(0);
    let rest = text[quoted..].iter().position(|byte| *byte == b',');
    quoted + rest.unwrap_or(text.len() - quoted)
}

fn quoted_length(text: &[u8]) -> Option<usize> {
    let content = opaque(text).strip_prefix(b"\"")?;
    let close = content.iter().position(|byte| *byte == b'"')?;
    Some(text.len() - content.len() + close + 1)
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::any, proptest};

    use super::{is_own, is_strong, list, strongly_equal, weakly_equal};

    #[test]
    fn a_list_of_tags_is_taken_apart() {
        let rows: [(&str, &[&str]); 9] = [
            ("\"a\"", &["\"a\""]),
            ("\"a\", W/\"b\"", &["\"a\"", "W/\"b\""]),
            ("\"a,b\" ,\"c\"", &["\"a,b\"", "\"c\""]),
            ("*", &["*"]),
            (" , ,\"a\",,", &["\"a\""]),
            ("a, b", &["a", "b"]),
            ("\"a", &["\"a"]),
            ("\"a\"x, \"b\"", &["\"a\"x", "\"b\""]),
            ("", &[]),
        ];
        for (line, expected) in rows {
            let tags: Vec<_> = list([line.as_bytes()].into_iter()).collect();
            let expected: Vec<_> = expected.iter().map(|tag| tag.as_bytes()).collect();
            assert_eq!(tags, expected, "RFC 9110 §13.1.2: {line}");
        }
    }

    #[test]
    fn tags_compare_as_the_table_says() {
        let rows = [
            ("W/\"1\"", "W/\"1\"", false, true),
            ("W/\"1\"", "W/\"2\"", false, false),
            ("W/\"1\"", "\"1\"", false, true),
            ("\"1\"", "\"1\"", true, true),
            ("1", "1", false, true),
            ("1", "\"1\"", false, false),
            ("\"1", "\"1", false, true),
            ("\"", "\"", false, true),
            ("\"1\"2\"", "\"1\"2\"", false, true),
            ("\"\"", "\"\"", true, true),
        ];
        for (one, other, strong, weak) in rows {
            let (one, other) = (one.as_bytes(), other.as_bytes());
            assert_eq!(strongly_equal(one, other), strong, "RFC 9110 §8.8.3.2: {one:?} {other:?}");
            assert_eq!(weakly_equal(one, other), weak, "RFC 9110 §8.8.3.2: {one:?} {other:?}");
        }
    }

    #[test]
    fn our_own_tags_are_known_by_their_prefix() {
        for (tag, own) in [
            ("\"larder-0f\"", true),
            ("W/\"larder-0f\"", true),
            ("\"larder\"", false),
            ("larder-0f", false),
        ] {
            assert_eq!(is_own(tag.as_bytes()), own, "{tag}");
        }
        assert!(!is_strong(b"") && !is_own(b""));
    }

    proptest! {
        #[test]
        fn whatever_the_line_is_its_tags_lie_within(line in vec(any::<u8>(), 0..64)) {
            let total: usize = list([&line[..]].into_iter()).map(<[u8]>::len).sum();
            assert!(total <= line.len());
        }
    }
}
