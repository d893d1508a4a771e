//! What clients take and responses are: Accept-Encoding, Content-Encoding and all that follows from
//! them, and the entity-tags of every form (RFC 9110 §8.4, §8.8.3, §12.5.3).

use http::{HeaderMap, HeaderValue, header};
use larder::policy::{
    coded_tag::{Coded, Kind, for_clients},
    coding::{Accepts, Coding},
    encoding::{Form, Given, Packing, add_to_vary, describe, forget_in_vary},
};

use super::{contains, field, lines};

const CODINGS: [Coding; 3] = Coding::ALL;

const FORMS: [Form; 5] = [
    Form::AsItCame,
    Form::Packed(Coding::Zstd),
    Form::Packed(Coding::Brotli),
    Form::Packed(Coding::Gzip),
    Form::Unpacked(Coding::Gzip),
];

/// Accept-Encoding: a line of input a line of it.
pub(crate) fn accept_encoding(data: &[u8]) {
    let asked = field(header::ACCEPT_ENCODING, data);
    let accepts = Accepts::of(&asked);
    let all = asked.get_all(header::ACCEPT_ENCODING).iter().map(HeaderValue::as_bytes);
    let joined = all.collect::<Vec<_>>().join(&b","[..]);
    let again = |text: &[u8]| Accepts::of(&field(header::ACCEPT_ENCODING, text));
    if !asked.is_empty() {
        assert_eq!(again(&joined), accepts, "RFC 9110 §5.3: several lines are one list");
        assert_eq!(again(&joined.to_ascii_uppercase()), accepts, "§8.4.1: in any case");
        let mut turned: Vec<&[u8]> = joined.split(|byte| *byte == b',').collect();
        turned.reverse();
        assert_eq!(again(&turned.join(&b","[..])), accepts, "§12.5.3: the order says nothing");
    }
    let read = weights(&joined);
    for (index, coding) in CODINGS.into_iter().enumerate() {
        let wanted = !asked.is_empty() && read.of(coding.token()) > 0;
        assert_eq!(accepts.takes(coding), wanted, "{coding:?} of {read:?}");
        // All offers but one, in every order that begins with another.
        let offers = [CODINGS[(index + 1) % 3], CODINGS[(index + 2) % 3]];
        assert_ne!(accepts.choose(&offers), Some(coding), "it is not on offer");
    }
    let Some(chosen) = accepts.choose(&CODINGS) else { return };
    let weight = read.of(chosen.token());
    let best = CODINGS.iter().map(|it| read.of(it.token())).max();
    assert_eq!(Some(weight), best, "{chosen:?} of {read:?}: the heaviest");
    assert!(weight >= read.of("identity"), "{read:?}: the plain bytes are liked better");
}

/// What a list says, read once more: the least weight of each name.
#[derive(Debug, Default)]
struct Weights(Vec<(String, u32)>);

impl Weights {
    fn named(&self, name: &str) -> Option<u32> {
        self.0.iter().filter(|it| it.0 == name).map(|it| it.1).min()
    }

    /// Of a coding by itself, or else by `*`; the plain bytes are never wanted less than that.
    fn of(&self, name: &str) -> u32 {
        let any = self.named("*");
        self.named(name).or(any.filter(|_| name != "identity")).unwrap_or(0)
    }
}

fn weights(list: &[u8]) -> Weights {
    let members = list.split(|byte| *byte == b',').filter_map(|member| {
        let member = std::str::from_utf8(member).ok()?.trim_matches([' ', '\t']);
        let (name, weight) = match member.split_once(';') {
            None => (member, "1"),
            Some((name, parameter)) => {
                let parameter = parameter.trim_matches([' ', '\t']);
                let weight = parameter.strip_prefix("q=").or(parameter.strip_prefix("Q="))?;
                (name.trim_matches([' ', '\t']), weight)
            }
        };
        let is_token = !name.is_empty()
            && name
                .bytes()
                .all(|it| it.is_ascii_graphic() && !b"\"(),/:;<=>?@[\\]{}".contains(&it));
        let name = if name.eq_ignore_ascii_case("x-gzip") { "gzip" } else { name };
        is_token.then_some((name.to_ascii_lowercase(), thousandths(weight)?))
    });
    Weights(members.collect())
}

/// `0.123`, `1.000` (RFC 9110 §12.4.2).
fn thousandths(weight: &str) -> Option<u32> {
    let (whole, fraction) = match weight.split_once('.') {
        Some((whole, fraction)) => (whole, fraction),
        None => (weight, ""),
    };
    let digits = fraction.len() <= 3 && fraction.bytes().all(|it| it.is_ascii_digit());
    let value: u32 = format!("{whole}{fraction:0<3}").parse().ok()?;
    (digits && matches!(whole, "0" | "1") && value <= 1000).then_some(value)
}

/// A response's head, a field a line, named by its first letter: `t` Content-Type, `e`
/// Content-Encoding, `c` Cache-Control, `v` Vary, `g` ETag, `l` Content-Length, `r` Trailer.
pub(crate) fn encoding(data: &[u8]) {
    let mut head = HeaderMap::new();
    for line in lines(data) {
        let Some((letter, value)) = line.split_first() else { continue };
        let name = match letter {
            b't' => header::CONTENT_TYPE,
            b'e' => header::CONTENT_ENCODING,
            b'c' => header::CACHE_CONTROL,
            b'v' => header::VARY,
            b'g' => header::ETAG,
            b'l' => header::CONTENT_LENGTH,
            _ => header::TRAILER,
        };
        if let Ok(value) = HeaderValue::from_bytes(value) {
            head.append(name, value);
        }
    }
    let packing = Packing::default();
    let given = Given::of(&head, &packing);
    if contains(data, b"no-transform") && given != Given::Fixed {
        let said = head.get_all(header::CACHE_CONTROL).iter();
        let bare = said.flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
        let bare = bare.map(|member| member.trim_ascii().to_ascii_lowercase());
        assert!(bare.into_iter().all(|it| it != b"no-transform"), "RFC 9110 §7.7: {head:?}");
    }
    for length in [None, Some(0), Some(1023), Some(1024)] {
        forms(given, &packing, length);
    }
    FORMS.iter().for_each(|form| described(&head, *form));
    vary(&head);
}

/// Each client gets a form that it takes, and the same as all others where nothing varies.
fn forms(given: Given, packing: &Packing, length: Option<u64>) {
    let clients = ["", "gzip", "br, zstd", "identity;q=0", "*", "zstd;q=0.1, gzip;q=0"];
    let mut seen = Vec::new();
    for client in clients {
        let accepts = Accepts::of(&field(header::ACCEPT_ENCODING, client.as_bytes()));
        let form = given.form(packing, accepts, length);
        match form {
            Form::Packed(coding) => assert!(given == Given::Plain && accepts.takes(coding)),
            Form::Unpacked(coding) => {
                assert!(given == Given::Packed(coding) && !accepts.takes(coding));
            }
            Form::AsItCame => {}
        }
        seen.push(form);
    }
    let varies = given.varies(packing, length);
    assert!(varies || seen.iter().all(|it| *it == seen[0]), "§12.5.5: {given:?} {seen:?}");
}

/// A head in another form tells of no bytes of the one that came.
fn described(head: &HeaderMap, form: Form) {
    let mut other = head.clone();
    describe(&mut other, form);
    let coding = other.get(header::CONTENT_ENCODING).map(HeaderValue::as_bytes);
    match form {
        Form::Packed(packed) => assert_eq!(coding, Some(packed.token().as_bytes())),
        Form::Unpacked(_) => assert_eq!(coding, None),
        Form::AsItCame => {
            assert_eq!(coding, head.get(header::CONTENT_ENCODING).map(|it| it.as_bytes()))
        }
    }
    if form != Form::AsItCame {
        for name in [header::CONTENT_LENGTH, header::TRAILER] {
            assert!(!other.contains_key(&name), "{name} is of the bytes that came");
        }
    }
    for name in [header::CACHE_CONTROL, header::VARY, header::CONTENT_TYPE] {
        assert!(other.get_all(&name).iter().eq(head.get_all(&name)), "{name} stays");
    }
}

/// Accept-Encoding leaves Vary and comes back; nothing else of it moves.
fn vary(head: &HeaderMap) {
    let members = |head: &HeaderMap| -> Vec<Vec<u8>> {
        let lines = head.get_all(header::VARY).iter();
        let members = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
        let members = members.map(|it| it.trim_ascii().to_ascii_lowercase());
        members.filter(|it| !it.is_empty()).collect()
    };
    let own = |it: &Vec<u8>| it == b"accept-encoding";
    let rest: Vec<_> = members(head).into_iter().filter(|it| !own(it)).collect();
    let mut other = head.clone();
    forget_in_vary(&mut other);
    assert_eq!(members(&other), rest, "{head:?}: nothing else is lost");
    add_to_vary(&mut other);
    let with = members(&other);
    let star = rest.iter().any(|it| it == b"*");
    assert!(star || with.iter().any(own), "§12.5.5: {head:?}");
    add_to_vary(&mut other);
    assert_eq!(members(&other), with, "once is enough");
}

/// One entity-tag, as an origin sends it and as a client names it.
pub(crate) fn coded_tag(data: &[u8]) {
    let Ok(tag) = HeaderValue::from_bytes(data) else { return };
    let tag = tag.as_bytes();
    let opaque = tag.strip_prefix(b"W/").unwrap_or(tag);
    let formed = opaque.len() >= 2 && opaque.starts_with(b"\"") && opaque.ends_with(b"\"");
    let formed = formed && !opaque[1..opaque.len() - 1].contains(&b'"');
    let strong = formed && opaque.len() == tag.len();
    let mut seen: Vec<Vec<u8>> = Vec::new();
    for form in FORMS {
        let Some(sent) = for_clients(tag, form) else {
            assert!(!strong || form == Form::AsItCame, "§8.8.3: each form has one of its own");
            if strong {
                seen.push(tag.to_vec());
            }
            continue;
        };
        assert!(formed, "what is malformed stays as it is");
        let coded = Coded::of(sent.as_bytes()).expect("it is well formed");
        assert_eq!(coded.to_origin(), tag, "the way back, of {sent:?}");
        assert!(coded.names(tag), "{sent:?} is it");
        let plain = !strong || form == Form::AsItCame;
        assert_eq!(coded.kind == Kind::AsItCame, plain, "§8.8.1: {sent:?}");
        assert!(!strong || !seen.contains(&sent.as_bytes().to_vec()), "two forms are {sent:?}");
        seen.push(sent.as_bytes().to_vec());
    }
    let coded = Coded::of(tag);
    assert_eq!(coded.is_some(), formed, "only what is well formed tells of forms");
    let Some(coded) = coded else { return };
    let origin = coded.to_origin();
    assert_eq!(coded.names(&origin), coded.shape.is_none(), "the whole is what the origin tags");
    let form = match coded.kind {
        Kind::AsItCame => return,
        Kind::Packed(coding) => Form::Packed(coding),
        Kind::Unpacked => Form::Unpacked(Coding::Gzip),
    };
    let Some(again) = for_clients(&origin, form) else { return };
    let again = Coded::of(again.as_bytes()).expect("it is well formed");
    assert_eq!(again.to_origin(), origin, "a tag leads to one of the origin's");
}
