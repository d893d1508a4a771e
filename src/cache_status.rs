//! Cache-Status (RFC 9211): what the cache did, in one place, for the field and for the log.
//!
//! `key` (§2.7) is not told: the key is a hash, which tells a client nothing, and what goes into
//! it (routes, credentials) is nobody's business. `fwd=miss` is not needed, since uri-miss and
//! vary-miss are always told apart here.

use std::{cell::RefCell, thread::LocalKey};

use http::{HeaderName, HeaderValue, StatusCode};

use crate::{
    policy::{Fwd, Meta, Now},
    reason::{Field, Miss, Missed, Reason, Refused},
};

/// How many values each thread remembers of a kind.
const REMEMBERED: usize = 256;

thread_local! {
    static HITS: Remembered = const { RefCell::new(Vec::new()) };
    static NUMBERS: Remembered = const { RefCell::new(Vec::new()) };
    /// What was told last of requests that went forward for each reason.
    static FORWARDED: RefCell<[Option<(Forwarded, HeaderValue)>; 8]> = const {
        RefCell::new([const { None }; 8])
    };
}

/// Values that were told on this thread, by the number in them: few are another than a moment ago.
type Remembered = RefCell<Vec<Option<(i64, HeaderValue)>>>;

/// The field's name.
pub const NAME: HeaderName = HeaderName::from_static("cache-status");

/// What became of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheStatus {
    /// Answered without going forward (§2.1).
    Hit {
        /// Whole seconds of freshness left; negative for a stale answer (§2.4).
        ttl: i64,
        /// Why, where there is more to say.
        detail: Option<Reason>,
    },
    /// Went forward (§2.2).
    Forwarded(Forwarded),
    /// Never came as far as the cache: refused, or not to be had without going forward.
    Refused(Refused),
}

/// Whether a request was joined with another client's (§2.6).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Collapsed {
    /// It went forward on its own from the first.
    #[default]
    No,
    /// It was answered by another client's fetch.
    Yes,
    /// It waited for another client's fetch, which brought nothing for it.
    InVain,
}

/// What became of a request that went forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forwarded {
    /// Why (§2.2).
    pub fwd: Fwd,
    /// The upstream's status (§2.3); told where it is not the answer's.
    pub fwd_status: Option<StatusCode>,
    /// The answer is stored, or will be if its body completes (§2.5).
    pub stored: bool,
    /// Whether it was joined with another client's (§2.6).
    pub collapsed: Collapsed,
    /// Whole seconds of freshness left of what is stored; negative where it is stale (§2.4).
    pub ttl: Option<i64>,
    /// Why nothing stored could answer, where that is why it went forward.
    pub missed: Option<Missed>,
    /// What there is to say besides (§2.8), before why nothing stored could answer.
    pub detail: Option<Reason>,
}

impl CacheStatus {
    /// Went forward, and no more is known.
    #[must_use]
    pub fn forwarded(fwd: Fwd) -> Forwarded {
        let collapsed = Collapsed::No;
        let (ttl, missed, detail) = (None, None, None);
        Forwarded { fwd, fwd_status: None, stored: false, collapsed, ttl, missed, detail }
    }

    /// Whether a stale response was sent.
    #[must_use]
    pub fn is_stale(&self) -> bool {
        matches!(self.reason(), Some(Reason::Stale(_)))
    }

    /// `hit`, `refused`, or the token of `fwd`.
    #[must_use]
    pub fn outcome(&self) -> &'static str {
        match self {
            CacheStatus::Hit { .. } => "hit",
            CacheStatus::Forwarded(forwarded) => forwarded.fwd.token(),
            CacheStatus::Refused(_) => "refused",
        }
    }

    /// Why; of two decisions the later one's reason: that an answer is not stored comes after that
    /// there was none.
    #[must_use]
    pub fn reason(&self) -> Option<Reason> {
        match self {
            CacheStatus::Hit { detail, .. } => *detail,
            CacheStatus::Forwarded(told) => {
                told.detail.or(told.missed.map(|missed| Reason::Missed(missed.why)))
            }
            CacheStatus::Refused(refused) => Some(Reason::Refused(*refused)),
        }
    }

    /// Why nothing stored could answer, where that is why it went forward.
    #[must_use]
    pub fn missed(&self) -> Option<Missed> {
        match self {
            CacheStatus::Forwarded(told) => told.missed,
            CacheStatus::Hit { .. } | CacheStatus::Refused(_) => None,
        }
    }

    /// The field to tell beside the reason.
    fn field(&self) -> Option<Field> {
        let of_variant = self.reason() == Some(Reason::Missed(Miss::Variant));
        self.missed().filter(|_| of_variant)?.field
    }

    /// How long its member is; exact for a plain hit, so that one allocation is enough for it.
    fn room(&self) -> usize {
        match self {
            CacheStatus::Hit { ttl, detail: None } => {
                "larder; hit; ttl=".len() + digits(*ttl, &mut [0; 20]).len()
            }
            CacheStatus::Hit { .. } | CacheStatus::Forwarded(_) | CacheStatus::Refused(_) => 64,
        }
    }

    /// The member that this cache adds to the field.
    #[must_use]
    pub fn value(&self, answer: StatusCode) -> HeaderValue {
        match self {
            CacheStatus::Hit { ttl, detail: None } => {
                remembered(&HITS, *ttl, || self.written(answer))
            }
            CacheStatus::Forwarded(told) if told.fwd_status.is_none_or(|it| it == answer) => {
                told.remembered(|| self.written(answer))
            }
            CacheStatus::Hit { .. } | CacheStatus::Forwarded(_) | CacheStatus::Refused(_) => {
                self.written(answer)
            }
        }
    }

    fn written(&self, answer: StatusCode) -> HeaderValue {
        let mut text = String::with_capacity(self.room());
        text.push_str("larder");
        match self {
            CacheStatus::Hit { ttl, .. } => {
                text.push_str("; hit");
                push_ttl(&mut text, *ttl);
            }
            CacheStatus::Forwarded(forwarded) => forwarded.write(&mut text, answer),
            CacheStatus::Refused(_) => {}
        }
        if let Some(reason) = self.reason() {
            text.push_str("; detail=");
            text.push_str(reason.token());
        }
        // A token of RFC 9651 §3.3.4 may have a colon, a field name has none.
        if let Some(field) = self.field() {
            text.push(':');
            text.push_str(field.as_str());
        }
        HeaderValue::from_maybe_shared(bytes::Bytes::from(text))
            .expect("tokens and numbers are a field value")
    }
}

impl Forwarded {
    /// The answer is stored, or will be if its body completes; how long it is fresh from `now` on.
    #[must_use]
    pub fn stored(self, meta: &Meta, now: Now) -> Forwarded {
        Forwarded { stored: true, ..self.fresh_for(meta, now) }
    }

    /// How long what is stored is fresh from `now` on.
    #[must_use]
    pub fn fresh_for(self, meta: &Meta, now: Now) -> Forwarded {
        Forwarded { ttl: Some(ttl(meta, now)), ..self }
    }

    /// The upstream's status, where it gave one.
    #[must_use]
    pub fn with_status(self, fwd_status: Option<StatusCode>) -> Forwarded {
        Forwarded { fwd_status, ..self }
    }

    /// Why nothing stored could answer, where `fwd` says so.
    #[must_use]
    pub fn missed(self, missed: Option<Missed>) -> Forwarded {
        let is_miss = match self.fwd {
            Fwd::UriMiss | Fwd::VaryMiss | Fwd::Partial => true,
            Fwd::Bypass | Fwd::Method | Fwd::Request | Fwd::Stale => false,
        };
        Forwarded { missed: missed.filter(|_| is_miss), ..self }
    }

    /// Why.
    #[must_use]
    pub fn detail(self, reason: Reason) -> Forwarded {
        Forwarded { detail: Some(reason), ..self }
    }

    /// The value where the upstream's status is the answer's: as this thread told it last, or made.
    fn remembered(self, make: impl Fn() -> HeaderValue) -> HeaderValue {
        let told = self.with_status(None);
        let known =
            FORWARDED.try_with(|last| match &mut last.borrow_mut()[told.fwd as usize % 8] {
                Some((known, value)) if *known == told => value.clone(),
                place => place.insert((told, make())).1.clone(),
            });
        // A thread that ends remembers nothing any more.
        known.unwrap_or_else(|_| make())
    }

    fn write(&self, text: &mut String, answer: StatusCode) {
        text.push_str("; fwd=");
        text.push_str(self.fwd.token());
        if let Some(status) = self.fwd_status.filter(|it| *it != answer) {
            text.push_str("; fwd-status=");
            text.push_str(status.as_str());
        }
        if self.stored {
            text.push_str("; stored");
        }
        match self.collapsed {
            Collapsed::No => {}
            Collapsed::Yes => text.push_str("; collapsed"),
            Collapsed::InVain => text.push_str("; collapsed=?0"),
        }
        if let Some(ttl) = self.ttl {
            push_ttl(text, ttl);
        }
    }
}

/// Whole seconds of freshness left, by what the cache goes by (§2.4).
#[must_use]
pub fn ttl(meta: &Meta, now: Now) -> i64 {
    meta.fresh_for(now).div_euclid(1000)
}

fn push_ttl(text: &mut String, ttl: i64) {
    text.push_str("; ttl=");
    push_number(text, ttl);
}

fn push_number(text: &mut String, number: i64) {
    let mut buffer = [0; 20];
    text.extend(digits(number, &mut buffer).iter().map(|digit| char::from(*digit)));
}

/// A number as a field's value.
#[must_use]
pub fn number(number: i64) -> HeaderValue {
    remembered(&NUMBERS, number, || {
        HeaderValue::from_bytes(digits(number, &mut [0; 20])).expect("digits are a field value")
    })
}

/// The value with a number in it: as this thread told it last, or made. Another thread's would be
/// a count of references that all cores fight for.
fn remembered(
    values: &'static LocalKey<Remembered>,
    number: i64,
    make: impl Fn() -> HeaderValue,
) -> HeaderValue {
    let known = values.try_with(|values| {
        let mut values = values.borrow_mut();
        if values.is_empty() {
            values.resize(REMEMBERED, None);
        }
        let at = number.unsigned_abs() as usize % REMEMBERED;
        match &values[at] {
            Some((known, value)) if *known == number => value.clone(),
            Some(_) | None => values[at].insert((number, make())).1.clone(),
        }
    });
    // A thread that ends remembers nothing any more.
    known.unwrap_or_else(|_| make())
}

/// Writes a number without the formatting machinery: this stands on the hit path.
pub(crate) fn digits(number: i64, buffer: &mut [u8; 20]) -> &[u8] {
    let mut rest = number.unsigned_abs();
    let mut start = buffer.len();
    loop {
        start -= 1;
        buffer[start] = b"0123456789"[usize::try_from(rest % 10).unwrap_or_default()];
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    // The longest has 19 digits.
    if number < 0 {
        start -= 1;
        buffer[start] = b'-';
    }
    &buffer[start..]
}

#[cfg(test)]
mod tests {
    use http::HeaderName;

    use super::*;
    use crate::{
        policy::Unstorable,
        reason::{Bypass, Ended, Stale},
        target::Refusal,
    };

    #[test]
    fn what_was_told_before_is_told_of_nothing_else() {
        let miss = CacheStatus::forwarded(Fwd::UriMiss);
        let in_vain = Forwarded { collapsed: Collapsed::InVain, ..miss };
        let answered = miss.with_status(Some(StatusCode::NOT_FOUND));
        let told = |told, answer| CacheStatus::Forwarded(told).value(answer);
        for _ in 0..2 {
            assert_eq!(told(miss, StatusCode::OK), "larder; fwd=uri-miss");
            assert_eq!(told(in_vain, StatusCode::OK), "larder; fwd=uri-miss; collapsed=?0");
            assert_eq!(told(answered, StatusCode::NOT_FOUND), "larder; fwd=uri-miss");
            assert_eq!(told(answered, StatusCode::OK), "larder; fwd=uri-miss; fwd-status=404");
        }
    }

    #[test]
    fn the_field_is_as_rfc_9211_says() {
        let miss = CacheStatus::forwarded(Fwd::UriMiss);
        let not_stored = Reason::NotStored(Unstorable::NoStore);
        let cases = [
            (CacheStatus::Hit { ttl: 29, detail: None }, "larder; hit; ttl=29"),
            (
                CacheStatus::Hit { ttl: -5, detail: Some(Reason::Stale(Stale::WhileRevalidate)) },
                "larder; hit; ttl=-5; detail=stale-while-revalidate",
            ),
            (
                CacheStatus::Forwarded(Forwarded { stored: true, ..miss }),
                "larder; fwd=uri-miss; stored",
            ),
            (
                CacheStatus::Forwarded(Forwarded {
                    stored: true,
                    collapsed: Collapsed::Yes,
                    ttl: Some(60),
                    ..miss
                }),
                "larder; fwd=uri-miss; stored; collapsed; ttl=60",
            ),
            (
                CacheStatus::Forwarded(Forwarded { collapsed: Collapsed::InVain, ..miss }),
                "larder; fwd=uri-miss; collapsed=?0",
            ),
            (
                CacheStatus::Forwarded(Forwarded {
                    detail: Some(Reason::Bypassed(Bypass::Off)),
                    ..CacheStatus::forwarded(Fwd::Bypass)
                }),
                "larder; fwd=bypass; detail=cache-off",
            ),
            (
                CacheStatus::Forwarded(Forwarded { detail: Some(not_stored), ..miss }),
                "larder; fwd=uri-miss; detail=no-store",
            ),
            (
                CacheStatus::Forwarded(Forwarded {
                    fwd: Fwd::Stale,
                    fwd_status: Some(StatusCode::NOT_MODIFIED),
                    stored: true,
                    ..miss
                }),
                "larder; fwd=stale; fwd-status=304; stored",
            ),
            (
                CacheStatus::Forwarded(Forwarded { fwd_status: Some(StatusCode::OK), ..miss }),
                "larder; fwd=uri-miss",
            ),
            (
                CacheStatus::Refused(Refused::Refusal(Refusal::DotSegment)),
                "larder; detail=dot-segment",
            ),
        ];
        for (status, expected) in cases {
            assert_eq!(status.value(StatusCode::OK), expected);
        }
    }

    #[test]
    fn the_reason_is_the_last_there_is() {
        let variant = Some(Missed {
            why: Miss::Variant,
            field: Field::of(&HeaderName::from_static("accept-language")),
        });
        let other = CacheStatus::forwarded(Fwd::VaryMiss).missed(variant);
        let not_stored = Reason::NotStored(Unstorable::NoStore);
        let cases = [
            (
                CacheStatus::Forwarded(other),
                "larder; fwd=vary-miss; detail=variant:accept-language",
            ),
            (
                CacheStatus::Forwarded(other.detail(not_stored)),
                "larder; fwd=vary-miss; detail=no-store",
            ),
            (
                CacheStatus::Forwarded(CacheStatus::forwarded(Fwd::Request).missed(variant)),
                "larder; fwd=request",
            ),
            (
                CacheStatus::Refused(Refused::Ended(Ended::OnlyIfCached)),
                "larder; detail=only-if-cached",
            ),
        ];
        for (status, expected) in cases {
            assert_eq!(status.value(StatusCode::OK), expected);
        }
    }

    #[test]
    fn numbers_are_written_as_they_are() {
        for number in [0, 7, 10, -1, 1_234_567_890, i64::MAX, i64::MIN] {
            let mut text = String::new();
            push_number(&mut text, number);
            assert_eq!(text, number.to_string());
            assert_eq!(super::number(number), text);
        }
    }
}
