//! One request to the origin for all nodes (`collapse = "cluster"`).
//!
//! Of the nodes that miss the same thing, one has the lease and asks; the others wait until it gives
//! the lease back, and find what it stored. Nobody waits for longer than `collapse_wait`, or for what
//! is not stored: then each asks for itself. Without Redis there is nothing to wait for.

use std::time::Duration;

use http::Response;
use http_body::Body as _;

use super::{Fetch, Proxy, shared::is_shared};
use crate::{
    collapse::{Company, Leader, Outcome},
    config::Collapse,
    store::redis::{Lease, Over, Remote, Taken},
    upstream::ResponseBody,
};

/// How long a lease outlives a node that dies. It is renewed while the node lives.
const OUTLIVES: Duration = Duration::from_secs(3);

/// What became of a fetch's wait for its turn.
pub(super) enum Turn {
    /// It is to ask the origin, under this lease where there is one.
    Ask(Option<Taken>),
    /// Another node has stored this.
    Found(Outcome),
    /// Nobody waits for it any more.
    Deserted,
}

impl Proxy {
    /// Looks into the shared tier, and waits there for another node's fetch of the same thing.
    pub(super) async fn take_turn(
        &self,
        remote: &Remote,
        fetch: &mut Fetch,
        leader: &Leader,
    ) -> Turn {
        if let Some(found) = self.look_afar(fetch).await {
            return Turn::Found(found);
        }
        let clustered = fetch.visit.route.cache.collapse == Collapse::Cluster;
        if !clustered || fetch.company == Company::Alone || !is_shared(&fetch.visit) {
            return Turn::Ask(None);
        }
        tokio::select! {
            biased;
            turn = self.wait_for_turn(remote, fetch) => turn,
            () = self.abandoned(leader) => Turn::Deserted,
        }
    }

    async fn wait_for_turn(&self, remote: &Remote, fetch: &mut Fetch) -> Turn {
        let patience = fetch.visit.route.cache.collapse_wait;
        let began = self.clock.mono();
        loop {
            let waited = self.clock.mono().since(began).unsigned_abs();
            let left = patience.saturating_sub(Duration::from_millis(waited));
            let (key, seen) = (fetch.place.key, fetch.seen);
            let given_back = match remote.lease(key, seen, OUTLIVES).await {
                Lease::Taken(lease) => {
                    fetch.token = Some(lease.token());
                    return Turn::Ask(Some(lease));
                }
                Lease::Held(_) | Lease::Stored(_) if left.is_zero() => return Turn::Ask(None),
                Lease::Unavailable => return Turn::Ask(None),
                Lease::Held(held) => match self.clock.timeout(left, held.over()).await {
                    Ok(over) => over == Over::GivenBack,
                    Err(_) => return Turn::Ask(None),
                },
                Lease::Stored(version) => {
                    fetch.seen = version;
                    false
                }
            };
            if let Some(found) = self.look_afar_again(fetch).await {
                return Turn::Found(found);
            }
            // What its holder got is no use to others: nobody waits for the next.
            if given_back && fetch.place.key == key {
                return Turn::Ask(None);
            }
        }
    }

    /// Whether other nodes can get a response from the shared tier, as far as its head tells.
    pub(super) fn can_share(&self, response: &Response<ResponseBody>) -> bool {
        let length = response.body().size_hint().lower();
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        self.remote.as_ref().is_some_and(|remote| remote.takes(length))
    }
}
