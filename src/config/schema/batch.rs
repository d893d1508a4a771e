//! `[batch]`.

use std::time::Duration;

use crate::{
    batch::Rules,
    config::{
        Compression,
        reader::Section,
        units::{TIMEOUT, count, size},
    },
};

/// What `[batch]` says; `None` where it names no path. Its answers are packed as `compression` says
/// of all routes.
pub(super) fn read(mut section: Section<'_>, compression: &Compression) -> Option<Rules> {
    let path = section.text("path", "a path such as \"/_batch\"", None);
    let path = path.and_then(|text| text.read(self::path));
    let rules = Rules {
        path: path.clone().unwrap_or_default(),
        max_items: section.number("max_items", &count(1, 1000), 100),
        max_body: section.number("max_body", &size(1 << 10, 16 << 20), 256 << 10),
        max_answer: section.number("max_answer", &size(1 << 10, 1 << 30), 8 << 20),
        timeout: section.number("timeout", &TIMEOUT, Duration::from_secs(30)),
        parallel: section.number("parallel", &count(1, 1000), 16),
        packing: compression.packing.clone(),
    };
    let keys = ["max_items", "max_body", "max_answer", "timeout", "parallel"];
    for key in keys.into_iter().filter(|key| section.has(key) && !section.has("path")) {
        section.report(key, "does nothing without batch.path: write where batches are posted");
    }
    section.finish();
    path.map(|_| rules)
}

/// A path that a request may have, and no route's pattern.
fn path(text: &str) -> Result<String, String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-_.~".contains(&byte);
    let dots = text.split('/').any(|segment| segment == "." || segment == "..");
    if text.len() < 2
        || !text.starts_with('/')
        || text.contains("//")
        || dots
        || !text.bytes().all(plain)
    {
        return Err("is no path for batches: write one such as \"/_batch\", of letters, digits, \
                    and - _ . ~ between slashes"
            .to_owned());
    }
    Ok(text.to_owned())
}
