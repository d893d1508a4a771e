//! A question in a query: `method`, `url`, and `header` as often as need be; or `route`.

use super::problem::Problem;
use crate::proxy::explain::Question;

/// The most fields of one question.
const MAX_FIELDS: usize = 100;

/// What is asked.
#[derive(Debug)]
pub(super) enum Asked {
    /// What would become of a request.
    Request(Question),
    /// How a route is doing.
    Route(String),
}

/// Reads the query.
///
/// # Errors
/// What is wrong with it.
pub(super) fn read(query: &str) -> Result<Asked, Problem> {
    let (mut method, mut url, mut route, mut fields) = (None, None, None, Vec::new());
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = decoded(value)
            .ok_or_else(|| Problem::bad(format!("{name:?} is not percent-encoded UTF-8")))?;
        match name {
            "header" if fields.len() < MAX_FIELDS => fields.push(value),
            "header" => return Err(Problem::bad(format!("write at most {MAX_FIELDS} headers"))),
            "method" => method = Some(value),
            "url" => url = Some(value),
            "route" => route = Some(value),
            _ => {
                let known = "method, url, header and route";
                return Err(Problem::bad(format!("unknown parameter {name:?}: there are {known}")));
            }
        }
    }
    match (url, route) {
        (Some(url), None) => {
            let method = method.as_deref().unwrap_or("GET");
            Question::new(method, &url, &fields).map(Asked::Request).map_err(Problem::bad)
        }
        (None, Some(route)) => Ok(Asked::Route(route)),
        _ => Err(Problem::bad("write url=, percent-encoded, or route=")),
    }
}

/// Percent-decoded; a `+` is one.
fn decoded(text: &str) -> Option<String> {
    let (mut bytes, mut rest) = (Vec::with_capacity(text.len()), text.as_bytes());
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        let byte = match (first, after) {
            (b'%', [high, low, after @ ..]) => {
                rest = after;
                let digit = |it: &u8| char::from(*it).to_digit(16);
                u8::try_from(digit(high)? << 4 | digit(low)?).ok()?
            }
            (b'%', _) => return None,
            _ => *first,
        };
        bytes.push(byte);
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_read_or_told_what_is_wrong() {
        let wrong = |query: &str| read(query).expect_err(query).detail;
        for good in [
            "url=http%3A%2F%2Fa%2Fb%3Fc",
            "method=HEAD&url=a/b&header=Accept:%20a/b&header=X:",
            "&url=a",
        ] {
            assert!(matches!(read(good), Ok(Asked::Request(_))), "{good}");
        }
        assert!(matches!(read("route=a%20b"), Ok(Asked::Route(name)) if name == "a b"));
        for (query, word) in [
            ("", "url="),
            ("url=a&route=b", "url="),
            ("url=%zz", "percent-encoded"),
            ("url=%e9", "UTF-8"),
            ("url=a%4", "percent-encoded"),
            ("uri=a", "\"uri\""),
            ("url=a&method=a%20b", "method is none"),
            ("url=ftp://a", "url has another scheme"),
            ("url=/a", "url has no valid host"),
            ("url=a&header=a", "header is no field"),
            ("url=a&header=a%0A:b", "header is no field"),
            ("url=a&header=a:%00", "header is no field"),
            (&format!("url=a{}", "&header=a:b".repeat(101)), "at most 100"),
        ] {
            assert!(wrong(query).contains(word), "{query}: {}", wrong(query));
        }
    }
}
