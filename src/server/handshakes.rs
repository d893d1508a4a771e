//! The handshakes that are under way: so many, and no more.
//!
//! One more ends the one that has taken longest, so that whoever begins handshakes and leaves
//! them there never keeps others out: a good one is over in two round trips.

use std::{collections::BTreeMap, sync::Arc};

use parking_lot::Mutex;
use tokio::sync::oneshot;

/// The handshakes that are under way.
#[derive(Clone, Debug, Default)]
pub(super) struct Handshakes(Arc<Mutex<Table>>);

#[derive(Debug, Default)]
struct Table {
    next: u64,
    /// In the order in which they began. Gone, it tells its handshake to end.
    rows: BTreeMap<u64, oneshot::Sender<()>>,
}

/// One of them, while it lasts.
#[derive(Debug)]
pub(super) struct Shaking {
    table: Handshakes,
    row: u64,
    ended: oneshot::Receiver<()>,
}

impl Handshakes {
    /// One more; at `max`, in place of the oldest.
    pub(super) fn begin(&self, max: usize) -> Shaking {
        let (end, ended) = oneshot::channel();
        let mut table = self.0.lock();
        while table.rows.len() >= max.max(1) {
            table.rows.pop_first();
        }
        let row = table.next;
        table.next += 1;
        table.rows.insert(row, end);
        Shaking { table: self.clone(), row, ended }
    }
}

impl Shaking {
    /// Resolves when it must make room for another.
    pub(super) async fn crowded_out(&mut self) {
        let _ = (&mut self.ended).await;
    }
}

impl Drop for Shaking {
    fn drop(&mut self) {
        self.table.0.lock().rows.remove(&self.row);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_too_many_ends_the_oldest() {
        let handshakes = Handshakes::default();
        let mut one = handshakes.begin(2);
        let two = handshakes.begin(2);
        drop(two);
        let mut three = handshakes.begin(2);
        assert!(one.ended.try_recv().is_err_and(|it| it == oneshot::error::TryRecvError::Empty));
        let _four = handshakes.begin(2);
        assert_eq!(one.ended.try_recv(), Err(oneshot::error::TryRecvError::Closed));
        assert_eq!(three.ended.try_recv(), Err(oneshot::error::TryRecvError::Empty));
        drop(one);
        assert_eq!(handshakes.0.lock().rows.len(), 2);
    }
}
