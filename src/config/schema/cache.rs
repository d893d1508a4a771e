//! `[cache]`, and the same keys in a route.

use super::{
    conditions::{bypass_when, no_store_when},
    key::key,
    redis,
};
use crate::{
    config::{
        Cache, Collapse, Memory, Mode, Redis,
        reader::Section,
        units::{PERCENT, SECONDS, TIMEOUT, size},
        value::Item,
    },
    policy::rules::{Authorization, Cookies, RequestCacheControl, Rules, SetCookie},
};

/// Tags that a route gives to everything; the origin's own come on top.
const MAX_TAGS: usize = 16;

/// What there is for all routes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tiers {
    pub(super) memory: Memory,
    /// Whether `[cache.redis]` is written.
    shared: bool,
}

/// `[cache]` as a whole: the defaults of every route, and the tiers.
pub(super) fn whole(mut section: Section<'_>) -> (Cache, Tiers, Option<Redis>) {
    let memory = memory(section.table("memory"));
    let written = section.has("redis");
    let redis = redis::read(section.table("redis"));
    let tiers = Tiers { memory, shared: written };
    (read(section, &Cache::default(), tiers), tiers, redis)
}

fn memory(mut section: Section<'_>) -> Memory {
    let default = Memory::default();
    let kind = size(1 << 20, 1 << 40);
    let memory = Memory {
        max_size: section.number("max_size", &kind, default.max_size),
        max_in_flight: section.number("max_in_flight", &kind, default.max_in_flight),
    };
    section.finish();
    memory
}

/// The `cache` of a route: what it does not say is `inherited`.
pub(super) fn of_route(mut section: Section<'_>, inherited: &Cache, tiers: Tiers) -> Cache {
    section.refuse(&["memory", "redis"]);
    read(section, inherited, tiers)
}

fn read(mut section: Section<'_>, inherited: &Cache, tiers: Tiers) -> Cache {
    let modes = [("on", Mode::On), ("off", Mode::Off), ("shadow", Mode::Shadow)];
    let mode = section.word("mode", &modes, inherited.mode);
    let max_object_size = max_object_size(&mut section, inherited.max_object_size, tiers.memory);
    let words = [("node", Collapse::Node), ("off", Collapse::Off), ("cluster", Collapse::Cluster)];
    let collapse = section.word("collapse", &words, inherited.collapse);
    if section.has("collapse") && collapse == Collapse::Cluster && !tiers.shared {
        section.report(
            "collapse",
            "needs a [cache.redis] that nodes share: add one, or write \"node\"",
        );
    }
    let collapse_wait = section.number("collapse_wait", &TIMEOUT, inherited.collapse_wait);
    let rules = rules(&mut section, &inherited.rules);
    let tags = tags(&mut section, &inherited.tags);
    let (query, fields) = key(section.table("key"), &inherited.query, &rules.key);
    section.finish();
    let rules = Rules { key: fields, ..rules };
    Cache { mode, max_object_size, collapse, collapse_wait, rules, query, tags }
}

/// One body must not push out everything else, and has to fit while it arrives.
fn max_object_size(section: &mut Section<'_>, inherited: u64, memory: Memory) -> u64 {
    let written = section.number("max_object_size", &size(1 << 10, 1 << 30), inherited);
    if section.has("max_object_size") && written > memory.max_size / 2 {
        let message = "is more than half of cache.memory.max_size: lower it or raise that";
        section.report("max_object_size", message);
    } else if section.has("max_object_size") && written > memory.max_in_flight {
        let message = "is more than cache.memory.max_in_flight: lower it or raise that";
        section.report("max_object_size", message);
    }
    written.min(memory.max_size / 2).min(memory.max_in_flight)
}

fn rules(section: &mut Section<'_>, inherited: &Rules) -> Rules {
    let mut seconds = |key, default| section.optional(key, &SECONDS, default);
    let ttl = seconds("ttl", inherited.ttl);
    let override_ttl = seconds("override_ttl", inherited.override_ttl);
    let max_ttl = seconds("max_ttl", inherited.max_ttl);
    let stale_while_revalidate =
        seconds("stale_while_revalidate", inherited.stale_while_revalidate);
    let stale_if_error = seconds("stale_if_error", inherited.stale_if_error);
    Rules {
        ttl,
        override_ttl,
        max_ttl,
        stale_while_revalidate,
        stale_if_error,
        status_ttl: status_ttl(section, &inherited.status_ttl),
        heuristic: section.optional("heuristic", &PERCENT, inherited.heuristic),
        keep: section.number("keep", &SECONDS, inherited.keep),
        authorization: authorization(section, inherited.authorization),
        cookies: cookies(section, inherited.cookies),
        set_cookie: set_cookie(section, inherited.set_cookie),
        request_cache_control: request_cache_control(section, inherited.request_cache_control),
        bypass_when: bypass_when(section, &inherited.bypass_when),
        no_store_when: no_store_when(section, &inherited.no_store_when),
        key: inherited.key.clone(),
    }
}

fn authorization(section: &mut Section<'_>, inherited: Authorization) -> Authorization {
    let words = [
        ("rfc", Authorization::Rfc),
        ("isolate", Authorization::Isolate),
        ("bypass", Authorization::Bypass),
    ];
    section.word("authorization", &words, inherited)
}

fn cookies(section: &mut Section<'_>, inherited: Cookies) -> Cookies {
    section.word("cookies", &[("rfc", Cookies::Rfc), ("ignore", Cookies::Ignore)], inherited)
}

fn set_cookie(section: &mut Section<'_>, inherited: SetCookie) -> SetCookie {
    let words =
        [("refuse", SetCookie::Refuse), ("rfc", SetCookie::Rfc), ("strip", SetCookie::Strip)];
    section.word("set_cookie", &words, inherited)
}

fn request_cache_control(
    section: &mut Section<'_>,
    inherited: RequestCacheControl,
) -> RequestCacheControl {
    let words = [("ignore", RequestCacheControl::Ignore), ("honor", RequestCacheControl::Honor)];
    section.word("request_cache_control", &words, inherited)
}

fn status_ttl(section: &mut Section<'_>, inherited: &[(u16, u32)]) -> Vec<(u16, u32)> {
    let takes = "a table such as { 404 = \"10s\" }";
    let Some(item) = section.take("status_ttl", takes, Some("{}".to_owned())) else {
        return inherited.to_vec();
    };
    let entry =
        |(name, item): (&str, Item<'_>)| Some((status(name, &item)?, item.number(&SECONDS)?));
    let mut list: Vec<(u16, u32)> = item.entries().into_iter().filter_map(entry).collect();
    list.sort_unstable();
    list
}

fn status(name: &str, item: &Item<'_>) -> Option<u16> {
    let status = name.parse().ok().filter(|status| name.len() == 3 && (200..=599).contains(status));
    if status.is_none() {
        item.report("is not a status: write one from 200 to 599, as in 404 = \"10s\"");
    }
    status
}

fn tags(section: &mut Section<'_>, inherited: &[String]) -> Vec<String> {
    let takes = "an array of tags such as [\"users\"]";
    let Some(texts) = section.texts("tags", takes, Some("[]")) else { return inherited.to_vec() };
    if texts.len() > MAX_TAGS {
        section.report("tags", format!("has too many of them: write at most {MAX_TAGS}"));
    }
    texts.iter().filter_map(|text| text.read(tag)).collect()
}

/// A tag, as one may stand in Surrogate-Key and in Cache-Tag.
fn tag(text: &str) -> Result<String, String> {
    let allowed = |byte: u8| byte.is_ascii_graphic() && byte != b',';
    if text.is_empty() || text.len() > 128 || !text.bytes().all(allowed) {
        return Err(
            "is no tag: write 1 to 128 visible ASCII characters, no comma among them".into()
        );
    }
    Ok(text.to_owned())
}
