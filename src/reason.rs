//! Why a request was answered as it was: one enum for Cache-Status, log and metric.
//!
//! Each reason has one token, and each token one reason; `docs/reasons.md` lists them all, and a
//! test compares. The tokens are few, so they can label a metric; what is not bounded (the name of
//! a [`Field`]) stands beside them, in Cache-Status and log alone.

use std::sync::OnceLock;

use crate::{
    policy::{Unstorable, cookies::KEY_COOKIES},
    target::Refusal,
};

/// Why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Nothing stored could answer, and why.
    Missed(Miss),
    /// It was found elsewhere than in this node's memory.
    Found(Tier),
    /// A stale answer was sent, and why.
    Stale(Stale),
    /// The answer is not stored, and why.
    NotStored(Unstorable),
    /// The cache has no part in it, by which rule.
    Bypassed(Bypass),
    /// Answered here, without cache and upstream, and why.
    Refused(Refused),
    /// The upstream gave no answer, and why.
    Failed(Failed),
    /// It is sent whole although less was asked for, and why.
    Unshaped(Unshaped),
}

tokens! {
    /// Why nothing stored could answer, as far as the store remembers.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Miss {
        /// It was never here, or nobody remembers.
        Cold => "cold",
        /// It was here, and past all use.
        Expired => "expired",
        /// It was here, and has been invalidated (RFC 9111 §4.4; RFC 9875).
        Invalidated => "invalidated",
        /// It was here, and was purged.
        Purged => "purged",
        /// It was here, and left for lack of room.
        Evicted => "evicted",
        /// Other variants are here (RFC 9111 §4.1).
        Variant => "variant",
        /// A part is here, which does not hold what is asked for.
        Part => "part-only",
    }
}

tokens! {
    /// Where a stored answer was found, besides this node's memory.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Tier {
        /// In the Redis that nodes share; it is in memory from then on.
        L2 => "l2",
    }
}

tokens! {
    /// Why a stale answer was sent.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Stale {
        /// It is being refreshed (RFC 5861 §3).
        WhileRevalidate => "stale-while-revalidate",
        /// The origin failed or was too slow (RFC 5861 §4).
        IfError => "stale-if-error",
    }
}

tokens! {
    /// Which rule lets the cache have no part in a request.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Bypass {
        /// `cache.mode` is off.
        Off => "cache-off",
        /// `cache.mode` is shadow.
        Shadow => "shadow",
        /// It asks for another protocol.
        Upgrade => "upgrade",
        /// It has content, whose meaning a cache cannot know.
        Content => "content",
        /// It carries Authorization, and the operator keeps those out.
        Authorization => "authorization-bypass",
        /// It is one that `bypass_when` names.
        When => "bypass-when",
        /// It has a field with an underscore in its name, which the origin may take for another.
        Underscore => "underscore",
    }
}

/// Why a request was answered here, without the cache's part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It was not let in.
    Refusal(Refusal),
    /// Let in, and ended here.
    Ended(Ended),
}

tokens! {
    /// Why a request that was let in ended here.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Ended {
        /// `only-if-cached`, and nothing to send (RFC 9111 §5.2.1.7).
        OnlyIfCached => "only-if-cached",
        /// Its precondition is known to fail (RFC 9110 §13.2.2).
        Precondition => "precondition-failed",
        /// An OPTIONS that must not go further (RFC 9110 §7.6.2).
        MaxForwards => "max-forwards",
        /// It came in the clear, to a listener that sends all to https.
        Redirect => "https-redirect",
        /// It was a batch, whose items have each a status of their own.
        Batch => "batch",
        /// It is a batch that makes no sense.
        BadBatch => "bad-batch",
        /// It purged.
        Purge => "purge",
        /// Its route does not take the method.
        Method => "method-refused",
        /// Its route does not take so long a body.
        TooLarge => "body-too-large",
        /// Its route does not take the media type.
        MediaType => "media-type",
        /// Its client asks too often.
        Throttled => "throttled",
        /// Too many wait for their turn already.
        QueueFull => "queue-full",
        /// It asks for fields, a page or a filter in a way that makes no sense.
        BadShape => "bad-shape",
    }
}

tokens! {
    /// Why what a request asks to be cut is not.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Unshaped {
        /// Its status is not 200.
        Status => "not-ok",
        /// It is not JSON, or does not say that it is.
        NotJson => "not-json",
        /// It is nested more than 128 levels deep.
        TooDeep => "too-deep",
        /// It is longer than is cut.
        TooLarge => "too-large-to-shape",
        /// It is packed in a way that cannot be undone here.
        Coding => "unknown-coding",
        /// The origin forbids to change it (RFC 9110 §7.7).
        NoTransform => "no-transform",
        /// There is no array where one is to be.
        NoArray => "no-array",
        /// Too much else is being cut.
        Busy => "shape-busy",
    }
}

tokens! {
    /// Why an upstream gave no answer.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Failed {
        /// All its places are taken.
        Busy => "upstream-busy",
        /// It has told us to stay away.
        Paused => "upstream-paused",
        /// Nobody accepts there.
        Connect => "connect-failed",
        /// No connection in time.
        ConnectTimeout => "connect-timeout",
        /// No response head in time.
        FirstByteTimeout => "first-byte-timeout",
        /// What came was no HTTP, or is framed in a way that cannot be trusted.
        BadResponse => "bad-response",
        /// The client's upload paused for too long.
        RequestBodyTimeout => "request-body-timeout",
        /// The client's upload broke off.
        RequestBodyBroken => "request-body-broken",
        /// The client's upload is longer than its route takes.
        RequestBodyTooLarge => "request-body-too-large",
        /// The fetch that it waited for ended without an answer.
        FetchLost => "fetch-lost",
        /// A body is not packed as it says, or unpacks to more than is allowed.
        BadEncoding => "bad-encoding",
    }
}

/// Why nothing stored could answer, and what made the difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Missed {
    /// Why.
    pub why: Miss,
    /// Of other variants: the first field in which the nearest differs.
    pub field: Option<Field>,
}

impl Reason {
    /// Every reason.
    pub fn all() -> impl Iterator<Item = Reason> {
        let missed = Miss::ALL.iter().copied().map(Reason::Missed);
        let stale = Stale::ALL.iter().copied().map(Reason::Stale);
        let not_stored = Unstorable::ALL.iter().copied().map(Reason::NotStored);
        let bypassed = Bypass::ALL.iter().copied().map(Reason::Bypassed);
        let refusals = Refusal::ALL.iter().copied().map(Refused::Refusal);
        let ended = Ended::ALL.iter().copied().map(Refused::Ended);
        let refused = refusals.chain(ended).map(Reason::Refused);
        let failed = Failed::ALL.iter().copied().map(Reason::Failed);
        let found = Tier::ALL.iter().copied().map(Reason::Found);
        let unshaped = Unshaped::ALL.iter().copied().map(Reason::Unshaped);
        missed
            .chain(found)
            .chain(stale)
            .chain(not_stored)
            .chain(bypassed)
            .chain(refused)
            .chain(failed)
            .chain(unshaped)
    }

    /// Its place in [`Reason::all`].
    #[must_use]
    pub const fn index(self) -> usize {
        const FOUND: usize = Miss::ALL.len();
        const STALE: usize = FOUND + Tier::ALL.len();
        const NOT_STORED: usize = STALE + Stale::ALL.len();
        const BYPASSED: usize = NOT_STORED + Unstorable::ALL.len();
        const REFUSED: usize = BYPASSED + Bypass::ALL.len();
        const ENDED: usize = REFUSED + Refusal::ALL.len();
        const FAILED: usize = ENDED + Ended::ALL.len();
        const UNSHAPED: usize = FAILED + Failed::ALL.len();
        match self {
            Reason::Missed(miss) => miss.index(),
            Reason::Found(tier) => FOUND + tier.index(),
            Reason::Stale(stale) => STALE + stale.index(),
            Reason::NotStored(reason) => NOT_STORED + reason.index(),
            Reason::Bypassed(rule) => BYPASSED + rule.index(),
            Reason::Refused(Refused::Refusal(refusal)) => REFUSED + refusal.index(),
            Reason::Refused(Refused::Ended(ended)) => ENDED + ended.index(),
            Reason::Failed(failed) => FAILED + failed.index(),
            Reason::Unshaped(unshaped) => UNSHAPED + unshaped.index(),
        }
    }

    /// Its token, in Cache-Status as in log and metric.
    #[must_use]
    pub fn token(self) -> &'static str {
        match self {
            Reason::Missed(miss) => miss.token(),
            Reason::Found(tier) => tier.token(),
            Reason::Stale(stale) => stale.token(),
            Reason::NotStored(reason) => reason.token(),
            Reason::Bypassed(rule) => rule.token(),
            Reason::Refused(Refused::Refusal(refusal)) => refusal.token(),
            Reason::Refused(Refused::Ended(ended)) => ended.token(),
            Reason::Failed(failed) => failed.token(),
            Reason::Unshaped(unshaped) => unshaped.token(),
        }
    }

    /// What kind of reason it is: one of eight words.
    #[must_use]
    pub fn class(self) -> &'static str {
        match self {
            Reason::Missed(_) => "miss",
            Reason::Found(_) => "found",
            Reason::Stale(_) => "stale",
            Reason::NotStored(_) => "not-stored",
            Reason::Bypassed(_) => "bypass",
            Reason::Refused(_) => "refused",
            Reason::Failed(_) => "failed",
            Reason::Unshaped(_) => "unshaped",
        }
    }
}

/// The longest field name that is told, in bytes; every registered one is shorter.
const MAX_FIELD: usize = 47;

/// The names that can be told: the first that were. An API whose Vary names others again and again
/// has none told at last, and takes no more memory.
static FIELDS: [OnceLock<Box<str>>; 256] = [const { OnceLock::new() }; 256];

/// The name of the field that made the difference, in lower case: where it stands among those that
/// were told. So what carries it stays small.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Field(u8);

impl Field {
    /// `None` for a name that is longer than is told, and where too many others were told before.
    /// The field that holds the cookies of a key is called what the client knows it as.
    #[must_use]
    pub fn of(name: &http::HeaderName) -> Option<Field> {
        let name = if *name == KEY_COOKIES { &http::header::COOKIE } else { name };
        if name.as_str().len() > MAX_FIELD {
            return None;
        }
        let is_its = |known: &OnceLock<Box<str>>| {
            **known.get_or_init(|| name.as_str().into()) == *name.as_str()
        };
        let at = FIELDS.iter().position(is_its)?;
        u8::try_from(at).ok().map(Field)
    }

    /// As it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        FIELDS[usize::from(self.0)].get().map_or("", |name| name)
    }
}

impl std::fmt::Debug for Field {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.as_str().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use http::HeaderName;

    use super::*;

    #[test]
    fn a_token_means_one_thing_and_is_one_of_rfc_9651() {
        let mut seen = BTreeSet::new();
        for reason in Reason::all() {
            let token = reason.token();
            assert!(seen.insert(token), "{token} has two meanings");
            assert!(token.starts_with(|it: char| it.is_ascii_lowercase()), "§3.3.4: {token}");
            let plain =
                |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
            assert!(token.bytes().all(plain), "as plain as a metric's label: {token}");
        }
    }

    #[test]
    fn the_documented_reasons_are_those_there_are() {
        let document = include_str!("../docs/reasons.md");
        let rows = document.lines().filter_map(|line| line.strip_prefix("| `"));
        let documented: BTreeSet<(String, String)> = rows
            .filter_map(|row| {
                let mut cells = row.split('|').map(|cell| cell.trim().trim_matches('`').to_owned());
                Some((cells.next()?, cells.next()?))
            })
            .collect();
        let known: BTreeSet<(String, String)> = Reason::all()
            .map(|reason| (reason.token().to_owned(), reason.class().to_owned()))
            .collect();
        assert_eq!(documented, known, "docs/reasons.md (left) and the code (right)");
    }

    #[test]
    fn a_field_is_told_by_its_name_unless_that_is_absurdly_long() {
        let field = |name: &str| Field::of(&HeaderName::from_bytes(name.as_bytes()).unwrap());
        for name in ["a", "accept-language", &"x".repeat(MAX_FIELD)] {
            assert_eq!(field(name).unwrap().as_str(), name);
        }
        assert_eq!(field(&"x".repeat(MAX_FIELD + 1)), None);
        assert_eq!(field(&"x".repeat(400)), None);
    }
}
