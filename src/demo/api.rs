//! The sample API's sockets: a listener at a free port, and a task for each connection.

use std::{
    convert::Infallible,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};

use super::resources::Resources;
use crate::clock::Clock;

/// The running API. Dropping it ends it, and its connections.
#[derive(Debug)]
pub(super) struct Api {
    address: SocketAddr,
    accepting: JoinHandle<()>,
}

impl Api {
    /// Listens at a free port of the loopback interface.
    pub(super) async fn start(clock: Clock) -> std::io::Result<Api> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let resources = Arc::new(Resources::new(clock));
        Ok(Api { address, accepting: tokio::spawn(accept(listener, resources)) })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, resources: Arc<Resources>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((stream, _)) = accepted {
                    connections.spawn(serve(stream, resources.clone()));
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(stream: TcpStream, resources: Arc<Resources>) {
    let _ = stream.set_nodelay(true);
    let service = service_fn(|request| {
        let resources = resources.clone();
        async move { Ok::<_, Infallible>(resources.answer(&request).await) }
    });
    // An error means that the peer has gone: nobody is left to be told.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}
