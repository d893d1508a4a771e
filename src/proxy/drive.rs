//! Who drives a fetch: its first client's own task, for as long as that client waits.
//!
//! A fetch belongs to nobody, and yet most have one client only. So that client drives it, which
//! spares a task and the way to it and back. What is left when the client has its answer, or has
//! gone, becomes a task of its own: to those who follow it is all the same.

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    sync::{Arc, Weak},
    task::{Context, Poll},
};

use parking_lot::Mutex;
use tokio::runtime::Handle;

use crate::reply::Answer;

/// A fetch under way, driven by its first client; dropped, it goes on by itself.
pub(super) struct Drive {
    fetch: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    own: Arc<Slot>,
}

/// The way to a fetch's first client, who gets what the others may not share.
pub(super) struct Owner(Weak<Slot>);

type Slot = Mutex<Option<Answer>>;

impl Owner {
    /// Gives its client an answer, if that still waits for one.
    pub(super) fn give(&self, answer: Answer) {
        if let Some(slot) = self.0.upgrade() {
            *slot.lock() = Some(answer);
        }
    }

    /// Lets the client have its answer before the fetch goes on, as a task then.
    pub(super) async fn has_it(self) {
        // Whoever has polled this looks for the answer next.
        poll_fn(|_| match self.0.upgrade().is_some_and(|slot| slot.lock().is_some()) {
            true => Poll::Pending,
            false => Poll::Ready(()),
        })
        .await;
    }
}

impl Drive {
    /// The fetch that is made for a client with this way to it.
    pub(super) fn new<F>(fetch: impl FnOnce(Owner) -> F) -> Drive
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let own = Arc::new(Slot::default());
        Drive { fetch: Some(Box::pin(fetch(Owner(Arc::downgrade(&own))))), own }
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
        match (self.own.lock().take(), &self.fetch) {
            (Some(answer), _) => Poll::Ready(Some(answer)),
            (None, Some(_)) => Poll::Pending,
            (None, None) => Poll::Ready(None),
        }
    }
}

impl Drop for Drive {
    fn drop(&mut self) {
        // Nobody takes an answer any more: what it goes to first, or a fetch that has one waits.
        self.own = Arc::default();
        // Without a runtime, the process is ending.
        if let (Some(fetch), Ok(runtime)) = (self.fetch.take(), Handle::try_current()) {
            runtime.spawn(fetch);
        }
    }
}
