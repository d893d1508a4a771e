//! A request's query: what of it is asked of Larder, and what is left for the origin.
//!
//! The rest stays as it is written. Names are compared once they are percent-decoded, so that no
//! spelling of a handled parameter slips through to the origin.

use std::borrow::Cow;

use super::{Cut, Fields, Offer, Page, Paging, Sparse, mask::Mask};

/// A query without what the route handles.
#[derive(Debug, PartialEq, Eq)]
pub struct Taken {
    /// What is left, as it was written; may be empty.
    pub rest: String,
    /// What is asked for.
    pub cut: Result<Cut, Malformed>,
}

/// A parameter that makes no sense.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// Its name.
    pub parameter: String,
    /// The character of its value that is to blame, from 1.
    pub at: usize,
    /// What that is, as the end of a sentence.
    pub why: String,
}

/// What is wrong with a value, and where: the character, from 1.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    pub(super) at: usize,
    pub(super) why: &'static str,
}

/// A parameter that the route handles.
enum Handled<'a> {
    Fields,
    /// JSON:API: those of a type.
    FieldsOf(String),
    Page(&'static str),
    Filter(&'a str),
}

/// What was read so far.
#[derive(Default)]
struct Asked {
    mask: Option<Mask>,
    sparse: Sparse,
    /// Offset or page number, and size.
    page: [Option<u64>; 2],
    filter: Vec<(String, String)>,
}

impl Offer {
    /// Takes what the route handles out of a query; `None` where nothing of it is there.
    #[must_use]
    pub fn take(&self, query: &str) -> Option<Taken> {
        let mut rest = String::new();
        let mut asked = Asked::default();
        let mut wrong = None;
        let mut found = false;
        for pair in query.split('&') {
            let Some(handled) = self.handles(&decoded(name(pair))) else {
                let between = if rest.is_empty() { "" } else { "&" };
                rest.push_str(between);
                rest.push_str(pair);
                continue;
            };
            found = true;
            let read = self.read(&mut asked, handled, value(pair));
            wrong = wrong.or_else(|| {
                let Wrong { at, why } = read.err()?;
                let parameter = decoded(name(pair)).into_owned();
                let why = why.replace("{most}", &self.max_page_size.to_string());
                Some(Malformed { parameter, at, why })
            });
        }
        found.then(|| {
            let cut = wrong.map_or_else(|| asked.cut(self), Err);
            Taken { rest, cut }
        })
    }

    fn handles(&self, name: &str) -> Option<Handled<'_>> {
        if let Some(fields) = &self.fields
            && let Some(rest) = name.strip_prefix(fields.as_str())
        {
            let of = rest.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
            match of {
                Some(of) => return Some(Handled::FieldsOf(of.to_owned())),
                None if rest.is_empty() => return Some(Handled::Fields),
                None => {}
            }
        }
        let page = self.paging.parameters().iter().find(|known| **known == name);
        let filter = || self.filter.iter().find(|known| *known == name);
        page.map(|it| Handled::Page(it)).or_else(|| filter().map(|it| Handled::Filter(it)))
    }

    fn read(&self, asked: &mut Asked, handled: Handled<'_>, value: &str) -> Result<(), Wrong> {
        let Some(value) = utf8(value) else { return Err(Wrong { at: 1, why: "is not UTF-8" }) };
        let twice = Err(Wrong { at: 1, why: "is there twice" });
        match handled {
            Handled::Fields if asked.mask.is_some() => return twice,
            Handled::Fields => asked.mask = Some(Mask::parse(&value)?),
            Handled::FieldsOf(of) => asked.sparse.add(&of, &value)?,
            Handled::Page(name) => {
                let number = self.number(name, &value)?;
                let place = usize::from(self.paging.parameters().first() != Some(&name));
                if asked.page[place].replace(number).is_some() {
                    return twice;
                }
            }
            Handled::Filter(name) if asked.filter.iter().any(|(known, _)| known == name) => {
                return twice;
            }
            Handled::Filter(name) => asked.filter.push((name.to_owned(), value.into_owned())),
        }
        Ok(())
    }

    fn number(&self, name: &str, text: &str) -> Result<u64, Wrong> {
        let bad = text.chars().position(|letter| !letter.is_ascii_digit());
        if let Some(at) = bad.or(text.is_empty().then_some(0)) {
            return Err(Wrong { at: at + 1, why: "is no digit of a whole number" });
        }
        let number = text.parse().unwrap_or(u64::MAX);
        let is_size = matches!(name, "limit" | "per_page");
        match name {
            _ if is_size && number > self.max_page_size => {
                Err(Wrong { at: 1, why: "is more than the {most} elements that a page may have" })
            }
            _ if name != "offset" && number == 0 => Err(Wrong { at: 1, why: "is less than 1" }),
            _ => Ok(number),
        }
    }
}

impl Asked {
    fn cut(mut self, offer: &Offer) -> Result<Cut, Malformed> {
        let fields = match (self.mask, self.sparse.is_empty()) {
            (Some(_), false) => {
                let parameter = offer.fields.clone().unwrap_or_default();
                let why = "is there with and without a type in brackets".to_owned();
                return Err(Malformed { parameter, at: 1, why });
            }
            (Some(mask), true) => Fields::Masked(mask),
            (None, false) => Fields::Sparse(self.sparse),
            (None, true) => Fields::All,
        };
        let [first, size] = self.page;
        let length = size.unwrap_or(offer.page_size);
        let page = (first.is_some() || size.is_some()).then(|| match offer.paging {
            Paging::PagePerPage => Page::of_number(first.unwrap_or(1), length),
            Paging::OffsetLimit | Paging::Off => Page::of_offset(first.unwrap_or(0), length),
        });
        self.filter.sort_unstable();
        Ok(Cut::new(offer, fields, page, self.filter))
    }
}

/// The name of a parameter, as it is written.
pub(super) fn name(pair: &str) -> &str {
    pair.split_once('=').map_or(pair, |(name, _)| name)
}

fn value(pair: &str) -> &str {
    pair.split_once('=').map_or("", |(_, value)| value)
}

/// A name, percent-decoded; what is no UTF-8 then is no name that anybody declared.
pub(super) fn decoded(text: &str) -> Cow<'_, str> {
    utf8(text).unwrap_or(Cow::Borrowed(""))
}

fn utf8(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains(['%', '+']) {
        return Some(Cow::Borrowed(text));
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, next)) = rest.split_first() {
        let hex = |at: usize| next.get(at).and_then(|it| char::from(*it).to_digit(16));
        rest = match (first, hex(0), hex(1)) {
            (b'%', Some(high), Some(low)) => {
                bytes.push(u8::try_from(high * 16 + low).unwrap_or_default());
                &next[2..]
            }
            _ => {
                bytes.push(if *first == b'+' { b' ' } else { *first });
                next
            }
        };
    }
    String::from_utf8(bytes).ok().map(Cow::Owned)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::shape::{Offer, Paging, tests::offer};

    fn told(offer: &Offer, query: &str) -> String {
        let Some(taken) = offer.take(query) else { return "-".to_owned() };
        let cut = match taken.cut {
            Err(wrong) => format!("{} {}: {}", wrong.parameter, wrong.at, wrong.why),
            Ok(cut) => {
                let page = cut.page.map(|page| format!(" {:?}", page.window()));
                let filter: Vec<_> = cut.filter.iter().map(|(k, v)| format!(" {k}={v}")).collect();
                let fields = match cut.fields {
                    super::Fields::All => String::new(),
                    super::Fields::Masked(mask) => format!(" {mask}"),
                    super::Fields::Sparse(sparse) => {
                        format!(" [{}]", sparse.words().collect::<Vec<_>>().join(" "))
                    }
                };
                format!("ok{fields}{}{}", page.unwrap_or_default(), filter.concat())
            }
        };
        format!("{} -> {cut}", taken.rest)
    }

    #[test]
    fn what_is_handled_is_taken_and_the_rest_stays_as_it_is() {
        let offer = offer(Paging::OffsetLimit);
        let rows = [
            ("a=1&b=%20", "-"),
            ("", "-"),
            ("fieldset=1&field=2&fields]=3&fieldsx[a]=1", "-"),
            ("a=1&fields=x,y&b=%2b", "a=1&b=%2b -> ok x,y"),
            ("%66ields=x", " -> ok x"),
            ("fields=a%28b%29", " -> ok a(b)"),
            ("fields=a+b", " -> ok a b"),
            ("fields[post]=b,a&fields%5Bx%5D=", " -> ok [post a,b x ]"),
            ("limit=5", " -> ok (0, 5)"),
            ("offset=40", " -> ok (40, 20)"),
            ("offset=0&limit=100&x", "x -> ok (0, 100)"),
            ("page=1&per_page=2", "-"),
            ("status=open&type=a%26b", " -> ok status=open type=a&b"),
            ("type=&status", " -> ok status= type="),
        ];
        for (query, expected) in rows {
            assert_eq!(told(&offer, query), expected, "{query:?}");
        }
        let pages = Offer { fields: None, paging: Paging::PagePerPage, ..offer };
        assert_eq!(told(&pages, "page=3&per_page=7&fields=a"), "fields=a -> ok (14, 7)");
        assert_eq!(told(&pages, "per_page=7&limit=3"), "limit=3 -> ok (0, 7)");
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        let offer = offer(Paging::OffsetLimit);
        let rows = [
            ("fields=", "fields 1: is the end, where a name should be"),
            ("fields=a%2C%2Cb", "fields 3: comes where a name should be"),
            ("fields=a&fields=b", "fields 1: is there twice"),
            ("fields=a&fields[x]=b", "fields 1: is there with and without a type in brackets"),
            ("fields[x]=a(b)", "fields[x] 2: has no place in a list of fields"),
            ("fields[x]=a&fields[x]=b", "fields[x] 1: is of a type that is there twice"),
            ("fields=%ff", "fields 1: is not UTF-8"),
            ("limit=", "limit 1: is no digit of a whole number"),
            ("limit=1x", "limit 2: is no digit of a whole number"),
            ("offset=-1", "offset 1: is no digit of a whole number"),
            ("offset=%2B1", "offset 1: is no digit of a whole number"),
            ("limit=0", "limit 1: is less than 1"),
            ("limit=101", "limit 1: is more than the 100 elements that a page may have"),
            (
                "limit=99999999999999999999999",
                "limit 1: is more than the 100 elements that a page may have",
            ),
            ("limit=1&limit=1", "limit 1: is there twice"),
            ("status=a&status=b", "status 1: is there twice"),
            ("limit=0&fields=", "limit 1: is less than 1"),
        ];
        for (query, expected) in rows {
            assert_eq!(told(&offer, query), format!(" -> {expected}"), "{query:?}");
        }
    }

    #[test]
    fn equal_cuts_have_one_name_and_others_have_others() {
        let offer = offer(Paging::OffsetLimit);
        let name = |query: &str| *offer.take(query).unwrap().cut.unwrap().name();
        assert_eq!(name("fields=a,b"), name("fields=b,a"), "the order is the origin's");
        assert_eq!(name("status=1&type=2"), name("type=2&status=1"));
        assert_eq!(name("limit=20"), name("offset=0"), "the same page");
        let others = [
            "fields=a",
            "fields=a(b)",
            "fields=ab",
            "fields[a]=b",
            "limit=1",
            "limit=2",
            "offset=1&limit=1",
            "status=1",
            "type=1",
            "status=&type=1",
            "status=1&fields=a",
        ];
        let mut names: Vec<_> = others.iter().map(|query| name(query)).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), others.len());
    }

    proptest! {
        #[test]
        fn no_query_is_too_strange(query in "[a-f%&=+\\[\\]0-9,()s]{0,40}") {
            let offer = offer(Paging::PagePerPage);
            if let Some(taken) = offer.take(&query) {
                prop_assert!(offer.take(&taken.rest).is_none(), "nothing handled is left over");
            }
        }
    }
}
