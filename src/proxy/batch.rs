//! Batches: one POST, and the way of each request in it.
//!
//! An item's way is that of any other request: it is routed, throttled, counted and logged, and
//! joins whatever is under way. Only the look-ups in the shared tier are made together before. Some
//! items at a time run, each as a task of its own: a client that does not read keeps nobody waiting
//! who wants the same, and one that leaves ends them.

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, stream};
use http::{
    HeaderMap, HeaderValue, Method, Response, StatusCode, Version, header, request, response,
};
use http_body::Body as _;
use hyper::body::Incoming;
use tokio::task::JoinHandle;

use super::{
    Once, Proxy,
    gather::{Gathered, gather, joined},
    send::LastHand,
};
use crate::{
    batch::{self, Answers, Item, Reader, Rules, Sender, Told},
    body::Body,
    cache_status::CacheStatus,
    ids::Ids,
    log::Record,
    policy::{
        Now,
        coding::Accepts,
        encoding::{self, Form, Given},
        storing,
    },
    reason::{Ended, Refused},
    reply::{self, Answer, Unbatched},
    server::Peer,
    snapshot::Snapshot,
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
struct Batch {
    proxy: Arc<Proxy>,
    peer: Peer,
    snapshot: Arc<Snapshot>,
    rules: Rules,
    reader: Reader,
    at: Now,
    /// What the batch is known by, and each of its items.
    ids: Option<Arc<Ids>>,
    /// Bytes of bodies that may still be answered.
    left: AtomicU64,
}

/// An item on its way.
struct Running {
    item: Item,
    visit: Result<Visit, Rejected>,
    record: Option<Box<Record>>,
}

impl Proxy {
    /// Answers a batch.
    pub(super) async fn batch(self: Arc<Self>, posted: Posted, last: LastHand) -> Response<Body> {
        let at = posted.at;
        let answer = self.run(posted).await;
        self.send(self.counted(answer, &self.unrouted, at), last)
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
        let sender = Sender::of(&head);
        let mut running: Vec<Running> = items
            .into_iter()
            .map(|item| begin((sender.request(&item), item), (&peer, &snapshot), (at, ids.clone())))
            .collect();
        let visits = running.iter_mut().filter_map(|it| it.visit.as_mut().ok());
        self.look_ahead(&mut visits.collect::<Vec<_>>()).await;
        let reader = Reader::of(&head.headers);
        let left = AtomicU64::new(rules.max_answer);
        let proxy = self.clone();
        let batch = Batch { proxy, peer, snapshot, rules, reader, at, ids, left };
        self.packed_batch(&head.headers, Arc::new(batch), running)
    }

    /// What was posted, if it is a batch.
    async fn read_batch(
        &self,
        head: &request::Parts,
        body: Incoming,
        rules: &Rules,
    ) -> Result<Vec<Item>, Unbatched> {
        if head.method != http::Method::POST {
            return Err(Unbatched::Method);
        }
        let is_json = |value: &HeaderValue| {
            value.as_bytes().to_ascii_lowercase().starts_with(b"application/json")
        };
        // A page of another site can post other types without asking first.
        let typed = head.headers.get(header::CONTENT_TYPE).is_none_or(is_json);
        if !typed || head.headers.contains_key(header::CONTENT_ENCODING) {
            return Err(Unbatched::MediaType);
        }
        let read = read(body, rules.max_body);
        let posted = self.clock.timeout(rules.timeout, read).await.map_err(|_| Unbatched::Late)?;
        batch::items(&posted?, rules).map_err(Unbatched::Wrong)
    }

    /// The answer whose body runs the items.
    fn packed_batch(&self, asked: &HeaderMap, batch: Arc<Batch>, items: Vec<Running>) -> Answer {
        let (reader, rules) = (batch.reader, batch.rules.clone());
        let body = Body::Batch(Box::new(answers(batch, items)));
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
    /// An item's answer, as it is written.
    async fn answered(self: Arc<Self>, running: Running) -> Bytes {
        let Running { item, visit, record } = running;
        let clock = &self.proxy.clock;
        let passed = clock.now().mono.since(self.at.mono);
        let passed = Duration::from_millis(passed.unsigned_abs());
        let left = self.rules.timeout.saturating_sub(passed);
        let answer = clock.timeout(left, Box::pin(self.whole(visit, record))).await;
        let (head, mut body) = answer.unwrap_or_else(|_| {
            reply::in_place(StatusCode::GATEWAY_TIMEOUT, "the batch's time was over before it came")
        });
        if item.method == Method::HEAD {
            body.clear();
        }
        let told = Told { status: head.status, fields: &head.headers, body: &body };
        self.reader.write(&item, &told)
    }

    /// An item's way, to the end of its body.
    async fn whole(
        &self,
        visit: Result<Visit, Rejected>,
        record: Option<Box<Record>>,
    ) -> (response::Parts, Bytes) {
        let proxy = &self.proxy;
        let answer = match visit {
            Ok(visit) => {
                let (peer, snapshot) = (self.peer.clone(), self.snapshot.clone());
                let once = Once { body: None, upgrade: None, peer, snapshot };
                proxy.visited(Arc::new(visit), Box::new((once, None))).await
            }
            Err(rejected) => {
                let answer = reply::refused(rejected.refusal, &rejected.fields);
                proxy.counted(answer, &proxy.unrouted, self.at)
            }
        };
        let (version, scheme, ids) = (Version::HTTP_11, Scheme::Http, self.ids.clone());
        let mut response = proxy.send(answer, LastHand { version, scheme, ids, record });
        response.headers_mut().remove(header::CONNECTION);
        // In a body a page could read what its browser keeps from it (RFC 6265 §4.1.2.6).
        storing::SET_COOKIE.iter().for_each(|name| drop(response.headers_mut().remove(name)));
        let (head, body) = response.into_parts();
        let mut claim = match body {
            Body::Full(_) | Body::Empty => None,
            _ => proxy.budget.claim(0),
        };
        match gather(body, self.left.load(Relaxed), claim.as_mut()).await {
            Gathered::Whole(pieces) => {
                let body = joined(pieces);
                match self.takes(body.len() as u64) {
                    true => (head, body),
                    false => reply::in_place(StatusCode::BAD_GATEWAY, "too large for this batch"),
                }
            }
            Gathered::Longer(..) => {
                reply::in_place(StatusCode::BAD_GATEWAY, "too large for this batch")
            }
            Gathered::NoRoom(..) => {
                reply::in_place(StatusCode::SERVICE_UNAVAILABLE, "too much else is under way")
            }
            Gathered::Torn => reply::in_place(StatusCode::BAD_GATEWAY, "bad response"),
        }
    }

    /// Takes a body's bytes from what may still be answered, if they are there.
    fn takes(&self, bytes: u64) -> bool {
        self.left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(bytes)).is_ok()
    }
}

/// An item, let in as any other request.
fn begin(
    (head, item): (request::Parts, Item),
    (peer, snapshot): (&Peer, &Snapshot),
    (at, ids): (Now, Option<Arc<Ids>>),
) -> Running {
    let mut record = snapshot.log.record(&head, peer.addr, at);
    let (peer, way) = (peer.addr, peer.way.clone());
    let visit = Visit::new(snapshot, Arrived { head, content: false, peer, way, at, ids });
    if let (Ok(visit), Some(record)) = (&visit, &mut record) {
        record.client = visit.believed.client;
    }
    Running { item, visit, record }
}

/// An item's own task: others may wait for what it fetches, whether or not the batch's client reads.
/// It ends with whoever waits for it.
struct Own(JoinHandle<Bytes>);

impl Own {
    fn start(item: impl Future<Output = Bytes> + Send + 'static) -> Own {
        Own(tokio::spawn(item))
    }
}

impl Future for Own {
    type Output = Bytes;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Bytes> {
        // A panic costs this item, and nothing else.
        let lost = |_| Bytes::from_static(b"null");
        Pin::new(&mut self.0).poll(cx).map(|answer| answer.unwrap_or_else(lost))
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        self.0.abort();
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

/// The answers of these items as a body: in their order, or as they come.
fn answers(batch: Arc<Batch>, items: Vec<Running>) -> Answers {
    let (reader, parallel) = (batch.reader, batch.rules.parallel);
    let [before, between, behind] = reader.around();
    let all = stream::iter(items).map(move |running| Own::start(batch.clone().answered(running)));
    let answers = match reader {
        Reader::Array => all.buffered(parallel).left_stream(),
        Reader::Lines => all.buffer_unordered(parallel).right_stream(),
    };
    let piece = |text: &'static str| Bytes::from_static(text.as_bytes());
    let answers = answers.enumerate().flat_map(move |(index, answer)| {
        let separator = if index == 0 { "" } else { between };
        stream::iter([piece(separator), answer])
    });
    let around = |text| stream::iter([piece(text)]);
    Answers::new(around(before).chain(answers).chain(around(behind)))
}
