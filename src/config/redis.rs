//! Where the shared Redis is, and how it is used: `[cache.redis]` as values.
//!
//! Passwords and the secret are in types that do not show them: a configuration may be logged.

use std::{fmt, path::PathBuf, str::FromStr, time::Duration};

use super::{Secret, address};

/// Redis's own port.
const PORT: u16 = 6379;

/// Redis has no more databases than an operator gives it; none gives it this many.
const MAX_DATABASE: u32 = 65_535;

/// The tier that nodes share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redis {
    /// Where it is, and as whom it is used.
    pub url: Url,
    /// Roots to verify its certificate with, in place of the system's.
    pub ca: Option<PathBuf>,
    /// Keys the digests of what is stored there.
    pub secret: Option<Secret>,
    /// What all keys begin with; default `larder`.
    pub prefix: String,
    /// For one call; default 50 ms.
    pub timeout: Duration,
    /// Bytes of a body; a longer one is not shared; default 1 MiB.
    pub max_object_size: usize,
    /// How long without it until what is older than its loss is validated; default 60 s.
    pub max_blind: Duration,
}

/// Where a Redis is, and as whom it is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    /// Where it listens.
    pub place: Place,
    /// The ACL user; Redis's default user where there is none.
    pub user: Option<String>,
    /// Its password.
    pub password: Option<Secret>,
    /// The database's number.
    pub database: u32,
}

/// Where a Redis listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// `redis://`
    Tcp {
        /// A name or an address, IPv6 without brackets.
        host: String,
        /// 6379 where the URL has none.
        port: u16,
    },
    /// `rediss://`
    Tls {
        /// A name or an address, IPv6 without brackets. SNI and certificate follow it.
        host: String,
        /// 6379 where the URL has none.
        port: u16,
    },
    /// `unix:/path` or `redis+unix:///path`
    Unix(PathBuf),
}

impl Redis {
    /// The Redis at `url`, with every default.
    #[must_use]
    pub fn new(url: Url) -> Redis {
        Redis {
            url,
            ca: None,
            secret: None,
            prefix: "larder".to_owned(),
            timeout: Duration::from_millis(50),
            max_object_size: 1 << 20,
            max_blind: Duration::from_secs(60),
        }
    }
}

/// Where it is, and nothing secret.
impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Tcp { host, port } => write!(f, "redis://{host}:{port}"),
            Place::Tls { host, port } => write!(f, "rediss://{host}:{port}"),
            Place::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl FromStr for Url {
    type Err = String;

    /// The error says what is wrong and what to write, and does not repeat the text.
    fn from_str(text: &str) -> Result<Url, String> {
        if let Some(rest) = text.strip_prefix("redis://") {
            let (host, port, url) = network(rest)?;
            return Ok(Url { place: Place::Tcp { host, port }, ..url });
        }
        if let Some(rest) = text.strip_prefix("rediss://") {
            let (host, port, url) = network(rest)?;
            return Ok(Url { place: Place::Tls { host, port }, ..url });
        }
        match text.strip_prefix("redis+unix://").or_else(|| text.strip_prefix("unix:")) {
            Some(rest) => unix(rest),
            None => Err("is no place of a Redis: write redis://host:6379, rediss://host:6379 \
                         (TLS) or unix:/path"
                .to_owned()),
        }
    }
}

/// `[[user][:password]@]host[:port][/database]`
fn network(rest: &str) -> Result<(String, u16, Url), String> {
    let (rest, database) = match rest.split_once('/') {
        None | Some((_, "")) => (rest.trim_end_matches('/'), 0),
        Some((rest, number)) => (rest, self::database(number)?),
    };
    let (credentials, place) = match rest.rsplit_once('@') {
        None => (None, rest),
        Some((credentials, place)) => (Some(credentials), place),
    };
    let (host, port) = address::authority(place)?;
    let (user, password) = match credentials {
        None => (None, None),
        Some(text) => {
            let (user, password) = text.split_once(':').ok_or(
                "has a name before @ and no password: write user:password@, or :password@ for \
                 the default user",
            )?;
            (Some(decoded(user)?), Some(Secret::new(decoded(password)?)))
        }
    };
    let user = user.filter(|user| !user.is_empty());
    let place = Place::Unix(PathBuf::new());
    Ok((host, port.unwrap_or(PORT), Url { place, user, password, database }))
}

/// `/path[?db=…&user=…&pass=…]`
fn unix(rest: &str) -> Result<Url, String> {
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let place = Place::Unix(address::socket(path)?);
    let mut url = Url { place, user: None, password: None, database: 0 };
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        match pair.split_once('=') {
            Some(("db", number)) => url.database = database(number)?,
            Some(("user", user)) => url.user = Some(decoded(user)?),
            Some(("pass", password)) => url.password = Some(Secret::new(decoded(password)?)),
            _ => return Err("has a parameter that is not known: db, user and pass are".to_owned()),
        }
    }
    if url.user.is_some() && url.password.is_none() {
        return Err("has a user and no password: add pass=".to_owned());
    }
    Ok(url)
}

fn database(number: &str) -> Result<u32, String> {
    let known = number.parse().ok().filter(|it| *it <= MAX_DATABASE && !number.starts_with('+'));
    known.ok_or_else(|| {
        format!("has no database of that name: write a number up to {MAX_DATABASE} after the host")
    })
}

/// Percent-decoded, so that a password may have any character.
fn decoded(text: &str) -> Result<String, String> {
    let wrong = || "has a % in user or password that encodes nothing: write it as %25".to_owned();
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        let byte = match (first, after) {
            (b'%', [high, low, after @ ..]) => {
                rest = after;
                let digit =
                    |it: &u8| char::from(*it).to_digit(16).and_then(|it| it.try_into().ok());
                let (high, low): (u8, u8) =
                    (digit(high).ok_or_else(wrong)?, digit(low).ok_or_else(wrong)?);
                high << 4 | low
            }
            (b'%', _) => return Err(wrong()),
            _ => *first,
        };
        bytes.push(byte);
    }
    String::from_utf8(bytes).map_err(|_| wrong())
}
