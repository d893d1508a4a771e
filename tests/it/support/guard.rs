//! The one bound on real time in these tests: a hang fails and says what was awaited.

use std::{fmt::Display, future::Future, panic::Location, time::Duration};

/// Far longer than anything here takes, even on a machine that is busy elsewhere.
const GUARD: Duration = Duration::from_secs(20);

/// A browser alone, or a script that packs a program, takes seconds, and many where other things run.
const LONG: Duration = Duration::from_secs(90);

/// What `future` gives, which waits for a browser, or for a script that works long.
///
/// # Panics
/// After [`LONG`] of real time, naming `what` was awaited.
#[allow(clippy::disallowed_methods, reason = "a test that hangs must fail in real time")]
pub(crate) async fn within_long<F: Future>(what: impl Display, future: F) -> F::Output {
    let output = tokio::time::timeout(LONG, future).await;
    output.unwrap_or_else(|_| panic!("waited {LONG:?} for {what}"))
}

/// What `future` gives.
///
/// # Panics
/// After [`GUARD`] of real time, naming the caller and `what` was awaited.
#[track_caller]
#[allow(clippy::disallowed_methods, reason = "a test that hangs must fail in real time")]
pub(crate) fn within<F: Future>(what: impl Display, future: F) -> impl Future<Output = F::Output> {
    let caller = Location::caller();
    async move {
        match tokio::time::timeout(GUARD, future).await {
            Ok(output) => output,
            Err(_) => panic!("{caller}: waited {GUARD:?} for {what}"),
        }
    }
}
