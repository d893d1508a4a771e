//! What is no error in a configuration, and yet worth a word at the start and in `larder check`.

use super::{Config, Route, throttle::Part};
use crate::{key, policy::has_underscore, shape::Paging};

/// What the machine allows, as far as it is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Machine {
    /// The hard limit of open files (`RLIMIT_NOFILE`).
    pub open_files: Option<u64>,
    /// Bytes of memory that the process may have: the cgroup's limit, or what is built in.
    pub memory: Option<u64>,
}

/// Files that are open besides connections: listeners, logs, the runtime's own.
const OTHER_FILES: u64 = 64;

/// The part of the memory that the cache may have without a word, in per cent.
const MEMORY_SHARE: u128 = 60;

/// Sentences for the operator, the gravest first; empty if there is nothing to say.
#[must_use]
pub fn advice(config: &Config, machine: &Machine) -> Vec<String> {
    let mut advice = Vec::new();
    advice.extend(open_files(config, machine));
    advice.extend(memory(config, machine));
    advice.extend(trust(config));
    advice.extend(heuristic(config));
    advice.extend(config.routes.iter().filter_map(unshaped));
    advice.extend(config.routes.iter().filter_map(uncached));
    advice.extend(unused(config));
    advice
}

fn open_files(config: &Config, machine: &Machine) -> Option<String> {
    let clients = config.limits.max_connections as u64;
    let upstreams: u64 = config.upstreams.iter().map(|up| up.max_concurrent as u64).sum();
    let needed = clients.saturating_add(upstreams).saturating_add(OTHER_FILES);
    let allowed = machine.open_files.filter(|allowed| *allowed < needed)?;
    Some(format!(
        "limits.max_connections and the upstreams' max_concurrent need {needed} open files, and \
         the hard limit is {allowed}: raise it (LimitNOFILE= in systemd, ulimit -Hn) or lower them"
    ))
}

fn memory(config: &Config, machine: &Machine) -> Option<String> {
    let cache = u128::from(config.memory.max_size) + u128::from(config.memory.max_in_flight);
    let memory =
        machine.memory.filter(|memory| cache * 100 > u128::from(*memory) * MEMORY_SHARE)?;
    let (cache, memory) = (cache >> 20, memory >> 20);
    Some(format!(
        "cache.memory.max_size and max_in_flight are {cache} MiB together, over {MEMORY_SHARE} % of \
         the {memory} MiB that there are: lower them, or the process may be killed under load"
    ))
}

fn trust(config: &Config) -> Option<String> {
    let everybody = config.trusted_proxies.iter().find(|range| range.prefix_len() == 0)?;
    Some(format!(
        "trusted_proxies holds {everybody}, so every client can choose its own address, host and \
         scheme by X-Forwarded-*: name your proxies alone"
    ))
}

fn heuristic(config: &Config) -> Option<String> {
    let guesses = |percent: Option<u8>| percent.is_some_and(|percent| percent > 0);
    let routes = config.routes.iter().filter(|route| guesses(route.cache.rules.heuristic));
    let names: Vec<&str> = routes.map(|route| route.name.as_str()).collect();
    let routes = some(&names)?;
    Some(format!(
        "heuristic freshness is on for {routes}: answers that do not say how long they are fresh \
         may be served when they are not; prefer ttl, or a Cache-Control from the API"
    ))
}

/// A route whose key leaves out what would choose another answer, where nothing here does that.
fn unshaped(route: &Route) -> Option<String> {
    const CHOOSING: [&str; 5] = ["fields", "offset", "limit", "page", "per_page"];
    let (query, shape) = (&route.cache.query, route.shape.as_ref());
    let handled = |name: &str| {
        let has = |paging: Paging| paging.parameters().contains(&name);
        shape.is_some_and(|it| it.fields.as_deref() == Some(name) || has(it.paging))
    };
    // A list of what is kept is deliberate, unless clients are offered the like.
    let meant = |name: &str| shape.is_some() || query.exclude.iter().any(|it| it == name);
    let dropped = |name: &&str| !key::is_kept(query, name) && !handled(name) && meant(name);
    let names: Vec<&str> = CHOOSING.into_iter().filter(dropped).collect();
    Some(format!(
        "cache.key.query of the route {:?} drops {}, which its shape does not handle: whatever a \
         client asks by it, all get the same; keep it in the key, or let shape take it",
        route.name,
        some(&names)?
    ))
}

/// A route whose limit goes by a field that keeps its requests out of the cache.
fn uncached(route: &Route) -> Option<String> {
    let key = &route.cache.rules.key.headers;
    let parts = route.throttle.iter().flat_map(|limit| &limit.key);
    let names = parts.filter_map(|part| match part {
        Part::Header(name) if has_underscore(name) && !key.contains(name) => Some(name.as_str()),
        Part::Header(_) | Part::ClientIp | Part::Cookie(_) => None,
    });
    let names: Vec<&str> = names.collect();
    Some(format!(
        "a limit of the route {:?} goes by {}, and a request with such a field is neither stored nor \
         answered from the cache, because many APIs take it for the one with hyphens: send that one, \
         or name this in cache.key.headers",
        route.name,
        some(&names)?
    ))
}

fn unused(config: &Config) -> Option<String> {
    let used = |name: &str| config.routes.iter().any(|route| route.upstream == name);
    let names = config.upstreams.iter().map(|upstream| upstream.name.as_str());
    let names: Vec<&str> = names.filter(|name| !used(name)).collect();
    Some(format!("no route leads to the upstream {}: name it in one, or remove it", some(&names)?))
}

/// A few of some names; `None` if there are none.
fn some(names: &[&str]) -> Option<String> {
    const SHOWN: usize = 3;
    if names.is_empty() {
        return None;
    }
    let shown = names.iter().take(SHOWN).map(|name| format!("{name:?}"));
    let mut list = shown.collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN {
        list.push_str(&format!(" and {} more", names.len() - SHOWN));
    }
    Some(list)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse;

    fn advise(rest: &str, machine: Machine) -> Vec<String> {
        let text = format!("listen = 'unix:/l'\nupstream = 'http://a'\n{rest}");
        advice(&parse("p", &text, &|_| None).unwrap(), &machine)
    }

    #[test]
    fn a_sound_configuration_needs_none() {
        assert_eq!(advise("", Machine::default()), [""; 0]);
        let machine = Machine { open_files: Some(10_576), memory: Some(534 << 20) };
        assert_eq!(advise("trusted_proxies = ['10.0.0.0/8']", machine), [""; 0]);
    }

    #[test]
    fn each_risk_has_its_sentence() {
        let machine = Machine { open_files: Some(1024), memory: Some(512 << 20) };
        let text = "trusted_proxies = ['10.0.0.0/8', '0.0.0.0/0']\n\
                    [cache]\nheuristic = '10%'\n\
                    [upstreams.b]\nurl = 'http://b'\n\
                    [[routes]]\nmatch.path = '/a'\n[[routes]]\nmatch.path = '/b'\n\
                    [[routes]]\nmatch.path = '/c'\n[[routes]]\nmatch.path = '/d'\n\
                    cache.heuristic = '0%'\n[[routes]]\nmatch.path = '/e'\n\
                    cache.key.query.exclude = ['fields', 'utm_*']\n[[routes]]\nmatch.path = '/f'\n\
                    cache.key.query.include = ['q']\nshape = { fields = 'fields' }\n\
                    [[routes]]\nmatch.path = '/g'\ncache.key.query.include = ['q']\n\
                    [[routes]]\nmatch.path = '/h'\ncache.key.headers = ['x_b']\n\
                    [[routes.throttle]]\nkey = ['header:X_A', 'header:X_B', 'header:X-C']\n\
                    rate = '1/s'";
        let expected = [
            "limits.max_connections and the upstreams' max_concurrent need 11088 open files, and the \
             hard limit is 1024: raise it (LimitNOFILE= in systemd, ulimit -Hn) or lower them",
            "cache.memory.max_size and max_in_flight are 320 MiB together, over 60 % of the 512 MiB \
             that there are: lower them, or the process may be killed under load",
            "trusted_proxies holds 0.0.0.0/0, so every client can choose its own address, host and \
             scheme by X-Forwarded-*: name your proxies alone",
            "heuristic freshness is on for \"/a\", \"/b\", \"/c\" and 5 more: answers that do not say \
             how long they are fresh may be served when they are not; prefer ttl, or a Cache-Control \
             from the API",
            "cache.key.query of the route \"/e\" drops \"fields\", which its shape does not handle: \
             whatever a client asks by it, all get the same; keep it in the key, or let shape take it",
            "cache.key.query of the route \"/f\" drops \"offset\", \"limit\", \"page\" and 1 more, \
             which its shape does not handle: whatever a client asks by it, all get the same; keep \
             it in the key, or let shape take it",
            "a limit of the route \"/h\" goes by \"x_a\", and a request with such a field is neither \
             stored nor answered from the cache, because many APIs take it for the one with hyphens: \
             send that one, or name this in cache.key.headers",
            "no route leads to the upstream \"b\": name it in one, or remove it",
        ];
        assert_eq!(advise(text, machine), expected);
    }
}
