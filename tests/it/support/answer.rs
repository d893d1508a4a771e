//! What a client got.

use std::fmt;

use super::{
    CacheStatus,
    wire::{Fields, values},
};

/// One response.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answer {
    /// The status code.
    pub(crate) status: u16,
    /// Header fields in order, repeated ones as often as they came.
    pub(crate) fields: Fields,
    /// The body, without its framing.
    pub(crate) body: Vec<u8>,
    /// Trailer fields.
    pub(crate) trailers: Fields,
    /// The status codes of the 1xx responses before it.
    pub(crate) early: Vec<u16>,
}

/// A response that did not come, or not whole.
#[derive(Debug)]
pub(crate) struct Broken {
    /// What went wrong.
    pub(crate) why: String,
    /// What had come.
    pub(crate) so_far: Box<Answer>,
}

impl Answer {
    /// The first field of that name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers(name).first().copied()
    }

    /// All fields of that name, in order.
    pub(crate) fn headers(&self, name: &str) -> Vec<&str> {
        values(&self.fields, name)
    }

    /// The body as text.
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("a body of text")
    }

    /// Seconds in Age; `None` where there is none.
    pub(crate) fn age(&self) -> Option<u64> {
        let ages = self.headers("age");
        assert!(ages.len() < 2, "one Age is enough: {ages:?}");
        ages.first().map(|age| age.parse().expect("Age is a number of seconds"))
    }

    /// What Larder says of its part in it: the last member of Cache-Status.
    ///
    /// # Panics
    /// Where there is none.
    pub(crate) fn cache_status(&self) -> CacheStatus {
        let last = self.cache_statuses().pop();
        let last = last.unwrap_or_else(|| panic!("no Cache-Status in {:?}", self.fields));
        assert_eq!(last.cache, "larder", "the last cache to touch it is ours");
        last
    }

    /// Every member of Cache-Status: the origin's side first.
    pub(crate) fn cache_statuses(&self) -> Vec<CacheStatus> {
        CacheStatus::parse(&self.headers("cache-status"))
    }

    /// Whether it came from the cache.
    pub(crate) fn is_hit(&self) -> bool {
        self.cache_status().hit
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Answer { status, fields, body, .. } = &*self.so_far;
        let text = String::from_utf8_lossy(&body[..body.len().min(200)]);
        write!(f, "{}; so far: {status} {fields:?}, {} bytes: {text:?}", self.why, body.len())
    }
}
