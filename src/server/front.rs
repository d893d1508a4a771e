//! All listeners and connections of one server, whatever answers their requests.

use std::{sync::Arc, time::Duration};

use arc_swap::{ArcSwap, Guard};
use ipnet::IpNet;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::{sync::watch, task::JoinHandle};

use super::{
    StartError,
    accept::accept,
    activity::Level,
    arrive::Door,
    handler::Handler,
    handshakes::Handshakes,
    inherited::Inherited,
    listen::{Access, Listener},
    open::Open,
    places::Places,
    tls::Acceptor,
};
use crate::{
    clock::Clock,
    config::{Config, Limits, Listen, Timeouts},
    counters::Counters,
};

/// How long what was cut may take to be gone: it is only waited for so that nothing that it does
/// last is lost.
const GRACE: Duration = Duration::from_secs(1);

/// What a front is made of.
#[derive(Debug)]
pub(super) struct Terms<'a> {
    pub(super) doors: Vec<(&'a Listen, Door)>,
    pub(super) inherited: Inherited,
    /// Peers that send PROXY headers.
    pub(super) proxies: Vec<IpNet>,
    pub(super) limits: Limits,
    pub(super) timeouts: Timeouts,
    pub(super) access: Access,
}

impl<'a> Terms<'a> {
    /// Those of the public front.
    pub(super) fn of(config: &'a Config, tls: Option<&Arc<Acceptor>>) -> Terms<'a> {
        let Config { limits, timeouts, .. } = config;
        let mut doors: Vec<_> = config.listen.iter().map(|it| (it, Door::Plain)).collect();
        if let (Some(terms), Some(acceptor)) = (&config.tls, tls) {
            doors.extend(terms.listen.iter().map(|it| (it, Door::Secure(acceptor.clone()))));
            doors.extend(terms.redirect.iter().map(|it| (it, Door::Redirect)));
        }
        Terms {
            doors,
            inherited: Inherited::default(),
            proxies: config.proxy_protocol.clone(),
            limits: *limits,
            timeouts: *timeouts,
            access: Access::Umask,
        }
    }

    /// Those of the admin listener: few connections, small heads, and no long farewell.
    pub(super) fn of_admin(listen: &'a Listen) -> Terms<'a> {
        let limits = Limits { max_connections: 64, max_head: 16 << 10, ..Limits::default() };
        let timeouts = Timeouts { shutdown: Duration::from_secs(1), ..Timeouts::default() };
        let doors = vec![(listen, Door::Plain)];
        let (inherited, proxies) = (Inherited::default(), Vec::new());
        Terms { doors, inherited, proxies, limits, timeouts, access: Access::Owner }
    }
}

/// Listeners and their connections. Dropping it ends them all at once.
#[derive(Debug)]
pub(super) struct Front {
    common: Arc<Common>,
    addresses: Vec<Listen>,
    acceptors: Vec<JoinHandle<()>>,
}

/// What all connections share.
#[derive(Debug)]
pub(super) struct Common {
    pub(super) clock: Clock,
    pub(super) counters: Arc<Counters>,
    pub(super) places: Places,
    pub(super) open: Open,
    /// For tunnels: becomes true when everything ends.
    pub(super) cut: watch::Sender<bool>,
    pub(super) handshakes: Handshakes,
    bounds: ArcSwap<(Limits, Timeouts)>,
    proxies: ArcSwap<Vec<IpNet>>,
}

impl Common {
    /// The limits and timeouts of a new connection.
    pub(super) fn bounds(&self) -> (Limits, Timeouts) {
        **self.bounds.load()
    }

    /// The peers whose new connections begin with a PROXY header.
    pub(super) fn proxies(&self) -> Guard<Arc<Vec<IpNet>>> {
        self.proxies.load()
    }
}

impl Front {
    /// Binds every listener, then serves in the background.
    pub(super) fn start<H: Handler>(
        mut terms: Terms<'_>,
        clock: Clock,
        counters: Arc<Counters>,
        handler: H,
    ) -> Result<Front, StartError> {
        raise_open_files();
        let mut listeners = Vec::with_capacity(terms.doors.len());
        let mut addresses = Vec::with_capacity(terms.doors.len());
        let all: Vec<&Listen> = terms.doors.iter().map(|(listen, _)| *listen).collect();
        for (listen, door) in &terms.doors {
            let failed = |error| StartError::Listen(listen.to_string(), error);
            let listener = match terms.inherited.claim(listen) {
                Some(passed) => Listener::inherit(passed),
                None => Listener::bind(listen, &all, terms.access),
            };
            let listener = listener.map_err(failed)?;
            addresses.push(listener.address().map_err(failed)?);
            listeners.push((listener, door.clone()));
        }
        if let Some(unclaimed) = terms.inherited.unclaimed() {
            return Err(StartError::Build(unclaimed));
        }
        let common = Arc::new(Common {
            clock,
            counters,
            places: Places::new(terms.limits.max_connections),
            open: Open::default(),
            cut: watch::Sender::new(false),
            handshakes: Handshakes::default(),
            bounds: ArcSwap::from_pointee((terms.limits, terms.timeouts)),
            proxies: ArcSwap::from_pointee(terms.proxies),
        });
        let serve = |it| tokio::spawn(accept(it, common.clone(), handler.clone()));
        let acceptors = listeners.into_iter().map(serve).collect();
        Ok(Front { common, addresses, acceptors })
    }

    /// The addresses listened at, as bound.
    pub(super) fn addresses(&self) -> &[Listen] {
        &self.addresses
    }

    /// Takes over bounds for the connections to come; the places are for all.
    pub(super) fn reload(&self, config: &Config) {
        let Config { limits, timeouts, .. } = *config;
        self.common.places.resize(limits.max_connections);
        self.common.bounds.store(Arc::new((limits, timeouts)));
        self.common.proxies.store(Arc::new(config.proxy_protocol.clone()));
    }

    /// Stops listening, lets what is under way end within `timeouts.shutdown`, cuts the rest.
    pub(super) async fn drain(mut self) {
        for acceptor in self.acceptors.drain(..) {
            acceptor.abort();
            // The listener is closed when the task is gone.
            let _ = acceptor.await;
        }
        let common = &self.common;
        common.open.set_level(Level::Draining);
        let (_, timeouts) = common.bounds();
        let patience = common.clock.timeout(timeouts.shutdown, common.places.all_free());
        if patience.await.is_ok() {
            return;
        }
        let left = common.places.taken();
        common.counters.closed_drain.add(left as u64);
        tracing::warn!(connections = left, "timeouts.shutdown is over: cutting what is left");
        self.cut();
        if common.clock.timeout(GRACE, common.places.all_free()).await.is_err() {
            tracing::warn!(connections = common.places.taken(), "some do not even end when cut");
        }
    }

    fn cut(&self) {
        self.common.open.set_level(Level::Cut);
        self.common.cut.send_replace(true);
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.acceptors.iter().for_each(JoinHandle::abort);
        self.cut();
    }
}

/// As many open files as we may have: each connection is one, and so is each upstream's.
fn raise_open_files() {
    let now = getrlimit(Resource::Nofile);
    if now.current == now.maximum {
        return;
    }
    let raised = Rlimit { current: now.maximum, ..now };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(%error, "cannot raise the number of open files");
    }
}
