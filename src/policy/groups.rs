//! Cache groups (RFC 9875): which groups a response belongs to, and which ones it invalidates.
//!
//! Names only; that they mean something within one origin alone (§2.1) is the store's to keep.

use http::{HeaderMap, HeaderName, StatusCode};

use super::{Asked, invalidation::invalidates, structured};

/// Names the groups of a response (§2).
pub(super) const CACHE_GROUPS: HeaderName = HeaderName::from_static("cache-groups");

/// Names the groups that a change concerned (§3).
const CACHE_GROUP_INVALIDATION: HeaderName = HeaderName::from_static("cache-group-invalidation");

/// The groups that a response belongs to (§2).
#[must_use]
pub fn groups(headers: &HeaderMap) -> Vec<String> {
    structured::strings(headers, &CACHE_GROUPS)
}

/// The groups that the response to a request invalidates (§3): none where the method is safe,
/// nor where the request failed, which has changed nothing (RFC 9111 §4.4).
#[must_use]
pub fn invalidated(asked: &Asked, status: StatusCode, headers: &HeaderMap) -> Vec<String> {
    match invalidates(asked, status) {
        true => structured::strings(headers, &CACHE_GROUP_INVALIDATION),
        false => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::{groups, invalidated};
    use crate::policy::fixtures::{asked, headers};

    #[test]
    fn only_a_success_of_an_unsafe_method_invalidates_groups() {
        let rows = [
            ("POST", 200, true, "§3"),
            ("DELETE", 204, true, "§3"),
            ("PUT", 303, true, "RFC 9111 §4.4: a redirection is no error"),
            ("POST", 404, false, "RFC 9111 §4.4: an error changed nothing"),
            ("POST", 500, false, "RFC 9111 §4.4"),
            ("GET", 200, false, "§3: ignored where the method is safe"),
            ("HEAD", 200, false, "§3"),
            ("OPTIONS", 200, false, "§3"),
        ];
        let fields = headers(&[("cache-group-invalidation", "\"a\", \"b\"")]);
        for (method, status, expected, section) in rows {
            let status = StatusCode::from_u16(status).expect("a status");
            let found = invalidated(&asked(method, &[]), status, &fields);
            assert_eq!(found == ["a", "b"], expected, "{section}: {method} {status}");
            assert_eq!(found.is_empty(), !expected, "{section}: {method} {status}");
        }
    }

    #[test]
    fn a_response_may_be_in_many_groups_with_long_names() {
        let names: Vec<String> = (0..64).map(|n| format!("{n:064}")).collect();
        let list: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
        let fields = headers(&[("cache-groups", &list.join(", "))]);
        assert_eq!(groups(&fields), names, "§2: 32 groups of 32 characters at the least");
    }

    #[test]
    fn group_names_are_compared_character_by_character() {
        let fields = headers(&[("cache-groups", "\"A\", \"a\", \" a\"")]);
        assert_eq!(groups(&fields), ["A", "a", " a"], "§2.1");
    }
}
