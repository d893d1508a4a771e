//! Who is at the other end of a connection.

use std::net::IpAddr;

use tokio::sync::watch;

/// Where a connection comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerAddr {
    /// An IP address; a mapped IPv4 address (`::ffff:…`) is the IPv4 one.
    Ip(IpAddr),
    /// A unix socket.
    Unix,
}

/// The connection that a request came on: a cheap handle.
#[derive(Clone, Debug)]
pub struct Peer {
    /// The socket's peer.
    pub addr: PeerAddr,
    /// What a tunnel must hold on to: the connection's place among `max_connections`, and the
    /// signal to end.
    pub tenure: std::sync::Arc<Tenure>,
}

/// A connection's place among `max_connections`, and the signal that it must end.
#[derive(Clone, Debug)]
pub struct Tenure {
    /// Freed when the last clone is dropped.
    pub place: std::sync::Arc<tokio::sync::OwnedSemaphorePermit>,
    /// Becomes true at the drain deadline.
    pub cut: watch::Receiver<bool>,
}
