//! How the answers of a batch are written: as one array in order, or as lines as they come.

use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, StatusCode, header};
use serde_json::Value;

use super::Item;
use crate::shape;

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
pub struct Told<'a> {
    /// Its status.
    pub status: StatusCode,
    /// Its fields.
    pub fields: &'a HeaderMap,
    /// Its body.
    pub body: &'a [u8],
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
            Reader::Lines => ["", "\n", "\n"],
        }
    }

    /// An item's answer: JSON embedded as JSON, other text as a string, anything else in base64.
    #[must_use]
    pub fn write(self, item: &Item, told: &Told<'_>) -> Bytes {
        let mut out = BytesMut::with_capacity(told.body.len() + 512);
        out.put(&b"{\"id\":"[..]);
        out.put(item.id.to_string().as_bytes());
        out.put(&b",\"status\":"[..]);
        out.put(told.status.as_str().as_bytes());
        out.put(&b",\"headers\":{"[..]);
        fields(&mut out, told.fields);
        out.put(&b"},\"body\":"[..]);
        self.body(&mut out, told);
        out.put_u8(b'}');
        out.freeze()
    }

    fn body(self, out: &mut BytesMut, told: &Told<'_>) {
        let packed = told.fields.contains_key(header::CONTENT_ENCODING);
        match std::str::from_utf8(told.body) {
            Ok("") => out.put(&b"null"[..]),
            Ok(text) if !packed && shape::says_json(told.fields) && shape::is_json(text) => {
                let start = out.len();
                out.put(text.trim().as_bytes());
                if self == Reader::Lines {
                    // A line is a line: between values, where alone they can stand, breaks are space.
                    out[start..]
                        .iter_mut()
                        .filter(|it| matches!(it, b'\n' | b'\r'))
                        .for_each(|it| *it = b' ');
                }
            }
            Ok(text) if !packed => string(out, text),
            Ok(_) | Err(_) => {
                out.put_u8(b'"');
                base64(out, told.body);
                out.put(&b"\",\"encoding\":\"base64\""[..]);
            }
        }
    }
}

/// A field with one line is a string, one with several an array of them.
fn fields(out: &mut BytesMut, fields: &HeaderMap) {
    for (index, name) in fields.keys().enumerate() {
        if index > 0 {
            out.put_u8(b',');
        }
        string(out, name.as_str());
        out.put_u8(b':');
        let lines: Vec<_> = fields.get_all(name).iter().collect();
        if lines.len() > 1 {
            out.put_u8(b'[');
        }
        for (index, line) in lines.iter().enumerate() {
            if index > 0 {
                out.put_u8(b',');
            }
            match std::str::from_utf8(line.as_bytes()) {
                Ok(text) => string(out, text),
                // obs-text (RFC 9110 §5.5) was ISO 8859-1 once.
                Err(_) => string(
                    out,
                    &line.as_bytes().iter().map(|it| char::from(*it)).collect::<String>(),
                ),
            }
        }
        if lines.len() > 1 {
            out.put_u8(b']');
        }
    }
}

fn string(out: &mut BytesMut, text: &str) {
    let plain = |byte: u8| byte >= b' ' && byte != b'"' && byte != b'\\';
    if text.bytes().all(plain) {
        out.put_u8(b'"');
        out.put(text.as_bytes());
        out.put_u8(b'"');
        return;
    }
    out.put(Value::from(text).to_string().as_bytes());
}

/// RFC 4648 §4
fn base64(out: &mut BytesMut, bytes: &[u8]) {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for chunk in bytes.chunks(3) {
        let byte = |at: usize| u32::from(chunk.get(at).copied().unwrap_or_default());
        let group = byte(0) << 16 | byte(1) << 8 | byte(2);
        for at in 0..4 {
            let letter = LETTERS[(group >> (18 - 6 * at) & 63) as usize];
            out.put_u8(if at <= chunk.len() { letter } else { b'=' });
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use http::{HeaderMap, HeaderValue, StatusCode};
    use serde_json::{Value, json};

    use super::{Reader, Told, base64};
    use crate::batch::{item::tests::rules, items};

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    fn written(reader: Reader, fields: &HeaderMap, body: &[u8]) -> String {
        let items = items(br#"[{"id":"\"x","path":"/"}]"#, &rules()).unwrap();
        let told = Told { status: StatusCode::OK, fields, body };
        String::from_utf8(reader.write(&items[0], &told).to_vec()).unwrap()
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
        let mut fields = headers(&[("set-cookie", "a=\"1\""), ("set-cookie", "b=2"), ("x", "y")]);
        fields.insert("z", HeaderValue::from_bytes(b"\xe9").unwrap());
        let told: Value = serde_json::from_str(&written(Reader::Array, &fields, b"")).unwrap();
        let expected = json!({ "set-cookie": ["a=\"1\"", "b=2"], "x": "y", "z": "é" });
        assert_eq!(told["headers"], expected);
    }

    #[test]
    fn base64_is_that_of_rfc_4648() {
        let rows =
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")];
        for (bytes, expected) in rows {
            let mut out = BytesMut::new();
            base64(&mut out, bytes.as_bytes());
            assert_eq!(&out[..], expected.as_bytes(), "§10");
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
