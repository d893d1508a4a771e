//! Entity-tags of packed bodies: a fixed suffix within the quotes of the origin's strong tag.
//!
//! So each coding has a strong tag of its own (RFC 9110 §8.8.3.3), and the way back needs no
//! store: what a client names is told apart from what the origin calls it by the tag alone. A tag
//! of the origin's that happens to end so gets one more suffix, that of the plain bytes. Weak tags
//! name no bytes (§8.8.1), and stay as they are in every coding.

use http::HeaderValue;

use super::coding::Coding;

/// Tells the plain bytes of a tag that ends like one of ours.
const PLAIN: &[u8] = b"--id";

/// A client's strong entity-tag, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Coded<'a> {
    /// The origin's tag, with its opening quote and without its closing one.
    origin: &'a [u8],
    /// How the bytes are packed that it names.
    pub coding: Option<Coding>,
}

impl Coded<'_> {
    /// Takes a tag apart; `None` where it is weak or malformed, and so says nothing of codings.
    #[must_use]
    pub fn of(tag: &[u8]) -> Option<Coded<'_>> {
        let open = open(tag)?;
        if let Some(origin) = open.strip_suffix(PLAIN) {
            return Some(Coded { origin, coding: None });
        }
        let packed = Coding::ALL.into_iter().find_map(|coding| {
            let origin = open.strip_suffix(suffix(coding))?;
            Some(Coded { origin, coding: Some(coding) })
        });
        Some(packed.unwrap_or(Coded { origin: open, coding: None }))
    }

    /// The tag as the origin writes it.
    #[must_use]
    pub fn to_origin(self) -> Vec<u8> {
        [self.origin, b"\""].concat()
    }

    /// Whether it is the origin's `tag`, packed or not.
    #[must_use]
    pub fn names(self, tag: &[u8]) -> bool {
        open(tag) == Some(self.origin)
    }
}

/// The origin's tag as clients see it beside bytes that are packed so; `None` where it stays as
/// it is.
#[must_use]
pub fn for_clients(tag: &[u8], coding: Option<Coding>) -> Option<HeaderValue> {
    let open = open(tag)?;
    let suffix = match coding {
        Some(coding) => suffix(coding),
        None if ends_like_ours(open) => PLAIN,
        None => return None,
    };
    HeaderValue::from_bytes(&[open, suffix, b"\""].concat()).ok()
}

fn ends_like_ours(open: &[u8]) -> bool {
    open.ends_with(PLAIN) || Coding::ALL.into_iter().any(|it| open.ends_with(suffix(it)))
}

const fn suffix(coding: Coding) -> &'static [u8] {
    match coding {
        Coding::Zstd => b"--zstd",
        Coding::Brotli => b"--br",
        Coding::Gzip => b"--gzip",
    }
}

/// A strong, well-formed tag without its closing quote.
fn open(tag: &[u8]) -> Option<&[u8]> {
    let open = tag.strip_suffix(b"\"")?;
    let content = open.strip_prefix(b"\"")?;
    (!content.contains(&b'"')).then_some(open)
}

#[cfg(test)]
mod tests {
    use proptest::{
        collection::vec,
        prelude::{Strategy, any},
        prop_assert_eq, proptest,
    };

    use super::{Coded, for_clients};
    use crate::policy::coding::Coding;

    fn written(tag: &str, coding: Option<Coding>) -> String {
        let value = for_clients(tag.as_bytes(), coding);
        value.map_or_else(|| tag.to_owned(), |it| it.to_str().unwrap().to_owned())
    }

    #[test]
    fn each_coding_has_a_strong_tag_of_its_own() {
        let rows = [
            ("\"a\"", None, "\"a\""),
            ("\"a\"", Some(Coding::Gzip), "\"a--gzip\""),
            ("\"a\"", Some(Coding::Brotli), "\"a--br\""),
            ("\"a\"", Some(Coding::Zstd), "\"a--zstd\""),
            ("\"\"", Some(Coding::Gzip), "\"--gzip\""),
            ("\"a--gzip\"", None, "\"a--gzip--id\""),
            ("\"a--id\"", None, "\"a--id--id\""),
            ("\"a--gzip\"", Some(Coding::Gzip), "\"a--gzip--gzip\""),
            ("W/\"a\"", Some(Coding::Gzip), "W/\"a\""),
            ("W/\"a--gzip\"", None, "W/\"a--gzip\""),
            ("a--gzip", None, "a--gzip"),
            ("\"a", Some(Coding::Gzip), "\"a"),
            ("\"", Some(Coding::Gzip), "\""),
        ];
        for (tag, coding, expected) in rows {
            assert_eq!(written(tag, coding), expected, "RFC 9110 §8.8.3.3: {tag} as {coding:?}");
        }
    }

    #[test]
    fn what_says_nothing_of_codings_is_left_alone() {
        for tag in ["W/\"a--gzip\"", "*", "a--gzip", "\"a--gzip", "\"", "", "\"a\"b--gzip\""] {
            assert_eq!(Coded::of(tag.as_bytes()), None, "RFC 9110 §8.8.1: {tag}");
        }
    }

    #[test]
    fn a_tag_is_recognised_in_any_coding() {
        let coded = Coded::of(b"\"a--br\"").unwrap();
        assert!(coded.names(b"\"a\"") && !coded.names(b"\"b\"") && !coded.names(b"W/\"a\""));
    }

    proptest! {
        #[test]
        fn the_way_back_finds_the_origins_tag(
            content in vec(any::<u8>().prop_filter("etagc", |it| *it > b'#' && *it != 0x7f), 0..8),
            ending in proptest::sample::select(vec!["", "--gzip", "--br", "--zstd", "--id"]),
            coding in proptest::sample::select(vec![
                None, Some(Coding::Gzip), Some(Coding::Brotli), Some(Coding::Zstd),
            ]),
        ) {
            let tag = [b"\"", &content[..], ending.as_bytes(), b"\""].concat();
            let sent = for_clients(&tag, coding).map_or(tag.clone(), |it| it.as_bytes().to_vec());
            let coded = Coded::of(&sent).unwrap();
            prop_assert_eq!(coded.to_origin(), tag);
            prop_assert_eq!(coded.coding, coding);
        }
    }
}
