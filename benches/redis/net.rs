//! Nodes, an origin that counts, and a client that keeps its connection.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use larder::{
    clock::Clock,
    config::{self, Listen},
    server::Server,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::{Failure, redis_server::RedisServer};

/// Bytes of every answer.
pub(crate) const LENGTH: usize = 1024;

const TOKEN: &str = "0123456789abcdef";

/// Answers everything, after a while where the path asks for it.
pub(crate) struct Origin {
    address: SocketAddr,
    requests: Arc<AtomicUsize>,
}

/// One node.
pub(crate) struct Node {
    _server: Server,
    address: SocketAddr,
    admin: SocketAddr,
}

/// A connection to a node.
pub(crate) struct Client {
    stream: TcpStream,
    bytes: Vec<u8>,
}

impl Origin {
    pub(crate) async fn start() -> Result<Origin, Failure> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let requests = Arc::<AtomicUsize>::default();
        let counter = requests.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, counter.clone()));
            }
        });
        Ok(Origin { address, requests })
    }

    /// Requests so far.
    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Relaxed)
    }
}

async fn answer(mut stream: TcpStream, requests: Arc<AtomicUsize>) -> Result<(), Failure> {
    stream.set_nodelay(true)?;
    let fields = "Content-Type: application/json\r\nCache-Control: max-age=3600\r\n";
    let head = format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: {LENGTH}\r\n\r\n");
    let answer = [head.as_bytes(), &[b'x'; LENGTH]].concat();
    let mut bytes = Vec::new();
    loop {
        while !bytes.ends_with(b"\r\n\r\n") {
            if stream.read_buf(&mut bytes).await? == 0 {
                return Ok(());
            }
        }
        requests.fetch_add(1, Relaxed);
        if bytes.starts_with(b"GET /slow") {
            Clock::system().sleep(Duration::from_millis(500)).await;
        }
        bytes.clear();
        stream.write_all(&answer).await?;
    }
}

impl Node {
    /// A node before `origin`, once its link is up; alone, where there is no Redis. It waits for Redis
    /// for a second: a busy machine is to show in the figures, not to end them.
    pub(crate) async fn start(
        origin: &Origin,
        redis: Option<&RedisServer>,
        cache: &str,
    ) -> Result<Node, Failure> {
        let listen =
            format!("listen = \"127.0.0.1:0\"\nupstream = \"http://{}\"\n", origin.address);
        let admin = format!("[admin]\nlisten = \"127.0.0.1:0\"\ntoken = \"{TOKEN}\"\n");
        let url = redis.map(|it| {
            format!("[cache.redis]\nurl = \"redis://{}\"\ntimeout = \"1s\"\n", it.address)
        });
        let text = format!("{listen}{admin}[cache]\n{cache}\n{}", url.unwrap_or_default());
        let config = config::parse("bench.toml", &text, &|_| None)
            .map_err(|problems| problems.iter().map(|it| format!("{it} ")).collect::<String>())?;
        let server = Server::start(config, Clock::system()).await?;
        let at = |listen: Option<Listen>| match listen {
            Some(Listen::Tcp(address)) => Ok(address),
            _ => Err("it listens at no port"),
        };
        let (address, admin) =
            (at(server.addresses().first().cloned())?, at(server.admin_address())?);
        let node = Node { _server: server, address, admin };
        if redis.is_some() {
            node.until("larder_redis_up 1").await?;
        }
        Ok(node)
    }

    pub(crate) async fn client(&self) -> Result<Client, Failure> {
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        Ok(Client { stream, bytes: Vec::new() })
    }

    /// Waits until its metrics have this line.
    pub(crate) async fn until(&self, line: &str) -> Result<(), Failure> {
        for _ in 0..2000 {
            let mut admin =
                Client { stream: TcpStream::connect(self.admin).await?, bytes: Vec::new() };
            let page = admin.ask("GET", "/metrics", "").await?;
            if page.lines().any(|it| it == line) {
                return Ok(());
            }
            Clock::system().sleep(Duration::from_millis(5)).await;
        }
        Err(format!("{line:?} never came").into())
    }

    /// Purges; the status says which nodes have it.
    pub(crate) async fn purge(&self, order: &str) -> Result<String, Failure> {
        let mut admin = Client { stream: TcpStream::connect(self.admin).await?, bytes: Vec::new() };
        admin.ask("POST", "/v1/purge", order).await
    }
}

impl Client {
    /// Asks for a path; the whole answer, as text.
    pub(crate) async fn get(&mut self, path: &str) -> Result<String, Failure> {
        self.ask("GET", path, "").await
    }

    async fn ask(&mut self, method: &str, path: &str, body: &str) -> Result<String, Failure> {
        let length = body.len();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n\
             Content-Length: {length}\r\n\r\n{body}"
        );
        let head = if method == "GET" {
            format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")
        } else {
            head
        };
        self.stream.write_all(head.as_bytes()).await?;
        self.bytes.clear();
        loop {
            if let Some(whole) = whole(&self.bytes) {
                return Ok(whole);
            }
            if self.stream.read_buf(&mut self.bytes).await? == 0 {
                let so_far = String::from_utf8_lossy(&self.bytes);
                return Err(format!("the node closed after {method} {path}: {so_far}").into());
            }
        }
    }
}

/// An answer, once all of it is there.
fn whole(bytes: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(bytes);
    let (head, body) = text.split_once("\r\n\r\n")?;
    let length = head
        .lines()
        .find_map(|it| it.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
    let length: usize = length?;
    (body.len() >= length).then(|| text.into_owned())
}
