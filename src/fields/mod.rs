//! Fields on their way through: what is for one hop only (RFC 9110 §7.6.1),
//! what is believed and what is stripped ([`believe`]), what could be taken
//! for another ([`has_aliases`]), what we add ([`forward`]).

mod alias;
mod believe;
mod forward;
mod lines;
mod repeated;

use http::{HeaderMap, HeaderName, header};

use crate::ids;

pub use alias::has_aliases;
pub use believe::{Believed, believe, vouch};
pub use forward::{Forwarding, Upgrade, forward, join_cookies, max_forwards, via};
pub use lines::{write_line, write_lines};
pub use repeated::{known, remember};

/// Fields that mean the connection they come on, whoever sends them.
static ONE_HOP: [HeaderName; 9] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    HeaderName::from_static("http2-settings"),
];

/// Fields without which a message cannot be understood: Connection cannot name them away.
static NOT_NOMINATED: [HeaderName; 3] =
    [header::HOST, header::CONTENT_LENGTH, header::TRANSFER_ENCODING];

/// Request fields whose forwarded value is ours and not the client's: a response that varies by
/// one of them cannot be chosen by what the client sent.
static SET_BY_US: [HeaderName; 8] = [
    header::FORWARDED,
    HeaderName::from_static("x-forwarded-for"),
    HeaderName::from_static("x-forwarded-proto"),
    HeaderName::from_static("x-forwarded-host"),
    header::VIA,
    header::CONNECTION,
    ids::REQUEST_ID,
    ids::TRACEPARENT,
];

/// Whether the forwarded value of a request field is ours.
#[must_use]
pub fn is_set_by_us(name: &HeaderName) -> bool {
    SET_BY_US.contains(name) || ONE_HOP.contains(name)
}

/// Removes the fields that Connection names, and Connection with them.
pub fn remove_nominated(fields: &mut HeaderMap) {
    let lines = fields.get_all(header::CONNECTION).iter();
    let named = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    let named: Vec<HeaderName> =
        named.filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok()).collect();
    for name in named.iter().filter(|name| !NOT_NOMINATED.contains(name)) {
        fields.remove(name);
    }
    fields.remove(header::CONNECTION);
}

/// Removes every field that is for this hop only (§7.6.1).
pub fn remove_hop_by_hop(fields: &mut HeaderMap) {
    // Most messages have none, and to see that costs less than to look for each.
    if !fields.keys().any(is_of_one_hop) {
        return;
    }
    remove_nominated(fields);
    for name in &ONE_HOP {
        fields.remove(name);
    }
}

/// Whether a field is one of [`ONE_HOP`].
fn is_of_one_hop(name: &HeaderName) -> bool {
    is_for_one_hop(name.as_str())
}

/// Whether the field of a name is for one hop only, told at once: this is asked of every field of every head.
#[must_use]
pub fn is_for_one_hop(name: &str) -> bool {
    matches!(
        name,
        "connection"
            | "keep-alive"
            | "proxy-connection"
            | "proxy-authenticate"
            | "proxy-authorization"
            | "te"
            | "transfer-encoding"
            | "upgrade"
            | "http2-settings"
    )
}

/// Whether a field's value, a list of tokens, names `token` in any case.
#[must_use]
pub fn lists(fields: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    let lines = fields.get_all(name).iter();
    let mut members = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    members.any(|member| member.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
}

/// Whether a response field tells a client how often it may ask: true of the moment and of the one
/// that asked.
#[must_use]
pub fn is_of_this_moment(name: &HeaderName) -> bool {
    let limits = ["ratelimit", "x-ratelimit", "x-rate-limit"];
    let rest = |limit: &&str| name.as_str().strip_prefix(*limit);
    let mut rests = limits.iter().filter_map(rest);
    *name == header::RETRY_AFTER || rests.any(|rest| rest.is_empty() || rest.starts_with('-'))
}

/// Whether Accept names JSON, a problem document, or all kinds of applications; `*/*` alone says
/// nothing, since every client sends it.
#[must_use]
pub fn takes_json(fields: &HeaderMap) -> bool {
    const JSON: [&[u8]; 3] = [b"application/json", b"application/problem+json", b"application/*"];
    let lines = fields.get_all(header::ACCEPT).iter();
    let mut ranges = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    ranges.any(|range| {
        let mut pieces = range.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
        let named = pieces.next().unwrap_or_default();
        let refused = |piece: &[u8]| {
            let weight = piece.strip_prefix(b"q=").or(piece.strip_prefix(b"Q="));
            weight.is_some_and(|weight| weight.iter().all(|byte| matches!(byte, b'0' | b'.')))
        };
        JSON.iter().any(|json| named.eq_ignore_ascii_case(json)) && !pieces.any(refused)
    })
}

#[cfg(test)]
mod tests;
