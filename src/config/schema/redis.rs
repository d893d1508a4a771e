//! `[cache.redis]`: the tier that nodes share.

use std::path::PathBuf;

use crate::config::{
    Redis, Secret,
    reader::Section,
    redis::{Place, Url},
    units::{TIMEOUT, buffer},
};

/// A shorter one could be guessed.
const LEAST_SECRET: usize = 16;

/// A longer prefix only costs memory in Redis.
const MAX_PREFIX: usize = 64;

/// What is written; `None` without a URL.
pub(super) fn read(mut section: Section<'_>) -> Option<Redis> {
    let url = section.text("url", "a URL such as \"redis://localhost:6379\"", None);
    let written = section.has("url");
    // Neither the URL nor the secret is repeated in a problem: it would be in every log.
    let url = url.and_then(|text| hidden(&section, "url", text.value().parse::<Url>()));
    let known = url.is_some();
    let nowhere = Place::Unix(PathBuf::new());
    let url = url.unwrap_or(Url { place: nowhere, user: None, password: None, database: 0 });
    let default = Redis::new(url);
    let ca = section.text("ca", "the path of a PEM file", None);
    let secret = section.text("secret", "a text such as \"${LARDER_SECRET}\"", None);
    let prefix = section.text("prefix", "a word such as \"larder\"", Some(&default.prefix));
    let redis = Redis {
        ca: ca.and_then(|text| text.read(super::upstreams::pem)),
        secret: secret.and_then(|it| hidden(&section, "secret", self::secret(it.value()))),
        prefix: prefix.and_then(|text| text.read(self::prefix)).unwrap_or(default.prefix),
        timeout: section.number("timeout", &TIMEOUT, default.timeout),
        max_object_size: section.number(
            "max_object_size",
            &buffer(1 << 10, 16 << 20),
            default.max_object_size,
        ),
        max_blind: section.number("max_blind", &TIMEOUT, default.max_blind),
        url: default.url,
    };
    if known && redis.ca.is_some() && !matches!(redis.url.place, Place::Tls { .. }) {
        section.report("ca", "is for TLS alone: remove it, or write a rediss:// URL");
    }
    let other = ["ca", "secret", "prefix", "timeout", "max_object_size", "max_blind"];
    if let Some(first) = other.into_iter().find(|key| section.has(key)).filter(|_| !written) {
        let example = "url = \"redis://localhost:6379\"";
        section.report(first, format!("is of no use without a url: add one, as in {example}"));
    }
    section.finish();
    known.then_some(redis)
}

/// Reports what is wrong with a value, without the value.
fn hidden<T>(section: &Section<'_>, key: &str, read: Result<T, String>) -> Option<T> {
    read.map_err(|why| section.report(key, why)).ok()
}

fn secret(text: &str) -> Result<Secret, String> {
    if text.len() < LEAST_SECRET {
        return Err(format!("is too short: write at least {LEAST_SECRET} characters"));
    }
    Ok(Secret::new(text))
}

/// No braces, they mean something in Redis's keys.
fn prefix(text: &str) -> Result<String, String> {
    let allowed =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b':');
    if text.is_empty() || text.len() > MAX_PREFIX || !text.bytes().all(allowed) {
        return Err(format!("is no prefix: write up to {MAX_PREFIX} letters, digits, _ - . or :"));
    }
    Ok(text.to_owned())
}
