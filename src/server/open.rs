//! The connections that are open, so that a drain reaches every one.

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;

use super::activity::{Activity, Level};

/// The connections that are open.
#[derive(Debug, Default)]
pub(super) struct Open(Arc<Mutex<Table>>);

#[derive(Debug, Default)]
struct Table {
    level: Level,
    next: u64,
    rows: HashMap<u64, Arc<Activity>>,
}

/// A connection's row; dropped when the connection has ended.
#[derive(Debug)]
pub(super) struct Entered {
    table: Arc<Mutex<Table>>,
    row: u64,
}

impl Open {
    /// A new connection. It may go as far as the others.
    pub(super) fn enter(&self, activity: Arc<Activity>) -> Entered {
        let mut table = self.0.lock();
        activity.set_level(table.level);
        let row = table.next;
        table.next += 1;
        table.rows.insert(row, activity);
        Entered { table: self.0.clone(), row }
    }

    /// Tells all, also those to come, how far they may go.
    pub(super) fn set_level(&self, level: Level) {
        let mut table = self.0.lock();
        table.level = table.level.max(level);
        for activity in table.rows.values() {
            activity.set_level(level);
        }
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        self.table.lock().rows.remove(&self.row);
    }
}
