//! What surrounds each journey: the log's record, what is counted, and the last hand to an answer.

use std::sync::Arc;

use http::{Response, Version, header, request};

use super::Proxy;
use crate::{
    body::Body,
    cache_status,
    log::Record,
    metrics::Metrics,
    policy::Now,
    reply::Answer,
    server::{Peer, PeerAddr},
};

impl Proxy {
    /// Begins the log's record of a request, if there is a log.
    pub(super) fn record(
        &self,
        head: &request::Parts,
        peer: &Peer,
        at: Now,
    ) -> Option<Box<Record>> {
        let host = || {
            let field = head.headers.get(header::HOST).and_then(|host| host.to_str().ok());
            field.or(head.uri.authority().map(|it| it.as_str())).unwrap_or_default()
        };
        let record = || Record {
            log: self.log.clone(),
            started: at,
            client: match peer.addr {
                PeerAddr::Ip(address) => Some(address),
                PeerAddr::Unix => None,
            },
            method: head.method.clone(),
            host: host().to_owned(),
            path: head.uri.path_and_query().map_or("", |it| it.as_str()).to_owned(),
            status: 0,
            cache: "",
            reason: None,
            missed: None,
            bytes: 0,
            torn: false,
            head_ms: 0,
        };
        self.log.is_on().then(|| Box::new(record()))
    }

    /// Counts an answer to a request that came at `at`.
    pub(super) fn counted(&self, answer: Answer, metrics: &Arc<Metrics>, at: Now) -> Answer {
        counted(answer, metrics, self.clock.mono().since(at.mono))
    }

    /// Puts the last hand to an answer: Cache-Status, and the log's record.
    pub(super) fn send(
        &self,
        answer: Answer,
        version: Version,
        record: Option<Box<Record>>,
    ) -> Response<Body> {
        let Answer { mut response, status, is_told, .. } = answer;
        if !is_told {
            let value = status.value(response.status());
            response.headers_mut().append(cache_status::NAME, value);
            if version == Version::HTTP_2 {
                response.headers_mut().remove(header::CONNECTION);
            }
        }
        let Some(mut record) = record else { return response };
        record.status = response.status().as_u16();
        record.cache = status.outcome();
        (record.reason, record.missed) = (status.reason(), status.missed());
        record.head_ms = self.clock.now().mono.since(record.started.mono);
        response.map(|body| body.logged(*record))
    }
}

/// Counts an answer whose head was ready `millis` after its request's had been read.
pub(super) fn counted(mut answer: Answer, metrics: &Arc<Metrics>, millis: i64) -> Answer {
    metrics.answered(answer.response.status(), &answer.status, millis);
    let body = std::mem::take(answer.response.body_mut());
    *answer.response.body_mut() = body.counted(metrics);
    answer
}
