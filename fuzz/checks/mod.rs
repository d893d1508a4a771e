//! What holds for any bytes from outside, a function a parser.
//!
//! Plain functions over `larder`'s public API: the fuzz targets call them with what libFuzzer
//! makes up, `tests/it/corpora.rs` with what lies in `corpus/`. Each says what a reader of the
//! RFC would hold of the parser, not only that it returns.

mod cache_control;
mod conditions;
mod cookies;
mod encodings;
mod entity_tags;
mod framing;
mod keys;
mod orders;
mod origin;
mod parts;
mod peers;
mod records;
mod request;
mod response;
mod rfc9651;
mod selecting;
mod shaping;
mod structured;
mod tags;

use http::{HeaderMap, HeaderName, HeaderValue};
use larder::{
    clock::Clock,
    config,
    policy::{
        Wall,
        encoding::{Choice, Given, Packing},
        freshness,
        validation::{self, Precondition, Validators},
    },
    snapshot::Snapshot,
};

pub(crate) use cache_control::{request_cache_control, response_cache_control};
pub(crate) use conditions::{conditions, range};
pub(crate) use cookies::cookies;
pub(crate) use encodings::{accept_encoding, coded_tag, encoding};
pub(crate) use entity_tags::entity_tags;
pub(crate) use framing::framing;
pub(crate) use keys::{key, vary};
pub(crate) use orders::{purge_order, redis_event, webhook};
pub(crate) use origin::{forwarded, host, location};
pub(crate) use parts::{content_range, multipart};
pub(crate) use peers::{proxy_header, trace};
pub(crate) use records::redis_record;
pub(crate) use request::request;
pub(crate) use response::response;
pub(crate) use selecting::selecting;
pub(crate) use shaping::{batch, mask, page};
pub(crate) use structured::{groups, targeted};
pub(crate) use tags::tags;

/// A target: what checks one input.
pub(crate) type Check = fn(&[u8]);

/// All targets by name; a name is also a directory in `corpus/` and a file in `fuzz_targets/`.
pub(crate) const ALL: [(&str, Check); 34] = [
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
    ("targeted", targeted),
    ("groups", groups),
    ("entity_tags", entity_tags),
    ("content_range", content_range),
    ("multipart", multipart),
    ("selecting", selecting),
    ("framing", framing),
    ("request", request),
    ("response", response),
    ("cookies", cookies),
    ("tags", tags),
    ("redis_record", redis_record),
    ("accept_encoding", accept_encoding),
    ("encoding", encoding),
    ("coded_tag", coded_tag),
    ("purge_order", purge_order),
    ("webhook", webhook),
    ("redis_event", redis_event),
    ("mask", mask),
    ("page", page),
    ("batch", batch),
    ("proxy_header", proxy_header),
    ("trace", trace),
];

/// The greatest delta-seconds (RFC 9111 §1.2.2).
const MAX_SECONDS: u32 = 1 << 31;

/// HTTP-dates (RFC 9110 §5.6.7).
pub(crate) fn date(data: &[u8]) {
    for now in [i64::MIN, 0, 1_795_000_000_000, i64::MAX] {
        let near = freshness::date_near(data, Wall(now));
        let near = near.filter(|_| data.contains(&b'-'));
        let limit = now / 1000 + 50 * 366 * 86_400;
        assert!(near.is_none_or(|near| near <= limit), "at most 50 years after {now}");
    }
    let Some(seconds) = freshness::date(data) else { return };
    assert!(seconds >= 0, "before 1970 there is nothing to cache");
    let text = civil(seconds);
    assert_eq!(freshness::date(text.as_bytes()), Some(seconds), "{text}: written and read again");
    assert_eq!(freshness::date(&data.to_ascii_lowercase()), Some(seconds), "§4.2: in any case");
    assert_eq!(freshness::date(&data.to_ascii_uppercase()), Some(seconds), "§4.2: in any case");
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

/// What a configuration of one upstream means at run time.
fn snapshot(more: &str) -> Snapshot {
    let text = format!("listen = \"127.0.0.1:0\"\nupstream = \"http://127.0.0.1:9\"\n{more}");
    let config = config::parse("fuzz.toml", &text, &|_| None).expect("it is well-formed");
    Snapshot::build(&config, None, &Clock::system()).expect("it can be used")
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

/// What conditions say of what may be packed.
fn precondition(asked: &HeaderMap, stored: Validators<'_>) -> Precondition {
    let packing = Packing::default();
    let choice = Choice { given: Given::Plain, packing: &packing, length: None, unpacked: false };
    validation::precondition(asked, stored, choice)
}

fn number(text: &[u8]) -> u64 {
    std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).unwrap_or(100)
}

fn contains(data: &[u8], what: &[u8]) -> bool {
    data.to_ascii_lowercase().windows(what.len()).any(|window| window == what)
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
