//! The head of a forwarded request: what is for one hop removed, what we know added.

use std::{net::IpAddr, ops::Range};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Version, header};

use super::{Believed, NOT_NOMINATED, believe::is_claim, is_set_by_us, lists, remove_hop_by_hop};
use crate::{server::PeerAddr, target::Scheme};

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

/// Makes a client's fields those of the request to an upstream (RFC 9110 §7.6).
pub fn forward(fields: &mut HeaderMap, forwarding: Forwarding<'_>) {
    let trailers = lists(fields, &header::TE, "trailers");
    // At once, not field by field.
    fields.reserve(ADDED);
    remove_hop_by_hop(fields);
    fields.remove(header::EXPECT);
    if trailers {
        fields.insert(header::TE, HeaderValue::from_static("trailers"));
        fields.append(header::CONNECTION, HeaderValue::from_static("te"));
    }
    if forwarding.upgrade == Upgrade::WebSocket {
        fields.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        fields.append(header::CONNECTION, HeaderValue::from_static("upgrade"));
    }
    if let Some(left) = max_forwards(fields) {
        fields.insert(header::MAX_FORWARDS, HeaderValue::from(left.saturating_sub(1)));
    }
    declare_trailers(fields);
    // The client's own, mostly.
    if fields.get(header::HOST).is_none_or(|host| host.as_bytes() != forwarding.host.as_bytes()) {
        put(fields, header::HOST, forwarding.host);
    }
    fields.append(header::VIA, via(forwarding.version));
    tell_where_from(fields, forwarding);
}

/// The member that we add to Via (§7.6.3) for a message received in `version`.
#[must_use]
pub fn via(version: Version) -> HeaderValue {
    HeaderValue::from_static(match version {
        Version::HTTP_10 => "1.0 larder",
        Version::HTTP_2 => "2 larder",
        _ => "1.1 larder",
    })
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
struct Element {
    whole: Bytes,
    address: Option<Bytes>,
    host: Bytes,
}

fn tell_where_from(fields: &mut HeaderMap, forwarding: Forwarding<'_>) {
    let Forwarding { peer, believed, authority, .. } = forwarding;
    let host = believed.host.as_deref().unwrap_or(authority);
    let Element { whole, address, host } = Element::new(peer, believed.scheme, host);
    add(fields, header::FORWARDED, whole, believed.trusted);
    if let Some(address) = address {
        add(fields, HeaderName::from_static("x-forwarded-for"), address, believed.trusted);
    }
    let scheme = HeaderValue::from_static(believed.scheme.as_str());
    fields.insert(HeaderName::from_static("x-forwarded-proto"), scheme);
    put_shared(fields, HeaderName::from_static("x-forwarded-host"), host);
}

impl Element {
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
        Element { address: address.map(|it| whole.slice(it)), host: whole.slice(host), whole }
    }
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
fn add(fields: &mut HeaderMap, name: HeaderName, member: Bytes, keep: bool) {
    if !keep || !fields.contains_key(&name) {
        return put_shared(fields, name, member);
    }
    let mut members: Vec<&[u8]> = fields.get_all(&name).iter().map(HeaderValue::as_bytes).collect();
    members.push(&member);
    if let Ok(value) = HeaderValue::from_bytes(&members.join(&b", "[..])) {
        fields.insert(name, value);
    }
}

fn put_shared(fields: &mut HeaderMap, name: HeaderName, value: Bytes) {
    match HeaderValue::from_maybe_shared(value) {
        Ok(value) if !value.is_empty() => fields.insert(name, value),
        _ => fields.remove(name),
    };
}

fn put(fields: &mut HeaderMap, name: HeaderName, value: &str) {
    match HeaderValue::from_str(value) {
        Ok(value) if !value.is_empty() => fields.insert(name, value),
        _ => fields.remove(name),
    };
}
