//! The head of a forwarded request: what is for one hop removed, what we know added.

use std::net::IpAddr;

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

/// Makes a client's fields those of the request to an upstream (RFC 9110 §7.6).
pub fn forward(fields: &mut HeaderMap, forwarding: Forwarding<'_>) {
    let trailers = lists(fields, &header::TE, "trailers");
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
    put(fields, header::HOST, forwarding.host);
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
    let lines = fields.get_all(header::TRAILER).iter();
    let named = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    let named = named.filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok());
    let harmless =
        |name: &HeaderName| !is_claim(name) && !is_set_by_us(name) && !NOT_NOMINATED.contains(name);
    let names: Vec<HeaderName> = named.filter(harmless).collect();
    let names: Vec<&str> = names.iter().map(HeaderName::as_str).collect();
    if fields.contains_key(header::TRAILER) {
        put(fields, header::TRAILER, &names.join(", "));
    }
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

fn tell_where_from(fields: &mut HeaderMap, forwarding: Forwarding<'_>) {
    let Forwarding { peer, believed, authority, .. } = forwarding;
    let address = match peer {
        PeerAddr::Ip(address) => Some(address),
        PeerAddr::Unix => None,
    };
    let host = believed.host.as_deref().unwrap_or(authority);
    let element = element(address, believed.scheme, host);
    add(fields, header::FORWARDED, &element, believed.trusted);
    if let Some(address) = address {
        let name = HeaderName::from_static("x-forwarded-for");
        add(fields, name, &address.to_string(), believed.trusted);
    }
    put(fields, HeaderName::from_static("x-forwarded-proto"), believed.scheme.as_str());
    put(fields, HeaderName::from_static("x-forwarded-host"), host);
}

/// One element of Forwarded (RFC 7239 §4).
fn element(address: Option<IpAddr>, scheme: Scheme, host: &str) -> String {
    let node = match address {
        Some(IpAddr::V4(address)) => address.to_string(),
        Some(IpAddr::V6(address)) => format!("\"[{address}]\""),
        None => "unknown".to_owned(),
    };
    let proto = scheme.as_str();
    match host {
        "" => format!("for={node};proto={proto}"),
        // A port's colon makes it more than a token.
        host if host.contains([':', '[']) => format!("for={node};host=\"{host}\";proto={proto}"),
        host => format!("for={node};host={host};proto={proto}"),
    }
}

/// Adds a member to a list that a trusted peer began, in one line.
fn add(fields: &mut HeaderMap, name: HeaderName, member: &str, keep: bool) {
    let lines = fields.get_all(&name).iter().filter(|_| keep);
    let mut members: Vec<&[u8]> = lines.map(HeaderValue::as_bytes).collect();
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
