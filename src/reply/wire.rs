//! The head of a response to a GET as HTTP/1.1 writes it (RFC 9112 §4), for what hyper never sees.

use std::time::{Duration, SystemTime};

use http::{Response, StatusCode};

use crate::{cache_status, fields, policy::Wall};

/// Writes the head of a response whose body has so many bytes.
pub fn write_head<B>(response: &Response<B>, length: usize, now: Wall, out: &mut Vec<u8>) {
    begin(response.status(), out);
    let is_dated = fields::write_lines(response.headers(), out);
    end(response.status(), length, (!is_dated).then_some(now), out);
    out.extend_from_slice(b"\r\n");
}

/// The line before the fields.
pub(super) fn begin(status: StatusCode, out: &mut Vec<u8>) {
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(status.as_str().as_bytes());
    out.extend_from_slice(b" ");
    out.extend_from_slice(status.canonical_reason().unwrap_or_default().as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// The fields that are ours to say, but not the end of them; `now`: where there is no Date (RFC 9110
/// §6.6.1).
pub(super) fn end(status: StatusCode, length: usize, now: Option<Wall>, out: &mut Vec<u8>) {
    if has_length(status) {
        let length = i64::try_from(length).unwrap_or(i64::MAX);
        fields::write_line("content-length", cache_status::digits(length, &mut [0; 20]), out);
    }
    if let Some(Wall(now)) = now {
        let since = Duration::from_millis(u64::try_from(now).unwrap_or_default());
        let date = httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + since);
        fields::write_line("date", date.as_bytes(), out);
    }
}

/// RFC 9110 §8.6.
fn has_length(status: StatusCode) -> bool {
    let none = matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    !(none || status.is_informational())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_written_as_rfc_9112_says() {
        let date = "date: Thu, 01 Jan 1970 00:00:01 GMT\r\n";
        let rows = [
            (
                200,
                vec![("etag", "\"1\""), ("link", "a"), ("link", "b")],
                7,
                "HTTP/1.1 200 OK\r\netag: \"1\"\r\nlink: a\r\nlink: b\r\ncontent-length: 7\r\nDATE\r\n",
            ),
            (
                200,
                vec![("content-length", "7"), ("date", "x")],
                0,
                "HTTP/1.1 200 OK\r\ndate: x\r\ncontent-length: 0\r\n\r\n",
            ),
            (304, vec![("connection", "close")], 0, "HTTP/1.1 304 Not Modified\r\nDATE\r\n"),
            (204, vec![], 0, "HTTP/1.1 204 No Content\r\nDATE\r\n"),
            (299, vec![], 1, "HTTP/1.1 299 \r\ncontent-length: 1\r\nDATE\r\n"),
        ];
        for (status, fields, length, expected) in rows {
            let mut response = Response::builder().status(status);
            for (name, value) in fields {
                response = response.header(name, value);
            }
            let mut head = Vec::new();
            write_head(&response.body(()).unwrap(), length, Wall(1000), &mut head);
            let expected = expected.replace("DATE", date);
            assert_eq!(String::from_utf8(head).unwrap(), expected);
        }
    }
}
