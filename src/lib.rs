//! Larder: a caching reverse proxy for HTTP APIs.
//!
//! | module | what lives there |
//! |---|---|
//! | [`proxy`] | the story: a request's whole journey, top to bottom |
//! | [`server`] | listeners, connections, limits, draining |
//! | [`visit`], [`target`], [`fields`] | a request let in: its target, what is believed of it |
//! | [`policy`] | RFC 9111 as plain functions |
//! | [`store`], [`key`] | what the origin said, found by key |
//! | [`throttle`], [`validate`] | what is refused before it costs the API anything |
//! | [`collapse`] | one fetch a key, read along by many |
//! | [`upstream`] | requests to the API |
//! | [`reply`], [`body`], [`cache_status`], [`reason`] | what clients see, and why |
//! | [`batch`] | many requests in one |
//! | [`shape`] | less of a JSON body: fields, pages, filters |
//! | [`transform`] | bodies in another form: packed, unpacked |
//! | [`tunnel`] | connections that have become another protocol |
//! | [`config`], [`snapshot`] | `proxy.toml`, compiled, and what it means at run time |
//! | [`admin`] | purges, health and metrics, on a listener of their own |
//! | [`log`], [`ids`], [`counters`], [`metrics`] | what operators see |
//! | [`demo`] | a sample API, and the proxy before it |
//! | [`clock`] | the only source of now and of sleep |

#[macro_use]
mod tokens;

pub mod admin;
pub mod batch;
pub mod body;
pub mod cache_status;
pub mod clock;
pub mod collapse;
pub mod config;
pub mod counters;
pub mod demo;
pub mod fields;
pub mod ids;
pub mod key;
pub mod log;
pub mod metrics;
pub mod policy;
pub mod proxy;
pub mod reason;
pub mod reply;
pub mod server;
pub mod shape;
pub mod snapshot;
pub mod store;
pub mod target;
pub mod throttle;
pub mod transform;
pub mod tunnel;
pub mod upstream;
pub mod validate;
pub mod visit;
