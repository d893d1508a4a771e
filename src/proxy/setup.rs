//! A proxy, made of its configuration, and given another one while it runs.

use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use tokio::sync::Semaphore;

use super::{Proxy, recent::Recent, shared};
use crate::{
    clock::Clock,
    collapse::budget::Budget,
    config::Config,
    counters::Counters,
    log::AccessLog,
    metrics::Times,
    snapshot::{Snapshot, unreached},
    store::{By, Manner, Name, Scope, Store, Told},
    transform::memos::Memos,
};

/// What is told of the purges of a reload.
const RELOADED: Told<'static> = Told { by: By::Reload, what: "the routes whose rules it changed" };

impl Proxy {
    /// A proxy with an empty store.
    ///
    /// # Errors
    /// What of the configuration cannot be used, and why.
    pub fn new(
        config: &Config,
        clock: Clock,
        counters: Arc<Counters>,
    ) -> Result<Arc<Proxy>, String> {
        let mut snapshot = Snapshot::build(config, None, &clock)?;
        snapshot.log = open_log(config, None, (&clock, &counters))?;
        let (store, in_flight) = (Arc::new(Store::new(config.memory.max_size)), Arc::default());
        let times = Arc::new(Times::new(clock.clone()));
        let remote = shared::link(config, &store, &in_flight, &clock)?;
        let node = remote.as_ref().map(|it| it.node().to_owned());
        Ok(Arc::new(Proxy {
            snapshot: ArcSwap::from_pointee(snapshot),
            clock,
            store,
            remote,
            memos: Memos::new(cores().saturating_sub(1), times.clone()),
            times,
            streams: Arc::new(Semaphore::new(config.max_streams)),
            in_flight,
            budget: Budget::new(config.memory.max_in_flight),
            unrouted: Arc::default(),
            counters,
            shadow: OnceLock::new(),
            recent: Recent::default(),
            node: node.unwrap_or_else(|| format!("{:016x}", fastrand::u64(..))),
        }))
    }

    /// Swaps the configuration: requests that have begun keep the old one.
    ///
    /// # Errors
    /// What of it cannot be used, and why; nothing has changed then.
    pub fn reload(self: &Arc<Self>, config: &Config) -> Result<(), String> {
        let previous = self.snapshot.load_full();
        let mut snapshot = Snapshot::build(config, Some(&previous), &self.clock)?;
        snapshot.log = open_log(config, Some(&previous.log), (&self.clock, &self.counters))?;
        let unreached = unreached(&previous, &snapshot);
        if unreached.is_empty() {
            self.snapshot.store(Arc::new(snapshot));
            return Ok(());
        }
        let scope = Scope::Routes(unreached.into_iter().map(Name::route).collect());
        // Before, so that no request finds what is there; after, for what has come there meanwhile,
        // and for the other nodes. Between them, Redis is not asked.
        let (_, purging) = self.purge_here(&scope, Manner::Hard, RELOADED);
        self.snapshot.store(Arc::new(snapshot));
        self.purge_behind(&scope, Manner::Hard, RELOADED);
        drop(purging);
        Ok(())
    }

    /// Opens the file of the access log again, which has been moved away.
    pub fn reopen_log(&self) {
        self.snapshot.load().log.reopen();
    }
}

fn open_log(
    config: &Config,
    previous: Option<&AccessLog>,
    (clock, counters): (&Clock, &Arc<Counters>),
) -> Result<AccessLog, String> {
    let log = AccessLog::open(&config.log, previous, clock, counters);
    log.map_err(|error| format!("cannot open the access log: {error}"))
}

/// Threads that can work at the same time.
fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
