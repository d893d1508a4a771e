//! A request that repeats another on its connection, but for the target: what was found out about
//! that one is known of this, too.
//!
//! Made of a request that was answered at once, and answers those that can be. What has to be waited
//! for, goes another way, or needs more than its target to be looked at is left to the journey.

use std::sync::{Arc, Weak};

use http::{HeaderValue, Uri, Version, header, uri::PathAndQuery};

use super::{
    Proxy,
    form::accepts,
    hit::{AtOnce, InLines},
    send::{self, LastHand},
};
use crate::{
    config::throttle::Count,
    fields::write_line,
    ids::{self, RequestId},
    log,
    policy::{Now, coding::Accepts},
    reply::{self, Answer},
    server::{Repeated, Repeater},
    snapshot::Snapshot,
    store::{Cut, Entry},
    target::Scheme,
    throttle::{self, Told},
    visit::Visit,
};

/// What is known of the requests that repeat another.
struct Repeats {
    proxy: Arc<Proxy>,
    /// By what it was found out. It may be gone.
    snapshot: Weak<Snapshot>,
    /// The last one of them.
    visit: Visit,
    /// Whether it [can turn](Visit::can_turn) to another target.
    turns: bool,
    accepts: Accepts,
    scheme: Scheme,
    log: Option<log::Again>,
}

/// What an answer has for its request alone, and for its connection.
struct Own<'a> {
    hsts: Option<&'a HeaderValue>,
    id: Option<&'a RequestId>,
}

/// An answer at once.
enum Done {
    /// Its head is written.
    InLines(InLines),
    /// Its head is still to be written.
    Answer(Answer),
}

impl Proxy {
    /// What answers those that repeat a request, where that can be told.
    pub(super) fn repeater(
        self: &Arc<Self>,
        visit: Visit,
        snapshot: &Arc<Snapshot>,
        (scheme, log): (Scheme, Option<log::Again>),
    ) -> Option<Repeater> {
        // What is claimed of others may be heard at any time.
        if visit.content || !visit.listed {
            return None;
        }
        let (visit, proxy, snapshot) = (visit.kept()?, self.clone(), Arc::downgrade(snapshot));
        let (turns, accepts) = (visit.can_turn(), accepts(&visit));
        let mut repeats = Repeats { proxy, snapshot, visit, turns, accepts, scheme, log };
        Some(Repeater::new(move |target, head| repeats.answer(target, head)))
    }
}

impl Repeats {
    /// The answer to the request for `target`, its head written to `head`.
    fn answer(&mut self, target: &[u8], head: &mut Vec<u8>) -> Repeated {
        let Repeats { proxy, snapshot: known, visit, turns, accepts, scheme, log } = self;
        let snapshot = proxy.snapshot.load();
        if !std::ptr::eq(known.as_ptr(), Arc::as_ptr(&snapshot)) {
            return Repeated::Over;
        }
        let at = proxy.clock.now();
        if let Err(not) = turn((visit, *turns), &snapshot, target, at) {
            return not;
        }
        let ids = snapshot.naming.of(&visit.head.headers);
        let own = Own {
            hsts: send::hsts(&snapshot).filter(|_| *scheme == Scheme::Https),
            id: ids.as_ref().and_then(|ids| ids.request.as_ref()),
        };
        let hit = |entry: &Entry, cut: Option<&Cut>| {
            if cut.is_none() && own.can_be_added(visit, entry) {
                if let Some(done) = proxy.hit_in_lines((visit, *accepts), entry, head) {
                    return Some(match proxy.pay(visit)? {
                        Ok(told) => {
                            own.add(told, head);
                            Done::InLines(done)
                        }
                        Err(refusal) => Done::Answer(refusal),
                    });
                }
                head.clear();
            }
            let hit = proxy.hit_at_hand(visit, (entry, cut))?;
            let hit = hit.response.body().is_at_hand().then_some(hit)?;
            proxy.sell(visit, hit).map(Done::Answer)
        };
        let AtOnce::Answer(done) = proxy.at_once(visit, None, hit) else {
            return Repeated::Unanswered;
        };
        let metrics = &visit.route.metrics;
        let mut record = log.as_ref().map(|log| log.record(Uri::from(visit.target.clone()), at));
        match done {
            Done::InLines(InLines { status, told, body }) => {
                metrics.answered(status, &told, 0);
                metrics.sent(body.len() as u64);
                if let Some(record) = &mut record {
                    (record.ids, record.bytes) = (ids, body.len() as u64);
                    proxy.tell(record, status, &told);
                }
                Repeated::Answered(body)
            }
            Done::Answer(mut answer) => {
                send::count(&mut answer, metrics, 0);
                let last = LastHand { version: Version::HTTP_11, scheme: *scheme, ids, record };
                let mut response = proxy.send(answer, last);
                // It is at hand, and counts as sent.
                let body = std::mem::take(response.body_mut()).at_hand().unwrap_or_default();
                head.clear();
                reply::write_head(&response, body.len(), at.wall, head);
                Repeated::Answered(body)
            }
        }
    }
}

/// Makes a request the one for `target`, if it `turns`, or is that.
///
/// # Errors
/// That this cannot be.
fn turn(
    (visit, turns): (&mut Visit, bool),
    snapshot: &Snapshot,
    target: &[u8],
    at: Now,
) -> Result<(), Repeated> {
    if target == visit.target.as_str().as_bytes() {
        visit.arrived = at;
        return Ok(());
    }
    let is_batch = |path: &str| snapshot.batch.as_ref().is_some_and(|it| it.path == path);
    let target = PathAndQuery::try_from(target).map_err(|_| Repeated::Unanswered)?;
    if !turns || is_batch(target.path()) || !visit.keeps_route(snapshot, &target) {
        return Err(Repeated::Unanswered);
    }
    // Where it fails, it is neither of the two any more.
    visit.turn_to(&target, at).map_err(|_| Repeated::Over)
}

impl Own<'_> {
    /// Whether all of it can stand behind what is stored: what that has of the kind gives way, or
    /// stands for it.
    fn can_be_added(&self, visit: &Visit, entry: &Entry) -> bool {
        let none = visit.route.throttle.is_free(Count::All);
        if none && self.hsts.is_none() && self.id.is_none() {
            return true;
        }
        let kinds = [
            throttle::RATE_LIMIT,
            throttle::RATE_LIMIT_POLICY,
            header::STRICT_TRANSPORT_SECURITY,
            ids::REQUEST_ID,
        ];
        entry.head.fields.get_all(kinds).iter().all(Option::is_none)
    }

    /// Adds it, with what is told of limits, and the end of the head.
    fn add(&self, told: Option<Told>, head: &mut Vec<u8>) {
        if let Some(Told { limit, policy }) = told {
            write_line(throttle::RATE_LIMIT.as_str(), limit.as_bytes(), head);
            write_line(throttle::RATE_LIMIT_POLICY.as_str(), policy.as_bytes(), head);
        }
        if let Some(value) = self.hsts {
            write_line(header::STRICT_TRANSPORT_SECURITY.as_str(), value.as_bytes(), head);
        }
        if let Some(id) = self.id {
            write_line(ids::REQUEST_ID.as_str(), id.value().as_bytes(), head);
        }
        head.extend_from_slice(b"\r\n");
    }
}
