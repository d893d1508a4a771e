//! What a body is, as text: what has to be done before it can stand within another JSON text.

use http::{HeaderMap, header};

use super::{is_json, says_json};

/// What a body is, as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Text {
    /// There is nothing.
    Nothing,
    /// JSON on one line.
    Json,
    /// JSON with line breaks, which stand between its values, where they are space.
    JsonOfLines,
    /// Other text.
    Plain,
    /// No text, or packed.
    Bytes,
}

impl Text {
    /// What a body with such a head is. All of it is read.
    #[must_use]
    pub fn of(fields: &HeaderMap, body: &[u8]) -> Text {
        let packed = fields.contains_key(header::CONTENT_ENCODING);
        match std::str::from_utf8(body) {
            Ok("") => Text::Nothing,
            Ok(text) if !packed && says_json(fields) && is_json(text) => Text::of_json(body),
            Ok(_) if !packed => Text::Plain,
            Ok(_) | Err(_) => Text::Bytes,
        }
    }

    /// What a body is that is known to be JSON.
    #[must_use]
    pub fn of_json(body: &[u8]) -> Text {
        let breaks = body.trim_ascii().iter().any(|byte| matches!(byte, b'\n' | b'\r'));
        if breaks { Text::JsonOfLines } else { Text::Json }
    }
}
