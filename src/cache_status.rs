//! Cache-Status (RFC 9211): what the cache did, in one place, for the field and for the log.
//!
//! `key` (§2.7) is not told: the key is a hash, which tells a client nothing, and what goes into
//! it (routes, credentials) is nobody's business. `fwd=miss` is not needed, since uri-miss and
//! vary-miss are always told apart here.

use http::{HeaderName, HeaderValue, StatusCode};

use crate::{
    policy::{Fwd, Meta, Now, Unstorable},
    target::Refusal,
};

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
        detail: Option<Detail>,
    },
    /// Went forward (§2.2).
    Forwarded(Forwarded),
    /// Never came as far as the cache: refused, or not to be had without going forward.
    Refused(Refused),
}

/// Why a request was answered here, without the cache's part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It was not let in.
    Refusal(Refusal),
    /// `only-if-cached`, and nothing to send (RFC 9111 §5.2.1.7).
    OnlyIfCached,
    /// Its precondition is known to fail (RFC 9110 §13.2.2).
    Precondition,
    /// An OPTIONS that must not go further (RFC 9110 §7.6.2).
    MaxForwards,
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

/// Which rule lets the cache have no part in a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bypass {
    /// `cache.mode` is off.
    Off,
    /// It asks for another protocol.
    Upgrade,
    /// It has content, whose meaning a cache cannot know.
    Content,
    /// It carries Authorization, and the operator keeps those out.
    Authorization,
    /// It is one that `bypass_when` names.
    When,
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
    /// Why, where there is more to say (§2.8).
    pub detail: Option<Detail>,
}

/// A reason that has a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// Stale, and being refreshed (RFC 5861 §3).
    StaleWhileRevalidate,
    /// Stale, as the origin failed or was too slow (RFC 5861 §4).
    StaleIfError,
    /// Not stored, and why.
    NotStored(Unstorable),
    /// The cache has no part in it, and why.
    Bypassed(Bypass),
    /// Answered here, and why.
    Refused(Refused),
    /// The upstream gave no answer, and why.
    Failed(&'static str),
}

impl Detail {
    /// Its token, here as in the log.
    #[must_use]
    pub fn token(self) -> &'static str {
        match self {
            Detail::StaleWhileRevalidate => "stale-while-revalidate",
            Detail::StaleIfError => "stale-if-error",
            Detail::NotStored(reason) => reason.token(),
            Detail::Bypassed(rule) => rule.token(),
            Detail::Refused(reason) => reason.token(),
            Detail::Failed(token) => token,
        }
    }
}

impl Bypass {
    fn token(self) -> &'static str {
        match self {
            Bypass::Off => "cache-off",
            Bypass::Upgrade => "upgrade",
            Bypass::Content => "content",
            Bypass::Authorization => "authorization-bypass",
            Bypass::When => "bypass-when",
        }
    }
}

impl Refused {
    fn token(self) -> &'static str {
        match self {
            Refused::Refusal(refusal) => refusal.token(),
            Refused::OnlyIfCached => "only-if-cached",
            Refused::Precondition => "precondition",
            Refused::MaxForwards => "max-forwards",
        }
    }
}

impl CacheStatus {
    /// Went forward, and no more is known.
    #[must_use]
    pub fn forwarded(fwd: Fwd) -> Forwarded {
        let collapsed = Collapsed::No;
        Forwarded { fwd, fwd_status: None, stored: false, collapsed, ttl: None, detail: None }
    }

    /// Whether a stale response was sent.
    #[must_use]
    pub fn is_stale(&self) -> bool {
        let detail = match self {
            CacheStatus::Hit { detail, .. } => *detail,
            CacheStatus::Forwarded(forwarded) => forwarded.detail,
            CacheStatus::Refused(_) => None,
        };
        matches!(detail, Some(Detail::StaleWhileRevalidate | Detail::StaleIfError))
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

    /// The reason's token, or nothing.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        let detail = match self {
            CacheStatus::Hit { detail, .. } => *detail,
            CacheStatus::Forwarded(forwarded) => forwarded.detail,
            CacheStatus::Refused(reason) => Some(Detail::Refused(*reason)),
        };
        detail.map_or("", Detail::token)
    }

    /// The member that this cache adds to the field.
    #[must_use]
    pub fn value(&self, answer: StatusCode) -> HeaderValue {
        let mut text = String::with_capacity(64);
        text.push_str("larder");
        match self {
            CacheStatus::Hit { ttl, .. } => {
                text.push_str("; hit");
                push_ttl(&mut text, *ttl);
            }
            CacheStatus::Forwarded(forwarded) => forwarded.write(&mut text, answer),
            CacheStatus::Refused(_) => {}
        }
        if !self.reason().is_empty() {
            text.push_str("; detail=");
            text.push_str(self.reason());
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

    /// Why.
    #[must_use]
    pub fn detail(self, detail: Detail) -> Forwarded {
        Forwarded { detail: Some(detail), ..self }
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

/// Writes a number without the formatting machinery: this stands on the hit path.
fn push_number(text: &mut String, number: i64) {
    let mut digits = [0; 20];
    let mut rest = number.unsigned_abs();
    let mut start = digits.len();
    loop {
        start -= 1;
        digits[start] = b"0123456789"[usize::try_from(rest % 10).unwrap_or_default()];
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if number < 0 {
        text.push('-');
    }
    text.extend(digits[start..].iter().map(|digit| char::from(*digit)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_field_is_as_rfc_9211_says() {
        let miss = CacheStatus::forwarded(Fwd::UriMiss);
        let not_stored = Detail::NotStored(Unstorable::NoStore);
        let cases = [
            (CacheStatus::Hit { ttl: 29, detail: None }, "larder; hit; ttl=29"),
            (
                CacheStatus::Hit { ttl: -5, detail: Some(Detail::StaleWhileRevalidate) },
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
                    detail: Some(Detail::Bypassed(Bypass::Off)),
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
            (CacheStatus::Refused(Refused::OnlyIfCached), "larder; detail=only-if-cached"),
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
        }
    }
}
