//! `[cache.key]`: what of a request is part of its key.

use http::{HeaderName, header};

use super::list::{self, list};
use crate::{
    config::{Query, reader::Section},
    fields,
    policy::{cookies::KEY_COOKIES, rules::KeyFields},
};

/// The most fields and the most cookies of a key: each is hashed for every request.
const MOST: usize = 8;

/// The most names of parameters in one list.
const MOST_PARAMETERS: usize = 100;

/// What fetches for the store say in the client's place.
const SAID_BY_FETCHES: [HeaderName; 6] = [
    header::RANGE,
    header::IF_RANGE,
    header::IF_MATCH,
    header::IF_NONE_MATCH,
    header::IF_MODIFIED_SINCE,
    header::IF_UNMODIFIED_SINCE,
];

pub(super) fn key(
    mut section: Section<'_>,
    query: &Query,
    fields: &KeyFields,
) -> (Query, KeyFields) {
    let query = self::query(section.table("query"), query);
    let takes = "an array of names such as [\"X-Tenant\"]";
    let headers = list(&mut section, ("headers", takes, MOST), field);
    let takes = "an array of names such as [\"lang\"]";
    let cookies = list(&mut section, ("cookies", takes, MOST), list::cookie);
    section.finish();
    let mut headers = headers.unwrap_or_else(|| fields.headers.clone());
    headers.sort_unstable_by(|one, other| one.as_str().cmp(other.as_str()));
    let mut cookies = cookies.unwrap_or_else(|| fields.cookies.clone());
    cookies.sort_unstable();
    (query, KeyFields { headers, cookies })
}

fn query(mut section: Section<'_>, inherited: &Query) -> Query {
    let takes = "an array of names such as [\"page\", \"q\"]";
    let include = list(&mut section, ("include", takes, MOST_PARAMETERS), parameter);
    let takes = "an array of names such as [\"utm_*\"]";
    let exclude = list(&mut section, ("exclude", takes, MOST_PARAMETERS), parameter);
    let sort = section.flag("sort", inherited.sort);
    section.finish();
    Query {
        include: include.unwrap_or_else(|| inherited.include.clone()),
        exclude: exclude.unwrap_or_else(|| inherited.exclude.clone()),
        sort,
    }
}

/// The name of a query parameter, as it stands in the request.
fn parameter(text: &str) -> Result<String, String> {
    let allowed = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'&' | b'=' | b'#');
    if text.is_empty() || !text.bytes().all(allowed) {
        return Err(
            "is not the name of a parameter: write it as requests do, percent-encoded and \
                    without = or &"
                .into(),
        );
    }
    if text[..text.len() - 1].contains('*') {
        return Err("has a * before its end: only one at the end stands for any rest".into());
    }
    Ok(text.to_owned())
}

/// A field that the origin sees as its client sent it.
fn field(text: &str) -> Result<HeaderName, String> {
    let name = list::field(text)?;
    match name {
        _ if name == header::COOKIE => {
            Err("has many values: write the names of its cookies in cache.key.cookies".into())
        }
        _ if name == header::AUTHORIZATION => {
            Err("has a word of its own: write cache.authorization = \"isolate\"".into())
        }
        _ if name == header::HOST => Err("is part of every key: remove it".into()),
        _ if SAID_BY_FETCHES.contains(&name) => {
            Err("is not forwarded where the answer is stored: remove it".into())
        }
        _ if fields::is_set_by_us(&name) || name == KEY_COOKIES => {
            Err("is not forwarded as the client sends it: remove it".into())
        }
        _ => Ok(name),
    }
}
