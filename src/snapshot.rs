//! What one configuration means at run time: routes with their upstreams at hand.
//!
//! A request takes the snapshot once and keeps it, so that a reload is a swap.
//! What has state lives on across reloads: an upstream whose configuration is
//! the same keeps its pool.

use std::{collections::HashMap, sync::Arc, time::Duration};

use ipnet::IpNet;

use crate::{
    clock::Clock,
    config::{self, Config, routes::Table},
    upstream::Upstream,
};

/// One configuration, ready for requests.
#[derive(Debug)]
pub struct Snapshot {
    /// In the order of the configuration.
    pub routes: Vec<Arc<Route>>,
    /// Finds them.
    pub table: Table,
    /// Peers that are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// How long an upload may pause.
    pub body_idle: Duration,
    upstreams: HashMap<String, Arc<Upstream>>,
}

/// One route.
#[derive(Debug)]
pub struct Route {
    /// Part of every key on it.
    pub name: String,
    /// Where its requests go.
    pub upstream: Arc<Upstream>,
    /// What is cached on it.
    pub cache: config::Cache,
    /// How long an upload may pause.
    pub body_idle: Duration,
}

impl Snapshot {
    /// Builds the snapshot of a configuration; upstreams that `previous` has just so are taken
    /// over.
    ///
    /// # Errors
    /// Which upstream cannot be used, and why.
    pub fn build(
        config: &Config,
        previous: Option<&Snapshot>,
        clock: &Clock,
    ) -> Result<Snapshot, String> {
        let mut upstreams = HashMap::new();
        for wanted in &config.upstreams {
            let known = previous.and_then(|it| it.upstreams.get(&wanted.name));
            let upstream = match known.filter(|it| it.config() == wanted) {
                Some(known) => known.clone(),
                None => Arc::new(Upstream::new(wanted.clone(), clock.clone())?),
            };
            upstreams.insert(wanted.name.clone(), upstream);
        }
        let body_idle = config.timeouts.body_idle;
        let route = |route: &config::Route| {
            let upstream = upstreams.get(&route.upstream);
            let upstream = upstream.ok_or_else(|| format!("no upstream {:?}", route.upstream))?;
            let (name, cache) = (route.name.clone(), route.cache.clone());
            Ok(Arc::new(Route { name, upstream: upstream.clone(), cache, body_idle }))
        };
        let routes = config.routes.iter().map(route).collect::<Result<_, String>>()?;
        let patterns: Vec<_> = config.routes.iter().map(|it| it.pattern.clone()).collect();
        let table = Table::new(&patterns);
        let trusted_proxies = config.trusted_proxies.clone();
        Ok(Snapshot { routes, table, trusted_proxies, body_idle, upstreams })
    }
}
