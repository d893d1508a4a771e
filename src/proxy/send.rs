//! What surrounds each journey: the log's record, what is counted, and the last hand to an answer.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue, Response, StatusCode, Version, header};

use super::Proxy;
use crate::{
    body::Body,
    cache_status::{self, CacheStatus},
    ids::{self, Ids},
    log::Record,
    metrics::Metrics,
    policy::Now,
    reply::Answer,
    snapshot::Snapshot,
    target::Scheme,
};

/// What the last hand to an answer needs to know of its request.
pub(super) struct LastHand {
    pub(super) version: Version,
    pub(super) scheme: Scheme,
    /// What it is known by.
    pub(super) ids: Option<Arc<Ids>>,
    /// What the log tells of it.
    pub(super) record: Option<Box<Record>>,
}

impl Proxy {
    /// Counts an answer to a request that came at `at`.
    pub(super) fn count(&self, answer: &mut Answer, metrics: &Arc<Metrics>, at: Now) {
        count(answer, metrics, self.clock.mono().since(at.mono));
    }

    /// Tells a client that came by TLS to come by nothing else (RFC 6797 §7.1), where the operator
    /// wants that and the origin has not spoken of it.
    fn tell_hsts(&self, fields: &mut HeaderMap) {
        if let Some(value) = hsts(&self.snapshot.load()) {
            fields.entry(header::STRICT_TRANSPORT_SECURITY).or_insert_with(|| value.clone());
        }
    }

    /// Puts the last hand to an answer: Cache-Status, the request's id, and the log's record.
    pub(super) fn send(&self, answer: Answer, last: LastHand) -> Response<Body> {
        let Answer { mut response, status, is_told, .. } = answer;
        let LastHand { version, scheme, ids, record } = last;
        if !is_told {
            let value = status.value(response.status());
            response.headers_mut().append(cache_status::NAME, value);
            if version == Version::HTTP_2 {
                response.headers_mut().remove(header::CONNECTION);
            }
        }
        if scheme == Scheme::Https {
            self.tell_hsts(response.headers_mut());
        }
        if let Some(id) = ids.as_ref().and_then(|ids| ids.request.as_ref()) {
            response.headers_mut().insert(ids::REQUEST_ID, id.value());
        }
        let Some(mut record) = record else { return response };
        record.ids = ids;
        self.tell(&mut record, response.status(), &status);
        response.map(|body| body.logged(*record))
    }

    /// Tells the log's record of an answer whose head is ready.
    pub(super) fn tell(&self, record: &mut Record, answer: StatusCode, status: &CacheStatus) {
        record.status = answer.as_u16();
        record.cache = status.outcome();
        (record.reason, record.missed) = (status.reason(), status.missed());
        record.head_ms = self.clock.now().mono.since(record.started.mono);
    }
}

/// What clients that came by TLS are told to go on with, where they are.
pub(super) fn hsts(snapshot: &Snapshot) -> Option<&HeaderValue> {
    snapshot.tls.as_ref()?.hsts.as_ref()
}

/// Counts an answer whose head was ready `millis` after its request's had been read.
pub(super) fn count(answer: &mut Answer, metrics: &Arc<Metrics>, millis: i64) {
    metrics.answered(answer.response.status(), &answer.status, millis);
    let body = std::mem::take(answer.response.body_mut());
    *answer.response.body_mut() = body.counted(metrics);
}
