//! A second statement of RFC 9111, and any sequence of events against it.
//!
//! [`script`] says what may happen, [`world`] lets it happen to the proxy in process, [`origin`]
//! is right and wrong as told, [`allow`] judges every answer by the list of all that was ever
//! sent, with readers of its own ([`read`]). Time stands still but for what the script says.
//!
//! `LARDER_SEQUENCES` says how many (default 2,000), `LARDER_SEED` (printed) repeats a run. What
//! was found lies in `regressions.txt` and is tried first, always.

mod allow;
mod origin;
mod read;
mod script;
mod world;

use std::collections::{BTreeMap, HashMap};

use parking_lot::Mutex;
use proptest::test_runner::{
    Config, FileFailurePersistence, RngAlgorithm, TestCaseError, TestRng, TestRunner,
};

use self::{
    allow::{Judge, Kind},
    read::{Fields, line},
    script::{Act, Ask, MODES, Manner, Mode},
    world::World,
};
use crate::support::{self, NOON, within};

/// What happened how often, so that a run that shows nothing fails.
type Tally = BTreeMap<Kind, usize>;

/// What a client remembers of a target: the last ETag and Last-Modified.
type Memory = HashMap<(String, String), (String, String)>;

async fn run(
    world: &mut World,
    (mode, acts, manners): &(usize, Vec<Act>, Vec<Manner>),
) -> Result<Tally, String> {
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
            Act::Ask(asks) => {
                for kind in ask_all(world, mode, asks, &mut memory).await? {
                    *tally.entry(kind).or_default() += 1;
                }
            }
        }
    }
    Ok(tally)
}

async fn ask_all(
    world: &mut World,
    mode: &Mode,
    asks: &[Ask],
    memory: &mut Memory,
) -> Result<Vec<Kind>, String> {
    let mut ids = Vec::new();
    let mut pending = Vec::new();
    for ask in asks {
        let known = (ask.host.to_owned(), ask.path.to_owned());
        let last = memory.get(&known).cloned().unwrap_or_default();
        let id = world.enter(ask, fields(ask, &last), mode.name);
        ids.push((id, known));
        let (client, clock) = (world.client(), world.clock());
        pending.push(World::ask(client, clock, world.history.clone(), id));
    }
    let answers = futures_util::future::join_all(pending).await;
    let mut kinds = Vec::new();
    for ((id, known), (client, answer)) in ids.into_iter().zip(answers) {
        world.park(client);
        let status = support_line(&answer.fields, "cache-status");
        let refreshes = status.contains("stale-while-revalidate");
        let kind = {
            let mut history = world.history.lock();
            let stored = status.contains("stored") && answer.whole;
            history.asked[id].got = Some((answer.got, stored));
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
        kinds.push(kind);
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
        "if" | "ifnot" => add("If-Range", "\"zz\""),
        _ => {}
    }
    fields
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

/// For each kind of failure: how often, and its shortest example. `LARDER_SURVEY=1` lists them all
/// in place of stopping at the first.
type Survey = BTreeMap<String, (usize, String)>;

fn note(survey: &Mutex<Survey>, why: String, sequence: &(usize, Vec<Act>, Vec<Manner>)) {
    let first = why.lines().next().unwrap_or_default();
    let kind: String = first.chars().filter(|it| !it.is_ascii_digit()).take(60).collect();
    let example = format!("{why}\n{sequence:?}");
    let mut survey = survey.lock();
    let entry = survey.entry(kind).or_insert_with(|| (0, example.clone()));
    entry.0 += 1;
    if example.len() < entry.1.len() {
        entry.1 = example;
    }
}

/// One thread's part of the sequences.
fn part(seed: u64, cases: u32) -> Result<Tally, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let world = Mutex::new(runtime.block_on(async { World::new() }));
    let tally = Mutex::new(Tally::new());
    let survey = Mutex::new(Survey::new());
    let config = Config {
        cases,
        max_shrink_iters: 4000,
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/it/model/regressions.txt"
        )))),
        ..Config::default()
    };
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let outcome = TestRunner::new_with_rng(config, rng).run(&script::sequence(), |sequence| {
        let mut world = world.lock();
        let held = runtime.block_on(within("a sequence's end", run(&mut world, &sequence)));
        let counts = match held {
            Ok(counts) => counts,
            Err(why) if std::env::var_os("LARDER_SURVEY").is_some() => {
                note(&survey, why, &sequence);
                return Ok(());
            }
            Err(why) => return Err(TestCaseError::fail(why)),
        };
        let mut tally = tally.lock();
        counts.into_iter().for_each(|(kind, count)| *tally.entry(kind).or_default() += count);
        Ok(())
    });
    outcome.map_err(|failure| format!("LARDER_SEED={seed}\n{failure}"))?;
    for (kind, (count, example)) in survey.into_inner() {
        eprintln!("SURVEY {count} times: {kind}\n{example}\n");
    }
    Ok(tally.into_inner())
}

#[test]
#[ignore = "takes minutes, and its model is young: scripts/model.sh runs it"]
#[allow(clippy::disallowed_methods, reason = "says how fast it was, in real time")]
fn every_answer_is_one_that_the_model_allows() {
    let sequences = number("LARDER_SEQUENCES").unwrap_or(2000);
    let seed = number("LARDER_SEED").unwrap_or_else(|| fastrand::u64(..));
    let threads = std::thread::available_parallelism().map_or(1, |it| it.get() as u64).min(4);
    let started = std::time::Instant::now();
    let cases = u32::try_from(sequences.div_ceil(threads)).unwrap();
    let parts: Vec<Result<Tally, String>> = std::thread::scope(|scope| {
        let parts = (0..threads).map(|it| scope.spawn(move || part(seed.wrapping_add(it), cases)));
        let parts: Vec<_> = parts.collect();
        parts.into_iter().map(|it| it.join().unwrap()).collect()
    });
    let mut tally = Tally::new();
    for part in parts {
        let part = part.unwrap_or_else(|failure| panic!("{failure}"));
        part.into_iter().for_each(|(kind, count)| *tally.entry(kind).or_default() += count);
    }
    let rate = sequences as f64 / started.elapsed().as_secs_f64();
    eprintln!("LARDER_SEED={seed}: {sequences} sequences, {rate:.0}/s: {tally:?}");
    if sequences >= 1000 {
        for kind in [Kind::Fresh, Kind::Validated, Kind::Relayed, Kind::Followed, Kind::Torn] {
            assert!(tally.contains_key(&kind), "no answer was {kind:?}: {tally:?}");
        }
    }
}
