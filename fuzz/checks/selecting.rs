//! The normal form of what Vary names (RFC 9111 §4.1), beside what the values mean.

use http::{HeaderMap, HeaderName, HeaderValue, header};
use larder::policy::selecting;

use super::field;

const NAMES: [HeaderName; 6] = [
    header::ACCEPT_LANGUAGE,
    header::ACCEPT_ENCODING,
    header::ACCEPT_CHARSET,
    header::ACCEPT,
    header::COOKIE,
    header::AUTHORIZATION,
];

/// Which field (a digit), then its lines in one request; after an empty line those in another.
pub(crate) fn selecting(data: &[u8]) {
    let Some((which, rest)) = data.split_first() else { return };
    let name = &NAMES[usize::from(*which) % NAMES.len()];
    let cut = rest.windows(2).position(|it| it == b"\n\n").unwrap_or(rest.len());
    let (one, other) = (&rest[..cut], rest.get(cut + 2..).unwrap_or_default());
    let (one, other) = (field(name.clone(), one), field(name.clone(), other));
    let (first, second) = (normal(name, &one), normal(name, &other));
    if first == second {
        assert_eq!(meaning(name, &one), meaning(name, &other), "{name}: {first:?} is of both");
    }
    written_otherwise(name, &one, &first);
    // What is of one field says nothing of another.
    let mut more = one.clone();
    more.append("x-other", HeaderValue::from_static("1"));
    assert_eq!(normal(name, &more), first);
}

fn normal(name: &HeaderName, asked: &HeaderMap) -> Vec<u8> {
    let mut form = Vec::new();
    selecting::normalise(asked, name, |piece| form.extend_from_slice(piece));
    form
}

/// The same said in another way has the same form.
fn written_otherwise(name: &HeaderName, asked: &HeaderMap, form: &[u8]) {
    let lines: Vec<&[u8]> = asked.values().map(HeaderValue::as_bytes).collect();
    let spaced: Vec<Vec<u8>> = lines.iter().map(|line| [b" ", *line, b"\t"].concat()).collect();
    let mut trimmed = HeaderMap::new();
    for line in &spaced {
        trimmed.append(name, HeaderValue::from_bytes(line).expect("a value, and white space"));
    }
    assert_eq!(normal(name, &trimmed), form, "{name}: white space around a line");
    let exact = [header::COOKIE, header::AUTHORIZATION].contains(name);
    // A quote that a line leaves open would quote the next line's commas.
    if exact || lines.iter().any(|line| line.contains(&b'"')) {
        return;
    }
    let one = field(name.clone(), &lines.join(&b" ,\t"[..]));
    if !lines.is_empty() {
        assert_eq!(normal(name, &one), form, "{name}: {lines:?} in one line (RFC 9110 §5.3)");
    }
    if let Some(Meaning::Weights(weights)) = weighted(name, asked) {
        let members: Vec<String> = weights
            .iter()
            .map(|(name, weight)| {
                format!("{};Q={}.{:03}", name.to_uppercase(), weight / 1000, weight % 1000)
            })
            .collect();
        let one = field(name.clone(), members.join(",").as_bytes());
        assert_eq!(normal(name, &one), form, "{name}: {members:?} (RFC 9110 §12.4.2)");
    }
}

/// What a field says, as coarsely as can be told without being wrong.
#[derive(Debug, PartialEq)]
enum Meaning {
    /// Names in lower case and thousandths, the greatest first.
    Weights(Vec<(String, u16)>),
    /// Members between commas, as they were written.
    List(Vec<String>),
    /// Lines.
    Exact(Vec<Vec<u8>>),
}

fn meaning(name: &HeaderName, asked: &HeaderMap) -> Meaning {
    let lines = || asked.values().map(|line| line.as_bytes().trim_ascii());
    if [header::COOKIE, header::AUTHORIZATION].contains(name) {
        return Meaning::Exact(match lines().count() {
            // No line, and one that says nothing: told apart by who asks for the form.
            1 => lines().map(<[u8]>::to_vec).filter(|line| !line.is_empty()).collect(),
            _ => lines().map(<[u8]>::to_vec).collect(),
        });
    }
    if let Some(weights) = weighted(name, asked) {
        return weights;
    }
    let mut members: Vec<String> = lines().flat_map(members).collect();
    if members == [""] {
        members.clear();
    }
    Meaning::List(members)
}

/// The members of a line, by its commas outside of quotes.
fn members(line: &[u8]) -> Vec<String> {
    let text: String = line.iter().map(|byte| char::from(*byte)).collect();
    let mut members = vec![String::new()];
    let mut inside = false;
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        let last = members.last_mut().expect("there is one");
        match character {
            ',' if !inside => members.push(String::new()),
            '\\' if inside => {
                last.push('\\');
                last.extend(characters.next());
            }
            _ => {
                inside ^= character == '"';
                last.push(character);
            }
        }
    }
    members.iter().map(|it| it.trim_matches([' ', '\t']).to_owned()).collect()
}

/// A list of names with weights, each name once; `None` where the field is anything else.
fn weighted(name: &HeaderName, asked: &HeaderMap) -> Option<Meaning> {
    if !NAMES[..3].contains(name) {
        return None;
    }
    let mut weights: Vec<(String, u16)> = Vec::new();
    for line in asked.values() {
        for member in line.to_str().ok()?.split(',').map(str::trim).filter(|it| !it.is_empty()) {
            let (name, weight) = match member.split_once(';') {
                None => (member, 1000),
                Some((name, weight)) => {
                    let weight = weight.trim().to_lowercase();
                    (name.trim(), thousandths(weight.strip_prefix("q=")?)?)
                }
            };
            let tchar = |it: char| it.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(it);
            let name = name.to_lowercase();
            let again = weights.iter().any(|(known, _)| *known == name);
            if again || name.is_empty() || !name.chars().all(tchar) {
                return None;
            }
            weights.push((name, weight));
        }
    }
    weights.sort_by_key(|(_, weight)| std::cmp::Reverse(*weight));
    (weights.len() <= 32).then_some(Meaning::Weights(weights))
}

fn thousandths(text: &str) -> Option<u16> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.chars().all(|it| it.is_ascii_digit());
    if whole.len() != 1 || fraction.len() > 3 || !digits(whole) || !digits(fraction) {
        return None;
    }
    let thousandths: u16 = format!("{whole}{fraction:0<3}").parse().ok()?;
    (thousandths <= 1000).then_some(thousandths)
}
