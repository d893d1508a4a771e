//! Who is at the other end of a connection.

use std::{net::IpAddr, sync::Arc};

use http::HeaderValue;
use tokio::sync::watch;

use super::repeat::RepeaterWanted;
use crate::target::Scheme;

/// Where a connection comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerAddr {
    /// An IP address; a mapped IPv4 address (`::ffff:…`) is the IPv4 one.
    Ip(IpAddr),
    /// A unix socket.
    Unix,
}

/// How a connection came in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Way {
    /// In the clear.
    #[default]
    Plain,
    /// In the clear, where all requests are sent to https.
    Redirect,
    /// By TLS; with the subject of the client's certificate, if it has proved one.
    Secure(Option<Arc<HeaderValue>>),
}

impl Way {
    /// The scheme of what is asked for on it (RFC 9110 §4.2.2).
    #[must_use]
    pub fn scheme(&self) -> Scheme {
        match self {
            Way::Plain | Way::Redirect => Scheme::Http,
            Way::Secure(_) => Scheme::Https,
        }
    }

    /// The subject of the client's certificate.
    #[must_use]
    pub fn subject(&self) -> Option<&HeaderValue> {
        match self {
            Way::Plain | Way::Redirect => None,
            Way::Secure(subject) => subject.as_deref(),
        }
    }
}

/// The connection that a request came on: a cheap handle.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Whom it comes from: the socket's peer, or who that names by the PROXY protocol.
    pub addr: PeerAddr,
    /// The socket's own peer.
    pub socket: PeerAddr,
    /// How it came in.
    pub way: Way,
    /// What a tunnel must hold on to: the connection's place among `max_connections`, and the
    /// signal to end.
    pub tenure: std::sync::Arc<Tenure>,
    /// Whether its connection wants to know how to answer more of the request's kind.
    pub repeater_wanted: Option<RepeaterWanted>,
}

/// A connection's place among `max_connections`, and the signal that it must end.
#[derive(Clone, Debug)]
pub struct Tenure {
    /// Freed when the last clone is dropped.
    pub place: std::sync::Arc<tokio::sync::OwnedSemaphorePermit>,
    /// Becomes true at the drain deadline.
    pub cut: watch::Receiver<bool>,
}
