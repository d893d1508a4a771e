//! Structured fields (RFC 9651), by the sfv crate: a field that does not parse is none (§4.2).

use std::borrow::Cow;

use http::{HeaderMap, HeaderName};
use sfv::{
    BareItemFromInput, Parser,
    visitor::{EntryVisitor, Ignored, InnerListVisitor, ItemVisitor, ListVisitor, Never},
};

use super::field;

/// The field's lines as one (§4.2), or `None` where there is none.
pub(super) fn joined<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<Cow<'a, [u8]>> {
    let mut lines = field::lines(headers, name.clone());
    let first = Cow::Borrowed(lines.next()?);
    Some(lines.fold(first, |joined, line| Cow::Owned([&joined, &b", "[..], line].concat())))
}

/// A field that is a List of Strings, parameters ignored; empty where it is anything else.
pub(super) fn strings(headers: &HeaderMap, name: &HeaderName) -> Vec<String> {
    let Some(text) = joined(headers, name) else { return Vec::new() };
    Parser::new(&text).parse_list_with_visitor(Strings(Vec::new())).unwrap_or_default()
}

struct Strings(Vec<String>);

/// A member that is no String.
#[derive(Debug, thiserror::Error)]
#[error("a member is no String")]
struct NoString;

impl<'de> ListVisitor<'de> for Strings {
    type Out = Vec<String>;
    type Error = NoString;

    fn entry(&mut self) -> Result<impl EntryVisitor<'de>, NoString> {
        Ok(Member(&mut self.0))
    }

    fn finish(self) -> Result<Vec<String>, NoString> {
        Ok(self.0)
    }
}

struct Member<'a>(&'a mut Vec<String>);

impl<'de> EntryVisitor<'de> for Member<'_> {
    type Error = NoString;

    fn item(self) -> Result<impl ItemVisitor<'de>, NoString> {
        Ok(move |item: BareItemFromInput<'de>| match item {
            BareItemFromInput::String(text) => {
                self.0.push(text.as_str().to_owned());
                Ok(Ignored)
            }
            _ => Err(NoString),
        })
    }

    fn inner_list(self) -> Result<impl InnerListVisitor<'de>, NoString> {
        Err::<Never, _>(NoString)
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderName;

    use super::strings;
    use crate::policy::fixtures::headers;

    #[test]
    fn a_list_of_strings_is_read_as_rfc_9651_says() {
        let rows: [(&[&str], &[&str], &str); 14] = [
            (&[r#""a", "b""#], &["a", "b"], "§3.1"),
            (&[r#""a""#, r#""b""#], &["a", "b"], "§4.2: lines are one list"),
            (&[r#"  "a" ,	"b"  "#], &["a", "b"], "§4.2.1: spaces, tabs around commas"),
            (&[r#""a\"b\\c""#], &[r#"a"b\c"#], "§4.2.5: escapes"),
            (&[r#""a";x=1;y"#], &["a"], "RFC 9875 §2: parameters are ignored"),
            (&[r#""a", "a""#], &["a", "a"], "§3.1: a list may repeat"),
            (&[r#""""#], &[""], "§3.3.3: an empty string"),
            (&[""], &[], "§3.1: an empty list"),
            (&[r#""a","#], &[], "§4.2.1: a comma at the end"),
            (&[r#""a" "b""#], &[], "§4.2.1: no comma"),
            (&[r#""a", b"#], &[], "a Token is no String: the field is ignored"),
            (&[r#""a", 1"#], &[], "an Integer is no String"),
            (&[r#"("a")"#], &[], "an Inner List is no String"),
            (&["\"a\u{e9}\""], &[], "§4.2.5: no ASCII"),
        ];
        let name = HeaderName::from_static("x");
        for (lines, expected, section) in rows {
            let lines: Vec<_> = lines.iter().map(|line| ("x", *line)).collect();
            assert_eq!(strings(&headers(&lines), &name), expected, "{section}: {lines:?}");
        }
        assert!(strings(&headers(&[]), &name).is_empty(), "no field");
    }
}
