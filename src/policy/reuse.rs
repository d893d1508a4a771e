//! Whether a stored response may be used for a request (RFC 9111 §4).

use super::{
    Asked, Meta, Now, Rules,
    asked::Method,
    rules::{Authorization, RequestCacheControl},
};

/// Milliseconds between two validations that clients demand of one stored response: a crowd that
/// reloads must not reach the API.
const BETWEEN_DEMANDED_VALIDATIONS: i64 = 1000;

/// Why a request goes to the origin, in the words of RFC 9211 §2.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fwd {
    /// The cache has no part in it.
    Bypass,
    /// The method is one that is always forwarded.
    Method,
    /// Nothing is stored for the target URI.
    UriMiss,
    /// Something is stored for the target URI, but not for this request's selecting fields.
    VaryMiss,
    /// What is stored would do, but the request's own words forbid its use.
    Request,
    /// What is stored is stale.
    Stale,
    /// A part of what is asked for is stored, but not all of it.
    Partial,
}

impl Fwd {
    /// Whether the cache has a part in such a request, or could have had.
    #[must_use]
    pub fn takes_part(self) -> bool {
        match self {
            Fwd::Bypass | Fwd::Method => false,
            Fwd::UriMiss | Fwd::VaryMiss | Fwd::Request | Fwd::Stale | Fwd::Partial => true,
        }
    }

    /// The token of RFC 9211 §2.2.
    #[must_use]
    pub fn token(self) -> &'static str {
        match self {
            Fwd::Bypass => "bypass",
            Fwd::Method => "method",
            Fwd::UriMiss => "uri-miss",
            Fwd::VaryMiss => "vary-miss",
            Fwd::Request => "request",
            Fwd::Stale => "stale",
            Fwd::Partial => "partial",
        }
    }
}

/// What to do with a request. `S` is whatever handle the caller has on the stored response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision<S> {
    /// Fresh: send it.
    Serve(S),
    /// Stale, and may be sent while it is refreshed in the background (RFC 5861 §3).
    ServeStale(S),
    /// Ask the origin whether it is still good (§4.3).
    Validate(S, Fwd),
    /// Fetch it; the answer may be stored and shared.
    Fetch(Fwd),
    /// Relay the request; the cache has no part in the answer.
    Pass(Fwd),
    /// `only-if-cached`, and there is nothing to send: 504 (§5.2.1.7).
    Unsatisfiable,
}

/// Decides what to do with a request. `stored` is the stored response that its key and its
/// selecting fields found; `Err` says which kind of miss it is.
pub fn decide<S: AsRef<Meta>>(
    asked: &Asked,
    rules: &Rules,
    stored: Result<S, Fwd>,
    now: Now,
) -> Decision<S> {
    if let Method::Safe | Method::Unsafe = asked.method {
        return Decision::Pass(Fwd::Method);
    }
    let decision = match (forwarded_anyway(asked, rules), stored) {
        (Some(fwd), _) => Decision::Pass(fwd),
        (None, Ok(stored)) => reuse(asked, rules, stored, now),
        (None, Err(fwd)) => miss(asked, fwd),
    };
    match asked {
        _ if asked.directives.only_if_cached => unforwarded(decision),
        _ if asked.no_store => unstored(decision),
        _ => decision,
    }
}

/// Whether a follower that has waited for another client's fetch may have what it brought
/// (§4): it is fresh for this request's own directives, or was received after it asked.
///
/// What is not fresh when it comes was meant to be validated for each request: it is shared only
/// between requests that carry neither Authorization nor Cookie.
#[must_use]
pub fn satisfies(asked: &Asked, rules: &Rules, arrived: Now, meta: &Meta, now: Now) -> bool {
    if let Decision::Serve(_) = reuse(asked, rules, meta, now) {
        return true;
    }
    if meta.received < arrived.mono || withheld(asked, rules, meta) || foreign(rules, meta) {
        return false;
    }
    if !meta.no_cache && meta.fresh_for(now) > 0 {
        return meta.shared || !authorized(asked, rules);
    }
    let isolated = rules.authorization == Authorization::Isolate;
    let by_cookie = asked.cookie || meta.cookie;
    let by_credential = !isolated && (asked.authorization || meta.authorized);
    !by_cookie && !by_credential
}

/// Requests that nothing stored could answer.
fn forwarded_anyway(asked: &Asked, rules: &Rules) -> Option<Fwd> {
    let bypassed = asked.authorization && rules.authorization == Authorization::Bypass;
    match asked {
        _ if asked.content || asked.bypass.is_some() || bypassed => Some(Fwd::Bypass),
        _ if asked.directives.no_store || asked.precondition => Some(Fwd::Request),
        _ => None,
    }
}

fn miss<S>(asked: &Asked, fwd: Fwd) -> Decision<S> {
    if asked.range || asked.method == Method::Head {
        // What comes back is no whole GET response, so nothing of it could be stored.
        return Decision::Pass(fwd);
    }
    Decision::Fetch(fwd)
}

fn reuse<S: AsRef<Meta>>(asked: &Asked, rules: &Rules, stored: S, now: Now) -> Decision<S> {
    let meta = stored.as_ref();
    if withheld(asked, rules, meta) {
        return Decision::Pass(Fwd::Request);
    }
    if foreign(rules, meta) {
        return miss(asked, Fwd::Request);
    }
    let refused = refused(asked, rules, meta, now);
    let stale = meta.no_cache || meta.fresh_for(now) <= 0;
    match (stale, refused) {
        (false, false) => Decision::Serve(stored),
        (false, true) => Decision::Validate(stored, Fwd::Request),
        (true, true) => Decision::Validate(stored, Fwd::Stale),
        (true, false) => reuse_stale(asked, rules, stored, now),
    }
}

/// §4.2.4: only where the origin, the client or the operator permits it, and the origin does not
/// forbid it.
fn reuse_stale<S: AsRef<Meta>>(asked: &Asked, rules: &Rules, stored: S, now: Now) -> Decision<S> {
    let meta = stored.as_ref();
    if meta.no_cache || meta.must_revalidate {
        return Decision::Validate(stored, Fwd::Stale);
    }
    let max_stale = match rules.request_cache_control {
        RequestCacheControl::Honor => asked.directives.max_stale.unwrap_or(0),
        RequestCacheControl::Ignore => 0,
    };
    if meta.is_stale_within(max_stale, now) {
        return Decision::Serve(stored);
    }
    if meta.is_stale_within(meta.stale_while_revalidate, now) {
        return Decision::ServeStale(stored);
    }
    Decision::Validate(stored, Fwd::Stale)
}

/// `only-if-cached` (§5.2.1.7): what would need the origin is not to be had. A stale response that
/// may be sent is sent, without a refresh behind it.
fn unforwarded<S>(decision: Decision<S>) -> Decision<S> {
    match decision {
        Decision::Serve(stored) | Decision::ServeStale(stored) => Decision::Serve(stored),
        Decision::Validate(..)
        | Decision::Fetch(_)
        | Decision::Pass(_)
        | Decision::Unsatisfiable => Decision::Unsatisfiable,
    }
}

/// What the operator forbids to store may be answered by what is stored, and else is this client's
/// alone: nothing stored is replaced, freshened or refreshed by it.
fn unstored<S>(decision: Decision<S>) -> Decision<S> {
    match decision {
        Decision::ServeStale(_) => Decision::Pass(Fwd::Stale),
        Decision::Validate(_, fwd) | Decision::Fetch(fwd) => Decision::Pass(fwd),
        Decision::Serve(_) | Decision::Pass(_) | Decision::Unsatisfiable => decision,
    }
}

/// Freshness that is ours is not for those whose answer may be their own.
fn withheld(asked: &Asked, rules: &Rules, meta: &Meta) -> bool {
    meta.ours && (asked.cookie || authorized(asked, rules))
}

/// It belongs to a credential that is no longer part of the key.
fn foreign(rules: &Rules, meta: &Meta) -> bool {
    meta.authorized && !meta.shared && rules.authorization != Authorization::Isolate
}

/// It carries a credential that is not part of the key.
fn authorized(asked: &Asked, rules: &Rules) -> bool {
    asked.authorization && rules.authorization != Authorization::Isolate
}

/// Whether the client's own directives forbid to use what is stored as it is (§5.2.1).
fn refused(asked: &Asked, rules: &Rules, meta: &Meta, now: Now) -> bool {
    if rules.request_cache_control == RequestCacheControl::Ignore {
        return false;
    }
    let directives = asked.directives;
    let fresh_for = meta.fresh_for(now);
    let too_old = directives.max_age.is_some_and(|age| meta.age(now) > millis(age));
    let too_brief = directives.min_fresh.is_some_and(|fresh| fresh_for < millis(fresh));
    let stale = directives.max_age.is_some() && directives.max_stale.is_none() && fresh_for <= 0;
    let just_validated = now.mono.since(meta.received) < BETWEEN_DEMANDED_VALIDATIONS;
    stale || (!just_validated && (directives.no_cache || too_old || too_brief))
}

fn millis(seconds: u32) -> i64 {
    i64::from(seconds) * 1000
}

#[cfg(test)]
mod tests;
