//! An upstream's quota: how often this node may ask it, and for how long it wants to be left alone.
//!
//! Requests go one by one, never two within an interval: whatever minute the other side counts,
//! there are no more in it than it allows. Whoever waits for its turn is served round robin over
//! clients.

use std::time::{Duration, Instant, UNIX_EPOCH};

use http::{HeaderMap, HeaderName, StatusCode, header};
use parking_lot::Mutex;

use super::{
    Error,
    connection::Connection,
    places::{Client, Places, Stay},
};
use crate::{clock::Clock, config::throttle::Rate, policy::freshness};

/// The longest pause that an upstream can ask for at a time.
const MAX_PAUSE: Duration = Duration::from_secs(3600);

/// How long an upstream is left alone that says no, but not for how long; twice as long each time
/// that it says so again.
const UNTOLD_PAUSE: Duration = Duration::from_secs(1);

/// How often that time is doubled: to about a minute.
const MAX_DOUBLINGS: u32 = 6;

/// When the next request may go. Lives across reloads with the upstream's name: whatever else of
/// it changes, the other side goes on counting.
#[derive(Debug)]
pub(super) struct Quota {
    /// The one whose turn it is stands at the gate; the others wait for its place.
    gate: Places,
    times: Mutex<Times>,
    clock: Clock,
}

#[derive(Debug)]
struct Times {
    interval: Duration,
    /// When the last request went.
    last: Option<Instant>,
    /// By what the upstream said.
    paused_until: Instant,
    /// How often in a row it has said no, but not for how long.
    untold: u32,
}

impl Quota {
    pub(super) fn new(rate: Rate, clock: Clock) -> Quota {
        let (interval, now) = (rate.interval(), clock.instant());
        let times = Times { interval, last: None, paused_until: now, untold: 0 };
        Quota { gate: Places::new(1), times: Mutex::new(times), clock }
    }

    /// Goes on at another pace.
    pub(super) fn set_rate(&self, rate: Rate) {
        self.times.lock().interval = rate.interval();
    }

    /// Whether a request may wait for its turn at all: not where the upstream wants to be left
    /// alone for longer than it would wait, or there is something `stale` to have instead.
    pub(super) fn is_worth_waiting(&self, stale: bool, limit: Duration) -> Result<(), Error> {
        let paused_until = self.times.lock().paused_until;
        let rest = paused_until.saturating_duration_since(self.clock.instant());
        let patience = if stale { Duration::ZERO } else { limit };
        if rest > patience { Err(Error::Paused(rest)) } else { Ok(()) }
    }

    /// A connection for the next request, when its turn has come: after a wait of at most `limit`.
    pub(super) async fn in_turn(
        &self,
        client: Client,
        limit: Duration,
        connecting: impl Future<Output = Result<Connection, Error>>,
    ) -> Result<Connection, Error> {
        let turn = async {
            let place = self.gate.take((client, Stay::Brief), &self.clock, limit).await?;
            loop {
                let rest = self.rest();
                if rest.is_zero() {
                    return Ok::<_, Error>(place);
                }
                self.clock.sleep(rest).await;
            }
        };
        let place = match self.clock.timeout(limit, turn).await {
            Ok(Ok(place)) => place,
            Ok(Err(Error::Busy(_))) | Err(_) => return Err(Error::Busy(self.line())),
            Ok(Err(error)) => return Err(error),
        };
        // At the gate still: what counts is when the request goes, not when it could have.
        let connection = connecting.await?;
        self.times.lock().last = Some(self.clock.instant());
        drop(place);
        Ok(connection)
    }

    fn rest(&self) -> Duration {
        let times = self.times.lock();
        let next = times.last.map_or(times.paused_until, |last| last + times.interval);
        next.max(times.paused_until).saturating_duration_since(self.clock.instant())
    }

    /// When all who wait will have had their turn.
    fn line(&self) -> Duration {
        let waiting = u32::try_from(self.gate.waiting()).unwrap_or(u32::MAX);
        let interval = self.times.lock().interval;
        self.rest().saturating_add(interval.saturating_mul(waiting)).min(MAX_PAUSE)
    }

    /// Leaves the upstream alone for as long as its answer says.
    pub(super) fn heed(&self, status: StatusCode, fields: &HeaderMap) {
        let says_no =
            matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
        let told = retry_after(fields, &self.clock).max(rate_limit(fields));
        let told = told.filter(|told| says_no && !told.is_zero());
        let now = self.clock.instant();
        let mut times = self.times.lock();
        let pause = match told {
            Some(told) => told.min(MAX_PAUSE),
            // What was on its way when the pause began says nothing new.
            None if times.paused_until > now => return,
            None if says_no => UNTOLD_PAUSE.saturating_mul(1 << times.untold),
            None => Duration::ZERO,
        };
        let doubled = (times.untold + 1).min(MAX_DOUBLINGS);
        times.untold = if says_no && told.is_none() { doubled } else { 0 };
        times.paused_until = times.paused_until.max(now + pause);
        drop(times);
        if says_no {
            tracing::info!(%status, ?pause, "an upstream is left alone");
        }
    }
}

/// Retry-After: seconds or a date (RFC 9110 §10.2.3).
fn retry_after(fields: &HeaderMap, clock: &Clock) -> Option<Duration> {
    let value = fields.get(header::RETRY_AFTER)?.as_bytes();
    if let Some(seconds) = seconds(value) {
        return Some(seconds);
    }
    let date = u64::try_from(freshness::date(value)?).ok()?;
    let now = u64::try_from(clock.now().wall.seconds()).ok()?;
    let at = UNIX_EPOCH + Duration::from_secs(date);
    at.duration_since(UNIX_EPOCH + Duration::from_secs(now)).ok()
}

/// The longest time in RateLimit (draft-ietf-httpapi-ratelimit-headers-10) of a limit that has
/// nothing left; or RateLimit-Reset, of its earlier revisions.
fn rate_limit(fields: &HeaderMap) -> Option<Duration> {
    let lines = fields.get_all(HeaderName::from_static("ratelimit")).iter();
    let members = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    let used_up = members.filter_map(|member| {
        let left = parameter(member, b"r=");
        parameter(member, b"t=").filter(|_| left.is_none_or(|left| left.is_zero()))
    });
    let reset = fields.get(HeaderName::from_static("ratelimit-reset"));
    used_up.max().or_else(|| seconds(reset?.as_bytes()))
}

fn parameter(member: &[u8], name: &[u8]) -> Option<Duration> {
    let mut parameters = member.split(|byte| *byte == b';').skip(1).map(<[u8]>::trim_ascii);
    parameters.find_map(|parameter| parameter.strip_prefix(name)).and_then(seconds)
}

fn seconds(text: &[u8]) -> Option<Duration> {
    let text = std::str::from_utf8(text).ok()?.trim();
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let seconds = text.parse().unwrap_or(MAX_PAUSE.as_secs());
    digits.then(|| Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const RATE: Rate = Rate { count: 1, per: Duration::from_secs(1) };

    fn told(status: u16, pairs: &[(&'static str, &'static str)]) -> u64 {
        let (clock, _) = Clock::manual(784_111_777_000);
        let quota = Quota::new(RATE, clock);
        let pair = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        quota.heed(StatusCode::from_u16(status).unwrap(), &pairs.iter().map(pair).collect());
        quota.rest().as_secs()
    }

    #[test]
    fn a_no_is_heeded_for_as_long_as_it_says() {
        for (fields, expected) in [
            (&[][..], 1),
            (&[("retry-after", "7")], 7),
            (&[("retry-after", "0")], 1),
            (&[("retry-after", "Sun, 06 Nov 1994 08:49:47 GMT")], 10),
            (&[("retry-after", "Sun, 06 Nov 1994 08:49:27 GMT")], 1),
            (&[("retry-after", "soon")], 1),
            (&[("retry-after", "99999999999999999999")], 3600),
            (&[("ratelimit", "\"a\";r=0;t=5, \"b\";r=3;t=50")], 5),
            (&[("ratelimit", "\"a\";r=0;t=5, \"b\";r=0;t=50")], 50),
            (&[("ratelimit-remaining", "0"), ("ratelimit-reset", "9")], 9),
            (&[("retry-after", "3"), ("ratelimit", "\"a\";r=0;t=5")], 5),
        ] {
            assert_eq!(told(429, fields), expected, "{fields:?}");
            assert_eq!(told(503, fields), expected, "{fields:?}");
            assert_eq!(told(500, fields), 0, "{fields:?}");
        }
    }

    #[test]
    fn a_no_without_a_time_is_heeded_twice_as_long_each_time() {
        let (clock, manual) = Clock::manual(0);
        let quota = Quota::new(RATE, clock);
        let say = |status| {
            quota.heed(StatusCode::from_u16(status).unwrap(), &HeaderMap::new());
            quota.rest().as_secs()
        };
        for expected in [1, 2, 4, 8, 16, 32, 64, 64] {
            assert_eq!(say(429), expected);
            assert_eq!(say(503), expected, "it was on its way before the pause");
            assert_eq!(say(200), expected, "and so was this");
            manual.advance(Duration::from_secs(expected));
        }
        assert_eq!(say(200), 0, "it is well again");
        assert_eq!(say(429), 1, "and so it begins anew");
    }
}
