//! Whether a response may be stored, and what is remembered of it (RFC 9111 §3).

mod nominated;
mod remembered;
mod unstorable;

use http::{HeaderMap, HeaderName, StatusCode, header};

pub use unstorable::Unstorable;

use self::{
    nominated::allowed_by_connection,
    remembered::{is_shared, remember},
};
use super::{
    Asked, Exchange, Meta, Rules,
    asked::Method,
    cache_control::{ResponseDirectives, withheld},
    entity_tag::{is_own, is_strong, strongly_equal, weakly_equal},
    field,
    freshness::date,
    rules::{Authorization, RequestCacheControl, SetCookie},
    status::{is_failure, is_understood},
    validation::Validators,
};

/// The fields that set cookies: what `set_cookie = "strip"` removes. Set-Cookie2 is obsolete
/// (RFC 6265), and as personal.
pub const SET_COOKIE: [HeaderName; 2] =
    [header::SET_COOKIE, HeaderName::from_static("set-cookie2")];

/// The most field names in Vary that are kept.
const MAX_VARY: usize = 16;

/// What a response from the origin means to the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// It may be stored, and used as this says.
    Storable(Meta),
    /// 304 to our validation: freshen the stored response (§4.3.4), then ask [`receive`] again
    /// with the merged head and the stored status.
    Validated,
    /// 304 whose validators are not the stored response's: fetch anew without conditions.
    Mismatched,
    /// The origin failed; the stored response may stand in (RFC 5861 §4).
    StaleIfError,
    /// It belongs to the client that asked, and to nobody else.
    Unstorable(Unstorable),
}

/// What a response is judged by, besides itself.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The request.
    pub asked: &'a Asked,
    /// The route's rules.
    pub rules: &'a Rules,
    /// The stored response that this request tried to validate.
    pub validating: Option<Validating<'a>>,
    /// When it was asked for and when it came.
    pub exchange: Exchange,
}

/// The stored response that a request to the origin tried to validate.
#[derive(Clone, Copy, Debug)]
pub struct Validating<'a> {
    /// What is remembered of it.
    pub meta: &'a Meta,
    /// The origin's own validators of it.
    pub validators: Validators<'a>,
}

/// Judges a response (§3, §4.3.3). Of several reasons not to store it the first is named: its
/// status, the request, the response's own directives, the operator's conditions, Authorization
/// (§3.5), Set-Cookie, Vary, Connection, freshness, and last whether freshness that is ours may be given to this request.
#[must_use]
pub fn receive(context: Context<'_>, status: StatusCode, headers: &HeaderMap) -> Received {
    if let Some(validating) = context.validating {
        if status == StatusCode::NOT_MODIFIED {
            return not_modified(validating, headers);
        }
        if is_failure(status.as_u16()) && may_stand_in(context) {
            return Received::StaleIfError;
        }
    }
    match storable(context, status.as_u16(), headers) {
        Ok(meta) => Received::Storable(meta),
        Err(reason) => Received::Unstorable(reason),
    }
}

/// Judges the 200 to a POST whose Content-Location is its target (RFC 9110 §9.3.3): with explicit
/// freshness it may answer a later GET. `context` is that GET's, with the POST's own fields.
///
/// # Errors
/// Why it may not.
pub fn receive_posted(context: Context<'_>, headers: &HeaderMap) -> Result<Meta, Unstorable> {
    let meta = storable(context, 200, headers)?;
    match !meta.ours && meta.lifetime > 0 {
        true => Ok(meta),
        false => Err(Unstorable::NoFreshness),
    }
}

/// Whether the stored response may stand in for an origin that gives no answer at all
/// (RFC 5861 §4; RFC 9111 §4.2.4), at the moment `exchange.response`.
#[must_use]
pub fn may_stand_in(context: Context<'_>) -> bool {
    let Some(Validating { meta, .. }) = context.validating else { return false };
    let now = context.exchange.response;
    if meta.no_cache {
        return false;
    }
    if meta.fresh_for(now) > 0 {
        return true;
    }
    let by_request = match context.rules.request_cache_control {
        RequestCacheControl::Honor => context.asked.directives.stale_if_error.unwrap_or(0),
        RequestCacheControl::Ignore => 0,
    };
    !meta.must_revalidate && meta.is_stale_within(meta.stale_if_error.max(by_request), now)
}

/// The field names in Vary, lower case, sorted, each once; what cannot be met is `Err`.
///
/// # Errors
/// [`Unstorable::VaryStar`] for `*` or what is no field name; [`Unstorable::VaryTooLong`] for
/// more than 16 names.
pub fn vary(headers: &HeaderMap) -> Result<Vec<HeaderName>, Unstorable> {
    let mut names: Vec<HeaderName> = Vec::new();
    for member in field::members(headers, header::VARY) {
        let name = HeaderName::from_bytes(member).map_err(|_| Unstorable::VaryStar)?;
        if name == "*" {
            return Err(Unstorable::VaryStar);
        }
        // One too many is enough to know, and a `*` may still follow.
        if names.len() <= MAX_VARY && !names.contains(&name) {
            names.push(name);
        }
    }
    if names.len() > MAX_VARY {
        return Err(Unstorable::VaryTooLong);
    }
    names.sort_unstable_by(|one, other| one.as_str().cmp(other.as_str()));
    Ok(names)
}

/// §4.3.4: the validators in the 304 say which stored response it speaks of; where that is not the
/// one we have, nothing of the 304 may be taken over. One without any speaks of what was asked about.
fn not_modified(validating: Validating<'_>, headers: &HeaderMap) -> Received {
    let (stored, received) = (validating.validators, Validators::of(headers));
    let etag = stored.etag.filter(|etag| !is_own(etag));
    let same_tag = |(received, stored)| match is_strong(received) {
        true => strongly_equal(received, stored),
        false => weakly_equal(received, stored),
    };
    let same_date =
        |(one, other)| one == other || date(one).is_some_and(|it| date(other) == Some(it));
    let same = match headers {
        // A field whose lines differ names several, and so none.
        _ if headers.contains_key(header::ETAG) => received.etag.zip(etag).is_some_and(same_tag),
        _ if headers.contains_key(header::LAST_MODIFIED) => {
            received.last_modified.zip(stored.last_modified).is_some_and(same_date)
        }
        _ => true,
    };
    match same {
        true => Received::Validated,
        false => Received::Mismatched,
    }
}

pub(super) fn storable(
    context: Context<'_>,
    status: u16,
    headers: &HeaderMap,
) -> Result<Meta, Unstorable> {
    let mut directives = ResponseDirectives::of(headers);
    understand(&mut directives, status)?;
    allowed_by_request(context, status)?;
    allowed_by_response(&directives)?;
    allowed_by_conditions(context, status, headers)?;
    allowed_for_credential(context, &directives)?;
    allowed_with_cookie(context, headers, &directives)?;
    vary(headers)?;
    allowed_by_connection(headers)?;
    let meta = remember(context, status, headers, &directives)?;
    allowed_as_ours(context, headers, &meta)?;
    Ok(meta)
}

/// §3, and §5.2.2.3: `must-understand` takes the place of `no-store` where the status code is
/// understood, and forbids to store where it is not.
fn understand(directives: &mut ResponseDirectives, status: u16) -> Result<(), Unstorable> {
    let is_final = (200..600).contains(&status) && status != 304;
    if !is_final || (directives.must_understand && !is_understood(status) && status != 206) {
        return Err(Unstorable::Status);
    }
    directives.no_store &= !directives.must_understand;
    Ok(())
}

fn allowed_by_request(context: Context<'_>, status: u16) -> Result<(), Unstorable> {
    let asked = context.asked;
    // A HEAD that validates is sent as a GET.
    let is_get = match asked.method {
        Method::Get => true,
        Method::Head => context.validating.is_some(),
        Method::Safe | Method::Unsafe => false,
    };
    match asked {
        _ if !is_get => Err(Unstorable::Method),
        _ if status == 206 => Err(Unstorable::Partial),
        // A validation asks for the whole, whatever the client asked for.
        _ if asked.range && context.validating.is_none() => Err(Unstorable::Partial),
        _ if asked.content || asked.bypass.is_some() => Err(Unstorable::Bypassed),
        _ if asked.precondition => Err(Unstorable::Precondition),
        _ if asked.directives.no_store => Err(Unstorable::RequestNoStore),
        // Of one request's own conditions or ranges (RFC 9110 §15.5.13, §15.5.17).
        _ if matches!(status, 412 | 416) => Err(Unstorable::Status),
        _ => Ok(()),
    }
}

fn allowed_by_response(directives: &ResponseDirectives) -> Result<(), Unstorable> {
    if directives.no_store {
        return Err(Unstorable::NoStore);
    }
    if directives.private {
        return Err(Unstorable::Private);
    }
    Ok(())
}

/// What the operator does not want to be stored.
fn allowed_by_conditions(
    context: Context<'_>,
    status: u16,
    headers: &HeaderMap,
) -> Result<(), Unstorable> {
    let mut conditions = context.rules.no_store_when.response.iter();
    match context.asked.no_store || conditions.any(|it| it.holds(status, headers)) {
        true => Err(Unstorable::NoStoreWhen),
        false => Ok(()),
    }
}

/// §3.5
fn allowed_for_credential(
    context: Context<'_>,
    directives: &ResponseDirectives,
) -> Result<(), Unstorable> {
    if !context.asked.authorization {
        return Ok(());
    }
    match context.rules.authorization {
        Authorization::Bypass => Err(Unstorable::Bypassed),
        Authorization::Rfc if !is_shared(directives) => Err(Unstorable::Authorization),
        Authorization::Rfc | Authorization::Isolate => Ok(()),
    }
}

/// §7.3 leaves it to the origin to forbid what sets a cookie; few do.
fn allowed_with_cookie(
    context: Context<'_>,
    headers: &HeaderMap,
    directives: &ResponseDirectives,
) -> Result<(), Unstorable> {
    let targeted = directives.targeted && directives.max_age.is_some();
    let said = directives.public || directives.s_maxage.is_some() || targeted;
    // A field that is withheld is stored for nobody: that, too, is the origin's word.
    let named = if directives.withholds { withheld(headers) } else { Vec::new() };
    let sets = SET_COOKIE.iter().any(|it| headers.contains_key(it) && !named.contains(it));
    match context.rules.set_cookie {
        SetCookie::Refuse if sets && !said => Err(Unstorable::SetCookie),
        SetCookie::Refuse | SetCookie::Rfc | SetCookie::Strip => Ok(()),
    }
}

fn sets_cookie(headers: &HeaderMap) -> bool {
    SET_COOKIE.iter().any(|name| headers.contains_key(name))
}

/// What is ours to say is said of nobody's own answer.
fn allowed_as_ours(
    context: Context<'_>,
    headers: &HeaderMap,
    meta: &Meta,
) -> Result<(), Unstorable> {
    let rules = context.rules;
    match meta {
        _ if !meta.ours => Ok(()),
        _ if meta.authorized && rules.authorization != Authorization::Isolate => {
            Err(Unstorable::Authorization)
        }
        _ if meta.cookie => Err(Unstorable::Cookie),
        _ if rules.set_cookie != SetCookie::Strip && sets_cookie(headers) => {
            Err(Unstorable::SetCookie)
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
