//! One connection, from its first byte to its last: HTTP/1, or HTTP/2, by prior knowledge or as the
//! handshake agreed.

use std::{error::Error, future::Future, sync::Arc, time::Duration};

use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::OwnedSemaphorePermit,
};

use super::{
    activity::Activity,
    arrive::{Entered, Knock},
    front::Common,
    handler::{Handler, Latest, Requests},
    http,
    io::Watched,
    peer::{Peer, Tenure},
    socket::Socket,
    streams::{Shared, Streams},
    watch::{Ended, Wait, Watch},
};
use crate::{
    config::{Limits, Timeouts},
    counters::Counters,
};

/// How long a client that is still sending may go on when we have answered and closed: closed at
/// once, the kernel would tear the answer away (RFC 9112 §9.6).
const LINGER: Duration = Duration::from_secs(2);

/// A connection with its place among `max_connections`.
#[derive(Debug)]
pub(super) struct Accepted {
    pub(super) knock: Knock,
    pub(super) place: Arc<OwnedSemaphorePermit>,
}

/// Counts the end of a connection, however it comes.
struct Counted(Arc<Counters>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.connections_ended.one();
    }
}

/// Serves one connection to its end. The place is free when nothing of it is left.
pub(super) async fn serve<H: Handler>(accepted: Accepted, common: Arc<Common>, handler: H) {
    let Accepted { knock, place } = accepted;
    let activity = Activity::new();
    let _open = common.open.enter(activity.clone());
    let _counted = Counted(common.counters.clone());
    let peer = knock.addr;
    let Some(entered) = knock.enter(&common, &activity).await else { return };
    let Entered { socket, addr, way, http2 } = entered;
    let tenure = Arc::new(Tenure { place, cut: common.cut.subscribe() });
    let peer = Peer { addr, socket: peer, way, tenure, repeater_wanted: None };
    let (limits, timeouts) = common.bounds();
    let watch = Watch::new(activity.clone(), common.clock.clone(), timeouts);
    let it = Serving { common, activity, peer, handler, limits, timeouts, watch };
    match http2 {
        false => it.http1(socket).await,
        true => {
            let io = Watched::known(socket, it.activity.clone());
            Box::pin(it.http2(io)).await;
        }
    }
}

struct Serving<H> {
    common: Arc<Common>,
    activity: Arc<Activity>,
    peer: Peer,
    handler: H,
    limits: Limits,
    timeouts: Timeouts,
    watch: Watch,
}

impl<H: Handler> Serving<H> {
    async fn http1(mut self, socket: Socket) {
        let io = Watched::new(socket, self.activity.clone(), self.limits.max_head);
        let io = TokioIo::new(io);
        let service = self.requests().http1();
        let mut connection =
            http::http1(&self.limits).serve_connection(io, service).with_upgrades();
        let ended = self.watch.drive(&mut connection).await;
        let (whole, refused, is_http2) = match &ended {
            Ended::Done(Ok(())) => (true, false, false),
            Ended::Done(Err(error)) => (false, error.is_parse(), error.is_parse_version_h2()),
            Ended::Late(_) | Ended::Stayed | Ended::Cut => (false, false, false),
        };
        if whole || refused {
            self.activity.set_fragile(false);
        }
        // Without parts, a tunnel has the socket now. Both ways to go on are boxed, so that what
        // few connections come to does not make each of them larger.
        let Some(parts) = connection.into_parts() else { return };
        let mut io = parts.io.into_inner();
        if is_http2 {
            io.rewind(parts.read_buf);
            return Box::pin(self.http2(io)).await;
        }
        self.tell(&ended);
        if whole || refused {
            Box::pin(self.linger(io, refused)).await;
        } else if matches!(ended, Ended::Late(Wait::Idle)) {
            // Nothing was under way: by TLS, that is said (RFC 9112 §9.8).
            let _ = at_once(io.shutdown()).await;
        }
    }

    async fn http2(mut self, io: Watched) {
        self.activity.multiplex();
        let latest = Latest::default();
        let streams = Streams(Arc::new(Shared {
            latest: latest.clone(),
            activity: self.activity.clone(),
            clock: self.common.clock.clone(),
            counters: self.common.counters.clone(),
            write_idle: self.timeouts.write_idle,
        }));
        let service = self.requests().http2(latest, self.limits.max_fields);
        let mut connection = http::http2(streams, &self.limits)
            .timer(self.common.clock.clone())
            .serve_connection(TokioIo::new(io), service);
        let ended = self.watch.drive(&mut connection).await;
        self.tell(&ended);
    }

    fn requests(&self) -> Requests<H> {
        Requests {
            handler: self.handler.clone(),
            peer: self.peer.clone(),
            activity: self.activity.clone(),
        }
    }

    /// Counts an end that was not the client's wish.
    fn tell(&self, ended: &Ended) {
        let counters = &self.common.counters;
        match ended {
            Ended::Done(Ok(())) | Ended::Stayed | Ended::Cut => return,
            Ended::Done(Err(error)) if is_fault(error) => counters.closed_protocol.one(),
            Ended::Done(Err(_)) => {}
            Ended::Late(Wait::Headers) => counters.closed_headers.one(),
            Ended::Late(Wait::Idle | Wait::Last) => counters.closed_idle.one(),
            Ended::Late(Wait::Write) => counters.closed_write_idle.one(),
        }
        let addr = self.peer.addr;
        match ended {
            Ended::Done(Err(error)) => {
                let cause = Error::source(error).map(ToString::to_string);
                tracing::debug!(?addr, %error, cause, "connection broken");
            }
            ended => tracing::debug!(?addr, ?ended, "connection closed"),
        }
    }

    /// Reads on for a while where the client may still be sending. `expected`: where it surely is.
    async fn linger(&self, mut io: Watched, expected: bool) {
        let mut scratch = [0; 4096];
        let reading = async {
            if !expected && !matches!(at_once(io.read(&mut scratch)).await, Some(Ok(1..))) {
                return;
            }
            while let Ok(1..) = io.read(&mut scratch).await {}
        };
        tokio::select! {
            biased;
            () = self.activity.cut() => {}
            _ = self.common.clock.timeout(LINGER, reading) => {}
        }
    }
}

/// What `future` gives without waiting.
async fn at_once<F: Future>(future: F) -> Option<F::Output> {
    tokio::select! {
        biased;
        output = future => Some(output),
        () = std::future::ready(()) => None,
    }
}

/// Whether the client broke the rules of HTTP, rather than the connection.
fn is_fault(error: &hyper::Error) -> bool {
    let source = Error::source(error);
    let http2 = source.and_then(|source| source.downcast_ref::<h2::Error>());
    error.is_parse() || http2.is_some_and(h2::Error::is_library)
}
