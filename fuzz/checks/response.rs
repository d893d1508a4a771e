//! Whether a response may be stored, and for how long (RFC 9111 §3, §4.2), told by plain rules.

use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode, header};
use larder::policy::{
    Asked, Exchange, Meta, Mono, Now, Received, Rules, Wall,
    cache_control::LARDER_CACHE_CONTROL,
    freshness, storing,
    validation::{self, Validators},
};

use super::{MAX_SECONDS, contains, lines, number};

/// Sun, 06 Nov 1994 08:49:37 GMT, when every response came.
const NOW: i64 = 784_111_777;

/// A status, then fields, a line each.
pub(crate) fn response(data: &[u8]) {
    let mut rest = lines(data);
    let status = number(rest.next().unwrap_or_default());
    let Some(status) = u16::try_from(status).ok().and_then(|it| StatusCode::from_u16(it).ok())
    else {
        return;
    };
    let mut headers = HeaderMap::new();
    for line in rest.take(32) {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let name = HeaderName::from_bytes(&line[..colon]);
        let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii());
        if let (Ok(name), Ok(value)) = (name, value) {
            headers.append(name, value);
        }
    }
    let plain = judge(&[], status, &headers);
    if let Some(meta) = plain {
        bounded(&meta);
        assert!((200..600).contains(&status.as_u16()) && ![206, 304].contains(&status.as_u16()));
        never_shared(&headers);
        dated(&headers, &meta);
    }
    let credentials = [(header::AUTHORIZATION, "Basic YTpi"), (header::COOKIE, "sid=1")];
    for (index, credential) in credentials.into_iter().enumerate() {
        let shared = judge(&[credential], status, &headers);
        assert!(shared.is_none() || plain.is_some(), "a credential permits nothing");
        assert!(index > 0 || shared.is_none_or(|meta| meta.shared), "§3.5: the origin says so");
    }
    for lines in [("age", "100"), ("set-cookie", "a=b"), ("vary", "x-a, x-b")] {
        more(&headers, lines, status, plain);
    }
    forbidden(&headers, status);
    freshened(&headers);
}

fn judge(
    fields: &[(HeaderName, &'static str)],
    status: StatusCode,
    headers: &HeaderMap,
) -> Option<Meta> {
    let mut request = Request::get("/").body(()).expect("a request").into_parts().0;
    for (name, value) in fields {
        request.headers.insert(name.clone(), HeaderValue::from_static(value));
    }
    let rules = Rules::default();
    let asked = Asked::new(&request, false, &rules);
    let exchange = Exchange { request: at(0), response: at(0) };
    let context = storing::Context { asked: &asked, rules: &rules, validating: None, exchange };
    match storing::receive(context, status, headers) {
        Received::Storable(meta) => Some(meta),
        Received::Unstorable(_) => None,
        other => panic!("{other:?}, and nothing was validated"),
    }
}

fn at(seconds: i64) -> Now {
    Now { wall: Wall((NOW + seconds) * 1000), mono: Mono(seconds * 1000) }
}

fn near(value: &[u8]) -> Option<i64> {
    freshness::date_near(value, at(0).wall)
}

fn bounded(meta: &Meta) {
    let windows = [meta.lifetime, meta.stale_while_revalidate, meta.stale_if_error];
    assert!(windows.iter().all(|it| *it <= MAX_SECONDS), "§1.2.2: {meta:?}");
    assert!((0..=i64::from(MAX_SECONDS) * 1000).contains(&meta.initial_age), "{meta:?}");
    assert!(meta.fresh_for(at(1)) <= meta.fresh_for(at(0)), "{meta:?}: it grows old");
}

/// Said in so many words, alone in its field: then nothing outweighs it.
fn never_shared(headers: &HeaderMap) {
    let targeted =
        headers.contains_key(LARDER_CACHE_CONTROL) || headers.contains_key("cdn-cache-control");
    for line in headers.get_all(header::CACHE_CONTROL).iter().filter(|_| !targeted) {
        let line = line.as_bytes();
        assert!(!line.eq_ignore_ascii_case(b"private"), "§5.2.2.7");
        let understood = headers.get_all(header::CACHE_CONTROL).iter();
        let mut understood = understood.map(|it| contains(it.as_bytes(), b"must-understand"));
        assert!(!line.eq_ignore_ascii_case(b"no-store") || understood.any(|it| it), "§5.2.2.5");
    }
    let star = |line: &HeaderValue| {
        line.as_bytes().split(|it| *it == b',').any(|it| it.trim_ascii() == b"*")
    };
    assert!(!headers.get_all(header::VARY).iter().any(star), "§4.1: a star matches nothing");
}

/// §4.2.1: Expires less Date, where nothing else is said; §4.2.3: Age and Date.
fn dated(headers: &HeaderMap, meta: &Meta) {
    let one = |name: HeaderName| {
        let mut lines = headers.get_all(name).iter();
        lines.next().filter(|_| lines.next().is_none()).map(HeaderValue::as_bytes)
    };
    let date = match headers.contains_key(header::DATE) {
        true => one(header::DATE).and_then(near),
        false => Some(NOW),
    };
    if let Some(date) = date {
        assert!(meta.initial_age >= (NOW - date).max(0) * 1000, "§4.2.3: apparent_age");
    }
    let age = one(header::AGE).filter(|it| it.iter().all(u8::is_ascii_digit));
    if let Some(age) = age.and_then(|it| std::str::from_utf8(it).ok()?.parse::<i64>().ok()) {
        assert!(meta.initial_age >= age.min(i64::from(MAX_SECONDS)) * 1000, "§4.2.3: age_value");
    }
    let said =
        [header::CACHE_CONTROL, LARDER_CACHE_CONTROL].iter().any(|name| headers.contains_key(name))
            || headers.contains_key("cdn-cache-control");
    let expires = one(header::EXPIRES).and_then(near);
    if let (false, Some(expires), Some(date)) = (said, expires, date) {
        let lifetime = (expires - date).clamp(0, i64::from(MAX_SECONDS));
        assert_eq!(i64::from(meta.lifetime), lifetime, "§4.2.1");
    }
}

/// One field more makes nothing fresher, nor storable.
fn more(
    headers: &HeaderMap,
    line: (&'static str, &'static str),
    status: StatusCode,
    plain: Option<Meta>,
) {
    let mut headers = headers.clone();
    headers.append(line.0, HeaderValue::from_static(line.1));
    let Some(meta) = judge(&[], status, &headers) else { return };
    let plain = plain.expect("it permits nothing");
    // The first Age counts, and a malformed one may have hidden it.
    assert!(meta.fresh_for(at(0)) <= plain.fresh_for(at(0)), "{line:?} makes nothing fresher");
}

fn forbidden(headers: &HeaderMap, status: StatusCode) {
    let mut headers = headers.clone();
    for name in [LARDER_CACHE_CONTROL, HeaderName::from_static("cdn-cache-control")] {
        headers.remove(name);
    }
    headers.append(header::CACHE_CONTROL, HeaderValue::from_static("private"));
    assert_eq!(judge(&[], status, &headers), None, "§5.2.2.7: beside whatever else");
    assert_eq!(judge(&[(header::CACHE_CONTROL, "no-store")], status, &headers), None, "§5.2.1.5");
}

/// §4.3.4: a head that is freshened by itself says the same.
fn freshened(headers: &HeaderMap) {
    let once = validation::freshen(headers, headers);
    assert_eq!(validation::freshen(&once, headers), once, "idempotent");
    let mut expected = headers.clone();
    for name in once.keys() {
        let (one, other) = (once.get_all(name), headers.get_all(name));
        assert!(one.iter().eq(other.iter()), "{name} stays");
    }
    for name in [header::AGE, header::DATE] {
        expected.remove(name);
    }
    assert!(expected.keys().all(|name| once.contains_key(name)), "nothing is lost");
    assert_eq!(Validators::of(&once).etag, Validators::of(headers).etag, "of the same bytes");
}
