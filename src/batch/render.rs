//! How the answers of a batch are written: as one array in order, or as lines as they come.

use std::fmt::Write;

use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, StatusCode, header};

use super::{Item, Written};
use crate::shape::Text;

/// How a client reads answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    /// All of them, in the order of the batch.
    Array,
    /// Line by line, as they come.
    Lines,
}

/// An item's answer.
#[derive(Debug)]
pub struct Told<L> {
    /// Its status.
    pub status: StatusCode,
    /// Its fields, names and values; those of one name after each other.
    pub lines: L,
    /// Its body.
    pub body: Embedded,
}

/// A body as it stands within a JSON text.
#[derive(Debug)]
pub struct Embedded {
    /// The JSON value that it is.
    pub value: Bytes,
    /// Whether the value has bytes of its own, and not the body's.
    pub made: bool,
    /// Whether that is base64.
    pub is_base64: bool,
}

impl Reader {
    /// What a batch's Accept asks for: lines only where it names them.
    #[must_use]
    pub fn of(fields: &HeaderMap) -> Reader {
        let lines = fields.get_all(header::ACCEPT).iter();
        let mut ranges = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
        let asks = ranges.any(|range| {
            let named = range.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
            named.eq_ignore_ascii_case(b"application/x-ndjson")
                || named.eq_ignore_ascii_case(b"application/jsonl")
        });
        if asks { Reader::Lines } else { Reader::Array }
    }

    /// The media type of the answer.
    #[must_use]
    pub fn media_type(self) -> &'static str {
        match self {
            Reader::Array => "application/json",
            Reader::Lines => "application/x-ndjson",
        }
    }

    /// What stands before the first answer, between two of them, and behind the last.
    #[must_use]
    pub fn around(self) -> [&'static str; 3] {
        match self {
            Reader::Array => ["[", ",\n", "]\n"],
            Reader::Lines => ["", "", ""],
        }
    }

    /// What stands behind each.
    #[must_use]
    pub fn end(self) -> &'static str {
        match self {
            Reader::Array => "",
            Reader::Lines => "\n",
        }
    }

    /// A body as it is embedded: JSON as JSON, other text as a string, anything else in base64.
    #[must_use]
    pub fn embed(self, text: Text, body: Bytes) -> Embedded {
        let (value, made, is_base64) = match text {
            Text::Nothing => (Bytes::from_static(b"null"), false, false),
            Text::Json => (trimmed(body), false, false),
            Text::JsonOfLines if self == Reader::Array => (trimmed(body), false, false),
            Text::JsonOfLines => (one_line(&trimmed(body)), true, false),
            Text::Plain => {
                let mut out = BytesMut::with_capacity(body.len() + 2);
                string(&mut out, &body);
                (out.freeze(), true, false)
            }
            Text::Bytes => (base64(&body), true, true),
        };
        Embedded { value, made, is_base64 }
    }

    /// Writes an item's answer.
    pub fn write<'a>(
        self,
        out: &mut Written,
        item: &Item,
        told: Told<impl Iterator<Item = (&'a [u8], &'a [u8])>>,
    ) {
        let to = out.small();
        to.extend_from_slice(b"{\"id\":");
        match item.id.as_u64() {
            Some(number) => put_number(to, number),
            None => to.extend_from_slice(item.id.to_string().as_bytes()),
        }
        to.extend_from_slice(b",\"status\":");
        to.extend_from_slice(told.status.as_str().as_bytes());
        to.extend_from_slice(b",\"headers\":{");
        fields(to, told.lines);
        to.extend_from_slice(b"},\"body\":");
        out.push(told.body.value);
        let end = if told.body.is_base64 { ",\"encoding\":\"base64\"}" } else { "}" };
        out.small().extend_from_slice(end.as_bytes());
    }
}

/// Without the space around it.
fn trimmed(body: Bytes) -> Bytes {
    match body.trim_ascii() {
        all if all.len() == body.len() => body,
        inner => body.slice_ref(inner),
    }
}

/// A line is a line: between values, where alone they can stand, breaks are space.
fn one_line(text: &[u8]) -> Bytes {
    text.iter().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte }).collect()
}

fn put_number(out: &mut BytesMut, number: u64) {
    // Writing to memory does not fail.
    let _ = write!(out, "{number}");
}

/// What is not told in a body: what was for one hop; and in a body a page could read what its
/// browser keeps from it (RFC 6265 §4.1.2.6).
fn is_told(name: &[u8]) -> bool {
    !matches!(name, b"connection" | b"set-cookie" | b"set-cookie2")
}

/// A field with one line is a string, one with several an array of them.
fn fields<'a>(out: &mut BytesMut, lines: impl Iterator<Item = (&'a [u8], &'a [u8])>) {
    let mut lines = lines.filter(|(name, _)| is_told(name)).peekable();
    let mut first = true;
    while let Some((name, value)) = lines.next() {
        if !std::mem::take(&mut first) {
            out.put_u8(b',');
        }
        // No name has what would have to be escaped (RFC 9110 §5.6.2).
        out.put_u8(b'"');
        out.extend_from_slice(name);
        out.extend_from_slice(b"\":");
        let mut next = lines.next_if(|(other, _)| *other == name);
        if next.is_none() {
            string(out, value);
            continue;
        }
        out.put_u8(b'[');
        string(out, value);
        while let Some((_, value)) = next {
            out.put_u8(b',');
            string(out, value);
            next = lines.next_if(|(other, _)| *other == name);
        }
        out.put_u8(b']');
    }
}

/// Bytes as a JSON string. What is no UTF-8 is obs-text (RFC 9110 §5.5), which was ISO 8859-1 once.
fn string(out: &mut BytesMut, text: &[u8]) {
    out.reserve(text.len() + 2);
    out.put_u8(b'"');
    // All of it is looked at, many bytes at a time.
    let rare = |byte: u8| byte < b' ' || byte == b'"' || byte == b'\\' || byte >= 0x7f;
    if !text.iter().fold(false, |any, byte| any | rare(*byte)) {
        out.extend_from_slice(text);
    } else {
        match std::str::from_utf8(text) {
            Ok(text) => escaped(out, text),
            Err(_) => escaped(out, &text.iter().map(|it| char::from(*it)).collect::<String>()),
        }
    }
    out.put_u8(b'"');
}

/// RFC 8259 §7
fn escaped(out: &mut BytesMut, text: &str) {
    let mut rest = text.as_bytes();
    let is_special = |byte: &u8| *byte < b' ' || matches!(byte, b'"' | b'\\');
    while let Some(at) = rest.iter().position(is_special) {
        let (plain, special) = (&rest[..at], rest[at]);
        out.extend_from_slice(plain);
        match special {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', special]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            // Writing to memory does not fail.
            _ => drop(write!(out, "\\u{special:04x}")),
        }
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
}

/// RFC 4648 §4, as a JSON string.
fn base64(bytes: &[u8]) -> Bytes {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = BytesMut::with_capacity(bytes.len().div_ceil(3) * 4 + 2);
    out.put_u8(b'"');
    for chunk in bytes.chunks(3) {
        let byte = |at: usize| u32::from(chunk.get(at).copied().unwrap_or_default());
        let group = byte(0) << 16 | byte(1) << 8 | byte(2);
        for at in 0..4 {
            let letter = LETTERS[(group >> (18 - 6 * at) & 63) as usize];
            out.put_u8(if at <= chunk.len() { letter } else { b'=' });
        }
    }
    out.put_u8(b'"');
    out.freeze()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::{HeaderMap, HeaderValue, StatusCode};
    use serde_json::{Value, json};

    use super::{Reader, Told, base64};
    use crate::{
        batch::{Written, item::tests::rules, items},
        shape::Text,
    };

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    fn written(reader: Reader, fields: &HeaderMap, body: &[u8]) -> String {
        let items = items(br#"[{"id":"\"x","path":"/"}]"#, &rules()).unwrap();
        let body = reader.embed(Text::of(fields, body), Bytes::copy_from_slice(body));
        let mut out = Written::default();
        let lines = fields.iter().map(|(name, value)| (name.as_str().as_bytes(), value.as_bytes()));
        reader.write(&mut out, &items[0], Told { status: StatusCode::OK, lines, body });
        let pieces: Vec<Bytes> = std::iter::from_fn(|| out.piece()).collect();
        String::from_utf8(pieces.concat()).unwrap()
    }

    #[test]
    fn bodies_are_json_text_or_base64() {
        let json_type = headers(&[("content-type", "application/json; charset=utf-8")]);
        let text = headers(&[("content-type", "text/plain")]);
        let packed =
            headers(&[("content-type", "application/json"), ("content-encoding", "x-own")]);
        let rows: [(&HeaderMap, &[u8], Value, Value); 8] = [
            (&json_type, b" {\"a\": 1.0}\n", json!({"a": 1.0}), Value::Null),
            (&json_type, b"{\"a\":", json!("{\"a\":"), Value::Null),
            (&text, b"{\"a\":1}", json!("{\"a\":1}"), Value::Null),
            (&text, "a\"\n\u{1}é".as_bytes(), json!("a\"\n\u{1}é"), Value::Null),
            (&text, b"", Value::Null, Value::Null),
            (&text, b"\xff\x00", json!("/wA="), json!("base64")),
            (&packed, b"{}", json!("e30="), json!("base64")),
            (&text, b"\x89PNG", json!("iVBORw=="), json!("base64")),
        ];
        for (fields, body, expected, encoding) in rows {
            for reader in [Reader::Array, Reader::Lines] {
                let written = written(reader, fields, body);
                let told: Value = serde_json::from_str(&written).unwrap();
                assert_eq!((&told["body"], &told["encoding"]), (&expected, &encoding), "{written}");
                assert_eq!((&told["id"], &told["status"]), (&json!("\"x"), &json!(200)));
                assert!(reader == Reader::Array || !written.contains('\n'), "a line: {written}");
            }
        }
        assert!(
            written(Reader::Array, &json_type, b"{\"a\": 1.0}").contains("\"body\":{\"a\": 1.0}")
        );
    }

    #[test]
    fn fields_are_all_there() {
        let mut fields = headers(&[("link", "a=\"1\""), ("link", "b=2"), ("x", "y")]);
        fields.append("set-cookie", HeaderValue::from_static("sid=1"));
        fields.append("connection", HeaderValue::from_static("close"));
        fields.insert("z", HeaderValue::from_bytes(b"\xe9").unwrap());
        let told: Value = serde_json::from_str(&written(Reader::Array, &fields, b"")).unwrap();
        let expected = json!({ "link": ["a=\"1\"", "b=2"], "x": "y", "z": "é" });
        assert_eq!(told["headers"], expected);
    }

    #[test]
    fn base64_is_that_of_rfc_4648() {
        let rows =
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")];
        for (bytes, expected) in rows {
            assert_eq!(base64(bytes.as_bytes()), format!("\"{expected}\""), "§10");
        }
    }

    #[test]
    fn lines_are_for_who_names_them() {
        let of = |accept: &'static str| Reader::of(&headers(&[("accept", accept)]));
        assert_eq!(of("application/x-ndjson"), Reader::Lines);
        assert_eq!(of("text/html, Application/JSONL;q=0.5"), Reader::Lines);
        assert_eq!(of("*/*"), Reader::Array);
        assert_eq!(of("application/json"), Reader::Array);
        assert_eq!(Reader::of(&HeaderMap::new()), Reader::Array);
    }
}
