//! Larder in process, at a free port, on the origin's clock.

use std::{sync::Arc, time::Duration};

use larder::{
    clock::{Clock, Manual},
    config::{self, Config, Listen},
    counters::Counters,
    server::Server,
};

use super::{Client, Origin, Place, Target, within};

/// A running proxy. Its time stands still until [`advance`](Self::advance). Stops on drop.
#[derive(Debug)]
pub(crate) struct Proxy {
    server: Server,
    place: Place,
    origin: String,
    manual: Arc<Manual>,
}

impl Proxy {
    /// The smallest configuration before `origin`.
    pub(crate) async fn before(origin: &Origin) -> Proxy {
        Proxy::with(origin, "").await
    }

    /// `text` before `origin`: `{origin}` in it is the origin's URL, and `listen` and `upstream`
    /// at the top are added where they are missing.
    ///
    /// # Panics
    /// With all problems of the configuration, and when it cannot start.
    pub(crate) async fn with(origin: &Origin, text: &str) -> Proxy {
        Proxy::exactly(origin, &completed(text)).await
    }

    /// `text` before `origin`, with nothing added.
    ///
    /// # Panics
    /// Like [`with`](Self::with).
    pub(crate) async fn exactly(origin: &Origin, text: &str) -> Proxy {
        let (clock, manual) = origin.clock();
        Proxy::on(origin, text, (clock, manual)).await
    }

    /// Like [`with`](Self::with), in real time: deadlines towards other processes pass by
    /// themselves. The origin's answers are to be undated.
    pub(crate) async fn in_real_time(origin: &Origin, text: &str) -> Proxy {
        Proxy::on(origin, &completed(text), (Clock::system(), origin.clock().1)).await
    }

    async fn on(origin: &Origin, text: &str, (clock, manual): (Clock, Arc<Manual>)) -> Proxy {
        let origin = origin.url();
        let started = Server::start(compile(&origin, text), clock);
        let server = within("the proxy's start", started).await;
        let server = server.unwrap_or_else(|error| panic!("the proxy did not start: {error}"));
        let place = place(server.addresses().first().expect("it listens"));
        Proxy { server, place, origin, manual }
    }

    /// Swaps in another configuration, written like that of [`with`](Self::with).
    ///
    /// # Panics
    /// Where it is refused.
    pub(crate) fn reload(&self, text: &str) {
        let reloaded = self.server.reload(compile(&self.origin, &completed(text)));
        reloaded.unwrap_or_else(|error| panic!("the reload was refused: {error}"));
    }

    /// Lets the clocks of the proxy and the origin go on.
    pub(crate) fn advance(&self, seconds: u64) {
        self.manual.advance(Duration::from_secs(seconds));
    }

    /// Waits until the proxy waits for something for exactly so long, then lets that time pass.
    #[track_caller]
    pub(crate) fn let_it_wait(&self, seconds: u64) -> impl Future<Output = ()> {
        let wait = Duration::from_secs(seconds);
        within(format!("the proxy to wait for {wait:?}"), async move {
            self.manual.until_sleeping(wait).await;
            self.manual.advance(wait);
        })
    }

    /// Sets the wall clock, in milliseconds since the Unix epoch, as NTP or an operator may.
    pub(crate) fn set_wall(&self, wall: i64) {
        self.manual.set_wall(wall);
    }

    /// Returns when the proxy has read what was written to it before: it has answered two later
    /// connections, which have no part in anything else.
    pub(crate) async fn settle(&self) {
        for _ in 0..2 {
            let mut client = Client::connect(self).await;
            client.write("GET /../settle HTTP/1.1\r\nHost: api.test\r\n\r\n").await;
            client.read().await.expect("every path has an answer");
        }
    }

    /// Its admin listener.
    ///
    /// # Panics
    /// Where it has none.
    pub(crate) fn admin(&self) -> Place {
        place(&self.server.admin_address().expect("it has [admin] listen"))
    }

    /// Its first listener by TLS.
    ///
    /// # Panics
    /// Where it has none.
    pub(crate) fn tls(&self) -> Place {
        place(self.server.tls_addresses().first().expect("it has [tls] listen"))
    }

    /// Its first listener that sends clients to https.
    ///
    /// # Panics
    /// Where it has none.
    pub(crate) fn redirect(&self) -> Place {
        place(self.server.redirect_addresses().first().expect("it has tls.redirect"))
    }

    /// As [`reload`](Self::reload), with a configuration that may not be usable.
    ///
    /// # Errors
    /// Why it is not.
    pub(crate) fn try_reload(&self, text: &str) -> Result<Vec<String>, String> {
        self.server.reload(compile(&self.origin, &completed(text)))
    }

    /// Waits until its counters say so.
    #[track_caller]
    pub(crate) fn until(&self, reached: impl Fn(&Counters) -> bool) -> impl Future<Output = ()> {
        within("the proxy's counters", async move {
            while !reached(self.counters()) {
                tokio::task::yield_now().await;
            }
        })
    }

    /// What the proxy counted.
    pub(crate) fn counters(&self) -> &Counters {
        self.server.counters()
    }

    /// As a client names it.
    pub(crate) fn url(&self) -> String {
        self.place.url()
    }

    /// Stops listening and returns when everything under way has ended.
    #[track_caller]
    pub(crate) fn drain(self) -> impl Future<Output = ()> {
        within("the proxy's drain", self.server.drain())
    }
}

impl Target for Proxy {
    fn place(&self) -> Place {
        self.place.clone()
    }
}

fn place(listen: &Listen) -> Place {
    match listen {
        Listen::Tcp(addr) => Place::Tcp(*addr),
        Listen::Unix(path) => Place::Unix(path.clone()),
    }
}

/// The text, with `listen` and `upstream` at its top where they are missing.
fn completed(text: &str) -> String {
    let has = |key: &str| {
        let top = text.lines().take_while(|line| !line.starts_with('['));
        top.filter_map(|line| line.split_once('=')).any(|(name, _)| name.trim() == key)
    };
    let listen = if has("listen") { "" } else { "listen = \"127.0.0.1:0\"\n" };
    let upstream = if has("upstream") { "" } else { "upstream = \"{origin}\"\n" };
    format!("{listen}{upstream}{text}")
}

fn compile(origin: &str, text: &str) -> Config {
    let text = text.replace("{origin}", origin);
    config::parse("test.toml", &text, &|_| None).unwrap_or_else(|problems| {
        let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
        panic!("{text}\n{}", problems.join("\n"))
    })
}
