//! What this program is when it calls itself: the origin, a bare hyper server, a bare hyper relay.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, header};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use larder::clock::Clock;
use tokio::{net::TcpListener, runtime::Builder};

use crate::{ask::ask, bare, bare::Failure};

/// How long the origin takes for what lies under `/slow/`.
const SLOW: Duration = Duration::from_millis(20);

/// Plays the role that the arguments name: `origin ADDRESS`, `hyper ADDRESS FROM PATH` or
/// `relay ADDRESS ORIGIN`.
pub(crate) fn play(role: &str, args: &[String]) -> Result<(), Failure> {
    let address: SocketAddr = args.first().ok_or("where?")?.parse()?;
    let runtime = threads().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(address).await?;
        match (role, args) {
            ("origin", _) => origin(listener).await,
            ("hyper", [_, from, path]) => {
                let (head, body) = canned(from.parse()?, path)?;
                bare::serve(listener, head, body).await;
            }
            ("relay", [_, origin]) => bare::relay(listener, origin.parse()?).await,
            _ => return Err(format!("no such role: {role}").into()),
        }
        Ok(())
    })
}

/// As Larder's: as many threads as the process has cores, and this one alone where it has one.
fn threads() -> Builder {
    match std::thread::available_parallelism() {
        Ok(cores) if cores.get() == 1 => Builder::new_current_thread(),
        _ => Builder::new_multi_thread(),
    }
}

/// What another server answers, to be given as it is: the same head and the same body.
fn canned(from: SocketAddr, path: &str) -> Result<(HeaderMap, Bytes), Failure> {
    let answer = ask(from, path, "")?;
    let mut head = HeaderMap::new();
    for line in answer.head.lines().skip(1) {
        let (name, value) = line.split_once(": ").ok_or("not a field")?;
        let name = HeaderName::from_bytes(name.as_bytes())?;
        // These two are hyper's own to write.
        if name != header::CONTENT_LENGTH && name != header::CONNECTION {
            head.append(name, HeaderValue::from_str(value)?);
        }
    }
    Ok((head, Bytes::from(answer.body)))
}

type Body = UnsyncBoxBody<Bytes, Infallible>;

/// `/hit/SIZE`, `/store/N` and `/slow/N` and so on; `/count` tells how many requests came.
async fn origin(listener: TcpListener) {
    let (count, clock) = (Arc::new(AtomicU64::new(0)), Clock::system());
    while let Ok((stream, _)) = listener.accept().await {
        let (count, clock) = (count.clone(), clock.clone());
        let service = service_fn(move |request: Request<Incoming>| {
            let (count, clock) = (count.clone(), clock.clone());
            async move {
                let path = request.uri().path();
                if path == "/count" {
                    let text = count.load(Relaxed).to_string();
                    return Ok::<_, Infallible>(Response::new(Full::from(text).boxed_unsync()));
                }
                count.fetch_add(1, Relaxed);
                if path.starts_with("/slow/") {
                    clock.sleep(SLOW).await;
                }
                Ok(answer(path))
            }
        });
        stream.set_nodelay(true).ok();
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

fn answer(path: &str) -> Response<Body> {
    let (kind, rest) = path.trim_start_matches('/').split_once('/').unwrap_or_default();
    let size = match (kind, rest) {
        ("bytes", length) => length.parse().unwrap_or_default(),
        ("hit" | "json" | "live" | "half", "10k") => 10 << 10,
        ("hit" | "json" | "live" | "half", "100k") => 100 << 10,
        _ => 1 << 10,
    };
    let control = match kind {
        "hit" | "store" | "bytes" | "json" | "half" => "max-age=86400",
        "brief" => "max-age=1",
        _ => "no-store",
    };
    let body = match (kind, rest) {
        ("json" | "live", _) => Full::new(json(size)).boxed_unsync(),
        ("half", _) => half(size),
        ("hit", "list") => Full::new(list()).boxed_unsync(),
        ("hit", rest) => {
            let bytes = rest.strip_prefix("bytes/").and_then(|bytes| bytes.parse().ok());
            Full::new(body(bytes.unwrap_or(size))).boxed_unsync()
        }
        _ => Full::new(body(size)).boxed_unsync(),
    };
    let mut response = Response::new(body);
    let fields = response.headers_mut();
    fields.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    fields.insert(header::CACHE_CONTROL, HeaderValue::from_static(control));
    fields.insert(header::ETAG, HeaderValue::from_static(TAG));
    fields.insert("x-request-id", HeaderValue::from_static("7f3a2b"));
    response
}

/// The entity-tag of everything.
pub(crate) const TAG: &str = "\"33a64df551425fcc55e4d42a148795d9\"";

/// Half of some JSON, and then nothing more for as long as anybody waits.
fn half(size: usize) -> Body {
    let begin = json(size);
    let begin = begin.slice(..begin.len() / 2);
    let rest = stream::pending();
    StreamBody::new(stream::iter([Ok(Frame::data(begin))]).chain(rest)).boxed_unsync()
}

/// JSON as APIs send it: as many bytes and a few more, and always the same ones.
pub(crate) fn json(size: usize) -> Bytes {
    const WORDS: [&str; 8] =
        ["active", "pending", "closed", "north", "south", "Berlin", "Lisbon", "Osaka"];
    let (mut text, mut seed) = ("[".to_owned(), 1_u64);
    let mut next = |below: u64| {
        // Knuth's MMIX.
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    };
    for id in 1_u64.. {
        let word = |number: u64| WORDS[usize::try_from(number).unwrap_or_default()];
        let user = format!(
            "{{\"id\":{id},\"token\":\"{:08x}\",\"state\":\"{}\",\"city\":\"{}\",\"score\":{}.{}}},\n",
            next(1 << 31),
            word(next(3)),
            word(3 + next(5)),
            next(1000),
            next(100),
        );
        text.push_str(&user);
        if text.len() > size {
            break;
        }
    }
    let whole = text.trim_end_matches(",\n").len();
    text.truncate(whole);
    text.push(']');
    text.into()
}

/// A list of 100 KiB: objects of eight fields.
fn list() -> Bytes {
    let object = |id: u32| {
        format!(
            "{{\"id\":{id},\"name\":\"product number {id}\",\"price\":{}.50,\"stock\":{},\
             \"tags\":[\"new\",\"sale\"],\"supplier\":{{\"id\":{},\"city\":\"Uppsala\"}},\
             \"text\":\"some words of what it is and what it is good for\",\"weight\":1.25}}",
            id % 90,
            id % 7,
            id % 13
        )
    };
    let mut text = String::from("[");
    let mut id = 0;
    while text.len() < 100 << 10 {
        text.push_str(&object(id));
        text.push(',');
        id += 1;
    }
    text.pop();
    text.push(']');
    Bytes::from(text)
}

/// The body of that size.
pub(crate) fn body(size: usize) -> Bytes {
    static BODY: [u8; 100 << 10] = [b'7'; 100 << 10];
    Bytes::from_static(&BODY).slice(..size)
}
