//! A record as a line of the combined log format, as Apache and nginx write it.
//!
//! Whatever is no printable ASCII is written as `\xhh`, so that no client can add a line or a
//! field to it.

use std::io::Write;

use super::{
    Record,
    line::{self, civil, clock, digits, number},
};
use crate::policy::Wall;

const MONTHS: [&[u8]; 12] = [
    b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec",
];

/// Writes the line, newline included. The second name, that of the user, is never known: it would
/// come from Authorization.
pub(super) fn write(to: &mut Vec<u8>, record: &Record) {
    match record.client {
        // A vector takes every byte.
        Some(client) => drop(write!(to, "{client}")),
        None => to.push(b'-'),
    }
    to.extend_from_slice(b" - - [");
    time(to, record.started.wall);
    to.extend_from_slice(b"] \"");
    escape(to, record.method.as_str().as_bytes());
    to.push(b' ');
    escape(to, &line::target(record));
    to.push(b' ');
    to.extend_from_slice(line::protocol(record.version));
    number(to, b"\" ", u64::from(record.status));
    number(to, b" ", record.bytes);
    for name in [http::header::REFERER, http::header::USER_AGENT] {
        to.extend_from_slice(b" \"");
        match line::field(record, &name) {
            Some(value) => escape(to, &value),
            None => to.push(b'-'),
        }
        to.push(b'"');
    }
    to.push(b'\n');
}

/// `21/Nov/2026:12:00:00 +0000`
fn time(to: &mut Vec<u8>, wall: Wall) {
    let (days, seconds) = (wall.0.div_euclid(line::DAY), wall.seconds().rem_euclid(86_400));
    let (year, month, day) = civil(days);
    digits(to, day, 2);
    to.push(b'/');
    let month = usize::try_from(month - 1).ok().and_then(|it| MONTHS.get(it));
    to.extend_from_slice(month.copied().unwrap_or_default());
    to.push(b'/');
    digits(to, year, 4);
    to.push(b':');
    clock(to, seconds);
    to.extend_from_slice(b" +0000");
}

fn escape(to: &mut Vec<u8>, bytes: &[u8]) {
    for byte in bytes {
        match byte {
            b'"' | b'\\' => to.extend_from_slice(&[b'\\', *byte]),
            b' '..=b'~' => to.push(*byte),
            _ => drop(write!(to, "\\x{byte:02x}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_client_adds_a_line_or_a_field() {
        let mut line = Vec::new();
        escape(&mut line, b"/\" \"x\\\r\n\x1b\xc3\xa9");
        assert_eq!(String::from_utf8(line).unwrap(), r#"/\" \"x\\\x0d\x0a\x1b\xc3\xa9"#);
    }
}
