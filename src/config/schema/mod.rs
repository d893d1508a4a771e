//! The words of `proxy.toml`: which keys there are, and what they become.

mod admin;
mod batch;
mod cache;
mod compression;
mod conditions;
mod key;
mod list;
mod log;
mod redis;
mod routes;
mod shape;
mod throttle;
mod tls;
mod upstreams;

use ipnet::IpNet;
use toml::de::DeTable;

use super::{
    Config, Limits, Listen, Overrides, Problem, Timeouts,
    address::range,
    reader::{Context, Group, Key, Section},
    units::{TIMEOUT, buffer, count},
    value::Text,
};
use routes::Defaults;
use upstreams::Upstreams;

/// Compiles the text of a configuration.
pub(super) fn parse(
    file: &str,
    text: &str,
    env: &dyn Fn(&str) -> Option<String>,
    overrides: &Overrides,
) -> Result<Config, Vec<Problem>> {
    let context = Context::new(file, text, env).with(overrides);
    let (table, errors) = DeTable::parse_recoverable(text);
    // they come in the order of passes, and the later ones follow from the first
    let first = errors.iter().min_by_key(|error| error.span().map(|span| span.start));
    let config = match first {
        None => Some(top(Section::top(&context, Some(table.get_ref())))),
        Some(error) => {
            let line = error.span().map_or(0, |span| context.line(span.start));
            context.report(line, "", syntax(error.message()));
            None
        }
    };
    let problems = context.into_problems(keys);
    config.filter(|_| problems.is_empty()).ok_or(problems)
}

/// Every key that `proxy.toml` may have.
#[must_use]
pub fn keys() -> Vec<Key> {
    declared().0
}

/// Every key, and every table of which there may be many.
pub(super) fn declared() -> (Vec<Key>, Vec<Group>) {
    let context = Context::listing(&|_| None);
    top(Section::top(&context, None));
    context.into_declared()
}

/// The parser's words, and what to do.
fn syntax(message: &str) -> String {
    const BARE: [&str; 6] = ["string values", "float", "integer", "boolean", "date", "time"];
    let (what, expected) = message.split_once(", expected ").unwrap_or((message, "nothing"));
    if what == "duplicate key" {
        return "this is not TOML (duplicate key): keep one of the two".to_owned();
    }
    if BARE.iter().any(|kind| what.contains(kind)) {
        return format!("this is not TOML ({what}): put a value with letters or dots in quotes");
    }
    match expected {
        "nothing" => format!("this is not TOML ({what}): remove or correct it"),
        _ => format!("this is not TOML ({what}): expected {expected}"),
    }
}

fn top(mut top: Section<'_>) -> Config {
    let listen = listen(&mut top);
    let tls = tls::read(top.table("tls"), &listen);
    if tls.is_none() && !top.has("listen") {
        let example = "listen = \"127.0.0.1:8080\"";
        top.report("listen", format!("is missing: write where clients connect, as in {example}"));
    }
    let upstream =
        top.text("upstream", "a URL, or the name of an [upstreams.<name>], in quotes", None);
    let trusted_proxies = ranges(&mut top, "trusted_proxies");
    let proxy_protocol = ranges(&mut top, "proxy_protocol");
    let limits = limits(top.table("limits"));
    let timeouts = timeouts(top.table("timeouts"));
    let log = log::read(top.table("log"));
    let public: Vec<Listen> = tls::public(&listen, tls.as_ref()).cloned().collect();
    let admin = admin::read(top.table("admin"), &public);
    let (cache, tiers, redis) = cache::whole(top.table("cache"));
    let (compression, max_streams) = compression::whole(top.table("compression"));
    let batch = batch::read(top.table("batch"), &compression);
    let limits_of_all = throttle::of_all(&mut top);
    let mut upstreams = Upstreams::default();
    for (name, section) in top.named("upstreams") {
        upstreams.read(name, section);
    }
    let upstream = upstream.map(|text| upstreams.resolve(&text));
    let written = top.has("upstream").then(|| upstream.flatten().unwrap_or_default());
    let (compression, throttle) = (&compression, &limits_of_all[..]);
    let upstream = written.as_deref();
    let defaults = Defaults { upstream, cache: &cache, compression, tiers, throttle };
    let sections = top.list("routes");
    if !top.has("upstream") && sections.as_ref().is_some_and(Vec::is_empty) {
        let example = "upstream = \"http://127.0.0.1:3000\"";
        top.report("upstream", format!("is missing: write where the API is, as in {example}"));
    }
    let mut routes = routes::all(sections.unwrap_or_default(), &defaults, &mut upstreams);
    if let Some(field) = tls.as_ref().and_then(|tls| tls.clients.subject.as_ref()) {
        routes.iter_mut().for_each(|route| tls::tell_apart(route, field));
    }
    top.finish();
    let upstreams = upstreams.list;
    Config {
        listen,
        tls,
        proxy_protocol,
        trusted_proxies,
        upstreams,
        routes,
        limits,
        timeouts,
        log,
        memory: tiers.memory,
        max_streams,
        redis,
        batch,
        admin,
    }
}

/// The listeners in the clear.
fn listen(top: &mut Section<'_>) -> Vec<Listen> {
    let takes = "an address such as \"127.0.0.1:8080\", or an array of them";
    let texts = top.texts("listen", takes, None);
    if texts.as_ref().is_some_and(Vec::is_empty) {
        let example = "listen = \"127.0.0.1:8080\"";
        top.report("listen", format!("is empty: write where clients connect, as in {example}"));
    }
    addresses(texts.unwrap_or_default(), &[])
}

/// Addresses to listen at, each once, none of `others` among them.
fn addresses(texts: Vec<Text<'_>>, others: &[Listen]) -> Vec<Listen> {
    let mut addresses: Vec<Listen> = Vec::new();
    for text in texts {
        let Some(address) = text.read(str::parse::<Listen>) else { continue };
        if addresses.iter().chain(others).any(|other| other.collides(&address)) {
            text.refuse("is listened at already: remove one of the two");
        }
        addresses.push(address);
    }
    addresses
}

fn ranges(top: &mut Section<'_>, key: &'static str) -> Vec<IpNet> {
    let takes = "an array of addresses and ranges such as [\"10.0.0.0/8\"]";
    let texts = top.texts(key, takes, Some("[]")).unwrap_or_default();
    texts.iter().filter_map(|text| text.read(range)).collect()
}

fn limits(mut section: Section<'_>) -> Limits {
    let default = Limits::default();
    let limits = Limits {
        max_connections: section.number(
            "max_connections",
            &count(1, 1_000_000),
            default.max_connections,
        ),
        max_handshakes: section.number(
            "max_handshakes",
            &count(1, 1_000_000),
            default.max_handshakes,
        ),
        // hyper's read buffer has at least 8 KiB
        max_head: section.number("max_head", &buffer(8 << 10, 1 << 20), default.max_head),
        max_fields: section.number("max_fields", &count(1, 1000), default.max_fields),
    };
    section.finish();
    limits
}

fn timeouts(mut section: Section<'_>) -> Timeouts {
    let default = Timeouts::default();
    let timeouts = Timeouts {
        handshake: section.number("handshake", &TIMEOUT, default.handshake),
        headers: section.number("headers", &TIMEOUT, default.headers),
        idle: section.number("idle", &TIMEOUT, default.idle),
        body_idle: section.number("body_idle", &TIMEOUT, default.body_idle),
        write_idle: section.number("write_idle", &TIMEOUT, default.write_idle),
        shutdown: section.number("shutdown", &TIMEOUT, default.shutdown),
    };
    section.finish();
    timeouts
}
