//! What is made of stored bodies, once however many ask for it at the same time.
//!
//! The work is done on threads that serve nobody, on fewer of them than there are cores, and
//! belongs to no client: it ends up in the store's memo whether or not who asked is still there.

use std::{
    collections::HashMap,
    io::ErrorKind,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::{Semaphore, watch};

use super::{
    codec::{self, Levels},
    recoded,
};
use crate::{
    key::Key,
    metrics::Times,
    policy::coding::Coding,
    store::{BodyId, Memo, Store},
};

/// Bodies that are worked on, or wait for it, at the same time; beyond that they are worked on as
/// they are sent.
const MAX_PENDING: usize = 1024;

/// And their bytes: what waits here, the store cannot let go.
const MAX_PENDING_BYTES: usize = 64 << 20;

/// What is made of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recipe {
    /// It is packed.
    Pack(Coding),
    /// It is unpacked, to at most so many bytes.
    Unpack(Coding, u64),
    /// It is unpacked, to at most so many bytes, and packed by the other coding.
    Repack(Coding, u64, Coding),
}

/// Makes memos.
#[derive(Debug)]
pub struct Memos {
    pending: Arc<Mutex<Pending>>,
    threads: Arc<Semaphore>,
    made: Arc<AtomicU64>,
    times: Arc<Times>,
}

/// What is worked on, or waits for it.
#[derive(Debug, Default)]
struct Pending {
    memos: HashMap<Key, watch::Receiver<Option<Memo>>>,
    bytes: usize,
}

/// A memo, or the wait for it.
enum Joined {
    Made(Memo),
    Pending(watch::Receiver<Option<Memo>>),
}

impl Recipe {
    /// Where its memo of a body lies.
    #[must_use]
    pub fn key(self, id: &BodyId) -> Key {
        let number = match self {
            Recipe::Pack(coding) => 1 + coding as u8,
            Recipe::Unpack(coding, _) => 0x11 + coding as u8,
            Recipe::Repack(from, _, to) => 0x31 + 0x10 * from as u8 + to as u8,
        };
        id.memo(number)
    }

    fn timed<T>(self, times: &Times, make: impl FnOnce() -> T) -> T {
        match self {
            Recipe::Pack(coding) | Recipe::Repack(_, _, coding) => times.of_packing(coding, make),
            Recipe::Unpack(coding, _) => times.of_unpacking(coding, make),
        }
    }

    fn make(self, body: &Bytes, levels: Levels) -> Memo {
        match self {
            Recipe::Pack(coding) => packed(body, coding, levels),
            Recipe::Unpack(coding, limit) => unpacked(body, coding, limit),
            Recipe::Repack(from, limit, to) => match unpacked(body, from, limit) {
                Memo::Made(text) => packed(&text, to, levels),
                memo => memo,
            },
        }
    }
}

fn packed(body: &Bytes, coding: Coding, levels: Levels) -> Memo {
    match codec::pack(body, coding, levels) {
        // Shorter or not: else a HEAD could not tell what a GET brings.
        Ok(bytes) => Memo::Made(bytes),
        Err(_) => Memo::Spoilt,
    }
}

fn unpacked(body: &Bytes, coding: Coding, limit: u64) -> Memo {
    let most = recoded::most(body.len() as u64);
    match codec::unpack(body, coding, limit.min(most)) {
        Ok(bytes) => Memo::Made(bytes),
        // Too long to be kept. Whether it is honest shows at its end.
        Err(error) if error.kind() == ErrorKind::FileTooLarge && limit < most => {
            codec::length(body, coding, most).map_or(Memo::Spoilt, |_| Memo::TooLong)
        }
        Err(_) => Memo::Spoilt,
    }
}

impl Memos {
    /// Works on at most `threads` bodies at the same time.
    #[must_use]
    pub fn new(threads: usize, times: Arc<Times>) -> Memos {
        let threads = Arc::new(Semaphore::new(threads.max(1)));
        Memos { pending: Arc::default(), threads, made: Arc::default(), times }
    }

    /// How many there have been made.
    #[must_use]
    pub fn made(&self) -> u64 {
        self.made.load(Relaxed)
    }

    /// What a recipe makes of a body; `None` where too much else is waiting to be made.
    pub async fn make(
        &self,
        store: &Arc<Store>,
        (body, id): (&Bytes, &BodyId),
        recipe: Recipe,
    ) -> Option<Memo> {
        let (body, times, bytes) = (body.clone(), self.times.clone(), body.len());
        let making = move || recipe.timed(&times, || recipe.make(&body, Levels::default()));
        self.make_at(store, (recipe.key(id), bytes), making).await
    }

    /// What lies at a key, or what is made of so many bytes to lie there; `None` where too much else
    /// is waiting to be made.
    pub async fn make_at(
        &self,
        store: &Arc<Store>,
        (key, bytes): (Key, usize),
        making: impl FnOnce() -> Memo + Send + 'static,
    ) -> Option<Memo> {
        if let Some(memo) = store.memo(key) {
            return Some(memo);
        }
        let mut pending = match self.join(store, (key, bytes), making)? {
            Joined::Made(memo) => return Some(memo),
            Joined::Pending(pending) => pending,
        };
        pending.wait_for(Option::is_some).await.ok()?.clone()
    }

    /// Makes what only one client may have: nobody finds it later.
    pub async fn make_once<T: Send + 'static>(
        &self,
        making: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let permit = self.threads.clone().acquire_owned().await.ok()?;
        // The thread goes on when its client has left, and so does what counts it.
        let counted = move || {
            let _permit = permit;
            making()
        };
        tokio::task::spawn_blocking(counted).await.ok()
    }

    /// Waits for what is being made, or has it made.
    fn join(
        &self,
        store: &Arc<Store>,
        (key, bytes): (Key, usize),
        making: impl FnOnce() -> Memo + Send + 'static,
    ) -> Option<Joined> {
        let mut pending = self.pending.lock();
        // Who makes one stores it before it leaves this map.
        if let Some(memo) = store.memo(key) {
            return Some(Joined::Made(memo));
        }
        if let Some(known) = pending.memos.get(&key) {
            return Some(Joined::Pending(known.clone()));
        }
        let fits = pending.bytes == 0 || pending.bytes + bytes <= MAX_PENDING_BYTES;
        if pending.memos.len() >= MAX_PENDING || !fits {
            return None;
        }
        let (done, receiver) = watch::channel(None);
        pending.memos.insert(key, receiver.clone());
        pending.bytes += bytes;
        drop(pending);
        let store = store.clone();
        let (threads, pending, made) =
            (self.threads.clone(), self.pending.clone(), self.made.clone());
        tokio::spawn(async move {
            let permit = threads.acquire_owned().await;
            // A panic of a library costs this memo, and nothing else.
            let memo = tokio::task::spawn_blocking(making).await.unwrap_or(Memo::Spoilt);
            drop(permit);
            made.fetch_add(1, Relaxed);
            store.put_memo(key, memo.clone());
            let mut pending = pending.lock();
            pending.memos.remove(&key);
            pending.bytes -= bytes;
            drop(pending);
            done.send_replace(Some(memo));
        });
        Some(Joined::Pending(receiver))
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;
    use crate::store::BodyHasher;

    fn memos() -> Memos {
        on(1)
    }

    fn on(threads: usize) -> Memos {
        Memos::new(threads, Arc::new(Times::new(crate::clock::Clock::manual(0).0)))
    }

    fn named(text: &str) -> (Bytes, BodyId) {
        let mut hasher = BodyHasher::default();
        hasher.update(text.as_bytes());
        (Bytes::from(text.to_owned()), hasher.finish(None))
    }

    #[tokio::test]
    async fn a_memo_is_made_once_however_many_ask() {
        let (store, memos) = (Arc::new(Store::new(1 << 20)), memos());
        let (body, id) = named(&"abcdefgh".repeat(1000));
        let recipe = Recipe::Pack(Coding::Gzip);
        let asked = (0..100).map(|_| memos.make(&store, (&body, &id), recipe));
        let all = futures_util::future::join_all(asked).await;
        let Some(Memo::Made(packed)) = &all[0] else { panic!("{:?}", all[0]) };
        assert!(all.iter().all(|memo| *memo == all[0]), "all get the same");
        assert_eq!(memos.made(), 1, "99 of them wait for the first");
        assert_eq!(memos.make(&store, (&body, &id), recipe).await, all[0]);
        assert_eq!(memos.made(), 1, "and who comes later finds it");
        assert_eq!(codec::unpack(packed, Coding::Gzip, 1 << 20).unwrap(), body);
        assert!(store.weight() >= packed.len() as u64, "it counts in the budget of memory");
    }

    #[tokio::test]
    async fn each_recipe_has_a_memo_of_its_own() {
        let (store, memos) = (Arc::new(Store::new(1 << 20)), memos());
        let (body, id) = named(&"abcdefgh".repeat(1000));
        let mut made = vec![id.memo(0)];
        for coding in Coding::ALL {
            let Some(Memo::Made(packed)) =
                memos.make(&store, (&body, &id), Recipe::Pack(coding)).await
            else {
                panic!("{coding:?} packs")
            };
            assert_eq!(codec::unpack(&packed, coding, 1 << 20).unwrap(), body, "{coding:?}");
            made.push(Recipe::Pack(coding).key(&id));
            made.push(Recipe::Unpack(coding, 1).key(&id));
            made.extend(Coding::ALL.map(|to| Recipe::Repack(coding, 1, to).key(&id)));
        }
        made.push(id.memo(crate::transform::cut::RECIPE));
        made.sort();
        made.dedup();
        assert_eq!(made.len(), 17, "no two recipes share a key, nor one with the body itself");
    }

    #[tokio::test]
    async fn what_is_too_long_to_be_kept_is_judged_by_all_of_it() {
        let (store, memos) = (Arc::new(Store::new(1 << 20)), memos());
        let id = |text| named(text).1;
        let noise: Vec<u8> = std::iter::repeat_with(|| fastrand::u8(..)).take(64 << 10).collect();
        let honest = Bytes::from(noise.repeat(32));
        // Packed to more than the limit is of, and so judged by its ratio after that alone.
        let bomb = [&noise[..8 << 10], &vec![0; 16 << 20][..]].concat();
        let pack = |body| codec::pack(body, Coding::Zstd, Levels::default()).unwrap();
        let recipe = Recipe::Unpack(Coding::Zstd, 1 << 20);
        let kept = memos.make(&store, (&pack(&honest), &id("one")), recipe).await;
        assert_eq!(kept, Some(Memo::TooLong), "it is 2 MiB of noise");
        let packed = pack(&Bytes::from(bomb));
        assert!(recoded::most(packed.len() as u64) > 1 << 20, "{}", packed.len());
        let spoilt = memos.make(&store, (&packed, &id("other")), recipe).await;
        assert_eq!(spoilt, Some(Memo::Spoilt), "it is 16 MiB of nothing");
    }

    #[tokio::test]
    async fn who_leaves_takes_nothing_along() {
        // One core has one thread for this, too.
        let (store, memos) = (Arc::new(Store::new(1 << 20)), on(0));
        let (body, id) = named(&"abcdefgh".repeat(1000));
        let recipe = Recipe::Pack(Coding::Gzip);
        let left = memos.make(&store, (&body, &id), recipe).now_or_never();
        assert_eq!(left, None, "it leaves while its memo is made");
        let memo = memos.make(&store, (&body, &id), recipe).await;
        assert!(matches!(memo, Some(Memo::Made(_))), "{memo:?}");
        assert_eq!(memos.made(), 1, "the work that it began is who follows' as well");
    }

    #[tokio::test]
    async fn work_that_nobody_waits_for_still_counts_as_work() {
        let memos = on(1);
        let (begin, begun) = tokio::sync::oneshot::channel();
        let (end, ended) = std::sync::mpsc::channel::<()>();
        let left = memos.make_once(move || (begin.send(()), ended.recv()));
        tokio::select! {
            _ = left => panic!("it ends when it is told to"),
            begun = begun => begun.unwrap(),
        }
        assert_eq!(memos.threads.available_permits(), 0, "its client has left, its thread has not");
        end.send(()).unwrap();
        assert_eq!(memos.make_once(|| 7).await, Some(7), "then it is the next one's turn");
    }

    #[tokio::test]
    async fn what_waits_has_a_bound_in_bytes() {
        let (store, memos) = (Arc::new(Store::new(1 << 20)), memos());
        let recipe = Recipe::Pack(Coding::Gzip);
        let large = Bytes::from(vec![b'7'; MAX_PENDING_BYTES]);
        let (one, other) = (named("one").1, named("other").1);
        assert!(memos.make(&store, (&large, &one), recipe).now_or_never().is_none(), "it waits");
        let refused = memos.make(&store, (&large, &other), recipe).now_or_never();
        assert_eq!(refused, Some(None), "there is no room for another one of that length");
        assert!(memos.make(&store, (&large, &one), recipe).await.is_some(), "the first is made");
        let next = memos.make(&store, (&named("other").0, &other), recipe).await;
        assert!(matches!(next, Some(Memo::Made(_))), "and there is room again: {next:?}");
        assert_eq!(memos.pending.lock().bytes, 0);
    }

    #[tokio::test]
    async fn what_is_no_packing_is_remembered() {
        let (store, memos) = (Arc::new(Store::new(1 << 20)), memos());
        let (body, id) = named("short");
        let unpack = Recipe::Unpack(Coding::Gzip, 1 << 20);
        assert_eq!(memos.make(&store, (&body, &id), unpack).await, Some(Memo::Spoilt));
        memos.make(&store, (&body, &id), unpack).await;
        assert_eq!(memos.made(), 1, "nobody tries twice");
        let pack = memos.make(&store, (&body, &id), Recipe::Pack(Coding::Brotli)).await;
        let Some(Memo::Made(packed)) = pack else { panic!("{pack:?}") };
        assert!(packed.len() >= body.len(), "packed all the same: RFC 9110 §9.3.2");
    }
}
