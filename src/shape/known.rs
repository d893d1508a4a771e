//! What queries ask for, remembered: most clients ask for the same few shapes again and again, and
//! to read and name one costs more than the hit that it leads to.

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;

use super::{Offer, Taken};

/// Queries of a route that are remembered at the same time. Where there are more, all are forgotten:
/// then clients ask for other things each time, and nothing is lost by that.
const MAX_KNOWN: usize = 1024;

/// The longest that is remembered, in bytes.
const MAX_LENGTH: usize = 512;

/// What one query asks for.
#[derive(Debug, PartialEq, Eq)]
pub struct Query {
    /// What of it is handled, and what is left.
    pub taken: Taken,
    /// A digest of it as it was written.
    pub digest: [u8; 32],
}

/// What is known of a route's queries.
#[derive(Debug, Default)]
pub struct Known(Mutex<HashMap<Box<str>, Arc<Query>>>);

impl Known {
    /// Takes what an offer handles out of a query; `None` where nothing of it is there.
    #[must_use]
    pub fn take(&self, offer: &Offer, query: &str) -> Option<Arc<Query>> {
        if let Some(known) = self.0.lock().get(query) {
            return Some(known.clone());
        }
        let taken = offer.take(query)?;
        let digest = *blake3::hash(query.as_bytes()).as_bytes();
        let found = Arc::new(Query { taken, digest });
        if query.len() <= MAX_LENGTH {
            let mut known = self.0.lock();
            if known.len() >= MAX_KNOWN {
                known.clear();
            }
            known.insert(query.into(), found.clone());
        }
        Some(found)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{Known, MAX_KNOWN, MAX_LENGTH};
    use crate::shape::{Paging, tests::offer};

    #[test]
    fn a_query_is_read_once_and_only_so_many_are_remembered() {
        let (known, offer) = (Known::default(), offer(Paging::OffsetLimit));
        let first = known.take(&offer, "x=1&fields=a").unwrap();
        assert_eq!(Some(&first.taken), offer.take("x=1&fields=a").as_ref());
        assert!(Arc::ptr_eq(&first, &known.take(&offer, "x=1&fields=a").unwrap()), "once");
        assert!(known.take(&offer, "x=1").is_none(), "nothing of it is handled");
        let wrong = known.take(&offer, "fields=,").unwrap();
        assert!(wrong.taken.cut.is_err() && wrong.digest != first.digest);
        for number in 0..2 * MAX_KNOWN {
            assert!(known.take(&offer, &format!("limit={number}")).is_some());
            assert!(known.0.lock().len() <= MAX_KNOWN);
        }
        let long = format!("status={}", "x".repeat(MAX_LENGTH));
        let read = known.take(&offer, &long).unwrap();
        assert!(!Arc::ptr_eq(&read, &known.take(&offer, &long).unwrap()), "too long to be kept");
    }
}
