//! Whether two numbers, as they are written, are the same: `10`, `10.0` and `1e1` are.
//!
//! Decimal digits are compared, never floats: what is too long for those is compared as well.

/// A number as its sign, its digits without zeros at either end, and the power of ten that they are
/// multiplied by.
#[derive(PartialEq, Eq)]
struct Decimal {
    negative: bool,
    digits: String,
    exponent: i64,
}

/// Whether `text` is a number of JSON (RFC 8259 §6) that equals `other`, which is one.
pub(super) fn is_same(text: &str, other: &str) -> bool {
    if text == other {
        return true;
    }
    match (decimal(text), decimal(other)) {
        (Some(one), Some(other)) => one == other,
        (None, _) | (_, None) => false,
    }
}

fn decimal(text: &str) -> Option<Decimal> {
    let mut scanner = super::scan::Scanner::new(text.as_bytes()).ok()?;
    let starts = matches!(scanner.kind(), Some(b'-' | b'0'..=b'9'));
    if !starts || scanner.value().ok()? != text {
        return None;
    }
    let (negative, rest) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (mantissa, power) = rest.split_once(['e', 'E']).unwrap_or((rest, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let power: i64 = power.strip_prefix('+').unwrap_or(power).parse().ok()?;
    let all = format!("{whole}{fraction}");
    let kept = all.trim_end_matches('0');
    let dropped = i64::try_from(all.len() - kept.len()).ok()?;
    let exponent = power.checked_sub(i64::try_from(fraction.len()).ok()?)?.checked_add(dropped)?;
    let digits = kept.trim_start_matches('0').to_owned();
    match digits.is_empty() {
        true => Some(Decimal { negative: false, digits, exponent: 0 }),
        false => Some(Decimal { negative, digits, exponent }),
    }
}

#[cfg(test)]
mod tests {
    use super::is_same;

    #[test]
    fn numbers_are_compared_by_value_and_not_as_floats() {
        let same = [
            ("10", "10.0"),
            ("10", "1e1"),
            ("1E+1", "10"),
            ("0.10", "1e-1"),
            ("-0", "0.0"),
            ("0e9", "0"),
            ("12345678901234567890.0", "12345678901234567890"),
            ("1e99999999999999999999", "1e99999999999999999999"),
        ];
        for (one, other) in same {
            assert!(is_same(one, other) && is_same(other, one), "{one} is {other}");
        }
        let different = [
            ("1", "-1"),
            ("10", "1"),
            ("9007199254740993", "9007199254740992"),
            ("", "0"),
            ("01", "1"),
            ("1.", "1"),
            ("+1", "1"),
            ("0x1", "1"),
            (" 1", "1"),
            ("NaN", "1"),
            ("1e99999999999999999999", "1e99999999999999999998"),
        ];
        for (one, other) in different {
            assert!(!is_same(one, other), "{one} is not {other}");
        }
    }
}
