//! How the origin answers: right and wrong, as its manner says.

use bytes::Bytes;
use larder::clock::Clock;

use super::{
    read::{Fields, date, line, lines},
    script::{Fate, Manner},
    world::{Exchange, History, Moment, Target},
};
use crate::support;

/// A request as the origin sees it.
pub(super) struct Request {
    pub(super) method: String,
    pub(super) target: Target,
    pub(super) fields: Fields,
    pub(super) asked: Moment,
}

fn manner(history: &History) -> Manner {
    history.manners[history.exchanges.len() % history.manners.len()]
}

/// How long the next answer takes, in milliseconds.
pub(super) fn delay(history: &History) -> u64 {
    match manner(history).fate {
        Fate::Late(millis) => millis,
        Fate::Whole | Fate::Torn | Fate::Dropped | Fate::Wrong(_) => 0,
    }
}

/// What is written, and whether the connection ends before it is whole; `None`: nothing.
pub(super) fn answer(
    history: &mut History,
    request: Request,
    clock: &Clock,
) -> Option<(Bytes, bool)> {
    let manner = manner(history);
    let number = history.exchanges.len();
    let answered = history.moment(clock);
    // Those of a batch are told apart by their targets.
    let ids = line(&request.fields, "x-request").unwrap_or_default().split(' ');
    let mut ids = ids.filter_map(|it| it.parse::<usize>().ok());
    let is_for = |id: &usize| history.asked.get(*id).is_some_and(|it| it.target == request.target);
    let by = ids.clone().find(is_for).or(ids.next()).unwrap_or(0);
    let safe = matches!(request.method.as_str(), "GET" | "HEAD");
    let (id, text) = history.representation(&request.target, manner.new || !safe);
    let mut exchange = Exchange {
        number,
        by,
        method: request.method.clone(),
        content: ["content-length", "transfer-encoding"]
            .iter()
            .any(|name| line(&request.fields, name).is_some_and(|it| it != "0")),
        target: request.target.clone(),
        asked: request.asked,
        answered,
        status: None,
        head: Vec::new(),
        text,
        range: None,
        torn: manner.fate == Fate::Torn,
        invalidates: Vec::new(),
        apart: history.apart,
        credentials: ["authorization", "cookie"]
            .map(|name| lines(&request.fields, name).join("; ")),
    };
    if manner.fate == Fate::Dropped {
        history.exchanges.push(exchange);
        return None;
    }
    exchange.head = head(&manner, &exchange, id);
    exchange.head.extend(further(&manner));
    let status = if safe {
        safe_status(&manner, &request, &mut exchange, id)
    } else {
        unsafe_status(&manner, &mut exchange)
    };
    exchange.status = Some(status);
    exchange.torn &= !matches!(status, 204 | 304) && request.method != "HEAD";
    let bytes = written(&manner, &request, &exchange, status);
    let torn = exchange.torn;
    history.exchanges.push(exchange);
    Some((bytes, torn))
}

fn head(manner: &Manner, exchange: &Exchange, id: usize) -> Fields {
    let mut head = Fields::new();
    let mut add = |name: &str, value: &str| {
        let lines = value.split('\n').filter(|line| !line.is_empty());
        head.extend(lines.map(|line| (name.to_owned(), line.to_owned())));
    };
    let noon = support::NOON / 1000;
    let now = exchange.answered.wall.div_euclid(1000) - noon;
    add(&format!("X-S-{}", exchange.number), "1");
    add("Cache-Control", manner.cache_control);
    add("Vary", manner.vary);
    add("Connection", manner.hop);
    add("Age", manner.dated.1);
    add(
        "Date",
        &match manner.dated.0 {
            "now" => support::date(now),
            "-5" => support::date(now - 5),
            "+100" => support::date(now + 100),
            "-100000" => support::date(now - 100_000),
            other => other.to_owned(),
        },
    );
    add(
        "Expires",
        &match manner.expires {
            "+10" => support::date(now + 10),
            "-10" => support::date(now - 10),
            "now" => support::date(now),
            "+10 rfc850" => rfc850(&support::date(now + 10)),
            "+10 asctime" => asctime(&support::date(now + 10)),
            other => other.to_owned(),
        },
    );
    if manner.set_cookie {
        add("Set-Cookie", &format!("sid={}", exchange.number));
    }
    if format!("{}{}", manner.cache_control, manner.targeted).contains("x-private") {
        add("X-Private", &exchange.number.to_string());
    }
    let wrong = match manner.fate {
        Fate::Wrong(wrong) => Some(wrong),
        Fate::Whole | Fate::Torn | Fate::Dropped | Fate::Late(_) => None,
    };
    let modified = support::date(i64::try_from(id).unwrap_or(0) - 100_000);
    match (wrong, manner.validator) {
        (Some("none"), _) => {}
        (Some("strong"), _) => add("ETag", "\"other\""),
        (Some("weak"), _) => add("ETag", "W/\"other\""),
        (_, "strong") => add("ETag", &format!("\"e{id}\"")),
        (_, "weak") => add("ETag", &format!("W/\"e{id}\"")),
        (_, "modified") => add("Last-Modified", &modified),
        (_, "both") => {
            add("ETag", &format!("\"e{id}\""));
            add("Last-Modified", &modified);
        }
        _ => {}
    }
    head
}

/// The lines that are written as they are.
fn further(manner: &Manner) -> Fields {
    let written = [manner.targeted, manner.groups].into_iter().flat_map(|it| it.split('\n'));
    let fields = written.filter_map(|line| line.split_once(": "));
    fields.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn rfc850(date: &str) -> String {
    let words: Vec<&str> = date.split([' ', ',']).filter(|it| !it.is_empty()).collect();
    let [_, day, month, year, time, _] = words.as_slice() else { return String::new() };
    format!("Monday, {day}-{month}-{} {time} GMT", &year[2..])
}

fn asctime(date: &str) -> String {
    let words: Vec<&str> = date.split([' ', ',']).filter(|it| !it.is_empty()).collect();
    let [weekday, day, month, year, time, _] = words.as_slice() else { return String::new() };
    format!("{weekday} {month} {day} {time} {year}")
}

fn safe_status(manner: &Manner, request: &Request, exchange: &mut Exchange, id: usize) -> u16 {
    if let Fate::Wrong(_) = manner.fate {
        return 304;
    }
    if manner.status != 200 {
        return manner.status;
    }
    let named = lines(&request.fields, "if-none-match");
    let tag = format!("e{id}\"");
    let modified = support::NOON / 1000 - 100_000 + i64::try_from(id).unwrap_or(0);
    let since = line(&request.fields, "if-modified-since").and_then(date);
    let unchanged = match named.is_empty() {
        false => named.iter().any(|line| line.contains(&tag) || line.trim() == "*"),
        true => since.is_some_and(|since| modified <= since),
    };
    if unchanged {
        return 304;
    }
    let current = |text: &str| text == format!("\"{tag}") || date(text) == Some(modified);
    let holds = line(&request.fields, "if-range").is_none_or(current);
    let wanted = line(&request.fields, "range").filter(|_| holds && request.method == "GET");
    let ranges = wanted.and_then(|it| super::form::wanted(it, exchange.text.len()));
    let Some(&[(first, last)]) = ranges.as_deref() else { return 200 };
    exchange.range = Some((first, last));
    let content_range = format!("bytes {first}-{last}/{}", exchange.text.len());
    exchange.head.push(("Content-Range".to_owned(), content_range));
    206
}

fn unsafe_status(manner: &Manner, exchange: &mut Exchange) -> u16 {
    let status = match manner.status {
        200 if manner.chunked && manner.location != "content target" => 204,
        other => other,
    };
    let (host, path) = exchange.target.clone();
    let directory = path.rfind('/').map_or("/", |slash| &path[..=slash]).to_owned();
    let sibling = format!("{directory}y");
    let (name, value, meant) = match manner.location {
        "sibling" => ("Location", sibling.clone(), true),
        "absolute" => ("Location", format!("http://{}{sibling}", host.to_uppercase()), true),
        "other host" => ("Location", format!("http://c.test{sibling}"), false),
        "other port" => ("Location", format!("http://{host}:81{sibling}"), false),
        "relative" => ("Location", "y".to_owned(), true),
        "content sibling" => ("Content-Location", sibling.clone(), true),
        "content target" => ("Content-Location", path, false),
        _ => ("", String::new(), false),
    };
    if !name.is_empty() {
        exchange.head.push((name.to_owned(), value));
    }
    if (200..400).contains(&status) {
        exchange.invalidates.push(exchange.target.clone());
        if meant {
            exchange.invalidates.push((host, sibling));
        }
    }
    status
}

fn written(manner: &Manner, request: &Request, exchange: &Exchange, status: u16) -> Bytes {
    let mut text = format!("HTTP/1.1 {status} X\r\n");
    for (name, value) in &exchange.head {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    let body = match exchange.range {
        Some((first, last)) => &exchange.text[first..=last],
        None => &exchange.text,
    };
    let bodiless = matches!(status, 204 | 304);
    let silent = bodiless || request.method == "HEAD";
    match (bodiless, manner.chunked) {
        (true, _) => text.push_str("\r\n"),
        (false, true) => text.push_str("Transfer-Encoding: chunked\r\n\r\n"),
        (false, false) => text.push_str(&format!("Content-Length: {}\r\n\r\n", body.len())),
    }
    let half = &body[..body.len() / 2];
    match (silent, manner.chunked, exchange.torn) {
        (true, _, _) => {}
        (_, true, true) => text.push_str(&format!("{:x}\r\n{half}\r\n", half.len())),
        (_, true, false) => text.push_str(&format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len())),
        (_, false, true) => text.push_str(half),
        (_, false, false) => text.push_str(body),
    }
    Bytes::from(text)
}
