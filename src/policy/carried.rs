//! Which of the fields that matter to a cache a request carries.
//!
//! One walk over the request's few fields in place of a look-up for each of many names, most of
//! which no request has: each costs a hash.

use http::{HeaderMap, HeaderName};

/// A set of fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Carried(u16);

impl Carried {
    /// Accept-Encoding.
    pub const ACCEPT_ENCODING: Carried = Carried(1);
    /// Authorization.
    pub const AUTHORIZATION: Carried = Carried(1 << 1);
    /// Cache-Control or Pragma.
    pub const DIRECTIVES: Carried = Carried(1 << 2);
    /// Connection.
    pub const CONNECTION: Carried = Carried(1 << 3);
    /// Cookie.
    pub const COOKIE: Carried = Carried(1 << 4);
    /// If-None-Match or If-Modified-Since, which a cache judges (RFC 9111 §4.3.2).
    pub const CONDITION: Carried = Carried(1 << 5);
    /// If-Match or If-Unmodified-Since, which only the origin judges (RFC 9111 §4.3.2).
    pub const PRECONDITION: Carried = Carried(1 << 6);
    /// Range.
    pub const RANGE: Carried = Carried(1 << 7);
    /// Transfer-Encoding.
    pub const TRANSFER_ENCODING: Carried = Carried(1 << 8);
    /// Upgrade.
    pub const UPGRADE: Carried = Carried(1 << 9);
    /// Any with an underscore in its name.
    pub const UNDERSCORE: Carried = Carried(1 << 10);
    /// If-Range.
    pub const IF_RANGE: Carried = Carried(1 << 11);

    /// Those that a request carries.
    #[must_use]
    pub fn of(request: &HeaderMap) -> Carried {
        request.keys().fold(Carried::default(), |all, name| Carried(all.0 | named(name).0))
    }

    /// Whether it is among them.
    #[must_use]
    pub fn has(self, field: Carried) -> bool {
        self.0 & field.0 != 0
    }
}

/// Whether a name has an underscore.
#[must_use]
pub fn has_underscore(name: &HeaderName) -> bool {
    name.as_str().as_bytes().contains(&b'_')
}

fn named(name: &HeaderName) -> Carried {
    match name.as_str() {
        "accept-encoding" => Carried::ACCEPT_ENCODING,
        "authorization" => Carried::AUTHORIZATION,
        "cache-control" | "pragma" => Carried::DIRECTIVES,
        "connection" => Carried::CONNECTION,
        "cookie" => Carried::COOKIE,
        "if-none-match" | "if-modified-since" => Carried::CONDITION,
        "if-match" | "if-unmodified-since" => Carried::PRECONDITION,
        "range" => Carried::RANGE,
        "if-range" => Carried::IF_RANGE,
        "transfer-encoding" => Carried::TRANSFER_ENCODING,
        "upgrade" => Carried::UPGRADE,
        // What nearly every request has: nobody looks for an underscore in it.
        "host" | "user-agent" | "accept" | "accept-language" => Carried::default(),
        _ if has_underscore(name) => Carried::UNDERSCORE,
        _ => Carried::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::Carried;
    use crate::policy::fixtures::headers;

    #[test]
    fn each_field_is_told_from_the_others() {
        let rows = [
            ("accept-encoding", Carried::ACCEPT_ENCODING),
            ("authorization", Carried::AUTHORIZATION),
            ("cache-control", Carried::DIRECTIVES),
            ("pragma", Carried::DIRECTIVES),
            ("connection", Carried::CONNECTION),
            ("cookie", Carried::COOKIE),
            ("if-none-match", Carried::CONDITION),
            ("if-modified-since", Carried::CONDITION),
            ("if-match", Carried::PRECONDITION),
            ("if-unmodified-since", Carried::PRECONDITION),
            ("range", Carried::RANGE),
            ("if-range", Carried::IF_RANGE),
            ("transfer-encoding", Carried::TRANSFER_ENCODING),
            ("upgrade", Carried::UPGRADE),
            ("accept_encoding", Carried::UNDERSCORE),
        ];
        for (name, expected) in rows {
            let carried = Carried::of(&headers(&[("host", "a"), (name, "x"), ("accept", "*/*")]));
            for (other, field) in rows {
                assert_eq!(carried.has(field), field == expected, "{name}: {other}");
            }
        }
        assert_eq!(Carried::of(&headers(&[("x-range", "1")])), Carried::default());
    }
}
