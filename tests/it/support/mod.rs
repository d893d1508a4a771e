//! What the tests are written in: a scripted [`Origin`], a [`Proxy`] before it, clients.
//!
//! Nothing here sleeps. A test orders events by [`Gate`]s, which an origin's reply waits at, and
//! by the counters of the origin (`until_requests`, …). Time stands still at
//! 2026-11-21T12:00:00Z, for origin and proxy alike, until the test advances it. Whatever is
//! awaited has a guard ([`within`]), so that a hang fails and says where.

mod answer;
mod ask;
mod authority;
mod cache_status;
mod client;
mod conversation;
mod gate;
mod guard;
mod h2;
mod origin;
mod place;
mod proxy;
mod redis;
mod relay;
mod reply;
mod seen;
mod tls;
mod wire;

pub(crate) use answer::{Answer, Broken};
pub(crate) use ask::{Ask, get, send};
pub(crate) use authority::Authority;
pub(crate) use cache_status::CacheStatus;
pub(crate) use client::{Arriving, Client};
pub(crate) use gate::Gate;
pub(crate) use guard::{within, within_long};
pub(crate) use h2::H2;
pub(crate) use origin::{NOON, Origin};
pub(crate) use place::{Duplex, Place, Target};
pub(crate) use proxy::Proxy;
pub(crate) use redis::{RedisServer, pause};
pub(crate) use relay::Relay;
pub(crate) use reply::Reply;
pub(crate) use seen::Seen;
pub(crate) use wire::{Framing, Wire};

/// The HTTP-date `seconds` after the start of every test.
pub(crate) fn date(seconds: i64) -> String {
    let since = u64::try_from(NOON / 1000 + seconds).expect("after 1970");
    httpdate::fmt_http_date(std::time::UNIX_EPOCH + std::time::Duration::from_secs(since))
}
