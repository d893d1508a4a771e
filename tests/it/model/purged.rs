//! What operators end: purges, hard and soft, and reloads that change who may share what. And what
//! nobody knows the end of: unsafe requests that were never answered.

use larder::{
    proxy::purge::{Order, Target, What},
    store::Manner,
};

use super::{
    allow::{Judge, Verdict, must},
    read::{lines, members, strings},
    script::Purge,
    stored::Stored,
    world::{self, Exchange, Moment},
};

/// Where all but one of the requests go.
const HOST: &str = "a.test";

/// A purge that is done.
#[derive(Clone, Debug)]
pub(super) struct Purged {
    pub(super) at: Moment,
    soft: bool,
    /// Its kind, and of what: a path, or a tag.
    what: (&'static str, String),
}

impl Purged {
    /// `part` is where the paths of a sequence begin.
    pub(super) fn of(purge: Purge, part: &str, at: Moment) -> Purged {
        let what = match purge.what {
            ("prefix", "") => ("prefix", part.to_owned()),
            (kind @ ("url" | "prefix"), path) => (kind, format!("{part}/{path}")),
            (kind, tag) => (kind, tag.to_owned()),
        };
        Purged { at, soft: purge.soft, what }
    }

    pub(super) fn order(&self) -> Order {
        let (kind, what) = &self.what;
        let url = format!("https://{HOST}{what}");
        let what = match *kind {
            "url" => What::Url(Target::of_url(&url).unwrap()),
            "prefix" => What::Prefix(Target::of_prefix(&url).unwrap()),
            "tag" => What::Tags { tags: vec![what.clone()], host: None },
            "tag here" => {
                let host = Some(Target::of_host(HOST).unwrap());
                What::Tags { tags: vec![what.clone()], host }
            }
            _ => What::All,
        };
        Order { what, manner: if self.soft { Manner::Soft } else { Manner::Hard } }
    }

    /// Whether it means a response that was stored for a target.
    fn means(&self, target: &world::Target, stored: &Stored<'_>) -> bool {
        let (kind, what) = &self.what;
        let here = target.0 == HOST;
        let path = target.1.split('?').next().unwrap_or("");
        match *kind {
            "url" => here && target.1 == *what,
            "prefix" => {
                here && path
                    .strip_prefix(what)
                    .is_some_and(|it| it.is_empty() || it.starts_with('/'))
            }
            "tag" => tags(stored).contains(what),
            "tag here" => here && tags(stored).contains(what),
            _ => true,
        }
    }
}

/// The groups and tags that a head names.
fn tags(stored: &Stored<'_>) -> Vec<String> {
    let mut tags = strings(&stored.head, "cache-groups");
    tags.extend(members(&stored.head, "cache-tag"));
    let keys = lines(&stored.head, "surrogate-key").into_iter();
    tags.extend(keys.flat_map(|line| line.split([' ', '\t'])).map(str::to_owned));
    tags
}

impl Judge<'_> {
    /// What was purged for good is of no use any more, not even to be validated; nor is what was
    /// stored while others might share it.
    pub(super) fn outlives(&self, chain: &[&Exchange]) -> Verdict<()> {
        let (first, asked) = (chain[0].asked.tick, self.asked());
        let changed = self.history.reloads.iter().any(|it| first < *it && *it < asked.sent.tick);
        must!(!changed || self.mode.away, "stored before a reload that changed who shares what");
        let hard = self.history.purges.iter().filter(|it| !it.soft);
        for purge in hard.filter(|it| it.at.tick < asked.sent.tick) {
            let before = chain.iter().take_while(|it| it.asked.tick < purge.at.tick).count();
            let meant = before > 0 && purge.means(&asked.target, &Stored::of(&chain[..before]));
            must!(!meant, "purged: {purge:?}");
        }
        Ok(())
    }

    /// Since when it has been stale, whatever it says itself: by soft purges, and by changes that
    /// nobody knows the outcome of. On the monotonic clock.
    pub(super) fn ended(&self, stored: &Stored<'_>) -> Option<i64> {
        let (asked, began) = (self.asked(), stored.last.asked.tick);
        let soft = self.history.purges.iter().filter(|it| it.soft);
        let soft = soft.filter(|it| began < it.at.tick && it.at.tick < asked.sent.tick);
        let soft = soft.filter(|it| it.means(&asked.target, stored)).map(|it| it.at.mono);
        soft.chain(self.doubted_since(stored)).min()
    }

    /// Since when a change that nobody knows the outcome of may have made it another one.
    pub(super) fn doubted_since(&self, stored: &Stored<'_>) -> Option<i64> {
        let began = stored.last.asked.tick;
        let doubts = self.history.exchanges.iter().filter(|it| began < it.asked.tick);
        doubts.filter_map(|it| self.doubted(it)).min()
    }

    /// When its client was told that an unsafe request for this target had no answer, if it was.
    fn doubted(&self, exchange: &Exchange) -> Option<i64> {
        let (asked, by) = (self.asked(), &self.history.asked[exchange.by]);
        let got = by.got.as_ref().filter(|it| it.at.tick < asked.sent.tick)?;
        let is_unsafe = !matches!(exchange.method.as_str(), "GET" | "HEAD" | "OPTIONS");
        let unknown = exchange.status.is_none() || !got.numbers.contains(&exchange.number);
        let same = exchange.target == asked.target;
        (is_unsafe && unknown && same).then_some(got.at.mono)
    }
}
