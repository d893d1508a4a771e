//! Other forms of the bodies that are stored: packed and unpacked.
//!
//! The store holds what the origin said; what is made of it here is a pure function of those
//! bytes, and never a second truth. [`codec`] is the one place that knows the libraries, [`memos`]
//! applies it to stored bodies, once each, and [`recoded`] to a body that is still arriving. [`cut`]
//! is what [`shape`](crate::shape) makes of one, as a memo.

pub mod codec;
pub mod cut;
pub mod memos;
pub mod recoded;
