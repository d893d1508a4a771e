//! How often which reason was given, by route: the words are those of Cache-Status and of the log.
//!
//! A plain hit has no reason and counts nothing here.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::text::Page;
use crate::{cache_status::CacheStatus, reason::Reason};

/// The reasons given on one route.
#[derive(Debug)]
pub struct Reasons(Box<[AtomicU64]>);

impl Default for Reasons {
    fn default() -> Reasons {
        Reasons(Reason::all().map(|_| AtomicU64::default()).collect())
    }
}

impl Reasons {
    /// Counts the reasons of one answer: why nothing stored could answer, and what came of it then.
    pub fn note(&self, told: &CacheStatus) {
        let Some(reason) = told.reason() else { return };
        self.one(reason);
        let missed = told.missed().map(|missed| Reason::Missed(missed.why));
        missed.into_iter().filter(|missed| *missed != reason).for_each(|missed| self.one(missed));
    }

    fn one(&self, reason: Reason) {
        if let Some(count) = self.0.get(reason.index()) {
            count.fetch_add(1, Relaxed);
        }
    }
}

/// Writes those that were given at least once.
pub(super) fn write<'a>(page: &mut Page, routes: impl Iterator<Item = (&'a str, &'a Reasons)>) {
    let name = "larder_request_reasons_total";
    page.family(name, "counter", "Reasons given, at most two a request (docs/reasons.md).");
    for (route, reasons) in routes {
        for (reason, count) in Reason::all().zip(&reasons.0) {
            let count = count.load(Relaxed);
            if count > 0 {
                let labels =
                    [("route", route), ("class", reason.class()), ("reason", reason.token())];
                page.sample(name, &labels, count);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_a_place_of_its_own() {
        for (index, reason) in Reason::all().enumerate() {
            assert_eq!(reason.index(), index, "{}", reason.token());
        }
    }
}
