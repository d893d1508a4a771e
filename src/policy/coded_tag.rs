//! Entity-tags of recoded bodies, and of what is cut out of them: a suffix within the quotes of the
//! origin's strong tag, that of the shape before that of the coding.
//!
//! So each form has a strong tag of its own (RFC 9110 §8.8.3.3), and the way back needs no store:
//! what a client names is told apart from what the origin calls it by the tag alone. What is packed
//! as it comes is flushed as it comes, and so has other bytes each time: its tag has a run besides,
//! that never comes again (§8.8.1: a strong tag names one sequence of bytes). A tag of the origin's
//! that happens to end so gets one more suffix, that of the bytes as they came. Weak tags name no
//! bytes, and are the same in every form, though not of every shape, which is another representation;
//! one that ends like a form of ours is ours, weakened on its way.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header};

use super::{
    coding::{Accepts, Coding},
    encoding::{Choice, Form, Given},
};

/// Tells the bytes as they came, of a tag that ends like one of ours.
const AS_IT_CAME: &[u8] = b"--id";

/// Every suffix.
const SUFFIXES: [(&[u8], Kind); 5] = [
    (b"--zstd", Kind::Packed(Coding::Zstd)),
    (b"--br", Kind::Packed(Coding::Brotli)),
    (b"--gzip", Kind::Packed(Coding::Gzip)),
    (b"--plain", Kind::Unpacked),
    (AS_IT_CAME, Kind::AsItCame),
];

/// The digits of a run, after a dot.
const RUN: usize = 16;

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

impl Kind {
    /// How much who asks likes the form that it names, of what it may choose so; 0: to another
    /// one no 304 may say that these bytes are what it asks for. What it would be sent is never so,
    /// though it refuses that.
    #[must_use]
    pub fn weight(self, choice: Choice<'_>, accepts: Accepts) -> u16 {
        let coding = self.coding(choice.given);
        let sent = || Kind::from(choice.form(accepts)).coding(choice.given);
        match coding.map_or_else(|| accepts.plain(), |coding| accepts.weight(coding)) {
            0 if sent() == coding => 1,
            weight => weight,
        }
    }

    /// How the bytes are packed that it names, of what is such a response.
    fn coding(self, given: Given) -> Option<Coding> {
        match (self, given) {
            (Kind::Packed(coding), _) | (Kind::AsItCame, Given::Packed(coding)) => Some(coding),
            (Kind::AsItCame | Kind::Unpacked, _) => None,
        }
    }
}

impl From<Form> for Kind {
    fn from(form: Form) -> Kind {
        match form {
            Form::Packed(coding) => Kind::Packed(coding),
            Form::Unpacked(_) => Kind::Unpacked,
            Form::AsItCame => Kind::AsItCame,
        }
    }
}

/// A client's entity-tag, taken apart.
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
    /// Takes a tag apart; `None` where it is malformed, and so says nothing of forms.
    #[must_use]
    pub fn of(tag: &[u8]) -> Option<Coded<'_>> {
        let open = open(tag)?;
        if let Some(origin) = open.strip_suffix(AS_IT_CAME) {
            return Some(Coded { origin, shape: None, kind: Kind::AsItCame });
        }
        let (rest, kind) = apart(open).unwrap_or((open, Kind::AsItCame));
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
        self.shape.is_none() && open(tag).is_some_and(|open| opaque(open) == opaque(self.origin))
    }
}

/// The origin's tag as clients see it beside bytes of this form; `None` where it stays as it is.
#[must_use]
pub fn for_clients(tag: &[u8], form: Form) -> Option<HeaderValue> {
    HeaderValue::from_maybe_shared(Bytes::from(spelled(open(tag)?, form.into())?)).ok()
}

/// Makes a response's tag that of a shape of its body, whichever form that has.
pub fn write_shape(response: &mut HeaderMap, shape: ShapeTag) {
    let Some(tag) = response.get(header::ETAG) else { return };
    let Some(coded) = Coded::of(tag.as_bytes()) else { return };
    let tag =
        [coded.origin, SHAPE, &shape, suffix(coded.kind), run(tag.as_bytes()), b"\""].concat();
    if let Ok(tag) = HeaderValue::from_maybe_shared(Bytes::from(tag)) {
        response.insert(header::ETAG, tag);
    }
}

/// A client's tag as it would be of the whole, for a request for this shape; `None` where it names
/// something else. It stays that of one run, if it is: what comes of it names the bytes that its
/// client has.
#[must_use]
pub fn of_whole(tag: &[u8], shape: ShapeTag) -> Option<Vec<u8>> {
    if tag == b"*" {
        return Some(tag.to_vec());
    }
    let coded = Coded::of(tag)?;
    (coded.shape == Some(shape)).then(|| {
        // One that is weak and tells a form was made weak on its way.
        let strong = opaque(coded.origin);
        let weak = &coded.origin[..coded.origin.len() - strong.len()];
        let whole = spelled(strong, coded.kind).unwrap_or_else(|| [strong, b"\""].concat());
        let open = whole.strip_suffix(b"\"").unwrap_or(&whole);
        [weak, open, run(tag), b"\""].concat()
    })
}

/// A tag without its closing quote, as clients see it beside bytes of this kind; `None` where it
/// stays as it is.
fn spelled(open: &[u8], kind: Kind) -> Option<Vec<u8>> {
    // Weak tags name no bytes, and are the same in every form.
    let kind = if is_strong(open) { kind } else { Kind::AsItCame };
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
    let found = SUFFIXES.iter().find(|(_, known)| *known == kind && kind != Kind::AsItCame);
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
    response.get(header::ETAG).is_some_and(|tag| is_escaped_tag(tag.as_bytes()))
}

/// The same of a tag.
pub(super) fn is_escaped_tag(tag: &[u8]) -> bool {
    // Few tags have what each of our ends begins with, and to see that costs less than to read them.
    has_dash(tag) && open(tag).is_some_and(ends_like_ours)
}

/// Whether a tag is well-formed, strong, and that of bytes as they came, both here and there.
#[must_use]
pub fn is_as_it_came(tag: &[u8]) -> bool {
    open(tag).is_some_and(|open| is_strong(open) && !ends_like_ours(open))
}

/// Writes a response's tag as clients see it beside bytes of this form.
pub fn write(response: &mut HeaderMap, form: Form) {
    let tag = response.get(header::ETAG);
    if let Some(tag) = tag.and_then(|tag| for_clients(tag.as_bytes(), form)) {
        response.insert(header::ETAG, tag);
    }
}

/// Makes the strong tag of a packed body that of one run of its encoder.
pub fn write_run(response: &mut HeaderMap, run: u64) {
    let tag = response.get(header::ETAG).and_then(|tag| open(tag.as_bytes()));
    let Some(tag) = tag.filter(|open| is_strong(open)) else { return };
    let tag = [tag, format!(".{run:016x}\"").as_bytes()].concat();
    if let Ok(tag) = HeaderValue::from_maybe_shared(Bytes::from(tag)) {
        response.insert(header::ETAG, tag);
    }
}

fn ends_like_ours(open: &[u8]) -> bool {
    has_dash(open) && (apart(open).is_some() || split_shape(open).is_some())
}

/// Whether a tag has a dash, as few have. To look at all of it takes less than to stop at the first:
/// many bytes are compared at a time.
fn has_dash(tag: &[u8]) -> bool {
    tag.iter().fold(false, |any, byte| any | (*byte == b'-'))
}

/// What ends like one of ours: the rest, and the form.
fn apart(open: &[u8]) -> Option<(&[u8], Kind)> {
    if !has_dash(open) {
        return None;
    }
    let dashes = open.windows(2).rposition(|pair| pair == b"--")?;
    let (origin, suffix) = open.split_at(dashes);
    let kind = |suffix| SUFFIXES.iter().find(|it| it.0 == suffix).map(|it| it.1);
    let of_run = || kind(without_run(suffix)?).filter(|it| matches!(it, Kind::Packed(_)));
    kind(suffix).or_else(of_run).map(|kind| (origin, kind))
}

/// The run that a well-formed tag ends with, its dot included; empty where it has none.
fn run(tag: &[u8]) -> &[u8] {
    let of_run = |open: &&[u8]| without_run(open).is_some() && apart(open).is_some();
    open(tag).filter(of_run).map_or(b"", |open| &open[open.len() - RUN - 1..])
}

fn without_run(suffix: &[u8]) -> Option<&[u8]> {
    let (suffix, run) = suffix.split_at_checked(suffix.len().checked_sub(RUN)?)?;
    let is_digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    suffix.strip_suffix(b".").filter(|_| run.iter().all(is_digit))
}

/// A well-formed tag without its closing quote.
fn open(tag: &[u8]) -> Option<&[u8]> {
    let open = tag.strip_suffix(b"\"")?;
    let content = opaque(open).strip_prefix(b"\"")?;
    (!content.contains(&b'"')).then_some(open)
}

fn is_strong(open: &[u8]) -> bool {
    open.starts_with(b"\"")
}

fn opaque(tag: &[u8]) -> &[u8] {
    tag.strip_prefix(b"W/").unwrap_or(tag)
}

#[cfg(test)]
mod tests {
    use proptest::{
        collection::vec,
        prelude::{Strategy, any},
        prop_assert, prop_assert_eq, proptest,
    };

    use super::{Coded, Kind, for_clients, of_whole, write_run, write_shape};
    use crate::policy::{
        coding::{Accepts, Coding},
        encoding::{Choice, Form, Given, Packing},
        fixtures::headers,
    };

    const GZIP: Form = Form::Packed(Coding::Gzip);

    fn choice(given: Given, packing: &Packing, length: Option<u64>) -> Choice<'_> {
        Choice { given, packing, length, unpacked: false }
    }

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
            ("\"a--gzip.0123456789abcdef\"", Form::AsItCame, "\"a--gzip.0123456789abcdef--id\""),
            ("\"a--gzip.123456789abcdef\"", Form::AsItCame, "\"a--gzip.123456789abcdef\""),
            ("\"a--plain.0123456789abcdef\"", Form::AsItCame, "\"a--plain.0123456789abcdef\""),
            ("W/\"a\"", GZIP, "W/\"a\""),
            ("W/\"a--gzip\"", Form::AsItCame, "W/\"a--gzip--id\""),
            ("W/\"a--gzip\"", GZIP, "W/\"a--gzip--id\""),
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
        for tag in ["w/\"a--gzip\"", "*", "a--gzip", "\"a--gzip", "\"", "", "\"a\"b--gzip\""] {
            assert_eq!(Coded::of(tag.as_bytes()), None, "RFC 9110 §8.8.1: {tag}");
        }
    }

    #[test]
    fn a_tag_is_recognised_in_any_form() {
        let coded = Coded::of(b"\"a--br\"").unwrap();
        assert!(coded.names(b"\"a\"") && coded.names(b"W/\"a\"") && !coded.names(b"\"b\""));
        assert!(!coded.names(b"\"a--br\""), "an origin's tag that ends so is another");
        let weakened = Coded::of(b"W/\"a--br\"").unwrap();
        assert_eq!(weakened.kind, Kind::Packed(Coding::Brotli), "RFC 9110 §13.1.2: weakly equal");
        assert!(weakened.names(b"\"a\"") && weakened.to_origin() == b"W/\"a\"");
    }

    #[test]
    fn each_run_has_a_tag_of_its_own() {
        let mut head = headers(&[("etag", "\"a--gzip\"")]);
        write_run(&mut head, 0xabc);
        assert_eq!(head, headers(&[("etag", "\"a--gzip.0000000000000abc\"")]), "§8.8.1");
        let coded = Coded::of(b"\"a--gzip.0000000000000abc\"").unwrap();
        assert_eq!(
            (coded.kind, coded.to_origin()),
            (Kind::Packed(Coding::Gzip), b"\"a\"".to_vec())
        );
        for weak in [headers(&[("etag", "W/\"a\"")]), headers(&[])] {
            let mut head = weak.clone();
            write_run(&mut head, 1);
            assert_eq!(head, weak, "what names no bytes has no run");
        }
    }

    #[test]
    fn a_tag_counts_where_its_form_is_taken() {
        let gzip = Given::Packed(Coding::Gzip);
        let rows = [
            ("\"a\"", Given::Plain, "br", 1),
            ("\"a\"", Given::Plain, "br, identity;q=0.5", 500),
            ("\"a\"", Given::Plain, "br, identity;q=0", 0),
            ("\"a\"", Given::Plain, "identity;q=0", 1),
            ("\"a\"", Given::Fixed, "br, identity;q=0", 1),
            ("\"a--gzip\"", Given::Plain, "gzip, br", 1000),
            ("\"a--gzip\"", Given::Plain, "br", 0),
            ("\"a--gzip\"", Given::Fixed, "", 0),
            ("\"a\"", gzip, "gzip;q=0.2", 200),
            ("\"a\"", gzip, "br", 0),
            ("\"a--plain\"", gzip, "", 1),
            ("\"a--plain\"", gzip, "gzip, identity;q=0", 0),
        ];
        for (tag, given, accept, weight) in rows {
            let accepts = Accepts::of(&headers(&[("accept-encoding", accept)]));
            let coded = Coded::of(tag.as_bytes()).unwrap();
            let why = "RFC 9110 §13.1.2: the selected representation's tag is compared";
            let packing = Packing::default();
            let weighed = coded.kind.weight(choice(given, &packing, None), accepts);
            assert_eq!(weighed, weight, "{tag} of {given:?}: {why}");
        }
    }

    #[test]
    fn the_tag_of_what_would_be_sent_counts_though_that_is_refused() {
        let gzip = Given::Packed(Coding::Gzip);
        let (on, off) = (Packing::default(), Packing { encodings: vec![], ..Packing::default() });
        let rows = [
            ("\"a\"", Given::Plain, &on, Some(1023), "gzip, identity;q=0", 1),
            ("\"a\"", Given::Plain, &on, Some(1024), "gzip, identity;q=0", 0),
            ("\"a\"", Given::Plain, &on, None, "gzip, identity;q=0", 0),
            ("\"a\"", Given::Plain, &off, Some(1024), "gzip, *;q=0", 1),
            ("\"a--plain\"", Given::Plain, &off, Some(1024), "gzip, *;q=0", 1),
            ("\"a--gzip\"", Given::Plain, &off, Some(1024), "br, identity;q=0", 0),
            ("\"a--plain\"", gzip, &off, Some(1024), "br, identity;q=0", 1),
            ("\"a--plain\"", gzip, &on, Some(1024), "br, identity;q=0", 0),
            ("\"a\"", gzip, &off, Some(1024), "br, identity;q=0", 0),
        ];
        for (tag, given, packing, length, accept, weight) in rows {
            let accepts = Accepts::of(&headers(&[("accept-encoding", accept)]));
            let coded = Coded::of(tag.as_bytes()).unwrap();
            let weighed = coded.kind.weight(choice(given, packing, length), accepts);
            let why = "RFC 9110 §13.1.2, §12.5.3: there is no 406, so this is selected";
            assert_eq!(weighed, weight, "{tag} of {given:?}, {length:?} for {accept}: {why}");
        }
    }

    proptest! {
        #[test]
        fn the_way_back_finds_the_origins_tag(
            content in vec(any::<u8>().prop_filter("etagc", |it| *it > b'#' && *it != 0x7f), 0..8),
            ending in proptest::sample::select(
                vec![
                    "", "--gzip", "--br", "--zstd", "--id", "--plain", "-", "--none",
                    "--br.0123456789abcdef", "--s0123456789abcdef", "--s0123456789abcdef--gzip",
                    "--none--br",
                ],
            ),
            weak in any::<bool>(),
            form in proptest::sample::select(vec![
                Form::AsItCame, GZIP, Form::Packed(Coding::Brotli), Form::Packed(Coding::Zstd),
                Form::Unpacked(Coding::Gzip),
            ]),
        ) {
            let prefix: &[u8] = if weak { b"W/\"" } else { b"\"" };
            let tag = [prefix, &content[..], ending.as_bytes(), b"\""].concat();
            let sent = for_clients(&tag, form).map_or(tag.clone(), |it| it.as_bytes().to_vec());
            let coded = Coded::of(&sent).unwrap();
            prop_assert_eq!(coded.to_origin(), &tag[..]);
            prop_assert_eq!(coded.kind == Kind::AsItCame, weak || form == Form::AsItCame);
            prop_assert_eq!(coded.shape, None);
            prop_assert!(coded.names(&tag));

            let mut response = headers(&[]);
            response.insert("etag", http::HeaderValue::from_bytes(&sent).unwrap());
            write_shape(&mut response, *b"00000000deadbeef");
            let shaped = response["etag"].as_bytes();
            let coded = Coded::of(shaped).unwrap();
            prop_assert_eq!(coded.to_origin(), &tag[..]);
            prop_assert_eq!(coded.shape, Some(*b"00000000deadbeef"));
            prop_assert_eq!(coded.kind == Kind::AsItCame, weak || form == Form::AsItCame);
            prop_assert!(!coded.names(&tag), "the whole is another representation");
            prop_assert_eq!(of_whole(shaped, *b"00000000deadbeef"), Some(sent.clone()));
            prop_assert_eq!(of_whole(shaped, *b"10000000deadbeef"), None);
            prop_assert_eq!(of_whole(&sent, *b"00000000deadbeef"), None);
            if weak {
                return Ok(());
            }
            let weakened = [b"W/", shaped].concat();
            let whole = Some([b"W/", &sent[..]].concat());
            prop_assert_eq!(of_whole(&weakened, *b"00000000deadbeef"), whole, "the same form");

            if let Form::Packed(_) = form {
                response.insert("etag", http::HeaderValue::from_bytes(&sent).unwrap());
                write_run(&mut response, 0xabc);
                let whole = response["etag"].as_bytes().to_vec();
                write_shape(&mut response, *b"00000000deadbeef");
                let shaped = response["etag"].as_bytes();
                let why = "RFC 9110 §8.8.1: the run, and no other bytes";
                prop_assert_eq!(of_whole(shaped, *b"00000000deadbeef"), Some(whole), "{}", why);
            }
        }
    }
}
