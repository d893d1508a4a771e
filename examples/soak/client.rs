//! One client of the soak: asks, checks every byte, and leaves politely or not.

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::{
    body::Incoming,
    client::conn::{http1, http2},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use larder::clock::Clock;
use tokio::{net::TcpStream, task::JoinHandle};

use crate::{Failure, origin};

/// How many pauses a slow reader makes: enough for the proxy to be held up.
const SLOW_FRAMES: usize = 300;

/// A connection to the proxy. Dropping it breaks it, by a reset.
pub(crate) struct Connection {
    sender: Sender,
    driver: JoinHandle<()>,
}

enum Sender {
    One(http1::SendRequest<Full<Bytes>>),
    Two(http2::SendRequest<Full<Bytes>>),
}

/// Which HTTP.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Version {
    One,
    Two,
}

/// How fast a body is read.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pace {
    Fast,
    /// With a pause after each of the first [`SLOW_FRAMES`] frames.
    Slow,
}

/// Which bytes of a body should come.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expected {
    pub(crate) n: u64,
    pub(crate) first: u64,
    pub(crate) length: u64,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Connection {
    /// Connects.
    pub(crate) async fn open(proxy: SocketAddr, version: Version) -> Result<Connection, Failure> {
        let stream = TcpStream::connect(proxy).await?;
        stream.set_nodelay(true)?;
        // Hundreds of connections a second would use up the ports if each lingered.
        socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO))?;
        let io = TokioIo::new(stream);
        Ok(match version {
            Version::One => {
                let (sender, connection) = http1::handshake(io).await?;
                let driver = tokio::spawn(async { drop(connection.await) });
                Connection { sender: Sender::One(sender), driver }
            }
            Version::Two => {
                let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await?;
                let driver = tokio::spawn(async { drop(connection.await) });
                Connection { sender: Sender::Two(sender), driver }
            }
        })
    }

    /// Sends a request and gives the head of its response, the body to be read.
    pub(crate) async fn send(
        &mut self,
        method: &str,
        path: &str,
        fields: &[(&str, String)],
    ) -> Result<Response<Incoming>, Failure> {
        let body = if method == "PUT" { Bytes::from(vec![b'x'; 20_000]) } else { Bytes::new() };
        let mut request = Request::builder().method(method);
        for (name, value) in fields {
            request = request.header(*name, value);
        }
        Ok(match &mut self.sender {
            Sender::One(sender) => {
                let request = request.header("host", "soak.test").uri(path);
                sender.ready().await?;
                sender.send_request(request.body(Full::new(body))?).await?
            }
            Sender::Two(sender) => {
                let request = request.uri(format!("http://soak.test{path}"));
                sender.ready().await?;
                sender.send_request(request.body(Full::new(body))?).await?
            }
        })
    }
}

/// Reads a body to its end and checks every byte of it.
pub(crate) async fn check(
    body: &mut Incoming,
    expected: Expected,
    pace: Pace,
    clock: &Clock,
) -> Result<(), Failure> {
    let (mut read, mut frames) = (0, 0);
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        for (at, byte) in data.iter().enumerate() {
            let offset = expected.first + read + at as u64;
            if *byte != origin::byte(expected.n, offset) {
                return Err(format!("byte {offset} of {} is wrong", expected.n).into());
            }
        }
        read += data.len() as u64;
        frames += 1;
        match pace {
            Pace::Slow if frames <= SLOW_FRAMES => clock.sleep(Duration::from_millis(2)).await,
            Pace::Slow | Pace::Fast => {}
        }
    }
    if read == expected.length {
        return Ok(());
    }
    Err(format!("{read} bytes of {} in a body that looks whole", expected.length).into())
}
