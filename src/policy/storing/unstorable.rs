//! The reasons for which a response is not stored.

tokens! {
    /// Why a response was not stored: one name for Cache-Status, log and metric.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Unstorable {
        /// The method is not GET.
        Method => "method",
        /// The request says `no-store` (§5.2.1.5).
        RequestNoStore => "request-no-store",
        /// The response says `no-store` (§5.2.2.5).
        NoStore => "no-store",
        /// The response says `private` (§5.2.2.7).
        Private => "private",
        /// The request carried Authorization and the origin does not allow sharing (§3.5).
        Authorization => "authorization",
        /// The request carried Cookie, and it is not the origin's word that others may have it.
        Cookie => "cookie",
        /// The response sets a cookie.
        SetCookie => "set-cookie",
        /// `Vary: *` matches nothing (§4.1).
        VaryStar => "vary-star",
        /// More field names in Vary than are kept.
        VaryTooLong => "vary-too-long",
        /// Connection names a field that it is judged by again whenever it is validated.
        Connection => "connection",
        /// A 206 that nobody asked for or that does not say which part it is, or another answer to
        /// Range.
        Partial => "partial",
        /// The status is not final, or is not understood (§3).
        Status => "status",
        /// No freshness of any kind and no validator: nothing to be used later.
        NoFreshness => "no-freshness",
        /// It has trailers that the client asked for.
        Trailers => "trailers",
        /// The cache has no part in it: the operator turned it off, or the request has content.
        Bypassed => "bypassed",
        /// The operator forbids it, by the request or by the answer (`no_store_when`).
        NoStoreWhen => "no-store-when",
        /// The request has a precondition that the origin alone judges (§4.3.2).
        Precondition => "precondition",
        /// Declared longer than `cache.max_object_size`.
        TooLarge => "too-large",
        /// The bodies in flight have used up their budget.
        NoRoom => "no-room",
        /// Its body broke off.
        Incomplete => "incomplete",
    }
}

impl Unstorable {
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
            | Unstorable::Connection
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
            | Unstorable::NoRoom
            | Unstorable::Incomplete => false,
        }
    }
}
