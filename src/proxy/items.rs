//! The items of a batch as they run: while their answers are read, and in the order that their
//! client wants.
//!
//! What lies in memory is answered at once. All else runs as a task of its own, some of them at a
//! time: a client that does not read keeps nobody waiting who wants the same, and one that leaves
//! ends them. Items that differ in their paths alone share what the first of them on a route was
//! found to be.

use std::{
    collections::VecDeque,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    vec,
};

use bytes::{BufMut, Bytes};
use futures_util::{Stream, StreamExt, stream::FuturesUnordered};
use tokio::task::JoinHandle;

use super::{
    batch::{Batch, Ready, Way},
    hit::AtOnce,
};
use crate::{
    batch::{Item, Reader, Written},
    target,
    visit::Visit,
};

/// Routes of which a visit is remembered.
const MAX_KNOWN: usize = 8;

/// Items that wait for their turn at the same time.
const MAX_WAITING: usize = 128;

/// A batch that runs: its answers, in pieces.
pub(super) struct Run {
    batch: Arc<Batch>,
    items: Items,
    /// A visit of each route so far, to be turned to other targets.
    known: Vec<Visit>,
    /// Those that are told next: in an array they wait for the one before them.
    waiting: VecDeque<Started>,
    /// Those that are under way, where they are told as they come.
    unordered: FuturesUnordered<Own>,
    under_way: usize,
    written: Written,
    told: Told,
}

/// What there is to run.
enum Items {
    New(vec::IntoIter<Item>),
    Begun(vec::IntoIter<(Item, Way)>),
}

impl Items {
    fn len(&self) -> usize {
        match self {
            Items::New(items) => items.len(),
            Items::Begun(begun) => begun.len(),
        }
    }
}

/// An item that has begun to run.
enum Started {
    Ready(Item, Box<Ready>),
    Own(Own),
}

/// What was told so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Nothing,
    Some,
    All,
}

/// An item's own task: others may wait for what it fetches, whether or not the batch's client reads.
/// It ends with whoever waits for it.
struct Own {
    item: Option<Item>,
    task: JoinHandle<Ready>,
}

impl Run {
    /// Runs these.
    pub(super) fn of(batch: Arc<Batch>, items: Vec<Item>) -> Run {
        Run::new(batch, Items::New(items.into_iter()))
    }

    /// Runs these, which were let in already.
    pub(super) fn of_begun(batch: Arc<Batch>, items: Vec<(Item, Way)>) -> Run {
        Run::new(batch, Items::Begun(items.into_iter()))
    }

    fn new(batch: Arc<Batch>, items: Items) -> Run {
        let mut written = Written::of(items.len());
        written.small().put(batch.reader.around()[0].as_bytes());
        Run {
            batch,
            items,
            known: Vec::new(),
            waiting: VecDeque::new(),
            unordered: FuturesUnordered::new(),
            under_way: 0,
            written,
            told: Told::Nothing,
        }
    }

    pub(super) fn batch(&self) -> &Batch {
        &self.batch
    }

    /// Starts items until as many are under way as may be, however much of those before them is
    /// still to be sent.
    fn start(&mut self) {
        while self.under_way < self.batch.rules.parallel && self.waiting.len() < MAX_WAITING {
            let Some(started) = self.start_next() else { return };
            let waits = match self.batch.reader {
                Reader::Array => !self.waiting.is_empty() || self.written.is_due(),
                Reader::Lines => self.written.is_due(),
            };
            match (started, self.batch.reader) {
                (Started::Ready(item, ready), _) if !waits => self.tell(Some((item, *ready))),
                (Started::Own(own), Reader::Lines) => {
                    self.under_way += 1;
                    self.unordered.push(own);
                }
                (started, _) => {
                    self.under_way += usize::from(matches!(started, Started::Own(_)));
                    self.waiting.push_back(started);
                }
            }
        }
    }

    fn start_next(&mut self) -> Option<Started> {
        let item = match &mut self.items {
            Items::New(items) => items.next()?,
            Items::Begun(begun) => {
                let (item, way) = begun.next()?;
                return Some(self.started(item, way));
            }
        };
        if let Some(visit) = turned(&mut self.known, &self.batch, &item) {
            return Some(match self.batch.at_once(visit, &mut None) {
                AtOnce::Answer(ready) => Started::Ready(item, Box::new(ready)),
                AtOnce::Wait(found) => {
                    Started::own(&self.batch, item, Way::of(visit.clone(), found))
                }
            });
        }
        let way = self.batch.begin(&item);
        self.remember(&item, &way);
        Some(self.started(item, way))
    }

    fn started(&self, item: Item, mut way: Way) -> Started {
        match self.batch.set_out(&mut way) {
            Some(ready) => Started::Ready(item, Box::new(ready)),
            None => Started::own(&self.batch, item, way),
        }
    }

    fn remember(&mut self, item: &Item, way: &Way) {
        let Some(visit) = way.plain().filter(|visit| item.is_plain() && visit.can_turn()) else {
            return;
        };
        let is_known = || self.known.iter().any(|it| Arc::ptr_eq(&it.route, &visit.route));
        if self.known.len() < MAX_KNOWN && !is_known() {
            self.known.push(visit.clone());
        }
    }

    /// Writes an item's answer behind those before it; what was lost in a panic costs this item,
    /// and nothing else.
    fn tell(&mut self, answer: Option<(Item, Ready)>) {
        if self.told == Told::Some {
            self.written.small().put(self.batch.reader.around()[1].as_bytes());
        }
        self.told = Told::Some;
        match answer {
            Some((item, ready)) => self.batch.write(&mut self.written, &item, ready),
            None => self.written.small().put(&b"null"[..]),
        }
        self.written.small().put(self.batch.reader.end().as_bytes());
    }

    /// The answer whose turn it is; `None` after the last.
    fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<Option<Option<(Item, Ready)>>> {
        let answer = match self.waiting.front_mut() {
            Some(Started::Own(own)) => {
                let answer = ready!(Pin::new(own).poll(cx));
                self.waiting.pop_front();
                Some(answer)
            }
            Some(Started::Ready(..)) => {
                let Some(Started::Ready(item, ready)) = self.waiting.pop_front() else {
                    return Poll::Ready(None);
                };
                return Poll::Ready(Some(Some((item, *ready))));
            }
            None => ready!(self.unordered.poll_next_unpin(cx)),
        };
        self.under_way -= usize::from(answer.is_some());
        Poll::Ready(answer)
    }

    /// Writes the answers that are there by now, up to what is sent at once; ready at the end.
    fn poll_answers(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            self.start();
            if self.written.is_due() {
                return Poll::Pending;
            }
            match ready!(self.poll_answer(cx)) {
                Some(answer) => self.tell(answer),
                None => return Poll::Ready(()),
            }
        }
    }
}

impl Stream for Run {
    type Item = Bytes;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let run = self.get_mut();
        if run.told != Told::All && !run.written.is_due() && run.poll_answers(cx).is_ready() {
            run.told = Told::All;
            run.written.small().put(run.batch.reader.around()[2].as_bytes());
        }
        match run.written.piece() {
            Some(piece) => Poll::Ready(Some(piece)),
            None if run.told == Told::All => Poll::Ready(None),
            None => Poll::Pending,
        }
    }
}

impl Started {
    fn own(batch: &Arc<Batch>, item: Item, way: Way) -> Started {
        let task = tokio::spawn(batch.clone().answered(way));
        Started::Own(Own { item: Some(item), task })
    }
}

impl Future for Own {
    type Output = Option<(Item, Ready)>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = ready!(Pin::new(&mut self.task).poll(cx)).ok();
        Poll::Ready(answer.and_then(|answer| Some((self.item.take()?, answer))))
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The visit of an item that differs from one before it in its path alone.
fn turned<'k>(known: &'k mut [Visit], batch: &Batch, item: &Item) -> Option<&'k Visit> {
    if !item.is_plain() {
        return None;
    }
    let host = target::host(&known.first()?.authority);
    let route = batch.snapshot.route(host, item.target.path(), item.method.as_str())?;
    let visit = known.iter_mut().find(|it| Arc::ptr_eq(&it.route, route))?;
    visit.turn_to(&item.target, batch.proxy.clock.now()).ok()?;
    Some(visit)
}
