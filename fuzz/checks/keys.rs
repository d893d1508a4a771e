//! Keys: what makes two requests the same (RFC 9111 §2, §4.1).

use http::{HeaderMap, HeaderValue, header};
use larder::{
    config::Query,
    key::{self, Claim, Key, Parts},
    policy::storing,
};

use super::{field, number};

pub(super) const PARTS: Parts<'static> = Parts {
    route: "default",
    scheme: "http",
    authority: "api.test",
    path: "/",
    query: None,
    generation: 0,
};

/// Key building: the parts of two keys, a line each, and a query with a rule for it.
pub(crate) fn key(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let all: Vec<&str> = text.split('\n').collect();
    let part = |index: usize| all.get(index).copied().unwrap_or_default();
    let optional = |index: usize| Some(part(index)).filter(|it| !it.is_empty());
    let parts = |offset: usize| Parts {
        route: part(offset),
        scheme: "http",
        authority: part(offset + 1),
        path: part(offset + 3),
        query: optional(offset + 4),
        generation: number(part(offset + 5).as_bytes()),
    };
    let (one, other) = (parts(0), parts(6));
    let (claim, another) = (optional(2), optional(8));
    let key = |parts, claim: Option<&str>| {
        let bare = Key::primary(parts);
        claim.map_or(bare, |text| bare.under(&Claim::new(text)))
    };
    let same = (told(&one), claim) == (told(&other), another);
    assert_eq!(key(one, claim) == key(other, another), same, "a key changes with every part");
    assert_ne!(Key::primary(one), Key::primary(Parts { scheme: "https", ..one }));
    // As many as an operator may name.
    let names = |index: usize| {
        part(index).split(',').filter(|it| !it.is_empty()).take(100).map(str::to_owned).collect()
    };
    let rule = Query { include: names(14), exclude: names(12), sort: part(13) == "sort" };
    query(&rule, part(4));
    variants(part(0), part(1));
}

type Told<'a> = (&'a str, &'a str, &'a str, Option<&'a str>, u64);

fn told<'a>(parts: &Parts<'a>) -> Told<'a> {
    let Parts { route, authority, path, query, generation, .. } = *parts;
    (route, authority, path, query, generation)
}

fn query(rule: &Query, asked: &str) {
    let Some(normal) = key::query(rule, asked) else { return };
    assert_eq!(key::query(rule, &normal).as_ref(), Some(&normal), "normalising is idempotent");
    let name = |pair: &str| pair.split('=').next().unwrap_or_default().to_owned();
    let kept = |pair: &&str| {
        let name = name(pair);
        let is = |pattern: &String| match pattern.as_bytes() {
            [prefix @ .., b'*'] => name.as_bytes().get(..prefix.len()) == Some(prefix),
            whole => name.as_bytes() == whole,
        };
        (rule.include.is_empty() || rule.include.iter().any(is)) && !rule.exclude.iter().any(is)
    };
    let mut left: Vec<&str> = asked.split('&').filter(kept).collect();
    if rule.sort {
        left.sort_by_cached_key(|pair| name(pair));
    }
    assert_eq!(normal, left.join("&"), "what the rule names, and of one name in their order");
}

fn variants(one: &str, other: &str) {
    let names = [header::ACCEPT];
    let of = |line: &str| {
        let headers = field(header::ACCEPT, line.as_bytes());
        (headers.len() == 1).then(|| Key::primary(PARTS).variant(1, &names, &headers))
    };
    let Some((first, second)) = of(one).zip(of(other)) else { return };
    let trim = |text: &str| text.trim_matches([' ', '\t']).to_owned();
    if trim(one) == trim(other) {
        assert!(first == second, "white space around a value selects nothing");
    }
    if first == second {
        let bare = |text: &str| text.replace([' ', '\t', ',', '\n', '\r'], "").to_lowercase();
        assert_eq!(bare(one), bare(other), "values that differ are two variants");
    }
}

/// Vary (RFC 9111 §4.1), a line of input a line of the field.
pub(crate) fn vary(data: &[u8]) {
    let headers = field(header::VARY, data);
    let Ok(names) = storing::vary(&headers) else { return };
    assert!(names.len() <= 16, "bounded");
    assert!(names.windows(2).all(|two| two[0].as_str() < two[1].as_str()), "sorted, each once");
    assert!(names.iter().all(|name| name != "*"), "a star is no name");
    let shouted: HeaderMap = field(header::VARY, &data.to_ascii_uppercase());
    assert_eq!(storing::vary(&shouted).as_ref(), Ok(&names), "names in any case");
    let mut starred = headers.clone();
    starred.append(header::VARY, HeaderValue::from_static("*"));
    assert!(storing::vary(&starred).is_err(), "a star anywhere matches nothing");
    // What the two requests say alike makes no difference; what they say differently does.
    let primary = Key::primary(PARTS);
    let of = |asked: &HeaderMap| primary.variant(7, &names, asked);
    let mut asked = HeaderMap::new();
    for name in &names {
        asked.append(name, HeaderValue::from_static("one"));
    }
    for name in &names {
        let mut other = asked.clone();
        other.insert(name, HeaderValue::from_static("two"));
        assert_ne!(of(&asked), of(&other), "§4.1: {name} selects");
    }
}
