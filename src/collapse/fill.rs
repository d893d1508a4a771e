//! A body that is still arriving: one writer, many readers, each at its own pace.
//!
//! While the body fits under the limit and the budget, all of it is kept, so a
//! reader may join late and still see the first byte, and [`Fill::finish`]
//! yields it whole for the store. Past that the fill *spills*: it forgets what
//! every reader has read and stays at most one [`WINDOW`] ahead of the slowest
//! of them. Where several read along, one who takes longer than [`STALL`] for
//! a window is cut; a single reader's pace is its connection's own affair.

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::budget::Claim;
use crate::{
    clock::Clock,
    policy::{Mono, Unstorable},
    store::{BodyHasher, BodyId},
};

/// Bytes that a spilled body may be ahead of its slowest reader.
pub const WINDOW: u64 = 256 << 10;

/// How long the slowest of several readers may take for a window.
pub const STALL: Duration = Duration::from_secs(10);

/// Chunks below this are joined: each would pin a whole read buffer.
const SMALL: usize = 4096;

/// The body ended before its end: the origin failed, or this reader was too slow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the body ended early")]
pub struct Aborted;

/// What became of a pushed chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pushed {
    /// Kept for readers yet to come, and for the store.
    Kept,
    /// Passed to the readers at hand only; the body will not be stored.
    Spilled,
    /// Nobody is left to read a body that will not be stored. Stop.
    Deserted,
}

/// Why a body is not kept whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spilled {
    /// It is longer than the limit.
    TooLarge,
    /// The bodies in flight have used up their budget.
    NoRoom,
}

/// How a body is to be taken in.
#[derive(Debug)]
pub struct Terms {
    /// The longest body that is kept, in bytes.
    pub limit: u64,
    /// Its length, where the origin declared one.
    pub declared: Option<u64>,
    /// Its part of the budget for bodies in flight.
    pub claim: Claim,
    /// Tells when a reader is too slow.
    pub clock: Clock,
}

/// The writing half. Dropping it unfinished aborts every reader.
#[derive(Debug)]
pub struct Fill {
    shared: Arc<Shared>,
    /// Boxed: it is large, and what holds it is moved about.
    hasher: Box<BodyHasher>,
    limit: u64,
    clock: Clock,
    spilled: bool,
    /// Since when, and since which length of the body, the readers have been waited for.
    waiting: Option<(Mono, u64)>,
}

/// Where readers come from.
#[derive(Clone, Debug)]
pub struct Filling(Arc<Shared>);

/// One reader's cursor; the body of one response.
#[derive(Debug)]
pub struct Reader {
    shared: Arc<Shared>,
    seat: usize,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// A reader of a spilled body has moved on or left.
    room: Notify,
    declared: Option<u64>,
}

#[derive(Debug)]
struct State {
    /// The kept chunks, each with its offset in the whole body.
    chunks: VecDeque<(u64, Bytes)>,
    /// Bytes that have arrived.
    length: u64,
    /// Why it is not kept whole.
    spilled: Option<Spilled>,
    end: Option<Result<(), Aborted>>,
    seats: Vec<Option<Seat>>,
    free: Vec<usize>,
    claim: Option<Claim>,
}

/// How far one reader has come.
#[derive(Debug)]
struct Seat {
    next: u64,
    waker: Option<Waker>,
}

impl Fill {
    /// A body of which nothing has arrived yet.
    #[must_use]
    pub fn new(terms: Terms) -> (Fill, Filling) {
        let Terms { limit, declared, claim, clock } = terms;
        let state = State {
            chunks: VecDeque::new(),
            length: 0,
            spilled: None,
            end: None,
            seats: Vec::new(),
            free: Vec::new(),
            claim: Some(claim),
        };
        let shared = Arc::new(Shared { state: Mutex::new(state), room: Notify::new(), declared });
        let filling = Filling(shared.clone());
        (
            Fill { shared, hasher: Box::default(), limit, clock, spilled: false, waiting: None },
            filling,
        )
    }

    /// Takes in the next bytes; waits for the readers once the body has spilled.
    pub async fn push(&mut self, chunk: Bytes) -> Pushed {
        if self.keep(&chunk) {
            return Pushed::Kept;
        }
        let shared = self.shared.clone();
        loop {
            let room = shared.room.notified();
            match self.pass_on(&chunk) {
                Some(pushed) => return pushed,
                None => self.wait_for(room).await,
            }
        }
    }

    /// Resolves once nobody reads along.
    pub async fn deserted(&self) {
        loop {
            let left = self.shared.room.notified();
            if !self.has_readers() {
                return;
            }
            left.await;
        }
    }

    /// Whether anybody reads along.
    #[must_use]
    pub fn has_readers(&self) -> bool {
        self.shared.state.lock().has_readers()
    }

    /// Ends the body; yields it whole, in one allocation, if it was kept, with its hash.
    ///
    /// The copy is deliberate: the chunks are slices of the connection's read buffers, and
    /// keeping them would pin those for as long as the entry lives. The readers go on with it.
    ///
    /// # Errors
    /// Why it was not kept.
    pub fn finish(mut self, coding: Option<&[u8]>) -> Result<(Bytes, BodyId), Spilled> {
        let mut state = self.shared.state.lock();
        let whole = state.spilled.map_or_else(|| Ok(state.whole()), Err);
        state.close(Ok(()));
        drop(state);
        whole.map(|body| (body, self.hasher.finish(coding)))
    }

    fn keep(&mut self, chunk: &Bytes) -> bool {
        if self.spilled {
            return false;
        }
        // Not under the lock, which readers wait for.
        self.hasher.update(chunk);
        let mut state = self.shared.state.lock();
        let length = state.length + chunk.len() as u64;
        if length > self.limit {
            state.spilled = Some(Spilled::TooLarge);
        } else if !state.claim.as_mut().is_some_and(|claim| claim.grow_to(length)) {
            state.spilled = Some(Spilled::NoRoom);
        } else {
            state.append(chunk);
        }
        self.spilled = state.spilled.is_some();
        !self.spilled
    }

    /// Passes a chunk of a spilled body on; `None` while the slowest reader is a window behind.
    fn pass_on(&mut self, chunk: &Bytes) -> Option<Pushed> {
        let mut state = self.shared.state.lock();
        state.forget();
        if !state.has_readers() {
            return Some(Pushed::Deserted);
        }
        let held = state.held();
        if held > 0 && held + chunk.len() as u64 > WINDOW {
            return None;
        }
        state.append(chunk);
        if self.waiting.is_some_and(|(_, length)| state.length - length >= WINDOW) {
            self.waiting = None;
        }
        Some(Pushed::Spilled)
    }

    async fn wait_for(&mut self, room: impl Future<Output = ()>) {
        let now = self.clock.now().mono;
        let length = self.shared.state.lock().length;
        let (since, _) = *self.waiting.get_or_insert((now, length));
        let waited = Duration::from_millis(now.since(since).unsigned_abs());
        if self.clock.timeout(STALL.saturating_sub(waited), room).await.is_err() {
            self.shared.state.lock().cut_slowest();
            self.waiting = None;
        }
    }
}

impl Drop for Fill {
    fn drop(&mut self) {
        self.shared.state.lock().close(Err(Aborted));
    }
}

impl Filling {
    /// A reader from the first byte, or `None` once that byte is forgotten.
    #[must_use]
    pub fn reader(&self) -> Option<Reader> {
        let mut state = self.0.state.lock();
        if state.spilled.is_some() || matches!(state.end, Some(Err(_))) {
            return None;
        }
        let seat = Some(Seat { next: 0, waker: None });
        let index = match state.free.pop() {
            Some(index) => {
                state.seats[index] = seat;
                index
            }
            None => {
                state.seats.push(seat);
                state.seats.len() - 1
            }
        };
        Some(Reader { shared: self.0.clone(), seat: index })
    }
}

impl State {
    fn append(&mut self, chunk: &Bytes) {
        if chunk.is_empty() {
            return;
        }
        let offset = self.length;
        self.length += chunk.len() as u64;
        match self.chunks.back_mut() {
            Some((_, last)) if last.len() + chunk.len() <= SMALL => {
                *last = Bytes::from([&last[..], &chunk[..]].concat());
            }
            _ if chunk.len() < SMALL => {
                self.chunks.push_back((offset, Bytes::copy_from_slice(chunk)));
            }
            _ => self.chunks.push_back((offset, chunk.clone())),
        }
        self.wake();
    }

    fn whole(&mut self) -> Bytes {
        let length = self.chunks.iter().map(|(_, chunk)| chunk.len()).sum();
        let mut whole = BytesMut::with_capacity(length);
        self.chunks.iter().for_each(|(_, chunk)| whole.extend_from_slice(chunk));
        let whole = whole.freeze();
        self.chunks = VecDeque::from([(0, whole.clone())]);
        self.claim = None;
        whole
    }

    fn close(&mut self, end: Result<(), Aborted>) {
        self.end.get_or_insert(end);
        self.wake();
    }

    fn wake(&mut self) {
        let seats = self.seats.iter_mut().flatten();
        seats.filter_map(|seat| seat.waker.take()).for_each(Waker::wake);
    }

    fn has_readers(&self) -> bool {
        self.seats.iter().any(Option::is_some)
    }

    /// Bytes that are held for the slowest reader.
    fn held(&self) -> u64 {
        self.chunks.front().map_or(0, |(offset, _)| self.length - offset)
    }

    fn slowest(&self) -> Option<u64> {
        self.seats.iter().flatten().map(|seat| seat.next).min()
    }

    /// Drops the chunks that every reader has read, and gives their room back.
    fn forget(&mut self) {
        let read = self.slowest().unwrap_or(self.length);
        while let Some((offset, chunk)) = self.chunks.front()
            && offset + chunk.len() as u64 <= read
        {
            self.chunks.pop_front();
        }
        let held = self.held().max(WINDOW);
        self.claim.iter_mut().for_each(|claim| claim.shrink_to(held));
    }

    /// Cuts the readers who have come least far, where there are others to go on for.
    fn cut_slowest(&mut self) {
        let slowest = self.slowest();
        let behind = |seat: &Seat| Some(seat.next) == slowest;
        if self.seats.iter().flatten().all(behind) {
            return;
        }
        let cut = self.seats.iter_mut().filter(|seat| seat.as_ref().is_some_and(behind));
        let cut: Vec<Seat> = cut.filter_map(Option::take).collect();
        cut.into_iter().filter_map(|seat| seat.waker).for_each(Waker::wake);
    }

    /// The next bytes for a reader at `next`.
    fn chunk_at(&self, next: u64) -> Option<Bytes> {
        let after = self.chunks.partition_point(|(offset, _)| *offset <= next);
        let (offset, chunk) = self.chunks.get(after.checked_sub(1)?)?;
        let skip = usize::try_from(next - offset).ok()?;
        (skip < chunk.len()).then(|| chunk.slice(skip..))
    }
}

impl Body for Reader {
    type Data = Bytes;
    type Error = Aborted;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Aborted>>> {
        let mut state = self.shared.state.lock();
        let Some(next) = state.seats[self.seat].as_ref().map(|seat| seat.next) else {
            return Poll::Ready(Some(Err(Aborted)));
        };
        if let Some(chunk) = state.chunk_at(next) {
            state.seats[self.seat] = Some(Seat { next: next + chunk.len() as u64, waker: None });
            if state.spilled.is_some() {
                self.shared.room.notify_one();
            }
            return Poll::Ready(Some(Ok(Frame::data(chunk))));
        }
        match state.end {
            Some(Ok(())) => Poll::Ready(None),
            Some(Err(aborted)) => Poll::Ready(Some(Err(aborted))),
            None => {
                let waker = Some(cx.waker().clone());
                state.seats[self.seat] = Some(Seat { next, waker });
                Poll::Pending
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        let state = self.shared.state.lock();
        let read = state.seats[self.seat].as_ref().map_or(0, |seat| seat.next);
        let left = self.shared.declared.map(|declared| declared.saturating_sub(read));
        left.map(SizeHint::with_exact).unwrap_or_default()
    }
}

impl Reader {
    /// Why the body is not stored after all, as far as is known by now.
    #[must_use]
    pub fn not_stored(&self) -> Option<Unstorable> {
        let state = self.shared.state.lock();
        match (state.spilled, state.end) {
            (Some(Spilled::TooLarge), _) => Some(Unstorable::TooLarge),
            (Some(Spilled::NoRoom), _) => Some(Unstorable::NoRoom),
            (None, Some(Err(Aborted))) => Some(Unstorable::Incomplete),
            (None, Some(Ok(())) | None) => None,
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let mut state = self.shared.state.lock();
        state.seats[self.seat] = None;
        state.free.push(self.seat);
        drop(state);
        self.shared.room.notify_one();
    }
}

#[cfg(test)]
mod tests;
