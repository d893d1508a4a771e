//! A second statement of RFC 9111, and any sequence of events against it.
//!
//! [`script`] says what may happen, [`world`] lets it happen to the proxy in process, [`origin`]
//! is right and wrong as told, [`allow`] judges every answer by the list of all that was ever
//! sent, with readers of its own ([`read`]), and of all that was purged ([`purged`]). Time stands
//! still but for what the script says.
//!
//! Each sequence has a seed of its own: `LARDER_SEED` repeats the one that is printed with a
//! failure, and `LARDER_SEQUENCES` as many from there on; `LARDER_SEED=any` begins anywhere.
//! Without it the seeds are always the same ones, so that a test that fails has a cause in the
//! change that it tests. What was found lies in [`found`], and is tried every time.

mod allow;
mod cluster;
mod form;
mod found;
mod lifetime;
mod modes;
mod origin;
mod purged;
mod read;
mod script;
mod sharing;
mod stored;
mod world;

use std::{
    collections::{BTreeMap, HashMap},
    sync::atomic::{AtomicBool, Ordering::Relaxed},
};

use parking_lot::Mutex;
use proptest::{
    strategy::BoxedStrategy,
    test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner},
};

use self::{
    allow::{Judge, Kind},
    modes::{MODES, Mode},
    read::{Fields, line},
    script::{Act, Ask, Sequence},
    world::{Answer, Got, World},
};
use crate::support::{self, NOON, within};

/// Where the seeds begin, unless something else is asked for.
const FIRST_SEED: u64 = 1;

/// How many are tried where nobody says; `scripts/test.sh` says ten times as many.
const SEQUENCES: u64 = 2_000;

/// What happened how often, so that a run that shows nothing fails.
type Tally = BTreeMap<Kind, usize>;

/// What a client remembers of a target: the last ETag and Last-Modified.
type Memory = HashMap<(String, String), (String, String)>;

async fn run(world: &mut World, (mode, acts, manners): &Sequence) -> Result<Tally, String> {
    let mode = &MODES[*mode];
    world.begin(manners);
    let (mut memory, mut tally) = (Memory::new(), Tally::new());
    for act in acts {
        match act {
            Act::Step(millis) => {
                world.manual.advance(std::time::Duration::from_millis(*millis));
                world.settle(2).await;
            }
            Act::Wall(seconds) => world.manual.set_wall(NOON + seconds * 1000),
            Act::Purge(purge) => world.purge(mode, *purge).await,
            Act::Reload(reload) => world.reload(*reload),
            Act::Ask(asks) => {
                for kind in ask_all(world, mode, asks, &mut memory).await? {
                    *tally.entry(kind).or_default() += 1;
                }
            }
            Act::Batch(asks) => {
                for kind in ask_together(world, mode, asks, &mut memory).await? {
                    *tally.entry(kind).or_default() += 1;
                }
            }
        }
    }
    Ok(tally)
}

/// A request's number, and its target.
type Entered = (usize, (String, String));

fn enter(world: &World, mode: &Mode, ask: &Ask, memory: &Memory) -> Entered {
    let known = (ask.host.to_owned(), ask.path.to_owned());
    let last = memory.get(&known).cloned().unwrap_or_default();
    (world.enter(ask, fields(ask, &last), mode.name), known)
}

async fn ask_all(
    world: &mut World,
    mode: &Mode,
    asks: &[Ask],
    memory: &mut Memory,
) -> Result<Vec<Kind>, String> {
    let mut entered = Vec::new();
    let mut pending = Vec::new();
    for ask in asks {
        let (id, known) = enter(world, mode, ask, memory);
        entered.push((id, known));
        let (client, clock) = (world.client(), world.clock());
        pending.push(World::ask(client, clock, world.history.clone(), id));
    }
    let answers = futures_util::future::join_all(pending).await;
    let (clients, answers): (Vec<_>, Vec<_>) = answers.into_iter().unzip();
    clients.into_iter().for_each(|client| world.park(client));
    judge_all(world, mode, entered.into_iter().zip(answers), memory).await
}

async fn ask_together(
    world: &mut World,
    mode: &Mode,
    asks: &[Ask],
    memory: &mut Memory,
) -> Result<Vec<Kind>, String> {
    let entered: Vec<Entered> = asks.iter().map(|ask| enter(world, mode, ask, memory)).collect();
    let ids: Vec<usize> = entered.iter().map(|(id, _)| *id).collect();
    ids.iter().for_each(|id| world.history.lock().asked[*id].batched = true);
    let (client, clock) = (world.client(), world.clock());
    let asked = World::ask_together(client, clock, world.history.clone(), ids);
    let (client, answers) = asked.await;
    world.park(client);
    judge_all(world, mode, entered.into_iter().zip(answers), memory).await
}

async fn judge_all(
    world: &World,
    mode: &Mode,
    answers: impl Iterator<Item = (Entered, Answer)>,
    memory: &mut Memory,
) -> Result<Vec<Kind>, String> {
    let mut kinds = Vec::new();
    for ((id, known), answer) in answers {
        let status = support_line(&answer.fields, "cache-status");
        let refreshes = status.contains("stale-while-revalidate");
        let kind = {
            let mut history = world.history.lock();
            let stored = status.contains("stored") && answer.whole;
            let judge = Judge { mode, history: &history, id, answer: &answer };
            let numbers = judge.numbers();
            history.asked[id].got = Some(Got { at: answer.got, stored, numbers });
            let judge = Judge { mode, history: &history, id, answer: &answer };
            judge.verdict().map_err(|why| {
                let asked = &history.asked[id];
                let all: Vec<String> =
                    history.exchanges.iter().map(|it| format!("{it:?}")).collect();
                format!(
                    "{why}\nrequest {id}: {asked:?}\nanswer: {answer:?}\norigin:\n{}",
                    all.join("\n")
                )
            })?
        };
        kinds.extend(kind);
        let of = |name: &str| support_line(&answer.fields, name);
        if answer.status < 400 {
            memory.insert(known, (of("etag"), of("last-modified")));
        }
        world.settle(if refreshes { 40 } else { 4 }).await;
    }
    Ok(kinds)
}

fn support_line(fields: &Fields, name: &str) -> String {
    line(fields, name).unwrap_or_default().to_owned()
}

/// The words of a request as fields.
fn fields(ask: &Ask, (etag, modified): &(String, String)) -> Fields {
    let mut fields = Fields::new();
    let mut add = |name: &str, value: &str| {
        if !value.is_empty() {
            fields.push((name.to_owned(), value.to_owned()));
        }
    };
    match ask.cache_control {
        "pragma" => add("Pragma", "no-cache"),
        other => add("Cache-Control", other),
    }
    add("Accept", ask.selecting.0);
    add("Accept-Language", ask.selecting.1);
    add("Authorization", ask.identity.0);
    add("Cookie", ask.identity.1);
    add("X-Tenant", ask.shown.0);
    add(ask.shown.1, if ask.shown.1.is_empty() { "" } else { "1" });
    for condition in ask.condition.split(", ") {
        match condition {
            "none-match-last" => add("If-None-Match", etag),
            "none-match-weak" if !etag.is_empty() => {
                add("If-None-Match", &format!("\"zz\", W/{}", etag.trim_start_matches("W/")));
            }
            "none-match-other" => add("If-None-Match", "\"zz\""),
            "none-match-star" => add("If-None-Match", "*"),
            "modified-last" => add("If-Modified-Since", modified),
            "modified-old" => add("If-Modified-Since", &support::date(-500_000)),
            "match-last" => add("If-Match", etag),
            _ => {}
        }
    }
    let (condition, range) = ask.range.split_once(' ').unwrap_or(("", ask.range));
    add("Range", range);
    match condition {
        "if" if !etag.is_empty() => add("If-Range", etag),
        "if-date" if !modified.is_empty() => add("If-Range", modified),
        "if" | "if-date" | "ifnot" => add("If-Range", "\"zz\""),
        _ => {}
    }
    fields
}

/// For each kind of failure: how often, and its shortest example. `LARDER_SURVEY=1` lists them all
/// in place of stopping at the first.
type Survey = BTreeMap<String, (usize, String)>;

/// One thread's world, and what it has seen.
struct Bench {
    runtime: tokio::runtime::Runtime,
    world: Mutex<World>,
    tally: Mutex<Tally>,
    survey: Option<Mutex<Survey>>,
}

impl Bench {
    fn new() -> Bench {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let world = Mutex::new(runtime.block_on(async { World::new() }));
        let survey = std::env::var_os("LARDER_SURVEY").map(|_| Mutex::default());
        Bench { runtime, world, tally: Mutex::default(), survey }
    }

    /// Lets a sequence happen.
    fn play(&self, sequence: &Sequence) -> Result<(), String> {
        let mut world = self.world.lock();
        let held = self.runtime.block_on(within("a sequence's end", run(&mut world, sequence)));
        match (held, &self.survey) {
            (Ok(counts), _) => {
                let mut tally = self.tally.lock();
                counts.into_iter().for_each(|it| *tally.entry(it.0).or_default() += it.1);
                Ok(())
            }
            (Err(why), Some(survey)) => {
                note(survey, why, sequence);
                Ok(())
            }
            (Err(why), None) => Err(why),
        }
    }
}

/// Plays the sequence of a seed; shrunk, if it fails.
fn try_seed<T: std::fmt::Debug>(
    sequences: &BoxedStrategy<T>,
    seed: u64,
    play: impl Fn(&T) -> Result<(), String>,
) -> Result<(), String> {
    let config =
        Config { cases: 1, max_shrink_iters: 4000, failure_persistence: None, ..Config::default() };
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let outcome = TestRunner::new_with_rng(config, rng)
        .run(sequences, |sequence| play(&sequence).map_err(TestCaseError::fail));
    outcome.map_err(|failure| format!("LARDER_SEED={seed}\n{failure}"))
}

fn note(survey: &Mutex<Survey>, why: String, sequence: &Sequence) {
    let first = why.lines().next().unwrap_or_default();
    let kind: String = first.chars().filter(|it| !it.is_ascii_digit()).take(50).collect();
    let example = format!("{why}\n{sequence:?}");
    let mut survey = survey.lock();
    let entry = survey.entry(kind).or_insert_with(|| (0, example.clone()));
    entry.0 += 1;
    if example.len() < entry.1.len() {
        entry.1 = example;
    }
}

/// One thread's part: the sequences of consecutive seeds.
fn part(seeds: std::ops::Range<u64>, failed: &AtomicBool) -> Result<Tally, String> {
    let (bench, sequences) = (Bench::new(), script::sequence());
    for seed in seeds {
        if failed.load(Relaxed) {
            break;
        }
        let tried = try_seed(&sequences, seed, |it| bench.play(it));
        failed.fetch_or(tried.is_err(), Relaxed);
        tried?;
    }
    for (kind, (count, example)) in bench.survey.into_iter().flat_map(Mutex::into_inner) {
        eprintln!("SURVEY {count} times: {kind}\n{example}\n");
    }
    Ok(bench.tally.into_inner())
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

#[test]
#[allow(clippy::disallowed_methods, reason = "says how fast it was, in real time")]
fn every_answer_is_one_that_the_model_allows() {
    let one = number("LARDER_SEED");
    let sequences = number("LARDER_SEQUENCES").unwrap_or(if one.is_some() { 1 } else { SEQUENCES });
    let anywhere = std::env::var("LARDER_SEED").is_ok_and(|it| it == "any");
    let first = one.unwrap_or_else(|| if anywhere { fastrand::u64(..) >> 16 } else { FIRST_SEED });
    let threads = std::thread::available_parallelism().map_or(1, |it| it.get() as u64).min(4);
    let (started, share) = (std::time::Instant::now(), sequences.div_ceil(threads));
    let seeds = |thread: u64| first + (thread * share).min(sequences);
    let failed = &AtomicBool::new(false);
    let parts: Vec<Result<Tally, String>> = std::thread::scope(|scope| {
        let shares = (0..threads).map(|it| seeds(it)..seeds(it + 1));
        let parts: Vec<_> = shares.map(|it| scope.spawn(move || part(it, failed))).collect();
        parts.into_iter().map(|it| it.join().unwrap()).collect()
    });
    let mut tally = Tally::new();
    for part in parts {
        let part = part.unwrap_or_else(|failure| panic!("{failure}"));
        part.into_iter().for_each(|(kind, count)| *tally.entry(kind).or_default() += count);
    }
    let rate = sequences as f64 / started.elapsed().as_secs_f64();
    eprintln!("LARDER_SEED={first}: {sequences} sequences, {rate:.0}/s: {tally:?}");
    if sequences >= 10 * SEQUENCES {
        for kind in Kind::USUAL {
            assert!(tally.contains_key(&kind), "no answer was {kind:?}: {tally:?}");
        }
    }
}
