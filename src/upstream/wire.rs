//! The bytes of one connection, and what can be learnt from watching them.

use std::{
    fmt::Debug,
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A TCP, TLS or unix socket.
pub(super) trait Socket: AsyncRead + AsyncWrite + Debug + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Debug + Send + Unpin> Socket for S {}

/// A socket that remembers whether anything came, and that never fails to write.
///
/// An upstream may answer an upload that it will not read, and close: 413 is the usual case. Our
/// writes fail then while its answer lies in our receive buffer. So a failed write waits for ever,
/// and the reading side brings the answer, or the error. An end of file counts as an error by
/// then, because the failed write has used up the socket's own, and a body that ends with its
/// connection would look whole.
#[derive(Debug)]
pub(super) struct Wire {
    socket: Box<dyn Socket>,
    answered: Arc<AtomicBool>,
    broken: bool,
}

impl Wire {
    /// `answered` becomes true with the first byte read.
    pub(super) fn new(socket: Box<dyn Socket>, answered: Arc<AtomicBool>) -> Wire {
        Wire { socket, answered, broken: false }
    }

    fn written<T>(&mut self, result: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        match result {
            Poll::Ready(Err(error)) => {
                tracing::debug!(%error, "cannot write to an upstream");
                self.broken = true;
                Poll::Pending
            }
            Poll::Ready(Ok(_)) | Poll::Pending => result,
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.socket).poll_read(cx, buf))?;
        if buf.filled().len() > before {
            self.answered.store(true, Relaxed);
        } else if self.broken {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.broken {
            return Poll::Pending;
        }
        let result = Pin::new(&mut self.socket).poll_write(cx, buf);
        self.written(result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.broken {
            return Poll::Pending;
        }
        let result = Pin::new(&mut self.socket).poll_write_vectored(cx, bufs);
        self.written(result)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.broken {
            return Poll::Pending;
        }
        let result = Pin::new(&mut self.socket).poll_flush(cx);
        self.written(result)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }
}
