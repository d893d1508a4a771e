//! JSON Pointers (RFC 6901): where an array lies in an object.

use std::fmt::{self, Display, Formatter};

/// The most steps that one has.
const MAX_STEPS: usize = 16;

/// The names, or indices, on the way to a value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pointer(Vec<String>);

impl Pointer {
    /// Reads `/data/items`; the empty one is the document itself.
    ///
    /// # Errors
    /// What is wrong with it, and what to write.
    pub fn parse(text: &str) -> Result<Pointer, String> {
        if text.is_empty() {
            return Ok(Pointer::default());
        }
        let steps = text.strip_prefix('/').ok_or_else(|| {
            "is no JSON Pointer: write one such as \"/items\", or \"\" for the document itself"
                .to_owned()
        })?;
        let steps: Option<Vec<String>> = steps.split('/').map(unescape).collect();
        let steps = steps.ok_or_else(|| "has a ~ without 0 or 1 after it".to_owned())?;
        if steps.len() > MAX_STEPS {
            return Err(format!("has {} steps: write at most {MAX_STEPS}", steps.len()));
        }
        Ok(Pointer(steps))
    }

    pub(super) fn steps(&self) -> &[String] {
        &self.0
    }
}

/// §3: `~1` is `/`, `~0` is `~`.
fn unescape(step: &str) -> Option<String> {
    let mut pieces = step.split('~');
    let mut name = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (letter, rest) = match piece.split_at_checked(1)? {
            ("0", rest) => ('~', rest),
            ("1", rest) => ('/', rest),
            _ => return None,
        };
        name.push(letter);
        name.push_str(rest);
    }
    Some(name)
}

impl Display for Pointer {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for step in &self.0 {
            write!(f, "/{}", step.replace('~', "~0").replace('/', "~1"))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Pointer;

    #[test]
    fn pointers_are_those_of_rfc_6901() {
        let rows: [(&str, &[&str]); 6] = [
            ("", &[]),
            ("/", &[""]),
            ("/items", &["items"]),
            ("/a/0/b", &["a", "0", "b"]),
            ("/a~1b/m~0n", &["a/b", "m~n"]),
            ("/~01", &["~1"]),
        ];
        for (text, steps) in rows {
            let pointer = Pointer::parse(text).unwrap();
            assert_eq!(pointer.steps(), steps, "§5: {text:?}");
            assert_eq!(pointer.to_string(), text, "and back");
        }
        for text in ["a", "/a~", "/~2", "/~é", &"/a".repeat(17)] {
            assert!(Pointer::parse(text).is_err(), "{text:?}");
        }
    }
}
