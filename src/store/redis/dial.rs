//! Connections to Redis: TCP, TLS or a unix socket, with credentials and database.
//!
//! Dialled here rather than by the client library: no delay of small packets, an end to what the
//! peer does not acknowledge, and TLS by the roots that the operator names.

use std::{sync::Arc, time::Duration};

use redis::{AsyncConnectionConfig, RedisConnectionInfo, aio::MultiplexedConnection};
use rustls::{ClientConfig, pki_types::ServerName};
use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
    task::JoinHandle,
};
use tokio_rustls::TlsConnector;

use crate::{
    clock::Clock,
    config::{Redis, redis::Place},
    upstream::tls,
};

/// For a connection to be there, credentials checked. Nobody's request waits for it.
const CONNECT_WITHIN: Duration = Duration::from_secs(1);

/// For the peer to acknowledge what was sent; then the kernel gives the connection up.
const USER_TIMEOUT: Duration = Duration::from_secs(2);

/// Commands that wait for the socket at the same time.
const PIPELINE: usize = 1024;

/// How to reach Redis.
pub(super) struct Dialer {
    place: Place,
    info: RedisConnectionInfo,
    tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
}

/// One connection; closed when it is dropped, whoever still holds the handle.
pub(super) struct Wire {
    pub(super) connection: MultiplexedConnection,
    driver: JoinHandle<()>,
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Dialer {
    /// # Errors
    /// Where the roots cannot be read.
    pub(super) fn new(config: &Redis) -> Result<Dialer, String> {
        let url = &config.url;
        let tls = match &url.place {
            Place::Tls { host, .. } => {
                let mut client = (*tls::client_config(config.ca.as_deref())?).clone();
                client.alpn_protocols.clear();
                Some((Arc::new(client), tls::server_name(host)?))
            }
            Place::Tcp { .. } | Place::Unix(_) => None,
        };
        let mut info =
            RedisConnectionInfo::default().set_db(i64::from(url.database)).set_skip_set_lib_name();
        if let Some(user) = &url.user {
            info = info.set_username(user);
        }
        if let Some(password) = &url.password {
            info = info.set_password(password.reveal());
        }
        Ok(Dialer { place: url.place.clone(), info, tls })
    }

    /// A new connection.
    pub(super) async fn dial(&self, clock: &Clock) -> Result<Wire, String> {
        let dialled = clock.timeout(CONNECT_WITHIN, self.connect()).await;
        dialled.map_err(|_| "it does not answer".to_owned())?
    }

    async fn connect(&self) -> Result<Wire, String> {
        let fault = |error: std::io::Error| error.to_string();
        match &self.place {
            Place::Tcp { host, port } => self.greet(tcp(host, *port).await.map_err(fault)?).await,
            Place::Tls { host, port } => {
                let stream = tcp(host, *port).await.map_err(fault)?;
                let (config, name) = self.tls.clone().ok_or("TLS is not set up")?;
                let stream = TlsConnector::from(config).connect(name, stream).await;
                self.greet(stream.map_err(fault)?).await
            }
            Place::Unix(path) => self.greet(UnixStream::connect(path).await.map_err(fault)?).await,
        }
    }

    async fn greet<S>(&self, stream: S) -> Result<Wire, String>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        // Deadlines are ours, by our clock.
        let config = AsyncConnectionConfig::new()
            .set_response_timeout(None)
            .set_connection_timeout(None)
            .set_pipeline_buffer_size(PIPELINE);
        let made = MultiplexedConnection::new_with_config(&self.info, stream, config).await;
        let (connection, driver) = made.map_err(|error| error.to_string())?;
        Ok(Wire { connection, driver: tokio::spawn(driver) })
    }
}

async fn tcp(host: &str, port: u16) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect((host, port)).await?;
    stream.set_nodelay(true)?;
    SockRef::from(&stream).set_tcp_user_timeout(Some(USER_TIMEOUT))?;
    Ok(stream)
}
