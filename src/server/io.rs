//! A socket whose reads and writes are noted in the connection's [`Activity`].
//!
//! What repeats an earlier request is answered here ([`Repeats`]), and hyper never sees it.
//!
//! It also holds back what may become the preface of HTTP/2 until that is certain: hyper's
//! HTTP/1 parser knows the preface only when it comes in one piece.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{activity::Activity, repeat::Repeats, socket::Socket};

/// RFC 9113 §3.4.
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A socket that notes what it does.
#[derive(Debug)]
pub(super) struct Watched {
    socket: Socket,
    activity: Arc<Activity>,
    start: Start,
    repeats: Repeats,
}

/// What comes before the socket's next bytes.
#[derive(Debug)]
enum Start {
    /// So many bytes of the preface were read and not handed on.
    Preface(usize),
    /// These were read once already.
    Again(Bytes),
    /// Nothing: as the socket gives it.
    Past,
}

impl Watched {
    /// A socket from which nothing was read yet.
    pub(super) fn new(socket: Socket, activity: Arc<Activity>, max_head: usize) -> Watched {
        let (start, repeats) = (Start::Preface(0), Repeats::new(max_head));
        Watched { socket, activity, start, repeats }
    }

    /// A socket that begins with HTTP/2, and needs no finding out.
    pub(super) fn known(socket: Socket, activity: Arc<Activity>) -> Watched {
        Watched { socket, activity, start: Start::Past, repeats: Repeats::new(0) }
    }

    /// Gives bytes back that were read.
    pub(super) fn rewind(&mut self, bytes: Bytes) {
        self.start = Start::Again(bytes);
    }

    fn poll_start(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut self.start {
            Start::Again(bytes) => {
                let some = bytes.len().min(buf.remaining());
                buf.put_slice(&bytes[..some]);
                bytes.advance(some);
                if bytes.is_empty() {
                    self.start = Start::Past;
                }
                Poll::Ready(Ok(()))
            }
            Start::Preface(_) => self.poll_preface(cx, buf),
            Start::Past => Pin::new(&mut self.socket).poll_read(cx, buf),
        }
    }

    fn poll_preface(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        while let Start::Preface(held) = self.start {
            if buf.remaining() <= PREFACE.len() {
                return Poll::Ready(Err(io::Error::other("no room for a preface")));
            }
            buf.put_slice(&PREFACE[..held]);
            let read = Pin::new(&mut self.socket).poll_read(cx, buf);
            let begun = &buf.filled()[before..];
            let (ended, undecided) =
                (begun.len() == held, begun.len() < PREFACE.len() && PREFACE.starts_with(begun));
            let begun = begun.len();
            match read {
                Poll::Ready(Ok(())) if ended || !undecided => self.start = Start::Past,
                Poll::Ready(Ok(())) => {
                    self.start = Start::Preface(begun);
                    buf.set_filled(before);
                }
                other => {
                    buf.set_filled(before);
                    return other;
                }
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Writes what was answered here; ready where there is nothing left to write.
    #[inline]
    fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.repeats.writes() {
            true => self.poll_rest(cx),
            false => Poll::Ready(Ok(())),
        }
    }

    fn poll_rest(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let wrote = self.repeats.poll_write(&mut self.socket, cx);
        self.note(wrote)
    }

    fn note<T>(&self, wrote: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        match &wrote {
            Poll::Pending => self.activity.block(),
            Poll::Ready(Ok(_)) => self.activity.wrote(),
            Poll::Ready(Err(_)) => {}
        }
        wrote
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if self.activity.is_fragile() {
            self.socket.break_off();
        }
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        loop {
            ready!(self.poll_answer(cx))?;
            let read = self.poll_start(cx, buf);
            let this = &mut *self;
            let come = &buf.filled()[before..];
            if !come.is_empty() && this.repeats.read(come, &this.activity) {
                buf.set_filled(before);
                continue;
            }
            this.activity.read(come.len());
            return read;
        }
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_answer(cx))?;
        let wrote = Pin::new(&mut self.socket).poll_write(cx, buf);
        self.note(wrote)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_answer(cx))?;
        let wrote = Pin::new(&mut self.socket).poll_write_vectored(cx, bufs);
        self.note(wrote)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_answer(cx))?;
        let this = &mut *self;
        ready!(Pin::new(&mut this.socket).poll_flush(cx))?;
        this.repeats.flushed(&this.activity);
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_answer(cx))?;
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}
