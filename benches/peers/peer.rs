//! The servers that are compared: how each is configured, started and ended.

use std::{
    fs,
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};

use crate::bare::Failure;

/// How long a server may take to listen, and to end.
const PATIENCE: Duration = Duration::from_secs(10);
const STEP: Duration = Duration::from_millis(1);

/// A server that takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    Larder,
    /// One response, cloned.
    Hyper,
    /// What relays, and does nothing else.
    HyperRelay,
    Nginx,
    /// As its `proxy_pass` is without further words: a new connection to the origin each time.
    NginxAsItComes,
    Haproxy,
    Varnish,
}

/// How a server is set up.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    pub(crate) origin: SocketAddr,
    /// The cores it may use, as taskset writes them.
    pub(crate) cores: &'static str,
    /// Memory for what is stored, in MiB.
    pub(crate) memory: u32,
    /// For bare hyper: whose answer to give, and to which path.
    pub(crate) canned: Option<(SocketAddr, &'static str)>,
    /// For Larder: more lines of its configuration.
    pub(crate) more: &'static str,
    /// For nginx: the same.
    pub(crate) nginx: &'static str,
}

/// A server that runs until it is dropped.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) peer: Peer,
    pub(crate) address: SocketAddr,
    /// Where HTTP/2 is spoken at once.
    pub(crate) http2: SocketAddr,
    child: Child,
    files: tempfile::TempDir,
}

impl Peer {
    /// As it is called in tables.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Peer::Larder => "Larder",
            Peer::Hyper => "bare hyper",
            Peer::HyperRelay => "bare hyper relay",
            Peer::Nginx => "nginx",
            Peer::NginxAsItComes => "nginx as it comes",
            Peer::Haproxy => "HAProxy",
            Peer::Varnish => "Varnish",
        }
    }

    /// The program, where it is installed.
    pub(crate) fn program(self) -> Option<PathBuf> {
        let name = match self {
            Peer::Larder => return Some(PathBuf::from(env!("CARGO_BIN_EXE_larder"))),
            Peer::Hyper | Peer::HyperRelay => return std::env::current_exe().ok(),
            Peer::Nginx | Peer::NginxAsItComes => "nginx",
            Peer::Haproxy => "haproxy",
            Peer::Varnish => "varnishd",
        };
        find(name)
    }

    /// Starts it, and waits until it listens.
    pub(crate) fn start(self, setup: &Setup) -> Result<Running, Failure> {
        let running = self.spawn(setup)?;
        for _ in 0..PATIENCE.as_millis() {
            if TcpStream::connect(running.address).is_ok() {
                return Ok(running);
            }
            thread::sleep(STEP);
        }
        let said = fs::read_to_string(running.files.path().join("stderr")).unwrap_or_default();
        Err(format!("{} does not listen: {said}", self.name()).into())
    }

    /// Starts it.
    pub(crate) fn spawn(self, setup: &Setup) -> Result<Running, Failure> {
        let program = self.program().ok_or("not installed")?;
        let files = tempfile::tempdir()?;
        let (address, mut http2) = (free_address()?, free_address()?);
        // Should this program be killed, its servers end, too.
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "TERM", "taskset", "-c", setup.cores])
            .arg(program)
            .current_dir(files.path());
        match self {
            Peer::Larder => {
                http2 = address;
                if setup.more.contains("[tls]") {
                    certificate(&files)?;
                }
                let file = write(&files, "proxy.toml", &larder(setup, address))?;
                command.args(["run", "--config"]).arg(file);
            }
            Peer::Hyper => {
                let (from, path) = setup.canned.ok_or("whose answer?")?;
                command.args(["hyper", &address.to_string(), &from.to_string(), path]);
            }
            Peer::HyperRelay => {
                command.args(["relay", &address.to_string(), &setup.origin.to_string()]);
            }
            Peer::Nginx | Peer::NginxAsItComes => {
                let kept = self == Peer::Nginx;
                let text = nginx(setup, kept, (address, http2), files.path());
                command.arg("-p").arg(files.path());
                command.arg("-c").arg(write(&files, "nginx.conf", &text)?);
            }
            Peer::Haproxy => {
                command.args(["-db", "-f"]).arg(write(
                    &files,
                    "haproxy.cfg",
                    &haproxy(setup, address),
                )?);
            }
            Peer::Varnish => {
                let file = write(&files, "default.vcl", &varnish(setup))?;
                let store = format!("malloc,{}m", setup.memory);
                command.args(["-F", "-j", "none", "-a", &address.to_string(), "-s", &store]);
                command.arg("-n").arg(files.path().join("varnish")).arg("-f").arg(file);
            }
        }
        let log = fs::File::create(files.path().join("stderr"))?;
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        Ok(Running { peer: self, address, http2, child: command.spawn()?, files })
    }
}

impl Running {
    /// Its process; setpriv and taskset have become it.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        if let Some(pid) = pid {
            kill_process(pid, Signal::TERM).ok();
        }
        for _ in 0..PATIENCE.as_millis() {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            thread::sleep(STEP);
        }
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Where a program is, in PATH or where Debian puts servers.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin";
    path.split(':').map(|folder| Path::new(folder).join(name)).find(|it| it.is_file())
}

/// An address that nobody listens at.
pub(crate) fn free_address() -> Result<SocketAddr, Failure> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

fn write(files: &tempfile::TempDir, name: &str, text: &str) -> Result<PathBuf, Failure> {
    let path = files.path().join(name);
    fs::write(&path, text)?;
    Ok(path)
}

/// Beside the configuration, for those that name it.
fn certificate(files: &tempfile::TempDir) -> Result<(), Failure> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
    write(files, "site.pem", &made.cert.pem())?;
    write(files, "site.key", &made.signing_key.serialize_pem())?;
    Ok(())
}

fn larder(setup: &Setup, address: SocketAddr) -> String {
    let Setup { origin, memory, more, .. } = setup;
    format!(
        "listen = \"{address}\"\nupstream = \"http://{origin}\"\n\
         [limits]\nmax_connections = 12000\n\
         [cache.memory]\nmax_size = \"{memory}MiB\"\n{more}\n"
    )
}

/// `kept`: whether its connections to the origin are used again.
fn nginx(
    setup: &Setup,
    kept: bool,
    (http1, http2): (SocketAddr, SocketAddr),
    folder: &Path,
) -> String {
    let Setup { origin, memory, nginx, .. } = setup;
    let (pool, again) = match kept {
        true => (
            "keepalive 128; keepalive_requests 1000000000;",
            "proxy_http_version 1.1; proxy_set_header Connection \"\";",
        ),
        false => ("", ""),
    };
    let folder = folder.display();
    // One worker: one core. The directive `user` only means something to root.
    format!(
        "daemon off; worker_processes 1; error_log stderr warn; pid {folder}/pid; user root;
events {{ worker_connections 4096; }}
http {{
    access_log off; sendfile on; tcp_nopush on; tcp_nodelay on;
    keepalive_requests 1000000000; keepalive_timeout 75s;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
    proxy_cache_path {folder}/cache levels=1:2 keys_zone=c:64m max_size={memory}m
        inactive=1d use_temp_path=off;
    open_file_cache max=10000 inactive=60s;
    upstream origin {{ server {origin}; {pool} }}
    server {{
        listen {http1} backlog=4096; listen {http2} http2; {nginx}
        location / {{
            proxy_pass http://origin; {again} proxy_set_header Host $host;
            proxy_cache c; add_header X-Cache $upstream_cache_status;
        }}
    }}
}}
"
    )
}

fn haproxy(setup: &Setup, address: SocketAddr) -> String {
    let Setup { origin, memory, .. } = setup;
    format!(
        "global
    nbthread 1
    maxconn 9000
defaults
    mode http
    timeout connect 3s
    timeout client 75s
    timeout server 30s
    timeout http-keep-alive 75s
    http-reuse always
cache c
    total-max-size {memory}
    max-object-size 200000
    max-age 86400
frontend f
    bind {address} backlog 4096
    default_backend b
backend b
    http-request cache-use c
    http-response cache-store c
    server origin {origin}
"
    )
}

fn varnish(setup: &Setup) -> String {
    let (host, port) = (setup.origin.ip(), setup.origin.port());
    format!("vcl 4.1;\nbackend default {{ .host = \"{host}\"; .port = \"{port}\"; }}\n")
}
