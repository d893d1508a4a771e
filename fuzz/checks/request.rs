//! A request from its head as it came to the head that goes on, and its key.

use std::sync::LazyLock;

use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, Version, header, request};
use larder::{
    policy::Now,
    server::{PeerAddr, Way},
    snapshot::Snapshot,
    target::Scheme,
    visit::{Arrived, Visit},
};

use super::snapshot;

const TRUSTED: PeerAddr = PeerAddr::Ip(std::net::IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1)));
const STRANGER: PeerAddr =
    PeerAddr::Ip(std::net::IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1)));

static SNAPSHOT: LazyLock<Snapshot> =
    LazyLock::new(|| snapshot("trusted_proxies = [\"10.0.0.0/8\"]\n"));

/// What no forwarded request carries (RFC 9110 §7.6.1), Connection and what it may name apart.
const ONE_HOP: [&str; 8] = [
    "keep-alive",
    "proxy-connection",
    "proxy-authenticate",
    "proxy-authorization",
    "transfer-encoding",
    "http2-settings",
    "expect",
    // Ours alone.
    "larder-key-cookies",
];

/// `t` (from a trusted peer) or anything else, and the version's digit; method and target between
/// spaces; then fields, a line each.
pub(crate) fn request(data: &[u8]) {
    let Some((trusted, head)) = head(data) else { return };
    let peer = if trusted { TRUSTED } else { STRANGER };
    let let_in = |head: &request::Parts, peer| {
        let (head, way) = (head.clone(), Way::Plain);
        let arrived = Arrived { head, content: false, peer, way, at: Now::default(), ids: None };
        Visit::new(&SNAPSHOT, arrived)
    };
    let Ok(visit) = let_in(&head, peer) else { return };
    let sent = visit.forwarded();
    the_target_is_plain(&sent);
    one_hop_is_over(&head, &sent);
    told_where_from(&head, &visit, &sent, trusted);
    // Somebody behind us finds the same request, if he believes nobody.
    let mut again = sent.clone();
    again.version = Version::HTTP_11;
    if visit.authority.is_empty() || visit.believed.scheme != Scheme::Http {
        return;
    }
    let again = let_in(&again, STRANGER).expect("what is forwarded is well-formed");
    assert_eq!(again.authority, visit.authority, "the host stays the same");
    assert_eq!(again.target, visit.target, "the target stays the same");
    keys(&visit, &head, &let_in);
}

fn keys(
    visit: &Visit,
    head: &request::Parts,
    let_in: &impl Fn(&request::Parts, PeerAddr) -> Result<Visit, larder::visit::Rejected>,
) {
    let get = visit.as_get(&SNAPSHOT).expect("every target can be asked for");
    assert_eq!(get.primary, get.as_get(&SNAPSHOT).expect("again").primary, "idempotent");
    // A stranger's fields do not choose the response, but for the one that names the host.
    let mut bare = head.clone();
    bare.headers.retain_host();
    let stranger = let_in(head, STRANGER);
    if let (Ok(one), Ok(other)) = (&stranger, let_in(&bare, STRANGER)) {
        assert_eq!(one.primary, other.primary, "RFC 9111 §2: the target URI is the key");
    }
    let mut longer = head.clone();
    let uri = format!("{}x", visit.target);
    let Ok(uri) = uri.parse::<Uri>() else { return };
    longer.uri = uri;
    longer.headers.retain_host();
    let peer = visit.peer;
    if let (Ok(one), Ok(other)) = (let_in(&bare, peer), let_in(&longer, peer)) {
        assert_ne!(one.primary, other.primary, "another target has another key");
    }
}

trait RetainHost {
    fn retain_host(&mut self);
}

impl RetainHost for HeaderMap {
    fn retain_host(&mut self) {
        let host = self.get(header::HOST).cloned();
        self.clear();
        host.map(|host| self.insert(header::HOST, host));
    }
}

fn head(data: &[u8]) -> Option<(bool, request::Parts)> {
    let mut lines = data.split(|byte| *byte == b'\n');
    let first = lines.next()?;
    let (kind, first) = first.split_at_checked(2)?;
    let version = match kind[1] {
        b'0' => Version::HTTP_10,
        b'2' => Version::HTTP_2,
        _ => Version::HTTP_11,
    };
    let mut words = first.split(|byte| *byte == b' ');
    let method = Method::from_bytes(words.next()?).ok()?;
    let uri = Uri::try_from(words.next()?).ok()?;
    let request = Request::builder().method(method).uri(uri).version(version);
    let mut head = request.body(()).ok()?.into_parts().0;
    for line in lines.take(64) {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let name = HeaderName::from_bytes(&line[..colon]).ok()?;
        head.headers.append(name, HeaderValue::from_bytes(line[colon + 1..].trim_ascii()).ok()?);
    }
    Some((kind[0] == b't', head))
}

/// No server reads the path in two ways: decoded once, and by either slash.
fn the_target_is_plain(sent: &request::Parts) {
    let path = sent.uri.path();
    assert!(sent.uri.scheme().is_none() && sent.uri.authority().is_none(), "in origin form");
    assert!(path.starts_with('/') || path == "*", "{path}");
    let mut plain = path.to_ascii_lowercase();
    for (coded, decoded) in [("%2e", "."), ("%2f", "/"), ("%5c", "/"), ("\\", "/")] {
        plain = plain.replace(coded, decoded);
    }
    for segment in plain.split('/').map(|it| it.split(';').next().unwrap_or_default()) {
        assert!(segment != "." && segment != "..", "{path}: a dot segment");
    }
    assert!(!plain.contains("%00"), "{path}: NUL");
}

/// RFC 9110 §7.6.1
fn one_hop_is_over(head: &request::Parts, sent: &request::Parts) {
    for name in ONE_HOP {
        assert!(!sent.headers.contains_key(name), "{name} is for one hop");
    }
    let members = |fields: &HeaderMap, name: &HeaderName| -> Vec<String> {
        let lines = fields.get_all(name).iter();
        let text = lines.map(|line| String::from_utf8_lossy(line.as_bytes()).to_lowercase());
        text.flat_map(|it| it.split(',').map(|it| it.trim().to_owned()).collect::<Vec<_>>())
            .collect()
    };
    for option in members(&sent.headers, &header::CONNECTION) {
        assert!(option == "te" || option == "upgrade", "{option}: only what we say ourselves");
    }
    let ours = ["host", "content-length", "te", "upgrade", "connection", "via", "forwarded"];
    for named in members(&head.headers, &header::CONNECTION) {
        let replaced = ours.contains(&named.as_str()) || named.starts_with("x-forwarded-");
        if !named.is_empty() && !replaced {
            assert!(!sent.headers.contains_key(&named), "{named} is named by Connection");
        }
    }
    let trailers = members(&sent.headers, &header::TE);
    assert!(trailers.is_empty() || trailers == ["trailers"], "{trailers:?}");
    if sent.headers.contains_key(header::UPGRADE) {
        let websocket = members(&sent.headers, &header::UPGRADE) == ["websocket"];
        assert!(websocket && head.version == Version::HTTP_11 && head.method == Method::GET);
    }
}

fn told_where_from(head: &request::Parts, visit: &Visit, sent: &request::Parts, trusted: bool) {
    let all = |name: &str| -> Vec<&[u8]> {
        sent.headers.get_all(name).iter().map(HeaderValue::as_bytes).collect()
    };
    if visit.authority.is_empty() {
        assert!(head.version <= Version::HTTP_10, "only HTTP/1.0 names no host");
    } else {
        assert_eq!(all("host"), [visit.authority.as_bytes()], "RFC 9112 §3.2: one Host");
    }
    let via = all("via");
    assert!(via.last().is_some_and(|it| it.ends_with(b"larder")), "§7.6.3: {via:?}");
    let address = if trusted { "10.0.0.1" } else { "192.0.2.1" };
    for (name, ends, begins) in [
        ("forwarded", None, format!("for={address};")),
        ("x-forwarded-for", Some(address), address.to_owned()),
    ] {
        let lines = all(name);
        assert_eq!(lines.len(), 1, "{name}: {lines:?}");
        let line = String::from_utf8_lossy(lines[0]).into_owned();
        let last = line.rsplit(',').next().unwrap_or_default().trim().to_owned();
        assert!(last.starts_with(&begins), "{name}: {line}: the last member is ours");
        assert!(ends.is_none_or(|end| last == end), "{name}: {line}");
        assert!(
            trusted || !line.contains(','),
            "{name}: {line}: a stranger's word is not passed on"
        );
    }
    assert_eq!(all("x-forwarded-proto").len(), 1);
    nobody_lies(sent, trusted);
}

fn nobody_lies(sent: &request::Parts, trusted: bool) {
    for name in sent.headers.keys().map(HeaderName::as_str) {
        let plain = name.replace('_', "-");
        let lie = plain.starts_with("x-forwarded-") || plain == "x-real-ip" || plain == "forwarded";
        assert!(!(lie && name.contains('_')), "{name} is X-Forwarded-* to CGI");
        assert!(!["x-original-url", "x-rewrite-url", "x-http-method-override"].contains(&name));
        let said = ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "forwarded"];
        assert!(trusted || !lie || said.contains(&name), "{name}: a stranger's word");
    }
}
