//! What the shared tier costs, with a real redis-server: look-ups, misses without it, purges, the
//! collapse of four nodes.
//!
//! `cargo bench --bench redis` prints the figures of `docs/redis.md`; a few minutes, and about 2 GiB
//! for the million objects. Nodes, clients and origin are in this process.

mod crowd;
mod lookups;
mod misses;
mod net;
mod purges;
mod redis_server;

use std::{io::Write, process::ExitCode, time::Instant};

use larder::clock::Clock;

/// What goes wrong in a benchmark ends it.
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// How long each of some calls took, in microseconds.
#[derive(Debug, Default)]
struct Times(Vec<f64>);

impl Times {
    fn since(&mut self, start: Instant) {
        self.0.push(now().duration_since(start).as_secs_f64() * 1e6);
    }

    fn part(&self, part: f64) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let last = sorted.len().saturating_sub(1);
        sorted.get((last as f64 * part).round() as usize).copied().unwrap_or_default()
    }

    /// `p50 12 µs, p99 34 µs`
    fn text(&self) -> String {
        format!("p50 {:.0} µs, p99 {:.0} µs", self.part(0.5), self.part(0.99))
    }
}

fn now() -> Instant {
    Clock::system().instant()
}

fn say(text: &str) {
    // Whoever closed our output wants to hear no more.
    writeln!(std::io::stdout().lock(), "{text}").ok();
}

fn main() -> ExitCode {
    let figures = [lookups::run, misses::run, purges::run, crowd::run];
    let mut code = ExitCode::SUCCESS;
    for run in figures {
        if let Err(error) = run() {
            say(&format!("redis: {error}"));
            code = ExitCode::FAILURE;
        }
    }
    code
}
