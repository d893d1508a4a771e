//! Larder beside bare hyper, nginx, HAProxy and Varnish, before the same origin, in one run.
//!
//! `cargo bench --bench peers -- [--quick] [--noisy] [--json FILE] [--svg FOLDER] [SCENARIO]…`
//!
//! The server under test has one core, the load and the origin have the other. CPU time is the
//! kernel's account of the server's processes, not the wall's. Measures are made in turn
//! (A B A B …) and compared in pairs; a measure during which others took over a tenth of a core is
//! thrown away and made again. `docs/performance.md` says more.

mod ask;
#[path = "../bare/mod.rs"]
mod bare;
mod bench;
mod costs;
mod load;
mod machine;
mod open_loop;
mod packing;
mod pairs;
mod peer;
mod roles;
mod shapes;
mod sizes;
mod svg;
mod tails;

use std::{io::Write, path::PathBuf, process::ExitCode};

use larder::clock::Clock;

use bare::Failure;
use bench::Bench;
use pairs::{Effort, Outcome};

type Scenario = fn(&Bench) -> Result<Vec<Outcome>, Failure>;

/// In the order of the list: what a request costs, then tails, then sizes.
const SCENARIOS: [(&str, Scenario); 23] = [
    ("hit-1k", |it| one(costs::hit_1k(it))),
    ("hit-10k", |it| one(costs::hit_10k(it))),
    ("hit-100k", |it| one(costs::hit_100k(it))),
    ("hit-http2", |it| one(costs::hit_http2(it))),
    ("not-modified", |it| one(costs::not_modified(it))),
    ("relay-1k", |it| one(costs::relay_1k(it))),
    ("stored-misses", |it| one(costs::stored_misses(it))),
    ("workers", |it| one(costs::workers(it))),
    ("limited", |it| one(costs::limited(it))),
    ("everything", |it| one(costs::everything(it))),
    ("gzip-10k", |it| one(packing::gzip_10k(it))),
    ("gzip-100k", |it| one(packing::gzip_100k(it))),
    ("saved", |it| one(packing::saved(it))),
    ("first-byte", |it| one(packing::first_byte(it))),
    ("encoders", |it| one(packing::encoders(it))),
    ("batch-50", |it| one(shapes::batch_50(it))),
    ("fields", |it| one(shapes::fields(it))),
    ("crowd", |it| one(tails::crowd(it))),
    ("mixed", |it| one(tails::mixed(it))),
    ("churn", |it| one(tails::churn(it))),
    ("million", sizes::million),
    ("idle-memory", sizes::idle),
    ("start", |it| Ok(vec![sizes::start(it)?].into_iter().chain(sizes::binary()?).collect())),
];

/// What the command line asks for.
#[derive(Debug, Default)]
struct Wish {
    quick: bool,
    noisy: bool,
    json: Option<PathBuf>,
    svg: Option<PathBuf>,
    scenarios: Vec<String>,
}

fn one(outcome: Result<Outcome, Failure>) -> Result<Vec<Outcome>, Failure> {
    outcome.map(|it| vec![it])
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let done = match args.split_first() {
        Some((role, rest)) if ["origin", "hyper", "relay"].contains(&role.as_str()) => {
            roles::play(role, rest).map(|()| true)
        }
        _ => Wish::read(&args).and_then(|wish| run(&wish)),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            say(&format!("peers: {error}"));
            ExitCode::from(2)
        }
    }
}

impl Wish {
    fn read(args: &[String]) -> Result<Wish, Failure> {
        let mut wish = Wish::default();
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            let mut path = || args.next().map(PathBuf::from).ok_or(format!("{arg} what?"));
            match arg.as_str() {
                // cargo says so to every benchmark.
                "--bench" => {}
                "--quick" => wish.quick = true,
                "--noisy" => wish.noisy = true,
                "--json" => wish.json = Some(path()?),
                "--svg" => wish.svg = Some(path()?),
                name if SCENARIOS.iter().any(|it| it.0 == name) => {
                    wish.scenarios.push(name.to_owned());
                }
                other => {
                    let names = SCENARIOS.map(|it| it.0).join(", ");
                    return Err(format!("{other}? The scenarios are {names}").into());
                }
            }
        }
        Ok(wish)
    }
}

/// Whether every scenario could be measured; a target that is missed is told, and no failure.
fn run(wish: &Wish) -> Result<bool, Failure> {
    let (rounds, seconds) = if wish.quick { (2, 1) } else { (7, 2) };
    let clock = Clock::system();
    let effort = Effort { clock, rounds, seconds, noisy: wish.noisy, quick: wish.quick };
    let bench = Bench::new(effort)?;
    for missing in bench.missing() {
        say(&format!("{missing} is not installed, and left out"));
    }
    for tool in ["wrk", "h2load", "taskset", "setpriv"] {
        peer::find(tool).ok_or_else(|| format!("{tool} is not installed"))?;
    }
    let (mut outcomes, mut whole) = (Vec::new(), true);
    for (name, scenario) in SCENARIOS {
        if !wish.scenarios.is_empty() && !wish.scenarios.iter().any(|it| it == name) {
            continue;
        }
        match scenario(&bench) {
            Ok(some) => {
                some.iter().for_each(|it| say(&it.to_string()));
                outcomes.extend(some);
            }
            Err(error) => {
                say(&format!("\n== {name}: not measured: {error}"));
                whole = false;
            }
        }
    }
    if let Some(path) = &wish.json {
        let all: Vec<_> = outcomes.iter().map(Outcome::json).collect();
        std::fs::write(path, serde_json::to_string_pretty(&all)? + "\n")?;
    }
    if let Some(folder) = &wish.svg {
        std::fs::create_dir_all(folder)?;
        for outcome in &outcomes {
            std::fs::write(folder.join(format!("{}.svg", outcome.scenario)), svg::draw(outcome))?;
        }
    }
    Ok(whole)
}

fn say(text: &str) {
    // Whoever closed our output wants to hear no more.
    writeln!(std::io::stdout().lock(), "{text}").ok();
}
