//! Batches: one POST, and the way of each request in it.
//!
//! An item's way is that of any other request: it is routed, throttled, counted and logged, and
//! joins whatever is under way. Only the look-ups in the shared tier are made together before. What
//! runs when is in [`items`](super::items).

use std::{
    future::poll_fn,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use http::{
    HeaderMap, HeaderValue, Method, Response, StatusCode, Version, header, request, response,
};
use http_body::Body as _;
use hyper::body::Incoming;

use super::{
    Once, Proxy,
    gather::{Gathered, gather, joined},
    hit::AtOnce,
    items::Run,
    send::{self, LastHand},
};
use crate::{
    batch::{self, Answers, Embedded, Item, Reader, Rules, Sender, Told, Written},
    body::Body,
    cache_status::CacheStatus,
    config::throttle::Count,
    ids::Ids,
    log::Record,
    policy::{
        Now,
        coding::Accepts,
        encoding::{self, Form, Given},
    },
    reason::{Ended, Refused},
    reply::{self, Answer, Lines, Unbatched},
    server::Peer,
    shape::{self, Text},
    snapshot::Snapshot,
    store::{self, Entry, Found},
    target::{self, Scheme},
    transform::{codec::Levels, recoded::Recoded},
    visit::{Arrived, Rejected, Visit},
};

/// A batch, as it was posted.
pub(super) struct Posted {
    pub(super) head: request::Parts,
    pub(super) body: Incoming,
    pub(super) peer: Peer,
    pub(super) snapshot: Arc<Snapshot>,
    pub(super) rules: Rules,
    pub(super) at: Now,
    pub(super) ids: Option<Arc<Ids>>,
}

/// What all items of a batch share.
pub(super) struct Batch {
    pub(super) proxy: Arc<Proxy>,
    peer: Peer,
    pub(super) snapshot: Arc<Snapshot>,
    pub(super) rules: Rules,
    pub(super) reader: Reader,
    sender: Sender,
    at: Now,
    /// What the batch is known by, and each of its items.
    ids: Option<Arc<Ids>>,
    /// Bytes of bodies that may still be answered.
    left: AtomicU64,
}

/// An item's way: let in, or not.
pub(super) struct Way {
    visit: Result<Visit, Rejected>,
    record: Option<Box<Record>>,
    /// What was found in memory, where it was looked for.
    found: Option<Found>,
}

/// An item's answer, all of it there.
pub(super) struct Ready {
    head: Head,
    body: Bytes,
    text: Text,
}

/// How an item's answer begins.
enum Head {
    Own(response::Parts),
    Hit(Lines),
}

impl Proxy {
    /// Answers a batch.
    pub(super) async fn batch(self: Arc<Self>, posted: Posted, last: LastHand) -> Response<Body> {
        let at = posted.at;
        let mut answer = self.run(posted).await;
        self.count(&mut answer, &self.unrouted, at);
        self.send(answer, last)
    }

    async fn run(self: &Arc<Self>, posted: Posted) -> Answer {
        let Posted { head, body, peer, snapshot, rules, at, ids } = posted;
        let named = target::check(&head).and_then(|()| target::authority(&head, peer.way.scheme()));
        if let Err(refusal) = named {
            return reply::refused(refusal, &head.headers);
        }
        let items = match self.read_batch(&head, body, &rules).await {
            Ok(items) => items,
            Err(wrong) => return reply::unbatched(wrong),
        };
        let (sender, reader) = (Sender::of(&head), Reader::of(&head.headers));
        let left = AtomicU64::new(rules.max_answer);
        let proxy = self.clone();
        let batch = Batch { proxy, peer, snapshot, rules, reader, sender, at, ids, left };
        let begun = self.begun_together(&batch, items).await;
        let run = match begun {
            Ok(begun) => Run::of_begun(Arc::new(batch), begun),
            Err(items) => Run::of(Arc::new(batch), items),
        };
        self.packed_batch(&head.headers, run)
    }

    /// The items, let in before any of them runs, where what they want is looked for in the shared
    /// tier.
    ///
    /// # Errors
    /// They themselves, where there is none.
    async fn begun_together(
        &self,
        batch: &Batch,
        items: Vec<Item>,
    ) -> Result<Vec<(Item, Way)>, Vec<Item>> {
        if self.remote.is_none() {
            return Err(items);
        }
        let begin = |item: Item| {
            let way = batch.begin(&item);
            (item, way)
        };
        let mut begun: Vec<(Item, Way)> = items.into_iter().map(begin).collect();
        let visits = begun.iter_mut().filter_map(|(_, way)| way.visit.as_mut().ok());
        self.look_ahead(&mut visits.collect::<Vec<_>>()).await;
        Ok(begun)
    }

    /// What was posted, if it is a batch.
    async fn read_batch(
        &self,
        head: &request::Parts,
        body: Incoming,
        rules: &Rules,
    ) -> Result<Vec<Item>, Unbatched> {
        if head.method != Method::POST {
            return Err(Unbatched::Method);
        }
        // A page of another site can post other types, and none, without asking first.
        if !shape::says_json(&head.headers) || head.headers.contains_key(header::CONTENT_ENCODING) {
            return Err(Unbatched::MediaType);
        }
        let read = read(body, rules.max_body);
        let posted = self.clock.timeout(rules.timeout, read).await.map_err(|_| Unbatched::Late)?;
        batch::items(&posted?, rules).map_err(Unbatched::Wrong)
    }

    /// The answer whose body runs the items.
    fn packed_batch(&self, asked: &HeaderMap, run: Run) -> Answer {
        let (reader, rules) = (run.batch().reader, run.batch().rules.clone());
        let body = Body::Batch(Box::new(Answers::new(run)));
        let mut response = Response::new(Body::Empty);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(reader.media_type()));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        let given = Given::of(headers, &rules.packing);
        if given.varies(&rules.packing, None) {
            encoding::add_to_vary(headers);
        }
        let permit = || self.streams.clone().try_acquire_owned().ok();
        *response.body_mut() = match given.form(&rules.packing, Accepts::of(asked), None) {
            form @ Form::Packed(coding) => match permit() {
                Some(permit) => {
                    encoding::describe(headers, form);
                    let recoded = Recoded::packed(body, (coding, Levels::default()), permit);
                    Body::Recoded(Box::new(recoded))
                }
                None => body,
            },
            Form::AsItCame | Form::Unpacked(_) => body,
        };
        Answer::new(response, CacheStatus::Refused(Refused::Ended(Ended::Batch)))
    }
}

impl Batch {
    /// Lets an item in as any other request.
    pub(super) fn begin(&self, item: &Item) -> Way {
        let (head, peer) = (self.sender.request(item), &self.peer);
        let mut record = self.snapshot.log.record(&head, peer.addr, self.at);
        let (peer, way, ids) = (peer.addr, peer.way.clone(), self.ids.clone());
        let arrived = Arrived { head, content: false, peer, way, at: self.at, ids };
        let visit = Visit::new(&self.snapshot, arrived);
        if let (Ok(visit), Some(record)) = (&visit, &mut record) {
            record.client = visit.believed.client;
        }
        Way { visit, record, found: None }
    }

    /// The answer of an item for which nothing has to be waited for; else its way knows what was
    /// found.
    pub(super) fn set_out(&self, way: &mut Way) -> Option<Ready> {
        let visit = way.visit.as_mut().ok()?;
        visit.arrived = self.proxy.clock.now();
        match self.at_once(visit, &mut way.record) {
            AtOnce::Answer(ready) => Some(ready),
            AtOnce::Wait(found) => {
                way.found = found;
                None
            }
        }
    }

    /// The same, of a visit.
    pub(super) fn at_once(&self, visit: &Visit, record: &mut Option<Box<Record>>) -> AtOnce<Ready> {
        if !visit.route.throttle.is_free(Count::All) {
            return AtOnce::Wait(None);
        }
        self.proxy.at_once(visit, None, |stored, cut| {
            let unnamed = self.ids.as_ref().is_none_or(|ids| ids.request.is_none());
            if record.is_none() && unnamed {
                let lines = Lines::of(visit, stored, cut.and_then(store::Cut::tag));
                if let Some(lines) = lines.filter(|_| cut.is_none_or(|cut| cut.tag().is_some())) {
                    return Some(self.hit(visit, stored, lines));
                }
            }
            let mut answer = self.proxy.hit_at_hand(visit, (stored, cut))?;
            // What comes as it comes has a task of its own.
            if !answer.response.body().is_at_hand() {
                return None;
            }
            let is_its = answer.response.body().shares(&stored.body);
            send::count(&mut answer, &visit.route.metrics, 0);
            let (head, body) = self.sent(answer, record.take()).into_parts();
            let body = body.at_hand().unwrap_or_default();
            let text = match is_its {
                true => stored.text(),
                false => Text::of(&head.headers, &body),
            };
            Some(self.within((Head::Own(head), body), text))
        })
    }

    /// A hit as it is stored.
    fn hit(&self, visit: &Visit, stored: &Entry, lines: Lines) -> Ready {
        let metrics = &visit.route.metrics;
        metrics.answered(lines.status(), &lines.cache_status(), 0);
        metrics.sent(stored.body.len() as u64);
        self.within((Head::Hit(lines), stored.body.clone()), stored.text())
    }

    /// An item's answer, all of it, or what stands for it once the batch's time is over.
    pub(super) async fn answered(self: Arc<Self>, way: Way) -> Ready {
        let clock = &self.proxy.clock;
        let passed = clock.now().mono.since(self.at.mono);
        let passed = Duration::from_millis(passed.unsigned_abs());
        let left = self.rules.timeout.saturating_sub(passed);
        let answer = clock.timeout(left, Box::pin(self.whole(way))).await;
        answer.unwrap_or_else(|_| {
            let why = "the batch's time was over before it came";
            Ready::in_place(StatusCode::GATEWAY_TIMEOUT, why)
        })
    }

    /// An item's way, to the end of its body.
    async fn whole(&self, way: Way) -> Ready {
        let (proxy, Way { visit, record, found }) = (&self.proxy, way);
        let answer = match visit {
            Ok(visit) => {
                let (peer, snapshot) = (self.peer.clone(), self.snapshot.clone());
                let once = Once { body: None, upgrade: None, peer, snapshot };
                proxy.visited(Arc::new(visit), Box::new((once, found))).await
            }
            Err(rejected) => {
                let mut answer = reply::refused(rejected.refusal, &rejected.fields);
                proxy.count(&mut answer, &proxy.unrouted, self.at);
                answer
            }
        };
        let (head, body) = self.sent(answer, record).into_parts();
        let mut claim = match body {
            Body::Full(_) | Body::Empty => None,
            _ => proxy.budget.claim_for_one(0),
        };
        match gather(body, self.left.load(Relaxed), claim.as_mut()).await {
            Gathered::Whole(pieces) => {
                let body = joined(pieces);
                let text = Text::of(&head.headers, &body);
                let body = match claim {
                    Some(claim) => claim.hold(body),
                    None => body,
                };
                self.within((Head::Own(head), body), text)
            }
            Gathered::Longer(..) => Ready::too_large(),
            Gathered::NoRoom(..) => Ready::no_room(),
            Gathered::Torn => Ready::in_place(StatusCode::BAD_GATEWAY, "bad response"),
        }
    }

    /// The last hand to an item's answer.
    fn sent(&self, answer: Answer, record: Option<Box<Record>>) -> Response<Body> {
        let (version, scheme, ids) = (Version::HTTP_11, Scheme::Http, self.ids.clone());
        self.proxy.send(answer, LastHand { version, scheme, ids, record })
    }

    /// Writes an item's answer. What is made for it alone is counted as in flight until it is sent.
    pub(super) fn write(&self, out: &mut Written, item: &Item, ready: Ready) {
        let Ready { head, body, text } = ready;
        // RFC 9110 §9.3.2
        let text = if item.method == Method::HEAD { Text::Nothing } else { text };
        let body = self.reader.embed(text, body);
        let claim = || self.proxy.budget.claim_for_one(body.value.len() as u64);
        let body = match body.made.then(claim) {
            None => body,
            Some(Some(claim)) => Embedded { value: claim.hold(body.value), ..body },
            Some(None) => return self.write(out, item, Ready::no_room()),
        };
        match &head {
            Head::Own(head) => {
                let lines = head.headers.iter();
                let lines = lines.map(|(name, value)| (name.as_str().as_bytes(), value.as_bytes()));
                self.reader.write(out, item, Told { status: head.status, lines, body });
            }
            Head::Hit(lines) => {
                let (status, lines) = (lines.status(), lines.iter());
                self.reader.write(out, item, Told { status, lines, body });
            }
        }
    }

    /// An answer, where it is within what the batch may still be answered.
    fn within(&self, (head, body): (Head, Bytes), text: Text) -> Ready {
        match self.takes(body.len() as u64) {
            true => Ready { head, body, text },
            false => Ready::too_large(),
        }
    }

    /// Takes a body's bytes from what may still be answered, if they are there.
    fn takes(&self, bytes: u64) -> bool {
        self.left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(bytes)).is_ok()
    }
}

impl Way {
    /// That of a visit for which this was found.
    pub(super) fn of(visit: Visit, found: Option<Found>) -> Way {
        Way { visit: Ok(visit), record: None, found }
    }

    /// The visit of what has no line in the log.
    pub(super) fn plain(&self) -> Option<&Visit> {
        self.visit.as_ref().ok().filter(|_| self.record.is_none())
    }
}

impl Ready {
    fn too_large() -> Ready {
        Ready::in_place(StatusCode::BAD_GATEWAY, "too large for this batch")
    }

    fn no_room() -> Ready {
        Ready::in_place(StatusCode::SERVICE_UNAVAILABLE, "too much else is under way")
    }

    fn in_place(status: StatusCode, detail: &str) -> Ready {
        let (head, body) = reply::in_place(status, detail);
        Ready { head: Head::Own(head), body, text: Text::Json }
    }
}

/// What was posted.
async fn read(mut body: Incoming, limit: u64) -> Result<Bytes, Unbatched> {
    let mut posted = BytesMut::new();
    if body.size_hint().lower() > limit {
        return Err(Unbatched::TooLarge);
    }
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        let Ok(piece) = frame.map_err(|_| Unbatched::Torn)?.into_data() else { continue };
        if (posted.len() + piece.len()) as u64 > limit {
            return Err(Unbatched::TooLarge);
        }
        posted.extend_from_slice(&piece);
    }
    Ok(posted.freeze())
}
