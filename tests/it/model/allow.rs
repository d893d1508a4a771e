//! What RFC 9111 allows a shared cache to answer, said a second time: slowly, over the list of
//! everything that was ever sent. It shares no code with `src/policy`.
//!
//! Each exchange leaves a field of its own name (`X-S-<number>`), which whatever freshens or
//! completes a stored response adds to its head: so an answer names the chain of exchanges that it
//! is made of.

use super::{
    form::{Origin, wanted},
    modes::Mode,
    read::{Directives, Fields, line, lines, opaque},
    stored::{Stored, strong},
    world::{Answer, Asked, Exchange, History},
};

/// What an answer was, for the counters that show that a run is not vacuous.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Kind {
    Torn,
    Ours,
    Relayed,
    Validated,
    /// The stored part, and what the origin sent of the rest.
    Completed,
    Followed,
    Fresh,
    StaleWhileRevalidate,
    StaleIfError,
    MaxStale,
    // Besides one of those:
    /// To Range, from what is stored.
    Part,
    /// The same, several parts.
    Parts,
    /// From what was stored of parts.
    OfParts,
    /// From what a POST brought.
    Posted,
    /// A HEAD has freshened it.
    Headed,
    /// By a targeted field.
    Targeted,
    /// In a cache group.
    Grouped,
    /// To a request with a credential or a cookie.
    Shared,
    /// To a request with a part of the key of its own.
    Keyed,
    /// After a soft purge, or an unsafe request without an answer.
    Ended,
    /// As an item of a batch.
    Batched,
    /// The same, to a credential or a cookie.
    BatchedShared,
}

impl Kind {
    /// Those that no run of some length is without.
    pub(super) const USUAL: [Kind; 19] = [
        Kind::Torn,
        Kind::Ours,
        Kind::Relayed,
        Kind::Validated,
        Kind::Followed,
        Kind::Fresh,
        Kind::StaleWhileRevalidate,
        Kind::Part,
        Kind::Parts,
        Kind::OfParts,
        Kind::Posted,
        Kind::Headed,
        Kind::Targeted,
        Kind::Grouped,
        Kind::Shared,
        Kind::Keyed,
        Kind::Ended,
        Kind::Batched,
        Kind::BatchedShared,
    ];
}

pub(super) struct Judge<'a> {
    pub(super) mode: &'a Mode,
    pub(super) history: &'a History,
    pub(super) id: usize,
    pub(super) answer: &'a Answer,
}

pub(super) type Verdict<T> = Result<T, String>;

macro_rules! must {
    ($holds:expr, $($why:tt)+) => {
        if !$holds { return Err(format!($($why)+)); }
    };
}
pub(super) use must;

impl<'a> Judge<'a> {
    pub(super) fn asked(&self) -> &'a Asked {
        &self.history.asked[self.id]
    }

    pub(super) fn field(&self, name: &str) -> &'a str {
        line(&self.asked().fields, name).unwrap_or("")
    }

    /// Cache-Control of the request, or Pragma (§5.4).
    pub(super) fn wishes(&self) -> Directives {
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
    pub(super) fn verdict(&self) -> Verdict<Vec<Kind>> {
        let (asked, answer) = (self.asked(), self.answer);
        self.own().try_for_each(|it| self.is_his(it))?;
        if !answer.whole {
            let torn = self.history.exchanges.iter().any(|it| {
                it.torn && it.target == asked.target && it.answered.tick > asked.sent.tick
            });
            must!(torn, "an answer broke off that the origin did not tear");
            return Ok(vec![Kind::Torn]);
        }
        let chain = self.chain();
        let retrieves = matches!(asked.method.as_str(), "GET" | "HEAD");
        if retrieves && self.wishes().has("only-if-cached") {
            must!(self.own().next().is_none(), "§5.2.1.7: only-if-cached went to the origin");
            if answer.status == 504 {
                return Ok(vec![Kind::Ours]);
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
        must!(!asked.content, "a stored response for a request with content");
        self.reused(&chain)
    }

    /// The origin sees a client's credentials with that client's request, and no others.
    fn is_his(&self, exchange: &Exchange) -> Verdict<()> {
        let retrieves = matches!(self.asked().method.as_str(), "GET" | "HEAD");
        let asked = &self.asked().fields;
        let cookie = match retrieves && !self.mode.bypasses(asked) {
            true => self.mode.forwards(asked),
            false => self.field("cookie").to_owned(),
        };
        let his = [self.field("authorization"), &cookie];
        must!(exchange.credentials == his, "the origin saw {:?}", exchange.credentials);
        Ok(())
    }

    /// The exchanges that the answer's head is made of, the first first.
    fn chain(&self) -> Option<Vec<&'a Exchange>> {
        let numbers = self.numbers().into_iter();
        let chain: Vec<_> = numbers.filter_map(|it| self.history.exchanges.get(it)).collect();
        (!chain.is_empty()).then_some(chain)
    }

    /// Their numbers.
    pub(super) fn numbers(&self) -> Vec<usize> {
        let numbers = self.answer.fields.iter().filter_map(|(name, _)| {
            name.to_ascii_lowercase().strip_prefix("x-s-").and_then(|it| it.parse::<usize>().ok())
        });
        let mut numbers: Vec<usize> = numbers.collect();
        numbers.sort_unstable();
        numbers
    }

    /// Larder's own words.
    fn made_here(&self) -> Verdict<Vec<Kind>> {
        let (asked, answer) = (self.asked(), self.answer);
        let own_tags =
            ["if-match", "if-none-match"].iter().any(|it| self.field(it).contains("larder-"));
        match answer.status {
            412 => must!(own_tags, "RFC 9110 §13.1: 412, and no entity-tag of ours"),
            416 => {
                let lengths = self.history.exchanges.iter().filter(|it| it.target == asked.target);
                let possible = lengths.map(|it| it.text.len()).any(|length| {
                    line(&answer.fields, "content-range") == Some(&format!("bytes */{length}"))
                        && wanted(self.field("range"), length).is_some_and(|it| it.is_empty())
                });
                must!(possible, "RFC 9110 §15.5.17: 416 for a range that can be satisfied");
            }
            502..=504 => {
                must!(self.failed(), "{} though the origin did not fail", answer.status);
            }
            status => return Err(format!("nobody made this {status}")),
        }
        Ok(vec![Kind::Ours])
    }

    /// The origin gave no answer, or an error, or let itself be waited for, while this was asked.
    pub(super) fn failed(&self) -> bool {
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
    fn relayed(&self, exchange: &Exchange) -> Verdict<Vec<Kind>> {
        let status = exchange.status.unwrap_or(0);
        self.says("fwd=")?;
        self.form(exchange, &exchange.head, status, Origin::Asked)?;
        Ok(vec![Kind::Relayed])
    }

    /// A stored response: as it was, validated, or completed.
    fn reused(&self, chain: &[&'a Exchange]) -> Verdict<Vec<Kind>> {
        let asked = self.asked();
        let last = chain[chain.len() - 1];
        let before = &chain[..chain.len() - 1];
        let validated = last.by == self.id;
        self.is_a_chain(chain)?;
        self.outlives(chain)?;
        for length in 1..=chain.len() {
            // What validated it for this client may say that it is for this client alone.
            if length < chain.len() || !validated {
                self.may_be_stored(&Stored::of(&chain[..length]))?;
            }
        }
        let stored = Stored::of(chain);
        self.is_current(&stored)?;
        if !validated {
            self.selects(chain, &stored.head)?;
            self.is_permitted(&stored)?;
        } else {
            // The origin may name another variant (§4.3.1), but by its entity-tag alone.
            let head = Stored::of(before).head;
            let untagged = lines(&head, "etag").is_empty() || self.mode.keyed;
            if last.status == Some(206) || untagged {
                self.selects(before, &head)?;
            }
        }
        self.form(stored.base, &stored.head, stored.status, Origin::Stored)?;
        let cookies = lines(&self.answer.fields, "set-cookie");
        must!(!self.mode.strip || cookies.is_empty(), "the route strips {cookies:?}");
        self.age(&stored, validated)?;
        let kind = match (validated, last.status) {
            (true, Some(206)) => Kind::Completed,
            (true, _) => Kind::Validated,
            (false, _) => self.usable(&stored)?,
        };
        if matches!(kind, Kind::Validated | Kind::Completed | Kind::StaleIfError) {
            self.says("fwd=")?;
        }
        must!(asked.sent.tick < self.answer.got.tick, "time goes on");
        let mut kinds = self.traits(chain, &stored);
        kinds.push(kind);
        Ok(kinds)
    }

    fn traits(&self, chain: &[&Exchange], stored: &Stored<'_>) -> Vec<Kind> {
        let part = self.answer.status == 206;
        let last = chain[chain.len() - 1];
        // What validated it for this client is newer than any purge.
        let own = chain.len() > 1 && last.by == self.id;
        let before = if own { &chain[..chain.len() - 1] } else { chain };
        let several = lines(&self.answer.fields, "content-range").is_empty();
        let identity = ["authorization", "cookie"].iter().any(|it| !self.field(it).is_empty());
        let rows = [
            (part && !several, Kind::Part),
            (part && several, Kind::Parts),
            (stored.base.status == Some(206), Kind::OfParts),
            (stored.base.method == "POST", Kind::Posted),
            (chain.iter().any(|it| it.method == "HEAD" && it.status == Some(200)), Kind::Headed),
            (stored.directives.targeted, Kind::Targeted),
            (!lines(&stored.head, "cache-groups").is_empty(), Kind::Grouped),
            (identity, Kind::Shared),
            (self.mode.key(&self.asked().fields) != Default::default(), Kind::Keyed),
            (self.asked().batched, Kind::Batched),
            (self.asked().batched && identity, Kind::BatchedShared),
            (self.ended(&Stored::of(before)).is_some(), Kind::Ended),
        ];
        rows.into_iter().filter(|it| it.0).map(|it| it.1).collect()
    }

    /// What each link but the first may be: a 304 or a 200 to HEAD that speaks of the same
    /// representation (§4.3.4, §4.3.5), or more of its bytes (§3.4).
    fn is_a_chain(&self, chain: &[&Exchange]) -> Verdict<()> {
        must!(chain[0].status != Some(304), "§4.3.4: a 304 is no stored response");
        for length in 1..chain.len() {
            let before = Stored::of(&chain[..length]);
            let link = chain[length];
            let theirs = line(&link.head, "etag");
            let ours = line(&before.head, "etag").filter(|it| !it.contains("larder-"));
            if let (Some(ours), Some(theirs)) = (ours, theirs) {
                let same = opaque(ours) == opaque(theirs);
                must!(same, "§4.3.4: {:?} for {theirs} freshened {ours}", link.status);
            }
            match (link.method.as_str(), link.status) {
                (_, Some(304)) => names(&link.head, &before.head)?,
                ("HEAD", Some(200)) => {
                    let dated = |head| line(head, "last-modified");
                    let known = theirs.or(dated(&link.head)).is_some();
                    must!(known, "§4.3.5: a HEAD without a validator");
                    let date = dated(&link.head).is_none_or(|it| dated(&before.head) == Some(it));
                    must!(date && theirs.is_none_or(|_| ours.is_some()), "§4.3.5: another version");
                    let length = link.text.len() == before.base.text.len();
                    must!(length, "§4.3.5: another length");
                }
                ("GET", Some(206)) => {
                    let one = strong(&before.head, before.last.answered.wall);
                    let other = strong(&link.head, link.answered.wall);
                    must!(one.is_some(), "§3.4: no strong validator");
                    must!(one == other, "§3.4: parts of two representations");
                }
                (_, status) => return Err(format!("§4.3.4: {status:?} freshens nothing")),
            }
        }
        Ok(())
    }
}

/// §4.3.4, sentence by sentence: a strong validator is to be the same, a weak one is to correspond,
/// and one without any speaks of what was asked about.
fn names(received: &Fields, stored: &Fields) -> Verdict<()> {
    let (tags, dates) = (lines(received, "etag"), lines(received, "last-modified"));
    let ours = line(stored, "etag").filter(|it| !it.contains("larder-"));
    for tag in &tags {
        let same = match tag.starts_with("W/") {
            false => ours == Some(*tag),
            true => ours.map(opaque) == Some(opaque(tag)),
        };
        must!(same, "§4.3.4: {tags:?} updated {ours:?}");
    }
    let dated = line(stored, "last-modified");
    let same = dates.iter().all(|it| dated == Some(*it));
    must!(!tags.is_empty() || same, "§4.3.4: {dates:?} updated {dated:?}");
    Ok(())
}
