//! Less of an answer than the origin sends: some fields, a page, what a filter lets through.
//!
//! What a request asks for is a [`Cut`], read from its query by what the route offers ([`Offer`]).
//! [`Cut::of`] makes it from the bytes of a JSON text: first the filter, then the page, then the
//! fields. It copies what it keeps byte for byte, so numbers, escapes, the order of members and
//! repeated ones stay as the origin wrote them; it never makes a text longer, and never builds a
//! tree. Pure functions all of it: no clock, no task, no store.

mod cutter;
mod known;
mod mask;
mod number;
mod page;
mod pointer;
mod query;
mod scan;
mod sparse;
mod text;
mod wanted;

use bytes::Bytes;
use http::{HeaderMap, header};

pub use cutter::Shaped;
pub use known::{Known, Query};
pub use mask::{MAX_DEPTH, MAX_MASK};
pub use page::Page;
pub use pointer::Pointer;
pub use query::{Malformed, Taken};
pub use scan::Fault;
pub use text::Text;
pub use wanted::{Conditions, Wanted};

use mask::Mask;
use sparse::Sparse;

/// What a route lets its clients ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// The parameter that names fields; `None`: there is none.
    pub fields: Option<String>,
    /// How pages are asked for.
    pub paging: Paging,
    /// Where the array is that pages and filters are of.
    pub at: Pointer,
    /// Members of its elements, by which they can be chosen.
    pub filter: Vec<String>,
    /// Elements of a page where the client does not say.
    pub page_size: u64,
    /// Elements of a page at most.
    pub max_page_size: u64,
    /// Bytes of a body that is cut, before and after it is unpacked.
    pub max_size: u64,
    /// What becomes of a longer one.
    pub too_large: TooLarge,
}

/// How pages are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paging {
    /// Not at all.
    Off,
    /// `offset=40&limit=20`
    OffsetLimit,
    /// `page=3&per_page=20`
    PagePerPage,
}

/// What becomes of a body that is longer than is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TooLarge {
    /// It is sent whole.
    Pass,
    /// It is not sent: 502.
    Refuse,
}

/// What one request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    fields: Fields,
    page: Option<Page>,
    /// Members, and the value that each must have.
    filter: Vec<(String, String)>,
    at: Pointer,
    /// Its name: equal ones make the same of the same bytes.
    name: [u8; 32],
}

/// Which fields.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Fields {
    All,
    /// `fields=id,address(city)`
    Masked(Mask),
    /// `fields[articles]=title` (JSON:API)
    Sparse(Sparse),
}

/// The version of what is made of a cut: with another one, entity-tags are others.
const VERSION: u8 = 1;

impl Cut {
    fn new(
        offer: &Offer,
        fields: Fields,
        page: Option<Page>,
        filter: Vec<(String, String)>,
    ) -> Cut {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&[VERSION, u8::from(offer.too_large == TooLarge::Pass)]);
        hasher.update(&offer.max_size.to_le_bytes());
        let mut add = |text: &str| {
            hasher.update(&(text.len() as u64).to_le_bytes());
            hasher.update(text.as_bytes());
        };
        match &fields {
            Fields::All => add("all"),
            Fields::Masked(mask) => {
                add("mask");
                add(&mask.to_string());
            }
            Fields::Sparse(sparse) => {
                add("sparse");
                sparse.words().for_each(|word| add(&word));
            }
        }
        add("page");
        let window = page.map(|page| page.window());
        add(&window.map_or_else(String::new, |(first, size)| format!("{first} {size}")));
        add(&offer.at.to_string());
        for (member, value) in &filter {
            add(member);
            add(value);
        }
        let name = *hasher.finalize().as_bytes();
        Cut { fields, page, filter, at: offer.at.clone(), name }
    }

    /// Its name: equal cuts have equal ones.
    #[must_use]
    pub fn name(&self) -> &[u8; 32] {
        &self.name
    }

    /// The page that it asks for.
    #[must_use]
    pub fn page(&self) -> Option<Page> {
        self.page
    }

    /// Whether it chooses among the elements of an array.
    #[must_use]
    pub fn chooses(&self) -> bool {
        self.page.is_some() || !self.filter.is_empty()
    }

    /// Makes it of a JSON text; the result is never longer.
    ///
    /// # Errors
    /// Why the text cannot be cut.
    pub fn of(&self, text: &Bytes) -> Result<Shaped, Fault> {
        cutter::cut(self, text)
    }
}

/// Whether a response says that it is one JSON text.
#[must_use]
pub fn says_json(response: &HeaderMap) -> bool {
    let Some(value) = response.get(header::CONTENT_TYPE) else { return false };
    let end = value.as_bytes().iter().position(|byte| *byte == b';').unwrap_or(value.len());
    let essence = value.as_bytes()[..end].trim_ascii().to_ascii_lowercase();
    // A sequence of texts is none.
    essence == b"application/json" || essence == b"text/json" || essence.ends_with(b"+json")
}

/// Whether a text is JSON (RFC 8259), and not nested too deeply to be read elsewhere.
#[must_use]
pub fn is_json(text: &str) -> bool {
    let read = || {
        let mut scanner = scan::Scanner::new(text.as_bytes())?;
        scanner.value()?;
        scanner.end()
    };
    read().is_ok()
}

#[cfg(test)]
mod tests;
