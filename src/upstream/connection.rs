//! One connection to an upstream, owned: who drops it closes it.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use http::{Request, Response};
use hyper::{
    body::Incoming,
    client::conn::{
        TrySendError,
        http1::{self, SendRequest},
    },
};
use hyper_util::rt::TokioIo;
use tokio::task::AbortHandle;

use super::{
    Error, RequestBody,
    wire::{Socket, Wire},
};
use crate::clock::Clock;

/// Bytes of a response head, and of what is read ahead or written behind on one connection. The
/// number of fields is hyper's default, 100; to set it would cost an allocation a response.
const MAX_BUFFER: usize = 64 << 10;

/// For a connection that was just put back to come to rest; it takes microseconds unless the
/// upstream has left a part of the last request unread.
const SETTLE: Duration = Duration::from_millis(20);

/// A connection and the task that drives it.
#[derive(Debug)]
pub(super) struct Connection {
    sender: SendRequest<RequestBody>,
    answered: Arc<AtomicBool>,
    task: AbortHandle,
    pub(super) age: Age,
}

/// Whether a connection has served before: the upstream may just be closing such a one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Age {
    New,
    Reused,
}

impl Connection {
    /// Speaks HTTP/1.1 on a connected socket.
    pub(super) async fn open(socket: Box<dyn Socket>) -> Result<Connection, Error> {
        let answered = Arc::new(AtomicBool::new(false));
        let wire = TokioIo::new(Wire::new(socket, answered.clone()));
        let handshake = http1::Builder::new().max_buf_size(MAX_BUFFER).handshake(wire);
        let (sender, connection) = handshake.await.map_err(Error::Http)?;
        let task = tokio::spawn(async move {
            if let Err(error) = connection.with_upgrades().await {
                tracing::debug!(%error, "a connection to an upstream ended");
            }
        });
        Ok(Connection { sender, answered, task: task.abort_handle(), age: Age::New })
    }

    /// Sends one request. What was not written at all is handed back in the error.
    pub(super) fn exchange(
        &mut self,
        request: Request<RequestBody>,
    ) -> impl Future<Output = Result<Response<Incoming>, TrySendError<Request<RequestBody>>>> + use<>
    {
        self.answered.store(false, Relaxed);
        self.sender.try_send_request(request)
    }

    /// Whether a byte came since the last request was sent.
    pub(super) fn answered(&self) -> bool {
        self.answered.load(Relaxed)
    }

    pub(super) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// Whether it can take the next request, now or in a moment.
    ///
    /// A body's end can reach its reader before hyper has come to rest on another thread, so what
    /// is not ready at once is waited for, shortly.
    pub(super) async fn settles(&mut self, clock: &Clock) -> bool {
        self.sender.is_ready()
            || matches!(Box::pin(clock.timeout(SETTLE, self.sender.ready())).await, Ok(Ok(())))
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
}
