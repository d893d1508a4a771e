//! `bypass_when` and `no_store_when`: conditions as `part:NAME` or `part:NAME=VALUE`.
//!
//! What a reader answers to bad text never repeats the text: it may come from the environment.

use http::{HeaderName, header};

use super::list::list;
use crate::{
    config::reader::Section,
    policy::conditions::{NoStoreWhen, OfRequest, OfResponse},
};

/// The most conditions that one key takes: each is looked for in every request.
const MOST: usize = 32;

const OF_REQUEST: &str =
    "an array of conditions such as [\"header:X-Preview\", \"cookie:session\", \"query:debug=1\"]";

const OF_ANSWER: &str =
    "an array of conditions such as [\"query:debug=1\", \"status:5xx\", \"response:X-No-Cache\"]";

enum Condition {
    Request(OfRequest),
    Response(OfResponse),
}

pub(super) fn bypass_when(section: &mut Section<'_>, inherited: &[OfRequest]) -> Vec<OfRequest> {
    let read = |text: &str| match condition(text)? {
        Condition::Request(condition) => Ok(condition),
        Condition::Response(_) => Err("is known only once the API has been asked: write it in \
                                       no_store_when"
            .to_owned()),
    };
    list(section, ("bypass_when", OF_REQUEST, MOST), read).unwrap_or_else(|| inherited.to_vec())
}

pub(super) fn no_store_when(section: &mut Section<'_>, inherited: &NoStoreWhen) -> NoStoreWhen {
    // Two lists of one: what is of the request can be judged before it is sent.
    let read = |text: &str| {
        Ok(match condition(text)? {
            Condition::Request(condition) => (Some(condition), None),
            Condition::Response(condition) => (None, Some(condition)),
        })
    };
    let Some(all) = list(section, ("no_store_when", OF_ANSWER, MOST), read) else {
        return inherited.clone();
    };
    let (request, response): (Vec<_>, Vec<_>) = all.into_iter().unzip();
    NoStoreWhen {
        request: request.into_iter().flatten().collect(),
        response: response.into_iter().flatten().collect(),
    }
}

fn condition(text: &str) -> Result<Condition, String> {
    let (part, rest) = text.split_once(':').unwrap_or((text, ""));
    let (name, value) = match rest.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (rest, None),
    };
    let owned = || value.map(str::to_owned);
    Ok(match part {
        "header" => Condition::Request(OfRequest::Header(request_field(name, value)?, owned())),
        "cookie" => Condition::Request(OfRequest::Cookie(cookie(name, value)?, owned())),
        "query" => Condition::Request(OfRequest::Query(parameter(name, value)?, owned())),
        "response" => Condition::Response(OfResponse::Header(field(name, value)?, owned())),
        "status" => Condition::Response(status(rest)?),
        _ => {
            return Err("is no condition: write header:NAME, cookie:NAME or query:NAME of the \
                        request, response:NAME or status:CODE of the answer, and =VALUE after a \
                        NAME for that value alone"
                .into());
        }
    })
}

fn request_field(name: &str, value: Option<&str>) -> Result<HeaderName, String> {
    let name = field(name, value)?;
    match name {
        _ if name == header::COOKIE => Err("is looked at by cookies: write cookie:NAME".into()),
        _ if name == header::HOST => Err("is for routes to match: write match.host".into()),
        _ => Ok(name),
    }
}

fn field(name: &str, value: Option<&str>) -> Result<HeaderName, String> {
    let text = value.unwrap_or_default();
    if text.trim() != text || text.chars().any(char::is_control) {
        return Err(
            "has a value that no field has: write it without spaces around it and without \
                    control characters"
                .into(),
        );
    }
    super::list::field(name)
}

fn cookie(name: &str, value: Option<&str>) -> Result<String, String> {
    let text = value.unwrap_or_default();
    if text.trim() != text || text.contains(|c: char| c == ';' || c.is_control()) {
        return Err(
            "has a value that no cookie has: write it without ; and without spaces around \
                    it"
            .into(),
        );
    }
    super::list::cookie(name)
}

fn parameter(name: &str, value: Option<&str>) -> Result<String, String> {
    let text = value.unwrap_or_default();
    let allowed = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'&' | b'#');
    if name.is_empty() || !name.bytes().chain(text.bytes()).all(allowed) {
        return Err("is no parameter of a query: write it as requests do, percent-encoded and \
                    without &"
            .into());
    }
    Ok(name.to_owned())
}

/// `404`, or `4xx` for all that begin so.
fn status(text: &str) -> Result<OfResponse, String> {
    let refused = || "is not a status: write one from 200 to 599, or 2xx to 5xx".to_owned();
    let (text, span) = match text.strip_suffix("xx") {
        Some(first) if first.len() == 1 => (format!("{first}00"), 99),
        _ => (text.to_owned(), 0),
    };
    let code = text.parse::<u16>().ok().filter(|code| text.len() == 3 && *code < 600);
    let code = code.filter(|code| *code >= 200).ok_or_else(refused)?;
    Ok(OfResponse::Status(code, code + span))
}
