//! What holds for any bytes from outside, a function a parser.
//!
//! Plain functions over `larder`'s public API: the fuzz targets call them with what libFuzzer
//! makes up, `tests/it/corpora.rs` with what lies in `corpus/`. Each says what a reader of the
//! RFC would hold of the parser, not only that it returns.

use std::{net::IpAddr, time::UNIX_EPOCH};

use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, header};
use larder::{
    config::{self, Query},
    fields,
    key::{self, Key, Parts},
    policy::{
        cache_control::{RequestDirectives, ResponseDirectives},
        coded_tag,
        encoding::{Form, Given},
        freshness, invalidation,
        ranges::{self, Selected},
        storing,
        validation::{self, Condition, OWN_TAG, Precondition, Validators},
    },
    server::PeerAddr,
    target::{self, Scheme},
};

/// A target: what checks one input.
pub(crate) type Check = fn(&[u8]);

/// All targets by name; a name is also a directory in `corpus/` and a file in `fuzz_targets/`.
pub(crate) const ALL: [(&str, Check); 11] = [
    ("request_cache_control", request_cache_control),
    ("response_cache_control", response_cache_control),
    ("date", date),
    ("vary", vary),
    ("range", range),
    ("conditions", conditions),
    ("forwarded", forwarded),
    ("host", host),
    ("key", key),
    ("location", location),
    ("config", config),
];

/// The greatest delta-seconds (RFC 9111 §1.2.2).
const MAX_SECONDS: u32 = 1 << 31;

/// Request Cache-Control (RFC 9111 §5.2.1), a line of input a line of the field.
pub(crate) fn request_cache_control(data: &[u8]) {
    let read = |data: &[u8]| RequestDirectives::parse(lines(data));
    let once = read(data);
    assert_eq!(once, read(&data.to_ascii_uppercase()), "§5.2: names in any case");
    assert_eq!(once, read(&[data, b"\n", data].concat()), "what is repeated says nothing new");
    let more = read(&[data, b"\nno-store, only-if-cached"].concat());
    assert!(more.no_store && more.only_if_cached, "a line does not depend on the ones before");
    let bounded = [once.max_age, once.min_fresh, once.stale_if_error];
    assert!(bounded.into_iter().flatten().all(|seconds| seconds <= MAX_SECONDS));
    if !contains(data, b"no-store") {
        assert!(!once.no_store, "nothing is read that is not there");
    }
    if !contains(data, b"max-stale") {
        assert_eq!(once.max_stale, None);
    }
}

/// Response Cache-Control (RFC 9111 §5.2.2), a line of input a line of the field.
pub(crate) fn response_cache_control(data: &[u8]) {
    let read = |data: &[u8]| ResponseDirectives::parse(lines(data));
    let once = read(data);
    assert_eq!(once, read(&data.to_ascii_uppercase()), "§5.2: names in any case");
    assert_eq!(once, read(&[data, b"\n", data].concat()), "what is repeated says nothing new");
    let more = read(&[data, b"\nprivate, no-store, max-age=0, s-maxage=0"].concat());
    assert!(more.private && more.no_store, "what forbids is never lost");
    assert_eq!((more.max_age, more.s_maxage), (Some(0), Some(0)), "the most restrictive counts");
    let windows = [once.stale_while_revalidate, once.stale_if_error];
    let lifetimes = [once.max_age, once.s_maxage];
    assert!(windows.iter().chain(&lifetimes).flatten().all(|it| *it <= MAX_SECONDS));
    if lifetimes.into_iter().flatten().any(|it| it > 0) {
        assert!(data.iter().any(u8::is_ascii_digit), "no freshness out of nothing");
    }
    for (name, said) in [("public", once.public), ("immutable", once.immutable)] {
        assert!(!said || contains(data, name.as_bytes()), "nothing is permitted that is not said");
    }
    // Well-formed and simple: then a plain reader must see the same.
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-, \n".contains(byte);
    if data.iter().all(plain) {
        let text = String::from_utf8_lossy(data).to_ascii_lowercase();
        let has = |name: &str| text.split([',', '\n', ' ']).any(|it| it == name);
        assert_eq!(once.private, has("private"), "§5.2.2.7");
        assert_eq!(once.no_cache, has("no-cache"), "§5.2.2.4");
        assert_eq!(once.no_store, has("no-store"), "§5.2.2.5");
        assert_eq!(once.must_revalidate, has("must-revalidate"), "§5.2.2.2");
    }
}

/// HTTP-dates (RFC 9110 §5.6.7).
pub(crate) fn date(data: &[u8]) {
    let Some(seconds) = freshness::date(data) else { return };
    assert!(seconds >= 0, "before 1970 there is nothing to cache");
    let at = UNIX_EPOCH + std::time::Duration::from_secs(seconds.unsigned_abs());
    let text = civil(seconds);
    assert_eq!(freshness::date(text.as_bytes()), Some(seconds), "{text}: written and read again");
    assert_eq!(freshness::date(&data.to_ascii_lowercase()), Some(seconds), "§4.2: in any case");
    assert_eq!(freshness::date(&data.to_ascii_uppercase()), Some(seconds), "§4.2: in any case");
    assert!(at >= UNIX_EPOCH);
}

/// Vary (RFC 9111 §4.1), a line of input a line of the field.
pub(crate) fn vary(data: &[u8]) {
    let headers = field(header::VARY, data);
    let Ok(names) = storing::vary(&headers) else { return };
    assert!(names.len() <= 16, "bounded");
    assert!(names.windows(2).all(|two| two[0].as_str() < two[1].as_str()), "sorted, each once");
    assert!(names.iter().all(|name| name != "*"), "a star is no name");
    let shouted: HeaderMap = field(header::VARY, &data.to_ascii_uppercase());
    assert_eq!(storing::vary(&shouted).as_ref(), Ok(&names), "names in any case");
    let mut starred = headers.clone();
    starred.append(header::VARY, HeaderValue::from_static("*"));
    assert!(storing::vary(&starred).is_err(), "a star anywhere matches nothing");
    // What the two requests say alike makes no difference; what they say differently does.
    let primary = Key::primary(PARTS);
    let of = |asked: &HeaderMap| primary.variant(7, &names, asked);
    let mut asked = HeaderMap::new();
    for name in &names {
        asked.append(name, HeaderValue::from_static("one"));
    }
    for name in &names {
        let mut other = asked.clone();
        other.insert(name, HeaderValue::from_static("two"));
        assert_ne!(of(&asked), of(&other), "§4.1: {name} selects");
    }
}

/// Range and If-Range (RFC 9110 §14): length, then If-Range, then Range, a line each.
pub(crate) fn range(data: &[u8]) {
    let mut parts = data.splitn(3, |byte| *byte == b'\n');
    let length = parts.next().map_or(0, number);
    let if_range = parts.next().unwrap_or_default();
    let mut asked = field(header::RANGE, parts.next().unwrap_or_default());
    if let (false, Ok(value)) = (if_range.is_empty(), HeaderValue::from_bytes(if_range)) {
        asked.insert(header::IF_RANGE, value);
    }
    let validators = Validators {
        etag: Some(b"\"a\""),
        last_modified: Some(b"Sun, 06 Nov 1994 08:49:37 GMT"),
        date: Some(b"Sun, 06 Nov 1994 09:49:37 GMT"),
    };
    let selected = ranges::select(&asked, validators, length);
    let within = |span: &ranges::Span| span.first <= span.last && span.last < length;
    match &selected {
        Selected::Whole => {}
        Selected::Part(span) => assert!(within(span), "{span:?} lies within {length}"),
        Selected::Parts(spans) => {
            assert!(spans.iter().all(within), "{spans:?} lie within {length}");
            let mut sorted = spans.clone();
            sorted.sort_by_key(|span| span.first);
            let apart = sorted.windows(2).all(|pair| pair[0].last < pair[1].first);
            assert!(apart && spans.len() <= 16, "{spans:?}: §14.2");
        }
        // Several ranges may overlap in a longer body.
        Selected::Unsatisfiable if asked[header::RANGE].as_bytes().contains(&b',') => {}
        Selected::Unsatisfiable => {
            let zero = ranges::select(&asked, validators, u64::MAX);
            assert_ne!(zero, Selected::Whole, "what is past the end is a range all the same");
        }
    }
    if selected != Selected::Whole {
        let weak = Validators { etag: Some(b"W/\"a\""), last_modified: None, date: None };
        let by_weak = ranges::select(&asked, weak, length);
        if asked.contains_key(header::IF_RANGE) {
            assert_eq!(by_weak, Selected::Whole, "§13.1.5: by the strong comparison alone");
        } else {
            assert_eq!(by_weak, selected, "without If-Range validators do not matter");
        }
    }
}

/// Conditions (RFC 9110 §13): the stored ETag, its Last-Modified, If-None-Match,
/// If-Modified-Since, If-Match, a line each.
pub(crate) fn conditions(data: &[u8]) {
    let mut parts = data.split(|byte| *byte == b'\n');
    let mut part = || parts.next().filter(|part| HeaderValue::from_bytes(part).is_ok());
    let (etag, last_modified) = (part().filter(|it| !it.is_empty()), part());
    let validators = Validators { etag, last_modified, date: None };
    let mut asked = HeaderMap::new();
    let names = [header::IF_NONE_MATCH, header::IF_MODIFIED_SINCE, header::IF_MATCH];
    for (name, value) in names.into_iter().zip([part(), part(), part()]) {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            asked.append(name, HeaderValue::from_bytes(value).expect("just tried"));
        }
    }
    let judged = validation::precondition(&asked, validators, Given::Plain);
    let none_match = asked.get(header::IF_NONE_MATCH).cloned();
    if none_match.is_none() && !asked.contains_key(header::IF_MODIFIED_SINCE) {
        assert_eq!(judged, Precondition::Proceed, "no condition, no 304");
    }
    if none_match.as_ref().is_some_and(|value| value == "*") {
        assert_eq!(judged, Precondition::NotModified, "§13.1.2: * names whatever is there");
    }
    if let Some(value) = &none_match {
        let mut alone = HeaderMap::new();
        alone.insert(header::IF_NONE_MATCH, value.clone());
        let alone = validation::precondition(&alone, validators, Given::Plain);
        assert_eq!(judged, alone, "§13.2.2: If-Modified-Since is not looked at beside it");
    }
    own_conditions_work(etag, last_modified, &asked);
    forwarded_conditions_have_no_tag_of_ours(&asked);
}

/// A validation that we would send ourselves names what it validates.
fn own_conditions_work(etag: Option<&[u8]>, last_modified: Option<&[u8]>, asked: &HeaderMap) {
    let validators = Validators { etag, last_modified, date: None };
    let mut request = asked.clone();
    validation::make_conditional(&mut request, validators);
    assert!(!request.contains_key(header::IF_MATCH), "the client's own conditions are gone");
    if request.contains_key(header::IF_NONE_MATCH) {
        let sent = request.get_all(header::IF_NONE_MATCH).iter().count();
        assert_eq!(sent, 1);
        // A list cannot name a tag that is none by its grammar.
        let well_formed = etag.is_some_and(is_entity_tag);
        if well_formed {
            let spelled = etag.and_then(|tag| coded_tag::for_clients(tag, Form::AsItCame));
            spelled.map(|tag| request.insert(header::IF_NONE_MATCH, tag));
            let judged = validation::precondition(&request, validators, Given::Plain);
            assert_eq!(judged, Precondition::NotModified, "{etag:?} is not named by {request:?}");
        }
    }
    if let Some(since) = request.get(header::IF_MODIFIED_SINCE) {
        assert!(freshness::date(since.as_bytes()).is_some(), "no date that is none is sent");
    }
}

fn forwarded_conditions_have_no_tag_of_ours(asked: &HeaderMap) {
    for method in [Method::GET, Method::PUT] {
        for current in [None, Some(&b"\"larder-1\""[..]), Some(b"\"a\"")] {
            let mut request = asked.clone();
            let condition = validation::forward_conditions(&method, &mut request, current);
            if condition == Condition::Failed {
                continue;
            }
            for name in [header::IF_MATCH, header::IF_NONE_MATCH] {
                let once = request.get(&name).cloned();
                let mut again = request.clone();
                let _ = validation::forward_conditions(&method, &mut again, current);
                assert_eq!(again.get(&name), once.as_ref(), "forwarding twice changes nothing");
                let foreign =
                    asked.get(&name).is_some_and(|it| !contains(it.as_bytes(), b"larder"));
                assert!(!foreign || once.is_some(), "what the origin made reaches the origin");
            }
        }
    }
}

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
    let stranger = fields::believe(&mut stripped, PeerAddr::Ip([192, 0, 2, 1].into()), &trusted);
    assert!(stripped.is_empty(), "a stranger's word is taken out: {stripped:?}");
    assert_eq!(stranger.client, Some([192, 0, 2, 1].into()), "and not believed");
    assert_eq!((stranger.scheme, stranger.host, stranger.trusted), (Scheme::Http, None, false));
    let mut kept = sent.clone();
    let believed = fields::believe(&mut kept, PeerAddr::Ip(peer), &trusted);
    assert!(believed.trusted && believed.client.is_some(), "a trusted peer is at least itself");
    if let Some(host) = &believed.host {
        let again = target::normalise(host.as_bytes(), believed.scheme);
        assert_eq!(again.as_ref(), Ok(host), "the believed host is normal");
    }
    if let (Some(client), true) = (believed.client, sent.contains_key(header::FORWARDED)) {
        let mut only = sent.clone();
        only.retain_forwarded();
        let alone = fields::believe(&mut only, PeerAddr::Ip(peer), &trusted);
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

const PARTS: Parts<'static> = Parts {
    route: "default",
    scheme: "http",
    authority: "api.test",
    forwarded: None,
    path: "/",
    query: None,
    generation: 0,
};

/// Key building: the parts of two keys, a line each, and a query with a rule for it.
pub(crate) fn key(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let all: Vec<&str> = text.split('\n').collect();
    let part = |index: usize| all.get(index).copied().unwrap_or_default();
    let optional = |index: usize| Some(part(index)).filter(|it| !it.is_empty());
    let parts = |offset: usize| Parts {
        route: part(offset),
        scheme: "http",
        authority: part(offset + 1),
        forwarded: optional(offset + 2),
        path: part(offset + 3),
        query: optional(offset + 4),
        generation: number(part(offset + 5).as_bytes()),
    };
    let (one, other) = (parts(0), parts(6));
    let same = told(one) == told(other);
    assert_eq!(Key::primary(one) == Key::primary(other), same, "a key changes with every part");
    assert_ne!(Key::primary(one), Key::primary(Parts { scheme: "https", ..one }));
    let names = |index: usize| {
        part(index).split(',').filter(|it| !it.is_empty()).map(str::to_owned).collect()
    };
    let rule = Query { include: names(14), exclude: names(12), sort: part(13) == "sort" };
    query(&rule, part(4));
    variants(part(0), part(1));
}

fn told(parts: Parts<'_>) -> String {
    let Parts { route, authority, forwarded, path, query, generation, .. } = parts;
    format!("{:?}", (route, authority, forwarded, path, query, generation))
}

fn query(rule: &Query, asked: &str) {
    let Some(normal) = key::query(rule, asked) else { return };
    assert_eq!(key::query(rule, &normal).as_ref(), Some(&normal), "normalising is idempotent");
    let pairs = |text: &str| {
        let mut pairs: Vec<String> = text.split('&').map(str::to_owned).collect();
        pairs.sort();
        pairs
    };
    if rule.include.is_empty() && rule.exclude.is_empty() {
        assert_eq!(pairs(&normal), pairs(asked), "sorting loses no parameter");
    }
    assert!(normal.len() <= asked.len(), "nothing is added");
}

fn variants(one: &str, other: &str) {
    let names = [header::ACCEPT];
    let of = |line: &str| {
        let headers = field(header::ACCEPT, line.as_bytes());
        (headers.len() == 1).then(|| Key::primary(PARTS).variant(1, &names, &headers))
    };
    let Some((first, second)) = of(one).zip(of(other)) else { return };
    let trim = |text: &str| text.trim_matches([' ', '\t']).to_owned();
    if trim(one) == trim(other) {
        assert!(first == second, "white space around a value selects nothing");
    }
    if first == second {
        let bare = |text: &str| text.replace([' ', '\t', ',', '\n', '\r'], "").to_lowercase();
        assert_eq!(bare(one), bare(other), "values that differ are two variants");
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

/// `proxy.toml`.
pub(crate) fn config(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let none = |_: &str| None;
    let lines = text.lines().count().max(1);
    match config::parse("fuzz.toml", text, &none) {
        Ok(read) => {
            assert!(!read.listen.is_empty() && !read.routes.is_empty(), "it can serve something");
            let known = |name: &String| read.upstreams.iter().any(|it| it.name == *name);
            assert!(
                read.routes.iter().all(|it| known(&it.upstream)),
                "every route leads somewhere"
            );
            assert_eq!(Ok(read), config::parse("fuzz.toml", text, &none), "and always the same");
        }
        Err(problems) => {
            assert!(!problems.is_empty(), "a refusal has a reason");
            for problem in &problems {
                assert!(problem.line <= lines + 1, "{problem}: of {lines} lines");
                assert!(!problem.message.is_empty(), "the reason is said");
            }
            let order = problems.windows(2).all(|two| two[0].line <= two[1].line);
            assert!(order, "in the order of lines: {problems:?}");
        }
    }
}

fn lines(data: &[u8]) -> impl Iterator<Item = &[u8]> {
    data.split(|byte| *byte == b'\n')
}

/// The field, a line of input a line of it; what no message can carry is left out.
fn field(name: HeaderName, data: &[u8]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for value in lines(data).filter_map(|line| HeaderValue::from_bytes(line).ok()) {
        headers.append(name.clone(), value);
    }
    headers
}

fn number(text: &[u8]) -> u64 {
    std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).unwrap_or(100)
}

fn contains(data: &[u8], what: &[u8]) -> bool {
    data.to_ascii_lowercase().windows(what.len()).any(|window| window == what)
}

/// RFC 9110 §8.8.3, and none of ours.
fn is_entity_tag(tag: &[u8]) -> bool {
    let opaque = tag.strip_prefix(b"W/").unwrap_or(tag);
    let inner = opaque.strip_prefix(b"\"").and_then(|it| it.strip_suffix(b"\""));
    inner.is_some_and(|it| !it.contains(&b'"')) && !contains(tag, OWN_TAG.as_bytes())
}

/// The IMF-fixdate of a moment, worked out by counting years and months.
fn civil(seconds: i64) -> String {
    let (mut days, rest) = (seconds / 86_400, seconds % 86_400);
    let weekday =
        ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"][(days % 7).unsigned_abs() as usize];
    let leap = |year: i64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let mut year = 1970;
    while days >= if leap(year) { 366 } else { 365 } {
        days -= if leap(year) { 366 } else { 365 };
        year += 1;
    }
    let lengths = [31, if leap(year) { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let names =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let mut month = 0;
    while days >= lengths[month] {
        days -= lengths[month];
        month += 1;
    }
    let (day, name) = (days + 1, names[month]);
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{weekday}, {day:02} {name} {year:04} {hour:02}:{minute:02}:{second:02} GMT")
}
