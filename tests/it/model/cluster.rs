//! The same model on two nodes with one Redis, which dies, hangs, is emptied, or comes back older
//! between the steps.
//!
//! The nodes are asked in turn. After each step they agree: each purges a tag that nobody bears, and
//! waits until the other says that it has heard of it, and so of all before. While Redis is away
//! they cannot, and what one makes invalid is no news to the other; all else holds.

use std::time::Duration;

use larder::proxy::{
    Proxy,
    purge::{Order, Purged, Target, What},
};
use larder::store::Manner;
use proptest::{
    collection::vec,
    prelude::{Just, Strategy},
    prop_oneof,
    sample::select,
};

use super::{
    Memory, Mutex, Tally, ask_all,
    modes::MODES,
    number,
    read::strings,
    script::{self, Act, Sequence},
    world::{Exchange, World},
};
use crate::support::{RedisServer, pause, within};

/// How many are tried for each hundred of the one node's.
const OF_A_HUNDRED: u64 = 3;

/// A sequence, and what happens before which of its acts.
type Case = (Sequence, Vec<(usize, Event)>);

/// What happens to Redis, or by an operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    Kill,
    Stop,
    Heal,
    Flush,
    /// What it restarts from, if it is killed later.
    Save,
    Purge(Form, Manner),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Url,
    Prefix,
    Tag,
    All,
}

/// How Redis is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Health {
    Well,
    Dead,
    Stopped,
}

/// A hard purge: what was asked for before it is gone.
#[derive(Debug)]
struct Gone {
    form: Form,
    host: &'static str,
    tick: usize,
    /// From then on, on all nodes.
    since: Option<usize>,
}

struct Cluster {
    world: World,
    redis: RedisServer,
    health: Health,
    gone: Vec<Gone>,
    purges: usize,
}

impl Cluster {
    async fn start() -> Cluster {
        let redis = RedisServer::start().await;
        let shared = format!("[cache.redis]\nurl = \"{}\"\n", redis.url());
        let world = World::of(2, &shared);
        let (health, gone) = (Health::Well, Vec::new());
        let mut cluster = Cluster { world, redis, health, gone, purges: 0 };
        cluster.agree().await;
        cluster
    }

    async fn run(&mut self, ((mode, acts, manners), events): &Case) -> Result<Tally, String> {
        // A sequence that failed has not healed.
        self.happen(Event::Heal, *mode).await;
        self.world.begin(manners);
        self.gone.clear();
        let (mut memory, mut tally) = (Memory::new(), Tally::new());
        for (at, act) in acts.iter().enumerate() {
            for (_, event) in events.iter().filter(|(before, _)| *before == at) {
                self.happen(*event, *mode).await;
            }
            match act {
                Act::Step(millis) => {
                    self.world.manual.advance(Duration::from_millis(*millis));
                    self.world.settle(2).await;
                }
                // Clocks that jump are for one node: between two they are another fault. Purges
                // come as events, so that one can also come while Redis is away.
                Act::Wall(_) | Act::Purge(_) | Act::Reload(_) => {}
                // Batches are for one node: each item has its way to Redis made together.
                Act::Batch(_) => {}
                Act::Ask(asks) => {
                    let manual = self.world.manual.clone();
                    let asked = ask_all(&mut self.world, &MODES[*mode], asks, &mut memory);
                    // Only a Redis that hangs is waited for, and by the clock.
                    let kinds = match self.health {
                        Health::Stopped => pumped(&manual, asked).await?,
                        Health::Well | Health::Dead => asked.await?,
                    };
                    kinds.into_iter().for_each(|kind| *tally.entry(kind).or_default() += 1);
                    self.nothing_gone_came_back()?;
                }
            }
            self.agree().await;
        }
        self.happen(Event::Heal, *mode).await;
        Ok(tally)
    }

    async fn happen(&mut self, event: Event, mode: usize) {
        match (event, self.health) {
            (Event::Kill, Health::Well) => {
                self.redis.kill();
                self.fall_apart(Health::Dead);
            }
            (Event::Stop, Health::Well) => {
                self.redis.stop();
                self.fall_apart(Health::Stopped);
            }
            (Event::Heal, Health::Dead) => {
                self.redis.restart().await;
                self.heal().await;
            }
            (Event::Heal, Health::Stopped) => {
                self.redis.cont();
                self.heal().await;
            }
            (Event::Flush, Health::Well) => {
                self.redis.ask::<()>(&["FLUSHALL"]).await;
                self.agree().await;
            }
            (Event::Save, Health::Well) => self.redis.ask::<()>(&["SAVE"]).await,
            (Event::Purge(form, manner), _) => self.purge(form, manner, mode).await,
            _ => {}
        }
    }

    fn fall_apart(&mut self, health: Health) {
        self.health = health;
        self.world.history.lock().apart = true;
    }

    async fn heal(&mut self) {
        self.health = Health::Well;
        self.agree().await;
        let mut history = self.world.history.lock();
        history.apart = false;
        let now = history.tick;
        self.gone.iter_mut().for_each(|gone| gone.since = gone.since.or(Some(now)));
    }

    async fn purge(&mut self, form: Form, manner: Manner, mode: usize) {
        let (host, sequence) = ("a.test", self.world.sequence);
        let path = format!("http://{host}/{}/{sequence:07}/", MODES[mode].name);
        let what = match form {
            Form::Url => What::Url(Target::of_url(&format!("{path}x")).unwrap()),
            Form::Prefix => What::Prefix(Target::of_prefix(&path).unwrap()),
            Form::Tag => What::Tags { tags: vec!["g".to_owned()], host: None },
            Form::All => What::All,
        };
        self.purges += 1;
        let node = self.world.proxies[self.purges % 2].clone();
        let tick = self.world.history.lock().moment(&self.world.clock()).tick;
        let purged = self.tell(&node, &Order { what, manner }).await;
        if manner == Manner::Hard {
            let done = is_by_both(&purged).then(|| self.world.history.lock().tick);
            self.gone.push(Gone { form, host, tick, since: done });
        }
        assert!(self.health != Health::Dead || !purged.written, "nobody was there to write it");
    }

    async fn tell(&self, node: &std::sync::Arc<Proxy>, order: &Order) -> Purged {
        pumped(&self.world.manual, node.purge(order)).await
    }

    /// Waits until both nodes have heard of all that either said; time goes on meanwhile, so that
    /// links are made and lives are shown.
    async fn agree(&mut self) {
        if self.health != Health::Well {
            return self.world.settle(8).await;
        }
        let what = What::Tags { tags: vec!["nobody's".to_owned()], host: None };
        let order = Order { what, manner: Manner::Hard };
        loop {
            let mut agreed = true;
            // Twice: what was queued behind a write that was under way goes between.
            for _ in 0..2 {
                for node in &self.world.proxies {
                    agreed &= is_by_both(&self.tell(node, &order).await);
                }
            }
            if agreed {
                return;
            }
            self.world.manual.advance(Duration::from_millis(300));
            pause().await;
        }
    }

    /// No answer is of what was purged before it was asked for.
    fn nothing_gone_came_back(&self) -> Result<(), String> {
        let history = self.world.history.lock();
        for asked in &history.asked {
            let Some(got) = &asked.got else { continue };
            let made: Vec<&Exchange> =
                got.numbers.iter().filter_map(|it| history.exchanges.get(*it)).collect();
            let (Some(first), Some(last)) = (made.first(), made.last()) else { continue };
            for gone in &self.gone {
                let in_force = gone.since.is_some_and(|since| since < asked.sent.tick);
                let covered = match gone.form {
                    Form::Url => asked.target.0 == gone.host && asked.target.1.ends_with("/x"),
                    Form::Prefix => asked.target.0 == gone.host,
                    Form::Tag => strings(&first.head, "cache-groups").iter().any(|it| it == "g"),
                    Form::All => true,
                };
                if in_force && covered && last.asked.tick < gone.tick {
                    return Err(format!("{gone:?} came back: {asked:?}"));
                }
            }
        }
        Ok(())
    }
}

fn is_by_both(purged: &Purged) -> bool {
    purged.written && purged.missing.is_empty() && purged.nodes.len() == 2
}

/// Lets time go on while `future` waits.
async fn pumped<T>(manual: &larder::clock::Manual, future: impl Future<Output = T>) -> T {
    tokio::pin!(future);
    loop {
        tokio::select! {
            biased;
            output = &mut future => return output,
            () = pause() => manual.advance(Duration::from_millis(20)),
        }
    }
}

fn event() -> impl Strategy<Value = Event> {
    let forms = select(&[Form::Url, Form::Prefix, Form::Tag, Form::All][..]);
    let manners = select(&[Manner::Hard, Manner::Hard, Manner::Soft][..]);
    prop_oneof![
        2 => Just(Event::Kill),
        1 => Just(Event::Stop),
        3 => Just(Event::Heal),
        1 => Just(Event::Flush),
        1 => Just(Event::Save),
        4 => (forms, manners).prop_map(|(form, manner)| Event::Purge(form, manner)),
    ]
}

fn case() -> impl Strategy<Value = Case> {
    (script::sequence(), vec((0_usize..16, event()), 0..6))
}

#[test]
fn two_nodes_with_one_redis_are_one_cache() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let cluster = Mutex::new(runtime.block_on(within("two nodes", Cluster::start())));
    let tally = Mutex::new(Tally::new());
    let one = number("LARDER_SEED");
    let sequences = number("LARDER_SEQUENCES").unwrap_or(super::SEQUENCES);
    let sequences = if one.is_some() { 1 } else { (sequences * OF_A_HUNDRED).div_ceil(100) };
    let first = one.unwrap_or(super::FIRST_SEED);
    let cases = case().boxed();
    for seed in first..first + sequences {
        let played = super::try_seed(&cases, seed, |case| {
            let mut cluster = cluster.lock();
            let counts = runtime.block_on(within("a sequence's end", cluster.run(case)))?;
            let mut tally = tally.lock();
            counts.into_iter().for_each(|it| *tally.entry(it.0).or_default() += it.1);
            Ok(())
        });
        played.unwrap_or_else(|failure| panic!("{failure}"));
    }
    eprintln!("{sequences} sequences on two nodes: {:?}", tally.lock());
}
