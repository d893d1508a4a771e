//! The API of the soak: every body is a function of its path, so that any byte can be checked.

use std::{net::SocketAddr, time::Duration};

use larder::clock::Clock;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};

/// Objects that are small enough to be stored; together more than the cache holds.
pub(crate) const OBJECTS: u64 = 4_000;

/// The size of `/large/…`: more than an object may have.
pub(crate) const LARGE: u64 = 10 << 20;

/// What the API does with a request, told by the first segment of its path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Fresh for a few seconds, with an ETag.
    Object,
    /// Too large to be stored.
    Large,
    /// Never stored.
    Private,
    /// Comes in pieces, with pauses.
    Slow,
    /// Breaks off in the middle.
    Torn,
    /// Breaks off before it begins.
    Reset,
}

impl Kind {
    /// The first segment of its paths.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Object => "object",
            Kind::Large => "large",
            Kind::Private => "private",
            Kind::Slow => "slow",
            Kind::Torn => "torn",
            Kind::Reset => "reset",
        }
    }

    /// The length of the body of its `n`th.
    pub(crate) fn length(self, n: u64) -> u64 {
        match self {
            Kind::Large => LARGE,
            _ => 1024 + n * 7919 % 48_000,
        }
    }

    fn of(path: &str) -> Option<(Kind, u64)> {
        let (name, n) = path.strip_prefix('/')?.split_once('/')?;
        let all = [Kind::Object, Kind::Large, Kind::Private, Kind::Slow, Kind::Torn, Kind::Reset];
        let kind = all.into_iter().find(|kind| kind.name() == name)?;
        Some((kind, n.parse().ok()?))
    }
}

/// The byte at `offset` of the body of any kind's `n`th.
pub(crate) fn byte(n: u64, offset: u64) -> u8 {
    (offset.wrapping_mul(31) ^ (offset >> 9) ^ n.wrapping_mul(131)).to_le_bytes()[0]
}

/// The entity-tag of an object.
pub(crate) fn tag(n: u64) -> String {
    format!("\"object-{n}\"")
}

/// Starts it at a free port.
pub(crate) async fn start(clock: Clock) -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        loop {
            if let Ok((stream, _)) = listener.accept().await {
                let clock = clock.clone();
                // An error is a proxy that left in the middle, as a client of its own did.
                tokio::spawn(async move { serve(stream, &clock).await.ok() });
            }
        }
    });
    Ok(address)
}

async fn serve(stream: TcpStream, clock: &Clock) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut stream = BufReader::new(stream);
    while let Some((method, path, known)) = request(&mut stream).await? {
        match (method.as_str(), Kind::of(&path)) {
            (_, None) => {
                stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n").await?
            }
            ("GET", Some((Kind::Reset, _))) => {
                return socket2::SockRef::from(stream.get_ref()).set_linger(Some(Duration::ZERO));
            }
            ("GET", Some((Kind::Object, n))) if known == Some(tag(n)) => {
                stream.write_all(head(Kind::Object, n, 304).as_bytes()).await?;
            }
            ("GET", Some((kind, n))) => {
                stream.write_all(head(kind, n, 200).as_bytes()).await?;
                if body(&mut stream, kind, n, clock).await? {
                    return Ok(());
                }
            }
            (_, Some(_)) => stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await?,
        }
    }
    Ok(())
}

/// Reads a request: method, path, If-None-Match. Its body is thrown away.
async fn request(
    stream: &mut BufReader<TcpStream>,
) -> std::io::Result<Option<(String, String, Option<String>)>> {
    let mut line = String::new();
    if stream.read_line(&mut line).await? == 0 {
        return Ok(None);
    }
    let mut words = line.split(' ').map(str::to_owned);
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let (mut known, mut length) = (None, 0);
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        match name.to_ascii_lowercase().as_str() {
            "if-none-match" => known = Some(value.to_owned()),
            "content-length" => length = value.parse().unwrap_or_default(),
            _ => {}
        }
    }
    tokio::io::copy(&mut stream.take(length), &mut tokio::io::sink()).await?;
    Ok(Some((method, path, known)))
}

fn head(kind: Kind, n: u64, status: u16) -> String {
    let control = match kind {
        Kind::Object => format!("max-age={}, stale-while-revalidate=2", 1 + n % 5),
        Kind::Large | Kind::Slow | Kind::Torn => "max-age=1".to_owned(),
        Kind::Private | Kind::Reset => "private".to_owned(),
    };
    let (tag, length) = (tag(n), kind.length(n));
    let length =
        if status == 304 { String::new() } else { format!("Content-Length: {length}\r\n") };
    let tag = if kind == Kind::Object { format!("ETag: {tag}\r\n") } else { String::new() };
    format!("HTTP/1.1 {status} So\r\nCache-Control: {control}\r\n{tag}{length}\r\n")
}

/// Sends a body; whether the connection ends with it.
async fn body(
    stream: &mut BufReader<TcpStream>,
    kind: Kind,
    n: u64,
    clock: &Clock,
) -> std::io::Result<bool> {
    let length = kind.length(n);
    let end = if kind == Kind::Torn { length / 2 } else { length };
    let step = if kind == Kind::Slow { length / 5 + 1 } else { 64 << 10 };
    let mut at = 0;
    while at < end {
        let next = (at + step).min(end);
        let piece: Vec<u8> = (at..next).map(|offset| byte(n, offset)).collect();
        stream.write_all(&piece).await?;
        if kind == Kind::Slow {
            clock.sleep(Duration::from_millis(20)).await;
        }
        at = next;
    }
    stream.flush().await?;
    Ok(kind == Kind::Torn)
}
