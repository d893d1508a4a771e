//! The model's own readers: slow, naive, and strangers to those of `src/policy`.

/// Fields in order, as they came. Names as written.
pub(super) type Fields = Vec<(String, String)>;

/// The lines of a field.
pub(super) fn lines<'a>(fields: &'a Fields, name: &str) -> Vec<&'a str> {
    fields.iter().filter(|it| it.0.eq_ignore_ascii_case(name)).map(|it| it.1.as_str()).collect()
}

/// The field's only line.
pub(super) fn line<'a>(fields: &'a Fields, name: &str) -> Option<&'a str> {
    match lines(fields, name).as_slice() {
        [one] => Some(one),
        _ => None,
    }
}

/// A list's members, trimmed; commas between quotes do not count.
pub(super) fn members(fields: &Fields, name: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in lines(fields, name) {
        let mut quoted = false;
        let mut member = String::new();
        for character in line.chars() {
            quoted ^= character == '"';
            if character == ',' && !quoted {
                found.push(member.trim().to_owned());
                member.clear();
            } else {
                member.push(character);
            }
        }
        found.push(member.trim().to_owned());
    }
    found.retain(|member| !member.is_empty());
    found
}

/// Directives as pairs: name in lower case, argument without quotes.
#[derive(Debug)]
pub(super) struct Directives {
    pairs: Vec<(String, Option<String>)>,
    /// Of a targeted field, so that nothing else counts (RFC 9213 §2.2).
    pub(super) targeted: bool,
}

impl Directives {
    /// Cache-Control.
    pub(super) fn of(fields: &Fields) -> Directives {
        let pairs =
            members(fields, "cache-control").into_iter().map(|it| match it.split_once('=') {
                Some((name, value)) => {
                    (name.to_ascii_lowercase(), Some(value.trim_matches('"').to_owned()))
                }
                None => (it.trim().to_ascii_lowercase(), None),
            });
        Directives { pairs: pairs.collect(), targeted: false }
    }

    /// What a response says to Larder: the first targeted field that can be read and is not empty
    /// (RFC 9213 §2.2), else Cache-Control.
    pub(super) fn of_response(fields: &Fields) -> Directives {
        let targeted = ["larder-cache-control", "cdn-cache-control"].iter().find_map(|name| {
            let pairs = dictionary(&lines(fields, name).join(", "))?;
            (!pairs.is_empty()).then_some(Directives { pairs, targeted: true })
        });
        targeted.unwrap_or_else(|| Directives::of(fields))
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.pairs.iter().any(|it| it.0 == name)
    }

    /// Without an argument: for what permits.
    pub(super) fn bare(&self, name: &str) -> bool {
        self.pairs.iter().any(|it| it.0 == name && it.1.is_none())
    }

    /// The first one's seconds (RFC 9111 §4.2.1 lets a cache take that, or call it stale); what
    /// is no number is 0, or in a targeted field not there at all (RFC 9213 §2.1).
    pub(super) fn seconds(&self, name: &str) -> Option<i64> {
        let (_, value) = self.pairs.iter().find(|it| it.0 == name)?;
        let read = delta(value.as_deref().unwrap_or(""));
        if self.targeted { read } else { Some(read.unwrap_or(0)) }
    }

    /// The names in `private="…"` or `no-cache="…"`; `None` where it stands without.
    pub(super) fn names(&self, directive: &str) -> Option<Vec<String>> {
        let all: Vec<_> = self.pairs.iter().filter(|it| it.0 == directive).collect();
        if all.is_empty() || all.iter().any(|it| it.1.is_none()) {
            return None;
        }
        let names = all.iter().filter_map(|it| it.1.as_deref()).flat_map(|it| it.split(','));
        Some(names.map(|it| it.trim().to_ascii_lowercase()).collect())
    }

    /// All names of fields that are for the client alone that asked.
    pub(super) fn withheld(&self) -> Vec<String> {
        let both = ["private", "no-cache"].iter();
        both.filter_map(|it| self.names(it)).flatten().collect()
    }
}

/// A Dictionary (RFC 9651 §4.2.2) as directives; `None` where it cannot be read. `?0` says that
/// something is not so; a string or a number is text, with no quotes; what is neither is `()`.
fn dictionary(text: &str) -> Option<Vec<(String, Option<String>)>> {
    let mut found: Vec<(String, Option<String>)> = Vec::new();
    let mut rest = text.trim_matches(' ');
    while !rest.is_empty() {
        let (key, after) = key(rest)?;
        let (value, after) = match after.strip_prefix('=') {
            Some(after) => value(after)?,
            None => ("?1".to_owned(), after),
        };
        found.retain(|it| it.0 != key);
        match value.as_str() {
            "?1" => found.push((key, None)),
            "?0" => {}
            _ => found.push((key, Some(value))),
        }
        let after = parameters(after)?.trim_start_matches([' ', '\t']);
        if after.is_empty() {
            break;
        }
        rest = after.strip_prefix(',')?.trim_start_matches([' ', '\t']);
        if rest.is_empty() {
            return None;
        }
    }
    Some(found)
}

fn key(text: &str) -> Option<(String, &str)> {
    text.starts_with(|it: char| it.is_ascii_lowercase() || it == '*').then_some(())?;
    let inner = |it: char| it.is_ascii_lowercase() || it.is_ascii_digit() || "_-.*".contains(it);
    let end = text.find(|it| !inner(it)).unwrap_or(text.len());
    Some((text[..end].to_owned(), &text[end..]))
}

/// An item or an inner list, its text without quotes.
fn value(text: &str) -> Option<(String, &str)> {
    if let Some(inner) = text.strip_prefix('(') {
        let mut rest = inner.trim_start_matches(' ');
        while !rest.starts_with(')') {
            let after = parameters(value(rest)?.1)?;
            (after.starts_with(' ') || after.starts_with(')')).then_some(())?;
            rest = after.trim_start_matches(' ');
        }
        return Some(("()".to_owned(), &rest[1..]));
    }
    if let Some(inner) = text.strip_prefix('"') {
        let end = inner.find('"')?;
        // A string where a number belongs is no number (RFC 9213 §2.1).
        let content = &inner[..end];
        let content = if content.parse::<f64>().is_ok() { "()" } else { content };
        return Some((content.to_owned(), &inner[end + 1..]));
    }
    let token = |it: char| it.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~:/?".contains(it);
    let end = text.find(|it| !token(it)).unwrap_or(text.len());
    let (word, rest) = text.split_at(end);
    let known = match word.chars().next()? {
        '?' => word == "?0" || word == "?1",
        '-' | '0'..='9' => word.parse::<f64>().is_ok(),
        first => first.is_ascii_alphabetic() || first == '*',
    };
    known.then(|| (word.to_owned(), rest))
}

/// What follows the parameters, which mean nothing here.
fn parameters(mut text: &str) -> Option<&str> {
    while let Some(after) = text.strip_prefix(';') {
        let (_, after) = key(after.trim_start_matches(' '))?;
        text = match after.strip_prefix('=') {
            Some(after) => value(after)?.1,
            None => after,
        };
    }
    Some(text)
}

/// The strings of a List (RFC 9875 §2, §3); none where it cannot be read, or is not all strings.
pub(super) fn strings(fields: &Fields, name: &str) -> Vec<String> {
    fn read(mut rest: &str) -> Option<Vec<String>> {
        let mut found = Vec::new();
        loop {
            rest.starts_with('"').then_some(())?;
            let (text, after) = value(rest)?;
            found.push(text);
            let after = parameters(after)?.trim_start_matches([' ', '\t']);
            if after.is_empty() {
                return Some(found);
            }
            rest = after.strip_prefix(',')?.trim_start_matches([' ', '\t']);
        }
    }
    read(lines(fields, name).join(", ").trim_matches(' ')).unwrap_or_default()
}

/// Digits and nothing else; 2^31 at most (§1.2.2).
pub(super) fn delta(text: &str) -> Option<i64> {
    if text.is_empty() || !text.chars().all(|it| it.is_ascii_digit()) {
        return None;
    }
    Some(text.parse::<i64>().unwrap_or(1 << 31).min(1 << 31))
}

/// An HTTP-date of any of the three forms, in seconds since 1970.
pub(super) fn date(text: &str) -> Option<i64> {
    let text = text.trim().to_ascii_lowercase();
    let words: Vec<&str> = text.split([' ', ',', '-']).filter(|word| !word.is_empty()).collect();
    let [_, day, month, year, time, zone] = words.as_slice() else { return asctime(&words) };
    if *zone != "gmt" {
        return None;
    }
    let mut number: i64 = year.parse().ok()?;
    if year.len() == 2 {
        number += if number < 70 { 2000 } else { 1900 };
    }
    seconds(number, month, day, time)
}

fn asctime(words: &[&str]) -> Option<i64> {
    let [_, month, day, time, year] = words else { return None };
    seconds(year.parse().ok()?, month, day, time)
}

fn seconds(year: i64, month: &str, day: &str, time: &str) -> Option<i64> {
    let months =
        ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    let month = months.iter().position(|it| *it == month)?;
    let leap = |year: i64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let february = if leap(year) { 29 } else { 28 };
    let lengths = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let years: i64 = (1970..year).map(|it| if leap(it) { 366 } else { 365 }).sum();
    let days = years + lengths[..month].iter().sum::<i64>() + day.parse::<i64>().ok()? - 1;
    let clock: Vec<i64> = time.split(':').filter_map(|it| it.parse().ok()).collect();
    let [hour, minute, second] = clock.as_slice() else { return None };
    Some(days * 86_400 + hour * 3600 + minute * 60 + second)
}

/// An entity-tag without its weakness.
pub(super) fn opaque(tag: &str) -> &str {
    tag.strip_prefix("W/").unwrap_or(tag)
}

#[test]
fn the_models_readers_read() {
    let fields = vec![("Cache-Control".to_owned(), "a=\"x, y\", MAX-age=5".to_owned())];
    assert_eq!(members(&fields, "cache-control"), ["a=\"x, y\"", "MAX-age=5"]);
    assert_eq!(Directives::of(&fields).seconds("max-age"), Some(5));
    for text in [
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
    ] {
        assert_eq!(date(text), Some(784_111_777), "{text}");
    }
    assert_eq!(date("0"), None);
    let read = |text: &str| dictionary(text).map(|it| format!("{it:?}"));
    assert_eq!(read("a=1;b=2, c").unwrap(), r#"[("a", Some("1")), ("c", None)]"#);
    assert_eq!(
        read("a=?0, b=(1 \"x, y\");p, c=\"d\"").unwrap(),
        r#"[("b", Some("()")), ("c", Some("d"))]"#
    );
    for broken in ["a=1, &", "A=1", "a=1;", "a=1,", "a=1 b", "a=(1"] {
        assert_eq!(dictionary(broken), None, "{broken}");
    }
    let fields = vec![("G".to_owned(), "\"a\";x".to_owned()), ("G".to_owned(), "\"c\"".to_owned())];
    assert_eq!(strings(&fields, "g"), ["a", "c"]);
    assert!(strings(&vec![("G".to_owned(), "\"a\", b".to_owned())], "g").is_empty());
}
