//! Who may have a stored response: what may be stored at all, shared with whom, and chosen for
//! which request.

use super::{
    allow::{Judge, Verdict, must},
    read::{Directives, Fields, line, lines, members, strings},
    stored::Stored,
    world::{Asked, Exchange},
};

impl Judge<'_> {
    /// §3: whether it could be kept for others at all.
    pub(super) fn may_be_stored(&self, stored: &Stored<'_>) -> Verdict<()> {
        let Stored { base, last, head, directives, status, .. } = stored;
        let by = &self.history.asked[last.by];
        let wishes = Directives::of(&by.fields);
        must!(!wishes.has("no-store"), "§5.2.1.5: the request said no-store");
        let forbidden = self.mode.forbids(&by.fields, Some(*status), &last.head);
        must!(!forbidden, "the route keeps it out of the cache");
        must!(!last.content || base.method == "POST", "§3: the answer to a GET with content");
        let kept = base.method == "GET" || base.method == self.asked().method;
        must!(kept || self.is_posted(stored), "§3: the answer to a {}", base.method);
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
        let expires = !directives.targeted && !lines(head, "expires").is_empty();
        let by_status = self.mode.status_ttl.iter().any(|it| it.0 == *status);
        let explicit = explicit || expires || by_status;
        must!(explicit || cacheable, "§3: {status} without a word about caching");
        self.may_be_shared(stored, by)
    }

    /// RFC 9110 §9.3.3: a POST's 200 with explicit freshness that says it is its target's.
    fn is_posted(&self, stored: &Stored<'_>) -> bool {
        let Stored { base, .. } = stored;
        let located = line(&base.head, "content-location") == Some(&base.target.1);
        let first = Stored::of(&[*base]);
        let (lifetime, ours) = self.lifetime(&first);
        base.method == "POST" && base.status == Some(200) && located && lifetime > 0 && !ours
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
            must!(said || directives.bare("must-revalidate"), "§3.5: an answer to Authorization");
        }
        let his = self.mode.key(&by.fields) == self.mode.key(&self.asked().fields);
        must!(his, "by another key: {:?}", self.mode.key(&by.fields));
        let cookie = self.mode.has_cookie(&by.fields);
        let withheld = directives.withheld().iter().any(|it| it == "set-cookie");
        let sets = !lines(&stored.head, "set-cookie").is_empty() && !self.mode.strip && !withheld;
        let targeted = directives.targeted && directives.has("max-age");
        must!(!sets || said || targeted || !self.mode.refuse, "a response with Set-Cookie");
        let (lifetime, ours) = self.lifetime(stored);
        if ours && lifetime > 0 {
            let credential = !authorization.is_empty() && !self.mode.isolate;
            must!(!credential && !cookie && !sets, "freshness of ours for somebody's own answer");
        }
        Ok(())
    }

    /// §4.4, RFC 9875 §3, and §4: the most recent response.
    pub(super) fn is_current(&self, stored: &Stored<'_>) -> Verdict<()> {
        // What one node makes invalid the others hear once they can hear each other again.
        if self.history.apart {
            return Ok(());
        }
        for exchange in &self.history.exchanges {
            let number = exchange.number;
            let invalid = self.invalidates(exchange, stored);
            must!(!invalid, "§4.4: invalidated by the {} of {number}", exchange.method);
            let ungrouped = self.invalidates_group(exchange, stored);
            must!(!ungrouped, "RFC 9875 §3: {number} invalidated a group of it");
            must!(!self.replaces(exchange, stored), "§4: {number} is more recent, and was stored");
            let forbids = self.forbids_all(exchange, stored);
            must!(!forbids, "§4.3.4: {number} forbids to store what has this strong validator");
        }
        Ok(())
    }

    /// A 304 that freshened one variant, and then is not to be stored, speaks of all that have the
    /// same strong validator; but of what one user is told it says nothing of the others'.
    fn forbids_all(&self, exchange: &Exchange, stored: &Stored<'_>) -> bool {
        let (asked, by) = (self.asked(), &self.history.asked[exchange.by]);
        let known = by.got.as_ref().filter(|it| it.at.tick < asked.sent.tick);
        let numbers = known.map_or(&[][..], |it| &it.numbers);
        if exchange.status != Some(304)
            || exchange.target != asked.target
            || exchange.asked.tick <= self.after(stored.last)
            || numbers.len() < 2
            || numbers.last() != Some(&exchange.number)
            || stored.base.status == Some(206)
            || self.history.nodes > 1
            || self.mode.isolate
            || self.mode.keyed
            || line(&by.fields, "authorization").is_some()
        {
            return false;
        }
        let chain: Vec<_> = numbers.iter().map(|it| &self.history.exchanges[*it]).collect();
        let then = Stored::of(&chain);
        let tag = line(&exchange.head, "etag").filter(|it| !it.starts_with("W/"));
        let same = tag.is_some() && tag == line(&stored.head, "etag");
        let users = |name: &String| {
            ["authorization", "cookie"].iter().any(|it| name.eq_ignore_ascii_case(it))
        };
        let apart = members(&stored.head, "vary").iter().any(users);
        let private = then.directives.bare("private");
        let no_store = then.directives.has("no-store") && !then.directives.has("must-understand");
        let star = members(&exchange.head, "vary").contains(&"*".to_owned());
        same && !apart && (private || no_store || star)
    }

    /// It was known to have changed the target before this was asked, and after what is stored was
    /// asked for, or validated.
    fn invalidates(&self, exchange: &Exchange, stored: &Stored<'_>) -> bool {
        let asked = self.asked();
        let later = exchange.asked.tick > stored.last.asked.tick;
        let known = self.seen(exchange) == Some(true);
        later && known && exchange.invalidates.contains(&asked.target)
    }

    fn invalidates_group(&self, exchange: &Exchange, stored: &Stored<'_>) -> bool {
        let later = exchange.asked.tick > stored.last.asked.tick;
        let changed =
            !exchange.invalidates.is_empty() && exchange.target.0 == self.asked().target.0;
        if !later || !changed || self.seen(exchange) != Some(true) {
            return false;
        }
        let ended = strings(&exchange.head, "cache-group-invalidation");
        strings(&stored.head, "cache-groups").iter().any(|it| ended.contains(it))
    }

    /// Whether the client that an exchange was for had had its answer when this was asked, and
    /// whether that was the exchange's own.
    fn seen(&self, exchange: &Exchange) -> Option<bool> {
        let got = self.history.asked[exchange.by].got.as_ref()?;
        let before = got.at.tick < self.asked().sent.tick;
        before.then(|| got.numbers.contains(&exchange.number))
    }

    /// What was asked for by who asked later. A request that is sent again after its connection
    /// broke keeps its place among the others.
    fn replaces(&self, exchange: &Exchange, stored: &Stored<'_>) -> bool {
        let (asked, by) = (self.asked(), &self.history.asked[exchange.by]);
        let got = by.got.as_ref().filter(|it| it.at.tick < asked.sent.tick);
        // What is stored meanwhile, or for one credential, stays on its node.
        let own = self.mode.isolate && line(&by.fields, "authorization").is_some();
        exchange.target == asked.target
            && !(self.history.nodes > 1 && (exchange.apart || own))
            && by.sent.tick > self.after(stored.last)
            && !matches!(exchange.status, None | Some(206 | 304))
            && !exchange.torn
            && got.is_some_and(|it| it.stored)
            && matches!(exchange.method.as_str(), "GET" | "POST")
            && self.same_partition(by)
            && self.matches(by, &exchange.head)
    }

    /// When the client that an exchange was for had its answer: what was under way at the same time
    /// is neither older nor newer.
    fn after(&self, exchange: &Exchange) -> usize {
        let got = self.history.asked[exchange.by].got.as_ref();
        got.map_or(usize::MAX, |it| it.at.tick).max(exchange.answered.tick)
    }

    /// An isolated cache is one for each credential; what is invalid is so in all of them.
    fn same_partition(&self, by: &Asked) -> bool {
        let theirs = line(&by.fields, "authorization").unwrap_or("");
        let same_key = self.mode.key(&by.fields) == self.mode.key(&self.asked().fields);
        same_key && (!self.mode.isolate || theirs == self.field("authorization"))
    }

    /// §4.1: the fields that Vary names are those of a request that it was an answer to.
    pub(super) fn selects(&self, chain: &[&Exchange], head: &Fields) -> Verdict<()> {
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
    pub(super) fn is_permitted(&self, stored: &Stored<'_>) -> Verdict<()> {
        let asked = self.asked();
        for name in ["if-match", "if-unmodified-since"] {
            must!(lines(&asked.fields, name).is_empty(), "only the origin judges {name}");
        }
        let authorization = !self.field("authorization").is_empty();
        must!(!(authorization && self.mode.bypass), "the route bypasses Authorization");
        must!(!self.mode.bypasses(&asked.fields), "the route keeps this request from the cache");
        let cookie = self.mode.has_cookie(&asked.fields);
        let (lifetime, ours) = self.lifetime(stored);
        let personal = cookie || (authorization && !self.mode.isolate);
        must!(!(ours && lifetime > 0 && personal), "freshness of ours for a credential or cookie");
        Ok(())
    }

    /// What is sent of a field that is not to be shared is what the origin sent this very client,
    /// or what it said later without keeping it from others (§3.2).
    pub(super) fn withholds(&self, names: &[String]) -> Verdict<()> {
        for name in names {
            let sent = lines(&self.answer.fields, name);
            let given = |it: &&Exchange| {
                let part = !lines(&self.answer.fields, &format!("x-s-{}", it.number)).is_empty();
                let kept = Directives::of(&it.head).withheld().contains(name);
                lines(&it.head, name) == sent && (it.by == self.id || (part && !kept))
            };
            let his = sent.is_empty() || self.history.exchanges.iter().any(|it| given(&it));
            must!(his, "§5.2.2.7, §5.2.2.4: {name} is not to be shared");
        }
        Ok(())
    }
}
