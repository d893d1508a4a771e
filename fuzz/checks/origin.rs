//! Whose request it is and what it is for: Forwarded, Host, Location.

use std::net::IpAddr;

use http::{HeaderMap, HeaderName, HeaderValue, Request, header};
use larder::{
    fields,
    policy::invalidation,
    server::PeerAddr,
    target::{self, Scheme},
};

use super::{contains, field, lines};

/// Forwarded and X-Forwarded-* (RFC 7239): a line of input a field, `f`, `x`, `p` or `h` first.
pub(crate) fn forwarded(data: &[u8]) {
    let mut sent = HeaderMap::new();
    for line in lines(data) {
        let Some((which, value)) = line.split_first() else { continue };
        let name = match which {
            b'f' => header::FORWARDED,
            b'x' => HeaderName::from_static("x-forwarded-for"),
            b'p' => HeaderName::from_static("x-forwarded-proto"),
            b'h' => HeaderName::from_static("x-forwarded-host"),
            _ => HeaderName::from_static("x-real-ip"),
        };
        if let Ok(value) = HeaderValue::from_bytes(value) {
            sent.append(name, value);
        }
    }
    let peer: IpAddr = [10, 0, 0, 1].into();
    let trusted = ["10.0.0.0/8".parse().expect("a network")];
    let mut stripped = sent.clone();
    let stranger =
        fields::believe(&mut stripped, PeerAddr::Ip([192, 0, 2, 1].into()), &trusted, Scheme::Http);
    assert!(stripped.is_empty(), "a stranger's word is taken out: {stripped:?}");
    assert_eq!(stranger.client, Some([192, 0, 2, 1].into()), "and not believed");
    assert_eq!((stranger.scheme, stranger.host, stranger.trusted), (Scheme::Http, None, false));
    let mut kept = sent.clone();
    let believed = fields::believe(&mut kept, PeerAddr::Ip(peer), &trusted, Scheme::Http);
    assert!(believed.trusted && believed.client.is_some(), "a trusted peer is at least itself");
    if let Some(host) = &believed.host {
        let again = target::normalise(host.as_bytes(), believed.scheme);
        assert_eq!(again.as_ref(), Ok(host), "the believed host is normal");
    }
    if let (Some(client), true) = (believed.client, sent.contains_key(header::FORWARDED)) {
        let mut only = sent.clone();
        only.retain_forwarded();
        let alone = fields::believe(&mut only, PeerAddr::Ip(peer), &trusted, Scheme::Http);
        assert_eq!(alone.client, Some(client), "Forwarded wins over X-Forwarded-*");
    }
}

trait RetainForwarded {
    fn retain_forwarded(&mut self);
}

impl RetainForwarded for HeaderMap {
    fn retain_forwarded(&mut self) {
        let values: Vec<HeaderValue> = self.get_all(header::FORWARDED).iter().cloned().collect();
        self.clear();
        for value in values {
            self.append(header::FORWARDED, value);
        }
    }
}

/// Host and the request target (RFC 9110 §4.2, §7.1): the target, then Host, a line each.
pub(crate) fn host(data: &[u8]) {
    let mut parts = data.splitn(2, |byte| *byte == b'\n');
    let (uri, host) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    for scheme in [Scheme::Http, Scheme::Https] {
        let Ok(normal) = target::normalise(host, scheme) else { continue };
        assert_eq!(
            target::normalise(normal.as_bytes(), scheme).as_ref(),
            Ok(&normal),
            "idempotent"
        );
        let shouted = target::normalise(&host.to_ascii_uppercase(), scheme);
        assert_eq!(shouted.as_ref(), Ok(&normal), "hosts in any case");
        assert!(!target::host(&normal).is_empty(), "{normal}: a host there is");
        assert!(!normal.bytes().any(|it| b"/?#@ ".contains(&it) || it.is_ascii_control()));
        let default = if scheme == Scheme::Http { ":80" } else { ":443" };
        let bare = target::host(&normal);
        assert!(!normal[bare.len()..].eq(default), "the scheme's own port is not said");
    }
    let Ok(uri) = http::Uri::try_from(uri) else { return };
    let Ok(mut request) = Request::get(uri).body(()) else { return };
    if let Ok(value) = HeaderValue::from_bytes(host) {
        request.headers_mut().insert(header::HOST, value);
    }
    let head = request.into_parts().0;
    if target::check(&head).is_ok() {
        let path = head.uri.path();
        assert!(path.starts_with('/'), "{path}: in origin form");
        assert!(!path.split('/').any(|it| it == "." || it == ".."), "{path}: no dot segment");
        assert!(!path.contains("%00"), "{path}: no NUL");
    }
    if let Ok(authority) = target::authority(&head, Scheme::Http) {
        assert_eq!(target::normalise(authority.as_bytes(), Scheme::Http), Ok(authority));
    }
}

/// Location and Content-Location of an answer to an unsafe request (RFC 9111 §4.4): the target's
/// path, then references, a line each.
pub(crate) fn location(data: &[u8]) {
    let mut parts = data.splitn(2, |byte| *byte == b'\n');
    let path = String::from_utf8_lossy(parts.next().unwrap_or_default()).into_owned();
    let path = format!("/{}", path.replace(['#', ' '], ""));
    let headers = field(header::LOCATION, parts.next().unwrap_or_default());
    let found = invalidation::also_invalidated("http", "api.test:8080", &path, &headers);
    for uri in &found {
        assert!(uri.starts_with('/'), "{uri}: a path of ours");
        assert!(!uri.contains('#'), "{uri}: a fragment is not sent");
        assert_ne!(*uri, path, "the target itself needs no second word");
    }
    let other = invalidation::also_invalidated("http", "other.test", &path, &headers);
    for line in headers.get_all(header::LOCATION) {
        let line = line.as_bytes().trim_ascii();
        if contains(line, b"//api.test:8080/") && line.starts_with(b"http://api.test:8080/") {
            assert!(other.len() < headers.len().max(1), "of the same origin only");
        }
    }
}
