//! Addresses: where clients are listened for, and where upstreams are.
//!
//! What a reader answers to bad text never repeats the text: it may come from the environment.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    path::PathBuf,
    str::FromStr,
};

use ipnet::IpNet;

use super::{Address, Host, Listen, units::is_digits};

/// Top-level names that are given out within a network only (RFC 6761, RFC 6762, RFC 8375, and
/// what ICANN keeps for that).
const PRIVATE: [&str; 4] = [".local", ".localhost", ".home.arpa", ".internal"];

impl FromStr for Listen {
    type Err = String;

    /// # Errors
    /// What is wrong and what to write, without the text itself.
    fn from_str(text: &str) -> Result<Listen, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            return socket(path).map(Listen::Unix);
        }
        text.parse().map(Listen::Tcp).map_err(|_| no_listen(text).into())
    }
}

fn no_listen(text: &str) -> &'static str {
    if text.parse::<Ipv6Addr>().is_ok() {
        return "has no port: add one and put the address in brackets, as in \"[::1]:8080\"";
    }
    let port = text.trim_start_matches('*').trim_start_matches(':');
    if is_digits(port) {
        return "has no address: put one before the port, 127.0.0.1 (for this machine alone), \
                0.0.0.0 or [::] (for all), as in \"127.0.0.1:8080\"";
    }
    if text.contains("://") {
        return "is a URL: write only an address and a port, as in \"127.0.0.1:8080\"";
    }
    match authority(text) {
        Ok((host, None)) if host.parse::<IpAddr>().is_ok() => {
            "has no port: add one, as in \"127.0.0.1:8080\""
        }
        Ok((host, Some(_))) if host.parse::<IpAddr>().is_err() => {
            "has a name: write an address in its place (localhost is 127.0.0.1)"
        }
        _ => {
            "is not an address: write one with its port, as in \"127.0.0.1:8080\", or \"unix:/path\""
        }
    }
}

impl FromStr for Address {
    type Err = String;

    /// # Errors
    /// What is wrong and what to write, without the text itself.
    fn from_str(text: &str) -> Result<Address, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            return socket(path).map(Address::Unix);
        }
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err("has no scheme: put http://, https:// or unix: before it".into());
        };
        let secure = match scheme.to_ascii_lowercase().as_str() {
            "http" => false,
            "https" => true,
            "ws" => return Err("is for WebSocket, which goes over http:// here: write that".into()),
            "wss" => {
                return Err("is for WebSocket, which goes over https:// here: write that".into());
            }
            _ => return Err("has an unknown scheme: write http://, https:// or unix:/path".into()),
        };
        let (host, port) = authority(origin(rest)?)?;
        Ok(match secure {
            true => Address::Https { host, port: port.unwrap_or(443) },
            false => Address::Http { host, port: port.unwrap_or(80) },
        })
    }
}

impl Address {
    /// The Host that names it: without the scheme's own port, `localhost` for a unix socket.
    #[must_use]
    pub fn authority(&self) -> String {
        let (host, port, usual) = match self {
            Address::Http { host, port } => (host, *port, 80),
            Address::Https { host, port } => (host, *port, 443),
            Address::Unix(_) => return "localhost".to_owned(),
        };
        let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
        if port == usual { host } else { format!("{host}:{port}") }
    }
}

/// The authority of a URL that has nothing else; `rest` is what follows the scheme.
fn origin(rest: &str) -> Result<&str, String> {
    if rest.contains('@') {
        return Err("has a user name or password: remove them; credentials are not kept in URLs, \
                    the client's request brings its own"
            .into());
    }
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at(end);
    if tail.contains('#') {
        return Err("has a fragment: end the URL before the #".into());
    }
    if tail.contains('?') {
        return Err("has a query: end the URL before the ?".into());
    }
    if tail.len() > 1 {
        return Err(
            "has a path: end the URL after the host and port; requests are forwarded with \
                    the path that they come with"
                .into(),
        );
    }
    Ok(authority)
}

/// `host` or `host:port`; the host in lower case, IPv6 without its brackets.
pub(super) fn authority(text: &str) -> Result<(String, Option<u16>), String> {
    if let Some(rest) = text.strip_prefix('[') {
        let (host, port) = rest.split_once(']').ok_or("has a [ without a ]: close it")?;
        let host: Ipv6Addr = host.parse().map_err(
            |_| "has no IPv6 address in its brackets: write one as in \"[2001:db8::1]\" (without a zone)",
        )?;
        let port = match port.strip_prefix(':') {
            Some(port) => Some(self::port(port)?),
            None if port.is_empty() => None,
            None => return Err("has something behind the ]: write a colon and a port there".into()),
        };
        return Ok((host.to_string(), port));
    }
    let Some((name, number)) = text.split_once(':') else {
        return Ok((self::host(text)?, None));
    };
    if number.contains(':') {
        return Err(
            "has more than one colon: put an IPv6 address in brackets, as in \"[::1]\"".into()
        );
    }
    Ok((self::host(name)?, Some(port(number)?)))
}

fn port(text: &str) -> Result<u16, String> {
    let number = text.parse().ok().filter(|port| *port > 0 && is_digits(text));
    number.ok_or_else(|| "has no valid port: write a number from 1 to 65535 after the colon".into())
}

/// A host name or an IPv4 address, in lower case.
pub(super) fn host(text: &str) -> Result<String, String> {
    if text.is_empty() {
        return Err("has no host: write a name or an address".into());
    }
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if !text.bytes().all(allowed) {
        return Err("has a character that no host name has: write letters, digits, - and . \
                    (other alphabets in their xn-- form)"
            .into());
    }
    let fits = |label: &str| {
        (1..=63).contains(&label.len()) && !label.starts_with('-') && !label.ends_with('-')
    };
    if text.len() > 253 || !text.split('.').all(fits) {
        return Err("has a host name that cannot be: each part between the dots has 1 to 63 \
                    characters and no - at its ends, all together at most 253"
            .into());
    }
    let numeric = text.rsplit('.').next().is_some_and(is_digits);
    if numeric && text.parse::<Ipv4Addr>().is_err() {
        return Err("has no valid IPv4 address: write four numbers from 0 to 255".into());
    }
    Ok(text.to_ascii_lowercase())
}

/// The path of `unix:/path`.
pub(super) fn socket(path: &str) -> Result<PathBuf, String> {
    const LONGEST: usize = 107;
    if !path.starts_with('/') || path.starts_with("//") || path.len() == 1 {
        return Err(
            "has no absolute path: write it after the colon, as in \"unix:/run/api.sock\"".into()
        );
    }
    if path.contains('\0') || path.len() > LONGEST {
        return Err(format!(
            "has a path that no socket can have: write at most {LONGEST} bytes, none of them zero"
        ));
    }
    Ok(PathBuf::from(path))
}

/// `"preserve"`, `"upstream"`, or a name with or without a port.
pub(super) fn host_field(text: &str) -> Result<Host, String> {
    match text {
        "preserve" => Ok(Host::Preserve),
        "upstream" => Ok(Host::Upstream),
        _ if text.contains("://") => {
            Err("is a URL: write \"preserve\", \"upstream\", or a host name alone".into())
        }
        _ => authority(text).map(|_| Host::Named(text.to_owned())),
    }
}

/// One address, or a range of them.
pub(super) fn range(text: &str) -> Result<IpNet, String> {
    let range = text.parse::<IpNet>().ok();
    let range = range.or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
    range.map(|range| range.trunc()).ok_or_else(|| {
        "is not an address or a range: write one as in \"10.1.2.3\" or \"10.0.0.0/8\"".into()
    })
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Listen::Tcp(address) => address.fmt(f),
            Listen::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, host, port) = match self {
            Address::Http { host, port } => ("http", host, port),
            Address::Https { host, port } => ("https", host, port),
            Address::Unix(path) => return write!(f, "unix:{}", path.display()),
        };
        match host.parse::<Ipv6Addr>() {
            Ok(address) => write!(f, "{scheme}://[{address}]:{port}"),
            Err(_) => write!(f, "{scheme}://{host}:{port}"),
        }
    }
}

impl Address {
    /// Whether it is on this machine or in this network: a loopback or private address, a name
    /// that only resolves there, or a socket of this machine.
    #[must_use]
    pub fn is_near(&self) -> bool {
        let (Address::Http { host, .. } | Address::Https { host, .. }) = self else { return true };
        match host.parse::<IpAddr>() {
            Ok(IpAddr::V4(it)) => it.is_loopback() || it.is_private() || it.is_link_local(),
            Ok(IpAddr::V6(it)) => {
                it.is_loopback() || it.is_unique_local() || it.is_unicast_link_local()
            }
            Err(_) => !host.contains('.') || PRIVATE.iter().any(|it| host.ends_with(it)),
        }
    }
}

impl Listen {
    /// Whether two listeners would take the same address; port 0 takes another each time.
    pub(super) fn collides(&self, other: &Listen) -> bool {
        let free = matches!(self, Listen::Tcp(address) if address.port() == 0);
        self == other && !free
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown<T: fmt::Display>(read: Result<T, String>) -> String {
        read.map_or_else(|why| why, |value| value.to_string())
    }

    const NO_CHARACTER: &str = "has a character that no host name has: write letters, digits, - and . \
        (other alphabets in their xn-- form)";
    const NO_NAME: &str = "has a host name that cannot be: each part between the dots has 1 to 63 \
        characters and no - at its ends, all together at most 253";
    const NO_PATH: &str = "has a path: end the URL after the host and port; requests are forwarded with \
        the path that they come with";
    const NO_USER: &str = "has a user name or password: remove them; credentials are not kept in URLs, \
        the client's request brings its own";
    const NO_PORT: &str = "has no valid port: write a number from 1 to 65535 after the colon";
    const NO_SOCKET: &str =
        "has no absolute path: write it after the colon, as in \"unix:/run/api.sock\"";
    const NO_IPV6: &str = "has no IPv6 address in its brackets: write one as in \"[2001:db8::1]\" \
        (without a zone)";

    #[test]
    fn near_is_what_lies_in_this_network() {
        for (text, near) in [
            ("http://127.0.0.1:3000", true),
            ("http://10.1.2.3", true),
            ("https://192.168.0.9", true),
            ("http://[::1]", true),
            ("http://[fd00::1]", true),
            ("http://localhost", true),
            ("http://api:8080", true),
            ("https://users.internal", true),
            ("unix:/run/api.sock", true),
            ("http://172.15.0.1", false),
            ("https://[2001:db8::1]", false),
            ("https://api.example.org", false),
            ("https://internal.example.org", false),
        ] {
            assert_eq!(text.parse::<Address>().unwrap().is_near(), near, "{text}");
        }
    }

    #[test]
    fn an_upstream_is_a_scheme_a_host_and_a_port() {
        for (text, expected) in [
            ("http://127.0.0.1:3000", "http://127.0.0.1:3000"),
            ("http://localhost", "http://localhost:80"),
            ("HTTPS://Users.Internal/", "https://users.internal:443"),
            ("https://my_service:8443", "https://my_service:8443"),
            ("http://[::1]:3000", "http://[::1]:3000"),
            ("https://[2001:DB8:0::1]", "https://[2001:db8::1]:443"),
            ("unix:/run/api.sock", "unix:/run/api.sock"),
            ("localhost:3000", "has no scheme: put http://, https:// or unix: before it"),
            ("", "has no scheme: put http://, https:// or unix: before it"),
            ("ftp://host", "has an unknown scheme: write http://, https:// or unix:/path"),
            ("ws://host", "is for WebSocket, which goes over http:// here: write that"),
            ("wss://host", "is for WebSocket, which goes over https:// here: write that"),
            ("http://", "has no host: write a name or an address"),
            ("http://:80", "has no host: write a name or an address"),
            ("http:///x", NO_PATH),
            ("http://host/api", NO_PATH),
            ("http://host//", NO_PATH),
            ("http://host?x=1", "has a query: end the URL before the ?"),
            ("http://host/#top", "has a fragment: end the URL before the #"),
            ("http://me@host", NO_USER),
            ("http://me:pass@host", NO_USER),
        ] {
            assert_eq!(shown(text.parse::<Address>()), expected, "{text:?}");
        }
    }

    #[test]
    fn hosts_and_ports_are_such_as_can_be() {
        for (text, expected) in [
            ("http://host:", NO_PORT),
            ("http://host:0", NO_PORT),
            ("http://host:65536", NO_PORT),
            ("http://host:+80", NO_PORT),
            ("http://host:8o", NO_PORT),
            (
                "http://::1",
                "has more than one colon: put an IPv6 address in brackets, as in \"[::1]\"",
            ),
            ("http://[::1", "has a [ without a ]: close it"),
            ("http://[::1]80", "has something behind the ]: write a colon and a port there"),
            ("http://[::1]:", NO_PORT),
            ("http://[127.0.0.1]", NO_IPV6),
            ("http://[fe80::1%eth0]", NO_IPV6),
            ("http://10.0.0.256", "has no valid IPv4 address: write four numbers from 0 to 255"),
            ("http://3000", "has no valid IPv4 address: write four numbers from 0 to 255"),
            ("http://a b", NO_CHARACTER),
            ("http://a\\b", NO_CHARACTER),
            ("http://bücher.example", NO_CHARACTER),
            ("http://a%2eb", NO_CHARACTER),
            ("http://a..b", NO_NAME),
            ("http://a.", NO_NAME),
            ("http://-a", NO_NAME),
            ("unix:", NO_SOCKET),
            ("unix:run/api.sock", NO_SOCKET),
            ("unix://run/api.sock", NO_SOCKET),
            ("unix:/", NO_SOCKET),
        ] {
            assert_eq!(shown(text.parse::<Address>()), expected, "{text:?}");
        }
        let long = format!("unix:/{}", "x".repeat(107));
        assert_eq!(
            shown(long.parse::<Address>()),
            "has a path that no socket can have: write at most 107 bytes, none of them zero"
        );
        assert_eq!(shown(format!("http://{}", "x".repeat(64)).parse::<Address>()), NO_NAME);
    }

    #[test]
    fn a_listener_is_an_address_and_a_port() {
        let no_address = "has no address: put one before the port, 127.0.0.1 (for this machine \
                          alone), 0.0.0.0 or [::] (for all), as in \"127.0.0.1:8080\"";
        for (text, expected) in [
            ("127.0.0.1:8080", "127.0.0.1:8080"),
            ("[::]:0", "[::]:0"),
            ("unix:/run/larder.sock", "unix:/run/larder.sock"),
            (":8080", no_address),
            ("8080", no_address),
            ("*:8080", no_address),
            (
                "http://127.0.0.1:8080",
                "is a URL: write only an address and a port, as in \"127.0.0.1:8080\"",
            ),
            ("127.0.0.1", "has no port: add one, as in \"127.0.0.1:8080\""),
            ("[::1]", "has no port: add one, as in \"127.0.0.1:8080\""),
            ("::1", "has no port: add one and put the address in brackets, as in \"[::1]:8080\""),
            (
                "localhost:8080",
                "has a name: write an address in its place (localhost is 127.0.0.1)",
            ),
            (
                "",
                "is not an address: write one with its port, as in \"127.0.0.1:8080\", or \"unix:/path\"",
            ),
            (
                "127.0.0.1:99999",
                "is not an address: write one with its port, as in \"127.0.0.1:8080\", or \"unix:/path\"",
            ),
            (
                "unix:larder.sock",
                "has no absolute path: write it after the colon, as in \"unix:/run/api.sock\"",
            ),
        ] {
            assert_eq!(shown(text.parse::<Listen>()), expected, "{text:?}");
        }
    }

    #[test]
    fn trusted_peers_are_addresses_and_ranges() {
        let neither =
            "is not an address or a range: write one as in \"10.1.2.3\" or \"10.0.0.0/8\"";
        for (text, expected) in [
            ("10.0.0.0/8", "10.0.0.0/8"),
            ("10.1.2.3/8", "10.0.0.0/8"),
            ("10.1.2.3", "10.1.2.3/32"),
            ("fd00::/8", "fd00::/8"),
            ("::1", "::1/128"),
            ("10.0.0.0/33", neither),
            ("localhost", neither),
            ("*", neither),
            ("", neither),
        ] {
            assert_eq!(shown(range(text)), expected, "{text:?}");
        }
    }

    #[test]
    fn a_host_field_is_a_word_or_a_name() {
        assert_eq!(host_field("preserve"), Ok(Host::Preserve));
        assert_eq!(host_field("upstream"), Ok(Host::Upstream));
        for name in ["api.example.org", "api.example.org:8443", "[::1]:80"] {
            assert_eq!(host_field(name), Ok(Host::Named(name.to_owned())));
        }
        for name in ["", "a b", "a/b", "http://a", "a:b", "me@a"] {
            assert!(host_field(name).is_err(), "{name:?} is no Host");
        }
    }
}
