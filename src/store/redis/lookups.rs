//! Look-ups: those that wait together leave as one pipeline, each with the same deadline.
//!
//! What comes back is bounded before it is asked for: GETRANGE gives no more of a value than a
//! record or a body may have, whatever lies there.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use redis::{FromRedisValue, RedisResult, Value};
use tokio::sync::{Semaphore, mpsc, oneshot};

use super::{
    Codec, Label, Record, Seq, Shared,
    link::{Connections, Link, pipeline},
    names::Names,
    record::MAX_RECORD,
};
use crate::{key::Key, store::Vary};

/// Look-ups that wait to be sent.
const MAX_WAITING: usize = 4096;

/// Pipelines that are under way at the same time: what comes meanwhile gathers for the next.
const MAX_UNDER_WAY: usize = 4;

/// Bytes of answers that are held at the same time, at most.
const MAX_HELD: usize = 64 << 20;

/// Look-ups of one pipeline that came on their own.
const MAX_TOGETHER: usize = 64;

/// Look-ups that one caller may have leave together.
pub(super) const MAX_AT_ONCE: usize = 100;

/// What a look-up found.
#[derive(Clone, Debug)]
pub enum Looked {
    /// A response, checked.
    Response {
        /// Its head.
        head: Box<Shared>,
        /// Its body.
        body: Bytes,
    },
    /// What tells the target's variants apart.
    Vary(Vary),
    /// Nothing that can be used; why is counted.
    Nothing,
}

/// Sends look-ups.
#[derive(Debug)]
pub(super) struct Lookups(mpsc::Sender<Vec<Question>>);

#[derive(Debug)]
struct Question {
    key: Key,
    answer: oneshot::Sender<Looked>,
}

/// What answers are made with.
pub(super) struct Desk {
    pub(super) link: Arc<Link>,
    pub(super) names: Names,
    pub(super) codec: Codec,
    pub(super) timeout: Duration,
    pub(super) max_object_size: usize,
}

impl Lookups {
    /// And the task that gathers them.
    pub(super) fn new(desk: Arc<Desk>) -> (Lookups, impl Future<Output = ()>) {
        let (sender, receiver) = mpsc::channel(MAX_WAITING);
        (Lookups(sender), gather(desk, receiver))
    }

    /// The answers to keys that leave together, in their order, where they come.
    pub(super) async fn ask(&self, keys: &[Key]) -> Vec<Looked> {
        let channel = |key: &Key| {
            let (answer, answered) = oneshot::channel();
            (Question { key: *key, answer }, answered)
        };
        let (questions, answers): (Vec<_>, Vec<_>) = keys.iter().map(channel).unzip();
        // What could not be sent is answered by its drop.
        let _ = self.0.try_send(questions);
        let mut looked = Vec::with_capacity(answers.len());
        for answered in answers {
            looked.push(answered.await.unwrap_or(Looked::Nothing));
        }
        looked
    }
}

async fn gather(desk: Arc<Desk>, mut questions: mpsc::Receiver<Vec<Question>>) {
    let each = desk.max_object_size + MAX_RECORD;
    let together = (MAX_HELD / MAX_UNDER_WAY / each).clamp(1, MAX_TOGETHER);
    let under_way = Arc::new(Semaphore::new(MAX_UNDER_WAY));
    // Too many to leave with those before them: they would take each other's room.
    let mut left: Option<Vec<Question>> = None;
    loop {
        let Ok(permit) = under_way.clone().acquire_owned().await else { return };
        let next = match left.take() {
            None => questions.recv().await,
            left => left,
        };
        let Some(mut batch) = next else { return };
        // Let those who ask at the same time come along.
        tokio::task::yield_now().await;
        while batch.len() < together {
            let Ok(next) = questions.try_recv() else { break };
            if batch.len() + next.len() > together {
                left = Some(next);
                break;
            }
            batch.extend(next);
        }
        batch.retain(|question| !question.answer.is_closed());
        let Some(connections) = desk.link.up().filter(|_| !batch.is_empty()) else { continue };
        // Many that leave together take the room of several pipelines.
        let more = (batch.len().saturating_sub(1) / together).min(MAX_UNDER_WAY - 1);
        let others = under_way.clone().acquire_many_owned(u32::try_from(more).unwrap_or_default());
        let Ok(others) = others.await else { return };
        let (desk, room) = (desk.clone(), each.max(MAX_HELD / MAX_UNDER_WAY) * (1 + more));
        tokio::spawn(async move {
            desk.answer(&connections, (batch, room)).await;
            drop((permit, others));
        });
    }
}

impl Desk {
    async fn answer(&self, on: &Connections, (batch, room): (Vec<Question>, usize)) {
        let counters = &self.link.counters;
        counters.flushes.one();
        counters.lookups.add(batch.len() as u64);
        let part = |key: String, last: usize| {
            let mut command = redis::cmd("GETRANGE");
            command.arg(key).arg(0).arg(last);
            command
        };
        // Of very many, only the shorter bodies fit: a longer one is a miss.
        let each = (room / batch.len().max(1)).saturating_sub(MAX_RECORD);
        let longest = self.max_object_size.min(each).saturating_sub(1);
        let commands = batch.iter().flat_map(|question| {
            let (head, body) = (self.names.head(question.key), self.names.body(question.key));
            [part(head, MAX_RECORD), part(body, longest)]
        });
        let answers = self.link.read(on, &pipeline(commands), self.timeout).await;
        let mut answers = answers.unwrap_or_default().into_iter();
        for question in batch {
            let (Some(head), Some(body)) = (answers.next(), answers.next()) else { return };
            let label = Label { key: question.key, epoch: on.epoch };
            let _ = question.answer.send(self.look(label, head, body));
        }
    }

    fn look(&self, label: Label, head: RedisResult<Value>, body: RedisResult<Value>) -> Looked {
        let counters = &self.link.counters;
        let text =
            |value: RedisResult<Value>| value.and_then(|it| Ok(Vec::<u8>::from_redis_value(it)?));
        let (Ok(head), Ok(body)) = (text(head), text(body)) else {
            counters.refused.one();
            return Looked::Nothing;
        };
        if head.is_empty() {
            counters.misses.one();
            return Looked::Nothing;
        }
        match self.codec.open(label, &head, self.link.clock.now()) {
            Ok(Record::Vary(vary)) => return Looked::Vary(vary),
            Ok(Record::Tombstone) => {
                counters.misses.one();
                return Looked::Nothing;
            }
            Ok(Record::Head(head)) => {
                let body = Bytes::from(body);
                if head.is_body(&body) {
                    counters.hits.one();
                    return Looked::Response { head, body };
                }
            }
            Err(_) => {}
        }
        counters.unusable.one();
        Looked::Nothing
    }
}

/// When a fetch began, as the whole cluster counts it: taken before the origin is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Began {
    /// The newest purge that this node had applied.
    pub seq: Seq,
    /// The newest entry of the log that it had read.
    pub heard: super::Heard,
    /// How often it had begun to read it anew.
    pub(super) beginnings: u64,
}
