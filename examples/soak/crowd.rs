//! What the clients of the soak do, at random, and what must come of it.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use http_body_util::BodyExt;
use larder::clock::Clock;
use tokio::io::AsyncWriteExt;

use crate::{
    Failure,
    client::{Connection, Expected, Pace, Version, check},
    origin::{self, Kind},
    tally::Tally,
};

/// No answer takes longer.
const PATIENCE: Duration = Duration::from_secs(60);

/// Everybody who asks.
#[derive(Clone)]
pub(crate) struct Crowd {
    pub(crate) proxy: SocketAddr,
    pub(crate) tally: Arc<Tally>,
    pub(crate) clock: Clock,
}

/// What one client does next.
#[derive(Clone, Copy, Debug)]
enum Action {
    Get,
    Known,
    Part,
    Put,
    Private,
    Large,
    SlowApi,
    SlowReader,
    Leave,
    HalfRequest,
    Torn,
    Reset,
}

/// How often each is done, of 1000.
const MIX: [(Action, u64); 12] = [
    (Action::Get, 640),
    (Action::Known, 80),
    (Action::Part, 60),
    (Action::Put, 30),
    (Action::Private, 50),
    (Action::Large, 6),
    (Action::SlowApi, 30),
    (Action::SlowReader, 4),
    (Action::Leave, 50),
    (Action::HalfRequest, 20),
    (Action::Torn, 20),
    (Action::Reset, 10),
];

impl Crowd {
    /// Asks for every object once, so that the cache is as full as it gets.
    pub(crate) async fn visit_everything(&self) {
        let mut connection = None;
        for n in 0..origin::OBJECTS {
            let visit = self.act(Action::Get, n, Version::One, &mut connection);
            self.tally.count("visit", visit.await);
        }
    }

    /// Does this and that until `end`.
    pub(crate) async fn wander(self, mut random: fastrand::Rng, end: Instant) {
        let mut connection = None;
        let version = if random.u8(..4) == 0 { Version::Two } else { Version::One };
        while self.clock.instant() < end && !self.tally.is_full() {
            let (action, n) = (pick(&mut random), popular(&mut random));
            let done = self.act(action, n, version, &mut connection);
            let done = match self.clock.timeout(PATIENCE, done).await {
                Ok(done) => done,
                Err(_) => Err(format!("no end within {PATIENCE:?}").into()),
            };
            if done.is_err() {
                connection = None;
            }
            self.tally.count(action.name(), done);
            self.clock.sleep(Duration::from_millis(random.u64(..4))).await;
        }
    }

    async fn act(
        &self,
        action: Action,
        n: u64,
        version: Version,
        connection: &mut Option<Connection>,
    ) -> Result<(), Failure> {
        if let Action::HalfRequest = action {
            return self.half_request(n).await;
        }
        let mut open = match connection.take() {
            Some(open) => open,
            None => Connection::open(self.proxy, version).await?,
        };
        let keep = self.exchange(action, n, &mut open).await?;
        if keep {
            *connection = Some(open);
        }
        Ok(())
    }

    /// One request on an open connection; whether the connection can be used again.
    async fn exchange(
        &self,
        action: Action,
        n: u64,
        open: &mut Connection,
    ) -> Result<bool, Failure> {
        let kind = action.kind();
        let path = format!("/{}/{n}", kind.name());
        let method = if let Action::Put = action { "PUT" } else { "GET" };
        let length = kind.length(n);
        let part = Expected { n, first: length / 3, length: length / 4 };
        let fields = match action {
            Action::Known => vec![("if-none-match", origin::tag(n))],
            Action::Part => {
                vec![("range", format!("bytes={}-{}", part.first, part.first + part.length - 1))]
            }
            _ => Vec::new(),
        };
        let response = open.send(method, &path, &fields).await;
        if let (Action::Torn, Err(_)) = (action, &response) {
            return Ok(false);
        }
        let mut response = response?;
        let status = response.status().as_u16();
        let body = response.body_mut();
        let whole = Expected { n, first: 0, length };
        match (action, status) {
            (Action::Known, 304) | (Action::Put, 204) | (Action::Reset | Action::Torn, 502) => {
                body.collect().await?;
            }
            (Action::Part, 206) => check(body, part, Pace::Fast, &self.clock).await?,
            (Action::Torn, 200) => {
                return match check(body, whole, Pace::Fast, &self.clock).await {
                    Ok(()) => Err("a torn body looks whole".into()),
                    Err(error) if error.is::<hyper::Error>() => Ok(false),
                    Err(error) => Err(error),
                };
            }
            (Action::Leave, 200) => {
                body.frame().await.transpose()?;
                return Ok(false);
            }
            (Action::SlowReader, 200) => check(body, whole, Pace::Slow, &self.clock).await?,
            (Action::Get | Action::Part | Action::Known, 200)
            | (Action::Private | Action::Large | Action::SlowApi, 200) => {
                check(body, whole, Pace::Fast, &self.clock).await?;
            }
            _ => return Err(format!("{method} {path} is {status}").into()),
        }
        Ok(true)
    }

    /// Writes half a head and leaves.
    async fn half_request(&self, n: u64) -> Result<(), Failure> {
        let mut stream = tokio::net::TcpStream::connect(self.proxy).await?;
        stream.write_all(format!("GET /object/{n} HTTP/1.1\r\nHost: so").as_bytes()).await?;
        socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO))?;
        Ok(())
    }
}

impl Action {
    fn kind(self) -> Kind {
        match self {
            Action::Private => Kind::Private,
            Action::Large | Action::SlowReader | Action::Leave => Kind::Large,
            Action::SlowApi => Kind::Slow,
            Action::Torn => Kind::Torn,
            Action::Reset => Kind::Reset,
            Action::Get | Action::Known | Action::Part | Action::Put | Action::HalfRequest => {
                Kind::Object
            }
        }
    }

    fn name(self) -> &'static str {
        match self {
            Action::Get => "get",
            Action::Known => "get what is known",
            Action::Part => "get a part",
            Action::Put => "put",
            Action::Private => "get what is private",
            Action::Large => "get what is large",
            Action::SlowApi => "wait for a slow api",
            Action::SlowReader => "read slowly",
            Action::Leave => "leave in the middle",
            Action::HalfRequest => "ask by half",
            Action::Torn => "get a torn body",
            Action::Reset => "get a reset",
        }
    }
}

fn pick(random: &mut fastrand::Rng) -> Action {
    let mut left = random.u64(..1000);
    for (action, share) in MIX {
        if left < share {
            return action;
        }
        left -= share;
    }
    Action::Get
}

/// Some objects are asked for far more often than others.
fn popular(random: &mut fastrand::Rng) -> u64 {
    let skewed = random.f64() * random.f64() * random.f64();
    (skewed * 4000.0) as u64 % origin::OBJECTS
}
