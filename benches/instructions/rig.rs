//! A client, a server, and where need be an origin, all on one thread: the same work each time, so
//! that instructions and allocations can be counted.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use larder::{clock::Clock, config, config::Listen, server::Server};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::bare::{self, Failure};

/// The body, 1 KiB.
const BODY: [u8; 1024] = [b'x'; 1024];

/// What the client sends: the few fields of an ordinary API client.
const REQUEST: &str = "GET /users/1042/orders?page=00000002&per_page=50 HTTP/1.1\r\n\
    Host: api.example.org\r\nAccept: application/json\r\nUser-Agent: bench/1.0\r\n";

/// Where the number of the page ends in it.
const PAGE_ENDS: usize = b"GET /users/1042/orders?page=00000002".len();

/// What it says besides when it has the response already.
const CONDITION: &str = "If-None-Match: \"33a64df551425fcc55e4d42a148795d9\"\r\n";

/// Items of a batch.
const ITEMS: u32 = 50;

/// Bytes of the list that is cut, and of what three of its fields come to.
const LIST: usize = 100 << 10;
const CUT: usize = 28_000;

/// Bytes that are packed.
const PACKED: usize = 10 << 10;

/// The fields of the origin's answer, but for those that frame it and `Cache-Control`.
const FIELDS: [(&str, &str); 4] = [
    ("content-type", "application/json"),
    ("date", "Sun, 22 Nov 2026 00:00:00 GMT"),
    ("etag", "\"33a64df551425fcc55e4d42a148795d9\""),
    ("x-request-id", "7f3a2b"),
];

/// What Larder adds to a hit.
const ADDED: [(&str, &str); 3] =
    [("via", "1.1 larder"), ("age", "0"), ("cache-status", "larder; hit; ttl=60")];

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// A hit in Larder's memory, by a client that says the same each time.
    Hit,
    /// A hit, each time another of two.
    OtherHit,
    /// A hit by a client that says something else each time.
    VariedHit,
    /// The same, for a client that has it already.
    NotModified,
    /// The same head and body from bare hyper.
    BareHit,
    /// A response that Larder may not store.
    Relay,
    /// The same through a bare hyper relay.
    BareRelay,
    /// A response that is stored, each time another.
    Miss,
    /// Fifty hits in one batch.
    Batch,
    /// Three fields of a list, found as a memo.
    Memo,
    /// A hit of as many bytes.
    AsLong,
    /// A hit that goes out as gzip.
    Packed,
}

/// A client before a server that does one kind of work.
#[derive(Debug)]
pub(crate) struct Rig {
    client: TcpStream,
    work: Work,
    request: Vec<u8>,
    /// How long a response is, head and body.
    length: usize,
    /// Larder, where it is the one.
    server: Option<Server>,
}

impl Work {
    /// All of it, by name.
    pub(crate) const ALL: [(&str, Work); 12] = [
        ("hit", Work::Hit),
        ("other-hit", Work::OtherHit),
        ("varied-hit", Work::VariedHit),
        ("not-modified", Work::NotModified),
        ("bare-hit", Work::BareHit),
        ("relay", Work::Relay),
        ("bare-relay", Work::BareRelay),
        ("miss", Work::Miss),
        ("batch", Work::Batch),
        ("memo", Work::Memo),
        ("as-long", Work::AsLong),
        ("packed", Work::Packed),
    ];

    fn cache_control(self) -> &'static str {
        match self {
            Work::Relay | Work::BareRelay => "no-store",
            _ => "max-age=60",
        }
    }

    fn request(self) -> String {
        match self {
            Work::Batch => {
                let items: Vec<String> =
                    (0..ITEMS).map(|it| format!("\"/users/1042/orders?page={it}\"")).collect();
                let items = format!("[{}]", items.join(","));
                let length = items.len();
                let head = REQUEST.replacen("GET", "POST", 1);
                let (_, fields) = head.split_once("\r\n").unwrap_or_default();
                format!(
                    "POST /_batch HTTP/1.1\r\n{fields}Content-Type: application/json\r\n\
                     Content-Length: {length}\r\n\r\n{items}"
                )
            }
            Work::Memo => format!("{}\r\n", REQUEST.replacen("?", "?fields=id,name,price&", 1)),
            Work::NotModified => format!("{REQUEST}{CONDITION}\r\n"),
            Work::VariedHit => format!("{REQUEST}X-Count: 00000000\r\n\r\n"),
            Work::Packed => format!("{REQUEST}Accept-Encoding: gzip\r\n\r\n"),
            _ => format!("{REQUEST}\r\n"),
        }
    }

    /// What the origin answers.
    fn body(self) -> Vec<u8> {
        match self {
            Work::Batch => format!("{{\"text\":\"{}\"}}", "x".repeat(BODY.len() - 11)).into_bytes(),
            Work::Memo => list().into_bytes(),
            Work::AsLong => format!("[{}]", "x".repeat(CUT - 2)).into_bytes(),
            Work::Packed => list().as_bytes()[..PACKED].to_vec(),
            _ => BODY.to_vec(),
        }
    }

    /// What the answer begins and ends with.
    fn answer(self) -> (&'static str, &'static [u8]) {
        match self {
            Work::NotModified => ("HTTP/1.1 304 Not Modified\r\n", b"\r\n\r\n"),
            Work::Batch => ("HTTP/1.1 200 OK\r\n", b"]\n\r\n0\r\n\r\n"),
            Work::Memo => ("HTTP/1.1 200 OK\r\n", b"}]"),
            Work::AsLong => ("HTTP/1.1 200 OK\r\n", b"xx]"),
            // RFC 1952 §2.3.1: gzip ends with the length of what it holds.
            Work::Packed => ("HTTP/1.1 200 OK\r\n", &[0, (PACKED >> 8) as u8, 0, 0]),
            _ => ("HTTP/1.1 200 OK\r\n", &BODY),
        }
    }

    /// What the configuration says besides.
    fn config(self) -> &'static str {
        match self {
            Work::Batch => "[batch]\npath = \"/_batch\"\n",
            Work::Memo => {
                "[[routes]]\nmatch = { path = \"/**\" }\nshape = { fields = \"fields\" }\n"
            }
            _ => "",
        }
    }
}

/// A list of objects of eight fields.
fn list() -> String {
    let mut list = String::from("[");
    for id in 0.. {
        let row = format!(
            "{{\"id\":{id},\"name\":\"Article {id}\",\"price\":{id}.50,\"stock\":{id},\
             \"text\":\"{}\",\"tags\":[\"a\",\"b\"],\"open\":true,\"seen\":null}}",
            "lorem ipsum ".repeat(5)
        );
        if list.len() + row.len() > LIST {
            break;
        }
        list += if id == 0 { "" } else { "," };
        list += &row;
    }
    list + "]"
}

impl Rig {
    /// Sets it up, and makes it do its work for the first time.
    pub(crate) async fn new(work: Work) -> Result<Rig, Failure> {
        let (address, server) = match work {
            Work::Hit
            | Work::OtherHit
            | Work::VariedHit
            | Work::NotModified
            | Work::Relay
            | Work::Miss
            | Work::Batch
            | Work::Memo
            | Work::AsLong
            | Work::Packed => {
                let server = larder(origin(work).await?, work.config()).await?;
                let Some(Listen::Tcp(address)) = server.addresses().first().cloned() else {
                    return Err("it listens at no address".into());
                };
                (address, Some(server))
            }
            Work::BareHit => {
                let (listener, address) = listen().await?;
                tokio::spawn(bare::serve(listener, head(work)?, Bytes::from_static(&BODY)));
                (address, None)
            }
            Work::BareRelay => {
                let (listener, address) = listen().await?;
                tokio::spawn(bare::relay(listener, origin(work).await?));
                (address, None)
            }
        };
        let client = TcpStream::connect(address).await?;
        client.set_nodelay(true)?;
        let mut rig = Rig { client, work, request: work.request().into_bytes(), length: 0, server };
        // The first responses may be others than those that follow: misses, not hits.
        for _ in 0..3 {
            rig.length = rig.first().await?;
        }
        Ok(rig)
    }

    /// Asks `times` times, each time after the last answer.
    pub(crate) async fn work(&mut self, times: u32) -> Result<(), Failure> {
        let mut answer = vec![0; self.length];
        for _ in 0..times {
            self.turn_page();
            self.client.write_all(&self.request).await?;
            self.client.read_exact(&mut answer).await?;
        }
        let (begin, end) = self.work.answer();
        let right = answer.starts_with(begin.as_bytes()) && answer.ends_with(end);
        if right { Ok(()) } else { Err("the answer is not the one expected".into()) }
    }

    /// Ends the server.
    pub(crate) fn end(self) {
        drop(self.server);
    }

    /// Counts the number of the page up, or of the request, where each is to be another.
    fn turn_page(&mut self) {
        let end = match self.work {
            Work::Miss => PAGE_ENDS,
            Work::VariedHit => self.request.len() - "\r\n\r\n".len(),
            Work::OtherHit => {
                self.request[PAGE_ENDS - 1] ^= 1;
                return;
            }
            _ => return,
        };
        for digit in self.request[..end].iter_mut().rev() {
            match *digit {
                b'9' => *digit = b'0',
                _ => {
                    *digit += 1;
                    return;
                }
            }
        }
    }

    async fn first(&mut self) -> Result<usize, Failure> {
        self.turn_page();
        self.client.write_all(&self.request).await?;
        let (_, end) = self.work.answer();
        let mut answer = Vec::new();
        // What is packed while it comes has chunks.
        while !answer.ends_with(end) && !answer.ends_with(b"\r\n0\r\n\r\n") {
            self.client.read_buf(&mut answer).await?;
        }
        Ok(answer.len())
    }
}

async fn larder(origin: SocketAddr, more: &str) -> Result<Server, Failure> {
    let text = format!("listen = \"127.0.0.1:0\"\nupstream = \"http://{origin}\"\n{more}");
    let config = config::parse("proxy.toml", &text, &|_| None);
    let config = config.map_err(|problems| format!("{problems:?}"))?;
    // The clock stands still: a hit is as fresh the last time as the first.
    let (clock, _) = Clock::manual(1_795_305_600_000);
    Ok(Server::start(config, clock).await?)
}

/// Answers every request alike, as cheaply as can be: it is part of what is counted.
async fn origin(work: Work) -> Result<SocketAddr, Failure> {
    let (listener, address) = listen().await?;
    let body = work.body();
    let mut answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n", body.len());
    answer += &format!("cache-control: {}\r\n", work.cache_control());
    for (name, value) in FIELDS {
        answer += &format!("{name}: {value}\r\n");
    }
    let answer = [answer.as_bytes(), b"\r\n", &body].concat();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let answer = answer.clone();
            tokio::spawn(async move {
                let mut scratch = [0; 4096];
                while let Ok(1..) = stream.read(&mut scratch).await {
                    stream.write_all(&answer).await.ok();
                }
            });
        }
    });
    Ok(address)
}

async fn listen() -> Result<(TcpListener, SocketAddr), Failure> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

fn head(work: Work) -> Result<HeaderMap, Failure> {
    let control = [("cache-control", work.cache_control())];
    let mut head = HeaderMap::new();
    for (name, value) in control.into_iter().chain(FIELDS).chain(ADDED) {
        head.append(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    Ok(head)
}
