//! What is refused before it costs the API anything: how often who may ask, and what may be asked.

use std::time::Duration;

use http::HeaderName;
use ipnet::IpNet;

/// The most limits that one request is counted by.
pub const MAX_LIMITS: usize = 16;

/// How often each client may ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Whose requests are counted together.
    pub scope: Scope,
    /// Who a client is: all of these together.
    pub key: Vec<Part>,
    /// Which bits of an address make a client.
    pub prefixes: Prefixes,
    /// How often.
    pub rate: Rate,
    /// How many at once after a pause; default one second's rate, at least 1.
    pub burst: u32,
    /// What becomes of the others.
    pub mode: Mode,
    /// The longest wait with [`Mode::Queue`]; default 2 s.
    pub max_wait: Duration,
    /// Which requests count.
    pub count: Count,
    /// When clients are told of it.
    pub headers: Headers,
    /// Clients who are not counted.
    pub allow: Vec<IpNet>,
    /// Clients remembered at the same time; default 1,000,000.
    pub max_keys: usize,
}

/// Whose requests are counted together.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Those of all routes that have no limits of their own.
    Everywhere,
    /// Those of the route of this name.
    Route(String),
}

/// A part of what tells clients apart.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// `"client_ip"`: the address, as far as `trusted_proxies` are believed.
    ClientIp,
    /// `"header:NAME"`: the whole field; without it, the address.
    Header(HeaderName),
    /// `"cookie:NAME"`: without it, the address.
    Cookie(String),
}

/// How many bits of an address make a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Prefixes {
    /// Of an IPv4 address; default 32.
    pub v4: u8,
    /// Of an IPv6 address; default 64, which is what one customer has.
    pub v6: u8,
}

/// So many in so much time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rate {
    /// At least 1.
    pub count: u32,
    /// A second, a minute or an hour.
    pub per: Duration,
}

/// What becomes of a request past a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// 429.
    Reject,
    /// It waits for its turn; 429 where that is too far away.
    Queue,
    /// Nothing: it is counted and told in the log.
    Shadow,
}

/// Which requests count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// Every one.
    All,
    /// Those for which the API is asked.
    Misses,
}

/// When clients are told how much is left (RateLimit, RateLimit-Policy).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Headers {
    /// With a 429.
    On429,
    /// With each answer to a request that counts.
    Always,
    /// Never.
    Off,
}

/// How often an upstream may be asked by this node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Evenly paced: never two requests within one interval.
    pub rate: Rate,
    /// Whether it is left alone for as long as its 429 and 503 say.
    pub follow_headers: bool,
}

/// What a route's requests may be; what is empty or absent allows everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Validate {
    /// In capitals; `GET` includes HEAD.
    pub methods: Vec<String>,
    /// Bytes of a request's body.
    pub max_body: Option<u64>,
    /// Media types of it, in lower case: `type/subtype` or `type/*`.
    pub content_types: Vec<String>,
}

impl Default for Prefixes {
    fn default() -> Prefixes {
        Prefixes { v4: 32, v6: 64 }
    }
}

impl Rate {
    /// The time from one request to the next, rounded up: never faster than the rate.
    #[must_use]
    pub fn interval(self) -> Duration {
        let nanos = self.per.as_nanos().div_ceil(u128::from(self.count.max(1)));
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// How many a second has room for, at least 1.
    #[must_use]
    pub fn a_second(self) -> u32 {
        (self.count / u32::try_from(self.per.as_secs()).unwrap_or(1).max(1)).max(1)
    }
}
