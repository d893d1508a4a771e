//! What HTTP says about caching, as plain functions over values.
//!
//! A file a chapter: [`cache_control`] (RFC 9111 §5.2 and RFC 9213), [`freshness`] (§4.2),
//! [`storing`] (§3), [`reuse`] (§4), [`selecting`] (§4.1), [`validation`] (§4.3 and RFC 9110 §13),
//! [`ranges`] (RFC 9110 §14), [`partial`] (§3.3, §3.4), [`invalidation`] (§4.4), [`groups`]
//! (RFC 9875), [`tags`]. Beside them the two
//! values that they judge by: [`Asked`], what the request says, and [`Rules`],
//! what the operator says, with [`conditions`] and [`cookies`] that it names. Nothing here waits, reads a clock, logs, or knows
//! the store: the time is passed in, the answer is an enum.

pub mod asked;
pub mod cache_control;
pub mod carried;
pub mod coded_tag;
pub mod coding;
pub mod conditions;
pub mod cookies;
pub mod encoding;
pub mod freshness;
pub mod groups;
pub mod invalidation;
pub mod meta;
pub mod partial;
pub mod ranges;
pub mod reuse;
pub mod rules;
pub mod selecting;
pub mod storing;
pub mod tags;
pub mod time;
pub mod validation;

mod entity_tag;
mod field;
#[cfg(test)]
mod fixtures;
mod status;
mod structured;

pub use asked::Asked;
pub use carried::{Carried, has_underscore};
pub use meta::Meta;
pub use reuse::{Decision, Fwd, decide};
pub use rules::Rules;
pub use storing::{Received, Unstorable, receive};
pub use time::{Exchange, Mono, Now, Wall};
