//! A record as a line of JSON (RFC 8259), written by hand into a buffer that is used again:
//! measured at 0.3 µs, a third of what formatting takes.

use std::{cell::RefCell, io::Write, net::IpAddr};

use super::Record;
use crate::{
    policy::{Now, Wall},
    reason::{Missed, Reason},
};

const DAY: i64 = 86_400_000;

thread_local! {
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Gives the line of a request that ended at `now`, newline included, to `then`.
pub(super) fn with(record: &Record, now: Now, then: impl FnOnce(&[u8])) {
    // A record that is dropped while its thread ends finds no buffer any more.
    let _ = BUFFER.try_with(|buffer| {
        let mut buffer = buffer.borrow_mut();
        buffer.clear();
        write(&mut buffer, record, now);
        then(&buffer);
    });
}

fn write(to: &mut Vec<u8>, record: &Record, now: Now) {
    to.extend_from_slice(b"{\"time\":\"");
    time(to, record.started.wall);
    to.extend_from_slice(b"\",\"client\":");
    client(to, record.client);
    text(to, b",\"method\":\"", record.method.as_str().as_bytes());
    text(to, b",\"host\":\"", record.host.as_bytes());
    text(to, b",\"path\":\"", record.path.as_bytes());
    number(to, b",\"status\":", u64::from(record.status));
    text(to, b",\"cache\":\"", record.cache.as_bytes());
    let reason = record.reason.map_or("", Reason::token);
    text(to, b",\"reason\":\"", reason.as_bytes());
    if let Some(missed) = record.missed {
        miss(to, missed, record.reason);
    }
    number(to, b",\"bytes\":", record.bytes);
    if record.torn {
        to.extend_from_slice(b",\"torn\":true");
    }
    number(to, b",\"head_ms\":", record.head_ms.max(0).unsigned_abs());
    number(to, b",\"total_ms\":", now.mono.since(record.started.mono).unsigned_abs());
    to.extend_from_slice(b"}\n");
}

/// Why nothing stored could answer, where `reason` is another, and the field that told it apart.
fn miss(to: &mut Vec<u8>, missed: Missed, reason: Option<Reason>) {
    if reason != Some(Reason::Missed(missed.why)) {
        text(to, b",\"miss\":\"", missed.why.token().as_bytes());
    }
    if let Some(field) = missed.field {
        text(to, b",\"field\":\"", field.as_str().as_bytes());
    }
}

fn client(to: &mut Vec<u8>, client: Option<IpAddr>) {
    match client {
        // A vector takes every byte.
        Some(client) => drop(write!(to, "\"{client}\"")),
        None => to.extend_from_slice(b"null"),
    }
}

fn number(to: &mut Vec<u8>, key: &[u8], number: u64) {
    to.extend_from_slice(key);
    let (mut digits, mut at, mut rest) = ([0; 20], 20, number);
    loop {
        at -= 1;
        digits[at] = digit(rest);
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    to.extend_from_slice(&digits[at..]);
}

/// The last digit of a number.
fn digit(number: u64) -> u8 {
    b"0123456789"[usize::try_from(number % 10).unwrap_or_default()]
}

fn text(to: &mut Vec<u8>, key: &[u8], bytes: &[u8]) {
    to.extend_from_slice(key);
    escape(to, bytes);
    to.push(b'"');
}

/// Bytes within a string of JSON. Beyond what RFC 8259 demands, DEL and the control characters of
/// Latin-1, which a terminal might obey, are escaped; what is no UTF-8 becomes U+FFFD.
pub(super) fn escape(to: &mut Vec<u8>, bytes: &[u8]) {
    let plain = |byte: &u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\');
    if bytes.iter().all(plain) {
        to.extend_from_slice(bytes);
        return;
    }
    for chunk in bytes.utf8_chunks() {
        chunk.valid().chars().for_each(|char| escape_char(to, char));
        if !chunk.invalid().is_empty() {
            to.extend_from_slice(b"\\ufffd");
        }
    }
}

fn escape_char(to: &mut Vec<u8>, char: char) {
    match char {
        '"' => to.extend_from_slice(b"\\\""),
        '\\' => to.extend_from_slice(b"\\\\"),
        '\n' => to.extend_from_slice(b"\\n"),
        '\r' => to.extend_from_slice(b"\\r"),
        '\t' => to.extend_from_slice(b"\\t"),
        _ if char.is_control() => drop(write!(to, "\\u{:04x}", u32::from(char))),
        _ => to.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes()),
    }
}

/// RFC 3339, UTC, with milliseconds.
pub(super) fn time(to: &mut Vec<u8>, wall: Wall) {
    let (days, millis) = (wall.0.div_euclid(DAY), wall.0.rem_euclid(DAY));
    let (year, month, day) = civil(days);
    let parts = [
        (year, 4, b'-'),
        (month, 2, b'-'),
        (day, 2, b'T'),
        (millis / 3_600_000, 2, b':'),
        (millis / 60_000 % 60, 2, b':'),
        (millis / 1_000 % 60, 2, b'.'),
        (millis % 1_000, 3, b'Z'),
    ];
    for (value, width, then) in parts {
        for place in (0..width).rev() {
            to.push(digit(value.unsigned_abs() / 10u64.pow(place)));
        }
        to.push(then);
    }
}

/// Year, month and day of a day since 1970-01-01, in the Gregorian calendar. Years begin in March
/// here, so that the leap day is the last one; 400 years have 146,097 days.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}
