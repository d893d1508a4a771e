//! What a request says that matters to the cache, read once.

use http::request;

use super::{Carried, Rules, cache_control::RequestDirectives, cookies, rules::Cookies};

/// The facts of one request that the policy judges by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// What the method lets a cache do.
    pub method: Method,
    /// The request's Cache-Control, or `Pragma: no-cache` where there is none (RFC 9111 §5.4).
    pub directives: RequestDirectives,
    /// It carries Authorization.
    pub authorization: bool,
    /// It carries cookies that are not part of the key, and the operator does not ignore them.
    pub cookie: bool,
    /// It carries Range.
    pub range: bool,
    /// It carries If-Range.
    pub if_range: bool,
    /// It carries If-None-Match or If-Modified-Since.
    pub condition: bool,
    /// It carries Accept-Encoding.
    pub codings: bool,
    /// It carries If-Match or If-Unmodified-Since, which only the origin judges (RFC 9111 §4.3.2).
    pub precondition: bool,
    /// It has content, whose meaning a cache cannot know.
    pub content: bool,
    /// What keeps it away from the cache.
    pub bypass: Option<Exempt>,
    /// The operator forbids to store its answer (`no_store_when`).
    pub no_store: bool,
}

/// Why the cache has no part in a request, although it might by its method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exempt {
    /// The operator says so (`bypass_when`).
    When,
    /// It has a field with an underscore in its name, which the origin may take for another that
    /// chooses the answer.
    Underscore,
}

/// A request method, as a cache sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// May be answered from the cache, and stored.
    Get,
    /// May be answered from a stored GET.
    Head,
    /// Passed through: known to be safe (OPTIONS, TRACE).
    Safe,
    /// Passed through; a success invalidates: unsafe, or not known to be safe (RFC 9111 §4.4).
    Unsafe,
}

impl From<&http::Method> for Method {
    fn from(method: &http::Method) -> Method {
        match method.as_str() {
            "GET" => Method::Get,
            "HEAD" => Method::Head,
            "OPTIONS" | "TRACE" | "PROPFIND" | "REPORT" | "SEARCH" => Method::Safe,
            _ => Method::Unsafe,
        }
    }
}

impl Asked {
    /// Whether it carries conditions or Range; If-Range alone means nothing.
    #[must_use]
    pub fn is_conditional(&self) -> bool {
        self.condition || self.precondition || self.range
    }

    /// Whether it asks for bytes that nobody packs on the way: by Range, or by `no-transform`
    /// (RFC 9111 §5.2.1.6).
    #[must_use]
    pub fn unpacked(&self) -> bool {
        self.range || self.directives.no_transform
    }

    /// Reads the facts out of a request head. `content`: whether a body comes with it.
    #[must_use]
    pub fn new(head: &request::Parts, content: bool, rules: &Rules) -> Asked {
        Asked::of((head, Carried::of(&head.headers)), content, rules)
    }

    /// The same, where it is known already what the head carries.
    #[must_use]
    pub fn of((head, carried): (&request::Parts, Carried), content: bool, rules: &Rules) -> Asked {
        Asked {
            method: Method::from(&head.method),
            directives: match carried.has(Carried::DIRECTIVES) {
                true => RequestDirectives::of(&head.headers),
                false => RequestDirectives::default(),
            },
            authorization: carried.has(Carried::AUTHORIZATION),
            cookie: carried.has(Carried::COOKIE)
                && rules.cookies == Cookies::Rfc
                && cookies::has_others(&head.headers, &rules.key.cookies),
            range: carried.has(Carried::RANGE),
            if_range: carried.has(Carried::IF_RANGE),
            condition: carried.has(Carried::CONDITION),
            codings: carried.has(Carried::ACCEPT_ENCODING),
            precondition: carried.has(Carried::PRECONDITION),
            content,
            bypass: rules.bypass_when.iter().any(|it| it.holds(head)).then_some(Exempt::When),
            no_store: rules.no_store_when.request.iter().any(|it| it.holds(head)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Method;
    use crate::policy::{
        Asked, Rules,
        fixtures::{asked, asked_by},
        rules::Cookies,
    };

    #[test]
    fn methods_are_what_a_cache_may_do_with_them() {
        let rows = [
            ("GET", Method::Get, "RFC 9110 §9.2.3"),
            ("HEAD", Method::Head, "RFC 9110 §9.2.3"),
            ("OPTIONS", Method::Safe, "RFC 9110 §9.2.1"),
            ("TRACE", Method::Safe, "RFC 9110 §9.2.1"),
            ("PROPFIND", Method::Safe, "RFC 4918 §9.1"),
            ("POST", Method::Unsafe, "RFC 9110 §9.2.1"),
            ("PUT", Method::Unsafe, "RFC 9110 §9.2.1"),
            ("DELETE", Method::Unsafe, "RFC 9110 §9.2.1"),
            ("PATCH", Method::Unsafe, "RFC 5789 §2"),
            ("M-SEARCH", Method::Unsafe, "RFC 9111 §4.4: of unknown safety"),
            ("get", Method::Unsafe, "RFC 9110 §9.1: case-sensitive"),
        ];
        for (method, expected, why) in rows {
            assert_eq!(asked(method, &[]).method, expected, "{method}: {why}");
        }
    }

    type Fact = fn(&Asked) -> bool;

    #[test]
    fn fields_become_facts() {
        let rows: [(&str, &str, Fact); 9] = [
            ("authorization", "Basic YTpi", |asked| asked.authorization),
            ("cookie", "sid=1", |asked| asked.cookie),
            ("range", "bytes=0-1", |asked| asked.range),
            ("if-match", "\"a\"", |asked| asked.precondition),
            ("if-unmodified-since", "Sun, 06 Nov 1994 08:49:37 GMT", |asked| asked.precondition),
            ("pragma", "no-cache", |asked| asked.directives.no_cache),
            ("if-none-match", "\"a\"", |asked| asked.condition),
            ("if-modified-since", "Sun, 06 Nov 1994 08:49:37 GMT", |asked| asked.condition),
            ("accept-encoding", "gzip", |asked| asked.codings),
        ];
        for (name, value, fact) in rows {
            assert!(fact(&asked("GET", &[(name, value)])), "{name} counts");
            assert!(!fact(&asked("GET", &[])), "{name} is absent");
        }
    }

    #[test]
    fn a_cookie_that_is_not_forwarded_does_not_count() {
        let rules = Rules { cookies: Cookies::Ignore, ..Rules::default() };
        assert!(!asked_by(&rules, "GET", &[("cookie", "sid=1")]).cookie);
    }
}
