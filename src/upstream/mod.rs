//! Requests to an API: a pool of connections with limits, timeouts, and the retry rule.
//!
//! Knows HTTP/1.1 framing and sockets; knows neither the cache nor the client. A response body
//! holds its place among the upstream's `max_concurrent` until it has ended or is dropped.
//!
//! A connection has one owner at a time (the send, then the response body, then the pool), and is
//! closed by being dropped: that is how every early end, of a client, of a body, of the upstream
//! itself, closes what it leaves behind.

mod attempt;
mod body;
mod connect;
mod connection;
mod error;
pub mod framing;
pub mod health;
mod places;
mod pool;
mod quota;
mod stall;
#[cfg(test)]
mod tests;
pub(crate) mod tls;
mod upload;
mod wire;

use std::{
    net::IpAddr,
    sync::{Arc, atomic::AtomicBool},
    time::Instant,
};

use http::{Request, Response, StatusCode, header::UPGRADE, request};

pub use body::ResponseBody;
pub use error::{BodyError, ClientFault, Error};
pub use upload::RequestBody;

use crate::{clock::Clock, config, metrics::times::Histogram};
use attempt::{Answer, Failed, Terms, attempt};
use body::Lease;
use connect::Connector;
use connection::{Connection, Course};
use health::Health;
use places::{Client, Place, Places, Stay};
use pool::Pool;
use quota::Quota;
use stall::Stall;

/// One upstream: its pool and its limits. Lives across reloads while its configuration is the same.
#[derive(Debug)]
pub struct Upstream {
    config: config::Upstream,
    clock: Clock,
    connector: Connector,
    places: Places,
    quota: Option<Arc<Quota>>,
    pool: Arc<Pool>,
    health: Health,
    first_byte: Histogram,
}

/// Marks the response to a request that was sent before, and may have come: that answer is lost.
#[derive(Clone, Copy, Debug)]
pub struct SentTwice;

/// Makes the head of a request once more.
pub type Again<'a> = &'a (dyn Fn() -> request::Parts + Sync);

/// For whom a request is sent.
#[derive(Clone, Copy)]
pub struct Errand<'a> {
    /// The client, as far as is believed: clients take turns.
    pub client: Option<IpAddr>,
    /// Whether there is a stale response to have instead: then nobody waits for the end of a pause.
    pub stale: bool,
    /// Becomes true before the first byte may have been written, and false again if it turns out
    /// that none was.
    pub sent: &'a AtomicBool,
    /// Makes the same head again, for one without a body, should it have to be sent twice: most
    /// need not. Without it a copy is kept.
    pub again: Option<Again<'a>>,
}

impl<'a> Errand<'a> {
    /// One for nobody in particular.
    #[cfg(test)]
    fn test(sent: &'a AtomicBool) -> Errand<'a> {
        Errand { client: None, stale: false, sent, again: None }
    }
}

impl Upstream {
    /// Opens no connection yet, but reads the certificate roots. What is known of the quota of
    /// `previous`, which had the same name, stays known.
    ///
    /// # Errors
    /// Why its certificate roots cannot be used.
    pub fn new(
        config: config::Upstream,
        previous: Option<&Upstream>,
        clock: Clock,
    ) -> Result<Upstream, String> {
        let connector = Connector::new(&config, clock.clone())?;
        let places = Places::new(config.max_concurrent);
        let pool = Pool::new(clock.clone(), config.max_concurrent);
        let known = previous.and_then(|previous| previous.quota.clone());
        let quota = config
            .quota
            .map(|quota| known.unwrap_or_else(|| Arc::new(Quota::new(quota.rate, clock.clone()))));
        let health = Health::default();
        let first_byte = Histogram::long();
        Ok(Upstream { config, clock, connector, places, quota, pool, health, first_byte })
    }

    /// Goes by its own quota from now on, where it took over what is known of another's.
    pub fn take_over(&self) {
        if let (Some(quota), Some(config)) = (&self.quota, self.config.quota) {
            quota.set_rate(config.rate);
        }
    }

    /// What it was made of.
    #[must_use]
    pub fn config(&self) -> &config::Upstream {
        &self.config
    }

    /// How it has been doing.
    #[must_use]
    pub fn health(&self) -> &Health {
        &self.health
    }

    /// From a place here to the head of the answer, where there was one.
    #[must_use]
    pub fn first_byte(&self) -> &Histogram {
        &self.first_byte
    }

    /// Requests that have a place, and those that wait for one.
    #[must_use]
    pub fn load(&self) -> (usize, usize) {
        self.places.load(self.config.max_concurrent)
    }

    /// Sends a request whose head is ready to go: hop-by-hop fields removed, Host set, the URI in
    /// origin form.
    ///
    /// Content-Length and Transfer-Encoding are set here, by the body. The version in the head is
    /// the one that the client spoke: a body that came over HTTP/2 must have ended its stream.
    ///
    /// Waits at most `first_byte` for a place and as long for its turn by the quota, `connect` for
    /// a connection, and `first_byte` for
    /// the answer; the latter counts from the last bytes of an upload that the upstream has taken,
    /// and not while the client owes the next ones.
    ///
    /// With `Upgrade` in the head, a 101 comes back with [`hyper::upgrade::OnUpgrade`] in its
    /// extensions. Its body is the tunnel's place: keep it until the tunnel is over.
    ///
    /// Dropping the future closes the connection, or leaves the queue for a place.
    ///
    /// # Errors
    /// Why there is no response head.
    pub fn send<'a>(
        &'a self,
        head: request::Parts,
        body: RequestBody,
        errand: Errand<'a>,
    ) -> impl Future<Output = Result<Response<ResponseBody>, Error>> + Send + 'a {
        // Made here, not by what is awaited, which would hold both; and boxed, since from here on it
        // is handed over again and again.
        let request = Box::new(framing::request(head, body));
        self.exchange(request, errand)
    }

    async fn exchange(
        &self,
        request: Box<Request<RequestBody>>,
        errand: Errand<'_>,
    ) -> Result<Response<ResponseBody>, Error> {
        let lost = |error| self.health.lost(error);
        if let Some(quota) = &self.quota {
            quota.is_worth_waiting(errand.stale, self.config.first_byte).map_err(lost)?;
        }
        let upgrade = Upgrade::of(&request);
        let course = Course::of(&request, upgrade);
        let stay = match upgrade {
            Upgrade::NotAsked if http_body::Body::is_end_stream(request.body()) => Stay::Brief,
            Upgrade::NotAsked | Upgrade::Asked => Stay::Long,
        };
        let by = (Client::of(errand.client), stay);
        let place =
            self.places.take(by, &self.clock, self.config.first_byte).await.map_err(lost)?;
        let begun = self.clock.instant();
        // Boxed, like all that few requests come to: each request is as large as the largest of
        // what it may come to, and is moved about.
        let (connection, now) = match self.at_hand(course) {
            Some(connection) => (connection, begun),
            None => {
                let connection = Box::pin(self.in_turn(errand, self.connection())).await;
                let connection = connection.map_err(lost)?;
                (connection, self.clock.instant())
            }
        };
        let terms = self.terms((errand, course), now);
        let answer = match attempt(connection, request, &terms).await {
            Ok(answer) => answer,
            Err(failed) => Box::pin(self.once_more(failed, errand, &terms)).await.map_err(lost)?,
        };
        self.first_byte.add(self.clock.instant().saturating_duration_since(begun));
        if let Some(quota) = &self.quota
            && self.config.quota.is_some_and(|it| it.follow_headers)
        {
            quota.heed(answer.response.status(), answer.response.headers());
        }
        self.deliver(answer, place, upgrade).inspect(|_| self.health.answered()).map_err(lost)
    }

    fn terms<'a>(&'a self, (errand, course): (Errand<'a>, Course), now: Instant) -> Terms<'a> {
        let (clock, first_byte) = (&self.clock, self.config.first_byte);
        let due = now + first_byte;
        Terms { clock, first_byte, due, course, sent: errand.sent, again: errand.again }
    }

    /// The retry rule: what was not written, or died on a reused connection and may be received
    /// twice, is sent once more, on a new connection.
    async fn once_more(
        &self,
        failed: Failed,
        errand: Errand<'_>,
        terms: &Terms<'_>,
    ) -> Result<Answer, Error> {
        let (request, twice) = failed.again(terms)?;
        let connection = self.in_turn(errand, self.connector.connect()).await?;
        let terms = self.terms((errand, terms.course), self.clock.instant());
        let mut answer = attempt(connection, request, &terms).await?;
        if twice {
            answer.response.extensions_mut().insert(SentTwice);
        }
        Ok(answer)
    }

    /// A connection, at the time when the quota lets the next request go.
    async fn in_turn(
        &self,
        errand: Errand<'_>,
        connecting: impl Future<Output = Result<Connection, Error>>,
    ) -> Result<Connection, Error> {
        match &self.quota {
            None => connecting.await,
            Some(quota) => {
                let client = Client::of(errand.client);
                quota.in_turn(client, self.config.first_byte, connecting).await
            }
        }
    }

    /// A connection for which nothing has to be waited for.
    fn at_hand(&self, course: Course) -> Option<Connection> {
        if self.quota.is_some() { None } else { self.pool.at_hand(course) }
    }

    async fn connection(&self) -> Result<Connection, Error> {
        match self.pool.checkout().await {
            Some(idle) => Ok(idle),
            None => self.connector.connect().await,
        }
    }

    fn deliver(
        &self,
        answer: Answer,
        place: Place,
        upgrade: Upgrade,
    ) -> Result<Response<ResponseBody>, Error> {
        let Answer { response, connection, upload } = answer;
        let (mut head, incoming) = response.into_parts();
        let reuse = framing::check(&mut head)?;
        let stall = Stall::new(self.clock.clone(), self.config.between_bytes);
        let lease = Lease { connection, place, upload, pool: Arc::downgrade(&self.pool), reuse };
        let body = match (head.status, upgrade) {
            (StatusCode::SWITCHING_PROTOCOLS, Upgrade::Asked) => {
                ResponseBody::tunnel(incoming, stall, lease)
            }
            (StatusCode::SWITCHING_PROTOCOLS, Upgrade::NotAsked) => {
                return Err(Error::Framing("101 to a request without Upgrade"));
            }
            (_, Upgrade::Asked | Upgrade::NotAsked) => ResponseBody::new(incoming, stall, lease),
        };
        Ok(Response::from_parts(head, body))
    }
}

/// Whether the request asks for another protocol.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Upgrade {
    Asked,
    NotAsked,
}

impl Upgrade {
    fn of(request: &Request<RequestBody>) -> Upgrade {
        if request.headers().contains_key(UPGRADE) { Upgrade::Asked } else { Upgrade::NotAsked }
    }
}
