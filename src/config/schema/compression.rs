//! `[compression]`, and the same keys in a route.

use crate::{
    config::{
        Compression,
        reader::Section,
        units::{count, size},
        value::Text,
    },
    policy::{
        coding::Coding,
        encoding::{MediaRange, Packing, UpstreamEncoding},
    },
};

/// `[compression]` as a whole: the defaults of every route, and how many bodies are packed while
/// they arrive.
pub(super) fn whole(mut section: Section<'_>) -> (Compression, usize) {
    let streams = section.number("max_streams", &count(0, 1 << 16), 256);
    (read(section, &Compression::default()), streams)
}

/// The `compression` of a route: what it does not say is `inherited`.
pub(super) fn of_route(mut section: Section<'_>, inherited: &Compression) -> Compression {
    section.refuse(&["max_streams"]);
    read(section, inherited)
}

fn read(mut section: Section<'_>, inherited: &Compression) -> Compression {
    let inherits = &inherited.packing;
    let compression = Compression {
        packing: Packing {
            encodings: encodings(&mut section).unwrap_or_else(|| inherits.encodings.clone()),
            types: types(&mut section).unwrap_or_else(|| inherits.types.clone()),
            min_length: section.number("min_length", &size(0, 1 << 30), inherits.min_length),
        },
        upstream: upstream(&mut section, inherited.upstream),
    };
    section.finish();
    compression
}

fn encodings(section: &mut Section<'_>) -> Option<Vec<Coding>> {
    let default = list(Coding::ALL.map(Coding::token));
    let takes = "an array of \"zstd\", \"br\" and \"gzip\"";
    let texts = section.texts("encodings", takes, Some(&default))?;
    let mut encodings = Vec::new();
    for text in texts {
        let Some(coding) = text.read(coding) else { continue };
        match encodings.contains(&coding) {
            true => text.refuse("is there twice: remove one of the two"),
            false => encodings.push(coding),
        }
    }
    Some(encodings)
}

fn coding(text: &str) -> Result<Coding, String> {
    let found = Coding::ALL.into_iter().find(|coding| coding.token() == text);
    found.ok_or_else(|| "is no coding that is made: write \"zstd\", \"br\" or \"gzip\"".to_owned())
}

fn types(section: &mut Section<'_>) -> Option<Vec<MediaRange>> {
    let packing = Packing::default();
    let default = list(packing.types.iter().map(ToString::to_string));
    let takes = "an array of media types such as [\"application/json\", \"text/*\"]";
    let texts = section.texts("types", takes, Some(&default))?;
    Some(texts.iter().filter_map(|text: &Text<'_>| text.read(MediaRange::parse)).collect())
}

fn upstream(
    section: &mut Section<'_>,
    inherited: Option<UpstreamEncoding>,
) -> Option<UpstreamEncoding> {
    let words = [
        ("auto", None),
        ("identity", Some(UpstreamEncoding::Identity)),
        ("gzip", Some(UpstreamEncoding::Gzip)),
        ("client", Some(UpstreamEncoding::Client)),
    ];
    section.word("upstream_encoding", &words, inherited)
}

/// A list as it is written in the file.
fn list(texts: impl IntoIterator<Item = impl AsRef<str>>) -> String {
    let texts: Vec<String> = texts.into_iter().map(|it| format!("{:?}", it.as_ref())).collect();
    format!("[{}]", texts.join(", "))
}
