//! A load: clients that ask without a pause, keep their connections or not, and count.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
};

use rustls::pki_types::ServerName;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

use crate::support::{Authority, Client, Place, within};

/// Clients that ask until they are told to stop.
pub(super) struct Load {
    state: Arc<State>,
    clients: JoinSet<Vec<String>>,
}

#[derive(Default)]
struct State {
    stop: AtomicBool,
    answered: AtomicUsize,
    more: tokio::sync::Notify,
}

/// How a client connects, and whether it keeps its connections.
#[derive(Clone)]
struct Way {
    place: Place,
    secure: Option<TlsConnector>,
    keeps: bool,
}

impl Load {
    /// Five clients in the clear, and three by TLS where there is that.
    pub(super) fn on(plain: Place, tls: Option<(Place, &Authority)>) -> Load {
        let way = |place: &Place, secure: &Option<TlsConnector>, keeps| Way {
            place: place.clone(),
            secure: secure.clone(),
            keeps,
        };
        let mut ways = [true, true, true, false, false].map(|it| way(&plain, &None, it)).to_vec();
        if let Some((place, authority)) = tls {
            let secure = Some(authority.client("http/1.1", None));
            ways.extend([true, true, false].map(|keeps| way(&place, &secure, keeps)));
        }
        let state = Arc::<State>::default();
        let clients = ways.into_iter().map(|way| way.ask(state.clone())).collect();
        Load { state, clients }
    }

    /// Waits until so many more requests have an answer.
    #[track_caller]
    pub(super) fn until(&self, more: usize) -> impl Future<Output = ()> {
        let goal = self.state.answered.load(Relaxed) + more;
        let state = self.state.clone();
        within(format!("{more} more answers"), async move {
            while state.answered.load(Relaxed) < goal {
                state.more.notified().await;
            }
        })
    }

    /// Ends it: how many requests had an answer, and what went wrong with others.
    pub(super) async fn end(mut self) -> (usize, Vec<String>) {
        self.state.stop.store(true, Relaxed);
        let mut failed = Vec::new();
        while let Some(client) = within("the end of a client", self.clients.join_next()).await {
            failed.extend(client.unwrap_or_else(|error| vec![error.to_string()]));
        }
        (self.state.answered.load(Relaxed), failed)
    }
}

impl Way {
    /// Asks until it is told to stop; gives what went wrong.
    async fn ask(self, state: Arc<State>) -> Vec<String> {
        let (mut failed, mut n) = (Vec::new(), 0_usize);
        let mut client = None;
        while !state.stop.load(Relaxed) {
            let mut open = match client.take() {
                Some(open) => open,
                None => match self.connect().await {
                    Ok(open) => open,
                    Err(error) => {
                        failed.push(error.to_string());
                        continue;
                    }
                },
            };
            n += 1;
            // Some of it is there, some is not.
            let path = format!("/{}/{}", n % 9, n / 20);
            open.ask("GET", &path, &[]).await;
            match open.read().await {
                Ok(answer) if answer.status == 200 && answer.text() == path => {
                    state.answered.fetch_add(1, Relaxed);
                    state.more.notify_one();
                    let closes = answer.header("connection") == Some("close");
                    client = Some(open).filter(|_| self.keeps && !closes);
                }
                Ok(answer) => failed.push(format!("{path}: {answer:?}")),
                Err(broken) => failed.push(format!("{path}: {broken}")),
            }
        }
        failed
    }

    async fn connect(&self) -> std::io::Result<Client> {
        let plain = self.place.connect().await.into_duplex();
        let Some(connector) = &self.secure else { return Ok(Client::over(plain)) };
        let name = ServerName::try_from("api.test").expect("a name");
        let secure = within("a handshake", connector.connect(name, plain)).await?;
        Ok(Client::over(Box::new(secure)))
    }
}
