//! What was made of a stored body: packed, unpacked.
//!
//! A memo is found by the body's name and the recipe, so it is right for as long as it lies there:
//! nothing purges it, and disuse alone ends it. It counts in the memory tier's budget.

use bytes::Bytes;

/// What a recipe made of a body; a cheap handle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Memo {
    /// These bytes.
    Made(Bytes),
    /// Nothing that is worth keeping: the body itself is shorter, or what it unpacks to is too
    /// long.
    NotWorth,
    /// Nothing: the body is not what it says it is, or becomes too long.
    Spoilt,
}

impl Memo {
    /// The bytes that it keeps.
    pub(super) fn size(&self) -> usize {
        match self {
            Memo::Made(bytes) => bytes.len(),
            Memo::NotWorth | Memo::Spoilt => 0,
        }
    }
}
