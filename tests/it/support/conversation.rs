//! One connection to an origin: requests are read as they come, and answered in their order.

use std::{io, sync::Arc};

use bytes::Bytes;
use larder::clock::Clock;
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt, BufWriter},
    sync::{mpsc, watch},
};
use tokio_rustls::TlsAcceptor;

use super::{
    Reply, Seen,
    place::{Duplex, Socket, reset_on_close},
    reply::{End, Framed, Step},
    seen::Record,
    wire::{Fields, Framing, Wire, values},
};

/// What an origin does with every connection.
#[derive(Clone)]
pub(super) struct Script {
    pub(super) handler: Arc<dyn Fn(Seen) -> Reply + Send + Sync>,
    pub(super) record: Arc<watch::Sender<Record>>,
    pub(super) clock: Clock,
}

/// What the reading half tells the writing half.
enum Heard {
    Request(Box<Seen>),
    /// After an upgrade.
    Bytes(Bytes),
}

/// Holds the conversation on one connection until either side ends it.
pub(super) async fn hold(
    socket: Socket,
    tls: Option<TlsAcceptor>,
    script: Script,
    connection: usize,
) {
    let handle = socket.handle();
    let Ok(duplex) = secure(socket, tls).await else { return };
    let (read, write) = tokio::io::split(duplex);
    let (tell, heard) = mpsc::unbounded_channel();
    let mut ended = false;
    let hearing = async {
        if let Err(error) = hear(Wire::new(read), tell, &script, connection).await
            && error.kind() == io::ErrorKind::InvalidData
        {
            script.record.send_modify(|record| record.faults.push(error.to_string()));
        }
        script.record.send_modify(|record| record.closed += 1);
        ended = true;
        std::future::pending::<()>().await;
    };
    let end = tokio::select! {
        end = answer(write, heard, &script) => end,
        () = hearing => return,
    };
    match end {
        Ok(End::Reset) => reset_on_close(handle.as_ref()),
        Ok(End::KeepAlive | End::Close) => {}
        Err(_) if ended => {}
        Err(_) => script.record.send_modify(|record| record.closed += 1),
    }
}

async fn secure(socket: Socket, tls: Option<TlsAcceptor>) -> io::Result<Box<dyn Duplex>> {
    let plain = socket.into_duplex();
    match tls {
        Some(tls) => Ok(Box::new(tls.accept(plain).await?)),
        None => Ok(plain),
    }
}

/// Reads requests until the peer ends the connection.
async fn hear(
    mut wire: Wire<impl AsyncRead + Unpin>,
    tell: mpsc::UnboundedSender<Heard>,
    script: &Script,
    connection: usize,
) -> io::Result<()> {
    while let Some((start, fields)) = wire.head().await? {
        let seen = request(&mut wire, (start, fields), script, connection).await?;
        let tunnel = !values(&seen.fields, "upgrade").is_empty();
        script.record.send_modify(|record| record.requests.push(seen.clone()));
        let _ = tell.send(Heard::Request(Box::new(seen)));
        while tunnel && let Some(bytes) = wire.some(u64::MAX).await? {
            let _ = tell.send(Heard::Bytes(bytes));
        }
    }
    Ok(())
}

/// Reads the rest of a request whose head is there.
async fn request(
    wire: &mut Wire<impl AsyncRead + Unpin>,
    (start, fields): (String, Fields),
    script: &Script,
    connection: usize,
) -> io::Result<Seen> {
    let mut framing = Framing::of(&fields, Framing::Ended)?;
    script.record.send_modify(|record| record.heads += 1);
    let number = script.record.borrow().heads;
    let mut words = start.splitn(3, ' ').map(str::to_owned);
    let (Some(method), Some(target), Some(_)) = (words.next(), words.next(), words.next()) else {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("request line {start:?}")));
    };
    let mut seen = Seen { number, connection, method, target, fields, ..Seen::default() };
    while let Some(piece) = wire.piece(&mut framing, &mut seen.trailers).await? {
        seen.body.extend_from_slice(&piece);
        script.record.send_modify(|record| record.body_bytes += piece.len());
    }
    Ok(seen)
}

/// Answers what was heard, in order, until an answer ends the connection or the peer has.
async fn answer(
    write: impl AsyncWrite + Unpin,
    mut heard: mpsc::UnboundedReceiver<Heard>,
    script: &Script,
) -> io::Result<End> {
    // What nothing stands between arrives together, so that each run sees the same.
    let mut write = BufWriter::new(write);
    while let Some(heard) = heard.recv().await {
        match heard {
            Heard::Bytes(bytes) => {
                write.write_all(&bytes).await?;
                write.flush().await?;
            }
            Heard::Request(seen) => {
                let method = seen.method.clone();
                let reply = (script.handler)(*seen);
                let end = send(&mut write, &method, &reply, &script.clock).await?;
                write.flush().await?;
                if end != End::KeepAlive {
                    return Ok(end);
                }
            }
        }
    }
    Ok(End::Close)
}

async fn send(
    write: &mut (impl AsyncWrite + Unpin),
    method: &str,
    reply: &Reply,
    clock: &Clock,
) -> io::Result<End> {
    for (status, fields) in &reply.early {
        write.write_all(&head(*status, fields)).await?;
    }
    if let Some(gate) = &reply.held {
        write.flush().await?;
        gate.pass().await;
    }
    if reply.framed != Framed::Raw {
        write.write_all(&head(reply.status, &all_fields(reply, method, clock))).await?;
    }
    if !reply.has_body(method) {
        return Ok(reply.end);
    }
    let whole = send_body(write, reply).await? && reply.end != End::Reset;
    if whole && reply.framed == Framed::Chunked {
        write.write_all(b"0\r\n").await?;
        write.write_all(&lines(&reply.trailers)).await?;
    }
    Ok(reply.end)
}

/// Sends the body; whether it went out whole.
async fn send_body(write: &mut (impl AsyncWrite + Unpin), reply: &Reply) -> io::Result<bool> {
    let mut left = reply.cut.unwrap_or(usize::MAX);
    for step in &reply.steps {
        let bytes = match step {
            Step::Gate(gate) => {
                write.flush().await?;
                gate.pass().await;
                continue;
            }
            Step::Bytes(bytes) => bytes,
        };
        let part = bytes.slice(..bytes.len().min(left));
        left -= part.len();
        if reply.framed == Framed::Chunked && !bytes.is_empty() {
            write.write_all(format!("{:x}\r\n", bytes.len()).as_bytes()).await?;
        }
        write.write_all(&part).await?;
        if part.len() < bytes.len() || left == 0 {
            return Ok(false);
        }
        if reply.framed == Framed::Chunked && !bytes.is_empty() {
            write.write_all(b"\r\n").await?;
        }
    }
    Ok(true)
}

/// The reply's own fields, and what every origin sends.
fn all_fields(reply: &Reply, method: &str, clock: &Clock) -> Fields {
    let mut fields = Fields::new();
    let has = |name| !values(&reply.fields, name).is_empty();
    if reply.dated && !has("date") {
        fields.push(("Date".into(), date(clock, 0)));
    }
    fields.extend(reply.fields.iter().cloned());
    let bodiless = matches!(reply.status, 204 | 304);
    match reply.framed {
        Framed::Length if !bodiless && !has("content-length") => {
            fields.push(("Content-Length".into(), reply.length().to_string()));
        }
        Framed::Chunked if method != "HEAD" && !bodiless => {
            fields.push(("Transfer-Encoding".into(), "chunked".into()));
        }
        Framed::Length | Framed::Chunked | Framed::Close | Framed::Raw | Framed::Tunnel => {}
    }
    if reply.end == End::Close && reply.cut.is_none() && !has("connection") {
        fields.push(("Connection".into(), "close".into()));
    }
    fields
}

/// The clock's present time and `seconds`, as an HTTP-date.
pub(super) fn date(clock: &Clock, seconds: i64) -> String {
    let since = u64::try_from(clock.now().wall.seconds() + seconds).expect("after 1970");
    let moment = std::time::UNIX_EPOCH + std::time::Duration::from_secs(since);
    httpdate::fmt_http_date(moment)
}

fn head(status: u16, fields: &Fields) -> Vec<u8> {
    let reason = http::StatusCode::from_u16(status).ok().and_then(|it| it.canonical_reason());
    let mut head = format!("HTTP/1.1 {status} {}\r\n", reason.unwrap_or_default()).into_bytes();
    head.extend(lines(fields));
    head
}

fn lines(fields: &Fields) -> Vec<u8> {
    let lines = fields.iter().map(|(name, value)| format!("{name}: {value}\r\n"));
    (lines.collect::<String>() + "\r\n").into_bytes()
}
