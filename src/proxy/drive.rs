//! Who drives a fetch: its first client's own task, for as long as that client waits.
//!
//! A fetch belongs to nobody, and yet most have one client only. So that client drives it, which
//! spares a task and the way to it and back. What is left when the client has its answer, or has
//! gone, becomes a task of its own: to those who follow it is all the same.

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    task::{Context, Poll},
};

use tokio::{runtime::Handle, sync::oneshot};

use crate::reply::Answer;

/// A fetch under way, driven by its first client; dropped, it goes on by itself.
pub(super) struct Drive {
    fetch: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    own: oneshot::Receiver<Answer>,
}

impl Drive {
    /// A fetch, and the way by which its first client gets what it may not share.
    pub(super) fn new(
        fetch: impl Future<Output = ()> + Send + 'static,
        own: oneshot::Receiver<Answer>,
    ) -> Drive {
        Drive { fetch: Some(Box::pin(fetch)), own }
    }

    /// Drives the fetch until its first client has an answer of its own; `None` where that is to
    /// have what all may have.
    pub(super) async fn answer(mut self) -> Option<Answer> {
        poll_fn(|cx| self.poll(cx)).await
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Answer>> {
        // Taken out first: one that panics is not driven again.
        if let Some(mut fetch) = self.fetch.take()
            && fetch.as_mut().poll(cx).is_pending()
        {
            self.fetch = Some(fetch);
        }
        Pin::new(&mut self.own).poll(cx).map(Result::ok)
    }
}

impl Drop for Drive {
    fn drop(&mut self) {
        // Without a runtime, the process is ending.
        if let (Some(fetch), Ok(runtime)) = (self.fetch.take(), Handle::try_current()) {
            runtime.spawn(fetch);
        }
    }
}
