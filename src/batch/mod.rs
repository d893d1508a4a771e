//! Many requests in one: what a batch says, and how its items are told.
//!
//! [`items`] reads the array that a client posts, [`Sender::request`] makes the head of an ordinary
//! request of each item, and [`Reader`] is how the client wants to read the answers. What an item
//! may say of itself is little: its method, its path, and the few fields of [`ALLOWED`]. All else,
//! credentials first, is what the batch's own sender says, so no item can pass for another's.
//! Who runs the items is [`proxy`](crate::proxy); their answers go out as [`Answers`].

mod answers;
mod item;
mod render;
mod sender;

use std::time::Duration;

pub use answers::{Answers, Written};
pub use item::{ALLOWED, Item, Wrong, items};
pub use render::{Embedded, Reader, Told};
pub use sender::Sender;

use crate::policy::encoding::Packing;

/// What batches may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Where they are posted.
    pub path: String,
    /// Items at most.
    pub max_items: usize,
    /// Bytes of the array that is posted.
    pub max_body: u64,
    /// Bytes of all the bodies that are answered.
    pub max_answer: u64,
    /// For all of it.
    pub timeout: Duration,
    /// Items that are under way at the same time.
    pub parallel: usize,
    /// How the answer is packed.
    pub packing: Packing,
}
