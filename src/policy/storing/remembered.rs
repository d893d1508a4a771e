//! What is remembered of a response that is stored (RFC 9111 §3, §4.2).

use http::{HeaderMap, header};

use super::{Context, Unstorable};
use crate::policy::{
    Meta, Rules,
    cache_control::ResponseDirectives,
    entity_tag::is_own,
    field,
    freshness::{Lifetime, date, initial_age, lifetime},
    status::{is_failure, is_heuristically_cacheable},
};

/// Works out what is remembered of a response that may be stored; `Err` where nothing could be done
/// with it later.
pub(super) fn remember(
    context: Context<'_>,
    status: u16,
    headers: &HeaderMap,
    directives: &ResponseDirectives,
) -> Result<Meta, Unstorable> {
    let Context { asked, rules, exchange, .. } = context;
    let lifetime = lifetime(status, headers, directives, rules, exchange);
    let windows = StaleWindows::of(status, lifetime, directives, rules);
    let allowed = lifetime != Lifetime::Unknown || directives.public;
    let meta = Meta {
        received: exchange.response.mono,
        initial_age: initial_age(headers, exchange),
        lifetime: match lifetime {
            Lifetime::Explicit(seconds) | Lifetime::Ours(seconds) => seconds,
            Lifetime::Unknown => 0,
        },
        curtailed: 0,
        stale_while_revalidate: windows.while_revalidate,
        stale_if_error: windows.if_error,
        keep: rules.keep,
        no_cache: directives.no_cache,
        must_revalidate: must_revalidate(directives),
        ours: match lifetime {
            Lifetime::Explicit(_) => false,
            Lifetime::Ours(_) => true,
            Lifetime::Unknown => !directives.public && !directives.no_cache,
        },
        shared: is_shared(directives),
        validator: has_validator(headers),
        authorized: asked.authorization,
        cookie: asked.cookie,
    };
    match (allowed || is_heuristically_cacheable(status)) && is_useful(&meta) {
        true => Ok(meta),
        false => Err(Unstorable::NoFreshness),
    }
}

/// Whether it can ever be used: as it is, stale, or after a validation.
fn is_useful(meta: &Meta) -> bool {
    let windows = meta.stale_while_revalidate.max(meta.stale_if_error);
    meta.validator || (!meta.no_cache && meta.lifetime.max(windows) > 0)
}

fn has_validator(headers: &HeaderMap) -> bool {
    let etag = field::single(headers, header::ETAG);
    let last_modified = field::single(headers, header::LAST_MODIFIED);
    etag.is_some_and(|etag| !is_own(etag)) || last_modified.and_then(date).is_some()
}

/// The directives that let a response to Authorization be shared (§3.5).
pub(super) fn is_shared(directives: &ResponseDirectives) -> bool {
    directives.public || directives.s_maxage.is_some() || directives.must_revalidate
}

/// §5.2.2.2, §5.2.2.8, and §5.2.2.10, which makes `s-maxage` mean `proxy-revalidate`, too.
fn must_revalidate(directives: &ResponseDirectives) -> bool {
    directives.must_revalidate || directives.proxy_revalidate || directives.s_maxage.is_some()
}

/// For how long it may be used stale (RFC 5861), in seconds.
struct StaleWindows {
    while_revalidate: u32,
    if_error: u32,
}

impl StaleWindows {
    fn of(
        status: u16,
        lifetime: Lifetime,
        directives: &ResponseDirectives,
        rules: &Rules,
    ) -> StaleWindows {
        if directives.no_cache || must_revalidate(directives) {
            return StaleWindows { while_revalidate: 0, if_error: 0 };
        }
        // The operator's window is one after freshness; it does not make fresh what never was.
        let rules_while_revalidate = match lifetime {
            Lifetime::Explicit(0) | Lifetime::Unknown => None,
            Lifetime::Explicit(_) | Lifetime::Ours(_) => rules.stale_while_revalidate,
        };
        // An error is no better than the error that it would stand in for.
        let if_error = directives.stale_if_error.or(rules.stale_if_error);
        StaleWindows {
            while_revalidate: directives
                .stale_while_revalidate
                .or(rules_while_revalidate)
                .unwrap_or(0),
            if_error: if_error.filter(|_| !is_failure(status)).unwrap_or(0),
        }
    }
}
