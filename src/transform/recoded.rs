//! A body that is packed or unpacked while it arrives.
//!
//! What has come goes on whenever nothing more does, so an event is not held back; what the
//! client does not take is not read, so back pressure reaches the origin. A body that breaks off
//! breaks off in any form, and one that unpacks to more than an honest one could is broken off.
//! Trailers do not survive: they were of the other form.

use std::{
    io::{Error, ErrorKind},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use http_body::Frame;
use tokio::{
    io::{AsyncBufRead, AsyncRead, ReadBuf},
    sync::OwnedSemaphorePermit,
};

use super::codec::{self, Levels};
use crate::{body::Body, policy::coding::Coding};

/// Bytes that are handed on at a time.
const CHUNK: usize = 16 << 10;

/// Bytes that are read before others of this thread have their turn.
const TURN: usize = 256 << 10;

/// Unpacked bytes below which the ratio to the packed ones does not matter.
const HARMLESS: u64 = 1 << 20;

/// The most that an honest body of more than that is shrunk by.
const MAX_RATIO: u64 = 250;

/// The most bytes that any body is unpacked to.
const MAX_UNPACKED: u64 = 1 << 30;

/// The most bytes that an honest body of `packed` bytes unpacks to.
#[must_use]
pub fn most(packed: u64) -> u64 {
    packed.saturating_mul(MAX_RATIO).clamp(HARMLESS, MAX_UNPACKED)
}

/// A body in another form.
pub struct Recoded {
    source: codec::Source,
    chunk: Box<[u8]>,
    /// Bytes that the codec has taken, and had when others had their turn.
    taken: Arc<AtomicU64>,
    rested: u64,
    /// Where the ratio of what is made to what is read has a bound.
    bound: Option<Bound>,
    _permit: Option<OwnedSemaphorePermit>,
}

/// What an unpacked body may become.
struct Bound {
    made: u64,
    /// What is done once it is past that, or is no packed body at all.
    spoilt: Option<Box<dyn FnOnce() + Send>>,
}

/// Another body's bytes, as a codec reads them.
struct Read {
    body: Body,
    chunk: Bytes,
    taken: Arc<AtomicU64>,
    /// What is left of its turn.
    turn: usize,
}

impl Recoded {
    /// Packs a body.
    #[must_use]
    pub fn packed(
        body: Body,
        (coding, levels): (Coding, Levels),
        permit: OwnedSemaphorePermit,
    ) -> Recoded {
        let (read, taken) = Read::new(body);
        Recoded {
            _permit: Some(permit),
            ..Recoded::new(codec::packed(read, coding, levels), taken)
        }
    }

    /// Unpacks a body; `spoilt` is done if it unpacks to more than an honest one could.
    #[must_use]
    pub fn unpacked(body: Body, coding: Coding, spoilt: impl FnOnce() + Send + 'static) -> Recoded {
        let (read, taken) = Read::new(body);
        let bound = Some(Bound { made: 0, spoilt: Some(Box::new(spoilt)) });
        Recoded { bound, ..Recoded::new(codec::unpacked(read, coding), taken) }
    }

    fn new(source: codec::Source, taken: Arc<AtomicU64>) -> Recoded {
        let chunk = vec![0; CHUNK].into();
        Recoded { source, chunk, taken, rested: 0, bound: None, _permit: None }
    }

    /// The next bytes, or the end.
    pub fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        if self.taken.load(Relaxed) - self.rested >= TURN as u64 {
            self.rested = self.taken.load(Relaxed);
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let mut space = ReadBuf::new(&mut self.chunk);
        let read = ready!(self.source.as_mut().poll_read(cx, &mut space));
        let (bytes, taken) = (space.filled(), self.taken.load(Relaxed));
        match (read, &self.bound) {
            // A decoder says of an empty body that it is cut short. It is no packed one, but whole.
            (Err(error), Some(_)) if error.kind() == ErrorKind::UnexpectedEof && taken == 0 => {
                return Poll::Ready(None);
            }
            (read, _) => read?,
        }
        if let Some(bound) = &mut self.bound {
            bound.made += bytes.len() as u64;
            if bound.made > most(taken) {
                bound.spoilt.take().into_iter().for_each(|spoilt| spoilt());
                let error = Error::new(ErrorKind::FileTooLarge, "unpacks to more than is allowed");
                return Poll::Ready(Some(Err(error)));
            }
        }
        match bytes.is_empty() {
            true => Poll::Ready(None),
            false => Poll::Ready(Some(Ok(Frame::data(Bytes::copy_from_slice(bytes))))),
        }
    }
}

impl std::fmt::Debug for Recoded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recoded").finish_non_exhaustive()
    }
}

impl Read {
    /// And the count of the bytes that were read.
    fn new(body: Body) -> (Read, Arc<AtomicU64>) {
        let taken = Arc::new(AtomicU64::new(0));
        (Read { body, chunk: Bytes::new(), taken: taken.clone(), turn: TURN }, taken)
    }
}

impl AsyncBufRead for Read {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<&[u8], Error>> {
        let this = self.get_mut();
        if this.turn == 0 {
            this.turn = TURN;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        while this.chunk.is_empty() {
            match ready!(http_body::Body::poll_frame(Pin::new(&mut this.body), cx)) {
                Some(frame) => {
                    let frame = frame.map_err(Error::other)?;
                    this.chunk = frame.into_data().unwrap_or_default();
                }
                None => break,
            }
        }
        let within = this.chunk.len().min(this.turn);
        Poll::Ready(Ok(&this.chunk[..within]))
    }

    fn consume(self: Pin<&mut Self>, amount: usize) {
        let this = self.get_mut();
        this.chunk.advance(amount);
        this.turn = this.turn.saturating_sub(amount);
        this.taken.fetch_add(amount as u64, Relaxed);
    }
}

impl AsyncRead for Read {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        space: &mut ReadBuf<'_>,
    ) -> Poll<Result<(), Error>> {
        let chunk = ready!(self.as_mut().poll_fill_buf(cx))?;
        let length = chunk.len().min(space.remaining());
        space.put_slice(&chunk[..length]);
        self.consume(length);
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, task::Poll};

    use bytes::Bytes;
    use futures_util::{FutureExt, future::poll_fn};
    use http_body_util::BodyExt;
    use tokio::sync::Semaphore;

    use super::{Recoded, most};
    use crate::{
        body::Body,
        clock::Clock,
        collapse::{
            budget::Budget,
            fill::{Fill, Terms},
        },
        policy::coding::Coding,
        transform::codec::{Levels, pack, unpack},
    };

    fn permit() -> tokio::sync::OwnedSemaphorePermit {
        Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap()
    }

    fn fill() -> (Fill, Body) {
        let claim = Budget::new(1 << 20).claim(0).unwrap();
        let terms = Terms { limit: 1 << 20, declared: None, claim, clock: Clock::system() };
        let (fill, filling) = Fill::new(terms);
        let reader = filling.reader().unwrap();
        (fill, Body::Arriving(reader))
    }

    /// What there is of the body now.
    fn ready(recoded: &mut Recoded) -> Vec<u8> {
        let mut bytes = Vec::new();
        let all = poll_fn(|cx| {
            loop {
                match recoded.poll_frame(cx) {
                    Poll::Ready(Some(frame)) => {
                        bytes.extend_from_slice(frame.unwrap().data_ref().unwrap());
                    }
                    Poll::Ready(None) | Poll::Pending => return Poll::Ready(()),
                }
            }
        });
        all.now_or_never().unwrap();
        bytes
    }

    #[test]
    fn what_has_come_goes_on_at_once() {
        for coding in Coding::ALL {
            let (mut fill, body) = fill();
            let mut recoded = Recoded::packed(body, (coding, Levels::default()), permit());
            let mut all = ready(&mut recoded);
            for event in ["data: one\n\n", "data: two\n\n"] {
                fill.push(Bytes::from(event)).now_or_never().unwrap();
                let bytes = ready(&mut recoded);
                assert!(!bytes.is_empty(), "{coding:?}: an event is not held back");
                assert!(ready(&mut recoded).is_empty(), "{coding:?}: nothing comes of nothing");
                all.extend(bytes);
            }
            let _ = fill.finish(None);
            all.extend(ready(&mut recoded));
            let unpacked = unpack(&Bytes::from(all), coding, 1 << 20).unwrap();
            assert_eq!(unpacked, "data: one\n\ndata: two\n\n", "{coding:?}");
        }
    }

    #[test]
    fn a_body_that_breaks_off_never_looks_whole() {
        for coding in Coding::ALL {
            let (mut fill, body) = fill();
            let recoded = Recoded::packed(body, (coding, Levels::default()), permit());
            fill.push(Bytes::from("half of it")).now_or_never().unwrap();
            drop(fill);
            let body = Body::Recoded(Box::new(recoded));
            assert!(body.collect().now_or_never().unwrap().is_err(), "{coding:?}");
        }
    }

    #[test]
    fn a_body_is_unpacked_as_it_comes() {
        let text = Bytes::from("abcdefgh".repeat(20_000));
        for coding in Coding::ALL {
            let packed = pack(&text, coding, Levels::default()).unwrap();
            let recoded = Recoded::unpacked(Body::Full(packed), coding, || ());
            let body = Body::Recoded(Box::new(recoded));
            let bytes = body.collect().now_or_never().unwrap().unwrap().to_bytes();
            assert_eq!(bytes, text, "{coding:?}");
        }
    }

    #[test]
    fn what_has_come_is_unpacked_at_once() {
        for coding in Coding::ALL {
            let (mut fill, body) = fill();
            let packed = Recoded::packed(body, (coding, Levels::default()), permit());
            let body = Body::Recoded(Box::new(packed));
            let mut recoded = Recoded::unpacked(body, coding, || ());
            for event in ["data: one\n\n", "data: two\n\n"] {
                fill.push(Bytes::from(event)).now_or_never().unwrap();
                assert_eq!(ready(&mut recoded), event.as_bytes(), "{coding:?}");
            }
        }
    }

    #[test]
    fn nothing_unpacks_to_nothing() {
        for coding in Coding::ALL {
            let (fill, body) = fill();
            let recoded = Recoded::unpacked(body, coding, || ());
            let _ = fill.finish(None);
            let body = Body::Recoded(Box::new(recoded));
            let bytes = body.collect().now_or_never().unwrap().unwrap().to_bytes();
            assert!(bytes.is_empty(), "{coding:?}");
            let (fill, body) = self::fill();
            let recoded = Recoded::unpacked(body, coding, || ());
            drop(fill);
            let body = Body::Recoded(Box::new(recoded));
            assert!(body.collect().now_or_never().unwrap().is_err(), "{coding:?}: that broke off");
        }
    }

    #[test]
    fn what_the_client_does_not_take_is_not_read() {
        let noise: Vec<u8> = std::iter::repeat_with(|| fastrand::u8(..)).take(2 << 20).collect();
        for coding in Coding::ALL {
            let body = Body::Full(Bytes::from(noise.clone()));
            let mut recoded = Recoded::packed(body, (coding, Levels::default()), permit());
            let frame = poll_fn(|cx| recoded.poll_frame(cx)).now_or_never().unwrap();
            assert!(frame.unwrap().is_ok(), "{coding:?}");
            let taken = recoded.taken.load(super::Relaxed);
            assert!(taken <= 512 << 10, "{coding:?}: {taken} bytes read for one frame");
        }
    }

    #[test]
    fn a_long_body_takes_turns_with_others() {
        let zeros = Bytes::from(vec![0; 8 << 20]);
        for coding in Coding::ALL {
            let body = Body::Full(zeros.clone());
            let mut recoded = Recoded::packed(body, (coding, Levels::default()), permit());
            let (mut turns, mut bytes) = (0, Vec::new());
            loop {
                match poll_fn(|cx| Poll::Ready(recoded.poll_frame(cx))).now_or_never().unwrap() {
                    Poll::Ready(Some(frame)) => {
                        bytes.extend_from_slice(frame.unwrap().data_ref().unwrap());
                    }
                    Poll::Ready(None) => break,
                    Poll::Pending => turns += 1,
                }
            }
            assert!(turns >= 31, "{coding:?}: {turns} turns of 256 KiB");
            assert_eq!(unpack(&Bytes::from(bytes), coding, 8 << 20).unwrap(), zeros, "{coding:?}");
        }
    }

    #[test]
    fn what_an_honest_body_unpacks_to_has_a_bound() {
        let rows = [(0, 1 << 20), (4194, 1 << 20), (8 << 10, 2_048_000), (u64::MAX, 1 << 30)];
        for (packed, bound) in rows {
            assert_eq!(most(packed), bound, "by its ratio and by its length: {packed}");
        }
        assert_eq!(most(8 << 20), 1 << 30, "250 times what is stored at most is too much");
    }

    #[test]
    fn a_bomb_is_broken_off() {
        let zeros = Bytes::from(vec![0; 8 << 20]);
        for coding in Coding::ALL {
            let packed = pack(&zeros, coding, Levels::default()).unwrap();
            let (told, spoilt) = std::sync::mpsc::channel();
            let tell = move || told.send(()).unwrap();
            let recoded = Recoded::unpacked(Body::Full(packed), coding, tell);
            let body = Body::Recoded(Box::new(recoded));
            assert!(body.collect().now_or_never().unwrap().is_err(), "{coding:?}");
            assert_eq!(spoilt.try_recv(), Ok(()), "{coding:?}: whoever keeps it is told");
        }
    }
}
