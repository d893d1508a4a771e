//! What comes before a connection's first request: a PROXY header from those who must send one,
//! and the handshake of TLS.
//!
//! All of it is bounded by `timeouts.handshake`, and costs a connection in the clear nothing.

use std::{io, sync::Arc};

use ipnet::IpNet;
use tokio_rustls::TlsAcceptor;

use super::{
    activity::Activity,
    front::Common,
    peer::{PeerAddr, Way},
    proxy_protocol,
    socket::Socket,
    tls::{Acceptor, Shaken},
};

/// What a listener is for.
#[derive(Clone, Debug)]
pub(super) enum Door {
    /// Requests in the clear.
    Plain,
    /// Requests in the clear, all of which are sent to https.
    Redirect,
    /// Requests by TLS.
    Secure(Arc<Acceptor>),
}

/// A connection that was accepted.
#[derive(Debug)]
pub(super) struct Knock {
    pub(super) socket: Socket,
    pub(super) addr: PeerAddr,
    pub(super) door: Door,
}

/// A connection whose next byte is HTTP.
#[derive(Debug)]
pub(super) struct Entered {
    pub(super) socket: Socket,
    /// Whom it comes from: the socket's peer, or who that passes it on for.
    pub(super) addr: PeerAddr,
    pub(super) way: Way,
    /// HTTP/2 was agreed on.
    pub(super) http2: bool,
}

impl Knock {
    /// Lets it in; `None` where it did not keep to what comes first.
    pub(super) async fn enter(self, common: &Common, activity: &Activity) -> Option<Entered> {
        let proxied = is_among(self.addr, &common.proxies());
        let way = match (&self.door, proxied) {
            (Door::Plain, false) => Way::Plain,
            (Door::Redirect, false) => Way::Redirect,
            (Door::Secure(_), _) | (_, true) => {
                // Boxed, so that it makes no other connection larger.
                return Box::pin(self.arrive(proxied, common, activity)).await;
            }
        };
        let Knock { socket, addr, .. } = self;
        Some(Entered { socket, addr, way, http2: false })
    }

    async fn arrive(self, proxied: bool, common: &Common, activity: &Activity) -> Option<Entered> {
        let (limits, timeouts) = common.bounds();
        let peer = self.addr;
        let is_secure = matches!(self.door, Door::Secure(_));
        let mut shaking = is_secure.then(|| common.handshakes.begin(limits.max_handshakes));
        let crowded = async {
            match &mut shaking {
                Some(shaking) => shaking.crowded_out().await,
                None => std::future::pending().await,
            }
        };
        let arrived = tokio::select! {
            biased;
            () = activity.cut() => return None,
            arrived = common.clock.timeout(timeouts.handshake, self.open(proxied)) => arrived,
            () = crowded => Ok(Err(io::Error::other("crowded out: limits.max_handshakes"))),
        };
        let why = match arrived {
            Ok(Ok(entered)) => return Some(entered),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "late: timeouts.handshake".to_owned(),
        };
        common.counters.closed_handshake.one();
        tracing::debug!(?peer, why, "connection closed before its first request");
        None
    }

    async fn open(self, proxied: bool) -> io::Result<Entered> {
        let Knock { mut socket, mut addr, door } = self;
        if proxied && let Some(client) = proxy_protocol::read(&mut socket).await? {
            addr = PeerAddr::Ip(client);
        }
        let (socket, way, http2) = match door {
            Door::Plain => (socket, Way::Plain, false),
            Door::Redirect => (socket, Way::Redirect, false),
            Door::Secure(acceptor) => {
                let stream = TlsAcceptor::from(acceptor.server()).accept(socket).await?;
                let Shaken { http2, subject } = Shaken::of(stream.get_ref().1);
                (Socket::Tls(Box::new(stream)), Way::Secure(subject), http2)
            }
        };
        Ok(Entered { socket, addr, way, http2 })
    }
}

fn is_among(peer: PeerAddr, nets: &[IpNet]) -> bool {
    match peer {
        PeerAddr::Ip(address) => nets.iter().any(|net| net.contains(&address)),
        PeerAddr::Unix => false,
    }
}
