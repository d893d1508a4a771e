//! Larder: a caching reverse proxy for HTTP APIs.
//!
//! | module | what lives there |
//! |---|---|
//! | [`policy`] | RFC 9111 as plain functions |
//! | [`store`], [`key`] | what the origin said, found by key |
//! | [`upstream`] | requests to the API |
//! | [`log`], [`counters`] | what operators see |
//! | [`clock`] | the only source of now and of sleep |

pub mod clock;
pub mod config;
pub mod counters;
pub mod key;
pub mod log;
pub mod policy;
pub mod store;
pub mod upstream;
