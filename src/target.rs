//! The target URI of a request (RFC 9110 §7.1), or why it is refused.
//!
//! Routes, key and upstream see the same bytes, so nothing is normalised here
//! that is not forwarded in that form, and what servers are known to read in
//! two ways is refused.

use std::{cell::RefCell, net::Ipv6Addr, sync::Arc};

use http::{HeaderMap, Version, header, request, uri::Authority};

/// How the client asked, as far as is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scheme {
    /// In the clear.
    #[default]
    Http,
    /// Over TLS, in front of us.
    Https,
}

tokens! {
    /// A request that is not let in: the answer, and what to do about it.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
    pub enum Refusal {
        /// HTTP/1.1 wants one Host (RFC 9112 §3.2).
        #[error("exactly one Host field is needed")]
        Host => "host",
        /// The Host, or the authority, is none.
        #[error("the Host field is malformed")]
        BadHost => "bad-host",
        /// The request target and Host name different hosts.
        #[error("the request target and the Host field contradict each other")]
        Contradiction => "contradiction",
        /// Neither origin-form nor absolute-form with a scheme of ours (RFC 9112 §3.2).
        #[error("the request target is neither a path nor an http or https URI")]
        Form => "form",
        /// `https` in the clear, or the reverse (RFC 9110 §7.4).
        #[error("the request target has another scheme than the connection")]
        Scheme => "scheme",
        /// A `.` or `..` segment, however it is spelled.
        #[error("the path has a dot segment")]
        DotSegment => "dot-segment",
        /// An encoded NUL.
        #[error("the path has an encoded NUL")]
        Nul => "nul",
        /// TRACE or CONNECT.
        #[error("this method is not served here")]
        Method => "method-not-allowed",
        /// A transfer coding besides chunked (RFC 9112 §6.1).
        #[error("chunked is the only transfer coding served here")]
        Coding => "coding",
        /// No route matches and there is no default upstream.
        #[error("nothing is served here")]
        NoRoute => "no-route",
    }
}

impl Scheme {
    /// As it stands in a URI.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Scheme::Http => "http",
            Scheme::Https => "https",
        }
    }

    /// Reads `http` or `https`, in any case.
    #[must_use]
    pub fn parse(text: &str) -> Option<Scheme> {
        [Scheme::Http, Scheme::Https].into_iter().find(|it| it.as_str().eq_ignore_ascii_case(text))
    }

    fn default_port(self) -> u16 {
        match self {
            Scheme::Http => 80,
            Scheme::Https => 443,
        }
    }
}

/// The authority that a request names: in lower case, without the scheme's default port. Empty
/// where HTTP/1.0 named none.
///
/// # Errors
/// Why the request is refused.
pub fn authority(head: &request::Parts, scheme: Scheme) -> Result<String, Refusal> {
    agreed(head, |host| normalise(host, scheme))
}

/// The same, shared by the requests of one thread that name the same: few name another than the
/// one before.
///
/// # Errors
/// Why the request is refused.
pub fn shared_authority(head: &request::Parts, scheme: Scheme) -> Result<Arc<str>, Refusal> {
    agreed(head, |host| remembered(host, scheme))
}

/// What the request target and Host name, in the form that `normal` gives it.
fn agreed<T: PartialEq + Default>(
    head: &request::Parts,
    normal: impl Fn(&[u8]) -> Result<T, Refusal>,
) -> Result<T, Refusal> {
    let mut lines = head.headers.get_all(header::HOST).iter();
    let (host, more) = (lines.next(), lines.next());
    if more.is_some() {
        return Err(Refusal::Host);
    }
    let host = host.map(|line| normal(line.as_bytes())).transpose()?;
    let named = head.uri.authority().map(|it| normal(it.as_str().as_bytes()));
    match (host, named.transpose()?) {
        (Some(host), Some(named)) if host != named => Err(Refusal::Contradiction),
        (Some(host), _) => Ok(host),
        // HTTP/1.1 needs the field in any case (RFC 9112 §3.2, §3.3).
        (None, Some(named)) if head.version != Version::HTTP_11 => Ok(named),
        (None, None) if head.version <= Version::HTTP_10 => Ok(T::default()),
        (None, _) => Err(Refusal::Host),
    }
}

/// A Host as it was written, and its normal form.
type Written = (Box<[u8]>, Scheme, Arc<str>);

thread_local! {
    static LAST: RefCell<Option<Written>> = const { RefCell::new(None) };
}

fn remembered(host: &[u8], scheme: Scheme) -> Result<Arc<str>, Refusal> {
    let known = |last: &RefCell<Option<Written>>| match &*last.borrow() {
        Some((written, of, normal)) if **written == *host && *of == scheme => Some(normal.clone()),
        Some(_) | None => None,
    };
    // A thread that ends remembers nothing any more.
    if let Ok(Some(normal)) = LAST.try_with(known) {
        return Ok(normal);
    }
    let normal: Arc<str> = normalise(host, scheme)?.into();
    let written = (host.into(), scheme, normal.clone());
    let _ = LAST.try_with(|last| last.replace(Some(written)));
    Ok(normal)
}

/// A Host in lower case, without the scheme's default port and the dot of the root.
///
/// A name has letters, digits, `-`, `_` and `.` alone: RFC 3986 would allow `,` `;` and `=`, with
/// which a Host could add a member to Forwarded or to X-Forwarded-Host. One dot of the root is
/// enough: with a second one, what is left would be another name to whoever normalises it again.
///
/// # Errors
/// [`Refusal::BadHost`] where it is none.
pub fn normalise(host: &[u8], scheme: Scheme) -> Result<String, Refusal> {
    match is_normal(host, scheme) {
        true => String::from_utf8(host.to_vec()).map_err(|_| Refusal::BadHost),
        false => normal(host, scheme),
    }
}

/// Whether a Host is in its normal form, as almost all are: that is told faster than it is made.
fn is_normal(host: &[u8], scheme: Scheme) -> bool {
    let plain = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.');
    let end = host.iter().position(|byte| !plain(*byte)).unwrap_or(host.len());
    let (name, port) = host.split_at(end);
    let other = |port: &str| port.parse().is_ok_and(|port: u16| port != scheme.default_port());
    let written = |port: &[u8]| {
        let digits = port.strip_prefix(b":").filter(|it| it.iter().all(u8::is_ascii_digit));
        let digits = digits.filter(|it| !it.starts_with(b"0")).map(str::from_utf8);
        digits.is_some_and(|it| it.is_ok_and(other))
    };
    name.last().is_some_and(|last| *last != b'.') && (port.is_empty() || written(port))
}

fn normal(host: &[u8], scheme: Scheme) -> Result<String, Refusal> {
    let authority = Authority::try_from(host).map_err(|_| Refusal::BadHost)?;
    let name = authority.host();
    // Does not begin with the name where there is userinfo.
    let port = authority.as_str().strip_prefix(name).ok_or(Refusal::BadHost)?;
    let mut normal = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    if !is_host(&normal) {
        return Err(Refusal::BadHost);
    }
    if let Some(port) = read_port(port)?.filter(|port| *port != scheme.default_port()) {
        normal.push_str(&format!(":{port}"));
    }
    Ok(normal)
}

fn is_host(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    match name.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']').is_some_and(|it| it.parse::<Ipv6Addr>().is_ok()),
        None => !name.is_empty() && !name.ends_with('.') && name.bytes().all(plain),
    }
}

/// What follows the name: nothing, a colon, or a colon and a number.
fn read_port(rest: &str) -> Result<Option<u16>, Refusal> {
    match rest.strip_prefix(':') {
        None if rest.is_empty() => Ok(None),
        Some("") => Ok(None),
        // `parse` alone would take a sign.
        Some(digits) if digits.bytes().all(|it| it.is_ascii_digit()) => {
            digits.parse().map(Some).map_err(|_| Refusal::BadHost)
        }
        None | Some(_) => Err(Refusal::BadHost),
    }
}

/// The host of an authority, without its port.
#[must_use]
pub fn host(authority: &str) -> &str {
    let digits = authority.bytes().rev().take_while(u8::is_ascii_digit).count();
    authority[..authority.len() - digits].strip_suffix(':').unwrap_or(authority)
}

/// Refuses what the head alone condemns: the method, the form of the target, the path, the
/// framing.
///
/// # Errors
/// Why the request is refused.
pub fn check(head: &request::Parts) -> Result<(), Refusal> {
    check_target(head)?;
    check_coding(&head.headers)
}

/// Refuses what the first line of the head condemns.
///
/// # Errors
/// Why the request is refused.
pub fn check_target(head: &request::Parts) -> Result<(), Refusal> {
    if matches!(head.method, http::Method::TRACE | http::Method::CONNECT) {
        return Err(Refusal::Method);
    }
    let other = |scheme: &str| Scheme::parse(scheme).is_none();
    if head.uri.scheme_str().is_some_and(other) {
        return Err(Refusal::Form);
    }
    let path = head.uri.path();
    let of_the_server = path == "*" && head.method == http::Method::OPTIONS;
    if !path.starts_with('/') && !of_the_server {
        return Err(Refusal::Form);
    }
    check_path(path)
}

/// Refuses a target whose scheme is not the one that the request came by (RFC 9110 §7.4). In HTTP/2
/// every request names one: a trusted proxy names that of its own hop, and many clients name `http`
/// whatever the connection.
///
/// # Errors
/// [`Refusal::Scheme`].
pub fn check_scheme(
    head: &request::Parts,
    scheme: Scheme,
    peer_is_trusted: bool,
) -> Result<(), Refusal> {
    let Some(named) = head.uri.scheme_str().and_then(Scheme::parse) else { return Ok(()) };
    let of_the_hop = peer_is_trusted || named == Scheme::Http;
    match named == scheme || (head.version == Version::HTTP_2 && of_the_hop) {
        true => Ok(()),
        false => Err(Refusal::Scheme),
    }
}

fn check_path(path: &str) -> Result<(), Refusal> {
    let bytes = path.as_bytes();
    // All of it is looked at, sixteen bytes at a time: most paths have neither.
    if !bytes.iter().fold(false, |found, byte| found | matches!(byte, b'.' | b'%')) {
        return Ok(());
    }
    if bytes.windows(3).any(|it| it == b"%00") {
        return Err(Refusal::Nul);
    }
    if has_dot_segment(bytes) {
        return Err(Refusal::DotSegment);
    }
    Ok(())
}

/// Whether some server would see a `.` or `..` segment: what separates nothing here (`%2f`, `\`,
/// `%5c`) does so for servers that decode first, dots may be percent-encoded, and parameters may
/// follow (`..;x`).
fn has_dot_segment(path: &[u8]) -> bool {
    let mut rest = path;
    while let Some((_, next)) = rest.split_first() {
        rest = match strip_separator(rest) {
            Some(segment) if begins_with_dot_segment(segment) => return true,
            Some(segment) => segment,
            None => next,
        };
    }
    false
}

fn begins_with_dot_segment(rest: &[u8]) -> bool {
    let ends =
        |it: &[u8]| it.first().is_none_or(|byte| *byte == b';') || strip_separator(it).is_some();
    let Some(rest) = strip_dot(rest) else { return false };
    ends(rest) || strip_dot(rest).is_some_and(ends)
}

fn strip_separator(bytes: &[u8]) -> Option<&[u8]> {
    const SEPARATORS: [&[u8]; 6] = [b"/", b"\\", b"%2f", b"%2F", b"%5c", b"%5C"];
    SEPARATORS.into_iter().find_map(|separator| bytes.strip_prefix(separator))
}

fn strip_dot(bytes: &[u8]) -> Option<&[u8]> {
    [&b"."[..], b"%2e", b"%2E"].into_iter().find_map(|dot| bytes.strip_prefix(dot))
}

/// Refuses a framing that we do not speak (RFC 9112 §6.1).
///
/// # Errors
/// Why the request is refused.
pub fn check_coding(fields: &HeaderMap) -> Result<(), Refusal> {
    let mut lines = fields.get_all(header::TRANSFER_ENCODING).iter();
    let chunked =
        |line: &http::HeaderValue| line.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked");
    match (lines.next(), lines.next()) {
        (None, _) => Ok(()),
        (Some(line), None) if chunked(line) => Ok(()),
        _ => Err(Refusal::Coding),
    }
}

#[cfg(test)]
mod tests;
