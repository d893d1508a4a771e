//! A redis-server of this benchmark's own.

use std::{
    net::{SocketAddr, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use larder::config;

use crate::Failure;

/// Killed when it is dropped.
pub(crate) struct RedisServer {
    child: Child,
    pub(crate) address: SocketAddr,
    _directory: tempfile::TempDir,
}

impl RedisServer {
    /// An empty one, without persistence.
    pub(crate) fn start() -> Result<RedisServer, Failure> {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let directory = tempfile::tempdir()?;
        let mut command = Command::new("redis-server");
        command.args(["--port", &address.port().to_string(), "--bind", "127.0.0.1", "--save", ""]);
        command.args(["--appendonly", "no", "--dir"]).arg(directory.path());
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn()?;
        let server = RedisServer { child, address, _directory: directory };
        for _ in 0..500 {
            if TcpStream::connect(address).is_ok() {
                return Ok(server);
            }
            thread::sleep(Duration::from_millis(10));
        }
        Err("redis-server does not start".into())
    }

    /// Ends it for good.
    pub(crate) fn kill(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }

    /// As a node is configured for it. A busy machine is to show in the figures, not to end them.
    pub(crate) fn config(&self) -> Result<config::Redis, Failure> {
        let mut config = config::Redis::new(format!("redis://{}", self.address).parse()?);
        config.timeout = Duration::from_secs(1);
        Ok(config)
    }

    /// A connection of the client library, as it is.
    pub(crate) async fn connect(&self) -> Result<redis::aio::MultiplexedConnection, Failure> {
        let stream = tokio::net::TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        let info = redis::RedisConnectionInfo::default().set_skip_set_lib_name();
        let config = redis::AsyncConnectionConfig::new().set_response_timeout(None);
        let made =
            redis::aio::MultiplexedConnection::new_with_config(&info, stream, config).await?;
        let (connection, driver) = made;
        tokio::spawn(driver);
        Ok(connection)
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
    }
}
