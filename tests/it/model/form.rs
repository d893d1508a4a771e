//! The shape of an answer: its status, its fields, its bytes (RFC 9110 §13, §14, §15; RFC 9211).

use super::{
    allow::{Judge, Verdict, must},
    read::{Fields, date, line, lines, members, opaque},
    world::Exchange,
};

/// Where an answer's form comes from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    Asked,
    Stored,
}

impl<'a> Judge<'a> {
    /// The answer's own shape: status, body, fields.
    pub(super) fn form(
        &self,
        base: &Exchange,
        head: &Fields,
        status: u16,
        origin: Origin,
    ) -> Verdict<()> {
        let (asked, answer) = (self.asked(), self.answer);
        self.fields(head, status)?;
        let mut current = head.clone();
        current.retain(|it| !it.0.eq_ignore_ascii_case("etag"));
        current
            .extend(answer.fields.iter().filter(|it| it.0.eq_ignore_ascii_case("etag")).cloned());
        let retrieves = matches!(asked.method.as_str(), "GET" | "HEAD");
        let unchanged = retrieves && (200..300).contains(&status) && self.has_it(&current);
        match answer.status {
            304 if status == 304 => {}
            304 => must!(unchanged, "RFC 9110 §13.2.2: 304, but the client has something else"),
            206 if matches!(status, 200 | 206) => return self.parts(base, origin),
            said => {
                must!(said == status, "the origin said {status}, not {said}");
                let strict = unchanged && origin == Origin::Stored;
                must!(!strict, "RFC 9110 §13.1: the client has it; 304");
            }
        }
        let bodiless = asked.method == "HEAD" || matches!(answer.status, 204 | 304);
        let text = if bodiless { "" } else { base.text.as_str() };
        must!(answer.body == text, "the body is {:?}, not {text:?}", answer.body);
        if let (200, Some(length)) = (answer.status, line(&answer.fields, "content-length")) {
            let right = length.parse() == Ok(base.text.len());
            must!(right, "RFC 9110 §8.6: Content-Length {length} of {}", base.text.len());
        }
        Ok(())
    }

    /// RFC 9110 §14: the parts that were asked for.
    fn parts(&self, base: &Exchange, origin: Origin) -> Verdict<()> {
        let (asked, length) = (self.field("range"), base.text.len());
        let Some(ranges) = wanted(asked, length).filter(|it| !it.is_empty()) else {
            return Err(format!("RFC 9110 §14.2: 206 for {asked:?} of {length}"));
        };
        let text = |(first, last): (usize, usize)| {
            (format!("bytes {first}-{last}/{length}"), base.text[first..=last].to_owned())
        };
        let parts: Vec<_> = ranges.iter().map(|it| text(*it)).collect();
        let sent = match line(&self.answer.fields, "content-range") {
            Some(range) => vec![(range.to_owned(), self.answer.body.clone())],
            None => self.several()?,
        };
        must!(sent == parts, "RFC 9110 §14.4: {sent:?}, not {parts:?}");
        let condition = match origin {
            Origin::Asked => "",
            Origin::Stored => self.field("if-range"),
        };
        let strong = line(&self.answer.fields, "etag").is_some_and(|it| it == condition);
        let dated = line(&self.answer.fields, "last-modified").is_some_and(|it| it == condition);
        must!(condition.is_empty() || strong || dated, "RFC 9110 §13.1.5: If-Range does not hold");
        must!(!condition.starts_with("W/"), "RFC 9110 §13.1.5: by the strong comparison");
        Ok(())
    }

    /// The parts of a multipart/byteranges (RFC 9110 §14.6): Content-Range and bytes.
    fn several(&self) -> Verdict<Vec<(String, String)>> {
        let answer = self.answer;
        let kind = line(&answer.fields, "content-type").unwrap_or("");
        let boundary = kind.strip_prefix("multipart/byteranges; boundary=");
        let boundary = boundary.ok_or("RFC 9110 §15.3.7: 206 without Content-Range")?;
        let mark = format!("\r\n--{boundary}");
        let (parts, end) = answer.body.rsplit_once(&mark).ok_or("RFC 2046 §5.1: no boundary")?;
        must!(end == "--\r\n", "RFC 2046 §5.1: no end, but {end:?}");
        let parts = parts.split(&mark).skip(1).map(|part| {
            let (head, body) = part.strip_prefix("\r\n")?.split_once("\r\n\r\n")?;
            Some((head.strip_prefix("Content-Range: ")?.to_owned(), body.to_owned()))
        });
        parts.collect::<Option<_>>().ok_or(format!("RFC 9110 §14.6: {:?}", answer.body))
    }

    /// RFC 9110 §13.1.2, §13.1.3.
    fn has_it(&self, head: &Fields) -> bool {
        let asked = &self.asked().fields;
        if !lines(asked, "if-none-match").is_empty() {
            let etag = line(head, "etag");
            return members(asked, "if-none-match")
                .iter()
                .any(|tag| tag == "*" || etag.is_some_and(|it| opaque(it) == opaque(tag)));
        }
        let since = line(asked, "if-modified-since").and_then(date);
        let modified = line(head, "last-modified").and_then(date);
        let dated = line(&self.answer.fields, "date").and_then(date);
        since.zip(modified.or(dated)).is_some_and(|(since, modified)| modified <= since)
    }

    /// The fields are the origin's, none lost, none added, none of another exchange.
    fn fields(&self, head: &Fields, status: u16) -> Verdict<()> {
        let answer = self.answer;
        // RFC 9110 §7.6.1: what Connection names is not sent on; what is stored of its name may be.
        let hop = members(head, "connection");
        let is_of_the_hop = |name: &&str| hop.iter().any(|it| it.eq_ignore_ascii_case(name));
        for name in [
            "cache-control",
            "cdn-cache-control",
            "cache-groups",
            "expires",
            "vary",
            "last-modified",
        ]
        .into_iter()
        .filter(|name| !is_of_the_hop(name))
        {
            let (mut said, sent) = (lines(&answer.fields, name), lines(head, name));
            // An origin's 304 does not say of what type the whole is, so it may be one that varies.
            if name == "vary" && status == 304 {
                said.retain(|it| *it != "accept-encoding");
            }
            must!(said == sent, "{name} is {said:?}, not {sent:?}");
        }
        for name in ["larder-cache-control", "surrogate-key", "cache-tag"] {
            must!(lines(&answer.fields, name).is_empty(), "RFC 9213 §3: {name} was passed on");
        }
        // `head` has not what is withheld from all but the client that asked.
        let own = self.history.exchanges.iter().filter(|it| it.by == self.id);
        for name in ["x-private", "set-cookie"].into_iter().filter(|name| !is_of_the_hop(name)) {
            let (said, sent) = (lines(&answer.fields, name), lines(head, name));
            let stripped = name == "set-cookie" && self.mode.strip && said.is_empty();
            // In a body a page could read what its browser keeps from it (RFC 6265 §4.1.2.6).
            let kept_back = name == "set-cookie" && self.asked().batched && said.is_empty();
            let his = own.clone().any(|it| lines(&it.head, name) == said);
            must!(said == sent || stripped || his || kept_back, "{name} is {said:?}, not {sent:?}");
        }
        let (said, sent) = (lines(&answer.fields, "etag"), lines(head, "etag"));
        let own = sent.is_empty() && said.iter().all(|it| it.contains("\"larder-"));
        must!(said == sent || own, "etag is {said:?}, not {sent:?}");
        let dated = lines(&answer.fields, "date");
        must!(dated.len() <= 1 || status == 304, "Date {dated:?}");
        Ok(())
    }

    pub(super) fn cache_status(&self) -> &'a str {
        let lines = lines(&self.answer.fields, "cache-status");
        let last = lines.last().copied().unwrap_or("");
        last.rsplit(", ").next().unwrap_or("")
    }

    /// RFC 9211.
    pub(super) fn says(&self, parameter: &str) -> Verdict<()> {
        let said = self.cache_status();
        must!(said.contains(parameter), "RFC 9211: Cache-Status is {said:?}, not {parameter}");
        Ok(())
    }
}

/// The ranges of a Range that can be satisfied; `None` where it is to be ignored: not in bytes,
/// malformed, or (as Larder chooses, RFC 9110 §14.2) overlapping.
pub(super) fn wanted(text: &str, length: usize) -> Option<Vec<(usize, usize)>> {
    let mut found: Vec<(usize, usize)> = Vec::new();
    for one in text.strip_prefix("bytes=")?.split(',') {
        let (first, last) = one.trim().split_once('-')?;
        let end = length.checked_sub(1)?;
        let span = match (first.parse::<usize>(), last.parse::<usize>()) {
            (Err(_), Ok(suffix)) if first.is_empty() => (length.saturating_sub(suffix), end),
            (Ok(first), Err(_)) if last.is_empty() => (first, end),
            (Ok(first), Ok(last)) if first <= last => (first, last.min(end)),
            _ => return None,
        };
        if span.0 <= end {
            found.push(span);
        }
    }
    let apart = |one: &(usize, usize), other: &(usize, usize)| one.1 < other.0 || other.1 < one.0;
    let alone = |at: usize| found[..at].iter().all(|other| apart(&found[at], other));
    (0..found.len()).all(alone).then_some(found)
}
