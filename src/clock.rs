//! The only source of now, and of sleep.
//!
//! An enum, not a trait: the system's time, or a time that a test sets. A
//! manual clock wakes its sleepers when it is advanced, so that no test waits
//! for real. Nothing else in the crate may ask what time it is (clippy holds
//! that).

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use rustix::time::{ClockId, clock_gettime};

use crate::policy::{Mono, Now, Wall};

/// Where time comes from; a cheap handle.
#[derive(Clone, Debug)]
pub enum Clock {
    /// The machine's own time. Monotonic times count from the given moment.
    System(Start),
    /// A time that stands still until it is advanced.
    Manual(Arc<Manual>),
}

/// A moment, as the standard library writes it and as the kernel's last tick before it.
#[derive(Clone, Copy, Debug)]
pub struct Start {
    instant: Instant,
    tick: Duration,
}

/// The kernel's monotonic time, in which service managers reckon.
#[must_use]
pub fn since_boot() -> Duration {
    read(ClockId::Monotonic)
}

/// How long processors have worked for this process.
#[must_use]
pub fn cpu_time() -> Duration {
    read(ClockId::ProcessCPUTime)
}

fn read(clock: ClockId) -> Duration {
    let now = clock_gettime(clock);
    let whole = Duration::from_secs(u64::try_from(now.tv_sec).unwrap_or_default());
    whole + Duration::from_nanos(now.tv_nsec.unsigned_abs())
}

/// A clock for tests: it stands still until [`Manual::advance`].
#[derive(Debug)]
pub struct Manual {
    state: Mutex<State>,
    changed: tokio::sync::Notify,
}

#[derive(Debug)]
struct State {
    start: Instant,
    elapsed: Duration,
    /// Milliseconds since the Unix epoch.
    wall: i64,
    sleepers: Vec<Sleeper>,
    next_id: u64,
}

#[derive(Debug)]
struct Sleeper {
    id: u64,
    deadline: Duration,
    waker: Option<Waker>,
    /// Nobody waits for it for now.
    idle: bool,
}

/// Waits until its clock has reached a moment. Made by [`Clock::sleep`].
#[derive(Debug)]
pub struct Sleep(Kind);

#[derive(Debug)]
enum Kind {
    System(Pin<Box<tokio::time::Sleep>>),
    Manual { clock: Arc<Manual>, id: u64, deadline: Duration },
}

/// The time given to a wait has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("timed out")]
pub struct Elapsed;

#[allow(clippy::disallowed_methods, reason = "this is the one place that asks for the time")]
impl Clock {
    /// The machine's time, with monotonic times counted from now.
    #[must_use]
    pub fn system() -> Clock {
        Clock::System(Start { instant: Instant::now(), tick: read(ClockId::MonotonicCoarse) })
    }

    /// A clock that starts at `wall` milliseconds since the Unix epoch and stands still.
    #[must_use]
    pub fn manual(wall: i64) -> (Clock, Arc<Manual>) {
        let state = State {
            start: Instant::now(),
            elapsed: Duration::ZERO,
            wall,
            sleepers: Vec::new(),
            next_id: 0,
        };
        let manual =
            Arc::new(Manual { state: Mutex::new(state), changed: tokio::sync::Notify::new() });
        (Clock::Manual(manual.clone()), manual)
    }

    /// Both times of this moment, in milliseconds. The wall clock's is that of the kernel's last
    /// tick, a few milliseconds ago: nothing in HTTP is told by less than a second, and it is read
    /// several times as fast.
    #[must_use]
    pub fn now(&self) -> Now {
        match self {
            Clock::System(start) => {
                let wall = millis(read(ClockId::RealtimeCoarse));
                Now { wall: Wall(wall), mono: Mono(millis(start.instant.elapsed())) }
            }
            Clock::Manual(manual) => {
                let state = manual.state.lock();
                Now { wall: Wall(state.wall), mono: Mono(millis(state.elapsed)) }
            }
        }
    }

    /// The monotonic time alone, in milliseconds.
    #[must_use]
    pub fn mono(&self) -> Mono {
        match self {
            Clock::System(start) => Mono(millis(start.instant.elapsed())),
            Clock::Manual(manual) => Mono(millis(manual.state.lock().elapsed)),
        }
    }

    /// The monotonic time alone, as the standard library writes it.
    #[must_use]
    pub fn instant(&self) -> Instant {
        match self {
            Clock::System(_) => Instant::now(),
            Clock::Manual(manual) => {
                let state = manual.state.lock();
                state.start + state.elapsed
            }
        }
    }

    /// The same as of the kernel's last tick, a few milliseconds ago: for waits of seconds.
    #[must_use]
    pub fn last_tick(&self) -> Instant {
        match self {
            Clock::System(start) => {
                start.instant + read(ClockId::MonotonicCoarse).saturating_sub(start.tick)
            }
            Clock::Manual(_) => self.instant(),
        }
    }

    /// Resolves once `duration` has passed.
    #[must_use]
    pub fn sleep(&self, duration: Duration) -> Sleep {
        match self {
            Clock::System(_) => Sleep(Kind::System(Box::pin(tokio::time::sleep(duration)))),
            Clock::Manual(manual) => manual.sleep(duration),
        }
    }

    /// `future`'s output, if it comes within `duration`.
    ///
    /// # Errors
    /// [`Elapsed`] when the time has passed first; the future is dropped then.
    pub async fn timeout<F: Future>(
        &self,
        duration: Duration,
        future: F,
    ) -> Result<F::Output, Elapsed> {
        tokio::select! {
            biased;
            output = future => Ok(output),
            () = self.sleep(duration) => Err(Elapsed),
        }
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

impl Manual {
    /// Moves both times on and wakes the sleepers whose moment has come.
    pub fn advance(&self, by: Duration) {
        let due: Vec<Waker> = {
            let mut state = self.state.lock();
            state.elapsed += by;
            state.wall += millis(by);
            let elapsed = state.elapsed;
            let due = state.sleepers.iter_mut().filter(|it| it.deadline <= elapsed);
            due.filter_map(|it| it.waker.take()).collect()
        };
        due.into_iter().for_each(Waker::wake);
    }

    /// Sets the wall clock alone, as an operator or NTP may: monotonic time goes on as it was.
    pub fn set_wall(&self, wall: i64) {
        self.state.lock().wall = wall;
    }

    /// Waits until somebody sleeps whose moment is exactly `remaining` away.
    ///
    /// A test calls it before [`advance`](Self::advance), so that the wait it
    /// means to end has begun.
    pub async fn until_sleeping(&self, remaining: Duration) {
        loop {
            let changed = self.changed.notified();
            if self.is_sleeping(remaining) {
                return;
            }
            changed.await;
        }
    }

    /// Whether somebody sleeps whose moment is exactly `remaining` away.
    #[must_use]
    pub fn is_sleeping(&self, remaining: Duration) -> bool {
        let state = self.state.lock();
        state.sleepers.iter().any(|it| !it.idle && it.deadline == state.elapsed + remaining)
    }

    fn sleep(self: &Arc<Self>, duration: Duration) -> Sleep {
        let mut state = self.state.lock();
        let (id, deadline) = (state.next_id, state.elapsed.saturating_add(duration));
        state.next_id += 1;
        state.sleepers.push(Sleeper { id, deadline, waker: None, idle: false });
        drop(state);
        self.changed.notify_waiters();
        Sleep(Kind::Manual { clock: self.clone(), id, deadline })
    }
}

impl Sleep {
    /// Nobody waits for it until it is polled again; meanwhile it may wake in vain who did, once.
    pub fn idle(&self) {
        if let Kind::Manual { clock, id, .. } = &self.0 {
            let mut state = clock.state.lock();
            let sleeper = state.sleepers.iter_mut().find(|it| it.id == *id);
            sleeper.into_iter().for_each(|it| it.idle = true);
        }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.0 {
            Kind::System(sleep) => sleep.as_mut().poll(cx),
            Kind::Manual { clock, id, deadline } => {
                let mut state = clock.state.lock();
                if *deadline <= state.elapsed {
                    return Poll::Ready(());
                }
                let sleeper = state.sleepers.iter_mut().find(|it| it.id == *id);
                let mut resumed = false;
                if let Some(sleeper) = sleeper {
                    sleeper.waker = Some(cx.waker().clone());
                    resumed = std::mem::take(&mut sleeper.idle);
                }
                drop(state);
                if resumed {
                    clock.changed.notify_waiters();
                }
                Poll::Pending
            }
        }
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Kind::Manual { clock, id, .. } = &self.0 {
            clock.state.lock().sleepers.retain(|it| it.id != *id);
        }
    }
}

impl hyper::rt::Sleep for Sleep {}

impl hyper::rt::Timer for Clock {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn hyper::rt::Sleep>> {
        Box::pin(Clock::sleep(self, duration))
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn hyper::rt::Sleep>> {
        Box::pin(Clock::sleep(self, deadline.saturating_duration_since(self.instant())))
    }

    fn now(&self) -> Instant {
        self.instant()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_manual_clock_wakes_its_sleepers_when_it_is_advanced() {
        let (clock, manual) = Clock::manual(0);
        let sleeper = clock.clone();
        let woken = tokio::spawn(async move { sleeper.sleep(Duration::from_secs(8)).await });
        manual.until_sleeping(Duration::from_secs(8)).await;
        manual.advance(Duration::from_secs(7));
        assert!(manual.is_sleeping(Duration::from_secs(1)), "a second too early");
        manual.advance(Duration::from_secs(1));
        woken.await.unwrap();
        assert_eq!(clock.now(), Now { wall: Wall(8_000), mono: Mono(8_000) });
    }

    #[tokio::test]
    async fn a_dropped_sleep_leaves_nothing_behind() {
        let (clock, manual) = Clock::manual(0);
        drop(clock.sleep(Duration::from_secs(1)));
        assert!(!manual.is_sleeping(Duration::from_secs(1)));
    }

    #[tokio::test]
    async fn who_waits_for_nothing_does_not_sleep() {
        let (clock, manual) = Clock::manual(0);
        let mut sleep = clock.sleep(Duration::from_secs(1));
        sleep.idle();
        assert!(!manual.is_sleeping(Duration::from_secs(1)), "it is kept for later");
        let pending =
            std::future::poll_fn(|cx| Poll::Ready(Pin::new(&mut sleep).poll(cx).is_pending()));
        assert!(pending.await);
        assert!(manual.is_sleeping(Duration::from_secs(1)), "it is waited for again");
        manual.advance(Duration::from_secs(1));
        sleep.await;
    }

    #[test]
    fn setting_the_wall_clock_leaves_monotonic_time_alone() {
        let (clock, manual) = Clock::manual(5_000);
        manual.set_wall(0);
        assert_eq!(clock.now(), Now { wall: Wall(0), mono: Mono(0) });
    }
}
