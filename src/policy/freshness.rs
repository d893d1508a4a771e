//! Freshness and age (RFC 9111 §4.2).
//!
//! Seconds of the wall clock are compared only with dates that others wrote; how long a response
//! was on its way is told by the clock that does not jump.

use std::time::UNIX_EPOCH;

use http::{HeaderMap, header};
use httpdate::parse_http_date;

use super::{
    Exchange, Rules, Wall,
    cache_control::ResponseDirectives,
    field::{self, MAX_DELTA_SECONDS},
    status::is_heuristically_cacheable,
};

/// A freshness lifetime and whose word it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lifetime {
    /// The origin said so explicitly (§4.2.1); seconds.
    Explicit(u32),
    /// The operator or a heuristic said so; seconds.
    Ours(u32),
    /// Nobody said anything.
    Unknown,
}

/// The freshness lifetime of a response (§4.2.1, §4.2.2), the operator's rules applied.
///
/// `ttl` and `override_ttl` make nothing fresh that HTTP would not store without an explicit word
/// (RFC 9110 §15.1): an origin's 500 is cached only where the origin or `status_ttl` says so.
#[must_use]
pub fn lifetime(
    status: u16,
    headers: &HeaderMap,
    directives: &ResponseDirectives,
    rules: &Rules,
    exchange: Exchange,
) -> Lifetime {
    let forbidden = directives.no_store || directives.private || directives.no_cache;
    let lifetime = match explicit(headers, directives, exchange) {
        Some(_) if let (false, Some(ttl)) = (forbidden, rules.override_ttl) => Lifetime::Ours(ttl),
        Some(seconds) => Lifetime::Explicit(seconds),
        None if forbidden => Lifetime::Unknown,
        None => unsaid(status, headers, directives, rules, exchange),
    };
    let most = rules.max_ttl.unwrap_or(u32::MAX);
    match lifetime {
        Lifetime::Explicit(seconds) => Lifetime::Explicit(seconds.min(most)),
        Lifetime::Ours(seconds) => Lifetime::Ours(seconds.min(most)),
        Lifetime::Unknown => Lifetime::Unknown,
    }
}

/// What the origin says (§4.2.1), for a shared cache.
fn explicit(
    headers: &HeaderMap,
    directives: &ResponseDirectives,
    exchange: Exchange,
) -> Option<u32> {
    // RFC 9213 §2.2: a targeted field stands in place of Expires, too.
    let expires = || expires(headers, exchange).filter(|_| !directives.targeted);
    directives.s_maxage.or(directives.max_age).or_else(expires)
}

/// Expires less Date; what is invalid, repeated with another value, or past is 0 (§5.3).
fn expires(headers: &HeaderMap, exchange: Exchange) -> Option<u32> {
    if !headers.contains_key(header::EXPIRES) {
        return None;
    }
    let Some(expires) = date_in(headers, header::EXPIRES, exchange) else { return Some(0) };
    Some(bounded(expires - date_value(headers, exchange)))
}

/// What the operator says where the origin is silent, else a heuristic (§4.2.2).
fn unsaid(
    status: u16,
    headers: &HeaderMap,
    directives: &ResponseDirectives,
    rules: &Rules,
    exchange: Exchange,
) -> Lifetime {
    let by_status = rules.status_ttl.iter().find(|(of, _)| *of == status).map(|(_, ttl)| *ttl);
    let cacheable = directives.public || is_heuristically_cacheable(status);
    let ours = match cacheable {
        true => rules
            .override_ttl
            .or(by_status)
            .or(rules.ttl)
            .or_else(|| heuristic(headers, rules, exchange)),
        false => by_status,
    };
    ours.map_or(Lifetime::Unknown, Lifetime::Ours)
}

/// A part of the time since Last-Modified (§4.2.2).
fn heuristic(headers: &HeaderMap, rules: &Rules, exchange: Exchange) -> Option<u32> {
    let percent = rules.heuristic?;
    let modified = date_in(headers, header::LAST_MODIFIED, exchange)?;
    let unchanged = date_value(headers, exchange).saturating_sub(modified);
    Some(bounded(unchanged.saturating_mul(i64::from(percent)) / 100))
}

/// `corrected_initial_age` (§4.2.3) in milliseconds.
#[must_use]
pub fn initial_age(headers: &HeaderMap, exchange: Exchange) -> i64 {
    let response_time = exchange.response.wall.seconds();
    let apparent_age = millis(response_time.saturating_sub(date_value(headers, exchange)));
    let response_delay = exchange.response.mono.since(exchange.request.mono);
    let corrected_age_value = millis(age_value(headers)).saturating_add(response_delay);
    apparent_age.max(corrected_age_value).min(millis(i64::from(MAX_DELTA_SECONDS)))
}

/// The first member of Age, whatever follows; an invalid one is ignored (§5.1).
fn age_value(headers: &HeaderMap) -> i64 {
    let first = field::members(headers, header::AGE).next();
    first.and_then(|age| field::delta_seconds(age.iter().copied())).map_or(0, i64::from)
}

/// Date, or when the response came where it has none that can be read (RFC 9110 §6.6.1).
fn date_value(headers: &HeaderMap, exchange: Exchange) -> i64 {
    let now = exchange.response.wall;
    oldest_date(headers, now).unwrap_or_else(|| now.seconds())
}

/// Date in seconds; of several the oldest that can be read, which makes nothing look younger.
#[must_use]
pub fn oldest_date(headers: &HeaderMap, now: Wall) -> Option<i64> {
    field::lines(headers, header::DATE).filter_map(|line| date_near(line, now)).min()
}

fn date_in(headers: &HeaderMap, name: header::HeaderName, exchange: Exchange) -> Option<i64> {
    let value = field::single(headers, name)?;
    date_near(value, exchange.response.wall)
}

fn bounded(seconds: i64) -> u32 {
    u32::try_from(seconds.max(0)).unwrap_or(u32::MAX).min(MAX_DELTA_SECONDS)
}

fn millis(seconds: i64) -> i64 {
    seconds.max(0).saturating_mul(1000)
}

/// The longest of the three forms: `Wednesday, 09-Nov-94 08:49:37 GMT`.
const LONGEST_DATE: usize = 33;

/// Reads an HTTP-date (RFC 9110 §5.6.7) as seconds since the Unix epoch; `None` where it is none.
///
/// Names of days, months and the zone in any case (§4.2), but no zone other than GMT. A year of two
/// digits is one from 1970 to 2069: for what is compared with another date, and not with now.
#[must_use]
pub fn date(value: &[u8]) -> Option<i64> {
    read(value, by_pivot)
}

/// The same for what is compared with now: a year of two digits is the latest that is no more than
/// 50 years ahead.
#[must_use]
pub fn date_near(value: &[u8], now: Wall) -> Option<i64> {
    read(value, |text| match text.contains(&b'-') {
        true => within_fifty_years(text, now.seconds()),
        false => by_pivot(text),
    })
}

fn read(value: &[u8], other: impl Fn(&[u8]) -> Option<i64>) -> Option<i64> {
    let value = value.trim_ascii();
    if let Some(seconds) = preferred(value) {
        return Some(seconds);
    }
    let mut buffer = [0; LONGEST_DATE];
    let text = buffer.get_mut(..value.len())?;
    let mut previous = b' ';
    for (to, from) in text.iter_mut().zip(value) {
        *to = match previous.is_ascii_alphabetic() {
            true => from.to_ascii_lowercase(),
            false => from.to_ascii_uppercase(),
        };
        previous = *from;
    }
    if text.ends_with(b" Gmt") {
        text[value.len() - 3..].make_ascii_uppercase();
    }
    other(text)
}

fn by_pivot(text: &[u8]) -> Option<i64> {
    let time = parse_http_date(str::from_utf8(text).ok()?).ok()?;
    let since = time.duration_since(UNIX_EPOCH).ok()?;
    i64::try_from(since.as_secs()).ok()
}

const LONG_DAYS: [&[u8]; 7] =
    [b"Monday", b"Tuesday", b"Wednesday", b"Thursday", b"Friday", b"Saturday", b"Sunday"];

/// A mean year (RFC 9110 §5.6.7 says no more than "50 years").
const YEAR: i64 = 31_556_952;

/// `rfc850-date`: the day of the week has to fit the century that is chosen.
fn within_fifty_years(text: &[u8], now: i64) -> Option<i64> {
    let comma = text.iter().position(|byte| *byte == b',')?;
    let (day, rest) = text.split_at(comma);
    let rest: &[u8; 24] = rest.try_into().ok()?;
    if !LONG_DAYS.contains(&day) || rest[4] != b'-' || rest[8] != b'-' {
        return None;
    }
    let limit = now.saturating_add(50 * YEAR);
    let last = limit / YEAR + 1971;
    let mut centuries = (0..=2).map(|before| last / 100 - before);
    centuries.find_map(|century| {
        let mut long = *b"Thu, 06 Nov 1994 08:49:37 GMT";
        long[..3].copy_from_slice(&day[..3]);
        long[5..7].copy_from_slice(&rest[2..4]);
        long[8..11].copy_from_slice(&rest[5..8]);
        long[12] = b'0' + u8::try_from(century / 10).ok().filter(|it| *it < 10)?;
        long[13] = b'0' + u8::try_from(century % 10).ok()?;
        long[14..16].copy_from_slice(&rest[9..11]);
        long[16..].copy_from_slice(&rest[11..]);
        preferred(&long).filter(|seconds| *seconds <= limit)
    })
}

const DAYS: [&[u8]; 7] = [b"Thu", b"Fri", b"Sat", b"Sun", b"Mon", b"Tue", b"Wed"];

const MONTHS: [&[u8]; 12] = [
    b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec",
];

/// Reads a date as all who write one today do, `Sun, 06 Nov 1994 08:49:37 GMT`, at a tenth of the
/// cost; `None` where it is another form, or no date.
fn preferred(value: &[u8]) -> Option<i64> {
    let value: &[u8; 29] = value.try_into().ok()?;
    let separators =
        [(3, b','), (4, b' '), (7, b' '), (11, b' '), (16, b' '), (19, b':'), (22, b':')];
    if separators.iter().any(|(at, byte)| value[*at] != *byte) || &value[25..] != b" GMT" {
        return None;
    }
    let number = |at: std::ops::Range<usize>| {
        value[at].iter().try_fold(0, |number: i64, byte| {
            byte.is_ascii_digit().then(|| number * 10 + i64::from(byte - b'0'))
        })
    };
    let (day, year) = (number(5..7)?, number(12..16)?);
    let (hour, minute, second) = (number(17..19)?, number(20..22)?, number(23..25)?);
    let month = MONTHS.iter().position(|name| *name == &value[8..11])?;
    let leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    let lengths = [31, if leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let is_one = (1..=lengths[month]).contains(&day) && hour < 24 && minute < 60 && second < 60;
    if !is_one || year < 1970 {
        return None;
    }
    let before = year - 1;
    let leap_days = before / 4 - before / 100 + before / 400 - 477;
    let days = (year - 1970) * 365 + leap_days + lengths[..month].iter().sum::<i64>() + day - 1;
    let named = usize::try_from(days % 7).ok().and_then(|day| DAYS.get(day))?;
    (*named == &value[..3]).then_some(days * 86_400 + hour * 3600 + minute * 60 + second)
}

#[cfg(test)]
mod tests;
