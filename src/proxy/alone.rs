//! A fetch that nobody may follow: of what is known not to be shared, and of what is one client's by
//! its credentials.
//!
//! Its client's own task asks and answers, and nobody finds it among the fetches under way. Only
//! where its answer turns out to be one that may be stored it becomes a fetch like the others.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    task::{Context, Poll},
};

use futures_util::future::BoxFuture;
use tokio::runtime::Handle;

use super::{Admitted, Drive, Duty, Fetch, Judged, ORPHAN_WAIT, Proxy, steps};
use crate::{
    cache_status::CacheStatus,
    collapse::{Progress, Since},
    key::Key,
    reply::{self, Answer},
};

/// A fetch for one client. Dropped, it goes on for a while if its request may have reached the
/// origin: its answer may be one to store.
pub(super) struct Alone {
    fetch: Option<BoxFuture<'static, Answer>>,
    sent: Arc<AtomicBool>,
    proxy: Arc<Proxy>,
    primary: Key,
}

impl Proxy {
    /// Fetches what is for one client.
    pub(super) fn fetch_for_one(self: &Arc<Self>, fetch: Box<Fetch>) -> Alone {
        let (sent, primary) = (Arc::<AtomicBool>::default(), fetch.place.primary);
        let fetch = Box::pin(self.clone().fetch_alone(fetch, sent.clone()));
        Alone { fetch: Some(fetch), sent, proxy: self.clone(), primary }
    }

    async fn fetch_alone(self: Arc<Self>, mut fetch: Box<Fetch>, sent: Arc<AtomicBool>) -> Answer {
        if self.remote.is_some()
            && let Some(answer) = Box::pin(self.stored_afar(&mut fetch)).await
        {
            return answer;
        }
        let since = self.in_flight.since(fetch.place.primary);
        let joined = match self.ask(&mut fetch, &sent).await {
            Err(failure) => return steps::failed(&fetch, &failure),
            Ok(Judged { response, admitted: Admitted::Unstorable(reason), exchange }) => {
                return self.relay(&fetch, (response, exchange.response), reason);
            }
            Ok(judged) => Box::pin(self.join_the_others(fetch, judged, since)),
        };
        joined.await
    }

    /// What another node has stored.
    async fn stored_afar(&self, fetch: &mut Fetch) -> Option<Answer> {
        let found = self.look_afar(fetch).await?;
        self.take_part(fetch, Progress::Done(found), true).ok()
    }

    /// Goes on as one of the fetches that are known to all, with an answer that all may have.
    async fn join_the_others(
        self: &Arc<Self>,
        fetch: Box<Fetch>,
        judged: Judged,
        since: Since,
    ) -> Answer {
        let (mut follower, leader) = self.in_flight.lead_alone(fetch.place.primary, since);
        let (proxy, its) = (self.clone(), fetch.clone());
        let own = Drive::new(|owner| async move {
            proxy.conclude(&its, Duty { leader, owner }, judged, None).await;
        });
        if let Some(answer) = own.answer().await {
            return answer;
        }
        let shared = self.take_part(&fetch, follower.wait().await, true);
        shared.unwrap_or_else(|_| reply::lost(fetch.told(), &fetch.visit.head.headers))
    }
}

impl Alone {
    fn go_on(
        &mut self,
        mut fetch: BoxFuture<'static, Answer>,
        cx: &mut Context<'_>,
    ) -> Poll<Answer> {
        let polled = fetch.as_mut().poll(cx);
        if polled.is_pending() {
            self.fetch = Some(fetch);
        }
        polled
    }
}

impl Future for Alone {
    type Output = Answer;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Answer> {
        // Taken out first: one that panics does not go on.
        match self.fetch.take() {
            Some(fetch) => self.go_on(fetch, cx),
            None => Poll::Pending,
        }
    }
}

impl Drop for Alone {
    fn drop(&mut self) {
        let fetch = self.fetch.take().filter(|_| self.sent.load(SeqCst));
        // Without a runtime, the process is ending.
        if let Some(fetch) = fetch
            && let (Some(orphaned), Ok(runtime)) =
                (self.proxy.in_flight.orphaned(), Handle::try_current())
        {
            let (proxy, primary) = (self.proxy.clone(), self.primary);
            runtime.spawn(async move {
                let _orphaned = orphaned;
                if let Ok(answer) = proxy.clock.timeout(ORPHAN_WAIT, fetch).await
                    && let CacheStatus::Forwarded(told) = answer.status
                    && !told.stored
                {
                    // Who asks is told why, although nobody got it.
                    proxy.recent.not_stored(primary, told, proxy.clock.now().wall);
                }
            });
        }
    }
}
