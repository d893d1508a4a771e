//! A storable response whose body came together with its head, as most short ones do: nobody has to
//! read along. It is stored at once, and its first client gets what all others get.

use bytes::Bytes;
use http::{HeaderMap, Response, header};

use super::{Duty, Fetch, Proxy, shared::News, steps::Room};
use crate::{
    cache_status::CacheStatus,
    collapse::Outcome,
    policy::Meta,
    reply,
    store::{Entry, Head},
    upstream::ResponseBody,
};

impl Proxy {
    /// Stores a response that is whole, and ends its fetch by it. `own` is for its first client
    /// alone.
    pub(super) fn take_whole(
        &self,
        fetch: &Fetch,
        duty: Duty,
        response: Response<Bytes>,
        (meta, room, own): (Meta, Room, HeaderMap),
    ) {
        let fwd_status = Some(response.status());
        let (head, place, body) = self.placed(fetch, response, (meta, room.names));
        let entry = entry(fetch, head, &body);
        self.keep((fetch, &duty.leader), (&place, &entry), News::Whole);
        if !own.is_empty() {
            let now = self.clock.now();
            let told = fetch.told().stored(&entry.head.meta, now).with_status(fwd_status);
            let status = CacheStatus::Forwarded(told);
            let answer = reply::stored(&fetch.visit, &entry, now, status);
            duty.owner.give(answer.with(&own));
        }
        duty.finish(Outcome::Entry { place, entry, fwd_status });
    }
}

/// The response with its body in memory of its own: what came is a slice of the connection's read
/// buffer. An identical refetch keeps the body that is stored already.
fn entry(fetch: &Fetch, head: Head, body: &Bytes) -> Entry {
    let coding = |head: &Head| head.fields.get(&header::CONTENT_ENCODING).map(<[u8]>::to_vec);
    let is_same = |stored: &&Entry| stored.body == *body && coding(&stored.head) == coding(&head);
    match fetch.stored.as_ref().filter(is_same) {
        Some(stored) => stored.freshened(head, fetch.asked),
        None => Entry::copied(head, body, fetch.asked),
    }
}

/// All of a body that is at hand, where that is the whole of what is stored.
///
/// # Errors
/// It as it comes.
pub(super) fn at_hand(fetch: &Fetch, body: ResponseBody) -> Result<Bytes, ResponseBody> {
    match fetch.part {
        Some(_) => Err(body),
        None => body.at_hand(),
    }
}
