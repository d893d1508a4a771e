//! The reasons for which a response is not stored.

/// Why a response was not stored: one name for Cache-Status, log and metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unstorable {
    /// The method is not GET.
    Method,
    /// The request says `no-store` (§5.2.1.5).
    RequestNoStore,
    /// The response says `no-store` (§5.2.2.5).
    NoStore,
    /// The response says `private` (§5.2.2.7).
    Private,
    /// The request carried Authorization and the origin does not allow sharing (§3.5).
    Authorization,
    /// The request carried Cookie, and it is not the origin's word that others may have it.
    Cookie,
    /// The response sets a cookie.
    SetCookie,
    /// `Vary: *` matches nothing (§4.1).
    VaryStar,
    /// More field names in Vary than are kept.
    VaryTooLong,
    /// A 206 that nobody asked for or that does not say which part it is, or another answer to
    /// Range.
    Partial,
    /// The status is not final, or is not understood (§3).
    Status,
    /// No freshness of any kind and no validator: nothing to be used later.
    NoFreshness,
    /// It has trailers that the client asked for.
    Trailers,
    /// The cache has no part in it: the operator turned it off, or the request has content.
    Bypassed,
    /// The operator forbids it, by the request or by the answer (`no_store_when`).
    NoStoreWhen,
    /// The request has a precondition that the origin alone judges (§4.3.2).
    Precondition,
    /// Declared longer than `cache.max_object_size`.
    TooLarge,
    /// The bodies in flight have used up their budget.
    NoRoom,
}

impl Unstorable {
    /// The token in Cache-Status `detail`, in the log and in metrics.
    #[must_use]
    pub fn token(self) -> &'static str {
        match self {
            Unstorable::Method => "method",
            Unstorable::RequestNoStore => "request-no-store",
            Unstorable::NoStore => "no-store",
            Unstorable::Private => "private",
            Unstorable::Authorization => "authorization",
            Unstorable::Cookie => "cookie",
            Unstorable::SetCookie => "set-cookie",
            Unstorable::VaryStar => "vary-star",
            Unstorable::VaryTooLong => "vary-too-long",
            Unstorable::Partial => "partial",
            Unstorable::Status => "status",
            Unstorable::NoFreshness => "no-freshness",
            Unstorable::Trailers => "trailers",
            Unstorable::Bypassed => "bypassed",
            Unstorable::NoStoreWhen => "no-store-when",
            Unstorable::Precondition => "precondition",
            Unstorable::TooLarge => "too-large",
            Unstorable::NoRoom => "no-room",
        }
    }

    /// Whether requests for the same target had better not wait for each other for a while:
    /// the next response will most likely be one client's alone, too.
    #[must_use]
    pub fn predicts_more(self) -> bool {
        match self {
            Unstorable::NoStore
            | Unstorable::Private
            | Unstorable::SetCookie
            | Unstorable::VaryStar
            | Unstorable::VaryTooLong
            | Unstorable::NoFreshness
            | Unstorable::Bypassed
            | Unstorable::NoStoreWhen
            | Unstorable::TooLarge => true,
            // Of this request alone, or of this moment.
            Unstorable::Method
            | Unstorable::RequestNoStore
            | Unstorable::Authorization
            | Unstorable::Cookie
            | Unstorable::Partial
            | Unstorable::Precondition
            | Unstorable::Status
            | Unstorable::Trailers
            | Unstorable::NoRoom => false,
        }
    }
}
