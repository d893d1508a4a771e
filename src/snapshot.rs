//! What one configuration means at run time: routes with their upstreams at hand.
//!
//! A request takes the snapshot once and keeps it, so that a reload is a swap.
//! What has state lives on across reloads: an upstream whose configuration is
//! the same keeps its pool, one of the same name what it knows of its quota, and a limit whose key, rate and burst are the same
//! what it knows of clients.

mod former;
mod had;
mod hearsay;
mod keying;
mod sharing;
mod unreached;

use std::{collections::HashMap, sync::Arc, time::Duration};

use http::HeaderName;
use ipnet::IpNet;

use crate::{
    batch,
    clock::Clock,
    config::{
        self, Config,
        routes::{Pattern, Table},
    },
    ids::Naming,
    log::AccessLog,
    metrics::Metrics,
    policy::{
        Mono,
        encoding::{Packing, UpstreamEncoding},
        has_underscore,
    },
    shape::{Known, Offer},
    throttle::{Limiters, Throttle},
    upstream::Upstream,
    validate::Validation,
};
use former::Former;
use had::Had;
pub use hearsay::Hearsay;
pub use keying::Keying;
pub use unreached::unreached;

/// One configuration, ready for requests.
#[derive(Debug)]
pub struct Snapshot {
    /// In the order of the configuration.
    pub routes: Vec<Arc<Route>>,
    /// Finds them.
    pub table: Table,
    /// Peers that are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Peers that name whom they pass a connection on for.
    passed_on_by: Vec<IpNet>,
    /// What any of them has claimed so far of requests.
    pub hearsay: Arc<Hearsay>,
    /// What requests are known by.
    pub naming: Naming,
    /// Where they are told of.
    pub log: AccessLog,
    /// What is said of TLS, if it is spoken.
    pub tls: Option<config::Tls>,
    /// What batches may be, where they are taken.
    pub batch: Option<batch::Rules>,
    /// Peers that may purge by method.
    pub purge_from: Vec<IpNet>,
    upstreams: HashMap<String, Arc<Upstream>>,
    limiters: Limiters,
    former: Former,
    had: Had,
}

/// One route.
#[derive(Debug)]
pub struct Route {
    /// Part of every key on it.
    pub name: String,
    /// Its line in the file; 0 for the upstream at the top.
    pub line: usize,
    /// Part of every key on it, too: another one where other things may be shared. From equal rules,
    /// all processes work out the same.
    pub generation: u64,
    pattern: Pattern,
    /// Where its requests go.
    pub upstream: Arc<Upstream>,
    /// What is cached on it.
    pub cache: config::Cache,
    /// What is packed on it.
    pub packing: Packing,
    /// What its upstream is asked for.
    pub encoding: UpstreamEncoding,
    /// Request fields with an underscore in their name that are taken for no other.
    pub underscored: Vec<HeaderName>,
    /// How often each client may ask.
    pub throttle: Throttle,
    /// What may be asked.
    pub validation: Validation,
    /// What less of an answer may be asked for.
    pub shape: Option<Offer>,
    /// What its clients ask for of that.
    pub queries: Known,
    /// How long an upload may pause.
    pub body_idle: Duration,
    /// What is counted of its requests; lives across reloads with its name.
    pub metrics: Arc<Metrics>,
}

impl Snapshot {
    /// The route that a request takes.
    #[must_use]
    pub fn route(&self, host: &str, path: &str, method: &str) -> Option<&Arc<Route>> {
        self.table.find(host, path, method).and_then(|index| self.routes.get(index))
    }

    /// What the keys of a target are made of, on each route whose host and path match it; and on those
    /// that did a while ago, where other nodes may have them still.
    pub fn keyings<'a>(
        &'a self,
        (host, path): (&'a str, &'a str),
        now: Mono,
    ) -> impl Iterator<Item = Keying<'a>> {
        let routes = self.table.all(host, path).filter_map(|index| self.routes.get(index));
        routes.map(|route| route.keying()).chain(self.former.keyings((host, path), now))
    }

    /// Builds the snapshot of a configuration, without its log; upstreams that `previous` has just
    /// so are taken over.
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
                None => Arc::new(Upstream::new(
                    wanted.clone(),
                    known.map(AsRef::as_ref),
                    clock.clone(),
                )?),
            };
            upstreams.insert(wanted.name.clone(), upstream);
        }
        let body_idle = config.timeouts.body_idle;
        let known = previous.map(|it| &it.limiters);
        let mut limiters = Limiters::new(clock, known);
        let mut routes = Vec::new();
        for wanted in &config.routes {
            let upstream = upstreams.get(&wanted.upstream);
            let upstream = upstream.ok_or_else(|| format!("no upstream {:?}", wanted.upstream))?;
            routes.push(Arc::new(Route {
                name: wanted.name.clone(),
                line: wanted.line,
                generation: sharing::generation(wanted),
                pattern: wanted.pattern.clone(),
                upstream: upstream.clone(),
                cache: wanted.cache.clone(),
                packing: wanted.compression.packing.clone(),
                encoding: encoding(wanted, upstream),
                underscored: underscored(config, wanted),
                throttle: limiters.throttle(&wanted.throttle, known)?,
                validation: Validation::new(&wanted.validate),
                shape: wanted.shape.clone(),
                queries: Known::default(),
                body_idle,
                metrics: previous.and_then(|it| it.metrics(&wanted.name)).unwrap_or_default(),
            }));
        }
        upstreams.values().for_each(|upstream: &Arc<Upstream>| upstream.take_over());
        let table = table(config);
        let former = Former::of(previous, &routes, clock.mono());
        Ok(Snapshot {
            routes,
            table,
            trusted_proxies: config.trusted_proxies.clone(),
            passed_on_by: config.proxy_protocol.clone(),
            hearsay: previous.map(|it| it.hearsay.clone()).unwrap_or_default(),
            naming: config.log.naming,
            log: AccessLog::default(),
            tls: config.tls.clone(),
            batch: config.batch.clone(),
            purge_from: config.admin.purge_from.clone(),
            upstreams,
            limiters,
            former,
            had: Had::of(config, previous),
        })
    }

    /// Every upstream.
    pub fn upstreams(&self) -> impl Iterator<Item = &Upstream> {
        self.upstreams.values().map(AsRef::as_ref)
    }

    /// Requests that wait for their turn at a limit.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.limiters.waiting()
    }

    /// The port that clients are sent to who come in the clear.
    #[must_use]
    pub fn https_port(&self) -> u16 {
        self.tls.as_ref().map_or(443, |tls| tls.redirect_port)
    }

    fn metrics(&self, route: &str) -> Option<Arc<Metrics>> {
        self.routes.iter().find(|it| it.name == route).map(|it| it.metrics.clone())
    }
}

/// What selects answers, and what is ours to write: no client chooses anything else by it.
fn underscored(config: &Config, route: &config::Route) -> Vec<HeaderName> {
    let subject = config.tls.iter().filter_map(|tls| tls.clients.subject.as_ref());
    let known = route.cache.rules.key.headers.iter().chain(subject);
    known.filter(|name| has_underscore(name)).cloned().collect()
}

/// What is near is asked for plain bytes: packing them would cost more than the way does.
fn table(config: &Config) -> Table {
    Table::new(&config.routes.iter().map(|it| it.pattern.clone()).collect::<Vec<_>>())
}

fn encoding(route: &config::Route, upstream: &Upstream) -> UpstreamEncoding {
    let default = match upstream.config().address.is_near() {
        true => UpstreamEncoding::Identity,
        false => UpstreamEncoding::Gzip,
    };
    route.compression.upstream.unwrap_or(default)
}

#[cfg(test)]
mod tests;
