//! Masks: which members of an object are wanted, and which of theirs.
//!
//! ```text
//! mask   = member *( "," member )
//! member = name [ "(" mask ")" ]
//! name   = 1*<any character but , ( ) and controls, no space at either end>
//! ```
//!
//! The members of what is in an array are meant for each of its elements. A name that is there
//! twice is wanted with what both say; without parentheses, that is all of it.

use std::fmt::{self, Display, Formatter, Write};

use super::query::Wrong;

/// The longest mask, in bytes.
pub const MAX_MASK: usize = 4096;

/// The deepest nesting of parentheses.
pub const MAX_DEPTH: usize = 16;

/// Members by name, in the order of bytes; `None`: all of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Mask(Vec<(String, Option<Mask>)>);

impl Mask {
    /// Reads one.
    ///
    /// # Errors
    /// What is wrong, and where.
    pub(super) fn parse(text: &str) -> Result<Mask, Wrong> {
        if text.len() > MAX_MASK {
            return Err(Wrong { at: 1, why: "is longer than 4096 bytes" });
        }
        let mut reader = Reader { rest: text, at: 1 };
        let mask = reader.mask(0)?;
        match reader.rest.is_empty() {
            true => Ok(mask),
            false => Err(reader.wrong("closes nothing")),
        }
    }

    /// What is wanted of a member: `None` nothing, `Some(None)` all.
    pub(super) fn get(&self, name: &str) -> Option<Option<&Mask>> {
        let found = self.0.binary_search_by(|(known, _)| known.as_str().cmp(name)).ok()?;
        self.0.get(found).map(|(_, inner)| inner.as_ref())
    }

    fn add(&mut self, name: String, inner: Option<Mask>) {
        match self.0.binary_search_by(|(known, _)| known.cmp(&name)) {
            Err(place) => self.0.insert(place, (name, inner)),
            Ok(found) => match (&mut self.0[found].1, inner) {
                (Some(known), Some(inner)) => known.join(inner),
                (known, _) => *known = None,
            },
        }
    }

    fn join(&mut self, other: Mask) {
        other.0.into_iter().for_each(|(name, inner)| self.add(name, inner));
    }
}

/// In its normal form: equal masks are written alike.
impl Display for Mask {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (index, (name, inner)) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_char(',')?;
            }
            f.write_str(name)?;
            if let Some(inner) = inner {
                write!(f, "({inner})")?;
            }
        }
        Ok(())
    }
}

struct Reader<'a> {
    rest: &'a str,
    /// The character that comes, from 1.
    at: usize,
}

impl Reader<'_> {
    fn mask(&mut self, depth: usize) -> Result<Mask, Wrong> {
        let mut mask = Mask::default();
        loop {
            let name = self.name()?;
            let inner = match self.rest.starts_with('(') {
                true if depth == MAX_DEPTH => return Err(self.wrong("opens the 17th level")),
                true => Some(self.within(depth)?),
                false => None,
            };
            mask.add(name, inner);
            if !self.take(',') {
                return Ok(mask);
            }
        }
    }

    fn within(&mut self, depth: usize) -> Result<Mask, Wrong> {
        let opened = self.at;
        self.take('(');
        let mask = self.mask(depth + 1)?;
        match self.take(')') {
            true => Ok(mask),
            false if self.rest.is_empty() => Err(Wrong { at: opened, why: "is never closed by )" }),
            false => Err(self.wrong("has no , before it")),
        }
    }

    fn name(&mut self) -> Result<String, Wrong> {
        let end = self.rest.find([',', '(', ')']).unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at(end);
        if name.is_empty() {
            return Err(self.wrong("comes where a name should be"));
        }
        let is_bad = |(index, letter): (usize, char)| {
            let edge = index == 0 || index + letter.len_utf8() == name.len();
            letter.is_control() || (edge && letter.is_whitespace())
        };
        if let Some(bad) = name.char_indices().position(is_bad) {
            let why = "is a space at the edge of a name, or a control character";
            return Err(Wrong { at: self.at + bad, why });
        }
        self.at += name.chars().count();
        let name = name.to_owned();
        self.rest = rest;
        Ok(name)
    }

    fn take(&mut self, letter: char) -> bool {
        let Some(rest) = self.rest.strip_prefix(letter) else { return false };
        self.rest = rest;
        self.at += 1;
        true
    }

    fn wrong(&self, why: &'static str) -> Wrong {
        let why = if self.rest.is_empty() { "is the end, where a name should be" } else { why };
        Wrong { at: self.at, why }
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::{MAX_DEPTH, MAX_MASK, Mask};

    fn read(text: &str) -> String {
        match Mask::parse(text) {
            Ok(mask) => mask.to_string(),
            Err(wrong) => format!("{}: {}", wrong.at, wrong.why),
        }
    }

    #[test]
    fn masks_are_read_into_one_normal_form() {
        let rows = [
            ("id", "id"),
            ("name,id", "id,name"),
            ("id,name,address(city),items(sku,price)", "address(city),id,items(price,sku),name"),
            ("a(b),a(c)", "a(b,c)"),
            ("a(b),a", "a"),
            ("a,a(b)", "a"),
            ("a(b(c)),a(b(d),e)", "a(b(c,d),e)"),
            ("größe,日本", "größe,日本"),
            ("a b", "a b"),
            ("a.b/c*\"\\", "a.b/c*\"\\"),
        ];
        for (text, expected) in rows {
            assert_eq!(read(text), expected, "{text:?}");
        }
    }

    #[test]
    fn a_mistake_is_pointed_at() {
        let rows = [
            ("", "1: is the end, where a name should be"),
            ("a,", "3: is the end, where a name should be"),
            (",a", "1: comes where a name should be"),
            ("a,,b", "3: comes where a name should be"),
            ("a()", "3: comes where a name should be"),
            ("(a)", "1: comes where a name should be"),
            ("a(b", "2: is never closed by )"),
            ("a(b,c(d)", "2: is never closed by )"),
            ("a)", "2: closes nothing"),
            ("a(b))", "5: closes nothing"),
            ("a(b)c", "5: closes nothing"),
            ("a(b(c)d)", "7: has no , before it"),
            ("ä(ö", "2: is never closed by )"),
            ("a, b", "3: is a space at the edge of a name, or a control character"),
            ("a ,b", "2: is a space at the edge of a name, or a control character"),
            ("ab\u{7}c", "3: is a space at the edge of a name, or a control character"),
        ];
        for (text, expected) in rows {
            assert_eq!(read(text), expected, "{text:?}");
        }
    }

    #[test]
    fn masks_are_bounded() {
        let nested = |depth: usize| format!("{}a{}", "a(".repeat(depth), ")".repeat(depth));
        assert_eq!(read(&nested(MAX_DEPTH)), nested(MAX_DEPTH));
        assert_eq!(read(&nested(MAX_DEPTH + 1)), "34: opens the 17th level");
        assert_eq!(read(&"a".repeat(MAX_MASK)), "a".repeat(MAX_MASK));
        assert_eq!(read(&"a".repeat(MAX_MASK + 1)), "1: is longer than 4096 bytes");
    }

    fn written() -> impl Strategy<Value = String> {
        let name = "[a-c]{1,2}";
        let leaf = name.prop_map(|name| name);
        leaf.prop_recursive(4, 24, 4, move |inner| {
            let member =
                (name, proptest::option::of(inner)).prop_map(|(name, inner)| match inner {
                    Some(inner) => format!("{name}({inner})"),
                    None => name,
                });
            vec(member, 1..4).prop_map(|members| members.join(","))
        })
    }

    proptest! {
        #[test]
        fn what_the_grammar_makes_is_read_and_its_normal_form_stays(text in written()) {
            let mask = Mask::parse(&text).unwrap();
            prop_assert_eq!(&Mask::parse(&mask.to_string()).unwrap(), &mask);
        }

        #[test]
        fn any_text_is_read_or_pointed_into(text in "[ab,()\u{e4} ]{0,12}") {
            if let Err(wrong) = Mask::parse(&text) {
                let letters = text.chars().count();
                prop_assert!((1..=letters + 1).contains(&wrong.at), "{} of {text:?}", wrong.at);
            }
        }
    }
}
