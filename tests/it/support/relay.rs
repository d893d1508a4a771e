//! A relay before a server, which can make its answers late.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    task::{JoinHandle, JoinSet},
};

/// Passes everything on; answers as late as the test says. Stops on drop.
#[derive(Debug)]
pub(crate) struct Relay {
    address: SocketAddr,
    late: watch::Sender<Duration>,
    accepting: JoinHandle<()>,
}

impl Relay {
    /// Before `server`, and not late.
    pub(crate) async fn before(server: SocketAddr) -> Relay {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let (late, lateness) = watch::channel(Duration::ZERO);
        Relay { address, late, accepting: tokio::spawn(accept(listener, server, lateness)) }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on, every answer comes so much later.
    pub(crate) fn slow_down(&self, by: Duration) {
        self.late.send_replace(by);
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, server: SocketAddr, late: watch::Receiver<Duration>) {
    let mut passing = JoinSet::new();
    loop {
        let (client, _) = listener.accept().await.expect("a listener accepts");
        let Ok(server) = TcpStream::connect(server).await else { continue };
        let ((from_client, to_client), (from_server, to_server)) =
            (client.into_split(), server.into_split());
        let (_, at_once) = watch::channel(Duration::ZERO);
        passing.spawn(pass(from_client, to_server, at_once));
        passing.spawn(pass(from_server, to_client, late.clone()));
    }
}

#[allow(clippy::disallowed_methods, reason = "lateness is real time")]
async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, late: watch::Receiver<Duration>) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(n @ 1..) = from.read(&mut buffer).await {
        let late = *late.borrow();
        if !late.is_zero() {
            tokio::time::sleep(late).await;
        }
        if to.write_all(&buffer[..n]).await.is_err() {
            return;
        }
    }
}
