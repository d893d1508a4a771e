//! The link's life: it is made, caught up with, kept alive, lost, and made again in the background.
//!
//! Before it counts as up, what this node had still to tell is told, all generations are read, and
//! the log is read to its end. From then on the log is followed on a connection of its own.

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use redis::{FromRedisValue, Pipeline, RedisResult, Value};

use super::{
    Event, Inner, Seq,
    dial::Wire,
    event::{self, Entry, Heard, Said},
    link::{Connections, pipeline},
    member::{self, Generations},
    scripts::{Call, Script, Scripts, is_forgotten, whole_command},
};
use crate::key::Key;

/// For everything there is to read, when the link is made.
const SYNC_WITHIN: Duration = Duration::from_secs(5);

/// Between two signs of life.
const HEARTBEAT: Duration = Duration::from_secs(1);

/// How long Redis holds a question for the log's next entry.
const BLOCK: Duration = Duration::from_secs(1);

/// Entries of one reading.
const ENTRIES: usize = 1024;

/// Members or keys that one call tells.
const TOLD_TOGETHER: usize = 256;

/// The first wait before another try, and the longest.
const FIRST_WAIT: Duration = Duration::from_millis(250);
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// Why the link is over.
#[derive(Debug)]
enum Over {
    /// Redis is not as it should be.
    Fault(String),
    /// Entries of the log may have been missed: everything is read anew.
    Gap,
}

impl From<String> for Over {
    fn from(why: String) -> Over {
        Over::Fault(why)
    }
}

/// Makes the link, again and again.
pub(super) async fn run(inner: Arc<Inner>) {
    let mut attempt = 0;
    loop {
        let over = match Box::pin(connect(&inner)).await {
            Ok((on, log)) => {
                attempt = 0;
                let over = live(&inner, &on, log).await;
                close(&inner);
                over
            }
            Err(over) => {
                inner.link.counters.unmade.one();
                over
            }
        };
        match over {
            Over::Gap => {
                inner.lose();
                inner.link.clock.sleep(wait(0, fastrand::f64())).await;
            }
            Over::Fault(why) => {
                if attempt == 0 {
                    tracing::warn!("Redis at {} is not used: {why}", inner.place);
                }
                inner.link.clock.sleep(wait(attempt, fastrand::f64())).await;
                attempt += 1;
            }
        }
    }
}

/// Doubling, and a quarter more or less, so that nodes do not come all at once.
fn wait(attempt: u32, random: f64) -> Duration {
    let doubled = FIRST_WAIT.saturating_mul(1 << attempt.min(10)).min(LONGEST_WAIT);
    doubled.mul_f64(0.75 + random / 2.0)
}

fn close(inner: &Inner) {
    inner.link.close();
    inner.peers.go(inner.link.clock.mono());
    inner.link.counters.downs.one();
    *inner.down_since.lock() = Some(inner.link.clock.now().mono);
    inner.waiters.stir_all();
    (inner.handler)(Event::Down);
}

async fn connect(inner: &Arc<Inner>) -> Result<(Arc<Connections>, Wire), Over> {
    let dial = || inner.dialer.dial(&inner.link.clock);
    let (reads, mut writes, mut log) = tokio::try_join!(dial(), dial(), dial())?;
    let loading = Scripts::load(&mut writes.connection);
    let scripts = bounded(inner, loading).await?;
    // A replica refuses it, and can still be read.
    let joined = call(inner, &mut writes, &scripts, &join(inner)).await?;
    tell(inner, &mut writes, &scripts).await?;
    let generations = generations(inner, &mut writes).await.map_err(|why| {
        let refused = joined.err().map(|error| format!(" ({error})")).unwrap_or_default();
        format!("{why}{refused}")
    })?;
    let epoch = catch_up(inner, &mut log, generations.0, generations.1).await?;
    is_quick(inner, &reads).await?;
    let on = Arc::new(Connections::new(reads, writes, scripts, epoch));
    inner.peers.come_back(inner.link.clock.mono());
    inner.link.open(on.clone());
    inner.link.counters.ups.one();
    *inner.down_since.lock() = None;
    tracing::info!("Redis at {} is used", inner.place);
    (inner.handler)(Event::Up);
    Ok((on, log))
}

/// What takes longer than a request would wait is of no use to one.
async fn is_quick(inner: &Inner, reads: &Wire) -> Result<(), String> {
    let mut connection = reads.connection.clone();
    let mut question = redis::cmd("EXISTS");
    question.arg(&inner.names.generations);
    match inner.link.clock.timeout(inner.timeout, question.exec_async(&mut connection)).await {
        Ok(answer) => answer.map_err(|error| error.to_string()),
        Err(_) => Err("it does not answer in time".to_owned()),
    }
}

/// Tells that this node has come, and what Redis should know, too.
fn join(inner: &Inner) -> Call {
    let join = Call::new(Script::Join, &[&inner.names.generations, &inner.names.log]);
    let known = inner.known.lock().map(|epoch| format!("{epoch:016x}")).unwrap_or_default();
    let join = join.arg(&inner.node).arg(fresh_epoch()).arg(known);
    let confirmed = inner.confirmed.load(Relaxed).to_string();
    join.arg(confirmed).arg(inner.furthest.lock().text())
}

/// Where the log ends, and all generations: read in this order, so that nothing lies between.
async fn generations(inner: &Inner, on: &mut Wire) -> Result<(Heard, Generations), String> {
    let names = &inner.names;
    let mut questions = Pipeline::new();
    questions.cmd("XREVRANGE").arg(&names.log).arg("+").arg("-").arg("COUNT").arg(1);
    questions.cmd("ZRANGE").arg(&names.generations).arg(0).arg(-1).arg("WITHSCORES");
    let mut answers = ask(inner, on, &mut questions).await?;
    let found = answers.pop().ok_or("no answer")?.map_err(|error| error.to_string())?;
    let end = answers.pop().ok_or("no answer")?.map_err(|error| error.to_string())?;
    let end = event::entries(end).first().map(|entry| entry.at).unwrap_or_default();
    Ok((end, Generations::parse(found).ok_or("its generations cannot be made")?))
}

/// Hands over the generations, then what the log says that this node has not heard.
async fn catch_up(
    inner: &Inner,
    log: &mut Wire,
    end: Heard,
    generations: Generations,
) -> Result<u64, Over> {
    let epoch = generations.epoch;
    let known = inner.known.lock().replace(epoch);
    let resumes = known == Some(epoch) && inner.heard().is_some();
    if !resumes {
        inner.link.begin_anew();
        if known.is_some() {
            inner.link.counters.gaps.one();
            (inner.handler)(Event::Lost);
        }
        *inner.heard.lock() = Some(end);
        *inner.furthest.lock() = end;
    }
    let newest = generations.newest;
    (inner.handler)(Event::Generations(generations));
    inner.apply_to(newest);
    loop {
        let mut question = Pipeline::new();
        let from = inner.heard().unwrap_or(end).text();
        question.cmd("XREAD").arg("COUNT").arg(ENTRIES).arg("STREAMS");
        question.arg(&inner.names.log).arg(from);
        let answer = ask(inner, log, &mut question).await?.pop().ok_or("no answer".to_owned())?;
        let entries = event::of_stream(answer.map_err(|error| error.to_string())?);
        let more = entries.len() == ENTRIES;
        hear(inner, entries)?;
        if !more {
            return Ok(epoch);
        }
    }
}

/// Tells what is pending; the link does not come up before that is done.
async fn tell(inner: &Inner, on: &mut Wire, scripts: &Scripts) -> Result<(), String> {
    let batch = inner.pending.batch();
    let refused = |error| format!("what was purged here cannot be written: {error}");
    for members in batch.members.chunks(TOLD_TOGETHER) {
        call(inner, on, scripts, &inner.purge_call(members)).await?.map_err(refused)?;
        inner.pending.purged(members);
    }
    for (key, count) in batch.keys {
        let answer = call(inner, on, scripts, &inner.invalidate_call(key)).await?;
        invalidated(inner, (key, count), answer.map_err(refused)?);
    }
    Ok(())
}

/// Redis has an invalidation.
fn invalidated(inner: &Inner, (key, count): (Key, u64), answer: Value) {
    inner.pending.invalidated(key, count);
    let at = String::from_redis_value(answer).ok().and_then(|id| Heard::parse(&id));
    at.into_iter().for_each(|at| inner.has_come(at));
}

/// Until the link is over.
async fn live(inner: &Inner, on: &Connections, log: Wire) -> Over {
    tokio::select! {
        over = follow(inner, on, log) => over,
        over = beat(inner, on) => over,
        () = on.over.notified() => Over::Fault("three calls in a row had no answer".to_owned()),
    }
}

/// Follows the log.
async fn follow(inner: &Inner, on: &Connections, mut log: Wire) -> Over {
    loop {
        let Some(heard) = inner.heard() else { return Over::Gap };
        let mut question = Pipeline::new();
        question.cmd("XREAD").arg("COUNT").arg(ENTRIES).arg("BLOCK").arg(millis(BLOCK));
        question.arg("STREAMS").arg(&inner.names.log).arg(heard.text());
        let answer = match ask(inner, &mut log, &mut question).await {
            Ok(mut answers) => answers.pop().unwrap_or(Ok(Value::Nil)),
            Err(why) => return Over::Fault(why),
        };
        let entries = match answer {
            Ok(answer) => event::of_stream(answer),
            Err(error) => return Over::Fault(error.to_string()),
        };
        match hear(inner, entries) {
            Err(over) => return over,
            Ok(None) => {}
            Ok(Some(seq)) => acknowledge(inner, on, seq).await,
        }
    }
}

async fn acknowledge(inner: &Inner, on: &Connections, seq: Seq) {
    let call = Call::new(Script::Acknowledge, &[&inner.names.log]);
    let call = call.arg(&inner.node).arg(seq.0.to_string());
    // Where it fails, this node counts as one that has not said so.
    let _ = inner.link.run(on, &[call], inner.timeout).await;
}

/// Acts on entries in their order; the newest purge among them.
fn hear(inner: &Inner, entries: Vec<Entry>) -> Result<Option<Seq>, Over> {
    let mut newest = None;
    for entry in entries {
        let heard = inner.heard().unwrap_or_default();
        if entry.before.unwrap_or_default() != heard {
            return Err(Over::Gap);
        }
        inner.link.counters.events.one();
        let own = entry.node == inner.node;
        match entry.said {
            Said::Nothing => {}
            Said::Purged(seq, members) => {
                (inner.handler)(match own {
                    true => Event::Told { seq, members },
                    false => Event::Purged { seq, members },
                });
                inner.apply_to(seq);
                newest = Some(seq);
            }
            Said::Changed(key, version) => {
                if !own {
                    (inner.handler)(Event::Changed { key, version });
                }
            }
            Said::Invalidated(key) => {
                if !own {
                    (inner.handler)(Event::Invalidated(key));
                }
                // What its holder brings is out of date.
                inner.waiters.stir(key);
            }
            Said::Acknowledged(seq) => inner.acks.acknowledge(entry.node, seq),
            Said::Released(key) => inner.waiters.wake(key),
        }
        *inner.heard.lock() = Some(entry.at);
        inner.has_come(entry.at);
    }
    Ok(newest)
}

/// Signs of life, and what is pending.
async fn beat(inner: &Inner, on: &Connections) -> Over {
    loop {
        let heard = inner.heard().unwrap_or_default();
        let names = &inner.names;
        let call = Call::new(Script::Heartbeat, &[&names.nodes, &names.generations, &names.log]);
        let call = call.arg(&inner.node).arg(inner.applied().0.to_string());
        let within = inner.timeout.max(Duration::from_millis(250));
        let answers = inner.link.run(on, &[call], within).await;
        let answer = answers.ok().and_then(|mut answers| answers.pop()?.ok());
        let answer =
            answer.and_then(|it| <(String, String, Vec<String>)>::from_redis_value(it).ok());
        if let Some((epoch, last, alive)) = answer {
            let epoch = epoch.strip_prefix('E').and_then(|hex| member::epoch(hex.as_bytes()));
            if epoch != Some(on.epoch) || Heard::parse(&last).unwrap_or_default() < heard {
                return Over::Gap;
            }
            inner.peers.see(alive);
        }
        let next = inner.link.clock.sleep(HEARTBEAT);
        tokio::pin!(next);
        loop {
            if !inner.pending.is_empty() {
                tell_more(inner, on).await;
            }
            tokio::select! {
                () = &mut next => break,
                () = inner.nudge.notified() => {}
            }
        }
    }
}

/// Tells what is pending while the link is up; what is refused stays so.
async fn tell_more(inner: &Inner, on: &Connections) {
    let batch = inner.pending.batch();
    for members in batch.members.chunks(TOLD_TOGETHER) {
        if inner.tell_purge(on, members).await.is_some() {
            inner.pending.purged(members);
        }
    }
    for keys in batch.keys.chunks(TOLD_TOGETHER) {
        let calls: Vec<Call> = keys.iter().map(|(key, _)| inner.invalidate_call(*key)).collect();
        let answers = inner.link.run(on, &calls, SYNC_WITHIN.min(inner.timeout * 10)).await;
        for (told, answer) in keys.iter().zip(answers.unwrap_or_default()) {
            if let Ok(answer) = answer {
                invalidated(inner, *told, answer);
            }
        }
    }
}

/// A set of generations that did not exist before.
pub(super) fn fresh_epoch() -> String {
    format!("{:016x}", fastrand::u64(..))
}

async fn call(
    inner: &Inner,
    on: &mut Wire,
    scripts: &Scripts,
    call: &Call,
) -> Result<RedisResult<Value>, String> {
    let once = |command| pipeline(std::iter::once(command));
    let answer = ask(inner, on, &mut once(scripts.command(call))).await?.pop();
    match answer.ok_or("no answer")? {
        forgotten if is_forgotten(&forgotten) => {
            let answer = ask(inner, on, &mut once(whole_command(call))).await?.pop();
            Ok(answer.ok_or("no answer")?)
        }
        answer => Ok(answer),
    }
}

async fn ask(
    inner: &Inner,
    on: &mut Wire,
    questions: &mut Pipeline,
) -> Result<Vec<RedisResult<Value>>, String> {
    let questions = questions.ignore_errors();
    bounded(inner, questions.query_async(&mut on.connection)).await
}

async fn bounded<T>(
    inner: &Inner,
    answer: impl Future<Output = RedisResult<T>>,
) -> Result<T, String> {
    match inner.link.clock.timeout(SYNC_WITHIN, answer).await {
        Ok(answer) => answer.map_err(|error| error.to_string()),
        Err(_) => Err("no answer in time".to_owned()),
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_bound_and_differ() {
        let milliseconds = |attempt, random| wait(attempt, random).as_millis();
        assert_eq!([0.0, 0.5, 1.0].map(|random| milliseconds(0, random)), [187, 250, 312]);
        assert_eq!([1, 2, 3].map(|attempt| milliseconds(attempt, 0.5)), [500, 1000, 2000]);
        assert_eq!([5, 9, u32::MAX].map(|attempt| milliseconds(attempt, 0.5)), [5000; 3]);
    }
}
