//! A connection that has become another protocol: bytes both ways, until one
//! side ends, nothing moves for too long, or the process drains.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering::Relaxed},
    },
    task::{Context, Poll},
    time::Duration,
};

use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf, copy_bidirectional};

use crate::{clock::Clock, server::peer::Tenure, upstream::ResponseBody};

/// A tunnel in which nothing moves for this long is closed.
pub const IDLE: Duration = Duration::from_secs(300);

/// Two connections that are about to become one tunnel.
#[derive(Debug)]
pub struct Tunnel {
    /// The client's side.
    pub client: OnUpgrade,
    /// The upstream's side.
    pub upstream: OnUpgrade,
    /// The upstream's place, held while the tunnel lasts.
    pub place: ResponseBody,
    /// The client connection's place, and the signal to end.
    pub tenure: Arc<Tenure>,
    /// Tells when it has been idle for too long.
    pub clock: Clock,
}

impl Tunnel {
    /// Carries bytes until the tunnel ends, for whatever reason; all it holds is free then.
    pub async fn run(self) {
        let Tunnel { client, upstream, place, tenure, clock } = self;
        let Ok((client, upstream)) = tokio::try_join!(client, upstream) else { return };
        let moved = Arc::new(AtomicI64::new(clock.now().mono.0));
        let watch =
            |io| Watched { io: TokioIo::new(io), moved: moved.clone(), clock: clock.clone() };
        let (mut client, mut upstream) = (watch(client), watch(upstream));
        let mut cut = tenure.cut.clone();
        tokio::select! {
            ended = copy_bidirectional(&mut client, &mut upstream) => {
                tracing::debug!(?ended, "tunnel ended");
            }
            () = idle(&clock, &moved) => tracing::debug!("tunnel closed: nothing moved"),
            _ = cut.wait_for(|cut| *cut) => tracing::debug!("tunnel cut at the drain deadline"),
        }
        drop((place, tenure));
    }
}

/// Resolves once nothing has moved for [`IDLE`].
async fn idle(clock: &Clock, moved: &AtomicI64) {
    loop {
        let still = clock.now().mono.0.saturating_sub(moved.load(Relaxed)).max(0);
        let still = Duration::from_millis(still.unsigned_abs());
        let Some(left) = IDLE.checked_sub(still).filter(|left| !left.is_zero()) else { return };
        clock.sleep(left).await;
    }
}

/// One side, noting when something moves.
struct Watched {
    io: TokioIo<Upgraded>,
    moved: Arc<AtomicI64>,
    clock: Clock,
}

impl Watched {
    fn note<T>(&self, polled: Poll<T>) -> Poll<T> {
        if polled.is_ready() {
            self.moved.store(self.clock.now().mono.0, Relaxed);
        }
        polled
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let polled = Pin::new(&mut self.io).poll_read(cx, buffer);
        self.note(polled)
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        let polled = Pin::new(&mut self.io).poll_write(cx, bytes);
        self.note(polled)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
