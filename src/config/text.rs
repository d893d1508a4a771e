//! Strings of the file: `${NAME}` becomes the environment's value, and what problems may show.

use std::borrow::Cow;

/// Takes the environment's values in. `$${` stands for `${`; nothing else is special.
///
/// # Errors
/// Every variable that is not there or not well named, in words that hold no value.
pub(super) fn expand<'a>(
    raw: &'a str,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Cow<'a, str>, Vec<String>> {
    if !raw.contains("${") {
        return Ok(Cow::Borrowed(raw));
    }
    let (mut text, mut problems) = (String::new(), Vec::new());
    let mut rest = raw;
    while let Some((before, after)) = rest.split_once("${") {
        if let Some(before) = before.strip_suffix('$') {
            text.push_str(before);
            text.push_str("${");
            rest = after;
            continue;
        }
        text.push_str(before);
        let Some((name, after)) = after.split_once('}') else {
            problems
                .push("has ${ without a }: close it, or write $${ for the two characters".into());
            rest = "";
            break;
        };
        match variable(name, env) {
            Ok(value) => text.push_str(&value),
            Err(problem) => problems.push(problem),
        }
        rest = after;
    }
    text.push_str(rest);
    if problems.is_empty() { Ok(Cow::Owned(text)) } else { Err(problems) }
}

fn variable(name: &str, env: &dyn Fn(&str) -> Option<String>) -> Result<String, String> {
    let named = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if name.is_empty() || !named {
        let shown = quote(name);
        return Err(format!("names the variable {shown}: only letters, digits and _ can be there"));
    }
    env(name).ok_or_else(|| {
        format!("takes the environment variable {name}, which is not set: set it, or write a value")
    })
}

/// Text as problems show it: as written, on one line, short, and without what may be a secret of
/// a URL (what stands before `@`, and its query).
pub(super) fn quote(raw: &str) -> String {
    const LONGEST: usize = 80;
    let (scheme, rest) = raw.split_at(raw.find("://").map_or(0, |at| at + 3));
    let (user, rest) = rest.split_at(rest.rfind('@').unwrap_or(0));
    let hidden = !user.is_empty() && (!scheme.is_empty() || user.contains(':'));
    let user = if hidden { "…" } else { user };
    let (rest, query) = match rest.find('?') {
        Some(at) if !scheme.is_empty() => (&rest[..=at], "…"),
        _ => (rest, ""),
    };
    let mut shown = [scheme, user, rest, query].concat();
    if let Some((at, _)) = shown.char_indices().nth(LONGEST) {
        shown.truncate(at);
        shown.push('…');
    }
    format!("{shown:?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_is_taken_in_once() {
        let env = |name: &str| match name {
            "A" => Some("one".to_owned()),
            "NESTED" => Some("${A}".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        };
        let not_set = |name: &str| {
            format!(
                "takes the environment variable {name}, which is not set: set it, or write a value"
            )
        };
        for (raw, expected) in [
            ("plain $A {A} $", Ok("plain $A {A} $")),
            ("${A}", Ok("one")),
            ("<${A}${A}>", Ok("<oneone>")),
            ("${NESTED}", Ok("${A}")),
            ("${EMPTY}", Ok("")),
            ("$${A}", Ok("${A}")),
            ("$$${A}", Ok("$${A}")),
            ("$${A} ${A}", Ok("${A} one")),
            ("${NO} ${NEITHER}", Err(vec![not_set("NO"), not_set("NEITHER")])),
            (
                "${A:-x}",
                Err(vec![
                    "names the variable \"A:-x\": only letters, digits and _ can be there".into(),
                ]),
            ),
            (
                "${}",
                Err(vec![
                    "names the variable \"\": only letters, digits and _ can be there".into(),
                ]),
            ),
            (
                "x${A",
                Err(vec![
                    "has ${ without a }: close it, or write $${ for the two characters".into(),
                ]),
            ),
        ] {
            assert_eq!(expand(raw, &env), expected.map(Cow::Borrowed), "{raw:?}");
        }
    }

    #[test]
    fn a_quoted_text_is_short_and_holds_no_credentials() {
        for (raw, expected) in [
            ("30s", "\"30s\""),
            ("a\nb\"", "\"a\\nb\\\"\""),
            ("http://me:secret@host/x", "\"http://…@host/x\""),
            ("http://me:se@cr/et@host", "\"http://…@host\""),
            ("me:secret@host:80", "\"…@host:80\""),
            ("http://host/?token=secret", "\"http://host/?…\""),
            ("/what?", "\"/what?\""),
            ("/users/@me", "\"/users/@me\""),
            ("http://@host", "\"http://@host\""),
            ("redis://${PASS}@host", "\"redis://…@host\""),
        ] {
            assert_eq!(quote(raw), expected, "{raw:?}");
        }
        assert_eq!(quote(&"é".repeat(100)).chars().count(), 83, "80, an ellipsis, two quotes");
    }
}
