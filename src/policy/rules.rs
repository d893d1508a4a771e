//! What the operator says of a route, where HTTP leaves the choice.

use http::{HeaderName, header};

use super::{
    conditions::{NoStoreWhen, OfRequest},
    cookies::KEY_COOKIES,
};

/// The caching rules of one route, compiled. All durations are seconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Freshness where the origin says nothing.
    pub ttl: Option<u32>,
    /// Freshness in place of what the origin says.
    pub override_ttl: Option<u32>,
    /// The most freshness that is granted, whoever says so.
    pub max_ttl: Option<u32>,
    /// Freshness by status where the origin says nothing, before `ttl`.
    pub status_ttl: Vec<(u16, u32)>,
    /// Per cent of the time since Last-Modified that count as freshness (RFC 9111 §4.2.2).
    pub heuristic: Option<u8>,
    /// RFC 5861 §3, where the origin does not say.
    pub stale_while_revalidate: Option<u32>,
    /// RFC 5861 §4, where the origin does not say.
    pub stale_if_error: Option<u32>,
    /// How long a stale response that has a validator is kept for validation.
    pub keep: u32,
    /// What a request with Authorization may have.
    pub authorization: Authorization,
    /// What a request with Cookie may have.
    pub cookies: Cookies,
    /// What becomes of a response with Set-Cookie.
    pub set_cookie: SetCookie,
    /// Whether a client may demand a fresher response (RFC 9111 §5.2.1).
    pub request_cache_control: RequestCacheControl,
    /// Which requests the cache has no part in.
    pub bypass_when: Vec<OfRequest>,
    /// Which answers are not stored.
    pub no_store_when: NoStoreWhen,
    /// What of a request's fields is part of its key.
    pub key: KeyFields,
}

/// Fields whose values choose among the answers for one target, as if Vary named them
/// (RFC 9111 §4.1): so what makes the target invalid makes all of them invalid.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyFields {
    /// By name, sorted, each once.
    pub headers: Vec<HeaderName>,
    /// The names of single cookies, sorted, each once.
    pub cookies: Vec<String>,
}

/// How requests with Authorization are served.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Authorization {
    /// As RFC 9111 §3.5 says: only what the origin marks as shareable.
    #[default]
    Rfc,
    /// A hash of the field is part of the key: each credential has a cache of its own.
    Isolate,
    /// Never stored, never served from the cache.
    Bypass,
}

/// How requests with Cookie are served.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cookies {
    /// The origin's explicit freshness is shared, ours is not.
    #[default]
    Rfc,
    /// Cookie is removed from forwarded GET and HEAD, and so cannot matter.
    Ignore,
}

/// How responses with Set-Cookie are stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SetCookie {
    /// Only where the origin says `public`, `s-maxage`, or a targeted field.
    #[default]
    Refuse,
    /// As RFC 9111 says: the field has no say (§7.3).
    Rfc,
    /// Stored and served without the field.
    Strip,
}

/// Whether request directives that only ask for freshness are obeyed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RequestCacheControl {
    /// `no-store`, `only-if-cached` and `no-transform` count, the advisory rest does not.
    #[default]
    Ignore,
    /// All of RFC 9111 §5.2.1.
    Honor,
}

impl KeyFields {
    /// Whether nothing of a request's fields is part of the key.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.headers.is_empty() && self.cookies.is_empty()
    }
}

impl Rules {
    /// The fields that choose among the answers for one target, besides those that Vary names.
    pub fn selecting(&self) -> impl Iterator<Item = HeaderName> {
        let isolated = self.authorization == Authorization::Isolate;
        let credential = isolated.then_some(header::AUTHORIZATION);
        let cookies = (!self.key.is_empty()).then_some(KEY_COOKIES);
        self.key.headers.iter().cloned().chain(credential).chain(cookies)
    }

    /// Whether a selecting field tells users apart: what one of them is told is nobody else's
    /// news.
    #[must_use]
    pub fn tells_users_apart(&self, name: &HeaderName) -> bool {
        [header::AUTHORIZATION, header::COOKIE, KEY_COOKIES].contains(name)
            || self.key.headers.contains(name)
    }
}

impl Default for Rules {
    fn default() -> Rules {
        Rules {
            ttl: None,
            override_ttl: None,
            max_ttl: None,
            status_ttl: Vec::new(),
            heuristic: None,
            stale_while_revalidate: None,
            stale_if_error: None,
            keep: 3600,
            authorization: Authorization::default(),
            cookies: Cookies::default(),
            set_cookie: SetCookie::default(),
            request_cache_control: RequestCacheControl::default(),
            bypass_when: Vec::new(),
            no_store_when: NoStoreWhen::default(),
            key: KeyFields::default(),
        }
    }
}
