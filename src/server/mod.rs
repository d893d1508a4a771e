//! The front: listeners, connections, their limits and timeouts, draining.
//!
//! Looks at no header: a request goes to [`Proxy::handle`](crate::proxy::Proxy::handle) as it came.
//!
//! | file | what lives there |
//! |---|---|
//! | `front` | all listeners and connections of one server; draining |
//! | `listen`, `socket` | TCP and unix sockets |
//! | `accept`, `places`, `open` | the accept loop; who may come in; who is in |
//! | `connection` | one connection, from its first byte to its last |
//! | `http`, `handler`, `streams` | hyper's protocols with our limits, and how requests are handed over |
//! | `io`, `guarded`, `activity` | where a connection's doings are noted |
//! | `watch` | its timeouts |

mod accept;
mod activity;
mod connection;
mod front;
mod guarded;
mod handler;
mod http;
mod io;
mod listen;
mod open;
pub mod peer;
mod places;
mod socket;
mod streams;
mod watch;

#[cfg(test)]
mod tests;

use std::sync::Arc;

pub use peer::{Peer, PeerAddr, Tenure};

use crate::{
    admin::{Admin, Phase},
    clock::Clock,
    config::{self, Config, Listen},
    counters::Counters,
    proxy::Proxy,
};
use front::{Front, Terms};

/// A running proxy. Dropping it ends everything at once.
#[derive(Debug)]
pub struct Server {
    front: Front,
    admin: Option<(Arc<Admin>, Front)>,
    proxy: Arc<Proxy>,
    counters: Arc<Counters>,
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

impl Server {
    /// Binds every listener, then serves in the background of the current tokio runtime.
    ///
    /// # Errors
    /// The first thing that cannot be had; nothing is left running then.
    pub async fn start(config: Config, clock: Clock) -> Result<Server, StartError> {
        let counters = Arc::<Counters>::default();
        let proxy = Proxy::new(&config, clock.clone(), counters.clone());
        let proxy = proxy.map_err(StartError::Build)?;
        let admin = start_admin(&config.admin, &proxy, &clock)?;
        let answer = proxy.clone();
        let handler = move |request, peer| answer.handle(request, peer);
        let front = Front::start(&Terms::of(&config), clock, counters.clone(), handler)?;
        if let Some((admin, _)) = &admin {
            admin.set_phase(Phase::Ready);
        }
        Ok(Server { front, admin, proxy, counters, config })
    }

    /// The address of the admin listener, port as bound.
    #[must_use]
    pub fn admin_address(&self) -> Option<Listen> {
        self.admin.as_ref().and_then(|(_, front)| front.addresses().first().cloned())
    }

    /// The addresses listened at, ports as bound, in the order of the configuration.
    #[must_use]
    pub fn addresses(&self) -> Vec<Listen> {
        self.front.addresses().to_vec()
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
        self.proxy.reload(&config)?;
        self.front.set_bounds(config.limits, config.timeouts);
        if let Some((admin, _)) = &self.admin {
            admin.reload(config.admin.clone());
        }
        let fixed = [
            ("listen", config.listen != self.config.listen),
            ("cache.memory", config.memory != self.config.memory),
            ("cache.redis", config.redis != self.config.redis),
            ("admin.listen", config.admin.listen != self.config.admin.listen),
            ("log.access", config.log != self.config.log),
        ];
        let changed = fixed.into_iter().filter(|(_, changed)| *changed);
        Ok(changed.map(|(key, _)| format!("{key} has changed: restart to use it")).collect())
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
    let front = Front::start(&Terms::of_admin(listen), clock.clone(), Arc::default(), handler)?;
    Ok(Some((admin, front)))
}
