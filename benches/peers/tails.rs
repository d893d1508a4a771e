//! Latency at the far end: crowds, misses among hits, a store that is never at rest.

use std::cell::Cell;

use crate::{
    ask::check,
    bare::Failure,
    bench::{Bench, SERVER},
    load::{self, Paths},
    open_loop::{self, Ask, Plan},
    pairs::{Contender, Outcome},
    peer::{Peer, Running, Setup},
};

const HIT: &str = "/hit/1k";

/// A hundred at once for one URL that may not be stored, and for a hundred.
pub(crate) fn crowd(bench: &Bench) -> Result<Outcome, Failure> {
    let server = Peer::Larder.start(&bench.setup(SERVER))?;
    let requests = if bench.effort.quick { 500 } else { 3000 };
    let plan = Plan { server: server.address, connections: 100, rate: None, requests };
    let turn = Cell::new(0);
    let measure = |path: fn(u64, u64) -> String| {
        let turn = &turn;
        move || {
            // A new URL each time: the first crowd finds nothing known of it.
            let turn = turn.replace(turn.get() + 1);
            let ask = |n| Ask { path: path(turn, n), counts: true };
            Ok(open_loop::run(&bench.effort.clock, plan, ask)?.percentile(0.99))
        }
    };
    let same = measure(|turn, _| format!("/slow/{turn}"));
    let distinct = measure(|turn, n| format!("/slow/{turn}/{n}"));
    let mut contenders = [
        Contender { who: "one URL".to_owned(), measure: Box::new(same) },
        Contender { who: "distinct URLs".to_owned(), measure: Box::new(distinct) },
    ];
    let outcome = bench.effort.alternate("crowd", "p99, µs", &mut contenders)?;
    let outcome = outcome.note("the origin takes 20 ms; the first crowd is among them".to_owned());
    Ok(outcome.target("one URL", "distinct URLs", Some(2.0)))
}

/// Hits at half of what the slower server takes, each 20th request a miss.
pub(crate) fn mixed(bench: &Bench) -> Result<Outcome, Failure> {
    let peers = [Peer::Larder, Peer::Haproxy, Peer::Nginx];
    let mut servers: Vec<Running> = Vec::new();
    let next = Cell::new(0);
    let mut most = f64::INFINITY;
    for peer in peers.into_iter().filter(|peer| bench.has(*peer)) {
        let server = peer.start(&bench.setup(SERVER))?;
        check(server.address, HIT, 1 << 10)?;
        let first = next.replace(next.get() + 10_000_000);
        let answered = load::wrk(&server, &Paths::Mixed(HIT, first), None, 2)?;
        if peer != Peer::Nginx {
            most = most.min(answered as f64 / 2.0);
        }
        servers.push(server);
    }
    let rate = (most / 2.0).round();
    let requests = (rate * (bench.effort.seconds + 1) as f64) as u64;
    let mut contenders: Vec<Contender<'_>> = servers
        .iter()
        .map(|server| Contender {
            who: server.peer.name().to_owned(),
            measure: Box::new(|| {
                let first = next.replace(next.get() + 10_000_000);
                let plan =
                    Plan { server: server.address, connections: 64, rate: Some(rate), requests };
                percentile(bench, plan, 0.99, |n| match n % 20 {
                    0 => Ask { path: format!("/store/{}", first + n), counts: false },
                    _ => Ask { path: HIT.to_owned(), counts: true },
                })
            }),
        })
        .collect();
    let outcome = bench.effort.alternate("mixed", "p99 of hits, µs", &mut contenders)?;
    let outcome = outcome.note(format!("{rate} requests a second, half of what the slower takes"));
    Ok(outcome.target("Larder", "HAProxy", Some(1.1)).target("Larder", "nginx", None))
}

/// Hits at a fixed rate, alone and while others are stored, evicted and expire.
pub(crate) fn churn(bench: &Bench) -> Result<Outcome, Failure> {
    /// Requests a second.
    const HITS: f64 = 3_000.0;
    /// Of those that are stored, for each hit.
    const STORED: u64 = 2;
    let more = "[cache]\nkeep = \"1s\"\n";
    let server = Peer::Larder.start(&Setup { memory: 64, more, ..bench.setup(SERVER) })?;
    check(server.address, HIT, 1 << 10)?;
    let rounds = bench.effort.rounds as u64;
    let stored = if bench.effort.quick { 20_000 } else { 1_000_000 / rounds };
    let (connections, address) = (64, server.address);
    let next = Cell::new(0);
    let with = || {
        let first = next.replace(next.get() + 10_000_000);
        let rate = Some(HITS * (1 + STORED) as f64);
        let requests = stored / STORED * (1 + STORED);
        let plan = Plan { server: address, connections, rate, requests };
        percentile(bench, plan, 0.999, |n| match n % (1 + STORED) {
            0 => Ask { path: HIT.to_owned(), counts: true },
            1 => Ask { path: format!("/brief/{}", first + n), counts: false },
            _ => Ask { path: format!("/store/{}", first + n), counts: false },
        })
    };
    let alone = || {
        let plan = Plan { server: address, connections, rate: Some(HITS), requests: stored / 4 };
        percentile(bench, plan, 0.999, |_| Ask { path: HIT.to_owned(), counts: true })
    };
    let mut contenders = [
        Contender { who: "with churn".to_owned(), measure: Box::new(with) },
        Contender { who: "alone".to_owned(), measure: Box::new(alone) },
    ];
    let outcome = bench.effort.alternate("churn", "p99.9 of hits, µs", &mut contenders)?;
    let note = format!(
        "{HITS} hits a second; {stored} objects stored in each round, a half of them fresh for \
         1 s, with 64 MiB for all"
    );
    Ok(outcome.note(note).target("with churn", "alone", Some(2.0)))
}

/// Fails where the rate was not kept: the percentile would be that of another load.
fn percentile(
    bench: &Bench,
    plan: Plan,
    part: f64,
    next: impl FnMut(u64) -> Ask,
) -> Result<f64, Failure> {
    let tally = bench.in_time(|| open_loop::run(&bench.effort.clock, plan, next))?;
    let reached = plan.requests as f64 / tally.took.as_secs_f64();
    match plan.rate {
        Some(rate) if reached < 0.95 * rate && !bench.effort.noisy => {
            Err(format!("only {reached:.0} of {rate:.0} requests a second").into())
        }
        _ => Ok(tally.percentile(part)),
    }
}
