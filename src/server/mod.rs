//! The front: listeners, connections, their limits and timeouts, draining.
//!
//! Looks at no header: a request goes to [`Proxy::handle`](crate::proxy::Proxy::handle) as it came.
//!
//! | file | what lives there |
//! |---|---|
//! | `front` | all listeners and connections of one server; draining |
//! | `listen`, [`inherited`], `socket` | TCP and unix sockets, our own or passed to us |
//! | `accept`, `places`, `open` | the accept loop; who may come in; who is in |
//! | `arrive`, `proxy_protocol`, `handshakes`, [`tls`] | what comes before the first request |
//! | `connection` | one connection, from its first byte to its last |
//! | `http`, `handler`, `streams` | hyper's protocols with our limits, and how requests are handed over |
//! | `io`, `guarded`, `activity` | where a connection's doings are noted |
//! | `repeat` | requests that say again what their connection has just said |
//! | `watch` | its timeouts |

mod accept;
mod activity;
mod arrive;
mod connection;
mod front;
mod guarded;
mod handler;
mod handshakes;
mod http;
pub mod inherited;
mod io;
mod listen;
mod open;
pub mod peer;
mod places;
pub mod proxy_protocol;
mod repeat;
mod socket;
mod streams;
pub mod tls;
mod watch;

#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use tokio::task::JoinHandle;

pub use peer::{Peer, PeerAddr, Tenure, Way};
pub use repeat::{Repeated, Repeater, RepeaterWanted};

use crate::{
    admin::{Admin, Phase},
    clock::Clock,
    config::{self, Config, Listen},
    counters::Counters,
    proxy::Proxy,
};
use front::{Front, Terms};
use inherited::Inherited;
use tls::Acceptor;

/// How often the files of certificates are looked at.
const LOOK: Duration = Duration::from_secs(5);

/// A running proxy. Dropping it ends everything at once.
#[derive(Debug)]
pub struct Server {
    front: Front,
    tls: Option<Secured>,
    admin: Option<(Arc<Admin>, Front)>,
    proxy: Arc<Proxy>,
    counters: Arc<Counters>,
    clock: Clock,
    /// As started: what of it a reload cannot change.
    config: Config,
}

/// Why a proxy could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address cannot be listened at.
    #[error("cannot listen on {0}: {1}")]
    Listen(String, #[source] std::io::Error),
    /// A part could not be built.
    #[error("{0}")]
    Build(String),
}

/// What secures the listeners by TLS; ends the looking when it is dropped.
#[derive(Debug)]
struct Secured {
    acceptor: Arc<Acceptor>,
    looking: JoinHandle<()>,
}

impl Drop for Secured {
    fn drop(&mut self) {
        self.looking.abort();
    }
}

impl Server {
    /// Binds every listener, then serves in the background of the current tokio runtime.
    ///
    /// # Errors
    /// The first thing that cannot be had; nothing is left running then.
    pub async fn start(config: Config, clock: Clock) -> Result<Server, StartError> {
        Server::start_on(Inherited::default(), config, clock).await
    }

    /// As [`start`](Self::start), on sockets that were passed to the process, where the
    /// configuration names their addresses. The admin listener is always bound anew: who may open
    /// its socket is for us to say.
    ///
    /// # Errors
    /// As [`start`](Self::start); a socket that the configuration does not name is one.
    pub async fn start_on(
        inherited: Inherited,
        config: Config,
        clock: Clock,
    ) -> Result<Server, StartError> {
        let counters = Arc::<Counters>::default();
        let proxy = Proxy::new(&config, clock.clone(), counters.clone());
        let proxy = proxy.map_err(StartError::Build)?;
        let admin = start_admin(&config.admin, &proxy, &clock)?;
        let answer = proxy.clone();
        let handler = move |request, peer| answer.handle(request, peer);
        let tls = secure(config.tls.as_ref(), &clock, &counters)?;
        let terms = Terms::of(&config, tls.as_ref().map(|it| &it.acceptor));
        let terms = Terms { inherited, ..terms };
        let front = Front::start(terms, clock.clone(), counters.clone(), handler)?;
        if let Some((admin, _)) = &admin {
            admin.set_phase(Phase::Ready);
        }
        Ok(Server { front, tls, admin, proxy, counters, clock, config })
    }

    /// The address of the admin listener, port as bound.
    #[must_use]
    pub fn admin_address(&self) -> Option<Listen> {
        self.admin.as_ref().and_then(|(_, front)| front.addresses().first().cloned())
    }

    /// The addresses listened at in the clear, ports as bound, in the order of the configuration.
    #[must_use]
    pub fn addresses(&self) -> Vec<Listen> {
        self.doors().0.to_vec()
    }

    /// Those listened at by TLS.
    #[must_use]
    pub fn tls_addresses(&self) -> Vec<Listen> {
        self.doors().1.to_vec()
    }

    /// Those at which clients are sent to https.
    #[must_use]
    pub fn redirect_addresses(&self) -> Vec<Listen> {
        self.doors().2.to_vec()
    }

    /// The addresses in the clear, by TLS, and of redirects: in that order they were bound.
    fn doors(&self) -> (&[Listen], &[Listen], &[Listen]) {
        let (plain, rest) = self.front.addresses().split_at(self.config.listen.len());
        let secure = self.config.tls.as_ref().map_or(0, |tls| tls.listen.len());
        let (secure, redirect) = rest.split_at(secure);
        (plain, secure, redirect)
    }

    /// What was counted so far.
    #[must_use]
    pub fn counters(&self) -> &Arc<Counters> {
        &self.counters
    }

    /// Swaps the configuration in: requests that have begun keep the old one, and so do open
    /// connections their limits and timeouts. Returns what only a restart changes, in words for
    /// the log.
    ///
    /// # Errors
    /// Why it cannot be used; nothing has changed then.
    pub fn reload(&self, config: Config) -> Result<Vec<String>, String> {
        let (tls, was) = (config.tls.as_ref(), self.config.tls.as_ref());
        let acceptor = self.tls.as_ref().map(|it| &it.acceptor);
        let next = acceptor.zip(tls).map(|(it, terms)| it.read(terms)).transpose()?;
        self.proxy.reload(&config)?;
        // From here on nothing fails: all of it is in use, or nothing.
        if let Some((acceptor, next)) = acceptor.zip(next) {
            acceptor.take_over(next);
            acceptor.tell(self.clock.now().wall, &self.counters.certificates);
        }
        self.front.reload(&config);
        if let Some((admin, _)) = &self.admin {
            admin.reload(config.admin.clone());
        }
        let listen = |tls: Option<&config::Tls>| tls.map(|it| it.listen.clone());
        let redirect = |tls: Option<&config::Tls>| tls.map(|it| it.redirect.clone());
        let fixed = [
            ("listen", config.listen != self.config.listen),
            ("tls.listen", listen(tls) != listen(was)),
            ("tls.redirect", redirect(tls) != redirect(was)),
            ("cache.memory", config.memory != self.config.memory),
            ("cache.redis", config.redis != self.config.redis),
            ("compression.max_streams", config.max_streams != self.config.max_streams),
            ("admin.listen", config.admin.listen != self.config.admin.listen),
        ];
        let changed = fixed.into_iter().filter(|(_, changed)| *changed);
        Ok(changed.map(|(key, _)| format!("{key} has changed: restart to use it")).collect())
    }

    /// Opens the file of the access log again: the old one has been moved away.
    pub fn reopen_log(&self) {
        self.proxy.reopen_log();
    }

    /// Stops listening and lets what is under way end: HTTP/1.1 by `Connection: close`, HTTP/2 by
    /// GOAWAY. What is left at `timeouts.shutdown` is cut. Returns when nothing is left.
    /// The admin listener answers until then.
    pub async fn drain(self) {
        if let Some((admin, _)) = &self.admin {
            admin.set_phase(Phase::Draining);
        }
        self.front.drain().await;
        if let Some((_, front)) = self.admin {
            front.drain().await;
        }
    }
}

/// Reads the certificates, and looks at their files from now on.
fn secure(
    terms: Option<&config::Tls>,
    clock: &Clock,
    counters: &Arc<Counters>,
) -> Result<Option<Secured>, StartError> {
    let Some(terms) = terms else { return Ok(None) };
    let acceptor = Arc::new(Acceptor::new(terms).map_err(StartError::Build)?);
    acceptor.tell(clock.now().wall, &counters.certificates);
    let (looked, clock, counters) = (acceptor.clone(), clock.clone(), counters.clone());
    let looking = tokio::spawn(async move {
        loop {
            clock.sleep(LOOK).await;
            let (looked, now, counters) = (looked.clone(), clock.now().wall, counters.clone());
            let looking = move || {
                looked.look();
                looked.tell(now, &counters.certificates);
            };
            // A disk may hang; no request waits for it.
            let _ = tokio::task::spawn_blocking(looking).await;
        }
    });
    Ok(Some(Secured { acceptor, looking }))
}

/// What the admin listener counts is not the public port's.
fn start_admin(
    config: &config::Admin,
    proxy: &Arc<Proxy>,
    clock: &Clock,
) -> Result<Option<(Arc<Admin>, Front)>, StartError> {
    let Some(listen) = &config.listen else { return Ok(None) };
    let admin = Admin::new(proxy.clone(), config.clone(), clock.clone());
    let answer = admin.clone();
    let handler = move |request, peer| answer.clone().handle(request, peer);
    let front = Front::start(Terms::of_admin(listen), clock.clone(), Arc::default(), handler)?;
    Ok(Some((admin, front)))
}
