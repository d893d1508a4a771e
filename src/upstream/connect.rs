//! New connections: name lookup, TCP or unix socket, TLS.

use std::{io, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use rustls::{ClientConfig, pki_types::ServerName};
use tokio::net::{TcpStream, UnixStream, lookup_host};
use tokio_rustls::TlsConnector;

use super::{Error, connection::Connection, tls, wire::Socket};
use crate::{
    clock::Clock,
    config::{self, Address},
};

/// How many addresses of a name are tried.
const MAX_ADDRESSES: usize = 8;

/// Opens connections to one upstream.
#[derive(Debug)]
pub(super) struct Connector {
    target: Target,
    limit: Duration,
    clock: Clock,
}

#[derive(Debug)]
enum Target {
    Tcp { host: String, port: u16 },
    Tls { host: String, port: u16, name: ServerName<'static>, tls: Arc<ClientConfig> },
    Unix(PathBuf),
}

impl Connector {
    /// Reads the certificate roots of an https upstream.
    pub(super) fn new(config: &config::Upstream, clock: Clock) -> Result<Connector, String> {
        let target = match &config.address {
            Address::Http { host, port } => Target::Tcp { host: host.clone(), port: *port },
            Address::Https { host, port } => Target::Tls {
                host: host.clone(),
                port: *port,
                name: tls::server_name(host)?,
                tls: tls::client_config(config.ca.as_deref())?,
            },
            Address::Unix(path) => Target::Unix(path.clone()),
        };
        Ok(Connector { target, limit: config.connect, clock })
    }

    /// A new connection, TLS handshake and all, within `timeouts.connect`.
    pub(super) async fn connect(&self) -> Result<Connection, Error> {
        match self.clock.timeout(self.limit, self.dial()).await {
            Ok(Ok(socket)) => Connection::open(socket).await,
            Ok(Err(error)) if error.kind() == io::ErrorKind::TimedOut => {
                Err(Error::ConnectTimeout(self.limit))
            }
            Ok(Err(error)) => Err(Error::Connect(error)),
            Err(_) => Err(Error::ConnectTimeout(self.limit)),
        }
    }

    async fn dial(&self) -> io::Result<Box<dyn Socket>> {
        match &self.target {
            Target::Tcp { host, port } => Ok(Box::new(self.tcp(host, *port).await?)),
            Target::Tls { host, port, name, tls } => {
                let socket = self.tcp(host, *port).await?;
                let connector = TlsConnector::from(tls.clone());
                Ok(Box::new(connector.connect(name.clone(), socket).await?))
            }
            Target::Unix(path) => Ok(Box::new(UnixStream::connect(path).await?)),
        }
    }

    async fn tcp(&self, host: &str, port: u16) -> io::Result<TcpStream> {
        let addresses: Vec<_> = lookup_host((host, port)).await?.take(MAX_ADDRESSES).collect();
        let socket = self.first_to_accept(&addresses).await?;
        socket.set_nodelay(true)?;
        Ok(socket)
    }

    /// Tries one address after the other. Each gets an equal share of the time, so that one that
    /// drops packets (an IPv6 address without a route, mostly) does not hide the next.
    pub(super) async fn first_to_accept(&self, addresses: &[SocketAddr]) -> io::Result<TcpStream> {
        let mut error = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        let share = self.limit / u32::try_from(addresses.len().max(1)).unwrap_or(u32::MAX);
        for address in addresses {
            match self.clock.timeout(share, TcpStream::connect(address)).await {
                Ok(Ok(socket)) => return Ok(socket),
                Ok(Err(refused)) => error = refused,
                Err(_) => error = io::ErrorKind::TimedOut.into(),
            }
        }
        Err(error)
    }
}
