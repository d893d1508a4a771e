//! What grows: many objects, many connections, the program itself; and how long it takes to start.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    thread,
    time::Duration,
};

use crate::{
    ask::{ask, check},
    bare::Failure,
    bench::{Bench, SERVER},
    load::{self, Paths},
    machine,
    open_loop::{self, Ask, Plan},
    pairs::{Contender, Outcome},
    peer::{Peer, Running, Setup},
};

const FEW: u64 = 1_000;
const HIT: &str = "/hit/1k";

/// MiB for a million objects of 1 KiB; more than they need.
const ROOM: u32 = 4096;

/// A hit among a million objects and among a thousand; what each of the million takes.
pub(crate) fn million(bench: &Bench) -> Result<Vec<Outcome>, Failure> {
    let many = if bench.effort.quick { 20_000 } else { 1_000_000 };
    let setup = Setup { memory: ROOM, ..bench.setup(SERVER) };
    let (large, small) = (Peer::Larder.start(&setup)?, Peer::Larder.start(&setup)?);
    fill(bench, &small, FEW)?;
    fill(bench, &large, FEW)?;
    let before = machine::resident(large.pid());
    fill(bench, &large, many)?;
    let grown = machine::resident(large.pid()).saturating_sub(before);
    let each = grown as f64 / (many - FEW) as f64;
    let seconds = bench.effort.seconds;
    let among = |server, count| {
        move || {
            let cpu = machine::cpu(Running::pid(server));
            let requests = load::wrk(server, &Paths::AnyOf(count), None, seconds)?;
            Ok((machine::cpu(server.pid()) - cpu).as_secs_f64() * 1e6 / requests as f64)
        }
    };
    let names = ["among 1,000,000", "among 1,000"];
    let mut contenders = [
        Contender { who: names[0].to_owned(), measure: Box::new(among(&large, many)) },
        Contender { who: names[1].to_owned(), measure: Box::new(among(&small, FEW)) },
    ];
    let hits = bench.effort.alternate("million", "µs of CPU a hit", &mut contenders)?;
    let rows = vec![("stored 1 KiB response".to_owned(), vec![each / 1024.0])];
    let note = format!("{many} objects; at most 2.3");
    let sizes = single("object-memory", "KiB resident for each", rows).note(note);
    Ok(vec![hits.target(names[0], names[1], Some(1.25)), sizes])
}

/// Asks for `/store/0` to `/store/COUNT`, each once.
fn fill(bench: &Bench, server: &Running, count: u64) -> Result<(), Failure> {
    let plan = Plan { server: server.address, connections: 64, rate: None, requests: count };
    open_loop::run(&bench.effort.clock, plan, |n| Ask {
        path: format!("/store/{n}"),
        counts: false,
    })?;
    Ok(())
}

/// Memory of connections that had one request each and wait for the next.
pub(crate) fn idle(bench: &Bench) -> Result<Vec<Outcome>, Failure> {
    let count = if bench.effort.quick { 500 } else { 10_000 };
    let larder = Peer::Larder.start(&bench.setup(SERVER))?;
    let canned = Some((larder.address, HIT));
    let hyper = Peer::Hyper.start(&Setup { canned, ..bench.setup(SERVER) })?;
    let mut rows = Vec::new();
    for server in [&larder, &hyper] {
        check(server.address, HIT, 1 << 10)?;
        let before = machine::resident(server.pid());
        let streams: Vec<TcpStream> =
            (0..count).map(|_| visited(server.address)).collect::<Result<_, Failure>>()?;
        let grown = machine::resident(server.pid()).saturating_sub(before);
        drop(streams);
        rows.push((server.peer.name().to_owned(), vec![grown as f64 / 1024.0 / f64::from(count)]));
    }
    let outcome = single("idle-memory", "KiB resident a connection", rows);
    let outcome = outcome.note(format!("{count} connections"));
    Ok(vec![outcome.target("Larder", "bare hyper", None)])
}

/// A connection on which one request was answered.
fn visited(server: SocketAddr) -> Result<TcpStream, Failure> {
    let mut stream = TcpStream::connect(server)?;
    write!(stream, "GET {HIT} HTTP/1.1\r\nHost: {server}\r\n\r\n")?;
    let (mut answer, mut scratch) = (Vec::new(), [0; 4096]);
    let whole = |answer: &[u8]| {
        answer
            .windows(4)
            .position(|it| it == b"\r\n\r\n")
            .is_some_and(|it| answer.len() >= it + 1028)
    };
    while !whole(&answer) {
        match stream.read(&mut scratch)? {
            0 => return Err("the server closed".into()),
            count => answer.extend_from_slice(&scratch[..count]),
        }
    }
    Ok(stream)
}

/// From the call of the program to its first answer.
pub(crate) fn start(bench: &Bench) -> Result<Outcome, Failure> {
    let peers = [Peer::Larder, Peer::Nginx];
    let mut contenders: Vec<Contender<'_>> = peers
        .into_iter()
        .filter(|peer| bench.has(*peer))
        .map(|peer| Contender {
            who: peer.name().to_owned(),
            measure: Box::new(move || {
                let begin = bench.effort.clock.instant();
                let server = peer.spawn(&bench.setup(SERVER))?;
                while ask(server.address, HIT, "").is_err() {
                    if bench.effort.clock.instant() - begin > Duration::from_secs(10) {
                        return Err(format!("{} does not start", peer.name()).into());
                    }
                    thread::sleep(Duration::from_micros(200));
                }
                Ok((bench.effort.clock.instant() - begin).as_secs_f64() * 1e3)
            }),
        })
        .collect();
    let outcome = bench.effort.alternate("start", "ms to the first answer", &mut contenders)?;
    Ok(outcome.target("Larder", "nginx", Some(2.0)))
}

/// The program as it is shipped.
pub(crate) fn binary() -> Result<Vec<Outcome>, Failure> {
    let program = Peer::Larder.program().ok_or("no Larder")?;
    let size = std::fs::metadata(program)?.len() as f64 / f64::from(1 << 20);
    let rows = vec![("Larder".to_owned(), vec![size])];
    Ok(vec![single("binary", "MiB", rows).note("at most 25".to_owned())])
}

/// A figure that is measured once.
pub(crate) fn single(
    scenario: &'static str,
    unit: &'static str,
    rows: Vec<(String, Vec<f64>)>,
) -> Outcome {
    Outcome { scenario, unit, rows, targets: Vec::new(), discarded: 0, notes: Vec::new() }
}
