//! The integration tests: Larder through its sockets, before a scripted origin.
//!
//! One binary, because it links once. A file is a capability, a test is a sentence.

#![allow(clippy::unwrap_used, reason = "a test may fail by a panic")]

mod support;

mod admin;
mod aliases;
mod alone;
mod authorization;
mod batch;
mod busy;
mod cache_status;
mod caching;
mod claims;
mod clients;
mod collapse;
mod compression;
mod conditions;
mod corpora;
mod demo;
mod directives;
mod docs;
mod explain;
mod forwarding;
mod freshness;
mod front;
mod groups;
mod head;
mod hostile;
mod invalidation;
mod key_parts;
mod letter;
mod logs;
mod metrics;
mod model;
mod nodes;
mod overrides;
mod own_tags;
mod package;
mod packaging;
mod partial;
mod paths;
mod posted;
mod program;
mod proxy_protocol;
mod purges;
mod purity;
mod quota;
mod ranges;
mod real;
mod reasons;
mod reloads;
mod repeats;
mod reviewed;
mod sequences;
mod shadow;
mod shaping;
mod shared;
mod stale;
mod streaming;
mod support_works;
mod targeted;
mod throttling;
mod tls;
mod units;
mod upgrades;
mod upstreams;
mod validate;
mod validation;
mod vary;
mod withheld;
