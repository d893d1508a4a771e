//! Aliases: CGI and its descendants (WSGI, PHP, Rack) take `X_Tenant` for `X-Tenant`. A cache keys
//! by one of the two names and must not let the other choose the answer.

use http::{HeaderMap, HeaderName};

use crate::policy::has_underscore;

/// The fields of a request that an origin may take for others: those with an underscore in their
/// name, but for `known` ones, and the twins of those that are part of the `key`.
#[must_use]
pub fn aliases(fields: &HeaderMap, known: &[HeaderName], key: &[HeaderName]) -> Vec<HeaderName> {
    let named = |name: &HeaderName| known.contains(name) || key.contains(name);
    let twins: Vec<String> = key.iter().filter(|name| has_underscore(name)).map(plain).collect();
    let is_twin = |name: &HeaderName| !twins.is_empty() && twins.contains(&plain(name));
    let is_alias = |name: &&HeaderName| !named(name) && (has_underscore(name) || is_twin(name));
    fields.keys().filter(is_alias).cloned().collect()
}

fn plain(name: &HeaderName) -> String {
    name.as_str().replace('_', "-")
}
