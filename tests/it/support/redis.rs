//! Real Redis servers: started at a free port, killed, stopped and started again at will.

use std::{
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use redis::{FromRedisValue, aio::MultiplexedConnection};

use super::{tls::Identity, within};

/// A redis-server of this test's own. Killed on drop.
#[derive(Debug)]
pub(crate) struct RedisServer {
    child: Child,
    port: u16,
    directory: tempfile::TempDir,
    arguments: Vec<String>,
    identity: Option<Identity>,
}

impl RedisServer {
    /// An empty one without persistence.
    pub(crate) async fn start() -> RedisServer {
        RedisServer::with(&[]).await
    }

    /// One with more arguments, as in `["--maxmemory", "2mb"]`.
    pub(crate) async fn with(arguments: &[&str]) -> RedisServer {
        RedisServer::launched(arguments, None).await
    }

    /// One that speaks TLS alone, with a certificate for `localhost` by an authority of its own.
    pub(crate) async fn tls() -> RedisServer {
        RedisServer::launched(&[], Some(Identity::new())).await
    }

    async fn launched(arguments: &[&str], identity: Option<Identity>) -> RedisServer {
        let directory = tempfile::tempdir().expect("a directory");
        let arguments = arguments.iter().map(ToString::to_string).collect();
        // Somebody may take the port between our asking and its listening: then another.
        for _ in 0..20 {
            let port = free_port();
            let arguments: &Vec<String> = &arguments;
            let mut child = launch(directory.path(), port, arguments, identity.as_ref());
            if is_ready(&mut child, &socket(directory.path())).await {
                let arguments = arguments.clone();
                return RedisServer { child, port, directory, arguments, identity };
            }
            let _ = child.kill();
            let _ = child.wait();
        }
        panic!("redis-server does not start; scripts/test.sh installs it");
    }

    /// As `proxy.toml` names it.
    pub(crate) fn url(&self) -> String {
        match &self.identity {
            Some(_) => format!("rediss://localhost:{}", self.port),
            None => format!("redis://127.0.0.1:{}", self.port),
        }
    }

    /// Its unix socket.
    pub(crate) fn socket(&self) -> PathBuf {
        socket(self.directory.path())
    }

    /// Its port.
    pub(crate) fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// The file with the root of its certificate.
    pub(crate) fn root(&self) -> &Path {
        self.identity.as_ref().expect("it speaks TLS").root()
    }

    /// Stops it from doing anything (SIGSTOP); its connections stay.
    pub(crate) fn stop(&self) {
        self.signal(rustix::process::Signal::STOP);
    }

    /// Lets it go on (SIGCONT).
    pub(crate) fn cont(&self) {
        self.signal(rustix::process::Signal::CONT);
    }

    /// Kills it.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("it lives");
        self.child.wait().expect("it ends");
    }

    /// Starts it again at the same port, empty.
    pub(crate) async fn restart(&mut self) {
        let socket = self.socket();
        let _ = std::fs::remove_file(&socket);
        for _ in 0..50 {
            let path = self.directory.path();
            self.child = launch(path, self.port, &self.arguments, self.identity.as_ref());
            if is_ready(&mut self.child, &socket).await {
                return;
            }
            let _ = self.child.wait();
        }
        panic!("redis-server does not start again");
    }

    /// A command, as an operator would give it.
    ///
    /// # Panics
    /// Where Redis refuses it.
    pub(crate) async fn ask<T: FromRedisValue>(&self, command: &[&str]) -> T {
        self.try_ask(command).await.unwrap_or_else(|error| panic!("{command:?}: {error}"))
    }

    /// A command, and what Redis says to it.
    pub(crate) async fn try_ask<T: FromRedisValue>(
        &self,
        command: &[&str],
    ) -> redis::RedisResult<T> {
        let mut connection = connection(&self.socket()).await?;
        let (name, arguments) = command.split_first().expect("a command");
        let mut asked = redis::cmd(name);
        asked.arg(arguments);
        within(format!("{command:?}"), asked.query_async(&mut connection)).await
    }

    /// A command with bytes.
    pub(crate) async fn set(&self, key: &str, value: &[u8]) {
        let mut connection = connection(&self.socket()).await.expect("it listens");
        let mut asked = redis::cmd("SET");
        asked.arg(key).arg(value);
        within("SET", asked.exec_async(&mut connection)).await.expect("it takes it");
    }

    fn signal(&self, signal: rustix::process::Signal) {
        let id = i32::try_from(self.child.id()).expect("a process id");
        let id = rustix::process::Pid::from_raw(id).expect("not zero");
        rustix::process::kill_process(id, signal).expect("it lives");
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn socket(directory: &Path) -> PathBuf {
    directory.join("redis.sock")
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}

fn launch(directory: &Path, port: u16, arguments: &[String], tls: Option<&Identity>) -> Child {
    let mut command = Command::new("redis-server");
    let port = port.to_string();
    let (plain, encrypted) = if tls.is_some() { ("0", &*port) } else { (&*port, "0") };
    command.args(["--port", plain, "--bind", "127.0.0.1", "--dir"]).arg(directory);
    command.args(["--save", "", "--appendonly", "no", "--unixsocket"]).arg(socket(directory));
    command.args(["--daemonize", "no", "--loglevel", "warning", "--unixsocketperm", "700"]);
    if let Some(identity) = tls {
        let (certificate, key) = identity.files();
        command.args(["--tls-port", encrypted, "--tls-auth-clients", "no", "--tls-cert-file"]);
        command.arg(certificate).arg("--tls-key-file").arg(key);
        command.arg("--tls-ca-cert-file").arg(identity.root());
    }
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().expect("redis-server is installed")
}

/// Whether it answers, before it ends.
async fn is_ready(child: &mut Child, socket: &Path) -> bool {
    within("redis-server's start", async {
        loop {
            if child.try_wait().expect("it is ours").is_some() {
                return false;
            }
            if connection(socket).await.is_ok() {
                return true;
            }
            pause().await;
        }
    })
    .await
}

async fn connection(socket: &Path) -> redis::RedisResult<MultiplexedConnection> {
    let stream = tokio::net::UnixStream::connect(socket).await?;
    let info = redis::RedisConnectionInfo::default().set_skip_set_lib_name();
    let config = redis::AsyncConnectionConfig::new().set_response_timeout(None);
    let (connection, driver) =
        MultiplexedConnection::new_with_config(&info, stream, config).await?;
    tokio::spawn(driver);
    Ok(connection)
}

/// A process elsewhere tells nobody when it is ready.
#[allow(clippy::disallowed_methods, reason = "another process's start is no event of ours")]
pub(crate) async fn pause() {
    tokio::time::sleep(Duration::from_millis(5)).await;
}
