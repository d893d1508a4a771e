//! A soak: the real binary between a rude crowd and an API that fails now and then.
//!
//! `soak MINUTES LARDER`, or rather `scripts/soak.sh [MINUTES]`, which builds both. Mixes hits,
//! misses, conditions, ranges, writes, large bodies, slow readers, clients that leave in the
//! middle, resets, torn answers, and a SIGHUP now and then. It fails (exit 1) on any error that
//! the API did not make, on a body that is not byte for byte right, on memory or sockets that
//! grow, and on a process that does not end as asked. Bounded in time by MINUTES and in number
//! by [`MOST_ACTIONS`].

mod child;
mod client;
mod crowd;
mod origin;
mod tally;

use std::{process::ExitCode, sync::Arc, time::Duration};

use larder::clock::Clock;

use crate::{child::Larder, crowd::Crowd, tally::Tally};

/// More than any run needs: a bound on the work, not an aim.
const MOST_ACTIONS: u64 = 20_000_000;

/// Clients at the same time.
const CLIENTS: u64 = 24;

/// How often the configuration is reloaded.
const RELOAD: Duration = Duration::from_secs(20);

/// How long the crowd comes before memory is measured for the first time.
const WARM_UP: Duration = Duration::from_secs(60);

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let minutes = args.next().and_then(|text| text.parse::<f64>().ok());
    let (Some(minutes), Some(larder)) = (minutes.filter(|it| *it > 0.0), args.next()) else {
        tally::say("usage: soak MINUTES LARDER");
        return ExitCode::from(2);
    };
    match soak(Duration::from_secs_f64(minutes * 60.0), &larder).await {
        Ok(tally) if tally.is_clean() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            tally::say(&format!("the soak itself failed: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// The whole run; the tally has been told when it returns.
async fn soak(length: Duration, binary: &str) -> Result<Arc<Tally>, Failure> {
    let clock = Clock::system();
    let seed = fastrand::u64(..);
    tally::say(&format!("soaking {binary} for {length:?}, seed {seed}"));
    let origin = origin::start(clock.clone()).await?;
    let mut larder = Larder::start(binary, origin, &clock).await?;
    let tally = Arc::new(Tally::new(MOST_ACTIONS));
    let crowd = Crowd { proxy: larder.address(), tally: tally.clone(), clock: clock.clone() };

    let warm_up = WARM_UP.min(length / 5);
    rush(&crowd, &larder, (seed, warm_up)).await?;
    tally.rss_before(larder.settled_rss(&clock).await?);
    rush(&crowd, &larder, (!seed, length)).await?;
    tally.rss_after(larder.settled_rss(&clock).await?);
    tally.left_open(larder.sockets()?);
    tally.ended(larder.stop(&clock).await?);
    tally.tell();
    Ok(tally)
}

/// The crowd for so long, with reloads; at the end every object was asked for.
async fn rush(
    crowd: &Crowd,
    larder: &Larder,
    (seed, length): (u64, Duration),
) -> Result<(), Failure> {
    let Crowd { clock, tally, .. } = crowd;
    let mut clients = tokio::task::JoinSet::new();
    let end = clock.instant() + length;
    for n in 0..CLIENTS {
        clients.spawn(crowd.clone().wander(fastrand::Rng::with_seed(seed ^ n), end));
    }
    while clock.instant() < end && !tally.is_full() {
        clock.sleep(RELOAD.min(end.saturating_duration_since(clock.instant()))).await;
        larder.reload()?;
        tally.sample(larder.rss()?, larder.sockets()?);
    }
    clients.join_all().await;
    crowd.visit_everything().await;
    Ok(())
}
