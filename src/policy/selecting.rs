//! What the fields that Vary names say, in one form (RFC 9111 §4.1).
//!
//! Two requests that mean the same are to find the same variant; two that might mean different
//! things never. So every value is one list however many lines it had. The fields that negotiate
//! are known to be lists: they lose the whitespace around their commas, but for that in quoted
//! strings; a field of unknown syntax does where it is made of tokens, commas and whitespace alone.
//! Of the fields that negotiate by names alone, the case of the names, the way weights are written,
//! and the order of names whose weights differ are lost, too. The order of equal weights stays:
//! origins exist that take the first.
//! What identifies somebody (Cookie, Authorization) stays byte for byte and line by line, and so does
//! a field of the operator's key whose syntax is not known.

use http::{HeaderMap, HeaderName, header};

use super::{cookies::KEY_COOKIES, field};

/// More members than this are no negotiation, and compared as they were written.
const MAX_MEMBERS: usize = 32;

/// `q=1`, in thousandths (RFC 9110 §12.4.2).
const FULL_WEIGHT: u16 = 1000;

/// Feeds `add` with the normal form of a field of a request, piece by piece.
///
/// The pieces of two values are the same, taken together, only where the values mean the same.
pub fn normalise(asked: &HeaderMap, name: &HeaderName, mut add: impl FnMut(&[u8])) {
    if !is_weighted(name) || add_weighted(asked, name, &mut add).is_none() {
        let identifies = [header::COOKIE, header::AUTHORIZATION, KEY_COOKIES].contains(name);
        let syntax = match () {
            () if identifies => Syntax::Exact,
            () if *name == header::ACCEPT || is_weighted(name) => Syntax::List,
            () => guessed(asked, name),
        };
        let mut between: &[u8] = b"";
        for line in field::lines(asked, name.clone()) {
            add(between);
            let line = line.trim_ascii();
            let is_over = match syntax {
                Syntax::Exact => {
                    add(line);
                    false
                }
                Syntax::Lines => {
                    add(line);
                    add_list(line, &mut |_| ()) == Quote::Closed
                }
                Syntax::List => add_list(line, &mut add) == Quote::Closed,
            };
            // No value holds a line feed: what is no list may have several lines all the same, and
            // who reads line by line sees an open quote end with its own.
            between = if is_over { b"," } else { b"\n" };
        }
    }
}

/// Has the lines of a field compared as they are, should its syntax not be known: what the operator
/// tells apart by it is known to nobody else.
pub fn compare_as_it_is(asked: &mut HeaderMap, name: &HeaderName) {
    if let header::Entry::Occupied(mut lines) = asked.entry(name) {
        lines.iter_mut().for_each(|line| line.set_sensitive(true));
    }
}

/// What is known of how a field is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Syntax {
    /// A list: whitespace around its commas means nothing.
    List,
    /// If it has several lines, they are one list (RFC 9110 §5.3).
    Lines,
    /// It is nobody's to say: every byte counts, and so does each line.
    Exact,
}

/// The syntax of a field that HTTP does not know. It is a list in any if it is made of tokens, commas
/// and whitespace, and nothing that could hold them together.
fn guessed(asked: &HeaderMap, name: &HeaderName) -> Syntax {
    let plain = |byte: &u8| is_tchar(byte) || matches!(byte, b',' | b' ' | b'\t');
    let mut syntax = Syntax::List;
    for line in asked.get_all(name) {
        match line {
            line if line.is_sensitive() => return Syntax::Exact,
            line if !line.as_bytes().iter().all(plain) => syntax = Syntax::Lines,
            _ => {}
        }
    }
    syntax
}

/// Fields that are lists of names and weights, and nothing else (RFC 9110 §12.5).
fn is_weighted(name: &HeaderName) -> bool {
    [header::ACCEPT_LANGUAGE, header::ACCEPT_ENCODING, header::ACCEPT_CHARSET].contains(name)
}

/// A value without the whitespace around its commas; from a quote that is never closed on, as it
/// is.
fn add_list(mut rest: &[u8], add: &mut impl FnMut(&[u8])) -> Quote {
    loop {
        match comma(rest) {
            Ok(comma) => {
                add(rest[..comma].trim_ascii_end());
                add(b",");
                rest = rest[comma + 1..].trim_ascii_start();
            }
            Err(quote) => {
                add(rest);
                return quote;
            }
        }
    }
}

/// What the last quote of a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Quote {
    Closed,
    Open,
}

/// Where the first comma is that is in no quoted string (RFC 9110 §5.6.4); else how it ends.
fn comma(value: &[u8]) -> Result<usize, Quote> {
    let (mut quoted, mut escaped) = (false, false);
    let comma = value.iter().position(|byte| {
        quoted ^= *byte == b'"' && !escaped;
        escaped = quoted && !escaped && *byte == b'\\';
        *byte == b',' && !quoted
    });
    comma.ok_or(if quoted { Quote::Open } else { Quote::Closed })
}

/// A list of names by falling weight, in lower case; `None`, and nothing added, where it is none.
fn add_weighted(asked: &HeaderMap, name: &HeaderName, add: &mut impl FnMut(&[u8])) -> Option<()> {
    let mut members = Vec::new();
    for member in field::members(asked, name.clone()) {
        if members.len() == MAX_MEMBERS {
            return None;
        }
        let member = weighted(member)?;
        // Of a name that is repeated, the one or the other counts: the order is part of the value.
        if members.iter().any(|(name, _): &(&[u8], u16)| name.eq_ignore_ascii_case(member.0)) {
            return None;
        }
        members.push(member);
    }
    members.sort_by_key(|(_, weight)| std::cmp::Reverse(*weight));
    for (index, (name, weight)) in members.iter().enumerate() {
        add(if index > 0 { b"," } else { b"" });
        match name.iter().any(u8::is_ascii_uppercase) {
            true => add(&name.to_ascii_lowercase()),
            false => add(name),
        }
        if *weight != FULL_WEIGHT {
            add(b";q=");
            add(&weight.to_be_bytes());
        }
    }
    Some(())
}

/// A name and its weight in thousandths.
pub(super) fn weighted(member: &[u8]) -> Option<(&[u8], u16)> {
    let mut parts = member.splitn(2, |byte| *byte == b';').map(<[u8]>::trim_ascii);
    let name = parts.next().filter(|name| is_token(name))?;
    let weight = match parts.next() {
        None => FULL_WEIGHT,
        Some([b'q' | b'Q', b'=', digits @ ..]) => thousandths(digits)?,
        Some(_) => return None,
    };
    Some((name, weight))
}

/// `qvalue` (RFC 9110 §12.4.2).
fn thousandths(qvalue: &[u8]) -> Option<u16> {
    let (whole, fraction) = match qvalue {
        [whole] => (whole, &[][..]),
        [whole, b'.', fraction @ ..] if fraction.len() <= 3 => (whole, fraction),
        _ => return None,
    };
    let mut weight = u16::from(matches!(whole, b'1'));
    for place in 0..3 {
        let digit = *fraction.get(place).unwrap_or(&b'0');
        weight = weight * 10 + u16::from(digit.is_ascii_digit().then(|| digit - b'0')?);
    }
    (matches!(whole, b'0' | b'1') && weight <= FULL_WEIGHT).then_some(weight)
}

fn is_token(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(is_tchar)
}

fn is_tchar(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte)
}

#[cfg(test)]
mod tests;
