//! How long things take: histograms, and the places where they are filled.
//!
//! A hit's own look-up is timed once in [`ONE_IN`]: two readings of the clock take as long as the
//! look-up itself. All others come with work that is dearer than both.

use std::{
    cell::Cell,
    fmt::{self, Display},
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use super::text::Page;
use crate::{
    clock::Clock,
    policy::{Wall, coding::Coding},
};

/// Of so many look-ups in memory one is timed.
pub const ONE_IN: u32 = 64;

/// An upper bound in nanoseconds, and as it is written in seconds.
type Bound = (u64, &'static str);

/// For what is done in memory.
const SHORT: [Bound; 9] = [
    (100, "0.0000001"),
    (250, "0.00000025"),
    (500, "0.0000005"),
    (1_000, "0.000001"),
    (2_500, "0.0000025"),
    (5_000, "0.000005"),
    (10_000, "0.00001"),
    (100_000, "0.0001"),
    (1_000_000, "0.001"),
];

/// For what crosses a network, or takes work.
const LONG: [Bound; 16] = [
    (100_000, "0.0001"),
    (250_000, "0.00025"),
    (500_000, "0.0005"),
    (1_000_000, "0.001"),
    (2_500_000, "0.0025"),
    (5_000_000, "0.005"),
    (10_000_000, "0.01"),
    (25_000_000, "0.025"),
    (50_000_000, "0.05"),
    (100_000_000, "0.1"),
    (250_000_000, "0.25"),
    (500_000_000, "0.5"),
    (1_000_000_000, "1"),
    (2_500_000_000, "2.5"),
    (10_000_000_000, "10"),
    (30_000_000_000, "30"),
];

/// For how long something has lain there.
const AGES: [Bound; 10] = [
    (1_000_000_000, "1"),
    (5_000_000_000, "5"),
    (15_000_000_000, "15"),
    (60_000_000_000, "60"),
    (300_000_000_000, "300"),
    (900_000_000_000, "900"),
    (3_600_000_000_000, "3600"),
    (21_600_000_000_000, "21600"),
    (86_400_000_000_000, "86400"),
    (604_800_000_000_000, "604800"),
];

/// Times, sorted into buckets.
#[derive(Debug)]
pub struct Histogram {
    bounds: &'static [Bound],
    /// The last one: what is above all bounds.
    counts: Box<[AtomicU64]>,
    nanos: AtomicU64,
}

/// The histograms of the whole process.
#[derive(Debug)]
pub struct Times {
    clock: Clock,
    began: Wall,
    /// Look-ups in memory, one in [`ONE_IN`].
    pub l1: Histogram,
    /// Look-ups in the shared tier.
    pub l2: Histogram,
    packed: [Histogram; Coding::ALL.len()],
    unpacked: [Histogram; Coding::ALL.len()],
}

thread_local! {
    static UNTIMED: Cell<u32> = const { Cell::new(0) };
}

impl Histogram {
    fn short() -> Histogram {
        Histogram::of(&SHORT)
    }

    /// One for what takes from 0.1 ms to half a minute.
    #[must_use]
    pub fn long() -> Histogram {
        Histogram::of(&LONG)
    }

    /// One for ages, from a second to a week.
    #[must_use]
    pub fn ages() -> Histogram {
        Histogram::of(&AGES)
    }

    /// The mean of those that were counted.
    #[must_use]
    pub fn mean(&self) -> Option<Duration> {
        let count: u64 = self.counts.iter().map(|it| it.load(Relaxed)).sum();
        self.nanos.load(Relaxed).checked_div(count).map(Duration::from_nanos)
    }

    fn of(bounds: &'static [Bound]) -> Histogram {
        let counts = (0..=bounds.len()).map(|_| AtomicU64::default()).collect();
        Histogram { bounds, counts, nanos: AtomicU64::default() }
    }

    /// Counts one that took so long.
    pub fn add(&self, took: Duration) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let bucket = self.bounds.partition_point(|(bound, _)| *bound < nanos);
        self.counts[bucket].fetch_add(1, Relaxed);
        self.nanos.fetch_add(nanos, Relaxed);
    }

    /// Writes its samples, without their family's head.
    pub(super) fn write(&self, page: &mut Page, name: &str, labels: &[(&str, &str)]) {
        let mut below = 0;
        let bounds = self.bounds.iter().map(|(_, bound)| *bound).chain(["+Inf"]);
        for (bound, count) in bounds.zip(&self.counts) {
            below += count.load(Relaxed);
            let labels: Vec<_> = labels.iter().copied().chain([("le", bound)]).collect();
            page.sample(&format!("{name}_bucket"), &labels, below);
        }
        page.sample(&format!("{name}_sum"), labels, Seconds(self.nanos.load(Relaxed)));
        page.sample(&format!("{name}_count"), labels, below);
    }
}

impl Times {
    /// Nothing has taken any time yet.
    #[must_use]
    pub fn new(clock: Clock) -> Times {
        let long = || std::array::from_fn(|_| Histogram::long());
        let (l1, l2) = (Histogram::short(), Histogram::long());
        let began = clock.now().wall;
        Times { clock, began, l1, l2, packed: long(), unpacked: long() }
    }

    /// When the process began, as near as it matters.
    #[must_use]
    pub fn began(&self) -> Wall {
        self.began
    }

    /// Does a look-up in memory, and times it now and then.
    pub fn of_l1<T>(&self, look: impl FnOnce() -> T) -> T {
        // A thread that ends times nothing any more.
        let untimed = UNTIMED.try_with(|it| it.replace((it.get() + 1) % ONE_IN));
        if untimed != Ok(0) {
            return look();
        }
        self.of(&self.l1, look)
    }

    /// Packs a body, and times it.
    pub fn of_packing<T>(&self, coding: Coding, pack: impl FnOnce() -> T) -> T {
        self.of(&self.packed[coding as usize], pack)
    }

    /// Unpacks a body, and times it.
    pub fn of_unpacking<T>(&self, coding: Coding, unpack: impl FnOnce() -> T) -> T {
        self.of(&self.unpacked[coding as usize], unpack)
    }

    fn of<T>(&self, histogram: &Histogram, work: impl FnOnce() -> T) -> T {
        let begun = self.clock.instant();
        let done = work();
        histogram.add(self.clock.instant().saturating_duration_since(begun));
        done
    }

    /// Waits for a look-up in the shared tier, and times it.
    pub async fn of_l2<T>(&self, look: impl Future<Output = T>) -> T {
        let begun = self.clock.instant();
        let found = look.await;
        self.l2.add(self.clock.instant().saturating_duration_since(begun));
        found
    }

    /// Writes all of it.
    pub(super) fn write(&self, page: &mut Page) {
        let name = "larder_store_lookup_duration_seconds";
        page.family(name, "histogram", "Look-ups by tier; in memory (l1) one in 64 is timed.");
        self.l1.write(page, name, &[("tier", "l1")]);
        self.l2.write(page, name, &[("tier", "l2")]);
        let name = "larder_compression_duration_seconds";
        page.family(name, "histogram", "Stored bodies packed and unpacked.");
        for coding in Coding::ALL {
            let label = ("coding", coding.token());
            let at = coding as usize;
            self.packed[at].write(page, name, &[label, ("operation", "pack")]);
            self.unpacked[at].write(page, name, &[label, ("operation", "unpack")]);
        }
    }
}

/// Nanoseconds, as seconds.
pub(super) struct Seconds(pub(super) u64);

impl Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:09}", self.0 / 1_000_000_000, self.0 % 1_000_000_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_rise_and_are_written_as_they_are_meant() {
        for bounds in [&SHORT[..], &LONG[..], &AGES[..]] {
            for (nanos, text) in bounds {
                let seconds: f64 = text.parse().unwrap();
                let meant = Duration::from_nanos(*nanos).as_secs_f64();
                assert!((seconds - meant).abs() < 1e-10, "{text}");
            }
            assert!(bounds.is_sorted_by_key(|(nanos, _)| *nanos));
        }
    }

    #[test]
    fn a_time_is_counted_at_its_bound_and_below() {
        let histogram = Histogram::long();
        for micros in [0, 100, 101, 30_000_000, 30_000_001] {
            histogram.add(Duration::from_micros(micros));
        }
        let mut page = Page::default();
        histogram.write(&mut page, "x", &[("a", "b")]);
        let text = page.into_text();
        for line in [
            "x_bucket{a=\"b\",le=\"0.0001\"} 2",
            "x_bucket{a=\"b\",le=\"0.00025\"} 3",
            "x_bucket{a=\"b\",le=\"30\"} 4",
            "x_bucket{a=\"b\",le=\"+Inf\"} 5",
            "x_sum{a=\"b\"} 60.000202000",
            "x_count{a=\"b\"} 5",
        ] {
            assert!(text.lines().any(|it| it == line), "{line} in\n{text}");
        }
    }

    #[test]
    fn one_look_up_in_64_is_timed() {
        let times = Times::new(Clock::manual(0).0);
        std::thread::scope(|scope| {
            scope.spawn(|| (0..640).for_each(|_| times.of_l1(|| ())));
        });
        let timed: u64 = times.l1.counts.iter().map(|it| it.load(Relaxed)).sum();
        assert_eq!(timed, 10);
    }
}
