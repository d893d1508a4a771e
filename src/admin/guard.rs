//! Who may ask: no page in a browser, be it by a name that was made to point here (DNS rebinding);
//! and to change something, only who knows the token.

use std::net::IpAddr;

use http::{HeaderMap, HeaderValue, StatusCode, header, request};

use super::problem::Problem;
use crate::{
    config::Secret,
    server::PeerAddr,
    target::{self, Scheme},
};

/// Refuses what a browser sends for a page: an Origin, or a Host that is neither an address nor
/// known.
///
/// # Errors
/// 403; 400 where there is no usable Host.
pub(super) fn no_browser(head: &request::Parts, hosts: &[String]) -> Result<(), Problem> {
    if head.headers.contains_key(header::ORIGIN) {
        return Err(forbidden("a request with an Origin comes from a page in a browser"));
    }
    let authority = target::authority(head, Scheme::Http);
    let authority = authority.map_err(|refusal| Problem::bad(refusal.to_string()))?;
    let host = target::host(&authority);
    let address = host.trim_start_matches('[').trim_end_matches(']');
    let known = address.parse::<IpAddr>().is_ok()
        || host == "localhost"
        || hosts.iter().any(|it| it == host);
    if known { Ok(()) } else { Err(forbidden("this Host is not one of admin.hosts")) }
}

/// Lets through who knows the token (RFC 6750 §2.1); where there is none, who can open the unix
/// socket.
///
/// # Errors
/// 401, or 403 where no token would help.
pub(super) fn authorize(
    headers: &HeaderMap,
    peer: PeerAddr,
    token: Option<&Secret>,
) -> Result<(), Problem> {
    let Some(token) = token else {
        return match peer {
            PeerAddr::Unix => Ok(()),
            PeerAddr::Ip(_) => {
                Err(forbidden("without admin.token, only a unix socket serves this"))
            }
        };
    };
    let mut lines = headers.get_all(header::AUTHORIZATION).iter();
    let given = match (lines.next(), lines.next()) {
        (Some(line), None) => bearer(line),
        _ => None,
    };
    // Hashes of blake3 are compared in constant time, whatever their texts have in common.
    let is_token = |given: &[u8]| blake3::hash(given) == blake3::hash(token.reveal().as_bytes());
    if given.is_some_and(is_token) {
        return Ok(());
    }
    let problem =
        Problem::new(StatusCode::UNAUTHORIZED, "send admin.token as Authorization: Bearer");
    Err(problem.with(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")))
}

fn bearer(line: &HeaderValue) -> Option<&[u8]> {
    let (scheme, token) = line.as_bytes().split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii())
}

fn forbidden(detail: &str) -> Problem {
    Problem::new(StatusCode::FORBIDDEN, detail)
}
