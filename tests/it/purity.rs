//! `policy` decides, and does nothing else: it reads no clock, waits for nobody, logs nothing,
//! and knows neither the store nor the network. The rule is this test.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Words that have no place in `src/policy`, and why.
const BANNED: &[(&str, &str)] = &[
    ("async", "policy never waits"),
    ("await", "policy never waits"),
    ("tokio", "policy never waits"),
    ("futures_util", "policy never waits"),
    ("hyper", "policy knows messages, not connections"),
    ("hyper_util", "policy knows messages, not connections"),
    ("tracing", "policy answers; whoever acts on the answer tells of it"),
    ("println", "policy answers; whoever acts on the answer tells of it"),
    ("eprintln", "policy answers; whoever acts on the answer tells of it"),
    ("Instant", "the time is passed in"),
    ("SystemTime", "the time is passed in"),
    ("Clock", "the time is passed in"),
    ("Mutex", "policy has no state"),
    ("RwLock", "policy has no state"),
    ("OnceLock", "policy has no state"),
    ("LazyLock", "policy has no state"),
    ("thread_local", "policy has no state"),
    ("fastrand", "the same question has the same answer"),
    ("std::fs", "policy touches nothing outside"),
    ("std::net", "policy touches nothing outside"),
    ("std::env", "policy touches nothing outside"),
    ("moka", "policy knows no store"),
];

#[test]
fn policy_imports_nothing_that_waits_logs_or_tells_the_time() {
    let mut found = Vec::new();
    let files = files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/policy"));
    assert!(files.len() > 5, "policy lies in src/policy: {files:?}");
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        found.extend(
            problems(&text)
                .into_iter()
                .map(|(line, why)| format!("{}:{line}: {why}", file.display())),
        );
    }
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn the_search_finds_what_it_looks_for() {
    let text = "use tokio::x;\n// tokio in a comment\nlet asynchronous = 1;\nuse crate::store::A;\n\
                use crate::policy::Now;\nlet t = Instant::now(); // why\nfoo::hyper_like();";
    let lines: Vec<usize> = problems(text).into_iter().map(|(line, _)| line).collect();
    assert_eq!(lines, [1, 4, 6], "{:?}", problems(text));
}

/// What breaks the rule in `text`, by line.
fn problems(text: &str) -> Vec<(usize, String)> {
    let lines = text.lines().enumerate().map(|(index, line)| (index + 1, line));
    let code = lines.map(|(number, line)| (number, line.split("//").next().unwrap_or_default()));
    code.flat_map(|(number, line)| {
        let banned = BANNED.iter().filter(|(word, _)| has_word(line, word));
        let mut why: Vec<_> =
            banned.map(|(word, why)| (number, format!("`{word}`: {why}"))).collect();
        if foreign(line) {
            why.push((number, "`crate::` beyond `crate::policy`: policy knows nobody".to_owned()));
        }
        why
    })
    .collect()
}

/// Whether `line` names a module of this crate other than policy.
fn foreign(line: &str) -> bool {
    let mut named = line.split("crate::").skip(1);
    named.any(|rest| !rest.starts_with("policy"))
}

/// Whether `word` stands in `line` and is not a part of a longer one.
fn has_word(line: &str, word: &str) -> bool {
    let is_inner = |it: char| it.is_alphanumeric() || it == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        !before.is_some_and(is_inner) && !after.is_some_and(is_inner)
    })
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let (directories, files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    let below = directories.iter().flat_map(|directory| self::files(directory));
    files
        .into_iter()
        .filter(|path| path.extension().is_some_and(|it| it == "rs"))
        .chain(below)
        .collect()
}
