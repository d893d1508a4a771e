//! Lists of the operator's own words: each at most once, and not too many of them.

use http::HeaderName;

use crate::config::reader::Section;

/// Takes a key that holds a list: its name, what it takes, and how many at most. `None` where it is
/// not written.
pub(super) fn list<T: PartialEq>(
    section: &mut Section<'_>,
    (key, takes, most): (&'static str, &str, usize),
    read: impl Fn(&str) -> Result<T, String>,
) -> Option<Vec<T>> {
    let texts = section.texts(key, takes, Some("[]"))?;
    if texts.len() > most {
        section.report(key, format!("has {} entries: write at most {most}", texts.len()));
    }
    let mut list: Vec<T> = Vec::new();
    for text in texts {
        match text.read(&read) {
            Some(known) if list.contains(&known) => {
                text.refuse("is there twice: remove one of the two");
            }
            Some(new) => list.push(new),
            None => {}
        }
    }
    Some(list)
}

/// The name of a header field.
pub(super) fn field(name: &str) -> Result<HeaderName, String> {
    let named = HeaderName::from_bytes(name.as_bytes());
    named.map_err(|_| "has no name of a field: write one such as X-Tenant".into())
}

/// The name of a cookie (RFC 6265 §4.1.1).
pub(super) fn cookie(name: &str) -> Result<String, String> {
    let in_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    match !name.is_empty() && name.bytes().all(in_token) {
        true => Ok(name.to_owned()),
        false => Err("has no name of a cookie: write one such as lang".into()),
    }
}
