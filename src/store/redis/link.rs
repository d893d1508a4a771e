//! The link: its connections while it is up, and the breaker that gives it up.
//!
//! While it is down there are no connections, and so nothing that a caller could wait for. Three
//! calls in a row without a proper answer end it; only the background makes it anew. A command
//! that Redis refuses is a proper answer: what cannot be written can still be read.

use std::{
    sync::{
        Arc,
        atomic::{
            AtomicI64, AtomicU32, AtomicU64,
            Ordering::{Acquire, Relaxed, Release},
        },
    },
    time::Duration,
};

use arc_swap::ArcSwapOption;
use redis::{Cmd, Pipeline, RedisResult, Value, aio::MultiplexedConnection};
use tokio::sync::Notify;

use super::{
    Counters,
    dial::Wire,
    scripts::{Call, Scripts, is_forgotten, whole_command},
};
use crate::clock::Clock;

/// Calls in a row without an answer that end the link.
const MAX_FAILURES: u32 = 3;

/// How long nothing is stored after Redis has refused to: what would be sent is large.
const PAUSE: i64 = 1000;

/// What there is only while the link is up.
pub(super) struct Connections {
    /// For look-ups, which nothing large that is written may delay.
    pub(super) reads: Wire,
    pub(super) writes: Wire,
    pub(super) scripts: Scripts,
    pub(super) epoch: u64,
    failures: AtomicU32,
    /// Told when the link is to be given up.
    pub(super) over: Notify,
    /// Monotonic milliseconds until which nothing is stored.
    paused: AtomicI64,
}

/// The link to Redis, up or down.
pub(super) struct Link {
    current: ArcSwapOption<Connections>,
    pub(super) clock: Clock,
    pub(super) counters: Arc<Counters>,
    /// How often this node began anew, rather than to go on in the log where it was.
    beginnings: AtomicU64,
}

/// A call that has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault {
    #[error("no answer in time")]
    Late,
    #[error("{0}")]
    Broken(String),
}

impl Connections {
    pub(super) fn new(reads: Wire, writes: Wire, scripts: Scripts, epoch: u64) -> Connections {
        Connections {
            reads,
            writes,
            scripts,
            epoch,
            failures: AtomicU32::new(0),
            over: Notify::new(),
            paused: AtomicI64::new(i64::MIN),
        }
    }
}

impl Link {
    pub(super) fn new(clock: Clock, counters: Arc<Counters>) -> Link {
        let beginnings = AtomicU64::new(0);
        Link { current: ArcSwapOption::empty(), clock, counters, beginnings }
    }

    /// How often this node began anew. What was asked for before the last time is not stored:
    /// what became invalid in between is not known.
    pub(super) fn beginnings(&self) -> u64 {
        self.beginnings.load(Acquire)
    }

    pub(super) fn begin_anew(&self) {
        self.beginnings.fetch_add(1, Release);
    }

    /// The connections; `None` while the link is down.
    pub(super) fn up(&self) -> Option<Arc<Connections>> {
        self.current.load_full()
    }

    pub(super) fn is_up(&self) -> bool {
        self.current.load().is_some()
    }

    pub(super) fn open(&self, connections: Arc<Connections>) {
        self.current.store(Some(connections));
    }

    pub(super) fn close(&self) {
        self.current.store(None);
    }

    /// Runs look-ups, each with an answer of its own.
    pub(super) async fn read(
        &self,
        on: &Connections,
        pipeline: &Pipeline,
        within: Duration,
    ) -> Result<Vec<RedisResult<Value>>, Fault> {
        let answers = self.ask(on.reads.connection.clone(), pipeline, within).await;
        self.judge(on, answers)
    }

    /// Runs scripts in order, each with an answer of its own.
    pub(super) async fn run(
        &self,
        on: &Connections,
        calls: &[Call],
        within: Duration,
    ) -> Result<Vec<RedisResult<Value>>, Fault> {
        let is_waited_for = calls.iter().any(Call::is_waited_for);
        let wire = if is_waited_for { &on.reads } else { &on.writes };
        let commands = calls.iter().map(|call| on.scripts.command(call));
        let answers = self.ask(wire.connection.clone(), &pipeline(commands), within).await;
        let mut answers = self.judge(on, answers)?;
        let forgotten = |at: &usize| is_forgotten(&answers[*at]);
        let again: Vec<usize> = (0..answers.len().min(calls.len())).filter(forgotten).collect();
        if !again.is_empty() {
            let commands = again.iter().map(|at| whole_command(&calls[*at]));
            let whole = self.ask(wire.connection.clone(), &pipeline(commands), within).await;
            let whole = self.judge(on, whole)?;
            again.into_iter().zip(whole).for_each(|(at, answer)| answers[at] = answer);
        }
        let refused = answers.iter().filter(|answer| answer.is_err()).count();
        self.counters.refused.add(refused as u64);
        Ok(answers)
    }

    /// Whether storing is worth trying.
    pub(super) fn stores(&self, on: &Connections) -> bool {
        self.clock.now().mono.0 >= on.paused.load(Relaxed)
    }

    /// Stores nothing for a while.
    pub(super) fn pause(&self, on: &Connections) {
        on.paused.store(self.clock.now().mono.0.saturating_add(PAUSE), Relaxed);
    }

    async fn ask(
        &self,
        mut on: MultiplexedConnection,
        pipeline: &Pipeline,
        within: Duration,
    ) -> Result<Vec<RedisResult<Value>>, Fault> {
        let asked = pipeline.query_async::<Vec<RedisResult<Value>>>(&mut on);
        match self.clock.timeout(within, asked).await {
            Ok(answer) => answer.map_err(|error| Fault::Broken(error.to_string())),
            Err(_) => Err(Fault::Late),
        }
    }

    /// Counts what fails, and gives the link up where that has gone on.
    fn judge(
        &self,
        on: &Connections,
        answers: Result<Vec<RedisResult<Value>>, Fault>,
    ) -> Result<Vec<RedisResult<Value>>, Fault> {
        let answers = answers.and_then(|answers| match answers.iter().find_map(absent) {
            Some(code) => Err(Fault::Broken(code)),
            None => Ok(answers),
        });
        match &answers {
            Ok(_) => {
                on.failures.store(0, Relaxed);
                return answers;
            }
            Err(Fault::Late) => self.counters.late.one(),
            Err(Fault::Broken(_)) => self.counters.broken.one(),
        }
        if on.failures.fetch_add(1, Relaxed) + 1 == MAX_FAILURES {
            // At once: who comes next pays nothing.
            self.close();
            on.over.notify_one();
        }
        answers
    }
}

/// One answer, or what a call of its own says.
pub(super) fn pipeline(commands: impl Iterator<Item = Cmd>) -> Pipeline {
    let mut pipeline = Pipeline::new();
    commands.for_each(|command| {
        pipeline.add_command(command);
    });
    pipeline.ignore_errors();
    pipeline
}

/// Redis answers, but not yet, or no longer, to us.
fn absent(answer: &RedisResult<Value>) -> Option<String> {
    let code = answer.as_ref().err()?.code()?;
    let absent = ["LOADING", "MASTERDOWN", "NOAUTH", "BUSY", "CLUSTERDOWN"];
    absent.contains(&code).then(|| code.to_owned())
}
