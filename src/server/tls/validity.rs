//! When a certificate begins and ends (RFC 5280 §4.1.2.5), and what an operator is told of that.
//!
//! Clients refuse one that has ended, and nothing of Larder's can change that. So it is told
//! before: in the log, by `larder check`, and in the metrics.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    time::{Duration, UNIX_EPOCH},
};

use super::der::{INTEGER, SEQUENCE, any, element};

const DAY: i64 = 86_400;

/// Renewal is late when less than this is left, or less than a quarter of the whole time: some
/// certificates are good for a few days alone.
const SOON: i64 = 14 * DAY;

const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// Seconds since 1970, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Validity {
    pub(super) begins: i64,
    pub(super) ends: i64,
}

/// What is to be said of a certificate at some moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Good,
    NotYet,
    Soon,
    Ended,
}

impl Validity {
    /// That of a certificate.
    pub(super) fn of(certificate: &[u8]) -> Option<Validity> {
        let mut rest = certificate;
        let mut signed = element(&mut rest, SEQUENCE)?;
        let mut fields = element(&mut signed, SEQUENCE)?;
        if fields.first() == Some(&VERSION) {
            any(&mut fields)?;
        }
        element(&mut fields, INTEGER)?;
        let (_algorithm, _issuer) =
            (element(&mut fields, SEQUENCE)?, element(&mut fields, SEQUENCE)?);
        let mut validity = element(&mut fields, SEQUENCE)?;
        let (begins, ends) = (time(&mut validity)?, time(&mut validity)?);
        Some(Validity { begins, ends })
    }

    fn state(self, now: i64) -> State {
        let soon = SOON.min((self.ends - self.begins) / 4);
        match () {
            () if now < self.begins => State::NotYet,
            () if now > self.ends => State::Ended,
            () if self.ends - now < soon => State::Soon,
            () => State::Good,
        }
    }

    /// What is wrong with it at a moment, as it follows the name of its file.
    pub(super) fn trouble(self, now: i64) -> Option<String> {
        let (begins, ends) = (date(self.begins), date(self.ends));
        Some(match self.state(now) {
            State::Good => return None,
            State::NotYet => {
                format!("is not valid before {begins}: until then, clients refuse it")
            }
            State::Soon => format!("ends soon, on {ends}: renew it"),
            State::Ended => format!("has ended, on {ends}: clients refuse it; renew it"),
        })
    }
}

/// What was said last of each file and when, so that it is said again only when it has become
/// worse, or after a day.
#[derive(Debug, Default)]
pub(super) struct Said(HashMap<PathBuf, (State, i64)>);

impl Said {
    /// What is to be said now.
    pub(super) fn anew(&mut self, file: &Path, validity: Validity, now: i64) -> Option<String> {
        let state = validity.state(now);
        let same = |(was, at): &(State, i64)| *was == state && (0..DAY).contains(&(now - at));
        if self.0.get(file).is_some_and(same) {
            return None;
        }
        self.0.insert(file.to_owned(), (state, now));
        validity.trouble(now)
    }

    /// Forgets the files that nobody names any more.
    pub(super) fn keep(&mut self, named: impl Fn(&Path) -> bool) {
        self.0.retain(|file, _| named(file));
    }
}

/// The next element as a moment: `YYMMDDHHMMSSZ`, or with all four digits of the year.
fn time(rest: &mut &[u8]) -> Option<i64> {
    let (tag, text) = any(rest)?;
    let text = text.strip_suffix(b"Z").filter(|text| text.iter().all(u8::is_ascii_digit))?;
    let pair = |at: usize| -> Option<i64> {
        let [tens, ones] = *text.get(at..at + 2)? else { return None };
        Some(i64::from(tens - b'0') * 10 + i64::from(ones - b'0'))
    };
    let (year, at) = match (tag, text.len()) {
        (UTC_TIME, 12) => {
            let year = pair(0)?;
            (if year < 50 { 2000 + year } else { 1900 + year }, 2)
        }
        (GENERALIZED_TIME, 14) => (pair(0)? * 100 + pair(2)?, 4),
        _ => return None,
    };
    let [month, day, hour, minute, second] = [0, 2, 4, 6, 8].map(|more| pair(at + more));
    let days = days(year, month?, day?);
    Some(days * DAY + hour? * 3600 + minute? * 60 + second?)
}

/// From 1970-01-01 until a day of the Gregorian calendar. The year begins in March, so that the
/// odd day comes last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month > 2 { year } else { year - 1 };
    let since_march = (month + 9) % 12;
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    year * 365 + leap_days + (since_march * 153 + 2) / 5 + day - 1 - 719_468
}

fn date(seconds: i64) -> String {
    // Years beyond 9999 have no date in HTTP.
    let seconds = u64::try_from(seconds).unwrap_or(0).min(253_402_300_799);
    httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;

    fn of(begins: (i32, u8, u8), ends: (i32, u8, u8)) -> Validity {
        let mut params = CertificateParams::default();
        params.not_before = date_time_ymd(begins.0, begins.1, begins.2);
        params.not_after = date_time_ymd(ends.0, ends.1, ends.2);
        let made = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        let found = Validity::of(made.der()).unwrap();
        assert_eq!(found.begins, params.not_before.unix_timestamp());
        assert_eq!(found.ends, params.not_after.unix_timestamp(), "by another's reckoning");
        found
    }

    #[test]
    fn both_spellings_of_a_date_are_read() {
        of((2026, 2, 28), (2026, 3, 1));
        of((1999, 12, 31), (2049, 12, 31));
        // From 2050 on it is a GeneralizedTime (RFC 5280 §4.1.2.5).
        of((2000, 2, 29), (2050, 1, 1));
        of((2024, 2, 29), (2400, 2, 29));
        of((1975, 1, 1), (9999, 12, 31));
    }

    #[test]
    fn what_is_wrong_is_said_with_its_date() {
        let ninety = of((2026, 1, 1), (2026, 4, 1));
        let six = of((2026, 1, 1), (2026, 1, 7));
        for (validity, left, said) in [
            (ninety, 90 * DAY + 1, Some("is not valid before Thu, 01 Jan 2026")),
            (ninety, 90 * DAY, None),
            (ninety, 14 * DAY, None),
            (ninety, 14 * DAY - 1, Some("ends soon, on Wed, 01 Apr 2026 00:00:00 GMT")),
            (ninety, 0, Some("ends soon")),
            (ninety, -1, Some("has ended, on Wed, 01 Apr 2026")),
            (six, 2 * DAY, None),
            (six, DAY, Some("ends soon")),
        ] {
            let told = validity.trouble(validity.ends - left);
            let fits = match said {
                Some(said) => told.as_ref().is_some_and(|it| it.starts_with(said)),
                None => told.is_none(),
            };
            assert!(fits, "{left} s before its end: {told:?}, not {said:?}");
        }
    }

    #[test]
    fn it_is_said_once_a_day_and_when_it_becomes_worse() {
        let validity = of((2026, 1, 1), (2026, 4, 1));
        let (mut said, file) = (Said::default(), Path::new("/c"));
        let mut says = |left: i64| said.anew(file, validity, validity.ends - left).is_some();
        let told =
            [20 * DAY, 13 * DAY, 13 * DAY - 5, 12 * DAY, 5, -5, -10, -DAY - 5].map(&mut says);
        assert_eq!(told, [false, true, false, true, true, true, false, true]);
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_strange(bytes in proptest::collection::vec(0..=255u8, 0..80)) {
            let _ = Validity::of(&bytes);
            let _ = time(&mut &bytes[..]);
        }
    }
}
