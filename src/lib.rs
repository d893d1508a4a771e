//! Larder: a caching reverse proxy for HTTP APIs.
//!
//! | module | what lives there |
//! |---|---|
//! | [`policy`] | RFC 9111 as plain functions |

pub mod policy;
