//! What RFC 9111 allows a shared cache to answer, said a second time: slowly, over the list of
//! everything that was ever sent. It shares no code with `src/policy`.
//!
//! Each exchange leaves a field of its own name (`X-S-<number>`), which a 304 adds to the head
//! that it freshens: so an answer names the chain of exchanges that it is made of.

use super::{
    read::{Directives, Fields, date, delta, line, lines, members, opaque},
    script::Mode,
    world::{Answer, Asked, Exchange, History},
};

/// What an answer was, for the counters that show that a run is not vacuous.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Kind {
    Torn,
    Ours,
    Relayed,
    Validated,
    Followed,
    Fresh,
    StaleWhileRevalidate,
    StaleIfError,
    MaxStale,
}

/// A stored response as the model sees it after each exchange of its chain.
struct Stored<'a> {
    base: &'a Exchange,
    last: &'a Exchange,
    /// The head after the last of them.
    head: Fields,
    directives: Directives,
}

pub(super) struct Judge<'a> {
    pub(super) mode: &'a Mode,
    pub(super) history: &'a History,
    pub(super) id: usize,
    pub(super) answer: &'a Answer,
}

type Verdict<T> = Result<T, String>;

macro_rules! must {
    ($holds:expr, $($why:tt)+) => {
        if !$holds { return Err(format!($($why)+)); }
    };
}

impl<'a> Judge<'a> {
    fn asked(&self) -> &'a Asked {
        &self.history.asked[self.id]
    }

    fn field(&self, name: &str) -> &'a str {
        line(&self.asked().fields, name).unwrap_or("")
    }

    /// Cache-Control of the request, or Pragma (§5.4).
    fn wishes(&self) -> Directives {
        match self.field("pragma") {
            "" => Directives::of(&self.asked().fields),
            pragma => Directives::of(&vec![("cache-control".to_owned(), pragma.to_owned())]),
        }
    }

    fn own(&self) -> impl Iterator<Item = &'a Exchange> {
        let (id, got) = (self.id, self.answer.got.tick);
        self.history.exchanges.iter().filter(move |it| it.by == id && it.asked.tick < got)
    }

    /// Whether this answer is one that may be given, and what it was.
    pub(super) fn verdict(&self) -> Verdict<Kind> {
        let (asked, answer) = (self.asked(), self.answer);
        if !answer.whole {
            let torn = self.history.exchanges.iter().any(|it| {
                it.torn && it.target == asked.target && it.answered.tick > asked.sent.tick
            });
            must!(torn, "an answer broke off that the origin did not tear");
            return Ok(Kind::Torn);
        }
        let chain = self.chain();
        let retrieves = matches!(asked.method.as_str(), "GET" | "HEAD");
        if retrieves && self.wishes().has("only-if-cached") {
            must!(self.own().next().is_none(), "§5.2.1.7: only-if-cached went to the origin");
            if answer.status == 504 {
                return Ok(Kind::Ours);
            }
        }
        let Some(chain) = chain else { return self.made_here() };
        for link in &chain {
            must!(link.target == asked.target, "§4: {:?} is another target", link.target);
            must!(!link.torn || link.answered.tick > asked.sent.tick, "§3.3: torn, and used again");
        }
        let last = chain[chain.len() - 1];
        if chain.len() == 1 && last.by == self.id {
            return self.relayed(last);
        }
        must!(retrieves, "§4: a stored response for {}", asked.method);
        self.reused(&chain)
    }

    /// The exchanges that the answer's head is made of, the first first.
    fn chain(&self) -> Option<Vec<&'a Exchange>> {
        let numbers = self.answer.fields.iter().filter_map(|(name, _)| {
            name.to_ascii_lowercase().strip_prefix("x-s-").and_then(|it| it.parse::<usize>().ok())
        });
        let mut numbers: Vec<usize> = numbers.collect();
        numbers.sort_unstable();
        let chain: Vec<_> =
            numbers.into_iter().filter_map(|it| self.history.exchanges.get(it)).collect();
        (!chain.is_empty()).then_some(chain)
    }

    /// Larder's own words.
    fn made_here(&self) -> Verdict<Kind> {
        let (asked, answer) = (self.asked(), self.answer);
        let own_tags =
            ["if-match", "if-none-match"].iter().any(|it| self.field(it).contains("larder-"));
        match answer.status {
            412 => must!(own_tags, "RFC 9110 §13.1: 412, and no entity-tag of ours"),
            416 => {
                let lengths = self.history.exchanges.iter().filter(|it| it.target == asked.target);
                let possible = lengths.map(|it| it.text.len()).any(|length| {
                    line(&answer.fields, "content-range") == Some(&format!("bytes */{length}"))
                        && one_range(self.field("range"), length) == Some(Err(()))
                });
                must!(possible, "RFC 9110 §15.5.17: 416 for a range that can be satisfied");
            }
            502..=504 => {
                must!(self.failed(), "{} though the origin did not fail", answer.status);
            }
            status => return Err(format!("nobody made this {status}")),
        }
        Ok(Kind::Ours)
    }

    /// The origin gave no answer, or an error, or let itself be waited for, while this was asked.
    fn failed(&self) -> bool {
        let asked = self.asked();
        // Only an origin that takes its time moves the clock while somebody waits.
        if self.answer.got.mono - asked.sent.mono >= 3000 {
            return true;
        }
        let since = self
            .history
            .exchanges
            .iter()
            .filter(|it| it.target == asked.target && it.answered.tick > asked.sent.tick);
        let mut since = since;
        since.any(|it| matches!(it.status, None | Some(500 | 502 | 503 | 504)) || it.torn)
    }

    /// The origin's answer to this very request.
    fn relayed(&self, exchange: &Exchange) -> Verdict<Kind> {
        let status = exchange.status.unwrap_or(0);
        self.says("fwd=")?;
        self.form(exchange, &exchange.head, status, Origin::Asked)?;
        Ok(Kind::Relayed)
    }

    /// A stored response, as it was or validated.
    fn reused(&self, chain: &[&'a Exchange]) -> Verdict<Kind> {
        let asked = self.asked();
        let last = chain[chain.len() - 1];
        let validated = last.by == self.id;
        self.is_a_chain(chain)?;
        for length in 1..=chain.len() {
            let stored = Stored::of(&chain[..length]);
            // What validated it for this client may say that it is for this client alone.
            if length < chain.len() || !validated {
                self.may_be_stored(&stored)?;
            }
        }
        let stored = Stored::of(chain);
        self.is_current(&stored)?;
        if !validated {
            self.selects(chain, &stored.head)?;
            self.is_permitted(&stored)?;
        } else if lines(&stored.base.head, "etag").is_empty() {
            self.selects(&chain[..chain.len() - 1], &Stored::of(&chain[..chain.len() - 1]).head)?;
        }
        let status = stored.base.status.unwrap_or(0);
        self.form(stored.base, &stored.head, status, Origin::Stored)?;
        self.age(&stored, validated)?;
        let kind = match validated {
            true => Kind::Validated,
            false => self.usable(&stored)?,
        };
        let forwarded = matches!(kind, Kind::Validated | Kind::StaleIfError);
        if forwarded {
            self.says("fwd=")?;
        }
        must!(asked.sent.tick < self.answer.got.tick, "time goes on");
        Ok(kind)
    }

    /// §4.3.4: each link but the first is a 304 that speaks of the first.
    fn is_a_chain(&self, chain: &[&Exchange]) -> Verdict<()> {
        must!(chain[0].status != Some(304), "§4.3.4: a 304 is no stored response");
        for length in 1..chain.len() {
            let before = Stored::of(&chain[..length]);
            let link = chain[length];
            must!(link.status == Some(304), "§4.3.4: {:?} freshens nothing", link.status);
            let theirs = line(&link.head, "etag");
            let ours = line(&before.head, "etag").filter(|it| !it.contains("larder-"));
            if let (Some(ours), Some(theirs)) = (ours, theirs) {
                must!(
                    opaque(ours) == opaque(theirs),
                    "§4.3.4: a 304 for {theirs} freshened {ours}"
                );
            }
        }
        Ok(())
    }

    /// §3: whether it could be kept for others at all.
    fn may_be_stored(&self, stored: &Stored<'_>) -> Verdict<()> {
        let Stored { base, last, head, directives } = stored;
        let by = &self.history.asked[last.by];
        let wishes = Directives::of(&by.fields);
        let status = base.status.unwrap_or(0);
        must!(!wishes.has("no-store"), "§5.2.1.5: the request said no-store");
        let kept = matches!(base.method.as_str(), "GET") || base.method == self.asked().method;
        must!(kept, "§3: the answer to a {}", base.method);
        let understood = matches!(status, 200..=206 | 300..=308 | 400..=426 | 500..=505);
        let must_understand = directives.bare("must-understand");
        must!(understood || !must_understand, "§5.2.2.3: {status} is not understood");
        must!(must_understand || !directives.has("no-store"), "§5.2.2.5: no-store");
        if directives.has("private") {
            let names = directives.names("private").ok_or("§5.2.2.7: private")?;
            self.withholds(&names)?;
        }
        must!(!members(head, "vary").contains(&"*".to_owned()), "§4.1: Vary: *");
        let cacheable =
            matches!(status, 200 | 203 | 204 | 206 | 300 | 301 | 308 | 404 | 405 | 410 | 414 | 501);
        let explicit = ["max-age", "s-maxage", "public"].iter().any(|it| directives.has(it));
        let explicit = explicit || !lines(head, "expires").is_empty();
        must!(explicit || cacheable, "§3: {status} without a word about caching");
        self.may_be_shared(stored, by)
    }

    /// Whose answer it is.
    fn may_be_shared(&self, stored: &Stored<'_>, by: &Asked) -> Verdict<()> {
        let directives = &stored.directives;
        let said = directives.bare("public") || directives.has("s-maxage");
        let authorization = line(&by.fields, "authorization").unwrap_or("");
        if self.mode.isolate {
            must!(authorization == self.field("authorization"), "another credential's answer");
        } else if !authorization.is_empty() {
            must!(!self.mode.bypass, "the route bypasses Authorization");
            must!(said || directives.has("must-revalidate"), "§3.5: an answer to Authorization");
        }
        let cookie = !self.mode.ignore_cookies && lines(&by.fields, "cookie").len() == 1;
        let sets = !lines(&stored.head, "set-cookie").is_empty() && !self.mode.strip;
        must!(!sets || said || !self.mode.refuse, "a response with Set-Cookie");
        let (lifetime, ours) = self.lifetime(stored);
        if ours && lifetime > 0 {
            let credential = !authorization.is_empty() && !self.mode.isolate;
            must!(!credential && !cookie && !sets, "freshness of ours for somebody's own answer");
        }
        Ok(())
    }

    /// §4.4, and §4: the most recent response.
    fn is_current(&self, stored: &Stored<'_>) -> Verdict<()> {
        let (asked, history) = (self.asked(), self.history);
        for exchange in &history.exchanges {
            let done = |by: usize| history.asked[by].got.filter(|it| it.0.tick < asked.sent.tick);
            let invalid = exchange.invalidates.contains(&asked.target)
                && exchange.asked.tick > stored.base.asked.tick
                && done(exchange.by).is_some();
            must!(
                !invalid,
                "§4.4: invalidated by the {} of exchange {}",
                exchange.method,
                exchange.number
            );
            let newer = exchange.target == asked.target
                && exchange.asked.tick > self.after(stored.last)
                && !matches!(exchange.status, None | Some(304))
                && done(exchange.by).is_some_and(|it| it.1)
                && matches!(exchange.method.as_str(), "GET")
                && self.same_partition(&history.asked[exchange.by]);
            let selected = newer && self.matches(&history.asked[exchange.by], &exchange.head);
            must!(!selected, "§4: exchange {} is more recent, and was stored", exchange.number);
        }
        Ok(())
    }

    /// When the client that an exchange was for had its answer: what was under way at the same time
    /// is neither older nor newer.
    fn after(&self, exchange: &Exchange) -> usize {
        self.history.asked[exchange.by]
            .got
            .map_or(usize::MAX, |it| it.0.tick)
            .max(exchange.answered.tick)
    }

    /// An isolated cache is one for each credential; what is invalid is so in all of them.
    fn same_partition(&self, by: &Asked) -> bool {
        let theirs = line(&by.fields, "authorization").unwrap_or("");
        !self.mode.isolate || theirs == self.field("authorization")
    }

    /// §4.1: the fields that Vary names are those of a request that it was an answer to.
    fn selects(&self, chain: &[&Exchange], head: &Fields) -> Verdict<()> {
        let one = chain.iter().any(|link| self.matches(&self.history.asked[link.by], head));
        must!(one, "§4.1: another variant, by {:?}", members(head, "vary"));
        Ok(())
    }

    fn matches(&self, by: &Asked, head: &Fields) -> bool {
        let normal = |fields: &Fields, name: &str| {
            let text = members(fields, name).join(",");
            (!lines(fields, name).is_empty(), text)
        };
        members(head, "vary").iter().all(|name| {
            let ignored = self.mode.ignore_cookies && name.eq_ignore_ascii_case("cookie");
            ignored || normal(&by.fields, name) == normal(&self.asked().fields, name)
        })
    }

    /// What this request itself forbids.
    fn is_permitted(&self, stored: &Stored<'_>) -> Verdict<()> {
        let asked = self.asked();
        for name in ["if-match", "if-unmodified-since"] {
            must!(lines(&asked.fields, name).is_empty(), "only the origin judges {name}");
        }
        let authorization = !self.field("authorization").is_empty();
        must!(!(authorization && self.mode.bypass), "the route bypasses Authorization");
        let cookie = !self.mode.ignore_cookies && !self.field("cookie").is_empty();
        let (lifetime, ours) = self.lifetime(stored);
        let personal = cookie || (authorization && !self.mode.isolate);
        must!(!(ours && lifetime > 0 && personal), "freshness of ours for a credential or cookie");
        Ok(())
    }

    /// §4.2, §4.2.4, RFC 5861: fresh, or stale with permission.
    fn usable(&self, stored: &Stored<'_>) -> Verdict<Kind> {
        let asked = self.asked();
        let followed = stored.last.answered.tick > asked.sent.tick;
        let directives = &stored.directives;
        let (lifetime, _) = self.lifetime(stored);
        let failed = self.failed();
        let age = self.age_at(stored, asked.sent.mono);
        let (fresh_for, stale_for) = (lifetime * 1000 - age, age - lifetime * 1000);
        let no_cache = match directives.names("no-cache") {
            Some(names) => self.withholds(&names).is_err(),
            None => directives.has("no-cache"),
        };
        let wishes = self.wishes();
        if !no_cache && fresh_for > 0 {
            if self.mode.honor && !followed && !failed {
                self.obeys(&wishes, stored, age, fresh_for)?;
            }
            self.says_ttl(fresh_for)?;
            return Ok(if followed { Kind::Followed } else { Kind::Fresh });
        }
        if followed && !(self.mode.honor && wishes.has("max-stale")) {
            let shy = |it: &Asked| {
                let cookie = !self.mode.ignore_cookies && !lines(&it.fields, "cookie").is_empty();
                cookie || (!self.mode.isolate && !lines(&it.fields, "authorization").is_empty())
            };
            must!(
                !shy(asked) && !shy(&self.history.asked[stored.last.by]),
                "not fresh, and shared"
            );
            return Ok(Kind::Followed);
        }
        must!(!no_cache, "§5.2.2.4: no-cache");
        let strict = ["must-revalidate", "proxy-revalidate", "s-maxage"];
        let strict = strict.iter().find(|it| directives.has(it));
        must!(strict.is_none(), "§4.2.4: stale for {stale_for} ms in spite of {strict:?}");
        let within =
            |window: Option<i64>| window.is_some_and(|it| it > 0 && stale_for <= it * 1000);
        let while_revalidate = directives.seconds("stale-while-revalidate").or(self.mode.swr);
        let mut if_error = directives.seconds("stale-if-error").or(self.mode.sie);
        let mut by_client = None;
        if self.mode.honor {
            if_error = if_error.max(wishes.seconds("stale-if-error"));
            by_client = match wishes.bare("max-stale") {
                true => Some(i64::MAX / 2000),
                false => wishes.seconds("max-stale"),
            };
        }
        if within(by_client) {
            return Ok(Kind::MaxStale);
        }
        let young = asked.sent.mono - stored.last.answered.mono < 1000;
        let unwilling = wishes.has("max-age") || (wishes.has("no-cache") && !young);
        if within(while_revalidate) && !(self.mode.honor && unwilling) {
            return Ok(Kind::StaleWhileRevalidate);
        }
        must!(failed, "§4.2.4: stale for {stale_for} ms while the origin is well");
        must!(within(if_error), "RFC 5861 §4: stale for {stale_for} ms, allowed {if_error:?} s");
        Ok(Kind::StaleIfError)
    }

    /// §5.2.1, where the route honours it. A crowd that reloads is one validation a second.
    fn obeys(&self, wishes: &Directives, stored: &Stored<'_>, age: i64, fresh: i64) -> Verdict<()> {
        if self.asked().sent.mono - stored.last.answered.mono < 1000 {
            return Ok(());
        }
        must!(!wishes.has("no-cache"), "§5.2.1.4: no-cache");
        let most = wishes.seconds("max-age").unwrap_or(i64::MAX / 2000);
        must!(age <= most * 1000, "§5.2.1.1: {age} ms old, asked for at most {most} s");
        let least = wishes.seconds("min-fresh").unwrap_or(0);
        must!(fresh >= least * 1000, "§5.2.1.3: fresh for {fresh} ms, asked for {least} s");
        Ok(())
    }

    /// Seconds, and whether they are the operator's.
    fn lifetime(&self, stored: &Stored<'_>) -> (i64, bool) {
        let Stored { last, head, directives, base } = stored;
        let received = last.answered.wall.div_euclid(1000);
        let dated = line(head, "date").and_then(date).unwrap_or(received);
        let expires = match lines(head, "expires").as_slice() {
            [] => None,
            [one] => Some(date(one).map_or(0, |it| (it - dated).max(0))),
            _ => Some(0),
        };
        let said = directives.seconds("s-maxage").or(directives.seconds("max-age")).or(expires);
        let forbids = !directives.bare("must-understand") && directives.has("no-store");
        let free = !forbids
            && !["no-cache", "private"]
                .iter()
                .any(|it| directives.has(it) && directives.names(it).is_none());
        let modified = line(head, "last-modified").and_then(date);
        let guess = || Some((dated - modified?).max(0) * self.mode.heuristic? / 100);
        let cacheable = directives.bare("public")
            || matches!(
                base.status,
                Some(200 | 203 | 204 | 300 | 301 | 308 | 404 | 405 | 410 | 414 | 501)
            );
        let most = self.mode.max_ttl.unwrap_or(i64::MAX);
        match said {
            Some(_) if free && self.mode.override_ttl.is_some() => {
                (self.mode.override_ttl.unwrap_or(0).min(most), true)
            }
            Some(said) => (said.min(most), false),
            None if free && cacheable => {
                let ours = self.mode.override_ttl.or(self.mode.ttl).or_else(guess);
                (ours.unwrap_or(0).min(most), true)
            }
            None => (0, true),
        }
    }

    /// §4.2.3, in milliseconds.
    fn age_at(&self, stored: &Stored<'_>, mono: i64) -> i64 {
        let (last, head) = (stored.last, &stored.head);
        let received = last.answered.wall.div_euclid(1000);
        let dated = line(head, "date").and_then(date).unwrap_or(received);
        let apparent = (received - dated).max(0) * 1000;
        let first = members(head, "age").into_iter().next();
        let value = first.and_then(|it| delta(&it)).unwrap_or(0) * 1000;
        let delay = last.answered.mono - last.asked.mono;
        let initial = apparent.max(value + delay).min((1_i64 << 31) * 1000);
        initial + (mono - last.answered.mono).max(0)
    }

    /// §5.1: the Age that is sent is the age that it has.
    fn age(&self, stored: &Stored<'_>, validated: bool) -> Verdict<()> {
        let (asked, answer) = (self.asked(), self.answer);
        let least = self.age_at(stored, asked.sent.mono.max(stored.last.answered.mono)) / 1000;
        // Others that wait may move the clock between the origin and us.
        let by = &self.history.asked[stored.last.by];
        let wait = by.got.map_or(answer.got, |it| it.0).mono - by.sent.mono;
        let slack = if wait > 0 { wait + 999 } else { 0 };
        let most = (self.age_at(stored, answer.got.mono) + slack) / 1000;
        let said = lines(&answer.fields, "age");
        let followed = stored.last.answered.tick > asked.sent.tick;
        match said.as_slice() {
            [] if validated || followed => must!(least == 0, "§4: no Age, and {least} s old"),
            [] => return Err("§4: a stored response without Age".to_owned()),
            [one] => {
                let age = delta(one).ok_or("§5.1: Age is no number")?;
                must!((least..=most).contains(&age), "§4.2.3: Age {age}, not {least}..{most}");
            }
            _ => return Err("§5.1: Age twice".to_owned()),
        }
        Ok(())
    }

    /// The answer's own shape: status, body, fields.
    fn form(&self, base: &Exchange, head: &Fields, status: u16, origin: Origin) -> Verdict<()> {
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
            206 if status == 206 || status == 200 => return self.part(base),
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

    /// RFC 9110 §14: the part that was asked for.
    fn part(&self, base: &Exchange) -> Verdict<()> {
        let wanted = self.field("range");
        let length = base.text.len();
        let Some(Ok((first, last))) = one_range(wanted, length) else {
            return Err(format!("RFC 9110 §14.2: 206 for {wanted:?} of {length}"));
        };
        let said = line(&self.answer.fields, "content-range").unwrap_or("");
        must!(said == format!("bytes {first}-{last}/{length}"), "RFC 9110 §14.4: {said}");
        must!(self.answer.body == base.text[first..=last], "§14.4: other bytes than {said}");
        let condition = self.field("if-range");
        let strong = line(&self.answer.fields, "etag").is_some_and(|it| it == condition);
        let dated = line(&self.answer.fields, "last-modified").is_some_and(|it| it == condition);
        must!(condition.is_empty() || strong || dated, "RFC 9110 §13.1.5: If-Range does not hold");
        must!(!condition.starts_with("W/"), "RFC 9110 §13.1.5: by the strong comparison");
        Ok(())
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
        for name in ["cache-control", "expires", "vary", "last-modified", "x-private"] {
            let (said, sent) = (lines(&answer.fields, name), lines(head, name));
            must!(
                said == sent || said.is_empty() && name == "x-private",
                "{name} is {said:?}, not {sent:?}"
            );
        }
        let (said, sent) = (lines(&answer.fields, "set-cookie"), lines(head, "set-cookie"));
        let stripped = self.mode.strip && said.is_empty();
        must!(said == sent || stripped, "set-cookie is {said:?}, not {sent:?}");
        let (said, sent) = (lines(&answer.fields, "etag"), lines(head, "etag"));
        let own = sent.is_empty() && said.iter().all(|it| it.contains("\"larder-"));
        must!(said == sent || own, "etag is {said:?}, not {sent:?}");
        let dated = lines(&answer.fields, "date");
        must!(dated.len() <= 1 || status == 304, "Date {dated:?}");
        Ok(())
    }

    fn withholds(&self, names: &[String]) -> Verdict<()> {
        for name in names {
            let sent = !lines(&self.answer.fields, name).is_empty();
            must!(!sent, "§5.2.2.7, §5.2.2.4: {name} is not to be shared");
        }
        Ok(())
    }

    fn cache_status(&self) -> &'a str {
        let lines = lines(&self.answer.fields, "cache-status");
        let last = lines.last().copied().unwrap_or("");
        last.rsplit(", ").next().unwrap_or("")
    }

    /// RFC 9211.
    fn says(&self, parameter: &str) -> Verdict<()> {
        let said = self.cache_status();
        must!(said.contains(parameter), "RFC 9211: Cache-Status is {said:?}, not {parameter}");
        Ok(())
    }

    /// RFC 9211 §2.6: no more freshness than there is.
    fn says_ttl(&self, fresh_for: i64) -> Verdict<()> {
        let said = self.cache_status();
        let Some((_, ttl)) = said.split_once("ttl=") else { return Ok(()) };
        let ttl: i64 = ttl.split(';').next().and_then(|it| it.parse().ok()).unwrap_or(i64::MAX);
        must!(ttl <= fresh_for.div_euclid(1000), "RFC 9211 §2.6: {said}, {fresh_for} ms left");
        Ok(())
    }
}

/// Where an answer's form comes from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Origin {
    Asked,
    Stored,
}

impl<'a> Stored<'a> {
    /// §4.3.4, §3.2: the later fields take the place of the earlier.
    fn of(chain: &[&'a Exchange]) -> Stored<'a> {
        let mut head = chain[0].head.clone();
        for link in &chain[1..] {
            for name in ["date", "age"] {
                head.retain(|it| !it.0.eq_ignore_ascii_case(name));
            }
            let before = head.clone();
            let taken = link.head.iter().filter(|(name, value)| {
                let same = line(&before, "etag").is_some_and(|it| opaque(it) == opaque(value));
                !name.eq_ignore_ascii_case("etag") || !same
            });
            let taken: Fields = taken.cloned().collect();
            head.retain(|it| !taken.iter().any(|new| new.0.eq_ignore_ascii_case(&it.0)));
            head.extend(taken);
        }
        let directives = Directives::of(&head);
        Stored { base: chain[0], last: chain[chain.len() - 1], head, directives }
    }
}

/// The one range of a simple Range: `Err` where it lies past the end; `None` where it is none.
pub(super) fn one_range(text: &str, length: usize) -> Option<Result<(usize, usize), ()>> {
    let (first, last) = text.strip_prefix("bytes=")?.split_once('-')?;
    let end = length.checked_sub(1)?;
    if first.is_empty() {
        let suffix: usize = last.parse().ok()?;
        return Some(Ok((length.saturating_sub(suffix), end)));
    }
    let first: usize = first.parse().ok()?;
    let last = if last.is_empty() { end } else { last.parse::<usize>().ok()?.min(end) };
    Some(if first > end { Err(()) } else { Ok((first, last)) })
}
