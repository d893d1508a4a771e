//! What batches and shapes cost: fifty requests in one, three fields of a list.

use std::{
    cell::Cell,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
};

use crate::{
    ask::{ask, check, count},
    bare::Failure,
    bench::{Bench, SERVER},
    load::{self, Paths},
    machine,
    pairs::{Contender, Outcome},
    peer::{Peer, Running, Setup},
};

/// Items of a batch.
const ITEMS: u64 = 50;

const BATCH: &str = "[batch]\npath = \"/_batch\"\n";
const SHAPE: &str = "[[routes]]\nmatch = { path = \"/**\" }\nshape = { fields = \"fields\" }\n";

/// Three of a list's eight fields.
const FIELDS: &str = "/hit/list?fields=id,name,price";

/// Microseconds of CPU time for each of what the load counts; all of it hits.
fn cost(bench: &Bench, server: &Running, (paths, each): (&Paths, u64)) -> Result<f64, Failure> {
    let (asked, cpu) = (count(bench.origin)?, machine::cpu(server.pid()));
    let requests = load::wrk(server, paths, None, bench.effort.seconds)?;
    let (asked, cpu) = (count(bench.origin)? - asked, machine::cpu(server.pid()) - cpu);
    if asked * 100 > requests * each {
        return Err(format!("{asked} of {requests} requests came to the origin").into());
    }
    Ok(cpu.as_secs_f64() * 1e6 / (requests * each) as f64)
}

/// Fifty warm items in one request beside fifty requests.
pub(crate) fn batch_50(bench: &Bench) -> Result<Outcome, Failure> {
    let server = Peer::Larder.start(&Setup { more: BATCH, ..bench.setup(SERVER) })?;
    for number in 0..ITEMS {
        check(server.address, &format!("/store/{number}"), 1 << 10)?;
    }
    let (server, seconds) = (&server, bench.effort.seconds);
    let by = |paths: Paths, each: u64| move || cost(bench, server, (&paths, each));
    let mut contenders = [
        Contender {
            who: "in a batch".to_owned(),
            measure: Box::new(by(Paths::Batch(ITEMS), ITEMS)),
        },
        Contender { who: "one by one".to_owned(), measure: Box::new(by(Paths::AnyOf(ITEMS), 1)) },
    ];
    let outcome = bench.effort.alternate("batch-50", "µs of CPU an item", &mut contenders)?;
    let note = format!("{} in measures of {seconds} s", bytes(server.address)?);
    Ok(outcome.note(note).target("in a batch", "one by one", Some(0.5)))
}

/// What a client sends and gets for fifty items, in bytes.
fn bytes(server: SocketAddr) -> Result<String, Failure> {
    let (items, field) = (load::items(ITEMS), "Accept-Encoding: gzip\r\n");
    let mut totals = Vec::new();
    for field in ["", field] {
        let sent = format!(
            "POST /_batch HTTP/1.1\r\nHost: {server}\r\nContent-Type: application/json\r\n{field}\
             Content-Length: {}\r\nConnection: close\r\n\r\n{items}",
            items.len()
        );
        let mut stream = TcpStream::connect(server)?;
        stream.write_all(sent.as_bytes())?;
        let mut got = Vec::new();
        stream.read_to_end(&mut got)?;
        let (mut one, each) =
            (0, format!("GET /store/00 HTTP/1.1\r\nHost: {server}\r\n{field}\r\n"));
        for number in 0..ITEMS {
            let answer = ask(server, &format!("/store/{number}"), field)?;
            one += each.len() + answer.head.len() + 4 + answer.body.len();
        }
        totals.push((sent.len() + got.len(), one));
    }
    let told =
        |(batch, one): &(usize, usize)| format!("{batch} bytes in a batch, {one} one by one");
    Ok(format!("plain: {}; gzip: {}", told(&totals[0]), told(&totals[1])))
}

/// Three fields of a list of 100 KiB: cut now, found as a memo, and a plain hit of as many bytes.
pub(crate) fn fields(bench: &Bench) -> Result<Outcome, Failure> {
    let server = Peer::Larder.start(&Setup { more: SHAPE, ..bench.setup(SERVER) })?;
    let cut = ask(server.address, FIELDS, "")?;
    let whole = ask(server.address, "/hit/list", "")?;
    if cut.status != 200 || cut.body.len() >= whole.body.len() {
        return Err(format!("{}: {} bytes", cut.status, cut.body.len()).into());
    }
    let plain: &'static str = format!("/hit/bytes/{}", cut.body.len()).leak();
    check(server.address, plain, cut.body.len())?;
    let (server, next) = (&server, Cell::new(0));
    let by = |paths: Paths| move || cost(bench, server, (&paths, 1));
    let first = || {
        let number = next.replace(next.get() + 10_000_000);
        cost(bench, server, (&Paths::Masked(FIELDS, number), 1))
    };
    let mut contenders = [
        Contender { who: "memoised".to_owned(), measure: Box::new(by(Paths::One(FIELDS))) },
        Contender { who: "plain hit".to_owned(), measure: Box::new(by(Paths::One(plain))) },
        Contender { who: "first".to_owned(), measure: Box::new(first) },
        Contender { who: "whole list".to_owned(), measure: Box::new(by(Paths::One("/hit/list"))) },
    ];
    let outcome = bench.effort.alternate("fields", "µs of CPU a request", &mut contenders)?;
    let note = format!("{} bytes of {}", cut.body.len(), whole.body.len());
    let outcome = outcome.note(note).target("memoised", "plain hit", Some(1.15));
    Ok(outcome.target("memoised", "whole list", None).target("first", "whole list", None))
}
