//! Durations, sizes, counts and percentages: how they are written, read, and shown.
//!
//! What a reader answers to bad text never repeats the text: it may come from the environment.

use std::time::Duration;

use super::throttle::Rate;

/// How a number is written, and which values make sense.
pub(super) struct Kind<T: 'static> {
    /// For problems, with its article and an example.
    pub(super) what: &'static str,
    parse: fn(&str) -> Result<T, String>,
    show: fn(T) -> String,
    least: T,
    most: T,
}

impl<T: Copy + PartialOrd> Kind<T> {
    /// The value, or what is wrong with the text and what to write.
    pub(super) fn read(&self, text: &str) -> Result<T, String> {
        let value = (self.parse)(text)?;
        if value < self.least || value > self.most {
            let (least, most) = (self.show(self.least), self.show(self.most));
            return Err(format!("is out of range: write {least} to {most}"));
        }
        Ok(value)
    }

    /// As it would be written in the file, without quotes.
    pub(super) fn show(&self, value: T) -> String {
        (self.show)(value)
    }
}

/// A wait: from a millisecond to a day, so that nothing hangs for ever.
pub(super) const TIMEOUT: Kind<Duration> = Kind {
    what: "a duration such as \"30s\"",
    parse: duration,
    show: show_duration,
    least: Duration::from_millis(1),
    most: Duration::from_secs(86_400),
};

/// A time in the cache's arithmetic: whole seconds, at most a year.
pub(super) const SECONDS: Kind<u32> = Kind {
    what: "a duration such as \"30s\"",
    parse: seconds,
    show: |value| show_duration(Duration::from_secs(u64::from(value))),
    least: 0,
    most: 365 * 86_400,
};

/// Whole per cent.
pub(super) const PERCENT: Kind<u8> = Kind {
    what: "a percentage such as \"10%\"",
    parse: percent,
    show: |value| format!("{value}%"),
    least: 0,
    most: 100,
};

/// A whole number.
pub(super) const fn count(least: usize, most: usize) -> Kind<usize> {
    let show = |value: usize| value.to_string();
    Kind { what: "a whole number such as 100", parse: whole, show, least, most }
}

/// A number of bytes.
pub(super) const fn size(least: u64, most: u64) -> Kind<u64> {
    Kind { what: "a size such as \"64MiB\"", parse: bytes, show: show_size, least, most }
}

/// A number of bytes that are held in one piece.
pub(super) const fn buffer(least: usize, most: usize) -> Kind<usize> {
    Kind {
        what: "a size such as \"32KiB\"",
        parse: |text| bytes(text).map(|size| usize::try_from(size).unwrap_or(usize::MAX)),
        show: |value| show_size(value as u64),
        least,
        most,
    }
}

/// In milliseconds, the largest first.
const DURATIONS: [(&str, u64); 5] =
    [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

const SIZES: [(&str, u64); 10] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("KB", 1_000),
    ("B", 1),
    ("", 1),
];

/// The most that a rate counts: a microsecond from one to the next.
const MOST: u32 = 1_000_000;

/// So many a second, a minute or an hour.
pub(super) fn rate(text: &str) -> Result<Rate, String> {
    const UNITS: [(&str, u64); 3] = [("s", 1), ("min", 60), ("h", 3600)];
    let (count, unit) = text.split_once('/').unwrap_or((text, ""));
    let seconds = UNITS.iter().find(|(name, _)| *name == unit).map(|(_, seconds)| *seconds);
    let (Some(seconds), true) = (seconds, is_digits(count)) else {
        return Err(
            "is not a rate: write a whole number, / and s, min or h, as in \"100/s\"".into()
        );
    };
    let count = count.parse().unwrap_or(u32::MAX);
    if !(1..=MOST).contains(&count) {
        return Err(format!("is out of range: write 1 to {MOST} in a unit of time"));
    }
    Ok(Rate { count, per: Duration::from_secs(seconds) })
}

fn duration(text: &str) -> Result<Duration, String> {
    let mut rest = text;
    let mut total: u64 = 0;
    let mut larger = u64::MAX;
    loop {
        let (number, unit, tail) = part(rest);
        let millis = duration_unit(number, unit, tail)?;
        if millis >= larger {
            return Err(
                "has its units out of order: the larger comes first, as in \"1h30m\"".into()
            );
        }
        let number: Option<u64> = number.parse().ok();
        total = number
            .and_then(|number| number.checked_mul(millis)?.checked_add(total))
            .ok_or("is far too long: write at most 1d for a timeout, 365d for the cache")?;
        if tail.is_empty() {
            return Ok(Duration::from_millis(total));
        }
        (larger, rest) = (millis, tail);
    }
}

fn duration_unit(number: &str, unit: &str, tail: &str) -> Result<u64, String> {
    if number.is_empty() {
        return Err("is not a duration: write numbers with units, as in \"30s\"".into());
    }
    if unit.is_empty() && tail.starts_with(['.', ',']) {
        return Err("has a fraction: write a smaller unit, as in \"1500ms\"".into());
    }
    if unit.is_empty() && tail.is_empty() {
        return Err("has no unit: add ms, s, m, h or d, as in \"30s\"".into());
    }
    let known = DURATIONS.iter().find(|(name, _)| *name == unit);
    known
        .map(|(_, millis)| *millis)
        .ok_or_else(|| "has an unknown unit: write ms, s, m, h or d, as in \"30s\"".into())
}

fn seconds(text: &str) -> Result<u32, String> {
    let duration = duration(text)?;
    if duration.subsec_nanos() != 0 {
        return Err(
            "has a part of a second: HTTP counts whole ones, so write \"1s\" or more".into()
        );
    }
    Ok(u32::try_from(duration.as_secs()).unwrap_or(u32::MAX))
}

fn bytes(text: &str) -> Result<u64, String> {
    let (number, unit, tail) = part(text);
    if tail.starts_with(['.', ',']) {
        return Err("has a fraction: write a smaller unit, as in \"1536KiB\"".into());
    }
    let unit = SIZES.iter().find(|(name, _)| *name == unit && tail.is_empty());
    let (Some((_, unit)), false) = (unit, number.is_empty()) else {
        let units = "B, KB, MB, GB, TB (thousands) or KiB, MiB, GiB, TiB";
        return Err(format!("is not a size: write a whole number with {units}, as in \"64MiB\""));
    };
    let number: Option<u64> = number.parse().ok();
    number.and_then(|n| n.checked_mul(*unit)).ok_or_else(|| "is far too large: write less".into())
}

fn percent(text: &str) -> Result<u8, String> {
    let number = text.strip_suffix('%').filter(|number| is_digits(number));
    let Some(number) = number else {
        return Err("is not a percentage: write a whole number and %, as in \"10%\"".into());
    };
    Ok(number.parse().unwrap_or(u8::MAX))
}

fn whole(text: &str) -> Result<usize, String> {
    if !is_digits(text) {
        return Err("is not a whole number: write digits alone, as in 100".into());
    }
    Ok(text.parse().unwrap_or(usize::MAX))
}

pub(super) fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The digits, the letters after them, and the rest.
fn part(text: &str) -> (&str, &str, &str) {
    let after = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let rest = after.trim_start_matches(|c: char| c.is_ascii_alphabetic());
    let (number, unit) = (text.len() - after.len(), text.len() - rest.len());
    (&text[..number], &text[number..unit], rest)
}

fn show_duration(value: Duration) -> String {
    let millis = u64::try_from(value.as_millis()).unwrap_or(u64::MAX);
    if millis == 0 {
        return "0s".into();
    }
    let fits = DURATIONS.iter().find(|(_, unit)| millis.is_multiple_of(*unit));
    let (name, unit) = fits.unwrap_or(&("ms", 1));
    format!("{}{name}", millis / unit)
}

fn show_size(value: u64) -> String {
    let binary = &SIZES[..4];
    let fits = binary.iter().find(|(_, unit)| value != 0 && value.is_multiple_of(*unit));
    let (name, unit) = fits.unwrap_or(&("", 1));
    format!("{}{name}", value / unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the text says, shown again in its simplest form; or what to write.
    fn read<T: Copy + PartialOrd>(kind: &Kind<T>, text: &str) -> String {
        kind.read(text).map_or_else(|why| why, |value| kind.show(value))
    }

    #[test]
    fn durations_are_numbers_with_units() {
        for (text, expected) in [
            ("30s", "30s"),
            ("500ms", "500ms"),
            ("10m", "10m"),
            ("1d", "1d"),
            ("1h30m", "90m"),
            ("1m15s", "75s"),
            ("1s500ms", "1500ms"),
            ("60m", "1h"),
            ("007s", "7s"),
            ("", "is not a duration: write numbers with units, as in \"30s\""),
            ("s", "is not a duration: write numbers with units, as in \"30s\""),
            ("-1s", "is not a duration: write numbers with units, as in \"30s\""),
            ("1h ", "is not a duration: write numbers with units, as in \"30s\""),
            ("30", "has no unit: add ms, s, m, h or d, as in \"30s\""),
            ("1h30", "has no unit: add ms, s, m, h or d, as in \"30s\""),
            ("1.5s", "has a fraction: write a smaller unit, as in \"1500ms\""),
            ("30 s", "has an unknown unit: write ms, s, m, h or d, as in \"30s\""),
            ("30sec", "has an unknown unit: write ms, s, m, h or d, as in \"30s\""),
            ("1w", "has an unknown unit: write ms, s, m, h or d, as in \"30s\""),
            ("30m1h", "has its units out of order: the larger comes first, as in \"1h30m\""),
            ("1s1s", "has its units out of order: the larger comes first, as in \"1h30m\""),
            ("0s", "is out of range: write 1ms to 1d"),
            ("0s0ms", "is out of range: write 1ms to 1d"),
            ("2d", "is out of range: write 1ms to 1d"),
            (
                "99999999999999999d",
                "is far too long: write at most 1d for a timeout, 365d for the cache",
            ),
            (
                "999999999999999999999999s",
                "is far too long: write at most 1d for a timeout, 365d for the cache",
            ),
        ] {
            assert_eq!(read(&TIMEOUT, text), expected, "{text:?}");
        }
    }

    #[test]
    fn the_cache_counts_whole_seconds() {
        for (text, expected) in [
            ("0s", "0s"),
            ("0d", "0s"),
            ("2d", "2d"),
            ("1000ms", "1s"),
            ("500ms", "has a part of a second: HTTP counts whole ones, so write \"1s\" or more"),
            ("366d", "is out of range: write 0s to 365d"),
            ("99999999999s", "is out of range: write 0s to 365d"),
        ] {
            assert_eq!(read(&SECONDS, text), expected, "{text:?}");
        }
    }

    #[test]
    fn sizes_are_bytes() {
        let units = "B, KB, MB, GB, TB (thousands) or KiB, MiB, GiB, TiB";
        let no_size =
            &*format!("is not a size: write a whole number with {units}, as in \"64MiB\"");
        for (text, expected) in [
            ("64MiB", "64MiB"),
            ("8KiB", "8KiB"),
            ("1024B", "1KiB"),
            ("1024", "1KiB"),
            ("1GB", "1000000000"),
            ("1000MiB", "1000MiB"),
            ("", no_size),
            ("MiB", no_size),
            ("64M", no_size),
            ("64mb", no_size),
            ("64 MiB", no_size),
            ("-1", no_size),
            ("1MiB2", no_size),
            ("1.5GiB", "has a fraction: write a smaller unit, as in \"1536KiB\""),
            ("0", "is out of range: write 1 to 1TiB"),
            ("2TiB", "is out of range: write 1 to 1TiB"),
            ("99999999TiB", "is far too large: write less"),
            ("99999999999999999999999", "is far too large: write less"),
        ] {
            assert_eq!(read(&size(1, 1 << 40), text), expected, "{text:?}");
        }
        assert_eq!(read(&buffer(8 << 10, 1 << 20), "32KiB"), "32KiB");
        assert_eq!(read(&buffer(8 << 10, 1 << 20), "1KiB"), "is out of range: write 8KiB to 1MiB");
    }

    #[test]
    fn percentages_and_counts_are_whole() {
        let no_percentage = "is not a percentage: write a whole number and %, as in \"10%\"";
        for (text, expected) in [
            ("10%", "10%"),
            ("0%", "0%"),
            ("100%", "100%"),
            ("101%", "is out of range: write 0% to 100%"),
            ("999%", "is out of range: write 0% to 100%"),
            ("10", no_percentage),
            ("%", no_percentage),
            ("1.5%", no_percentage),
        ] {
            assert_eq!(read(&PERCENT, text), expected, "{text:?}");
        }
        for (text, expected) in [
            ("1", "1"),
            ("0", "is out of range: write 1 to 9"),
            ("99999999999999999999999999", "is out of range: write 1 to 9"),
            ("-1", "is not a whole number: write digits alone, as in 100"),
            ("", "is not a whole number: write digits alone, as in 100"),
        ] {
            assert_eq!(read(&count(1, 9), text), expected, "{text:?}");
        }
    }
}
