//! The `proxy.toml` of the repository, which has every key with its default and a sentence.

use std::collections::BTreeMap;

/// As it stands there.
pub(super) const EXAMPLE: &str = include_str!("../../proxy.toml");

/// Marks a line whose value is not the default.
pub(super) const MARK: &str = "Example.";

/// The file with every commented-out header and key in force, line by line.
pub(super) fn uncommented() -> String {
    let line = |line: &'static str| {
        let rest = line.strip_prefix("# ").unwrap_or(line);
        let word = rest.trim_start_matches(|c: char| c.is_ascii_lowercase() || c == '_');
        let is_key = word.len() < rest.len() && word.trim_start().starts_with('=');
        if rest.starts_with('[') || is_key { rest } else { line }
    };
    EXAMPLE.lines().map(line).collect::<Vec<_>>().join("\n")
}

/// What it says of each key, by dotted path.
pub(super) struct Sentences(BTreeMap<String, String>);

impl Sentences {
    pub(super) fn read() -> Sentences {
        let (mut sentences, mut table) = (BTreeMap::new(), String::new());
        for line in uncommented().lines() {
            let (code, sentence) = line.split_once("  # ").unwrap_or((line, ""));
            if let Some(header) = code.trim().strip_prefix('[') {
                table = format!("{}.", header.trim_matches(['[', ']']))
                    .replace("upstreams.users", "upstreams.<name>");
            } else if let Some((key, _)) = code.split_once('=') {
                let sentence = sentence.trim_start_matches(MARK).trim();
                sentences.insert(format!("{table}{}", key.trim()), sentence.to_owned());
            }
        }
        Sentences(sentences)
    }

    /// What it says of a key; of a route's, what it says of the same for all of them; of one that
    /// stands in braces, what it says of these.
    pub(super) fn of(&self, path: &str) -> Option<&str> {
        let whole = path.strip_prefix("routes.").unwrap_or(path);
        let above = path.rsplit_once('.').map_or(path, |(above, _)| above);
        let whole_above = whole.rsplit_once('.').map_or(whole, |(above, _)| above);
        let found = [path, whole, above, whole_above].into_iter().find_map(|it| self.0.get(it));
        found.map(String::as_str).filter(|sentence| !sentence.is_empty())
    }
}
