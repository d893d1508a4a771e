//! Where something listens, and connections to it.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpSocket, TcpStream, UnixStream},
};

use super::within;

/// Where something listens.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    /// An address.
    Tcp(SocketAddr),
    /// A unix socket.
    Unix(PathBuf),
}

/// Whatever can be connected to: [`Origin`](super::Origin), [`Proxy`](super::Proxy), [`Place`].
pub(crate) trait Target {
    /// Where it listens.
    fn place(&self) -> Place;
}

/// A connection; resettable where it is TCP.
#[derive(Debug)]
pub(crate) enum Socket {
    /// Over TCP.
    Tcp(TcpStream),
    /// Over a unix socket.
    Unix(UnixStream),
}

/// Both directions of a connection in one object.
pub(crate) trait Duplex: AsyncRead + AsyncWrite + std::fmt::Debug + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + std::fmt::Debug + Send + Unpin> Duplex for T {}

impl Target for Place {
    fn place(&self) -> Place {
        self.clone()
    }
}

impl Target for SocketAddr {
    fn place(&self) -> Place {
        Place::Tcp(*self)
    }
}

impl Place {
    /// As `proxy.toml` names it.
    pub(crate) fn url(&self) -> String {
        match self {
            Place::Tcp(addr) => format!("http://{addr}"),
            Place::Unix(path) => format!("unix:{}", path.display()),
        }
    }

    /// Connects.
    ///
    /// # Panics
    /// Where nobody accepts.
    pub(crate) async fn connect(&self) -> Socket {
        let connected = match self {
            Place::Tcp(addr) => within("a connection", TcpStream::connect(addr)).await.map(|it| {
                it.set_nodelay(true).expect("a socket takes options");
                Socket::Tcp(it)
            }),
            Place::Unix(path) => {
                within("a connection", UnixStream::connect(path)).await.map(Socket::Unix)
            }
        };
        connected.unwrap_or_else(|error| panic!("connecting to {}: {error}", self.url()))
    }

    /// Connects over TCP with a receive buffer so small that what is not read holds the sender up.
    ///
    /// # Panics
    /// Where nobody accepts, and for a unix socket.
    pub(crate) async fn connect_narrow(&self) -> Socket {
        let Place::Tcp(addr) = self else { panic!("only TCP has a window") };
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_recv_buffer_size(4096).expect("a socket takes options");
        Socket::Tcp(within("a connection", socket.connect(*addr)).await.expect("it accepts"))
    }
}

impl Socket {
    /// The same socket, to be reset later; `None` for a unix socket, which knows no reset.
    pub(crate) fn handle(&self) -> Option<socket2::Socket> {
        match self {
            Socket::Tcp(stream) => SockRef::from(stream).try_clone().ok(),
            Socket::Unix(_) => None,
        }
    }

    /// Both directions.
    pub(crate) fn into_duplex(self) -> Box<dyn Duplex> {
        match self {
            Socket::Tcp(stream) => Box::new(stream),
            Socket::Unix(stream) => Box::new(stream),
        }
    }
}

/// Makes the close of the socket behind `handle` a reset: what was not sent is thrown away.
pub(crate) fn reset_on_close(handle: Option<&socket2::Socket>) {
    if let Some(socket) = handle {
        let set = socket.set_linger(Some(Duration::ZERO));
        set.expect("a socket takes options");
    }
}
