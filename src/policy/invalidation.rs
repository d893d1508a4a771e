//! What an unsafe request makes invalid (RFC 9111 §4.4).

use http::{HeaderMap, StatusCode, header};

use super::{Asked, asked::Method, field};

/// Whether the response to an unsafe request invalidates what is stored for its target URI:
/// a non-error status, 2xx or 3xx (§4.4).
#[must_use]
pub fn invalidates(asked: &Asked, status: StatusCode) -> bool {
    asked.method == Method::Unsafe && (status.is_success() || status.is_redirection())
}

/// The further URIs that Location and Content-Location name, as path and query, where they have
/// the same origin as the target (§4.4). Relative references are resolved against `path`, the
/// target's path and query.
#[must_use]
pub fn also_invalidated(
    scheme: &str,
    authority: &str,
    path: &str,
    headers: &HeaderMap,
) -> Vec<String> {
    let target = Target { scheme, authority, path };
    let mut found: Vec<String> = Vec::new();
    for line in [header::LOCATION, header::CONTENT_LOCATION]
        .into_iter()
        .flat_map(|name| field::lines(headers, name))
    {
        let uri = str::from_utf8(line).ok().and_then(|reference| target.resolve(reference));
        if let Some(uri) = uri.filter(|uri| uri != path && !found.contains(uri)) {
            found.push(uri);
        }
    }
    found
}

/// Whether Content-Location names the target URI itself (RFC 9110 §8.7).
#[must_use]
pub fn is_located_at(scheme: &str, authority: &str, path: &str, headers: &HeaderMap) -> bool {
    let target = Target { scheme, authority, path };
    let location = field::single(headers, header::CONTENT_LOCATION);
    let location = location.and_then(|line| str::from_utf8(line).ok());
    location.and_then(|reference| target.resolve(reference)).as_deref() == Some(path)
}

/// The base that references are resolved against (RFC 3986 §5.1.3).
struct Target<'a> {
    scheme: &'a str,
    authority: &'a str,
    path: &'a str,
}

impl Target<'_> {
    /// RFC 3986 §5.2.2, as path and query; `None` where it leads to another origin.
    fn resolve(&self, reference: &str) -> Option<String> {
        let (reference, _fragment) = split_before(reference.trim_ascii(), '#');
        let reference = match scheme(reference) {
            // A scheme without an authority names nothing of ours.
            Some((scheme, rest)) if !rest.starts_with("//") || !self.has_scheme(scheme) => {
                return None;
            }
            Some((_, rest)) => rest,
            None => reference,
        };
        let Some(rest) = reference.strip_prefix("//") else {
            return Some(self.resolve_path(reference));
        };
        let (authority, rest) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        self.has_authority(authority).then(|| {
            let (path, query) = split_before(rest, '?');
            without_dot_segments(path) + query
        })
    }

    fn resolve_path(&self, reference: &str) -> String {
        let (base, base_query) = split_before(self.path, '?');
        let (path, query) = split_before(reference, '?');
        match (path, query) {
            ("", "") => base.to_owned() + base_query,
            ("", query) => base.to_owned() + query,
            (path, query) if path.starts_with('/') => without_dot_segments(path) + query,
            (path, query) => {
                let directory = base.rfind('/').map_or("/", |slash| &base[..=slash]);
                without_dot_segments(&(directory.to_owned() + path)) + query
            }
        }
    }

    fn has_scheme(&self, scheme: &str) -> bool {
        self.scheme.eq_ignore_ascii_case(scheme)
    }

    /// Whether it is the same host and port, the scheme's own port said or not (RFC 9110 §4.3.1).
    fn has_authority(&self, authority: &str) -> bool {
        let default = if self.has_scheme("https") { "443" } else { "80" };
        let (host, port) = host_and_port(authority);
        let (own_host, own_port) = host_and_port(self.authority);
        host.eq_ignore_ascii_case(own_host)
            && port.unwrap_or(default) == own_port.unwrap_or(default)
    }
}

/// Splits before the first `mark`, which stays with the second part.
fn split_before(text: &str, mark: char) -> (&str, &str) {
    text.split_at(text.find(mark).unwrap_or(text.len()))
}

fn scheme(reference: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = reference.split_once(':')?;
    let named = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    named.then_some((scheme, rest))
}

/// An empty port is none (RFC 3986 §3.2.3); colons within brackets are the host's.
fn host_and_port(authority: &str) -> (&str, Option<&str>) {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port).filter(|p| !p.is_empty())),
        _ => (authority, None),
    }
}

/// RFC 3986 §5.2.4, for a path that is absolute, or empty and so the root (RFC 9110 §4.2.3).
fn without_dot_segments(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.strip_prefix('/').unwrap_or(path).split('/').peekable();
    while let Some(segment) = segments.next() {
        match segment {
            "." => {}
            ".." => drop(kept.pop()),
            segment => {
                kept.push(segment);
                continue;
            }
        }
        if segments.peek().is_none() {
            kept.push("");
        }
    }
    format!("/{}", kept.join("/"))
}

#[cfg(test)]
mod tests;
