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

/// Cache-Control as pairs: name in lower case, argument without quotes.
#[derive(Debug)]
pub(super) struct Directives(Vec<(String, Option<String>)>);

impl Directives {
    pub(super) fn of(fields: &Fields) -> Directives {
        let pairs =
            members(fields, "cache-control").into_iter().map(|it| match it.split_once('=') {
                Some((name, value)) => {
                    (name.to_ascii_lowercase(), Some(value.trim_matches('"').to_owned()))
                }
                None => (it.to_ascii_lowercase(), None),
            });
        Directives(pairs.collect())
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|it| it.0 == name)
    }

    /// Without an argument: for what permits.
    pub(super) fn bare(&self, name: &str) -> bool {
        self.0.iter().any(|it| it.0 == name && it.1.is_none())
    }

    /// The first one's seconds (RFC 9111 §4.2.1 lets a cache take that, or call it stale); what
    /// is no number is 0.
    pub(super) fn seconds(&self, name: &str) -> Option<i64> {
        let (_, value) = self.0.iter().find(|it| it.0 == name)?;
        let text = value.as_deref().unwrap_or("");
        Some(delta(text).unwrap_or(0))
    }

    /// The names in `private="…"` or `no-cache="…"`; `None` where it stands without.
    pub(super) fn names(&self, directive: &str) -> Option<Vec<String>> {
        let all: Vec<_> = self.0.iter().filter(|it| it.0 == directive).collect();
        if all.is_empty() || all.iter().any(|it| it.1.is_none()) {
            return None;
        }
        let names = all.iter().filter_map(|it| it.1.as_deref()).flat_map(|it| it.split(','));
        Some(names.map(|it| it.trim().to_owned()).collect())
    }
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
}
