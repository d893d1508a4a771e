//! `larder demo`: a small sample API and the proxy before it, in one process, with what to try.
//!
//! Needs nothing else. The proxy is configured by the two lines that anybody would write, and what
//! turns on batches and shapes.

mod api;
mod body;
mod people;
mod resources;

use std::{io::Write, net::SocketAddr};

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::{
    clock::Clock,
    config::{self, Listen, Problem},
    server::{Server, StartError},
};

/// The sample API and the proxy before it. Dropping it ends both at once.
#[derive(Debug)]
pub struct Demo {
    api: api::Api,
    server: Server,
    proxy: SocketAddr,
}

/// Why the demo cannot run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The sample API found no free port.
    #[error("the sample API cannot listen: {0}")]
    Api(#[source] std::io::Error),
    /// The configuration that it writes for itself was refused.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Config(Vec<Problem>),
    /// The proxy did not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// Signals cannot be had, or nothing can be written.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// Runs the demo until Ctrl-C or SIGTERM, then lets what is under way end; a second signal ends
/// that, too.
///
/// # Errors
/// Why it cannot run.
pub async fn run(listen: SocketAddr) -> Result<(), Error> {
    let mut signals = Signals::new()?;
    let demo = Demo::start(listen, Clock::system()).await?;
    write!(std::io::stdout(), "{}", demo.introduction())?;
    signals.next().await;
    writeln!(std::io::stdout(), "\nEnding what is under way. Ctrl-C again leaves at once.")?;
    tokio::select! {
        () = demo.end() => {}
        () = signals.next() => {}
    }
    Ok(())
}

impl Demo {
    /// Starts the API at a free port and the proxy at `listen`, where port 0 takes a free one.
    ///
    /// # Errors
    /// Why either cannot run.
    pub async fn start(listen: SocketAddr, clock: Clock) -> Result<Demo, Error> {
        let api = api::Api::start(clock.clone()).await.map_err(Error::Api)?;
        let text = configuration(listen, api.address());
        let config = config::parse("demo", &text, &|_| None).map_err(Error::Config)?;
        let server = Server::start(config, clock).await?;
        let tcp = |it: Listen| match it {
            Listen::Tcp(addr) => Some(addr),
            Listen::Unix(_) => None,
        };
        let proxy = server.addresses().into_iter().find_map(tcp).unwrap_or(listen);
        Ok(Demo { api, server, proxy })
    }

    /// Where the sample API listens.
    #[must_use]
    pub fn api(&self) -> SocketAddr {
        self.api.address()
    }

    /// Where the proxy listens.
    #[must_use]
    pub fn proxy(&self) -> SocketAddr {
        self.proxy
    }

    /// What is running, and six things to try.
    #[must_use]
    pub fn introduction(&self) -> String {
        let Demo { proxy, .. } = self;
        let api = self.api();
        let configuration = configuration(*proxy, api).trim_end().replace('\n', "\n    ");
        let configuration = configuration.replace("\n    \n", "\n\n");
        format!(
            "\
Larder is running, with a small sample API behind it.

    the proxy   http://{proxy}
    the API     http://{api}

This is its whole configuration:

    {configuration}

Try these, and look at the line `cache-status`:

    curl -i http://{proxy}/users/7
        Twice: the second answer comes from memory (hit). It is fresh for 10 s.

    curl -i http://{proxy}/orders
        Twice: the API has only to say 304, and the body comes from memory.

    for i in 1 2 3 4 5; do curl -s http://{proxy}/slow & done; wait
        Five clients at once, one request to the API: all five answers have the same number.

    curl -i http://{proxy}/flaky
        Every few seconds: the API fails every third time, and no client sees it.

    curl -i 'http://{proxy}/users?fields=id,city&page=2&per_page=3'
        Two fields of three users, cut out of the one stored list.

    curl -i http://{proxy}/_batch -H 'Content-Type: application/json' \\
            -d '[\"/users/7\", \"/users/8?fields=city\", \"/orders\"]'
        Three requests in one, each from the cache by itself.

Also there: /users, /time (never stored), /events (a stream: curl -N).
Ctrl-C ends it.
"
        )
    }

    /// Lets what is under way end, then ends.
    pub async fn end(self) {
        self.server.drain().await;
    }
}

/// The two lines, and what else the demo shows.
fn configuration(listen: SocketAddr, api: SocketAddr) -> String {
    format!(
        "\
listen   = \"{listen}\"
upstream = \"http://{api}\"

[batch]
path = \"/_batch\"

[[routes]]
match = {{ path = \"/users/**\" }}
shape = {{ fields = \"fields\", page = \"page_per_page\", filter = [\"city\"] }}
"
    )
}

/// The signals that end a process.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Signals> {
        Ok(Signals {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
