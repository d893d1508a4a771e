//! What an unknown key probably was meant to be.

use super::reader::Key;

/// A key that no section took.
pub(super) struct Unknown {
    pub(super) line: usize,
    /// Its dotted path, as problems show it.
    pub(super) name: String,
    /// The key alone.
    pub(super) key: String,
    /// The family of the table that it stands in; empty for the top of the file.
    pub(super) section: String,
    /// What that table knows.
    pub(super) known: Vec<&'static str>,
    /// It is known, but only for the whole process.
    pub(super) process: bool,
}

/// What to do about an unknown key; `keys` are all that there are.
pub(super) fn explain(unknown: &Unknown, keys: &[Key]) -> String {
    let home = home(unknown, keys);
    if unknown.process {
        let place = home.unwrap_or_else(|| header(&unknown.key));
        return format!("is for the whole process, not for one route: write it {place}");
    }
    // The same word in the plural is nearer here than the very word elsewhere.
    let plural = |known: &&&str| known.strip_suffix('s') == Some(&*unknown.key);
    if let Some(near) = unknown.known.iter().find(plural) {
        return format!("unknown key: did you mean {near:?}?");
    }
    if let Some(place) = home {
        return format!("unknown key here: write it {place}");
    }
    if let Some(near) = nearest(&unknown.key, unknown.known.iter().copied()) {
        return format!("unknown key: did you mean {near:?}?");
    }
    let place = match unknown.section.as_str() {
        "" => "the top of the file".to_owned(),
        section => header(section),
    };
    format!("unknown key: {place} knows {}", unknown.known.join(", "))
}

/// Where a key of that name stands, if it stands elsewhere: the top first, then what is near.
fn home(unknown: &Unknown, keys: &[Key]) -> Option<String> {
    let inside = |place: &str| {
        let rest = place.strip_prefix(&*unknown.section);
        rest.is_some_and(|rest| !unknown.section.is_empty() && rest.starts_with('.'))
    };
    let places = keys.iter().filter_map(|known| {
        let place = up_to(&known.path, &unknown.key)?;
        Some((place, place.len() == known.path.len()))
    });
    let far = |place: &str| (place.contains('.'), !inside(place));
    let (place, is_value) = places.min_by_key(|(place, _)| far(place))?;
    Some(match place.rsplit_once('.') {
        _ if !is_value => format!("as {}", header(place)),
        Some((table, _)) => format!("below {}", header(table)),
        None => "at the top of the file, above the first [header]".to_owned(),
    })
}

/// The beginning of `path` that ends with the part `key`.
fn up_to<'a>(path: &'a str, key: &str) -> Option<&'a str> {
    let mut end = 0;
    for part in path.split('.') {
        end += part.len();
        if part == key {
            return Some(&path[..end]);
        }
        end += 1;
    }
    None
}

/// A table as it is headed in the file.
fn header(section: &str) -> String {
    match section {
        "routes" => "[[routes]]".to_owned(),
        "upstreams" => "[upstreams.<name>]".to_owned(),
        _ => format!("[{section}]"),
    }
}

/// The candidate that `word` was probably meant to be.
pub(super) fn nearest<'a>(
    word: &str,
    candidates: impl Iterator<Item = &'a str>,
) -> Option<&'a str> {
    const LONGEST: usize = 64;
    if word.len() > LONGEST {
        return None;
    }
    let near = |candidate: &&str| {
        let distance = distance(word, candidate);
        distance <= 1.max(word.len().max(candidate.len()) / 3) && distance < candidate.len()
    };
    let close = |candidate: &&str| near(candidate) || begins(word, candidate);
    candidates.filter(close).min_by_key(|candidate| distance(word, candidate))
}

/// Whether one is the beginning of the other.
fn begins(word: &str, other: &str) -> bool {
    let shorter = word.len().min(other.len());
    shorter >= 4 && (word.starts_with(other) || other.starts_with(word))
}

/// Insertions, deletions, changes and swaps of neighbours between two words.
fn distance(a: &str, b: &str) -> usize {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let change = usize::from(a[i - 1] != b[j - 1]);
            let mut least = (above[j] + 1).min(row[j - 1] + 1).min(above[j - 1] + change);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(before[j - 2] + 1);
            }
            row[j] = least;
        }
        before = std::mem::replace(&mut above, row);
    }
    above[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_count_typing_errors() {
        for (a, b, expected) in [
            ("ttl", "ttl", 0),
            ("tll", "ttl", 1),
            ("lt", "tl", 1),
            ("", "abc", 3),
            ("abc", "", 3),
            ("max_field", "max_fields", 1),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!(distance(a, b), expected, "{a} {b}");
        }
    }

    #[test]
    fn the_nearest_word_is_meant_if_it_is_near() {
        let words = ["max_connections", "max_head", "max_fields", "ttl", "idle"];
        for (word, expected) in [
            ("max_conections", Some("max_connections")),
            ("max_conn", Some("max_connections")),
            ("max-fields", Some("max_fields")),
            ("maxhead", Some("max_head")),
            ("tll", Some("ttl")),
            ("idel", Some("idle")),
            ("x", None),
            ("tls", None),
            ("compression", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, words.into_iter()), expected, "{word:?}");
        }
        assert_eq!(nearest(&"x".repeat(1 << 20), words.into_iter()), None);
    }
}
