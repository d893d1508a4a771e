//! The head of a forwarded request: what is for one hop removed, what we know added.

use std::{cell::RefCell, net::IpAddr, ops::Range};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Version, header};

use super::{
    Believed, NOT_NOMINATED,
    believe::{FORWARDED_FOR, FORWARDED_HOST, FORWARDED_PROTO, is_claim},
    is_for_one_hop, is_set_by_us, lists, remove_hop_by_hop,
};
use crate::{policy::cookies::KEY_COOKIES, server::PeerAddr, target::Scheme};

/// What a forwarded request is told about where it comes from.
#[derive(Clone, Copy, Debug)]
pub struct Forwarding<'a> {
    /// The connection's peer.
    pub peer: PeerAddr,
    /// What was believed of it.
    pub believed: &'a Believed,
    /// The authority that the client named; empty where HTTP/1.0 named none.
    pub authority: &'a str,
    /// The Host to send.
    pub host: &'a str,
    /// The version that the request came in.
    pub version: Version,
    /// Whether the connection is to become another protocol.
    pub upgrade: Upgrade,
}

/// Whether a request asks for another protocol and is to get it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upgrade {
    /// It stays HTTP.
    No,
    /// It asks for `websocket` (RFC 6455).
    WebSocket,
}

/// The most fields that are added.
const ADDED: usize = 8;

/// What of a request's fields is to be looked at, found in one walk: most have none of it, and to
/// look for each name would cost more.
#[derive(Clone, Copy, Default)]
struct Noted {
    /// Something is for one hop.
    hop: bool,
    /// Something of [`adapt`]'s.
    end: bool,
    /// [`KEY_COOKIES`], which goes no further.
    key: bool,
    /// Host is the one to send, as it mostly is.
    host: bool,
}

impl Noted {
    fn of(fields: &HeaderMap, host: &str) -> Noted {
        let mut noted = Noted::default();
        for (name, value) in fields {
            match name.as_str() {
                "host" => noted.host = value.as_bytes() == host.as_bytes(),
                "expect" | "max-forwards" | "trailer" => noted.end = true,
                text => {
                    noted.hop |= is_for_one_hop(text);
                    noted.key |= text == KEY_COOKIES.as_str();
                }
            }
        }
        noted
    }
}

/// Makes a client's fields those of the request to an upstream (RFC 9110 §7.6).
pub fn forward(fields: &mut HeaderMap, forwarding: Forwarding<'_>) {
    let noted = Noted::of(fields, forwarding.host);
    // At once, not field by field.
    fields.reserve(ADDED);
    if noted.hop {
        let trailers = lists(fields, &header::TE, "trailers");
        remove_hop_by_hop(fields);
        if trailers {
            fields.insert(header::TE, HeaderValue::from_static("trailers"));
            fields.append(header::CONNECTION, HeaderValue::from_static("te"));
        }
    }
    if noted.end {
        adapt(fields);
    }
    if noted.key {
        fields.remove(KEY_COOKIES);
    }
    if forwarding.upgrade == Upgrade::WebSocket {
        fields.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        fields.append(header::CONNECTION, HeaderValue::from_static("upgrade"));
    }
    if !noted.host {
        put(fields, header::HOST, forwarding.host);
    }
    fields.append(header::VIA, via(forwarding.version));
    tell_where_from(fields, forwarding);
}

/// What a few fields say of the way becomes true of the next hop.
fn adapt(fields: &mut HeaderMap) {
    fields.remove(header::EXPECT);
    if let Some(left) = max_forwards(fields) {
        fields.insert(header::MAX_FORWARDS, HeaderValue::from(left.saturating_sub(1)));
    }
    declare_trailers(fields);
}

/// The member that we add to Via (§7.6.3) for a message received in `version`.
#[must_use]
pub fn via(version: Version) -> HeaderValue {
    // As constants: else each byte would be checked for each message.
    match version {
        Version::HTTP_10 => const { HeaderValue::from_static("1.0 larder") },
        Version::HTTP_2 => const { HeaderValue::from_static("2 larder") },
        _ => const { HeaderValue::from_static("1.1 larder") },
    }
}

/// How often an OPTIONS may still be forwarded (RFC 9110 §7.6.2); `None` where it does not say.
#[must_use]
pub fn max_forwards(fields: &HeaderMap) -> Option<u64> {
    fields.get(header::MAX_FORWARDS)?.to_str().ok()?.trim().parse().ok()
}

/// Leaves names in Trailer that a client may send there: only the fields that it names are sent on,
/// and some servers make them fields of the head.
fn declare_trailers(fields: &mut HeaderMap) {
    if !fields.contains_key(header::TRAILER) {
        return;
    }
    let lines = fields.get_all(header::TRAILER).iter();
    let named = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    let named = named.filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok());
    let harmless =
        |name: &HeaderName| !is_claim(name) && !is_set_by_us(name) && !NOT_NOMINATED.contains(name);
    let names: Vec<HeaderName> = named.filter(harmless).collect();
    let names: Vec<&str> = names.iter().map(HeaderName::as_str).collect();
    put(fields, header::TRAILER, &names.join(", "));
}

/// HTTP/2 may split Cookie into many fields; HTTP/1.1 has one (RFC 9113 §8.2.3).
///
/// To be done before a variant is chosen: repeated fields count as one with commas, which is
/// another Cookie.
pub fn join_cookies(fields: &mut HeaderMap, version: Version) {
    if version != Version::HTTP_2 {
        return;
    }
    let lines: Vec<&[u8]> =
        fields.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if lines.len() < 2 {
        return;
    }
    if let Ok(joined) = HeaderValue::from_bytes(&lines.join(&b"; "[..])) {
        fields.insert(header::COOKIE, joined);
    }
}

/// What is told of where a request comes from: one element of Forwarded, and what of it the older
/// fields say, too, in the same memory.
#[derive(Clone, Debug)]
struct Element {
    whole: HeaderValue,
    address: Option<HeaderValue>,
    host: Option<HeaderValue>,
}

/// Whom an element tells of: a request's peer, scheme and Host.
#[derive(Debug)]
struct About {
    peer: PeerAddr,
    scheme: Scheme,
    host: Box<str>,
}

/// How many elements each thread remembers.
const REMEMBERED: usize = 256;

/// The longest Host that is remembered, in bytes: no name has more.
const MAX_HOST: usize = 260;

thread_local! {
    /// What was told on this thread, by a part of the peer: clients ask more than once.
    static TOLD: RefCell<Vec<Option<(About, Element)>>> = const { RefCell::new(Vec::new()) };
}

fn tell_where_from(fields: &mut HeaderMap, forwarding: Forwarding<'_>) {
    let Forwarding { peer, believed, authority, .. } = forwarding;
    let host = believed.host.as_deref().unwrap_or(authority);
    let Element { whole, address, host } = Element::known(peer, believed.scheme, host);
    add(fields, header::FORWARDED, whole, believed.trusted);
    if let Some(address) = address {
        add(fields, FORWARDED_FOR, address, believed.trusted);
    }
    let scheme = match believed.scheme {
        Scheme::Http => const { HeaderValue::from_static(Scheme::Http.as_str()) },
        Scheme::Https => const { HeaderValue::from_static(Scheme::Https.as_str()) },
    };
    fields.insert(FORWARDED_PROTO, scheme);
    match host {
        Some(host) => fields.insert(FORWARDED_HOST, host),
        None => fields.remove(FORWARDED_HOST),
    };
}

impl Element {
    /// As this thread told it last, or made.
    fn known(peer: PeerAddr, scheme: Scheme, host: &str) -> Element {
        if host.len() > MAX_HOST {
            return Element::new(peer, scheme, host);
        }
        let known = TOLD.try_with(|told| {
            let mut told = told.borrow_mut();
            if told.is_empty() {
                told.resize_with(REMEMBERED, || None);
            }
            let place = &mut told[place(peer)];
            match place {
                Some((about, element)) if about.is(peer, scheme, host) => element.clone(),
                Some(_) | None => {
                    let about = About { peer, scheme, host: host.into() };
                    place.insert((about, Element::new(peer, scheme, host))).1.clone()
                }
            }
        });
        // A thread that ends remembers nothing any more.
        known.unwrap_or_else(|_| Element::new(peer, scheme, host))
    }

    /// RFC 7239 §4.
    fn new(peer: PeerAddr, scheme: Scheme, host: &str) -> Element {
        let mut text = BytesMut::with_capacity(80 + host.len());
        text.extend_from_slice(b"for=");
        let address = match peer {
            PeerAddr::Ip(IpAddr::V4(address)) => Some(write_octets(&mut text, address.octets())),
            PeerAddr::Ip(IpAddr::V6(address)) => {
                text.extend_from_slice(b"\"[");
                let address = write(&mut text, address.to_string().as_bytes());
                text.extend_from_slice(b"]\"");
                Some(address)
            }
            PeerAddr::Unix => {
                text.extend_from_slice(b"unknown");
                None
            }
        };
        // A port's colon makes it more than a token.
        let quote: &[u8] = if host.contains([':', '[']) { b"\"" } else { b"" };
        if !host.is_empty() {
            text.extend_from_slice(b";host=");
            text.extend_from_slice(quote);
        }
        let host = write(&mut text, host.as_bytes());
        text.extend_from_slice(quote);
        text.extend_from_slice(b";proto=");
        text.extend_from_slice(scheme.as_str().as_bytes());
        let whole = text.freeze();
        let value = |bytes: Bytes| HeaderValue::from_maybe_shared(bytes).ok();
        Element {
            address: address.and_then(|it| value(whole.slice(it))),
            host: value(whole.slice(host)).filter(|host| !host.is_empty()),
            whole: value(whole).unwrap_or(UNKNOWN),
        }
    }
}

/// What is told where nothing can be: of a Host that is no field value, which no request has.
const UNKNOWN: HeaderValue = HeaderValue::from_static("for=unknown");

impl About {
    fn is(&self, peer: PeerAddr, scheme: Scheme, host: &str) -> bool {
        self.peer == peer && self.scheme == scheme && *self.host == *host
    }
}

/// By the last bytes of its address: neighbours differ in these.
fn place(peer: PeerAddr) -> usize {
    let low = match peer {
        PeerAddr::Ip(IpAddr::V4(address)) => address.octets()[3],
        PeerAddr::Ip(IpAddr::V6(address)) => address.octets()[7] ^ address.octets()[15],
        PeerAddr::Unix => 0,
    };
    usize::from(low) % REMEMBERED
}

/// Writes it, and says where it stands.
fn write(text: &mut BytesMut, what: &[u8]) -> Range<usize> {
    let start = text.len();
    text.extend_from_slice(what);
    start..text.len()
}

/// An IPv4 address: the formatter would take a thousand instructions for what most requests need.
fn write_octets(text: &mut BytesMut, octets: [u8; 4]) -> Range<usize> {
    let start = text.len();
    for (index, octet) in octets.into_iter().enumerate() {
        if index > 0 {
            text.extend_from_slice(b".");
        }
        let digits = [b'0' + octet / 100, b'0' + octet / 10 % 10, b'0' + octet % 10];
        let zeros = usize::from(octet < 100) + usize::from(octet < 10);
        text.extend_from_slice(&digits[zeros..]);
    }
    start..text.len()
}

/// Adds a member to a list that a trusted peer began, in one line.
fn add(fields: &mut HeaderMap, name: HeaderName, member: HeaderValue, keep: bool) {
    if !keep || !fields.contains_key(&name) {
        fields.insert(name, member);
        return;
    }
    let mut members: Vec<&[u8]> = fields.get_all(&name).iter().map(HeaderValue::as_bytes).collect();
    members.push(member.as_bytes());
    if let Ok(value) = HeaderValue::from_bytes(&members.join(&b", "[..])) {
        fields.insert(name, value);
    }
}

fn put(fields: &mut HeaderMap, name: HeaderName, value: &str) {
    match HeaderValue::from_str(value) {
        Ok(value) if !value.is_empty() => fields.insert(name, value),
        _ => fields.remove(name),
    };
}
