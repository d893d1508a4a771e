//! Gates: a scripted origin waits at them until the test opens them.

use std::sync::Arc;

use tokio::sync::watch;

use super::within;

/// Shut until the test opens it, then open for good. A cheap handle.
#[derive(Clone, Debug)]
pub(crate) struct Gate(Arc<watch::Sender<State>>);

#[derive(Clone, Copy, Debug, Default)]
struct State {
    open: bool,
    arrived: usize,
}

impl Gate {
    /// A shut gate.
    pub(crate) fn new() -> Gate {
        Gate(Arc::new(watch::Sender::new(State::default())))
    }

    /// Lets everybody through, now and later.
    pub(crate) fn open(&self) {
        self.0.send_modify(|state| state.open = true);
    }

    /// Waits until it is open. Without a guard of its own: whoever waits for the answer has one.
    pub(crate) async fn pass(&self) {
        self.0.send_modify(|state| state.arrived += 1);
        let open = self.0.subscribe().wait_for(|state| state.open).await.is_ok();
        assert!(open, "the sender lives in self");
    }

    /// Waits until `n` replies have come to this gate.
    #[track_caller]
    pub(crate) fn until_arrived(&self, n: usize) -> impl Future<Output = ()> {
        let mut state = self.0.subscribe();
        within(format!("{n} replies at a gate"), async move {
            state.wait_for(|state| state.arrived >= n).await.expect("the test holds the gate");
        })
    }
}
