//! Other forms of the bodies that are stored: packed and unpacked.
//!
//! The store holds what the origin said; what is made of it here is a pure function of those
//! bytes, and never a second truth. [`codec`] is the one place that knows the libraries, [`memos`]
//! applies it to stored bodies, once each, and
//! [`recoded`] applies it to a body that is still arriving.

pub mod codec;
pub mod memos;
pub mod recoded;
