//! What a request says of where it comes from, and how much of it is believed.
//!
//! Only a peer in `trusted_proxies` is. `Forwarded` (RFC 7239) wins over
//! `X-Forwarded-*`; chains are walked from the right, through trusted hops,
//! to the first address that is not.

use std::net::IpAddr;

use http::{HeaderMap, HeaderName, HeaderValue, header};
use ipnet::IpNet;

use super::{NOT_NOMINATED, ONE_HOP};
use crate::{
    server::PeerAddr,
    target::{self, Scheme},
};

/// Fields by which a client could pass for another; every `X-Forwarded-*` is one, too.
static LIES: [HeaderName; 7] = [
    header::FORWARDED,
    HeaderName::from_static("x-forwarded"),
    HeaderName::from_static("x-real-ip"),
    HeaderName::from_static("x-client-ip"),
    HeaderName::from_static("x-cluster-client-ip"),
    HeaderName::from_static("true-client-ip"),
    HeaderName::from_static("cf-connecting-ip"),
];

/// Fields by which an origin would answer another request than the one that the cache knows the
/// answer by. Not even a trusted proxy's are passed on: it may just not have removed them.
static REWRITES: [HeaderName; 8] = [
    HeaderName::from_static("x-original-url"),
    HeaderName::from_static("x-original-host"),
    HeaderName::from_static("x-rewrite-url"),
    HeaderName::from_static("x-host"),
    HeaderName::from_static("x-http-method"),
    HeaderName::from_static("x-http-method-override"),
    HeaderName::from_static("x-method-override"),
    // CGI makes HTTP_PROXY of it (CVE-2016-5385).
    HeaderName::from_static("proxy"),
];

pub(super) const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
pub(super) const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
pub(super) const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
/// What the proxy before calls itself: it is of that hop, and would keep apart what is the same.
const FORWARDED_SERVER: HeaderName = HeaderName::from_static("x-forwarded-server");

/// What is known of a request's origin.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Believed {
    /// The client; `None` on a unix socket.
    pub client: Option<IpAddr>,
    /// The scheme that the client used.
    pub scheme: Scheme,
    /// The Host that the client sent, where a trusted proxy says so.
    pub host: Option<String>,
    /// What else a trusted proxy says in `X-Forwarded-*`, a line each: it may change the answer.
    pub besides: Option<String>,
    /// Whether what the peer says of the client is passed on.
    pub trusted: bool,
}

/// One hop of a chain, as a proxy wrote it down.
#[derive(Debug, Default)]
struct Hop {
    address: Option<IpAddr>,
    scheme: Option<Scheme>,
    host: Option<String>,
}

/// Reads what the peer says of the client if it is trusted, and else takes it out of the request.
/// `scheme` is that of the connection, for a peer that says nothing of it.
pub fn believe(
    fields: &mut HeaderMap,
    peer: PeerAddr,
    trusted: &[IpNet],
    scheme: Scheme,
) -> Believed {
    let peer = match peer {
        PeerAddr::Ip(address) => Some(address),
        PeerAddr::Unix => None,
    };
    let is_trusted = |address: IpAddr| trusted.iter().any(|net| net.contains(&address));
    let claims = fields.keys().any(|name| may_claim(name) && is_claim(name));
    if claims {
        remove(fields, |name| REWRITES.contains(name) || is_disguised(name));
    }
    if !peer.is_some_and(is_trusted) {
        if claims {
            remove(fields, is_lie);
        }
        return Believed { client: peer, scheme, ..Believed::default() };
    }
    let hops = match fields.contains_key(header::FORWARDED) {
        true => forwarded(fields),
        false => x_forwarded(fields),
    };
    let client = hops.iter().rposition(|hop| !hop.address.is_some_and(is_trusted));
    let client = client.or((!hops.is_empty()).then_some(0));
    let hop = client.and_then(|index| hops.into_iter().nth(index)).unwrap_or_default();
    let scheme = hop.scheme.unwrap_or(scheme);
    let host = hop.host.and_then(|host| target::normalise(host.as_bytes(), scheme).ok());
    fields.remove(FORWARDED_SERVER);
    let (client, besides) = (hop.address.or(peer), besides(fields, scheme));
    Believed { client, scheme, host, besides, trusted: true }
}

/// Makes the field `name` say what we know of the client, or nothing. What a client says by it is
/// gone, however it is spelled, in trailers too.
pub fn vouch(fields: &mut HeaderMap, name: &HeaderName, value: Option<&HeaderValue>) {
    let is_it = |text: &str| text.trim().replace('_', "-").eq_ignore_ascii_case(name.as_str());
    remove(fields, |other| is_it(other.as_str()));
    // By bytes, as trailers are declared: a line with others that are no text counts, too.
    let names_it = |line: &HeaderValue| {
        line.as_bytes().split(|byte| *byte == b',').any(|it| str::from_utf8(it).is_ok_and(is_it))
    };
    if fields.get_all(header::TRAILER).iter().any(names_it) {
        fields.remove(header::TRAILER);
    }
    if let Some(value) = value {
        fields.insert(name.clone(), value.clone());
    }
}

/// `X-Forwarded-Prefix`, `-Port` and their like: they pass, and so must be part of the key. The
/// port that the scheme has anyway says nothing.
fn besides(fields: &HeaderMap, scheme: Scheme) -> Option<String> {
    let known = [FORWARDED_FOR, FORWARDED_PROTO, FORWARDED_HOST];
    let port = match scheme {
        Scheme::Http => "80",
        Scheme::Https => "443",
    };
    let says_nothing = |name: &HeaderName, value: &HeaderValue| {
        known.contains(name) || (name == FORWARDED_PORT && value == port)
    };
    let others = fields.iter().filter(|(name, value)| {
        name.as_str().starts_with("x-forwarded-") && !says_nothing(name, value)
    });
    let mut lines: Vec<String> = others
        .map(|(name, value)| format!("{name}: {}\n", value.as_bytes().escape_ascii()))
        .collect();
    lines.sort();
    (!lines.is_empty()).then(|| lines.concat())
}

/// Whether a field is worth a closer look, as few are.
fn may_claim(name: &HeaderName) -> bool {
    let name = name.as_str().as_bytes();
    // The first letters of LIES and REWRITES; an underscore disguises a name.
    matches!(name.first(), Some(b'c' | b'f' | b'p' | b't' | b'x')) || name.contains(&b'_')
}

/// Whether a client could speak for us by this field.
pub(super) fn is_claim(name: &HeaderName) -> bool {
    is_lie(name) || REWRITES.contains(name) || is_disguised(name)
}

fn is_lie(name: &HeaderName) -> bool {
    name.as_str().starts_with("x-forwarded-") || LIES.contains(name)
}

/// CGI and its descendants (WSGI, PHP, Rack) take `X_Real_IP` for `X-Real-IP`.
fn is_disguised(name: &HeaderName) -> bool {
    let plain = name.as_str().contains('_').then(|| name.as_str().replace('_', "-"));
    let plain = plain.and_then(|plain| HeaderName::from_bytes(plain.as_bytes()).ok());
    plain.is_some_and(|it| is_lie(&it) || REWRITES.contains(&it) || frames(&it))
}

fn frames(name: &HeaderName) -> bool {
    ONE_HOP.contains(name) || NOT_NOMINATED.contains(name)
}

fn remove(fields: &mut HeaderMap, is_bad: impl Fn(&HeaderName) -> bool) {
    let bad: Vec<HeaderName> = fields.keys().filter(|name| is_bad(name)).cloned().collect();
    for name in bad {
        fields.remove(name);
    }
}

fn x_forwarded(fields: &HeaderMap) -> Vec<Hop> {
    let last = |name| members(fields, &name).pop();
    let scheme = last(FORWARDED_PROTO).and_then(|it| Scheme::parse(&it));
    let host = last(FORWARDED_HOST);
    let chain = members(fields, &FORWARDED_FOR).into_iter();
    let mut hops: Vec<Hop> =
        chain.map(|node| Hop { address: address(&node), ..Hop::default() }).collect();
    if hops.is_empty() {
        hops.push(Hop::default());
    }
    for hop in &mut hops {
        (hop.scheme, hop.host) = (scheme, host.clone());
    }
    hops
}

fn members(fields: &HeaderMap, name: &HeaderName) -> Vec<String> {
    let lines = fields.get_all(name).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(|it| it.trim().to_owned()).collect()
}

/// Reads Forwarded (RFC 7239 §4): elements between commas, pairs between semicolons, both outside
/// quotes.
fn forwarded(fields: &HeaderMap) -> Vec<Hop> {
    let lines = fields.get_all(header::FORWARDED).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| split(line, ',')).map(|element| hop(&element)).collect()
}

fn hop(element: &str) -> Hop {
    let mut hop = Hop::default();
    for pair in split(element, ';') {
        let Some((name, value)) = pair.split_once('=') else { continue };
        let value = unquote(value.trim());
        match name.trim().to_ascii_lowercase().as_str() {
            "for" => hop.address = address(&value),
            "proto" => hop.scheme = Scheme::parse(&value),
            "host" => hop.host = Some(value),
            _ => {}
        }
    }
    hop
}

/// Splits outside quoted strings (RFC 9110 §5.6.4).
fn split(text: &str, separator: char) -> Vec<String> {
    let (mut parts, mut quoted, mut escaped) = (vec![String::new()], false, false);
    for character in text.chars() {
        if character == separator && !quoted {
            parts.push(String::new());
            continue;
        }
        let escapes = quoted && !escaped && character == '\\';
        quoted ^= character == '"' && !escaped;
        escaped = escapes;
        parts.last_mut().expect("it starts with one").push(character);
    }
    parts
}

fn unquote(value: &str) -> String {
    let inner = value.strip_prefix('"').and_then(|it| it.strip_suffix('"'));
    let Some(inner) = inner else { return value.to_owned() };
    let mut plain = String::with_capacity(inner.len());
    let mut characters = inner.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => plain.extend(characters.next()),
            other => plain.push(other),
        }
    }
    plain
}

/// The address of a node (RFC 7239 §6): IPv6 in brackets, a port may follow; names are nobody.
fn address(node: &str) -> Option<IpAddr> {
    let bare = match node.strip_prefix('[') {
        Some(rest) => rest.split_once(']').map(|(address, _)| address)?,
        None if node.matches(':').count() == 1 => node.split(':').next()?,
        None => node,
    };
    bare.parse::<IpAddr>().ok().map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_claims_is_looked_at() {
        let disguised = [HeaderName::from_static("x_real_ip"), HeaderName::from_static("te_")];
        for name in LIES.iter().chain(&REWRITES).chain(&disguised) {
            assert!(may_claim(name), "{name}");
        }
        assert!(!may_claim(&header::USER_AGENT), "the rest costs a glance");
    }

    #[test]
    fn what_says_nothing_of_the_answer_is_no_part_of_the_key() {
        let peer = PeerAddr::Ip("10.0.0.1".parse().expect("an address"));
        let trusted = ["10.0.0.0/8".parse().expect("a network")];
        let rows = [
            ("x-forwarded-port: 443", "https", None, "the port that it has anyway"),
            ("x-forwarded-port: 80", "http", None, "the port that it has anyway"),
            ("x-forwarded-port: 80", "https", Some("x-forwarded-port: 80\n"), "another"),
            ("x-forwarded-prefix: /a", "http", Some("x-forwarded-prefix: /a\n"), "in links"),
            ("x-forwarded-server: web-1", "http", None, "the proxy's own name"),
        ];
        for (line, scheme, expected, why) in rows {
            let (name, value) = line.split_once(": ").expect("a line");
            let mut fields = HeaderMap::new();
            for (name, value) in [(name, value), ("x-forwarded-proto", scheme)] {
                let name = HeaderName::from_bytes(name.as_bytes()).expect("a name");
                fields.append(name, HeaderValue::from_str(value).expect("a value"));
            }
            let believed = believe(&mut fields, peer, &trusted, Scheme::Http);
            assert_eq!(believed.besides.as_deref(), expected, "{line} by {scheme}: {why}");
            assert_eq!(fields.contains_key(name), name != "x-forwarded-server", "{line} goes on");
        }
    }
}
