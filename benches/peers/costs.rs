//! CPU time a request: hits, conditions, relays, misses, and one worker beside two.

use std::cell::Cell;

use crate::{
    ask::{ask, check, count},
    bare::Failure,
    bench::{Bench, SERVER},
    load::{self, Paths},
    machine,
    pairs::{Contender, Outcome},
    peer::{Peer, Running, Setup},
    roles,
};

/// What a server should do with each request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meant {
    Hit,
    Forward,
}

/// How the load is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Protocol {
    Http1,
    Http2,
}

/// All that can stand in a row of a table of hits, and where each is listed.
const CACHES: [Peer; 5] = [Peer::Larder, Peer::Hyper, Peer::Haproxy, Peer::Nginx, Peer::Varnish];
const RELAYS: [Peer; 6] = [
    Peer::Larder,
    Peer::HyperRelay,
    Peer::Haproxy,
    Peer::Nginx,
    Peer::NginxAsItComes,
    Peer::Varnish,
];

const HIT: &str = "/hit/1k";

/// Microseconds of CPU time that the server's processes take for each request.
pub(crate) fn cost(
    bench: &Bench,
    server: &Running,
    meant: Meant,
    drive: impl Fn() -> Result<u64, Failure>,
) -> Result<f64, Failure> {
    let (asked, cpu) = (count(bench.origin)?, machine::cpu(server.pid()));
    let requests = drive()?;
    let (asked, cpu) = (count(bench.origin)? - asked, machine::cpu(server.pid()) - cpu);
    let right = match meant {
        Meant::Hit => asked * 100 <= requests,
        Meant::Forward => asked >= requests,
    };
    if !right {
        let name = server.peer.name();
        return Err(format!("{name}: {asked} of {requests} requests came to the origin").into());
    }
    Ok(cpu.as_secs_f64() * 1e6 / requests as f64)
}

/// Starts those that are installed, and fills their caches. Larder is first: bare hyper says what
/// it says.
fn start(bench: &Bench, peers: &[Peer], path: &'static str) -> Result<Vec<Running>, Failure> {
    let mut servers: Vec<Running> = Vec::new();
    for peer in peers.iter().filter(|peer| bench.has(**peer)) {
        let canned = servers.first().map(|larder| (larder.address, path));
        let server = peer.start(&Setup { canned, ..bench.setup(SERVER) })?;
        for _ in 0..3 {
            check(server.address, path, size(path))?;
        }
        servers.push(server);
    }
    Ok(servers)
}

fn size(path: &str) -> usize {
    match path {
        "/hit/10k" => 10 << 10,
        "/hit/100k" => 100 << 10,
        _ => 1 << 10,
    }
}

fn compare(
    bench: &Bench,
    scenario: &'static str,
    (peers, path): (&[Peer], &'static str),
    (meant, protocol): (Meant, Protocol),
) -> Result<Outcome, Failure> {
    let servers = start(bench, peers, path)?;
    let seconds = bench.effort.seconds;
    let mut contenders: Vec<Contender<'_>> = servers
        .iter()
        .map(|server| Contender {
            who: server.peer.name().to_owned(),
            measure: Box::new(move || {
                cost(bench, server, meant, || match protocol {
                    Protocol::Http1 => load::wrk(server, &Paths::One(path), None, seconds),
                    Protocol::Http2 => load::h2load(server, path, seconds),
                })
            }),
        })
        .collect();
    bench.effort.alternate(scenario, "µs of CPU a request", &mut contenders)
}

pub(crate) fn hit_1k(bench: &Bench) -> Result<Outcome, Failure> {
    let outcome = compare(bench, "hit-1k", (&CACHES, HIT), (Meant::Hit, Protocol::Http1))?;
    let outcome = outcome.target("Larder", "bare hyper", Some(1.2));
    Ok(outcome.target("Larder", "HAProxy", Some(1.0)).target("Larder", "nginx", None))
}

pub(crate) fn hit_10k(bench: &Bench) -> Result<Outcome, Failure> {
    larger(bench, "hit-10k", "/hit/10k")
}

pub(crate) fn hit_100k(bench: &Bench) -> Result<Outcome, Failure> {
    larger(bench, "hit-100k", "/hit/100k")
}

fn larger(bench: &Bench, name: &'static str, path: &'static str) -> Result<Outcome, Failure> {
    let outcome = compare(bench, name, (&CACHES, path), (Meant::Hit, Protocol::Http1))?;
    let outcome = outcome.note("the better of HAProxy and nginx counts".to_owned());
    let outcome = outcome.target("Larder", "HAProxy", Some(1.1));
    Ok(outcome.target("Larder", "nginx", Some(1.1)).target("Larder", "bare hyper", None))
}

pub(crate) fn hit_http2(bench: &Bench) -> Result<Outcome, Failure> {
    let peers = [Peer::Larder, Peer::Nginx];
    let outcome = compare(bench, "hit-http2", (&peers, HIT), (Meant::Hit, Protocol::Http2))?;
    Ok(outcome.target("Larder", "nginx", Some(1.0)))
}

pub(crate) fn relay_1k(bench: &Bench) -> Result<Outcome, Failure> {
    let meant = (Meant::Forward, Protocol::Http1);
    let outcome = compare(bench, "relay-1k", (&RELAYS, "/pass/1k"), meant)?;
    let outcome = outcome.target("Larder", "bare hyper relay", Some(1.25));
    let outcome = outcome.target("Larder", "nginx", Some(0.6));
    let outcome = outcome.target("Larder", "nginx as it comes", Some(0.6));
    Ok(outcome.target("Larder", "HAProxy", None))
}

/// A 304 beside a hit of the same object.
pub(crate) fn not_modified(bench: &Bench) -> Result<Outcome, Failure> {
    let servers = start(bench, &[Peer::Larder], HIT)?;
    let server = servers.first().ok_or("no Larder")?;
    let condition = format!("If-None-Match: {}", roles::TAG);
    let answer = ask(server.address, HIT, &format!("{condition}\r\n"))?;
    if answer.status != 304 || !answer.body.is_empty() {
        return Err(format!("{} is no 304", answer.status).into());
    }
    let seconds = bench.effort.seconds;
    let by = |field: Option<String>| {
        move || {
            let drive = || load::wrk(server, &Paths::One(HIT), field.as_deref(), seconds);
            cost(bench, server, Meant::Hit, drive)
        }
    };
    let mut contenders = [
        Contender { who: "304".to_owned(), measure: Box::new(by(Some(condition))) },
        Contender { who: "hit".to_owned(), measure: Box::new(by(None)) },
    ];
    let outcome = bench.effort.alternate("not-modified", "µs of CPU a request", &mut contenders)?;
    Ok(outcome.target("304", "hit", Some(1.0)))
}

/// Misses on keys that never come again, each of them stored.
pub(crate) fn stored_misses(bench: &Bench) -> Result<Outcome, Failure> {
    let peers = [Peer::Larder, Peer::Haproxy, Peer::Nginx, Peer::NginxAsItComes, Peer::Varnish];
    let servers = start(bench, &peers, HIT)?;
    let next = Cell::new(0);
    let seconds = bench.effort.seconds;
    let mut contenders: Vec<Contender<'_>> = servers
        .iter()
        .map(|server| Contender {
            who: server.peer.name().to_owned(),
            measure: Box::new(|| {
                let first = next.replace(next.get() + 10_000_000);
                let cost = cost(bench, server, Meant::Forward, || {
                    load::wrk(server, &Paths::Distinct(first), None, seconds)
                })?;
                // wrk throws its first ones away.
                stored(bench, server, first + 5)?;
                Ok(cost)
            }),
        })
        .collect();
    let outcome =
        bench.effort.alternate("stored-misses", "µs of CPU a request", &mut contenders)?;
    let outcome = outcome.target("Larder", "nginx", Some(0.7));
    let outcome = outcome.target("Larder", "nginx as it comes", Some(0.7));
    Ok(outcome.target("Larder", "HAProxy", None))
}

/// Whether what was asked for once now comes from the cache. wrk leaves requests behind, which may
/// come to the origin meanwhile.
fn stored(bench: &Bench, server: &Running, number: u64) -> Result<(), Failure> {
    for _ in 0..20 {
        let before = count(bench.origin)?;
        check(server.address, &format!("/store/{number}"), 1 << 10)?;
        // HAProxy's cache drops the oldest when it likes.
        if count(bench.origin)? == before || server.peer == Peer::Haproxy {
            return Ok(());
        }
    }
    Err(format!("{} did not store it", server.peer.name()).into())
}

/// The same load on a server that has one core, and on one that has both.
pub(crate) fn workers(bench: &Bench) -> Result<Outcome, Failure> {
    let two = Peer::Larder.start(&bench.setup("0,1"))?;
    let one = Peer::Larder.start(&bench.setup(SERVER))?;
    let outcome = hits(bench, "workers", [("two workers", &two), ("one worker", &one)])?;
    Ok(outcome.target("two workers", "one worker", Some(1.1)))
}

/// A limit that nobody reaches: what it costs to count.
const LIMIT: &str = "[throttle]\nrate = \"1000000/s\"\nburst = 1000000\n";

/// What one who takes it into production writes: the limit is never reached.
const EVERYTHING: &str = "\
[tls]
listen = \"127.0.0.1:0\"
[[tls.certificates]]
cert = \"site.pem\"
key = \"site.key\"
[log]
access = \"./access.log\"
[admin]
listen = \"127.0.0.1:0\"
token = \"0123456789abcdef\"
[[throttle]]
rate = \"1000000/s\"
burst = 1000000
[[routes]]
name = \"users\"
match = { path = \"/users/**\" }
cache = { ttl = \"30s\" }
[[routes]]
name = \"hits\"
match = { path = \"/hit/**\" }
";

/// A hit under a limit beside a hit without one.
pub(crate) fn limited(bench: &Bench) -> Result<Outcome, Failure> {
    let limited = Peer::Larder.start(&Setup { more: LIMIT, ..bench.setup(SERVER) })?;
    let free = Peer::Larder.start(&bench.setup(SERVER))?;
    let outcome = hits(bench, "limited", [("with a limit", &limited), ("without", &free)])?;
    Ok(outcome.target("with a limit", "without", Some(1.15)))
}

/// A hit of a server with all on that an operator has on, beside bare hyper. It comes in the clear;
/// TLS is there for others.
pub(crate) fn everything(bench: &Bench) -> Result<Outcome, Failure> {
    let larder = Peer::Larder.start(&Setup { more: EVERYTHING, ..bench.setup(SERVER) })?;
    let canned = Some((larder.address, HIT));
    // Bare hyper gives what a hit gives.
    check(larder.address, HIT, 1 << 10)?;
    let hyper = Peer::Hyper.start(&Setup { canned, ..bench.setup(SERVER) })?;
    let servers = [("Larder, all on", &larder), (Peer::Hyper.name(), &hyper)];
    let outcome = hits(bench, "everything", servers)?;
    Ok(outcome.target("Larder, all on", Peer::Hyper.name(), Some(1.5)))
}

/// The same hits from two servers that are set up differently.
fn hits(
    bench: &Bench,
    scenario: &'static str,
    servers: [(&str, &Running); 2],
) -> Result<Outcome, Failure> {
    let seconds = bench.effort.seconds;
    let mut contenders = Vec::new();
    for (who, server) in servers {
        check(server.address, HIT, 1 << 10)?;
        let drive = move || load::wrk(server, &Paths::One(HIT), None, seconds);
        contenders.push(Contender {
            who: who.to_owned(),
            measure: Box::new(move || cost(bench, server, Meant::Hit, drive)),
        });
    }
    bench.effort.alternate(scenario, "µs of CPU a request", &mut contenders)
}
