//! HTTP/2 requests that would become others in HTTP/1.1, frame by frame.

use super::{echo, seen};
use crate::support::{Client, Proxy};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const DATA: u8 = 0;
const HEADERS: u8 = 1;
pub(super) const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// What a client hears of its request.
#[derive(Debug, PartialEq, Eq)]
enum Heard {
    Status(u16),
    /// The stream was reset, or the connection ended.
    Broken,
}

/// A connection on which a test writes frames.
pub(super) struct Frames(Client);

impl Frames {
    pub(super) async fn connect(proxy: &Proxy) -> Frames {
        let mut client = Client::connect(proxy).await;
        client.write([PREFACE, &frame(SETTINGS, 0, 0, &[])].concat()).await;
        Frames(client)
    }

    pub(super) async fn write(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        self.0.write(frame(kind, flags, stream, payload)).await;
    }

    /// A GET that has ended.
    pub(super) async fn get(&mut self, stream: u32, path: &str) {
        let block = block(&[
            (":method", "GET"),
            (":scheme", "http"),
            (":authority", "api.test"),
            (":path", path),
        ]);
        self.write(HEADERS, END_HEADERS | END_STREAM, stream, &block).await;
    }

    async fn heard(&mut self) -> Heard {
        loop {
            let head = self.0.read_bytes(9).await;
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
            let payload = self.0.read_bytes(length).await;
            match head[3] {
                HEADERS => return Heard::Status(status(&payload)),
                RST_STREAM | GOAWAY => return Heard::Broken,
                _ => {}
            }
        }
    }
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut frame = u32::try_from(payload.len()).unwrap().to_be_bytes()[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// HPACK without compression (RFC 7541 §6.2.2).
fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            block.push(u8::try_from(text.len()).ok().filter(|it| *it < 127).unwrap());
            block.extend(text.bytes());
        }
    }
    block
}

/// `:status`, where it is in the static table; 0 for another.
fn status(block: &[u8]) -> u16 {
    let first = block.iter().find(|byte| **byte & 0xe0 != 0x20).copied().unwrap_or_default();
    let known = [200, 204, 206, 304, 400, 404, 500];
    usize::from(first).checked_sub(0x88).and_then(|at| known.get(at)).copied().unwrap_or_default()
}

type Fields = &'static [(&'static str, &'static str)];

const METHOD: (&str, &str) = (":method", "POST");
const SCHEME: (&str, &str) = (":scheme", "http");
const AUTHORITY: (&str, &str) = (":authority", "api.test");
const PATH: (&str, &str) = (":path", "/a");

/// Sends a request and hears what comes of it.
async fn exchange(proxy: &Proxy, fields: &[(&str, &str)], body: Option<&str>) -> Heard {
    let mut frames = Frames::connect(proxy).await;
    let end = if body.is_none() { END_STREAM } else { 0 };
    frames.write(HEADERS, END_HEADERS | end, 1, &block(fields)).await;
    if let Some(body) = body {
        frames.write(DATA, END_STREAM, 1, body.as_bytes()).await;
    }
    frames.heard().await
}

/// A POST with these fields after its own.
async fn post(proxy: &Proxy, fields: Fields, body: Option<&str>) -> Heard {
    let own = [METHOD, SCHEME, AUTHORITY, PATH];
    exchange(proxy, &[&own, fields].concat(), body).await
}

#[tokio::test]
async fn fields_that_frame_http_1_1_are_refused() {
    let rows: &[Fields] = &[
        &[("transfer-encoding", "chunked")],
        &[("connection", "close")],
        &[("connection", "transfer-encoding")],
        &[("keep-alive", "timeout=5")],
        &[("proxy-connection", "keep-alive")],
        &[("upgrade", "websocket")],
        &[("te", "gzip")],
        &[("Content-Length", "5")],
        &[("X-Upper", "1")],
        &[("x-a\r\ncontent-length", "5")],
        &[("x-a: b\r\nx-b", "c")],
        &[("x a", "b")],
        &[("x:a", "b")],
        &[("", "b")],
        &[("x-a", "b\r\nContent-Length: 0\r\n\r\nGET /inner HTTP/1.1\r\nHost: api.test")],
        &[("x-a", "b\nc")],
        &[("x-a", "b\rc")],
        &[("x-a", "b\0c")],
        &[("content-length", "4")],
        &[("content-length", "6")],
        &[("content-length", "0")],
        &[("content-length", "+5")],
        &[("content-length", "5, 5")],
        &[("content-length", "0x5")],
        &[("content-length", "")],
    ];
    let mut wrong = Vec::new();
    for fields in rows {
        let (origin, proxy) = echo("").await;
        let heard = post(&proxy, fields, Some("hello")).await;
        proxy.settle().await;
        let seen = seen(&origin);
        if !matches!(heard, Heard::Broken | Heard::Status(400)) || !seen.is_empty() {
            wrong.push(format!("{fields:?}: {heard:?}, seen: {seen:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn pseudo_fields_are_one_of_each_and_good() {
    let rows: &[Fields] = &[
        &[SCHEME, AUTHORITY, PATH],
        &[METHOD, AUTHORITY, PATH],
        &[METHOD, SCHEME, AUTHORITY],
        &[METHOD, SCHEME, PATH],
        &[METHOD, METHOD, SCHEME, AUTHORITY, PATH],
        &[METHOD, SCHEME, AUTHORITY, PATH, PATH],
        &[METHOD, SCHEME, AUTHORITY, AUTHORITY, PATH],
        &[METHOD, SCHEME, AUTHORITY, PATH, ("x-a", "b"), (":path", "/inner")],
        &[METHOD, SCHEME, ("x-a", "b"), AUTHORITY, PATH],
        &[METHOD, SCHEME, AUTHORITY, PATH, (":evil", "b")],
        &[METHOD, SCHEME, AUTHORITY, PATH, (":status", "200")],
        &[METHOD, SCHEME, AUTHORITY, PATH, (":protocol", "websocket")],
        &[("x-a", "b"), METHOD, SCHEME, AUTHORITY, PATH],
        &[(":method", "GET /inner HTTP/1.1\r\nX: y\r\n\r\nGET"), SCHEME, AUTHORITY, PATH],
        &[(":method", ""), SCHEME, AUTHORITY, PATH],
        &[METHOD, SCHEME, AUTHORITY, (":path", "")],
        &[METHOD, SCHEME, AUTHORITY, (":path", "a")],
        &[METHOD, SCHEME, AUTHORITY, (":path", "*")],
        &[METHOD, SCHEME, AUTHORITY, (":path", "/a HTTP/1.1\r\nX: y")],
        &[METHOD, SCHEME, AUTHORITY, (":path", "/a b")],
        &[METHOD, SCHEME, AUTHORITY, (":path", "/a\tb")],
        &[METHOD, SCHEME, AUTHORITY, (":path", "/a\x7f")],
        &[METHOD, SCHEME, AUTHORITY, (":path", "http://evil.test/a")],
        &[METHOD, SCHEME, AUTHORITY, (":path", "@evil.test/a")],
        &[METHOD, SCHEME, AUTHORITY, (":path", ":80/a")],
        &[METHOD, SCHEME, AUTHORITY, (":path", "/a/../b")],
        &[METHOD, SCHEME, AUTHORITY, (":path", "/a/..%2fb")],
        &[METHOD, SCHEME, AUTHORITY, (":path", "/a\\..\\b")],
        &[METHOD, SCHEME, AUTHORITY, (":path", "/a%00")],
        &[METHOD, SCHEME, AUTHORITY, PATH, ("host", "evil.test")],
        &[METHOD, SCHEME, AUTHORITY, PATH, ("host", "api.test"), ("host", "api.test")],
        &[METHOD, SCHEME, AUTHORITY, PATH, ("host", "")],
        &[METHOD, SCHEME, (":authority", ""), PATH],
        &[METHOD, SCHEME, (":authority", "user@api.test"), PATH],
        &[METHOD, SCHEME, (":authority", "api.test/x"), PATH],
        &[METHOD, SCHEME, (":authority", "api.test, evil.test"), PATH],
        &[METHOD, SCHEME, (":authority", "a,for=6.6.6.6"), PATH],
        &[METHOD, SCHEME, (":authority", "a;proto=https"), PATH],
        &[METHOD, SCHEME, (":authority", "api.test\r\nX: y"), PATH],
    ];
    let mut wrong = Vec::new();
    for fields in rows {
        let (origin, proxy) = echo("").await;
        let heard = exchange(&proxy, fields, Some("hello")).await;
        proxy.settle().await;
        let seen = seen(&origin);
        if !matches!(heard, Heard::Broken | Heard::Status(400)) || !seen.is_empty() {
            wrong.push(format!("{fields:?}: {heard:?}, seen: {seen:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn connect_and_trace_are_refused() {
    let rows: [Fields; 3] = [
        &[(":method", "CONNECT"), (":authority", "evil.test:443")],
        &[(":method", "CONNECT"), SCHEME, AUTHORITY, PATH],
        &[(":method", "TRACE"), SCHEME, AUTHORITY, PATH],
    ];
    for fields in rows {
        let (origin, proxy) = echo("").await;
        let heard = exchange(&proxy, fields, None).await;
        assert_ne!(heard, Heard::Status(200), "{fields:?}");
        proxy.settle().await;
        assert_eq!(origin.requests(), 0, "{fields:?}");
    }
}

#[tokio::test]
async fn what_is_let_in_is_framed_anew() {
    let rows: &[(Fields, Option<&str>, &str)] = &[
        (&[], None, "POST /a"),
        (&[], Some("hello"), "POST /a hello"),
        (&[("content-length", "5")], Some("hello"), "POST /a hello"),
        (&[("te", "trailers")], Some("hello"), "POST /a hello"),
        (&[("host", "API.test:80")], Some("hello"), "POST /a hello"),
        (&[("expect", "100-continue")], Some("hello"), "POST /a hello"),
        (&[], Some("0\r\n\r\nGET /inner HTTP/1.1\r\n\r\n"), "POST /a 0\r\n\r\nGET /inner HTTP/1.1"),
    ];
    for (fields, body, expected) in rows {
        let (origin, proxy) = echo("").await;
        assert_eq!(post(&proxy, fields, *body).await, Heard::Status(200), "{fields:?}");
        assert_eq!(seen(&origin), [*expected], "{fields:?}");
    }
}

/// Without `:authority`, Host is the authority; the request must not lose it.
#[tokio::test]
async fn a_host_alone_is_enough() {
    let (origin, proxy) = echo("").await;
    let fields = [METHOD, SCHEME, PATH, ("host", "other.test")];
    assert_eq!(exchange(&proxy, &fields, None).await, Heard::Status(200));
    assert_eq!(origin.last().headers("host"), ["other.test"]);
}

/// A stream that ends before its declared length, or is reset in its body, is no whole request.
#[tokio::test]
async fn half_an_upload_never_looks_whole() {
    for (fields, reset) in [
        (&[("content-length", "10")][..], false),
        (&[("content-length", "10")][..], true),
        (&[][..], true),
    ] {
        let (origin, proxy) = echo("").await;
        let mut frames = Frames::connect(&proxy).await;
        let own = [METHOD, SCHEME, AUTHORITY, PATH];
        frames.write(HEADERS, END_HEADERS, 1, &block(&[&own, fields].concat())).await;
        frames.write(DATA, 0, 1, b"hello").await;
        origin.until_body_bytes(5).await;
        match reset {
            true => frames.write(RST_STREAM, 0, 1, &0u32.to_be_bytes()).await,
            false => frames.write(DATA, END_STREAM, 1, b"").await,
        }
        origin.until_closed(1).await;
        assert_eq!(origin.requests(), 0, "{fields:?}, reset: {reset}");
    }
}
