//! A stored part and the rest of it, put together (RFC 9111 §3.4).

use http::{Response, StatusCode, header};
use http_body::Body as _;

use super::{
    Fetch, Proxy,
    steps::{self, Room},
    variants::merged,
};
use crate::{
    collapse::{
        Leader,
        fill::{Fill, Pushed},
    },
    policy::{Meta, Received, Unstorable, partial::ContentRange},
    store::Part,
    upstream::ResponseBody,
};

/// What is to become of a response that is of use.
pub(super) enum Admitted {
    /// It is stored: there is room for it.
    Stored(Meta, Room),
    /// It is a 304 for what is stored.
    Validated,
    /// What is stored stands in for it.
    StaleIfError,
    /// It is one client's alone.
    Unstorable(Unstorable),
}

impl Proxy {
    /// What is to become of a response, with the room that it needs; `None` where it is of no use.
    ///
    /// The rest of a stored part is of use together with that alone: without room for the whole it
    /// cannot be relayed as it comes.
    pub(super) fn admit(
        &self,
        fetch: &Fetch,
        received: Received,
        response: &Response<ResponseBody>,
    ) -> Option<Admitted> {
        let admitted = match received {
            Received::Storable(meta) => match self.room_for(fetch, response) {
                Ok(room) => return Some(Admitted::Stored(meta, room)),
                Err(reason) => Admitted::Unstorable(reason),
            },
            Received::Validated => Admitted::Validated,
            Received::StaleIfError => Admitted::StaleIfError,
            Received::Unstorable(reason) => Admitted::Unstorable(reason),
            Received::Mismatched => return None,
        };
        fetch.part.is_none().then_some(admitted)
    }
}

impl Fetch {
    /// Takes the origin's answer to a request for the rest of a part: as the whole, where it is the rest of
    /// the same representation; as it is, where it is something else. `None`: of no use, and
    /// the whole is to be asked for.
    pub(super) fn combine(
        &mut self,
        part: Part,
        response: Response<ResponseBody>,
    ) -> Option<Response<ResponseBody>> {
        match response.status() {
            StatusCode::PARTIAL_CONTENT if is_the_rest(&part, &response) => {
                let combined = completed(&part, response);
                self.part = Some(part);
                Some(combined)
            }
            StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE => None,
            StatusCode::NOT_MODIFIED | StatusCode::PRECONDITION_FAILED => None,
            _ => Some(response),
        }
    }

    /// What the origin answered with, where `status` is what became of it.
    pub(super) fn answered(&self, status: StatusCode) -> StatusCode {
        if self.part.is_some() { StatusCode::PARTIAL_CONTENT } else { status }
    }

    /// Bytes that are there already.
    pub(super) fn at_hand(&self) -> u64 {
        self.part.as_ref().map_or(0, |part| part.range.span.length())
    }

    /// Pours a response's body into a fill, and what is stored of it before or after; `false` if
    /// it broke off, or nobody is left to go on for.
    pub(super) async fn pour(&self, body: ResponseBody, fill: &mut Fill, leader: &Leader) -> bool {
        let first = self.part.as_ref().map(|part| part.range.span.first);
        if first == Some(0) && !self.push_part(fill).await {
            return false;
        }
        if !steps::drain(body, fill, leader).await {
            return false;
        }
        first.is_none_or(|first| first == 0) || self.push_part(fill).await
    }

    async fn push_part(&self, fill: &mut Fill) -> bool {
        let Some(part) = &self.part else { return true };
        fill.push(part.body.clone()).await != Pushed::Deserted
    }
}

/// Whether a 206 is exactly what is missing, of the same representation.
fn is_the_rest(part: &Part, response: &Response<ResponseBody>) -> bool {
    let Some(range) = ContentRange::of(response.headers()) else { return false };
    range.total == part.range.total
        && Some(range.span) == part.range.rest()
        && response.body().size_hint().exact() == Some(range.span.length())
        && part.continues(response.headers())
}

/// The head of the whole (RFC 9111 §3.4): the new fields, and of the stored ones the rest.
fn completed(part: &Part, response: Response<ResponseBody>) -> Response<ResponseBody> {
    let (mut head, body) = response.into_parts();
    head.headers.remove(header::CONTENT_LENGTH);
    let mut kept = part.head.fields.to_map();
    // Ours is added to what comes from the origin.
    kept.remove(header::VIA);
    head.headers = merged(&kept, &head.headers);
    head.headers.remove(header::CONTENT_RANGE);
    head.status = StatusCode::OK;
    Response::from_parts(head, body)
}
