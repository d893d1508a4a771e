//! Where messages end: said by us to the upstream, and checked in what it says (RFC 9112 §6).

use http::{
    HeaderMap, HeaderValue, Method, Request, StatusCode, Version,
    header::{CONTENT_LENGTH, TRANSFER_ENCODING},
    request, response,
};
use http_body::Body;

use super::{Error, RequestBody};

/// Whether a connection can be used again after a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reuse {
    /// Nothing speaks against it.
    Allowed,
    /// The framing is odd enough that what follows might be taken for another answer.
    Refused,
}

/// A request whose framing is ours, whatever the client's was.
pub(super) fn request(head: request::Parts, mut body: RequestBody) -> Request<RequestBody> {
    if head.version == Version::HTTP_2 {
        body.needs_end_stream();
    }
    let mut request = Request::from_parts(head, body);
    *request.version_mut() = Version::HTTP_11;
    let length = request.body().size_hint().exact();
    let anticipates_content =
        matches!(*request.method(), Method::POST | Method::PUT | Method::PATCH);
    let fields = request.headers_mut();
    fields.remove(CONTENT_LENGTH);
    fields.remove(TRANSFER_ENCODING);
    match length {
        // RFC 9110 §8.6: servers may answer 411 without it.
        Some(0) if !anticipates_content => {}
        Some(length) => {
            fields.insert(CONTENT_LENGTH, length.into());
        }
        // Named here, because hyper drops a GET's body of unknown length otherwise.
        None => {
            fields.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
    }
    request
}

/// Refuses a response whose end hyper and the upstream might see at different places, and leaves
/// at most one Content-Length.
///
/// # Errors
/// [`Error::Framing`].
pub fn check(head: &mut response::Parts) -> Result<Reuse, Error> {
    let bodiless = head.status == StatusCode::NO_CONTENT || head.status.is_informational();
    if !bodiless && says_nothing_but_a_length(&head.headers) {
        return Ok(Reuse::Allowed);
    }
    let coding = coding(&head.headers)?;
    let length = content_length(&head.headers)?;
    if coding == Coding::Unknown {
        return match bodiless || length.is_some() {
            true => Err(Error::Framing(BAD_CODING)),
            false => Ok(Reuse::Refused),
        };
    }
    let coded = coding == Coding::Chunked;
    // Content-Length beside chunked counts for nothing (RFC 9112 §6.3), and in a 101 or 204 neither
    // may be there at all (RFC 9110 §8.6); hyper decodes so, but leaves the field.
    let odd = coded && (length.is_some() || bodiless) || bodiless && length.is_some_and(|n| n > 0);
    if odd || bodiless {
        head.headers.remove(CONTENT_LENGTH);
    } else if let Some(length) = length
        && !is_plain(&head.headers)
    {
        head.headers.insert(CONTENT_LENGTH, length.into());
    }
    Ok(if odd { Reuse::Refused } else { Reuse::Allowed })
}

/// Whether a head has one Content-Length at most, written as we would write it, and no transfer
/// coding: as most have, found in one walk.
fn says_nothing_but_a_length(fields: &HeaderMap) -> bool {
    let mut lengths = 0;
    fields.iter().all(|(name, value)| match name.as_str() {
        "content-length" => {
            lengths += 1;
            lengths == 1 && is_plain_length(value.as_bytes())
        }
        name => name != "transfer-encoding",
    })
}

/// Any number of that many digits is one.
const MANY_DIGITS: usize = 18;

fn is_plain_length(line: &[u8]) -> bool {
    let plain = line == b"0" || matches!(line.first(), Some(b'1'..=b'9'));
    plain && line.len() <= MANY_DIGITS && line.iter().all(u8::is_ascii_digit)
}

/// How a response says that its body is coded for this hop.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Coding {
    None,
    Chunked,
    /// By a name that means nothing. No coding but `chunked` was asked for (RFC 9110 §10.1.4), so
    /// the bytes are taken as they come, until the connection closes (RFC 9112 §6.3).
    Unknown,
}

/// A coding that is known, or may be meant for `chunked` by a reader less strict, would be part of
/// the body that hyper hands out.
fn coding(fields: &HeaderMap) -> Result<Coding, Error> {
    let mut codings = fields.get_all(TRANSFER_ENCODING).iter().map(HeaderValue::as_bytes);
    match (codings.next(), codings.next()) {
        (None, _) => Ok(Coding::None),
        (Some(coding), None) if coding.eq_ignore_ascii_case(b"chunked") => Ok(Coding::Chunked),
        (Some(coding), None) if is_meaningless(coding) => Ok(Coding::Unknown),
        (Some(_), _) => Err(Error::Framing(BAD_CODING)),
    }
}

/// The names of transfer codings (RFC 9112 §12.3) and of content codings, which some confuse.
const CODINGS: [&str; 10] =
    ["br", "compress", "dcb", "dcz", "deflate", "exi", "gzip", "identity", "trailers", "zstd"];

fn is_meaningless(coding: &[u8]) -> bool {
    let Ok(name) = str::from_utf8(coding) else { return false };
    let name = name.to_ascii_lowercase();
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    let known = CODINGS.contains(&name.trim_start_matches("x-"));
    !name.is_empty() && name.bytes().all(is_word) && !known && !name.contains("chunk")
}

const BAD_CODING: &str = "a transfer coding other than chunked";

/// hyper refuses lengths that differ only where it needs one, not after HEAD or in a 304.
fn content_length(fields: &HeaderMap) -> Result<Option<u64>, Error> {
    let mut length = None;
    for value in fields.get_all(CONTENT_LENGTH) {
        for member in value.as_bytes().split(|byte| *byte == b',') {
            let member = number(member.trim_ascii()).ok_or(Error::Framing(BAD_LENGTH))?;
            if length.replace(member).is_some_and(|before| before != member) {
                return Err(Error::Framing(BAD_LENGTH));
            }
        }
    }
    Ok(length)
}

/// Whether a Content-Length, known to be one, is written as we would write it.
fn is_plain(fields: &HeaderMap) -> bool {
    let mut lines = fields.get_all(CONTENT_LENGTH).iter().map(HeaderValue::as_bytes);
    match (lines.next(), lines.next()) {
        (Some(b"0"), None) => true,
        (Some(line), None) => !line.starts_with(b"0") && line.iter().all(u8::is_ascii_digit),
        (None | Some(_), _) => false,
    }
}

const BAD_LENGTH: &str = "a Content-Length that is no number, or two that differ";

fn number(digits: &[u8]) -> Option<u64> {
    // `parse` alone would take a sign.
    let digits = str::from_utf8(digits).ok().filter(|it| it.bytes().all(|b| b.is_ascii_digit()))?;
    digits.parse().ok()
}
