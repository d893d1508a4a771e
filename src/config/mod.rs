//! `proxy.toml`, compiled: plain values that can be compared, all problems found at once.
//!
//! [`parse`] is pure but for the environment passed in; [`load`] reads the file. What has state
//! (pools, the cache, listeners) is built from these values elsewhere, by name. Within: `schema`
//! says which keys there are, `reader` and `value` take them, `address`, `pattern`, `text` and
//! `units` read what stands in them.

mod address;
pub mod advice;
mod example;
mod file;
mod json_schema;
mod pattern;
pub mod problem;
mod reader;
pub mod redis;
pub mod routes;
mod schema;
mod secret;
mod suggest;
mod text;
pub mod throttle;
pub mod tls;
mod units;
mod value;

#[cfg(test)]
mod documented;
#[cfg(test)]
mod tests;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use http::HeaderName;
use ipnet::IpNet;

pub use advice::{Machine, advice};
pub use json_schema::json_schema;
pub use problem::Problem;
pub use reader::{Key, Values};
pub use redis::Redis;
pub use schema::keys;
pub use secret::Secret;
pub use tls::Tls;

use crate::{
    batch,
    ids::Naming,
    policy::{
        Rules,
        encoding::{Packing, UpstreamEncoding},
    },
    shape::Offer,
};

/// Everything that `proxy.toml` says, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Where clients are listened for in the clear.
    pub listen: Vec<Listen>,
    /// Where they are listened for by TLS, and how; none where `tls.listen` is not written.
    pub tls: Option<Tls>,
    /// Peers whose connections begin with a header of the PROXY protocol.
    pub proxy_protocol: Vec<IpNet>,
    /// Peers whose `Forwarded` and `X-Forwarded-*` are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// By name; a plain URL is its own name.
    pub upstreams: Vec<Upstream>,
    /// In the order of the file; the top-level `upstream`, where given, is the last of all,
    /// matches everything, and is named `default`.
    pub routes: Vec<Route>,
    /// Bounds on connections and heads.
    pub limits: Limits,
    /// Bounds on waits.
    pub timeouts: Timeouts,
    /// The access log.
    pub log: Log,
    /// The memory tier.
    pub memory: Memory,
    /// Bodies that are packed while they arrive, at the same time; default 256.
    pub max_streams: usize,
    /// The tier that nodes share; none where `cache.redis.url` is not written.
    pub redis: Option<Redis>,
    /// What batches may be; none where `batch.path` is not written.
    pub batch: Option<batch::Rules>,
    /// The admin listener, and who may purge.
    pub admin: Admin,
}

/// One address to listen at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    /// `"127.0.0.1:8080"`; port 0 takes a free one.
    Tcp(SocketAddr),
    /// `"unix:/path"`.
    Unix(PathBuf),
}

/// One API behind the proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    /// What routes call it.
    pub name: String,
    /// Where it is.
    pub address: Address,
    /// The Host that it is sent.
    pub host: Host,
    /// Roots to verify its certificate with, in place of the system's.
    pub ca: Option<PathBuf>,
    /// To connect, TLS handshake included; default 3 s.
    pub connect: Duration,
    /// From the request's last byte to the response's first; default 30 s.
    pub first_byte: Duration,
    /// Between two reads of the response; default 30 s.
    pub between_bytes: Duration,
    /// Requests at the same time; default 512.
    pub max_concurrent: usize,
    /// How often it may be asked; default as often as need be.
    pub quota: Option<throttle::Quota>,
}

/// Where an upstream is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// `http://host:port`
    Http {
        /// A name or an address, IPv6 without brackets.
        host: String,
        /// 80 where the URL has none.
        port: u16,
    },
    /// `https://host:port`
    Https {
        /// A name or an address, IPv6 without brackets. SNI and certificate follow it.
        host: String,
        /// 443 where the URL has none.
        port: u16,
    },
    /// `unix:/path`
    Unix(PathBuf),
}

/// The Host field of forwarded requests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Host {
    /// As the client sent it.
    #[default]
    Preserve,
    /// The authority of the upstream's URL.
    Upstream,
    /// This one.
    Named(String),
}

/// One route: what it matches and what happens there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Part of the key: by default its host, path and methods as written.
    pub name: String,
    /// Which requests.
    pub pattern: routes::Pattern,
    /// The name of an upstream in [`Config::upstreams`].
    pub upstream: String,
    /// What is cached there, and how.
    pub cache: Cache,
    /// What is packed there, and how.
    pub compression: Compression,
    /// How often each client may ask.
    pub throttle: Vec<throttle::Limit>,
    /// What may be asked.
    pub validate: throttle::Validate,
    /// What less of an answer clients may ask for.
    pub shape: Option<Offer>,
    /// Its line in the file; 0 for the top-level upstream's.
    pub line: usize,
}

/// Whose requests for the same thing at the same time become one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Collapse {
    /// Nobody's.
    Off,
    /// Those of one node.
    #[default]
    Node,
    /// Those of all nodes with the same Redis.
    Cluster,
}

/// Caching on one route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cache {
    /// Whether anything is.
    pub mode: Mode,
    /// A body longer than this is relayed; default 8 MiB.
    pub max_object_size: u64,
    /// Whose requests for the same thing at the same time become one.
    pub collapse: Collapse,
    /// How long a node waits for what another fetches; default 5 s.
    pub collapse_wait: Duration,
    /// What HTTP leaves to the operator.
    pub rules: Rules,
    /// What of the query is part of the key.
    pub query: Query,
    /// Tags of everything that is stored, for purges.
    pub tags: Vec<String>,
}

/// Whether a route's answers are cached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// They are.
    #[default]
    On,
    /// They are relayed.
    Off,
    /// They are relayed, and it is measured what the cache would have done.
    Shadow,
}

/// Compression on one route.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Compression {
    /// Towards clients.
    pub packing: Packing,
    /// Towards the upstream; `None` goes by where that is ([`Address::is_near`]).
    pub upstream: Option<UpstreamEncoding>,
}

/// What of the query is part of the key. The same query is forwarded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// The only parameters that are kept, where there are any here; written as in `exclude`.
    pub include: Vec<String>,
    /// Parameters left out, by name; one `*` at the end stands for any rest.
    pub exclude: Vec<String>,
    /// Parameters are ordered by name; equal names keep their order.
    pub sort: bool,
}

/// Bounds on connections and heads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at the same time; default 10,000.
    pub max_connections: usize,
    /// TLS handshakes at the same time; default 1,000.
    pub max_handshakes: usize,
    /// Bytes of a request head; default 32 KiB.
    pub max_head: usize,
    /// Fields of a request head; default 100.
    pub max_fields: usize,
}

/// Bounds on waits towards clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// For a PROXY header and a TLS handshake to be complete; default 10 s.
    pub handshake: Duration,
    /// For a request head to be complete; default 8 s.
    pub headers: Duration,
    /// For the next request on a connection; default 75 s.
    pub idle: Duration,
    /// For the next bytes of a request body; default 30 s.
    pub body_idle: Duration,
    /// For a write to make progress; default 30 s.
    pub write_idle: Duration,
    /// For everything to end after SIGTERM; default 25 s.
    pub shutdown: Duration,
}

/// The access log, and what requests are known by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// Where it goes.
    pub access: Access,
    /// What a line looks like.
    pub format: Format,
    /// Fields of requests that are told, in JSON; none of them a credential.
    pub fields: Vec<HeaderName>,
    /// Parameters and fields whose values are hidden: names in any case, `*` ends one.
    pub redact: Vec<String>,
    /// Whether each request has an id, and its trace goes on or begins.
    pub naming: Naming,
}

/// Where the access log goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Access {
    /// Nowhere.
    #[default]
    Off,
    /// To standard error.
    Stderr,
    /// To the end of a file.
    File(PathBuf),
}

/// What a line of the access log looks like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// An object of JSON.
    #[default]
    Json,
    /// As Apache and nginx write it.
    Combined,
}

/// The parameters and fields that are secrets wherever they occur.
pub const SECRETS: [&str; 17] = [
    "token",
    "access_token",
    "refresh_token",
    "id_token",
    "auth_token",
    "api_key",
    "api-key",
    "apikey",
    "x-api-key",
    "key",
    "password",
    "passwd",
    "secret",
    "client_secret",
    "signature",
    "sig",
    "x-amz-*",
];

/// The admin listener, and who may purge.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Admin {
    /// Where it listens; `None`: nowhere.
    pub listen: Option<Listen>,
    /// What `/v1/` asks for; without it, only a unix socket serves that.
    pub token: Option<Secret>,
    /// Hosts that it may be asked by, besides addresses and localhost.
    pub hosts: Vec<String>,
    /// Peers that may purge by method on the public port.
    pub purge_from: Vec<IpNet>,
    /// What webhooks are signed with; without it, there are none.
    pub webhook_secret: Option<Secret>,
}

/// The memory tier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// Bytes of stored responses; default 256 MiB.
    pub max_size: u64,
    /// Bytes of bodies that are still arriving; default 64 MiB.
    pub max_in_flight: u64,
}

impl Cache {
    /// Whether anything is stored, or answered from what is.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.mode == Mode::On
    }
}

impl Default for Cache {
    fn default() -> Cache {
        Cache {
            mode: Mode::On,
            max_object_size: 8 << 20,
            collapse: Collapse::Node,
            collapse_wait: Duration::from_secs(5),
            rules: Rules::default(),
            query: Query::default(),
            tags: Vec::new(),
        }
    }
}

impl Default for Log {
    fn default() -> Log {
        Log {
            access: Access::Off,
            format: Format::Json,
            fields: Vec::new(),
            redact: SECRETS.map(str::to_owned).to_vec(),
            naming: Naming::default(),
        }
    }
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            max_connections: 10_000,
            max_handshakes: 1_000,
            max_head: 32 << 10,
            max_fields: 100,
        }
    }
}

impl Default for Timeouts {
    fn default() -> Timeouts {
        Timeouts {
            handshake: Duration::from_secs(10),
            headers: Duration::from_secs(8),
            idle: Duration::from_secs(75),
            body_idle: Duration::from_secs(30),
            write_idle: Duration::from_secs(30),
            shutdown: Duration::from_secs(25),
        }
    }
}

impl Default for Memory {
    fn default() -> Memory {
        Memory { max_size: 256 << 20, max_in_flight: 64 << 20 }
    }
}

/// What the command line says in place of the file's top-level keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// `--listen`: one address.
    pub listen: Option<String>,
    /// `--upstream`: a URL, or the name of an upstream.
    pub upstream: Option<String>,
}

/// Compiles the text of a configuration. `file` names it in problems; `env` looks up `${NAME}`.
///
/// # Errors
/// Every problem there is, in the order of lines.
pub fn parse(
    file: &str,
    text: &str,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Config, Vec<Problem>> {
    parse_with(file, text, env, &Overrides::default())
}

/// As [`parse`], with what the command line says. Its problems have the key `--listen` or
/// `--upstream`, and no line.
///
/// # Errors
/// As [`parse`].
pub fn parse_with(
    file: &str,
    text: &str,
    env: &dyn Fn(&str) -> Option<String>,
    overrides: &Overrides,
) -> Result<Config, Vec<Problem>> {
    schema::parse(file, text, env, overrides)
}

/// Reads and compiles a configuration file, with the process's environment.
///
/// # Errors
/// Every problem there is; a file that cannot be read is one.
pub fn load(path: &Path) -> Result<Config, Vec<Problem>> {
    load_with(path, &Overrides::default())
}

/// As [`load`], with what the command line says.
///
/// # Errors
/// As [`load`].
pub fn load_with(path: &Path, overrides: &Overrides) -> Result<Config, Vec<Problem>> {
    let file = path.display().to_string();
    let text = file::read(path).map_err(|(line, message)| {
        vec![Problem { file: file.clone(), line, key: String::new(), message }]
    })?;
    parse_with(&file, &text, &|name| std::env::var(name).ok(), overrides)
}
