//! The tags by which responses are purged.

use std::collections::BTreeSet;

use http::{HeaderMap, HeaderValue};
use larder::policy::tags::{self, CACHE_TAG, SURROGATE_KEY};

use super::lines;

/// Surrogate-Key and Cache-Tag: a line of input a line of the field, `s` or anything else first.
pub(crate) fn tags(data: &[u8]) {
    let mut headers = HeaderMap::new();
    for line in lines(data) {
        let Some((which, value)) = line.split_first() else { continue };
        if let Ok(value) = HeaderValue::from_bytes(value) {
            headers.append(if *which == b's' { SURROGATE_KEY } else { CACHE_TAG }, value);
        }
    }
    let found = tags::tags(&headers);
    let each: BTreeSet<&String> = found.iter().collect();
    assert_eq!(each.len(), found.len(), "each once");
    let written = |name, between: &[char]| -> BTreeSet<String> {
        let lines = headers.get_all(name).iter().map(|it| it.as_bytes().to_vec());
        let text = lines.flat_map(|line| {
            let split = line.split(|byte| between.contains(&char::from(*byte)));
            split.map(<[u8]>::to_vec).collect::<Vec<_>>()
        });
        let text = text.filter_map(|it| String::from_utf8(it).ok());
        let text = text.map(|it| it.trim_matches([' ', '\t']).to_owned());
        text.filter(|it| !it.is_empty()).collect()
    };
    let mut all = written(SURROGATE_KEY, &[' ', '\t']);
    all.extend(written(CACHE_TAG, &[',']));
    assert!(found.iter().all(|tag| all.contains(tag)), "{found:?}: no tag that is not there");
    assert_eq!(found.len(), all.len().min(128), "{all:?}: all of them, unless they are too many");
}
