//! Entity-tags of recoded bodies, and of what is cut out of them: a suffix within the quotes of the
//! origin's strong tag, that of the shape before that of the coding.
//!
//! So each form has a strong tag of its own (RFC 9110 §8.8.3.3), and the way back needs no store:
//! what a client names is told apart from what the origin calls it by the tag alone. A tag of the
//! origin's that happens to end so gets one more suffix, that of the bytes as they came. Weak tags
//! name no bytes (§8.8.1), and stay as they are in every form.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header};

use super::{
    coding::{Accepts, Coding},
    encoding::{Form, Given},
};

/// Tells the bytes as they came, of a tag that ends like one of ours.
const AS_IT_CAME: &[u8] = b"--id";

/// Every suffix but that.
const SUFFIXES: [(&[u8], Kind); 4] = [
    (b"--zstd", Kind::Packed(Coding::Zstd)),
    (b"--br", Kind::Packed(Coding::Brotli)),
    (b"--gzip", Kind::Packed(Coding::Gzip)),
    (b"--plain", Kind::Unpacked),
];

/// What tells a shape: this, and a [`ShapeTag`].
const SHAPE: &[u8] = b"--s";

/// Tells a packed body that is no shape, of a tag that ends as if it were one.
const NO_SHAPE: &[u8] = b"--none";

/// The name of a shape within an entity-tag: hexadecimal digits.
pub type ShapeTag = [u8; 16];

/// What a tag says of the form of the bytes that it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// They are as they came.
    AsItCame,
    /// They were packed here.
    Packed(Coding),
    /// They were unpacked here.
    Unpacked,
}

/// A client's strong entity-tag, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Coded<'a> {
    /// The origin's tag, with its opening quote and without its closing one.
    origin: &'a [u8],
    /// What is cut out of the body, if anything.
    pub shape: Option<ShapeTag>,
    /// Which form it names.
    pub kind: Kind,
}

impl Coded<'_> {
    /// Takes a tag apart; `None` where it is weak or malformed, and so says nothing of forms.
    #[must_use]
    pub fn of(tag: &[u8]) -> Option<Coded<'_>> {
        let open = open(tag)?;
        if let Some(origin) = open.strip_suffix(AS_IT_CAME) {
            return Some(Coded { origin, shape: None, kind: Kind::AsItCame });
        }
        let mut recoded =
            SUFFIXES.iter().filter_map(|(suffix, kind)| Some((open.strip_suffix(*suffix)?, *kind)));
        let (rest, kind) = recoded.next().unwrap_or((open, Kind::AsItCame));
        let escaped = rest.strip_suffix(NO_SHAPE).filter(|_| kind != Kind::AsItCame);
        let (origin, shape) = match (escaped, split_shape(rest)) {
            (Some(origin), _) => (origin, None),
            (None, Some((origin, shape))) => (origin, Some(shape)),
            (None, None) => (rest, None),
        };
        Some(Coded { origin, shape, kind })
    }

    /// The tag of the whole, as the origin writes it.
    #[must_use]
    pub fn to_origin(self) -> Vec<u8> {
        [self.origin, b"\""].concat()
    }

    /// Whether it is the origin's `tag` in any form of the whole, by the weak comparison
    /// (§8.8.3.2).
    #[must_use]
    pub fn names(self, tag: &[u8]) -> bool {
        self.shape.is_none() && open(tag.strip_prefix(b"W/").unwrap_or(tag)) == Some(self.origin)
    }

    /// Whether who asks takes the form that it names, of what is such a response: to another one
    /// no 304 may say that these bytes are what it asks for.
    #[must_use]
    pub fn is_taken(self, given: Given, request: &HeaderMap) -> bool {
        match (self.kind, given) {
            (Kind::Packed(coding), _) | (Kind::AsItCame, Given::Packed(coding)) => {
                Accepts::of(request).takes(coding)
            }
            (Kind::AsItCame | Kind::Unpacked, _) => true,
        }
    }
}

/// The origin's tag as clients see it beside bytes of this form; `None` where it stays as it is.
#[must_use]
pub fn for_clients(tag: &[u8], form: Form) -> Option<HeaderValue> {
    let kind = match form {
        Form::Packed(coding) => Kind::Packed(coding),
        Form::Unpacked(_) => Kind::Unpacked,
        Form::AsItCame => Kind::AsItCame,
    };
    HeaderValue::from_maybe_shared(Bytes::from(spelled(open(tag)?, kind)?)).ok()
}

/// Makes a response's tag that of a shape of its body, whichever form that has.
pub fn write_shape(response: &mut HeaderMap, shape: ShapeTag) {
    let Some(tag) = response.get(header::ETAG) else { return };
    let Some(coded) = Coded::of(tag.as_bytes()) else { return };
    let tag = [coded.origin, SHAPE, &shape, suffix(coded.kind), b"\""].concat();
    if let Ok(tag) = HeaderValue::from_maybe_shared(Bytes::from(tag)) {
        response.insert(header::ETAG, tag);
    }
}

/// A client's tag as it would be of the whole, for a request for this shape; `None` where it names
/// something else. What is weak says nothing of shapes, and stays.
#[must_use]
pub fn of_whole(tag: &[u8], shape: ShapeTag) -> Option<Vec<u8>> {
    let Some(coded) = Coded::of(tag) else { return Some(tag.to_vec()) };
    let whole = || spelled(coded.origin, coded.kind).unwrap_or_else(|| coded.to_origin());
    (coded.shape == Some(shape)).then(whole)
}

/// A tag without its closing quote, as clients see it beside bytes of this kind; `None` where it
/// stays as it is.
fn spelled(open: &[u8], kind: Kind) -> Option<Vec<u8>> {
    let escape: &[u8] = match kind {
        Kind::AsItCame if ends_like_ours(open) => AS_IT_CAME,
        Kind::AsItCame => return None,
        Kind::Packed(_) | Kind::Unpacked
            if open.ends_with(NO_SHAPE) || split_shape(open).is_some() =>
        {
            NO_SHAPE
        }
        Kind::Packed(_) | Kind::Unpacked => b"",
    };
    Some([open, escape, suffix(kind), b"\""].concat())
}

fn suffix(kind: Kind) -> &'static [u8] {
    let found = SUFFIXES.iter().find(|(_, known)| *known == kind);
    found.map_or(b"", |(suffix, _)| suffix)
}

/// A tag without its closing quote, and the shape that it ends with.
fn split_shape(open: &[u8]) -> Option<(&[u8], ShapeTag)> {
    let (rest, shape) = open.split_last_chunk::<16>()?;
    let is_digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let origin = rest.strip_suffix(SHAPE)?;
    shape.iter().all(is_digit).then_some((origin, *shape))
}

/// Whether clients see a response's tag in another spelling even beside the bytes as they came.
#[must_use]
pub fn is_escaped(response: &HeaderMap) -> bool {
    let tag = response.get(header::ETAG).and_then(|tag| open(tag.as_bytes()));
    tag.is_some_and(ends_like_ours)
}

/// Writes a response's tag as clients see it beside bytes of this form.
pub fn write(response: &mut HeaderMap, form: Form) {
    let tag = response.get(header::ETAG);
    if let Some(tag) = tag.and_then(|tag| for_clients(tag.as_bytes(), form)) {
        response.insert(header::ETAG, tag);
    }
}

fn ends_like_ours(open: &[u8]) -> bool {
    // Every suffix has this in it; few tags of origins do.
    let dashes = open.len().saturating_sub(SHAPE.len() + size_of::<ShapeTag>());
    open[dashes..].windows(2).any(|pair| pair == b"--")
        && (split_shape(open).is_some()
            || open.ends_with(AS_IT_CAME)
            || SUFFIXES.iter().any(|(suffix, _)| open.ends_with(suffix)))
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
        prop_assert, prop_assert_eq, proptest,
    };

    use super::{Coded, Kind, for_clients, of_whole, write_shape};
    use crate::policy::{
        coding::Coding,
        encoding::{Form, Given},
        fixtures::headers,
    };

    const GZIP: Form = Form::Packed(Coding::Gzip);

    fn written(tag: &str, form: Form) -> String {
        let value = for_clients(tag.as_bytes(), form);
        value.map_or_else(|| tag.to_owned(), |it| it.to_str().unwrap().to_owned())
    }

    #[test]
    fn each_form_has_a_strong_tag_of_its_own() {
        let rows = [
            ("\"a\"", Form::AsItCame, "\"a\""),
            ("\"a\"", GZIP, "\"a--gzip\""),
            ("\"a\"", Form::Packed(Coding::Brotli), "\"a--br\""),
            ("\"a\"", Form::Packed(Coding::Zstd), "\"a--zstd\""),
            ("\"a\"", Form::Unpacked(Coding::Gzip), "\"a--plain\""),
            ("\"\"", GZIP, "\"--gzip\""),
            ("\"a--gzip\"", Form::AsItCame, "\"a--gzip--id\""),
            ("\"--plain\"", Form::AsItCame, "\"--plain--id\""),
            ("\"a--id\"", Form::AsItCame, "\"a--id--id\""),
            ("\"a--gzip\"", GZIP, "\"a--gzip--gzip\""),
            ("W/\"a\"", GZIP, "W/\"a\""),
            ("W/\"a--gzip\"", Form::AsItCame, "W/\"a--gzip\""),
            ("a--gzip", Form::AsItCame, "a--gzip"),
            ("\"a", GZIP, "\"a"),
            ("\"", GZIP, "\""),
        ];
        for (tag, form, expected) in rows {
            assert_eq!(written(tag, form), expected, "RFC 9110 §8.8.3.3: {tag} as {form:?}");
        }
    }

    #[test]
    fn what_says_nothing_of_forms_is_left_alone() {
        for tag in ["W/\"a--gzip\"", "*", "a--gzip", "\"a--gzip", "\"", "", "\"a\"b--gzip\""] {
            assert_eq!(Coded::of(tag.as_bytes()), None, "RFC 9110 §8.8.1: {tag}");
        }
    }

    #[test]
    fn a_tag_is_recognised_in_any_form() {
        let coded = Coded::of(b"\"a--br\"").unwrap();
        assert!(coded.names(b"\"a\"") && coded.names(b"W/\"a\"") && !coded.names(b"\"b\""));
        assert!(!coded.names(b"\"a--br\""), "an origin's tag that ends so is another");
    }

    #[test]
    fn a_tag_counts_where_its_form_is_taken() {
        let gzip = Given::Packed(Coding::Gzip);
        let rows = [
            ("\"a\"", Given::Plain, "br", true),
            ("\"a--gzip\"", Given::Plain, "gzip, br", true),
            ("\"a--gzip\"", Given::Plain, "br", false),
            ("\"a--gzip\"", Given::Fixed, "", false),
            ("\"a\"", gzip, "gzip", true),
            ("\"a\"", gzip, "br", false),
            ("\"a--plain\"", gzip, "", true),
        ];
        for (tag, given, accept, taken) in rows {
            let asked = headers(&[("accept-encoding", accept)]);
            let coded = Coded::of(tag.as_bytes()).unwrap();
            let why = "RFC 9110 §13.1.2: the selected representation's tag is compared";
            assert_eq!(coded.is_taken(given, &asked), taken, "{tag} of {given:?}: {why}");
        }
    }

    proptest! {
        #[test]
        fn the_way_back_finds_the_origins_tag(
            content in vec(any::<u8>().prop_filter("etagc", |it| *it > b'#' && *it != 0x7f), 0..8),
            ending in proptest::sample::select(
                vec![
                    "", "--gzip", "--br", "--zstd", "--id", "--plain", "-", "--none",
                    "--s0123456789abcdef", "--s0123456789abcdef--gzip", "--none--br",
                ],
            ),
            form in proptest::sample::select(vec![
                Form::AsItCame, GZIP, Form::Packed(Coding::Brotli), Form::Packed(Coding::Zstd),
                Form::Unpacked(Coding::Gzip),
            ]),
        ) {
            let tag = [b"\"", &content[..], ending.as_bytes(), b"\""].concat();
            let sent = for_clients(&tag, form).map_or(tag.clone(), |it| it.as_bytes().to_vec());
            let coded = Coded::of(&sent).unwrap();
            prop_assert_eq!(coded.to_origin(), &tag[..]);
            prop_assert_eq!(coded.kind == Kind::AsItCame, form == Form::AsItCame);
            prop_assert_eq!(coded.shape, None);
            prop_assert!(coded.names(&tag));

            let mut response = headers(&[]);
            response.insert("etag", http::HeaderValue::from_bytes(&sent).unwrap());
            write_shape(&mut response, *b"00000000deadbeef");
            let shaped = response["etag"].as_bytes();
            let coded = Coded::of(shaped).unwrap();
            prop_assert_eq!(coded.to_origin(), &tag[..]);
            prop_assert_eq!(coded.shape, Some(*b"00000000deadbeef"));
            prop_assert_eq!(coded.kind == Kind::AsItCame, form == Form::AsItCame);
            prop_assert!(!coded.names(&tag), "the whole is another representation");
            prop_assert_eq!(of_whole(shaped, *b"00000000deadbeef"), Some(sent));
            prop_assert_eq!(of_whole(shaped, *b"10000000deadbeef"), None);
        }
    }
}
