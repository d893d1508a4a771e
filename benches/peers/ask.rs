//! One request by hand, to see that a server answers what it should.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use crate::{bare::Failure, roles};

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Status line and fields.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

/// Asks over a connection of its own. `fields` are whole lines.
pub(crate) fn ask(server: SocketAddr, path: &str, fields: &str) -> Result<Answer, Failure> {
    let mut stream = TcpStream::connect(server)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    // The Host that wrk sends, so that it asks for the same object.
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {server}\r\n{fields}Connection: close\r\n\r\n")?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    let end = bytes.windows(4).position(|it| it == b"\r\n\r\n").ok_or("no head came")?;
    let body = bytes.split_off(end + 4);
    bytes.truncate(end);
    let head = String::from_utf8(bytes)?;
    let status = head.split(' ').nth(1).ok_or("no status")?.parse()?;
    Ok(Answer { status, head, body })
}

/// Fails unless the answer is a 200 with the whole body of that size.
pub(crate) fn check(server: SocketAddr, path: &str, size: usize) -> Result<(), Failure> {
    let answer = ask(server, path, "")?;
    if answer.status == 200 && answer.body == roles::body(size) {
        return Ok(());
    }
    Err(format!("{path}: {} with {} bytes", answer.status, answer.body.len()).into())
}

/// How many requests have come to the origin.
pub(crate) fn count(origin: SocketAddr) -> Result<u64, Failure> {
    Ok(String::from_utf8(ask(origin, "/count", "")?.body)?.parse()?)
}
