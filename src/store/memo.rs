//! What was made of a stored body: packed, unpacked.
//!
//! A memo is found by the body's name and the recipe, so it is right for as long as it lies there:
//! nothing purges it, and disuse alone ends it. It counts in the memory tier's budget.
//!
//! The name is the body's digest, and none of a URL, so the last versions of a body can be kept in the
//! same way, to be found by digest once a newer one has taken their place: recipe 0 is left for the
//! body as it is.

use bytes::Bytes;

/// What a recipe made of a body; a cheap handle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Memo {
    /// These bytes.
    Made(Bytes),
    /// Nothing: what the body unpacks to is too long to be kept.
    TooLong,
    /// Nothing: the body is not what it says it is, or becomes longer than an honest one could.
    Spoilt,
}

impl Memo {
    /// The bytes that it keeps.
    pub(super) fn size(&self) -> usize {
        match self {
            Memo::Made(bytes) => bytes.len(),
            Memo::TooLong | Memo::Spoilt => 0,
        }
    }
}
