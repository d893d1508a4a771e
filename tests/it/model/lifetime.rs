//! How long a stored response may be used, and how old it is (§4.2, §5.1; RFC 5861).

use super::{
    allow::{Judge, Kind, Verdict, must},
    read::{Directives, date, delta, line, lines, members},
    stored::Stored,
    world::Asked,
};

impl Judge<'_> {
    /// §4.2, §4.2.4, RFC 5861: fresh, or stale with permission.
    pub(super) fn usable(&self, stored: &Stored<'_>) -> Verdict<Kind> {
        let asked = self.asked();
        let followed = stored.last.answered.tick > asked.sent.tick;
        let directives = &stored.directives;
        let (lifetime, _) = self.lifetime(stored);
        let failed = self.failed();
        let age = self.age_at(stored, asked.sent.mono);
        let fresh_for = lifetime * 1000 - age;
        let ended = self.ended(stored).map(|ended| ended - asked.sent.mono);
        let fresh_for = fresh_for.min(ended.unwrap_or(i64::MAX));
        let stale_for = -fresh_for;
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
                self.mode.has_cookie(&it.fields)
                    || (!self.mode.isolate && !lines(&it.fields, "authorization").is_empty())
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
        let within = |it: Option<i64>| it.is_some_and(|it| it > 0 && stale_for <= it * 1000);
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
        let young = asked.sent.mono - self.came(stored) < 1000;
        let unwilling = wishes.has("max-age") || (wishes.has("no-cache") && !young);
        let held = self.doubted_since(stored).is_some() || (self.mode.honor && unwilling);
        if within(while_revalidate) && !held {
            return Ok(Kind::StaleWhileRevalidate);
        }
        must!(failed, "§4.2.4: stale for {stale_for} ms while the origin is well");
        must!(within(if_error), "RFC 5861 §4: stale for {stale_for} ms, allowed {if_error:?} s");
        Ok(Kind::StaleIfError)
    }

    /// When the last of it had come at the latest: the clock may go on, by what another request has
    /// the origin do, between the origin's answer and its arrival.
    fn came(&self, stored: &Stored<'_>) -> i64 {
        let by = self.history.asked.get(stored.last.by);
        let got = by.and_then(|asked| asked.got.as_ref()).map_or(i64::MIN, |got| got.at.mono);
        got.max(stored.last.answered.mono)
    }

    /// §5.2.1, where the route honours it. A crowd that reloads is one validation a second.
    fn obeys(&self, wishes: &Directives, stored: &Stored<'_>, age: i64, fresh: i64) -> Verdict<()> {
        if self.asked().sent.mono - self.came(stored) < 1000 {
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
    pub(super) fn lifetime(&self, stored: &Stored<'_>) -> (i64, bool) {
        let Stored { last, head, directives, status, .. } = stored;
        let received = last.answered.wall.div_euclid(1000);
        let dated = line(head, "date").and_then(date).unwrap_or(received);
        let expires = match lines(head, "expires").as_slice() {
            [] => None,
            [one] => Some(date(one).map_or(0, |it| (it - dated).max(0))),
            _ => Some(0),
        };
        let expires = expires.filter(|_| !directives.targeted);
        let said = directives.seconds("s-maxage").or(directives.seconds("max-age")).or(expires);
        let forbids = !directives.bare("must-understand") && directives.has("no-store");
        let free = !forbids
            && !["no-cache", "private"]
                .iter()
                .any(|it| directives.has(it) && directives.names(it).is_none());
        let modified = line(head, "last-modified").and_then(date);
        let guess = || Some((dated - modified?).max(0) * self.mode.heuristic? / 100);
        let cacheable = directives.bare("public")
            || matches!(status, 200 | 203 | 204 | 300 | 301 | 308 | 404 | 405 | 410 | 414 | 501);
        let by_status = self.mode.status_ttl.iter().find(|it| it.0 == *status).map(|it| it.1);
        let most = self.mode.max_ttl.unwrap_or(i64::MAX);
        match said {
            Some(_) if free && self.mode.override_ttl.is_some() => {
                (self.mode.override_ttl.unwrap_or(0).min(most), true)
            }
            Some(said) => (said.min(most), false),
            None if free && cacheable => {
                let ours = self.mode.override_ttl.or(by_status).or(self.mode.ttl).or_else(guess);
                (ours.unwrap_or(0).min(most), true)
            }
            None if free => (by_status.unwrap_or(0).min(most), true),
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
    pub(super) fn age(&self, stored: &Stored<'_>, validated: bool) -> Verdict<()> {
        let (asked, answer) = (self.asked(), self.answer);
        let least = self.age_at(stored, asked.sent.mono.max(stored.last.answered.mono)) / 1000;
        // Others that wait may move the clock between the origin and us.
        let (by, last) = (&self.history.asked[stored.last.by], stored.last.answered);
        let read = match &by.got {
            Some(got) if got.at.tick > last.tick => got.at,
            // A refresh goes on behind an answer, and comes to its end before anybody asks again.
            Some(_) => {
                let next = self.history.asked.iter().find(|it| it.sent.tick > last.tick);
                next.map_or(answer.got, |it| it.sent)
            }
            None => answer.got,
        };
        let wait = read.mono - by.sent.mono;
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

    /// RFC 9211 §2.6: no more freshness than there is.
    fn says_ttl(&self, fresh_for: i64) -> Verdict<()> {
        let said = self.cache_status();
        let Some((_, ttl)) = said.split_once("ttl=") else { return Ok(()) };
        let ttl: i64 = ttl.split(';').next().and_then(|it| it.parse().ok()).unwrap_or(i64::MAX);
        must!(ttl <= fresh_for.div_euclid(1000), "RFC 9211 §2.6: {said}, {fresh_for} ms left");
        Ok(())
    }
}
