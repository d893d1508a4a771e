//! The integration tests: Larder through its sockets, before a scripted origin.
//!
//! One binary, because it links once. A file is a capability, a test is a sentence.

#![allow(clippy::unwrap_used, reason = "a test may fail by a panic")]

mod support;

mod admin;
mod authorization;
mod batch;
mod cache_status;
mod caching;
mod clients;
mod collapse;
mod compression;
mod conditions;
mod corpora;
mod demo;
mod directives;
mod forwarding;
mod freshness;
mod front;
mod groups;
mod head;
mod hostile;
mod invalidation;
mod key_parts;
mod model;
mod nodes;
mod overrides;
mod own_tags;
mod partial;
mod paths;
mod posted;
mod program;
mod purges;
mod purity;
mod quota;
mod ranges;
mod real;
mod reasons;
mod reviewed;
mod sequences;
mod shaping;
mod shared;
mod stale;
mod streaming;
mod support_works;
mod targeted;
mod throttling;
mod upstreams;
mod validate;
mod validation;
mod vary;
mod withheld;
