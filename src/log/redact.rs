//! What must not stand in a log: the values of parameters and fields that are known to be secrets.

use std::borrow::Cow;

/// What stands in a secret's place.
const HIDDEN: &[u8] = b"***";

/// Where a parameter may begin, and where one ends.
const BETWEEN: [u8; 4] = [b'?', b'&', b';', b'#'];

/// The names whose values are hidden.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Redact(Vec<Name>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Name {
    /// In lower case.
    text: String,
    /// Whether a name may go on after it.
    open: bool,
}

impl Redact {
    /// By names in any case; one `*` at the end stands for any rest.
    pub(super) fn new(names: &[String]) -> Redact {
        let name = |name: &String| {
            let name = name.to_ascii_lowercase();
            match name.strip_suffix('*') {
                Some(start) => Name { text: start.to_owned(), open: true },
                None => Name { text: name, open: false },
            }
        };
        Redact(names.iter().map(name).collect())
    }

    /// A target or a URL as it may be logged; borrowed where nothing is hidden.
    pub(super) fn url<'a>(&self, url: &'a [u8]) -> Cow<'a, [u8]> {
        let Some(first) = url.iter().position(|byte| BETWEEN.contains(byte)) else {
            return Cow::Borrowed(url);
        };
        let (path, query) = url.split_at(first);
        let pieces = || query.split_inclusive(|byte| BETWEEN.contains(byte));
        if !pieces().any(|piece| self.secret(piece).is_some()) {
            return Cow::Borrowed(url);
        }
        let mut shown = path.to_vec();
        for piece in pieces() {
            match self.secret(piece) {
                None => shown.extend_from_slice(piece),
                Some(name) => {
                    shown.extend_from_slice(name);
                    shown.extend_from_slice(HIDDEN);
                    shown.extend(piece.last().filter(|byte| BETWEEN.contains(byte)));
                }
            }
        }
        Cow::Owned(shown)
    }

    /// A field's value as it may be logged. What is a URL has parameters of its own.
    pub(super) fn field<'a>(&self, name: &str, value: &'a [u8]) -> Cow<'a, [u8]> {
        match self.holds(name.as_bytes()) {
            true => Cow::Borrowed(HIDDEN),
            false => self.url(value),
        }
    }

    /// The name of a parameter that is a secret, with its `=`.
    fn secret<'a>(&self, piece: &'a [u8]) -> Option<&'a [u8]> {
        let equals = piece.iter().position(|byte| *byte == b'=')?;
        self.holds(&piece[..equals]).then(|| &piece[..=equals])
    }

    fn holds(&self, name: &[u8]) -> bool {
        self.0.iter().any(|secret| secret.matches(name))
    }
}

impl Name {
    /// Compares with a name that may be percent-encoded: who hides `token` there wants it hidden.
    fn matches(&self, name: &[u8]) -> bool {
        if name.len() < self.text.len() {
            return false;
        }
        let mut given = decoded(name);
        let begins = self.text.bytes().all(|byte| given.next() == Some(byte));
        begins && (self.open || given.next().is_none())
    }
}

/// The bytes of a percent-encoded name, in lower case.
fn decoded(name: &[u8]) -> impl Iterator<Item = u8> {
    let mut rest = name;
    std::iter::from_fn(move || {
        let (first, after) = rest.split_first()?;
        rest = after;
        let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|it| u8::try_from(it).ok());
        if let (b'%', [high, low, after @ ..]) = (first, after)
            && let (Some(high), Some(low)) = (digit(high), digit(low))
        {
            rest = after;
            return Some((high << 4 | low).to_ascii_lowercase());
        }
        Some(first.to_ascii_lowercase())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_hidden_and_all_else_is_as_it_came() {
        let redact = Redact::new(&["token".into(), "X-Amz-*".into(), "sig".into()]);
        for (url, shown) in [
            ("/a", "/a"),
            ("/a?b=1", "/a?b=1"),
            ("/token=1", "/token=1"),
            ("/a?token=s", "/a?token=***"),
            ("/a?x=1&TOKEN=s&y=2", "/a?x=1&TOKEN=***&y=2"),
            ("/a?token=", "/a?token=***"),
            ("/a?token", "/a?token"),
            ("/a?token=s=t", "/a?token=***"),
            ("/a?tokens=s&atoken=t", "/a?tokens=s&atoken=t"),
            ("/a?x-amz-signature=s&x-amz=t", "/a?x-amz-signature=***&x-amz=t"),
            ("/a?%74oke%6E=s", "/a?%74oke%6E=***"),
            ("/a?tok%2=s&%=1", "/a?tok%2=s&%=1"),
            ("/a;token=s?sig=t", "/a;token=***?sig=***"),
            ("/a?b=1;token=s", "/a?b=1;token=***"),
            ("https://b/c?sig=s#token=t", "https://b/c?sig=***#token=***"),
            ("/a?x?token=s", "/a?x?token=***"),
            ("/\u{ff}?token=\u{ff}&é=1", "/\u{ff}?token=***&é=1"),
        ] {
            let found = redact.url(url.as_bytes());
            assert_eq!(String::from_utf8_lossy(&found), shown, "{url}");
        }
    }

    #[test]
    fn a_field_is_hidden_by_its_name_and_as_a_url() {
        let redact = Redact::new(&["x-api-key".into(), "token".into()]);
        let shown = |name, value: &'static str| redact.field(name, value.as_bytes());
        assert_eq!(&*shown("x-api-key", "s"), b"***");
        assert_eq!(&*shown("referer", "http://a/?token=s"), b"http://a/?token=***");
        assert_eq!(&*shown("user-agent", "curl; x"), b"curl; x");
    }
}
