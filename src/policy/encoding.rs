//! In which form a body is sent: as it came, packed, or unpacked (RFC 9110 §8.4, §12.5.3).
//!
//! What may be done with a response is worked out once ([`Given`]); what a client gets of it
//! follows from that, from what it accepts, and from the length.

mod glance;

use http::{HeaderMap, HeaderName, HeaderValue, header};

use self::glance::Glance;
use super::{
    cache_control,
    coded_tag::{self, Coded},
    coding::{Accepts, Coding},
    field,
};

/// What the operator says of packing on one route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packing {
    /// The codings that are made, the one liked best first; none at all is off.
    pub encodings: Vec<Coding>,
    /// The shortest body that is packed, in bytes.
    pub min_length: u64,
    /// The media types that are packed.
    pub types: Vec<MediaRange>,
}

/// The codings that an upstream is asked for, in a request whose answer may be shared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpstreamEncoding {
    /// None: it is near.
    Identity,
    /// gzip, which every server knows: the way to it is worth it.
    Gzip,
    /// Those of the client: the answers are then told apart by them.
    Client,
}

/// Media types (RFC 9110 §8.3.1), in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MediaRange {
    /// `application/json`
    Exact(String),
    /// `text/*`, held as `text/`. Event streams are none of it: they are named, or left alone.
    Type(String),
    /// `*+json`, held as `+json`.
    Suffix(String),
}

/// What a response is, as far as its form goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Given {
    /// It is sent as it came.
    #[default]
    Fixed,
    /// It may be packed.
    Plain,
    /// It came packed, and may be unpacked.
    Packed(Coding),
}

/// Among which forms of a response a client's Accept-Encoding chooses.
#[derive(Clone, Copy, Debug)]
pub struct Choice<'a> {
    /// What the response is.
    pub given: Given,
    /// What the operator says.
    pub packing: &'a Packing,
    /// How many bytes it has, where that is known.
    pub length: Option<u64>,
    /// The request asks for bytes that nobody packs (`Asked::unpacked`).
    pub unpacked: bool,
}

/// What is known of a response's forms by its head, worked out once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Forms {
    /// What it is.
    pub given: Given,
    /// Its entity-tag ends like one of ours, so that clients see it in another spelling.
    pub escaped: bool,
}

/// What is done with a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Nothing.
    AsItCame,
    /// It is packed.
    Packed(Coding),
    /// It is unpacked.
    Unpacked(Coding),
}

impl Default for Packing {
    fn default() -> Packing {
        let exact = |text: &str| MediaRange::Exact(text.to_owned());
        let suffix = |text: &str| MediaRange::Suffix(text.to_owned());
        let types = vec![
            exact("application/json"),
            suffix("+json"),
            MediaRange::Type("text/".to_owned()),
            exact("application/xml"),
            suffix("+xml"),
            exact("application/javascript"),
            exact("application/x-ndjson"),
            exact("application/wasm"),
        ];
        Packing { encodings: Coding::ALL.to_vec(), min_length: 1024, types }
    }
}

impl MediaRange {
    /// Reads `type/subtype`, `type/*`, or `*+suffix`.
    ///
    /// # Errors
    /// What is wrong with it, and what to write.
    pub fn parse(text: &str) -> Result<MediaRange, String> {
        let text = text.to_ascii_lowercase();
        let is_token = |text: &str| {
            let is_tchar = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$&^_.+-".contains(&byte);
            !text.is_empty() && text.bytes().all(is_tchar)
        };
        let range = match (text.strip_prefix("*+"), text.split_once('/')) {
            (Some(suffix), _) if is_token(suffix) => MediaRange::Suffix(format!("+{suffix}")),
            (None, Some((main, "*"))) if is_token(main) => MediaRange::Type(format!("{main}/")),
            (None, Some((main, sub))) if is_token(main) && is_token(sub) => MediaRange::Exact(text),
            _ => {
                return Err("is no media type: write one such as \"application/json\", \
                            \"text/*\", or \"*+json\""
                    .to_owned());
            }
        };
        Ok(range)
    }

    /// Whether a media type, without its parameters, is one of these.
    fn holds(&self, media_type: &[u8]) -> bool {
        let ends = |suffix: &str| {
            let at = media_type.len().checked_sub(suffix.len());
            at.is_some_and(|at| media_type[at..].eq_ignore_ascii_case(suffix.as_bytes()))
        };
        match self {
            MediaRange::Exact(whole) => media_type.eq_ignore_ascii_case(whole.as_bytes()),
            MediaRange::Type(main) => {
                let begins = media_type.get(..main.len());
                begins.is_some_and(|it| it.eq_ignore_ascii_case(main.as_bytes()))
                    && !media_type.eq_ignore_ascii_case(b"text/event-stream")
            }
            MediaRange::Suffix(suffix) => ends(suffix),
        }
    }
}

impl std::fmt::Display for MediaRange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            MediaRange::Exact(whole) => f.write_str(whole),
            MediaRange::Type(main) => write!(f, "{main}*"),
            MediaRange::Suffix(suffix) => write!(f, "*{suffix}"),
        }
    }
}

impl Forms {
    /// What a response's head tells.
    #[must_use]
    pub fn of(response: &HeaderMap, packing: &Packing) -> Forms {
        Forms::beside(response, packing, |_| {})
    }

    /// The same, found in one walk with what else is looked for among the names.
    pub fn beside(response: &HeaderMap, packing: &Packing, look: impl FnMut(&str)) -> Forms {
        let glance = Glance::of(response, look);
        let escaped = glance.tag.is_some_and(coded_tag::is_escaped_tag);
        Forms { given: Given::seen(&glance, response, packing), escaped }
    }
}

impl Given {
    /// What a response is. `no-transform` leaves everything as it is (RFC 9110 §7.7), and so does
    /// a coding that is not known, or one on top of another. What announces trailers is not
    /// packed: they tell of the bytes as they came.
    #[must_use]
    pub fn of(response: &HeaderMap, packing: &Packing) -> Given {
        Given::seen(&Glance::of(response, |_| {}), response, packing)
    }

    fn seen(glance: &Glance<'_>, response: &HeaderMap, packing: &Packing) -> Given {
        if glance.may_bind && cache_control::forbids_transform(response) {
            return Given::Fixed;
        }
        let lines = glance.coded.then(|| field::members(response, header::CONTENT_ENCODING));
        let codings = lines.into_iter().flatten();
        let mut codings = codings.filter(|it| !it.eq_ignore_ascii_case(b"identity"));
        match (codings.next(), codings.next()) {
            (None, _) if glance.trailer => Given::Fixed,
            (None, _) if packing.covers(glance.media_type) => Given::Plain,
            (Some(coding), None) => Coding::named(coding).map_or(Given::Fixed, Given::Packed),
            (None | Some(_), _) => Given::Fixed,
        }
    }

    /// What is done with a body of `length` bytes, where that is known, for who accepts this. What
    /// came packed is packed otherwise only for who refuses it both so and plain.
    #[must_use]
    pub fn form(self, packing: &Packing, accepts: Accepts, length: Option<u64>) -> Form {
        match self {
            Given::Plain if packing.is_long_enough(length) => {
                accepts.choose(&packing.encodings).map_or(Form::AsItCame, Form::Packed)
            }
            Given::Packed(coding) if accepts.likes(coding) => Form::AsItCame,
            Given::Packed(coding) if accepts.plain() == 0 => {
                accepts.choose(&packing.encodings).map_or(Form::Unpacked(coding), Form::Packed)
            }
            Given::Packed(coding) => Form::Unpacked(coding),
            Given::Plain | Given::Fixed => Form::AsItCame,
        }
    }

    /// What is cut out of it is: no cut is packed as it came.
    #[must_use]
    pub fn cut(self) -> Given {
        match self {
            Given::Packed(_) => Given::Plain,
            given => given,
        }
    }

    /// The form of who cannot have it packed here.
    #[must_use]
    pub fn plain(self) -> Form {
        match self {
            Given::Packed(coding) => Form::Unpacked(coding),
            Given::Plain | Given::Fixed => Form::AsItCame,
        }
    }

    /// Whether another Accept-Encoding would have got something else (RFC 9110 §12.5.5).
    #[must_use]
    pub fn varies(self, packing: &Packing, length: Option<u64>) -> bool {
        match self {
            Given::Plain => !packing.encodings.is_empty() && packing.is_long_enough(length),
            Given::Packed(_) => true,
            Given::Fixed => false,
        }
    }
}

impl Choice<'_> {
    /// What is done with the body for who accepts this.
    #[must_use]
    pub fn form(self, accepts: Accepts) -> Form {
        match self.given.form(self.packing, accepts, self.length) {
            Form::Packed(_) if self.unpacked => self.given.plain(),
            form => form,
        }
    }
}

/// Asks an upstream for what it is to send; [`UpstreamEncoding::Client`] leaves that to the client.
pub fn ask_for(request: &mut HeaderMap, encoding: UpstreamEncoding) {
    let asked = match encoding {
        UpstreamEncoding::Identity => const { HeaderValue::from_static("identity") },
        UpstreamEncoding::Gzip => const { HeaderValue::from_static("gzip") },
        UpstreamEncoding::Client => return,
    };
    request.insert(header::ACCEPT_ENCODING, asked);
}

/// Takes Accept-Encoding out of a response's Vary, where it was not the client's that the origin
/// saw: whoever asked, the answer would have been this one.
pub fn forget_in_vary(response: &mut HeaderMap) {
    let is_it = |member: &[u8]| member.eq_ignore_ascii_case(b"accept-encoding");
    if !field::members(response, header::VARY).any(is_it) {
        return;
    }
    let rest: Vec<_> = field::members(response, header::VARY).filter(|it| !is_it(it)).collect();
    let rest = HeaderValue::from_bytes(&rest.join(&b", "[..])).ok().filter(|it| !it.is_empty());
    response.remove(header::VARY);
    rest.into_iter().for_each(|rest| drop(response.insert(header::VARY, rest)));
}

/// What a response says in Vary whose form depends on the request.
pub const VARY: HeaderValue = HeaderValue::from_static("accept-encoding");

/// Adds Accept-Encoding to a response's Vary (RFC 9110 §12.5.5).
pub fn add_to_vary(response: &mut HeaderMap) {
    let says = |member: &[u8]| member == b"*" || member.eq_ignore_ascii_case(b"accept-encoding");
    if !field::members(response, header::VARY).any(says) {
        response.append(header::VARY, VARY);
    }
}

/// What tells of bytes in one form alone (RFC 9530, and what came before it), or invites to ask
/// for some of them.
const OF_THE_FORM: [HeaderName; 7] = [
    header::CONTENT_LENGTH,
    header::TRAILER,
    header::ACCEPT_RANGES,
    HeaderName::from_static("content-md5"),
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("repr-digest"),
    HeaderName::from_static("digest"),
];

/// Whether a response came packed, and is to stay so for whom it was packed (RFC 9110 §7.7).
#[must_use]
pub fn is_bound(response: &HeaderMap) -> bool {
    response.contains_key(header::CONTENT_ENCODING) && cache_control::forbids_transform(response)
}

/// Takes out what is true of the bytes as they came alone.
pub fn forget_form(response: &mut HeaderMap) {
    OF_THE_FORM.iter().for_each(|name| drop(response.remove(name)));
}

/// The one coding that a body came in, if any.
///
/// # Errors
/// It came in one that is not known, or in several.
pub fn only_coding(response: &HeaderMap) -> Result<Option<Coding>, Unknown> {
    let mut codings = field::members(response, header::CONTENT_ENCODING)
        .filter(|coding| !coding.eq_ignore_ascii_case(b"identity"));
    match (codings.next(), codings.next()) {
        (None, _) => Ok(None),
        (Some(coding), None) => Coding::named(coding).map(Some).ok_or(Unknown),
        (Some(_), Some(_)) => Err(Unknown),
    }
}

/// A coding that cannot be undone here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unknown;

/// Takes out of a response's head what told of the body as it came, now that it is cut; and a
/// malformed entity-tag, since a cut has no spelling of that.
pub fn forget_bytes(response: &mut HeaderMap) {
    forget_form(response);
    response.remove(header::CONTENT_ENCODING);
    if response.get(header::ETAG).is_some_and(|tag| Coded::of(tag.as_bytes()).is_none()) {
        response.remove(header::ETAG);
    }
}

/// Makes a response's head that of another form of its body.
pub fn describe(response: &mut HeaderMap, form: Form) {
    coded_tag::write(response, form);
    let coding = match form {
        Form::AsItCame => return,
        Form::Packed(coding) => Some(HeaderValue::from_static(coding.token())),
        Form::Unpacked(_) => None,
    };
    forget_form(response);
    match coding {
        Some(coding) => response.insert(header::CONTENT_ENCODING, coding),
        None => response.remove(header::CONTENT_ENCODING),
    };
}

impl Packing {
    fn covers(&self, value: &[u8]) -> bool {
        let end = value.iter().position(|byte| *byte == b';').unwrap_or(value.len());
        let media_type = value[..end].trim_ascii();
        self.types.iter().any(|range| range.holds(media_type))
    }

    fn is_long_enough(&self, length: Option<u64>) -> bool {
        length.is_none_or(|length| length >= self.min_length.max(1))
    }
}

#[cfg(test)]
mod tests {
    use http::header;

    use super::{Form, Given, MediaRange, Packing, add_to_vary, describe, forget_in_vary};
    use crate::policy::{
        coding::{Accepts, Coding},
        fixtures::headers,
    };

    #[test]
    fn what_a_response_is_follows_from_its_head() {
        let json = ("content-type", "application/json");
        type Row<'a> = (&'a [(&'a str, &'a str)], Given, &'a str);
        let rows: [Row<'_>; 14] = [
            (&[json], Given::Plain, "a type on the list"),
            (&[("content-type", "Text/HTML; charset=utf-8")], Given::Plain, "any text"),
            (&[("content-type", "application/problem+json")], Given::Plain, "by its suffix"),
            (&[("content-type", "image/svg+xml")], Given::Plain, "a picture in words"),
            (&[("content-type", "image/png")], Given::Fixed, "packed by its nature"),
            (&[("content-type", "text/event-stream")], Given::Fixed, "only where it is named"),
            (&[("content-type", "text")], Given::Fixed, "no media type"),
            (&[], Given::Fixed, "nobody knows what it is"),
            (&[json, ("cache-control", "no-transform")], Given::Fixed, "RFC 9110 §7.7"),
            (&[json, ("trailer", "x-sum")], Given::Fixed, "trailers would be lost"),
            (&[json, ("content-encoding", "GZIP")], Given::Packed(Coding::Gzip), "§8.4.1"),
            (&[("content-encoding", "br")], Given::Packed(Coding::Brotli), "whatever its type"),
            (&[json, ("content-encoding", "br, gzip")], Given::Fixed, "one on top of another"),
            (&[json, ("content-encoding", "compress")], Given::Fixed, "a coding not known here"),
        ];
        for (fields, expected, why) in rows {
            let given = Given::of(&headers(fields), &Packing::default());
            assert_eq!(given, expected, "{fields:?}: {why}");
        }
    }

    #[test]
    fn an_event_stream_is_packed_where_it_is_named() {
        let types = vec![MediaRange::parse("text/event-stream").unwrap()];
        let packing = Packing { types, ..Packing::default() };
        let stream = headers(&[("content-type", "text/event-stream")]);
        assert_eq!(Given::of(&stream, &packing), Given::Plain);
    }

    #[test]
    fn a_client_gets_a_form_that_it_takes() {
        let gzip = Given::Packed(Coding::Gzip);
        let rows = [
            (Given::Plain, "br", Some(1024), Form::Packed(Coding::Brotli), true),
            (Given::Plain, "br", Some(1023), Form::AsItCame, false),
            (Given::Plain, "br", None, Form::Packed(Coding::Brotli), true),
            (Given::Plain, "", Some(4096), Form::AsItCame, true),
            (gzip, "gzip", Some(10), Form::AsItCame, true),
            (gzip, "br", Some(10), Form::Unpacked(Coding::Gzip), true),
            (gzip, "", None, Form::Unpacked(Coding::Gzip), true),
            (gzip, "gzip;q=0.001", None, Form::AsItCame, true),
            (gzip, "identity, gzip;q=0.5", None, Form::Unpacked(Coding::Gzip), true),
            (gzip, "br, identity;q=0", None, Form::Packed(Coding::Brotli), true),
            (gzip, "deflate, identity;q=0", None, Form::Unpacked(Coding::Gzip), true),
            (Given::Fixed, "gzip", Some(4096), Form::AsItCame, false),
        ];
        let packing = Packing::default();
        for (given, accept, length, form, varies) in rows {
            let accepts = Accepts::of(&headers(&[("accept-encoding", accept)]));
            assert_eq!(given.form(&packing, accepts, length), form, "{given:?} for {accept:?}");
            assert_eq!(given.varies(&packing, length), varies, "RFC 9110 §12.5.5: {given:?}");
        }
        let off = Packing { encodings: Vec::new(), ..packing };
        assert!(!Given::Plain.varies(&off, None), "nothing is packed, so nothing varies");
    }

    #[test]
    fn vary_names_the_field_only_where_it_matters() {
        let rows: [(&[&str], &[&str], &[&str]); 5] = [
            (&["Accept-Encoding"], &[], &["accept-encoding"]),
            (
                &["Accept, accept-ENCODING", "Origin"],
                &["Accept, Origin"],
                &["Accept, Origin", "accept-encoding"],
            ),
            (&["Accept"], &["Accept"], &["Accept", "accept-encoding"]),
            (&["*"], &["*"], &["*"]),
            (&[], &[], &["accept-encoding"]),
        ];
        for (lines, without, with) in rows {
            let lines: Vec<_> = lines.iter().map(|line| ("vary", *line)).collect();
            let mut fields = headers(&lines);
            forget_in_vary(&mut fields);
            assert!(fields.get_all(header::VARY).iter().eq(without), "{lines:?}: {fields:?}");
            add_to_vary(&mut fields);
            add_to_vary(&mut fields);
            assert!(fields.get_all(header::VARY).iter().eq(with), "{lines:?}: {fields:?}");
        }
    }

    #[test]
    fn a_head_tells_of_the_form_that_is_sent() {
        let given = [
            ("etag", "\"a\""),
            ("content-length", "9"),
            ("accept-ranges", "bytes"),
            ("repr-digest", "sha-256=:AAAA:"),
            ("link", "</a>"),
        ];
        let mut fields = headers(&given);
        describe(&mut fields, Form::Packed(Coding::Brotli));
        let packed = [("content-encoding", "br"), ("etag", "\"a--br\""), ("link", "</a>")];
        assert_eq!(fields, headers(&packed), "RFC 9530 §3: the digest was of other bytes");
        let mut fields = headers(&[("etag", "\"a\""), ("content-encoding", "gzip")]);
        describe(&mut fields, Form::Unpacked(Coding::Gzip));
        assert_eq!(fields, headers(&[("etag", "\"a--plain\"")]));
        let mut fields = headers(&given);
        describe(&mut fields, Form::AsItCame);
        assert_eq!(fields, headers(&given));
    }

    #[test]
    fn media_ranges_are_read() {
        for text in ["json", "*/*", "*", "*+", "text/", "/json", "text/html; q=1", "a b/c"] {
            assert!(MediaRange::parse(text).is_err(), "{text}");
        }
        assert_eq!(MediaRange::parse("TEXT/*"), Ok(MediaRange::Type("text/".into())));
    }
}
