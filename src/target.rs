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
        /// Neither origin-form nor absolute-form (RFC 9112 §3.2).
        #[error("the request target is neither a path nor a URI")]
        Form => "form",
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
    pub fn as_str(self) -> &'static str {
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
        (None, Some(named)) if head.version == Version::HTTP_2 => Ok(named),
        (None, _) if head.version <= Version::HTTP_10 => Ok(T::default()),
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
    let path = head.uri.path();
    let of_the_server = path == "*" && head.method == http::Method::OPTIONS;
    if !path.starts_with('/') && !of_the_server {
        return Err(Refusal::Form);
    }
    check_path(path)
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
mod tests {
    use http::Request;

    use super::*;

    fn head(uri: &str, fields: &[(&str, &str)]) -> request::Parts {
        let request =
            fields.iter().fold(Request::get(uri), |request, (n, v)| request.header(*n, *v));
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn what_is_taken_for_normal_is() {
        let names =
            ["a", "a.b", "a_b-c.9", "127.0.0.1", "a.", "A", "a..b", "", "-", "[::1]", "a@b"];
        let ports =
            ["", ":", ":1", ":80", ":443", ":080", ":8080", ":65535", ":65536", ":+1", ":1:2"];
        for (name, port) in names.iter().flat_map(|it| ports.map(|port| (it, port))) {
            let host = format!("{name}{port}");
            for scheme in [Scheme::Http, Scheme::Https] {
                if is_normal(host.as_bytes(), scheme) {
                    assert_eq!(normal(host.as_bytes(), scheme).as_ref(), Ok(&host));
                }
            }
        }
        assert!(is_normal(b"api.example.org:8080", Scheme::Http), "the test tests something");
    }

    #[test]
    fn the_authority_is_one_and_normal() {
        type Fields = &'static [(&'static str, &'static str)];
        let cases: [(&str, Fields, Result<&str, Refusal>); 24] = [
            ("/", &[("host", "API.example.org:80")], Ok("api.example.org")),
            ("/", &[("host", "api.example.org:8080")], Ok("api.example.org:8080")),
            ("/", &[("host", "api.example.org:443")], Ok("api.example.org:443")),
            ("/", &[("host", "[2001:DB8::1]:80")], Ok("[2001:db8::1]")),
            ("/", &[("host", "api.example.org:")], Ok("api.example.org")),
            ("/", &[], Err(Refusal::Host)),
            ("/", &[("host", "a"), ("host", "a")], Err(Refusal::Host)),
            ("/", &[("host", "")], Err(Refusal::BadHost)),
            ("/", &[("host", "a b")], Err(Refusal::BadHost)),
            ("/", &[("host", "user@a")], Err(Refusal::BadHost)),
            ("/", &[("host", "a:99999")], Err(Refusal::BadHost)),
            ("/", &[("host", "a/b")], Err(Refusal::BadHost)),
            ("/", &[("host", "API.example.org.:80")], Ok("api.example.org")),
            ("/", &[("host", ".")], Err(Refusal::BadHost)),
            ("/", &[("host", "..")], Err(Refusal::BadHost)),
            ("/", &[("host", "api.example.org..")], Err(Refusal::BadHost)),
            ("/", &[("host", "a;proto=https")], Err(Refusal::BadHost)),
            ("/", &[("host", "a,for=192.0.2.1")], Err(Refusal::BadHost)),
            ("/", &[("host", "[a;b]")], Err(Refusal::BadHost)),
            ("/", &[("host", "[::1]a")], Err(Refusal::BadHost)),
            ("/", &[("host", "a@a")], Err(Refusal::BadHost)),
            ("/", &[("host", "a:+80")], Err(Refusal::BadHost)),
            ("http://a/x", &[("host", "A:80")], Ok("a")),
            ("http://b/x", &[("host", "a")], Err(Refusal::Contradiction)),
        ];
        for (uri, fields, expected) in cases {
            let found = authority(&head(uri, fields), Scheme::Http);
            assert_eq!(found.as_deref(), expected.as_ref().copied(), "{uri} {fields:?}");
        }
    }

    #[test]
    fn what_is_remembered_of_a_host_is_what_it_is() {
        for host in ["A.example", "A.example", "a.example", "a.example:443", "a@b", "A.example"] {
            for scheme in [Scheme::Http, Scheme::Https, Scheme::Http] {
                let head = head("/", &[("host", host)]);
                let shared = shared_authority(&head, scheme);
                assert_eq!(shared.as_deref(), authority(&head, scheme).as_deref(), "{host}");
            }
        }
    }

    #[test]
    fn http_1_0_needs_no_host_and_http_2_names_it_in_the_target() {
        let mut old = head("/", &[]);
        old.version = Version::HTTP_10;
        assert_eq!(authority(&old, Scheme::Http).as_deref(), Ok(""));
        let mut new = head("http://a.example/", &[]);
        new.version = Version::HTTP_2;
        assert_eq!(authority(&new, Scheme::Http).as_deref(), Ok("a.example"));
    }

    #[test]
    fn paths_that_servers_read_in_two_ways_are_refused() {
        let refused = [
            "/.",
            "/..",
            "/a/../b",
            "/a/./b",
            "/%2e",
            "/%2E%2e/x",
            "/.%2e",
            "/..;/x",
            "/a/%2e;v=1/b",
            "/..%2fa",
            "/a%2F.%2Fb",
            "/a%2f%2e%2e",
            "/a/..%5cb",
            "/a%5C..",
            "/a\\..\\b",
        ];
        for path in refused {
            assert_eq!(check(&head(path, &[])), Err(Refusal::DotSegment), "{path}");
        }
        let let_in = [
            "/",
            "//x",
            "/...",
            "/.well-known/x",
            "/a..b",
            "/a%2fb",
            "/a%5cb",
            "/%zz",
            "/a.json",
            "/a..%2fb",
            "/a%2f..b",
            "/a\\.b",
            "/a;..",
        ];
        for path in let_in {
            assert_eq!(check(&head(path, &[])), Ok(()), "{path}");
        }
        assert_eq!(check(&head("/a%00b", &[])), Err(Refusal::Nul));
    }

    #[test]
    fn the_method_the_form_and_the_framing_may_condemn_a_request() {
        let mut trace = head("/", &[]);
        trace.method = http::Method::TRACE;
        assert_eq!(check(&trace), Err(Refusal::Method));
        assert_eq!(check(&head("*", &[])), Err(Refusal::Form));
        let mut options = head("*", &[]);
        options.method = http::Method::OPTIONS;
        assert_eq!(check(&options), Ok(()));
        for (coding, expected) in
            [("chunked", Ok(())), ("Chunked ", Ok(())), ("gzip, chunked", Err(Refusal::Coding))]
        {
            let head = head("/", &[("transfer-encoding", coding)]);
            assert_eq!(check(&head), expected, "{coding}");
        }
    }

    #[test]
    fn the_host_is_the_authority_without_its_port() {
        let cases =
            [("a", "a"), ("a:8080", "a"), ("[::1]", "[::1]"), ("[::1]:8080", "[::1]"), ("", "")];
        for (authority, expected) in cases {
            assert_eq!(host(authority), expected);
        }
    }
}
