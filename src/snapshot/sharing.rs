//! What must be the same of a route for what was stored on it to be found again.
//!
//! A hash of the route's name, of what it matches, and of every rule that says what may be stored
//! for whom. It is the same in every process, on every machine, after every restart and whatever was
//! loaded before: the words are hashed, not the program's own numbers. What changes freshness alone
//! is not in it, nor the rules for the query: what they leave is what is forwarded, and part of the
//! key as such.

use blake3::Hasher;

use crate::{
    config::{self, routes::HostPattern},
    policy::{
        Rules,
        conditions::{OfRequest, OfResponse},
        rules::{Authorization, Cookies, SetCookie},
    },
};

/// The hash.
pub(super) fn generation(route: &config::Route) -> u64 {
    let mut words = Words(Hasher::new());
    words.add(&route.name);
    words.add(&route.pattern.path);
    words.list(&route.pattern.host, |host| match host {
        HostPattern::Exact(host) => host.clone(),
        HostPattern::Suffix(suffix) => format!("*{suffix}"),
    });
    words.rules(&route.cache.rules);
    let hash = words.0.finalize();
    hash.as_bytes().first_chunk().copied().map(u64::from_le_bytes).unwrap_or_default()
}

/// Words with their lengths, lists with theirs, so that none runs into the next.
struct Words(Hasher);

impl Words {
    fn rules(&mut self, rules: &Rules) {
        self.add(match rules.authorization {
            Authorization::Rfc => "rfc",
            Authorization::Isolate => "isolate",
            Authorization::Bypass => "bypass",
        });
        self.add(match rules.cookies {
            Cookies::Rfc => "rfc",
            Cookies::Ignore => "ignore",
        });
        self.add(match rules.set_cookie {
            SetCookie::Refuse => "refuse",
            SetCookie::Rfc => "rfc",
            SetCookie::Strip => "strip",
        });
        self.list(&rules.key.headers, ToString::to_string);
        self.list(&rules.key.cookies, Clone::clone);
        self.list(&rules.bypass_when, of_request);
        self.list(&rules.no_store_when.request, of_request);
        self.list(&rules.no_store_when.response, |condition| match condition {
            OfResponse::Status(first, last) => format!("status:{first}-{last}"),
            OfResponse::Header(name, value) => told("response", name.as_str(), value.as_deref()),
        });
    }

    fn list<'a, T: 'a>(
        &mut self,
        list: impl IntoIterator<Item = &'a T, IntoIter: ExactSizeIterator>,
        word: impl Fn(&T) -> String,
    ) {
        let list = list.into_iter();
        self.0.update(&(list.len() as u64).to_le_bytes());
        list.for_each(|it| self.add(&word(it)));
    }

    fn add(&mut self, word: &str) {
        self.0.update(&(word.len() as u64).to_le_bytes());
        self.0.update(word.as_bytes());
    }
}

fn of_request(condition: &OfRequest) -> String {
    match condition {
        OfRequest::Header(name, value) => told("header", name.as_str(), value.as_deref()),
        OfRequest::Cookie(name, value) => told("cookie", name, value.as_deref()),
        OfRequest::Query(name, value) => told("query", name, value.as_deref()),
    }
}

/// A condition as it is written.
fn told(part: &str, name: &str, value: Option<&str>) -> String {
    match value {
        Some(value) => format!("{part}:{name}={value}"),
        None => format!("{part}:{name}"),
    }
}
