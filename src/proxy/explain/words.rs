//! An explanation's sentences: why, from the table that operators read, and what to do next.

use std::time::{Duration, UNIX_EPOCH};

use crate::{
    cache_status::CacheStatus,
    policy::{Fwd, Wall},
    reason::{Bypass, Ended, Failed, Miss, Reason, Refused, Stale},
};

/// Every reason, with a sentence; a test holds it to the code.
const REASONS: &str = include_str!("../../../docs/reasons.md");

/// Why, in a sentence.
pub(super) fn why(told: &CacheStatus, reason: Option<Reason>) -> String {
    if let Some(reason) = reason {
        return sentence(reason.token()).to_owned();
    }
    match told {
        CacheStatus::Hit { .. } => "it is stored, and fresh".to_owned(),
        CacheStatus::Refused(_) => "it is answered here".to_owned(),
        CacheStatus::Forwarded(told) => match told.fwd {
            Fwd::Method => "its method is always forwarded",
            Fwd::Request => "the client's own words forbid the use of what is stored",
            Fwd::Stale => {
                "what is stored is past its time: the API is asked whether it is still good"
            }
            Fwd::Bypass | Fwd::UriMiss | Fwd::VaryMiss | Fwd::Partial => "nothing stored is for it",
        }
        .to_owned(),
    }
}

/// What the table says of a token.
fn sentence(token: &str) -> &'static str {
    let row = |line: &'static str| {
        let rest = line.strip_prefix("| `")?.strip_prefix(token)?.strip_prefix("` | ")?;
        rest.split_once(" | ").map(|(_, said)| said.trim_end_matches(" |"))
    };
    REASONS.lines().find_map(row).unwrap_or_default()
}

/// What an operator may do about it; empty where there is nothing to be done.
pub(super) fn next(told: &CacheStatus, reason: Option<Reason>) -> &'static str {
    match reason {
        Some(Reason::Missed(miss)) => after_a_miss(miss),
        Some(Reason::NotStored(reason)) => unstored(reason.token()),
        Some(Reason::Bypassed(rule)) => bypassed(rule),
        Some(Reason::Refused(refused)) => refusal(refused),
        Some(Reason::Failed(failed)) => failure(failed),
        Some(
            Reason::Stale(Stale::IfError | Stale::WhileRevalidate)
            | Reason::Found(_)
            | Reason::Unshaped(_),
        ) => "",
        None => match told {
            CacheStatus::Forwarded(told) if told.fwd == Fwd::Stale => {
                "a longer max-age, or ttl, makes this rarer; stale_while_revalidate hides it"
            }
            CacheStatus::Forwarded(told) if told.fwd == Fwd::Request => {
                "request_cache_control = \"ignore\" leaves the choice to the API"
            }
            _ => "",
        },
    }
}

fn after_a_miss(miss: Miss) -> &'static str {
    match miss {
        Miss::Cold => "ask for it once, then explain again",
        Miss::Expired => {
            "a longer max-age, or ttl, keeps it; so does a validator (ETag), by `keep`"
        }
        Miss::Invalidated => "it comes back with the next GET",
        Miss::Purged => {
            "it comes back with the next GET; a soft purge (--soft) keeps it to be validated"
        }
        Miss::Evicted => "raise cache.memory.max_size, or store less",
        Miss::Variant => "let the API name fewer fields in Vary, or normalise the one that differs",
        Miss::Part => "ask for the whole once",
    }
}

fn unstored(token: &str) -> &'static str {
    match token {
        "no-freshness" => "let the API send Cache-Control: max-age, or set ttl for the route",
        "no-store" | "private" => "the API forbids it: change it there, if others may have it",
        "authorization" => {
            "let the API say public or s-maxage, or set authorization = \"isolate\" for the route"
        }
        "cookie" => "set cookies = \"ignore\" where the answer does not depend on them",
        "set-cookie" => "let the API say public, or set set_cookie = \"strip\" for the route",
        "vary-star" | "vary-too-long" => "let the API name in Vary what its answer depends on",
        "connection" => {
            "let the API not name in Connection what is meant for all (RFC 9110 §7.6.1)"
        }
        "too-large" => "raise max_object_size",
        "no-room" => "raise cache.memory.max_in_flight",
        "method" => "ask for it by GET",
        "no-store-when" => "remove the condition from no_store_when",
        "status" => "status_ttl and ttl are for others: this one cannot be stored",
        _ => "",
    }
}

fn bypassed(rule: Bypass) -> &'static str {
    match rule {
        Bypass::Off => "set cache.mode = \"on\" for the route",
        Bypass::Shadow => "larder explain --route says what has been measured so far",
        Bypass::Authorization => "set authorization = \"rfc\" or \"isolate\" for the route",
        Bypass::When => "remove the condition from bypass_when",
        Bypass::Underscore => {
            "let clients write - for _, or name the field in key.headers where the answer depends on it"
        }
        Bypass::Upgrade | Bypass::Content => "",
    }
}

fn refusal(refused: Refused) -> &'static str {
    match refused {
        Refused::Refusal(crate::target::Refusal::NoRoute) => {
            "write a route for it, or an upstream at the top of the file"
        }
        Refused::Ended(Ended::OnlyIfCached) => "ask without only-if-cached",
        Refused::Ended(Ended::Method | Ended::TooLarge | Ended::MediaType) => {
            "change `validate` of the route"
        }
        Refused::Refusal(_) | Refused::Ended(_) => "",
    }
}

fn failure(failed: Failed) -> &'static str {
    match failed {
        Failed::Busy => "raise max_concurrent of the upstream, or look why it is slow",
        Failed::Paused => "it comes back by itself, when the API's Retry-After has passed",
        _ => "look at the upstream: larder_upstream_errors_total, and Larder's own log",
    }
}

/// A time as HTTP writes it (RFC 9110 §5.6.7).
pub(super) fn time(at: Wall) -> String {
    let since = Duration::from_secs(at.seconds().unsigned_abs());
    httpdate::fmt_http_date(UNIX_EPOCH + since)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_a_sentence() {
        for reason in Reason::all() {
            assert!(!sentence(reason.token()).is_empty(), "{}", reason.token());
        }
        assert_eq!(sentence("no-stor"), "", "a token is a whole one");
    }
}
