//! `[log]`: where the access log goes, what stands in it, and what requests are known by.

use std::path::PathBuf;

use http::{HeaderName, header};

use super::list::{self, list};
use crate::{
    config::{Access, Format, Log, SECRETS, reader::Section},
    ids::{Naming, Tracing},
};

/// The most fields of a line.
const MOST: usize = 16;

/// The most names that are hidden: each is looked for in every query.
const MOST_SECRETS: usize = 64;

/// Nobody reads these in a log.
const CREDENTIALS: [HeaderName; 3] =
    [header::AUTHORIZATION, header::PROXY_AUTHORIZATION, header::COOKIE];

/// Whether a request gets an id, or a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Choice {
    WithTheLog,
    On,
    Off,
}

const CHOICES: [(&str, Choice); 3] =
    [("auto", Choice::WithTheLog), ("on", Choice::On), ("off", Choice::Off)];

pub(super) fn read(mut section: Section<'_>) -> Log {
    let text = section.text("access", "\"off\", \"stderr\", or a path", Some("off"));
    let access = text.and_then(|text| text.read(access)).unwrap_or_default();
    let formats = [("json", Format::Json), ("combined", Format::Combined)];
    let format = section.word("format", &formats, Format::Json);
    let takes = "an array of names such as [\"User-Agent\"]";
    let fields = list(&mut section, ("fields", takes, MOST), field).unwrap_or_default();
    if format == Format::Combined && !fields.is_empty() {
        let why = "has no place in a line of format = \"combined\": remove it, or write \"json\"";
        section.report("fields", why);
    }
    let request = section.word("request_id", &CHOICES, Choice::WithTheLog);
    let trace = section.word("trace", &CHOICES, Choice::WithTheLog);
    let logs = access != Access::Off;
    let trace = match trace {
        Choice::WithTheLog if logs => Tracing::Keep,
        Choice::WithTheLog | Choice::Off => Tracing::Off,
        Choice::On => Tracing::Begin,
    };
    let request = request == Choice::On || (request == Choice::WithTheLog && logs);
    let redact = redact(&mut section);
    section.finish();
    Log { access, format, fields, redact, naming: Naming { request, trace } }
}

fn access(text: &str) -> Result<Access, String> {
    match text {
        "off" => Ok(Access::Off),
        "stderr" => Ok(Access::Stderr),
        path if path.contains('/') && !path.ends_with('/') && !path.contains('\0') => {
            Ok(Access::File(PathBuf::from(path)))
        }
        _ => Err("is not a value that it has: write \"off\", \"stderr\", or the path of a file \
                  with its directory, as in \"./access.log\""
            .to_owned()),
    }
}

fn field(text: &str) -> Result<HeaderName, String> {
    let name = list::field(text)?;
    match CREDENTIALS.contains(&name) {
        true => Err("is a credential, which no log may hold: remove it".into()),
        false => Ok(name),
    }
}

fn redact(section: &mut Section<'_>) -> Vec<String> {
    let takes = "an array of names such as [\"token\", \"x-amz-*\"]";
    let default = format!("{SECRETS:?}");
    let Some(texts) = section.texts("redact", takes, Some(&default)) else {
        return SECRETS.map(str::to_owned).to_vec();
    };
    if texts.len() > MOST_SECRETS {
        section.report("redact", format!("has too many of them: write at most {MOST_SECRETS}"));
    }
    texts.iter().filter_map(|text| text.read(secret)).collect()
}

/// The name of a parameter or of a field, as it is read: not encoded.
fn secret(text: &str) -> Result<String, String> {
    let start = text.strip_suffix('*').unwrap_or(text);
    let allowed = |byte: u8| byte.is_ascii_graphic() && !b"*?&;#=".contains(&byte);
    match !start.is_empty() && start.bytes().all(allowed) {
        true => Ok(text.to_owned()),
        false => Err("is no name: write one such as access_token; * may end it".into()),
    }
}
