//! `[[routes]]`, and the route that the top-level `upstream` makes.

use std::collections::HashMap;

use super::{
    cache::{self, Tiers},
    compression, shape, throttle,
    upstreams::Upstreams,
};
use crate::config::{
    Cache, Compression, Route, pattern,
    reader::{Context, Section},
    routes::{HostPattern, Pattern},
    throttle::{Limit, Part, Validate},
};
use crate::policy::rules::Cookies;

/// The name of the route that the top-level `upstream` makes.
const DEFAULT: &str = "default";

/// Matches everything.
const EVERYTHING: &str = "/**";

/// What a route has where it says nothing.
pub(super) struct Defaults<'a> {
    /// The top-level one; empty if it is faulty.
    pub(super) upstream: Option<&'a str>,
    pub(super) cache: &'a Cache,
    pub(super) compression: &'a Compression,
    pub(super) tiers: Tiers,
    pub(super) throttle: &'a [Limit],
}

/// Every route, the one of the top-level upstream last.
pub(super) fn all<'a>(
    sections: Vec<Section<'a>>,
    defaults: &Defaults<'_>,
    upstreams: &mut Upstreams,
) -> Vec<Route> {
    let mut seen = Seen::default();
    let mut routes = Vec::new();
    for section in sections {
        let context = section.context;
        let Some(route) = read(section, defaults, upstreams) else { continue };
        if route.name == DEFAULT && defaults.upstream.is_some() {
            let message = "is the name of what the top-level upstream gets: choose another";
            context.report(route.line, "routes.name", message);
        }
        seen.compare(context, &route);
        routes.push(route);
    }
    routes.extend(defaults.upstream.map(|upstream| Route {
        name: DEFAULT.to_owned(),
        pattern: Pattern { path: EVERYTHING.to_owned(), ..Pattern::default() },
        upstream: upstream.to_owned(),
        cache: defaults.cache.clone(),
        compression: defaults.compression.clone(),
        throttle: defaults.throttle.to_vec(),
        validate: Validate::default(),
        shape: None,
        line: 0,
    }));
    routes
}

fn read(
    mut section: Section<'_>,
    defaults: &Defaults<'_>,
    upstreams: &mut Upstreams,
) -> Option<Route> {
    section.refuse(&[
        "listen",
        "tls",
        "proxy_protocol",
        "trusted_proxies",
        "limits",
        "timeouts",
        "log",
        "admin",
        "batch",
        "upstreams",
    ]);
    let line = section.line();
    let name = section.text("name", "a name of your choice", None);
    let name = name.map(|text| text.read(self::name));
    let pattern = requests(&mut section);
    let upstream = upstream(&mut section, defaults, upstreams);
    let cache = cache::of_route(section.table("cache"), defaults.cache, defaults.tiers);
    let compression = compression::of_route(section.table("compression"), defaults.compression);
    let known = name.flatten().or_else(|| pattern.as_ref().map(default_name)).unwrap_or_default();
    let throttle = throttle::of_route(&mut section, &known, defaults.throttle);
    agree(&section, &cache, &throttle);
    let validate = throttle::validate(section.table("validate"));
    let offered = section.has("shape");
    let shape = shape::read(section.table("shape")).filter(|_| offered);
    section.finish();
    let (name, pattern) = (known, pattern?);
    Some(Route { name, pattern, upstream, cache, compression, throttle, validate, shape, line })
}

/// Reports a limit that counts by what the route takes out of requests.
fn agree(section: &Section<'_>, cache: &Cache, throttle: &[Limit]) {
    let by_cookie = |limit: &Limit| limit.key.iter().any(|part| matches!(part, Part::Cookie(_)));
    if cache.rules.cookies == Cookies::Ignore && throttle.iter().any(by_cookie) {
        let message = "counts by a cookie, which cache.cookies = \"ignore\" takes out of requests: \
                       change one of them";
        section.report("throttle", message);
    }
}

fn name(text: &str) -> Result<String, String> {
    if text.is_empty() || text.len() > 200 || text.chars().any(char::is_control) {
        return Err("is no name: write 1 to 200 bytes without control characters".into());
    }
    Ok(text.to_owned())
}

fn upstream(
    section: &mut Section<'_>,
    defaults: &Defaults<'_>,
    upstreams: &mut Upstreams,
) -> String {
    let takes = "a URL, or the name of an [upstreams.<name>], in quotes";
    let written = section.text("upstream", takes, None);
    if !section.has("upstream") && defaults.upstream.is_none() {
        let message = "is missing: write a URL or a name here, or an upstream for all routes at \
                       the top of the file";
        section.report("upstream", message);
    }
    match written {
        Some(text) => upstreams.resolve(&text).unwrap_or_default(),
        None => defaults.upstream.unwrap_or_default().to_owned(),
    }
}

fn requests(route: &mut Section<'_>) -> Option<Pattern> {
    let mut section = route.table("match");
    let example = "match = { path = \"/users/**\" }";
    if !route.has("match") {
        route.report(
            "match",
            format!("is missing: write which requests it is for, as in {example}"),
        );
    } else if section.is_empty() {
        route.report("match", format!("is empty: write which requests it is for, as in {example}"));
    }
    let host =
        section.text("host", "a host such as \"api.example.org\" or \"*.example.org\"", None);
    let host = host.and_then(|text| text.read(pattern::host));
    let path = section.text("path", "a path such as \"/users/**\"", Some(EVERYTHING));
    let path = path.and_then(|text| text.read(pattern::path));
    let methods = methods(&mut section);
    let complete = section.has("host") == host.is_some()
        && section.has("path") == path.is_some()
        && section.has("methods") == methods.is_some();
    section.finish();
    let path = path.unwrap_or_else(|| EVERYTHING.to_owned());
    let pattern = Pattern { host, path, methods: methods.unwrap_or_default() };
    (complete && route.has("match")).then_some(pattern)
}

fn methods(section: &mut Section<'_>) -> Option<Vec<String>> {
    let texts =
        section.texts("methods", "an array of methods such as [\"GET\", \"POST\"]", None)?;
    if texts.is_empty() {
        section.report("methods", "is empty: name methods, or leave it out, which means all");
    }
    let mut methods = Vec::new();
    let mut complete = true;
    for text in &texts {
        match text.read(pattern::method) {
            Some(method) if methods.contains(&method) => {}
            Some(method) => methods.push(method),
            None => complete = false,
        }
    }
    complete.then_some(methods)
}

/// Host, path and methods, as in `api.example.org/users/** GET,POST`.
fn default_name(pattern: &Pattern) -> String {
    let mut name = match &pattern.host {
        None => String::new(),
        Some(HostPattern::Exact(host)) => host.clone(),
        Some(HostPattern::Suffix(suffix)) => format!("*{suffix}"),
    };
    name.push_str(&pattern.path);
    if !pattern.methods.is_empty() {
        name.push(' ');
        name.push_str(&pattern.methods.join(","));
    }
    name
}

/// What earlier routes are called and match, and their lines.
#[derive(Default)]
struct Seen {
    names: HashMap<String, usize>,
    /// By host and path.
    patterns: HashMap<Place, Vec<Earlier>>,
}

type Place = (Option<HostPattern>, String);

struct Earlier {
    methods: Vec<String>,
    line: usize,
}

impl Seen {
    /// Reports a route that takes the same requests, or has the same name, as an earlier one.
    fn compare(&mut self, context: &Context<'_>, route: &Route) {
        let Pattern { host, path, methods } = &route.pattern;
        let same = self.patterns.entry((host.clone(), path.clone())).or_default();
        let tie = same.iter().find(|other| overlap(&other.methods, methods));
        if let Some(Earlier { line, .. }) = tie {
            let message = format!(
                "takes the same requests as the route of line {line}: change the host, path or \
                 methods of one of them, or remove one (GET means HEAD, too)"
            );
            context.report(route.line, "routes.match", message);
        }
        match self.names.get(&route.name) {
            Some(line) if tie.is_none() => {
                let message = format!("is the name of the route of line {line}, too: change one");
                context.report(route.line, "routes.name", message);
            }
            _ => {}
        }
        same.push(Earlier { methods: methods.clone(), line: route.line });
        self.names.entry(route.name.clone()).or_insert(route.line);
    }
}

/// Whether neither of two lists of methods is more specific, and both have a method.
fn overlap(a: &[String], b: &[String]) -> bool {
    let covers = |a: &str, b: &str| a == b || a == "GET" && b == "HEAD";
    let meets = |x: &String| b.iter().any(|y| covers(x, y) || covers(y, x));
    a.is_empty() && b.is_empty() || a.iter().any(meets)
}
