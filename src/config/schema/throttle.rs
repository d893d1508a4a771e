//! `[throttle]` and `validate`: what is refused before it costs the API anything.

use std::time::Duration;

use http::HeaderName;

use crate::config::{
    address::range,
    pattern,
    reader::{Section, Values},
    throttle::{Count, Headers, Limit, MAX_LIMITS, Mode, Part, Prefixes, Rate, Scope, Validate},
    units::{TIMEOUT, count, rate, size},
    value::Text,
};

/// The limits of all routes that have none of their own.
pub(super) fn of_all(top: &mut Section<'_>) -> Vec<Limit> {
    let sections = top.tables("throttle").unwrap_or_default();
    read(top, sections, &Scope::Everywhere, None)
}

/// The limits of a route: its own in place of `inherited`. A single table leaves to a single
/// inherited one what it does not say.
pub(super) fn of_route(route: &mut Section<'_>, name: &str, inherited: &[Limit]) -> Vec<Limit> {
    let Some(sections) = route.tables("throttle") else { return inherited.to_vec() };
    let base = match (&sections[..], inherited) {
        ([_], [base]) => Some(base),
        _ => None,
    };
    read(route, sections, &Scope::Route(name.to_owned()), base)
}

fn read(
    parent: &Section<'_>,
    sections: Vec<Section<'_>>,
    scope: &Scope,
    base: Option<&Limit>,
) -> Vec<Limit> {
    let limits: Vec<Limit> =
        sections.into_iter().filter_map(|section| limit(section, scope, base)).collect();
    if limits.len() > MAX_LIMITS {
        parent.report("throttle", format!("has over {MAX_LIMITS} limits: remove some"));
    }
    let same = |a: &Limit, b: &Limit| {
        (&a.key, a.prefixes, a.rate, a.burst) == (&b.key, b.prefixes, b.rate, b.burst)
    };
    let twice = |at: usize| limits[..at].iter().any(|other| same(other, &limits[at]));
    if (0..limits.len()).any(twice) {
        parent.report("throttle", "has the same limit twice: remove one, or change its rate");
    }
    limits
}

fn limit(mut section: Section<'_>, scope: &Scope, base: Option<&Limit>) -> Option<Limit> {
    let rate = section.text("rate", "a rate such as \"100/s\", \"60/min\" or \"1000/h\"", None);
    if !section.has("rate") && base.is_none() {
        section.report("rate", "is missing: write how often, as in rate = \"100/s\"");
    }
    let own = section.has("rate");
    let rate = rate.and_then(|text| text.read(self::rate));
    let rate = if own { rate } else { base.map(|base| base.rate) };
    let burst = burst(&mut section, rate, base.filter(|_| !own));
    let limit = Limit {
        scope: scope.clone(),
        key: key(&mut section, base),
        prefixes: prefixes(&mut section, base),
        rate: rate.unwrap_or(Rate { count: 1, per: Duration::from_secs(1) }),
        burst,
        mode: mode(&mut section, base),
        max_wait: section.number("max_wait", &TIMEOUT, base.map_or(MAX_WAIT, |it| it.max_wait)),
        count: section.word(
            "count",
            &[("all", Count::All), ("misses", Count::Misses)],
            base.map_or(Count::All, |base| base.count),
        ),
        headers: headers(&mut section, base),
        allow: allow(&mut section, base),
        max_keys: section.number(
            "max_keys",
            &count(1, 10_000_000),
            base.map_or(MAX_KEYS, |base| base.max_keys),
        ),
    };
    section.finish();
    rate.map(|_| limit)
}

const MAX_WAIT: Duration = Duration::from_secs(2);
const MAX_KEYS: usize = 1_000_000;

/// A bucket takes at most 1,000,000 hours to fill, which the arithmetic of nanoseconds can hold.
fn burst(section: &mut Section<'_>, rate: Option<Rate>, base: Option<&Limit>) -> u32 {
    let takes = "a whole number such as 200";
    let default = base.map_or_else(|| rate.map_or(1, Rate::a_second), |base| base.burst);
    let item = section.take("burst", takes, None);
    section.takes(|| Values::Number);
    let Some(item) = item else { return default };
    let burst = item.number(&count(1, 1_000_000));
    burst.and_then(|burst| u32::try_from(burst).ok()).unwrap_or(default)
}

fn key(section: &mut Section<'_>, base: Option<&Limit>) -> Vec<Part> {
    let takes = "\"client_ip\", \"header:NAME\", \"cookie:NAME\", or an array of them";
    let texts = section.texts("key", takes, Some("client_ip"));
    if texts.as_ref().is_some_and(Vec::is_empty) {
        section.report("key", "is empty: write what tells clients apart, as in \"client_ip\"");
    }
    let parts = texts.map(|texts| texts.iter().filter_map(part).collect());
    parts.unwrap_or_else(|| base.map_or_else(|| vec![Part::ClientIp], |base| base.key.clone()))
}

fn part(text: &Text<'_>) -> Option<Part> {
    let is_token = |name: &str| HeaderName::try_from(name).is_ok() && name.len() <= 200;
    text.read(|text| match text.split_once(':') {
        None if text == "client_ip" => Ok(Part::ClientIp),
        Some(("header", name)) if is_token(name) => {
            HeaderName::try_from(name).map(Part::Header).map_err(|error| error.to_string())
        }
        Some(("cookie", name)) if is_token(name) => Ok(Part::Cookie(name.to_owned())),
        Some(("header" | "cookie", _)) => Err("is not a name after its colon: write letters, \
                                               digits and -, as in \"header:X-Api-Key\""
            .to_owned()),
        _ => Err("is nothing that clients are told apart by: write \"client_ip\", \
                  \"header:NAME\" or \"cookie:NAME\""
            .to_owned()),
    })
}

fn prefixes(section: &mut Section<'_>, base: Option<&Limit>) -> Prefixes {
    let default = base.map_or_else(Prefixes::default, |base| base.prefixes);
    let mut section = section.table("prefixes");
    let mut bits = |key, most, default: u8| {
        let bits = section.number(key, &count(1, most), usize::from(default));
        u8::try_from(bits).unwrap_or(default)
    };
    let prefixes = Prefixes { v4: bits("ipv4", 32, default.v4), v6: bits("ipv6", 128, default.v6) };
    section.finish();
    prefixes
}

fn mode(section: &mut Section<'_>, base: Option<&Limit>) -> Mode {
    let words = [("reject", Mode::Reject), ("queue", Mode::Queue), ("shadow", Mode::Shadow)];
    section.word("mode", &words, base.map_or(Mode::Reject, |base| base.mode))
}

fn headers(section: &mut Section<'_>, base: Option<&Limit>) -> Headers {
    let words = [("on_429", Headers::On429), ("always", Headers::Always), ("off", Headers::Off)];
    section.word("headers", &words, base.map_or(Headers::On429, |base| base.headers))
}

fn allow(section: &mut Section<'_>, base: Option<&Limit>) -> Vec<ipnet::IpNet> {
    let takes = "an array of addresses and ranges such as [\"10.0.0.0/8\"]";
    let texts = section.texts("allow", takes, Some("[]"));
    let own = texts.map(|texts| texts.iter().filter_map(|text| text.read(range)).collect());
    own.unwrap_or_else(|| base.map(|base| base.allow.clone()).unwrap_or_default())
}

/// The `validate` of a route.
pub(super) fn validate(mut section: Section<'_>) -> Validate {
    let methods = section.texts("methods", "an array of methods such as [\"GET\"]", None);
    let types = "an array of media types such as [\"application/json\"]";
    let content_types = section.texts("content_types", types, None);
    for (key, texts) in [("methods", &methods), ("content_types", &content_types)] {
        if texts.as_ref().is_some_and(Vec::is_empty) {
            section.report(key, "is empty, which would refuse everything: leave it out");
        }
    }
    let max_body = section.take("max_body", "a size such as \"1MiB\"", None);
    section.takes(|| Values::Number);
    let validate = Validate {
        methods: all(methods, pattern::method),
        max_body: max_body.and_then(|item| item.number(&size(0, 1 << 40))),
        content_types: all(content_types, media_type),
    };
    section.finish();
    validate
}

fn all(texts: Option<Vec<Text<'_>>>, read: fn(&str) -> Result<String, String>) -> Vec<String> {
    texts.unwrap_or_default().iter().filter_map(|text| text.read(read)).collect()
}

/// `type/subtype` or `type/*` (RFC 9110 §8.3.1), in lower case.
fn media_type(text: &str) -> Result<String, String> {
    let is_token = |part: &str| HeaderName::try_from(part).is_ok();
    match text.split_once('/') {
        Some((kind, subtype)) if is_token(kind) && kind != "*" && is_token(subtype) => {
            Ok(text.to_ascii_lowercase())
        }
        _ => Err("is not a media type: write it without parameters, as in \"application/json\" \
                  or \"image/*\""
            .into()),
    }
}
