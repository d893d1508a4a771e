//! Fields as HTTP/1.1 writes them (RFC 9112 §5).

use http::{HeaderMap, header};

/// Adds the lines of a response's fields, but for those that are the connection's own to say; whether
/// Date is among them.
pub fn write_lines(fields: &HeaderMap, out: &mut Vec<u8>) -> bool {
    let mut is_dated = false;
    for (name, value) in fields {
        if *name == header::CONTENT_LENGTH || *name == header::CONNECTION {
            continue;
        }
        is_dated |= *name == header::DATE;
        write_line(name.as_str(), value.as_bytes(), out);
    }
    is_dated
}

/// Adds one line.
pub fn write_line(name: &str, value: &[u8], out: &mut Vec<u8>) {
    for piece in [name.as_bytes(), b": ", value, b"\r\n"] {
        out.extend_from_slice(piece);
    }
}
