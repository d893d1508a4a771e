//! What a request is known by beyond this machine: `X-Request-Id`, and W3C Trace Context.
//!
//! What a client brings is kept where it is well formed, and else made here. Kept as numbers: they
//! become text only where somebody reads them, in the log, in the request to the API, or in the
//! answer.

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue};

/// The field of a request id.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Where a request stands in a trace (W3C Trace Context §3.2).
pub const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// What tracing systems say beside that (§3.3).
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// The longest request id that is kept, in bytes.
const MAX_ID: usize = 128;

/// `00-`, 32 digits, `-`, 16 digits, `-`, 2 digits.
const TRACEPARENT_LENGTH: usize = 55;

/// Which ids requests get.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Naming {
    /// Whether each request has an id.
    pub request: bool,
    /// What becomes of traces.
    pub trace: Tracing,
}

/// What becomes of traces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tracing {
    /// Fields that pass like any other.
    #[default]
    Off,
    /// A client's own goes on, with a span of ours.
    Keep,
    /// The same, and where there is none one begins.
    Begin,
}

/// What one request is known by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ids {
    /// Its id.
    pub request: Option<RequestId>,
    /// The trace that it is part of.
    pub trace: Option<Trace>,
}

/// The id of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestId {
    /// The client's.
    Kept(HeaderValue),
    /// One of ours.
    Made(u128),
}

/// A trace, and our own span in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trace {
    /// The whole trace; never 0.
    pub id: u128,
    /// What is done here; the parent of what the API does. Never 0.
    pub span: u64,
    /// Whether somebody records it (§3.2.2.5).
    pub sampled: bool,
    /// Whether it begins here.
    pub begun: bool,
}

/// The digits of a number, written without the formatting machinery.
pub type Hex = [u8; 32];

impl Naming {
    /// What a request is known by; `None` where nobody wants to know.
    #[must_use]
    pub fn of(self, asked: &HeaderMap) -> Option<Arc<Ids>> {
        if self == Naming::default() {
            return None;
        }
        let request = self.request.then(|| RequestId::of(asked));
        let trace = match self.trace {
            Tracing::Off => None,
            Tracing::Keep => Trace::of(asked),
            Tracing::Begin => Some(Trace::of(asked).unwrap_or_else(Trace::begin)),
        };
        Some(Arc::new(Ids { request, trace }))
    }
}

impl Ids {
    /// Tells the API, in place of what the client said.
    pub fn tell(&self, forwarded: &mut HeaderMap) {
        if let Some(id) = &self.request {
            forwarded.insert(REQUEST_ID, id.value());
        }
        if let Some(trace) = &self.trace {
            forwarded.insert(TRACEPARENT, trace.value());
            if trace.begun {
                // What is said of another trace, or of one that cannot be read (§3.4).
                forwarded.remove(TRACESTATE);
            }
        }
    }
}

impl RequestId {
    fn of(asked: &HeaderMap) -> RequestId {
        let mut lines = asked.get_all(REQUEST_ID).iter();
        match (lines.next(), lines.next()) {
            (Some(line), None) if is_id(line.as_bytes()) => RequestId::Kept(line.clone()),
            _ => RequestId::Made(fastrand::u128(..)),
        }
    }

    /// As it is sent.
    #[must_use]
    pub fn value(&self) -> HeaderValue {
        match self {
            RequestId::Kept(value) => value.clone(),
            RequestId::Made(id) => ascii(hex(*id).to_vec()),
        }
    }
}

impl Trace {
    /// Reads the one traceparent that there is to be.
    fn of(asked: &HeaderMap) -> Option<Trace> {
        let mut lines = asked.get_all(TRACEPARENT).iter();
        let (line, None) = (lines.next()?, lines.next()) else { return None };
        Trace::parse(line.as_bytes())
    }

    /// §3.2: digits are in lower case, nothing is 0, and a later version may say more after a dash.
    #[must_use]
    pub fn parse(line: &[u8]) -> Option<Trace> {
        let (known, more) = line.split_at_checked(TRACEPARENT_LENGTH)?;
        let [version, id, parent, flags] = pieces(known)?;
        let version = number(version).filter(|version| *version != 0xff)?;
        match more {
            [] => {}
            [b'-', ..] if version > 0 => {}
            _ => return None,
        }
        let id = number(id).filter(|id| *id != 0)?;
        number(parent).filter(|parent| *parent != 0)?;
        let sampled = number(flags)? & 1 == 1;
        Some(Trace { id, span: span(), sampled, begun: false })
    }

    /// One that begins here. It is sampled: the access log records it, and most tracing systems
    /// take no part in what nobody samples.
    fn begin() -> Trace {
        Trace { id: fastrand::u128(1..), span: span(), sampled: true, begun: true }
    }

    /// As it is sent.
    fn value(&self) -> HeaderValue {
        let mut text = Vec::with_capacity(TRACEPARENT_LENGTH);
        text.extend_from_slice(b"00-");
        text.extend_from_slice(&hex(self.id));
        text.push(b'-');
        text.extend_from_slice(&hex(u128::from(self.span))[16..]);
        text.extend_from_slice(if self.sampled { b"-01" } else { b"-00" });
        ascii(text)
    }
}

fn span() -> u64 {
    fastrand::u64(1..)
}

/// Between its dashes, which stand where they have to.
fn pieces(known: &[u8]) -> Option<[&[u8]; 4]> {
    let dashes = [2, 35, 52].iter().all(|at| known.get(*at) == Some(&b'-'));
    let piece = |from, to| known.get(from..to);
    let pieces = [piece(0, 2)?, piece(3, 35)?, piece(36, 52)?, piece(53, 55)?];
    dashes.then_some(pieces)
}

/// A number in lower-case digits.
fn number(digits: &[u8]) -> Option<u128> {
    digits.iter().try_fold(0, |number: u128, digit| {
        let value = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(number << 4 | u128::from(value))
    })
}

/// Characters of a token (RFC 9110 §5.6.2), and not too many.
fn is_id(text: &[u8]) -> bool {
    let in_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    (1..=MAX_ID).contains(&text.len()) && text.iter().all(in_token)
}

/// A number in 32 digits.
#[must_use]
pub fn hex(number: u128) -> Hex {
    let mut digits = [0; 32];
    for (pair, byte) in digits.chunks_exact_mut(2).zip(number.to_be_bytes()) {
        pair[0] = b"0123456789abcdef"[usize::from(byte >> 4)];
        pair[1] = b"0123456789abcdef"[usize::from(byte & 15)];
    }
    digits
}

fn ascii(text: Vec<u8>) -> HeaderValue {
    let text = bytes::Bytes::from(text);
    HeaderValue::from_maybe_shared(text).expect("hexadecimal digits and dashes are a field value")
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn fields(lines: &[(&'static str, &str)]) -> HeaderMap {
        let mut fields = HeaderMap::new();
        for (name, value) in lines {
            fields.append(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        }
        fields
    }

    #[test]
    fn a_traceparent_is_read_as_w3c_writes_it() {
        let known = Trace::parse(KNOWN.as_bytes()).unwrap();
        assert_eq!(known.id, 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736);
        assert!(known.sampled && !known.begun);
        assert_ne!(
            known.span, 0x00f0_67aa_0ba9_02b7,
            "§3.2.2.4: what is done here is another span"
        );
        let unsampled = Trace::parse(KNOWN.replace("-01", "-02").as_bytes()).unwrap();
        assert!(!unsampled.sampled, "§3.2.2.5.1: the last bit alone");
        for good in [
            "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            &KNOWN.replace("00-4", "01-4"),
        ] {
            assert!(Trace::parse(good.as_bytes()).is_some(), "§3.2.4: a later version: {good}");
        }
    }

    #[test]
    fn what_is_no_traceparent_is_none() {
        for (bad, why) in [
            (KNOWN.replace("00-4", "ff-4"), "ff is no version"),
            (KNOWN.replace("4bf", "4BF"), "upper case"),
            (KNOWN.replace("4bf", "4bg"), "no digit"),
            (KNOWN.replace("00-4", "0-44"), "its dashes stand elsewhere"),
            (KNOWN.replace('-', "_"), "no dashes"),
            (format!("{KNOWN}-more"), "version 00 says no more"),
            (format!("01{}x", &KNOWN[2..]), "more without a dash"),
            (format!(" {KNOWN}"), "a space"),
            (KNOWN[..54].to_owned(), "too short"),
            (String::new(), "nothing"),
            ("00-00000000000000000000000000000000-00f067aa0ba902b7-01".into(), "trace 0"),
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01".into(), "parent 0"),
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0x".into(), "no flags"),
            ("é".repeat(28), "no ASCII"),
        ] {
            assert_eq!(Trace::parse(bad.as_bytes()), None, "{why}: {bad}");
        }
    }

    #[test]
    fn an_id_is_kept_or_made() {
        let naming = Naming { request: true, trace: Tracing::Off };
        let id =
            |lines: &[(&'static str, &str)]| naming.of(&fields(lines)).unwrap().request.clone();
        for good in ["a", "7f3a-2b.x_y~z", &"x".repeat(128)] {
            let kept = RequestId::Kept(HeaderValue::from_str(good).unwrap());
            assert_eq!(id(&[("x-request-id", good)]), Some(kept), "{good}");
        }
        let both = [("x-request-id", "a"), ("x-request-id", "b")];
        let long = "x".repeat(129);
        for bad in [
            &[("x-request-id", "")][..],
            &[("x-request-id", "a b")],
            &[("x-request-id", &long)],
            &both,
            &[],
        ] {
            let made = id(bad).unwrap();
            assert!(matches!(made, RequestId::Made(_)), "{bad:?}");
            let text = made.value();
            assert!(text.len() == 32 && is_id(text.as_bytes()), "{text:?}");
        }
        assert_ne!(id(&[]), id(&[]), "each has its own");
    }

    #[test]
    fn a_trace_is_kept_begun_or_left_alone() {
        let sent = |trace, lines: &[(&'static str, &str)]| {
            let mut asked = fields(lines);
            let ids = Naming { request: false, trace }.of(&asked);
            ids.iter().for_each(|ids| ids.tell(&mut asked));
            let text = |name| asked.get(name).map(|it| it.to_str().unwrap().to_owned());
            (text(TRACEPARENT), text(TRACESTATE))
        };
        let with = |parent: &'static str| [("traceparent", parent), ("tracestate", "a=b")];
        let state = Some("a=b".to_owned());
        assert_eq!(sent(Tracing::Off, &with(KNOWN)), (Some(KNOWN.into()), state.clone()));
        let (parent, told) = sent(Tracing::Keep, &with(KNOWN));
        let parent = parent.unwrap();
        assert_eq!((&parent[..36], &parent[52..], told), (&KNOWN[..36], "-01", state.clone()));
        assert_ne!(parent[36..52], KNOWN[36..52], "§3.4: the parent is our span");
        assert_eq!(sent(Tracing::Keep, &with("x")), (Some("x".into()), state), "none to keep");
        let (parent, told) = sent(Tracing::Begin, &with("x"));
        assert!(Trace::parse(parent.unwrap().as_bytes()).unwrap().sampled);
        assert_eq!(told, None, "§3.4: it is not about this trace");
    }
}
