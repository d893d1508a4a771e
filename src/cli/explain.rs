//! `larder explain`: asks a running proxy what it would do with a request, and why.

use std::{fmt::Write as _, path::PathBuf, process::ExitCode};

use http::{Method, StatusCode};
use serde_json::Value;

use super::talk::{self, Ask};

const EXAMPLES: &str = "\
Examples:
  larder explain GET https://api.example.org/users/7
      What would become of this request, and what last became of its like.
  larder explain GET https://api.example.org/ -H 'Accept-Language: de' -H 'Cookie: a=1'
      The same, by a client that says this.
  larder explain --route users
      What a route in mode = \"shadow\" would have answered from memory, and how much of it would
      have been out of date.

Nothing is fetched, stored or purged by it. It asks the address and uses the token of [admin] in
the configuration file.
Exit codes: 0 told, 2 wrong arguments, 78 wrong configuration, 1 anything else.";

/// Say what a running proxy would do with a request, what it last did, and why.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Explain {
    /// The method, as in GET.
    #[arg(value_name = "METHOD", requires = "url", conflicts_with = "route")]
    method: Option<String>,
    /// The URL, with its host.
    #[arg(value_name = "URL")]
    url: Option<String>,
    /// A field of the request, as in 'Accept: text/html'; may be repeated.
    #[arg(short = 'H', long = "header", value_name = "FIELD")]
    headers: Vec<String>,
    /// A route, by its name, instead of a request.
    #[arg(long, value_name = "NAME", required_unless_present = "method")]
    route: Option<String>,
    /// The answer as JSON.
    #[arg(long)]
    json: bool,
    /// The configuration file of the proxy [default: proxy.toml].
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Explain {
    pub(crate) fn run(self) -> ExitCode {
        let ask = Ask { method: Method::GET, target: self.target(), body: None };
        talk::consult(self.config, ask, |status, told| match status {
            StatusCode::OK if self.json => Some(format!("{told:#}\n")),
            StatusCode::OK => Some(readable(told)),
            _ => None,
        })
    }

    fn target(&self) -> String {
        if let Some(route) = &self.route {
            return format!("/v1/explain?route={}", encoded(route));
        }
        let method = self.method.as_deref().unwrap_or_default();
        let url = self.url.as_deref().unwrap_or_default();
        let mut target = format!("/v1/explain?method={}&url={}", encoded(method), encoded(url));
        for field in &self.headers {
            target.push_str("&header=");
            target.push_str(&encoded(field));
        }
        target
    }
}

/// Percent-encoded, but for what is plain everywhere (RFC 3986 §2.3).
fn encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(byte));
            }
            // A String takes everything.
            _ => drop(write!(encoded, "%{byte:02X}")),
        }
    }
    encoded
}

/// A member of the explanation, and what writes it.
type Part = (&'static str, fn(&Value) -> String);

/// The explanation for people: a line a part, aligned.
pub(super) fn readable(told: &Value) -> String {
    let mut text = String::new();
    if told["request"].is_object() {
        let _ = writeln!(
            text,
            "{} {}",
            word(&told["request"]["method"]),
            word(&told["request"]["url"])
        );
    }
    let parts: [Part; 9] = [
        ("verdict", verdict),
        ("route", route),
        ("key", key),
        ("variant", variant),
        ("stored", stored),
        ("left", left),
        ("purge", purge),
        ("last", last),
        ("shadow", shadow),
    ];
    for (name, write) in parts {
        let part = &told[name];
        if part.is_object() {
            for (index, line) in write(part).lines().enumerate() {
                let label = if index == 0 { name } else { "" };
                let _ = writeln!(text, "  {label:<9}{line}");
            }
        }
    }
    text
}

fn word(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "-".to_owned(),
        other => other.to_string(),
    }
}

fn verdict(it: &Value) -> String {
    let mut text = word(&it["cache"]);
    for (before, part) in [(", ", "class"), (": ", "reason"), (", by ", "field"), (", ttl ", "ttl")]
    {
        let known = word(&it[part]);
        if !it[part].is_null() && !known.is_empty() && !text.ends_with(&known) {
            text.push_str(before);
            text.push_str(&known);
        }
    }
    for (label, part) in [("because ", "why"), ("next: ", "next")] {
        let said = word(&it[part]);
        if !said.is_empty() {
            text.push('\n');
            text.push_str(label);
            text.push_str(&said);
        }
    }
    text
}

fn route(it: &Value) -> String {
    let line = match it["line"].as_u64() {
        None | Some(0) => "the top of the file".to_owned(),
        Some(line) => format!("line {line} of the file"),
    };
    let [name, upstream, mode] = ["name", "upstream", "mode"].map(|part| word(&it[part]));
    let limits = usize::try_from(it["limits"].as_u64().unwrap_or(0)).unwrap_or_default();
    let limits = super::counted(limits, "limit");
    format!("{name} ({line}), to {upstream}, cache {mode}, {limits}")
}

fn key(it: &Value) -> String {
    let [hash, scheme, authority, path] =
        ["hash", "scheme", "authority", "path"].map(|part| word(&it[part]));
    let query = it["query"].as_str().map_or_else(String::new, |query| format!("?{query}"));
    let mut text = format!("{hash}: {scheme} {authority} {path}{query}");
    if !it["target"].is_null() {
        text.push_str("\nfrom ");
        text.push_str(&word(&it["target"]));
    }
    text
}

fn variant(it: &Value) -> String {
    let names = it["by"].as_array().cloned().unwrap_or_default();
    let names: Vec<String> = names.iter().map(word).collect();
    format!("{} of {}, by {}", word(&it["hash"]), word(&it["listed"]), names.join(", "))
}

fn stored(it: &Value) -> String {
    let [tier, status, bytes, age, fresh, etag] =
        ["tier", "status", "bytes", "age", "fresh_for", "etag"].map(|part| word(&it[part]));
    let mut text = format!("in {tier}: {status}, {bytes} bytes, {age} s old, fresh for {fresh} s");
    if !it["etag"].is_null() {
        text.push_str(", ETag ");
        text.push_str(&etag);
    }
    text
}

fn left(it: &Value) -> String {
    let [why, by, at] = ["why", "by", "at"].map(|part| word(&it[part]));
    format!("{why} by {by}, {at}")
}

fn purge(it: &Value) -> String {
    let [what, by, at] = ["what", "by", "at"].map(|part| word(&it[part]));
    let manner = if it["soft"] == true { ", softly" } else { "" };
    format!("{what}, by {by}{manner}, {at}")
}

fn last(it: &Value) -> String {
    let [at, status, cache, reason] =
        ["at", "status", "cache", "reason"].map(|part| word(&it[part]));
    let stored = if it["stored"] == true { ", stored" } else { "" };
    let reason = if reason.is_empty() { reason } else { format!(": {reason}") };
    format!("{at}: {status}, {cache}{reason}{stored}")
}

fn shadow(it: &Value) -> String {
    if it["cache"].is_string() {
        return format!("would have been: {}", verdict(it));
    }
    let [requests, hits, ratio, same, differs, wrong, unknown] =
        ["requests", "would_hit", "hit_ratio", "same", "differs", "wrong_ratio", "unknown"]
            .map(|part| word(&it[part]));
    let mut text = format!(
        "requests {requests}, {hits} would have been hits ({ratio})\n\
         of these {same} were the same, {differs} were not ({wrong}), {unknown} cannot be told"
    );
    if let Some(age) = it["mean_age_of_wrong"].as_u64() {
        let _ = write!(text, "\nthose that were not were {age} s old on average");
    }
    text
}
