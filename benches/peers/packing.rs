//! Packed answers: what a hit costs beside nginx and beside plain bytes, how much shorter they are,
//! when their first byte comes, and what a client takes while its answer is packed as it comes.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    thread,
    time::Duration,
};

use bytes::Bytes;
use larder::{clock::Clock, policy::coding::Coding, transform::codec};

use crate::{
    ask::{Answer, ask},
    bare::Failure,
    bench::{Bench, SERVER},
    costs::{Meant, cost},
    load::{self, Paths},
    machine,
    pairs::{Contender, Outcome},
    peer::{Peer, Running, Setup},
    roles,
    sizes::single,
};

const GZIP: &str = "Accept-Encoding: gzip";
const NGINX_GZIP: &str = "gzip on; gzip_proxied any; gzip_types application/json;";
const PLAIN: &str = "as many plain bytes";

pub(crate) fn gzip_10k(bench: &Bench) -> Result<Outcome, Failure> {
    gzip(bench, "gzip-10k", ("/json/10k", 10 << 10), 0.15)
}

pub(crate) fn gzip_100k(bench: &Bench) -> Result<Outcome, Failure> {
    gzip(bench, "gzip-100k", ("/json/100k", 100 << 10), 0.05)
}

/// A hit that goes out as gzip, from Larder and from nginx, and one of as many plain bytes.
fn gzip(
    bench: &Bench,
    scenario: &'static str,
    (path, size): (&'static str, usize),
    at_most: f64,
) -> Result<Outcome, Failure> {
    let setup = Setup { nginx: NGINX_GZIP, ..bench.setup(SERVER) };
    let larder = Peer::Larder.start(&setup)?;
    let nginx = bench.has(Peer::Nginx).then(|| Peer::Nginx.start(&setup)).transpose()?;
    let (mut length, mut notes) = (0, Vec::new());
    for server in [Some(&larder), nginx.as_ref()].into_iter().flatten().rev() {
        for _ in 0..3 {
            length = packed(server.address, path, (Coding::Gzip, size))?.len();
        }
        notes.push(format!("{} sends {length} bytes of gzip", server.peer.name()));
    }
    // As long as the program runs.
    let plain: &'static str = format!("/bytes/{length}").leak();
    for _ in 0..3 {
        let answer = ask(larder.address, plain, "")?;
        if answer.status != 200 || answer.body.len() != length {
            return Err(format!("{plain}: {} bytes", answer.body.len()).into());
        }
    }
    let seconds = bench.effort.seconds;
    let by = |server, path, field| {
        move || {
            let drive = || load::wrk(server, &Paths::One(path), field, seconds);
            cost(bench, server, Meant::Hit, drive)
        }
    };
    let contender = |who: &str, measure| Contender { who: who.to_owned(), measure };
    let mut contenders =
        vec![contender("Larder", Box::new(by(&larder, path, Some(GZIP))) as Box<_>)];
    if let Some(nginx) = &nginx {
        contenders.push(contender("nginx", Box::new(by(nginx, path, Some(GZIP)))));
    }
    contenders.push(contender(PLAIN, Box::new(by(&larder, plain, None))));
    let outcome = bench.effort.alternate(scenario, "µs of CPU a request", &mut contenders)?;
    let outcome = notes.into_iter().fold(outcome, Outcome::note);
    Ok(outcome.target("Larder", "nginx", Some(at_most)).target("Larder", PLAIN, Some(1.15)))
}

/// How many bytes each coding leaves of JSON.
pub(crate) fn saved(bench: &Bench) -> Result<Outcome, Failure> {
    let larder = Peer::Larder.start(&bench.setup(SERVER))?;
    let mut rows = Vec::new();
    for (name, path, size) in [
        ("1 KiB", "/json/1k", 1 << 10),
        ("10 KiB", "/json/10k", 10 << 10),
        ("100 KiB", "/json/100k", 100 << 10),
    ] {
        let whole = roles::json(size).len();
        rows.push((format!("{name} of JSON"), vec![whole as f64]));
        for coding in Coding::ALL {
            // What is stored is packed otherwise than what arrives.
            packed(larder.address, path, (coding, size))?;
            let bytes = packed(larder.address, path, (coding, size))?.len();
            let saved = 100.0 - 100.0 * bytes as f64 / whole as f64;
            rows.push((format!("  by {}, {saved:.0} % less", coding.token()), vec![bytes as f64]));
        }
    }
    Ok(single("saved", "bytes", rows))
}

/// From the request to the first byte of a body that may not be stored: packed, and plain.
pub(crate) fn first_byte(bench: &Bench) -> Result<Outcome, Failure> {
    let larder = Peer::Larder.start(&bench.setup(SERVER))?;
    let requests = if bench.effort.quick { 50 } else { 500 };
    let address = larder.address;
    let mut contenders = Vec::new();
    for coding in ["gzip", "br", "zstd", "identity"] {
        let field = format!("Accept-Encoding: {coding}\r\n");
        let says = ask(address, "/live/100k", &field)?.head.to_ascii_lowercase();
        if says.contains(&format!("content-encoding: {coding}")) == (coding == "identity") {
            return Err(format!("{coding}: {says}").into());
        }
        let measure = move || {
            let mut sum = Duration::ZERO;
            for _ in 0..requests {
                sum += until_first_byte(&bench.effort.clock, address, &field)?;
            }
            Ok(sum.as_secs_f64() * 1e6 / f64::from(requests))
        };
        contenders.push(Contender { who: coding.to_owned(), measure: Box::new(measure) });
    }
    let unit = "µs to the first byte of 100 KiB";
    let outcome = bench.effort.alternate("first-byte", unit, &mut contenders)?;
    let outcome = outcome.target("gzip", "identity", None);
    Ok(outcome.target("br", "identity", None).target("zstd", "identity", None))
}

fn until_first_byte(clock: &Clock, server: SocketAddr, field: &str) -> Result<Duration, Failure> {
    let mut stream = TcpStream::connect(server)?;
    stream.set_nodelay(true)?;
    let begin = clock.instant();
    begin_reading(&mut stream, server, "/live/100k", field)?;
    Ok(clock.instant() - begin)
}

/// Asks, and reads until something of the body is there.
fn begin_reading(
    stream: &mut TcpStream,
    server: SocketAddr,
    path: &str,
    field: &str,
) -> Result<(), Failure> {
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: {server}\r\n{field}\r\n").as_bytes())?;
    let (mut answer, mut scratch) = (Vec::new(), [0; 16 << 10]);
    let began = |answer: &[u8]| {
        let end = answer.windows(4).position(|it| it == b"\r\n\r\n");
        end.is_some_and(|end| answer.len() > end + 4)
    };
    while !began(&answer) {
        match stream.read(&mut scratch)? {
            0 => return Err("the server closed".into()),
            count => answer.extend_from_slice(&scratch[..count]),
        }
    }
    Ok(())
}

/// As many clients at the same time as there may be encoders.
const STREAMS: &str = "[compression]\nmax_streams = 1000\n";

/// Memory of clients that wait for the rest of one and the same body, which is packed for each.
pub(crate) fn encoders(bench: &Bench) -> Result<Outcome, Failure> {
    let count = if bench.effort.quick { 100 } else { 1000 };
    let mut rows = Vec::new();
    for coding in ["gzip", "br", "zstd", "identity"] {
        let larder = Peer::Larder.start(&Setup { more: STREAMS, ..bench.setup(SERVER) })?;
        let field = format!("Accept-Encoding: {coding}\r\n");
        let reading = || -> Result<TcpStream, Failure> {
            let mut stream = TcpStream::connect(larder.address)?;
            begin_reading(&mut stream, larder.address, "/half/100k", &field)?;
            Ok(stream)
        };
        let first = reading()?;
        let before = machine::resident(larder.pid());
        let streams: Vec<TcpStream> =
            (0..count).map(|_| reading()).collect::<Result<_, Failure>>()?;
        let grown = settled(&larder).saturating_sub(before);
        drop((first, streams));
        rows.push((coding.to_owned(), vec![grown as f64 / 1024.0 / f64::from(count)]));
    }
    let outcome = single("encoders", "KiB resident a client", rows);
    let note = format!("{count} clients, each with half of 100 KiB; identity has no encoder");
    Ok(outcome.note(note))
}

/// Resident memory once it grows no more.
fn settled(server: &Running) -> u64 {
    let mut last = 0;
    loop {
        thread::sleep(Duration::from_millis(200));
        match machine::resident(server.pid()) {
            now if now <= last => return now,
            now => last = now,
        }
    }
}

/// A whole answer in a coding, its bytes as they came. Fails unless they unpack to the JSON of that
/// size.
fn packed(
    server: SocketAddr,
    path: &str,
    (coding, size): (Coding, usize),
) -> Result<Bytes, Failure> {
    let token = coding.token();
    let answer = ask(server, path, &format!("Accept-Encoding: {token}\r\n"))?;
    let head = answer.head.to_ascii_lowercase();
    let body = unchunked(answer, &head)?;
    let says = head.lines().any(|line| line == format!("content-encoding: {token}"));
    if !says || codec::unpack(&body, coding, 1 << 20)? != roles::json(size) {
        return Err(format!("{path} is not what it is, by {token}: {head}").into());
    }
    Ok(body)
}

fn unchunked(answer: Answer, head: &str) -> Result<Bytes, Failure> {
    if !head.contains("transfer-encoding: chunked") {
        return Ok(answer.body.into());
    }
    let (mut rest, mut body) = (&answer.body[..], Vec::new());
    loop {
        let end = rest.windows(2).position(|it| it == b"\r\n").ok_or("no chunk")?;
        let length = usize::from_str_radix(std::str::from_utf8(&rest[..end])?, 16)?;
        let chunk = rest.get(end + 2..end + 2 + length).ok_or("a chunk is cut short")?;
        if length == 0 {
            return Ok(body.into());
        }
        body.extend_from_slice(chunk);
        rest = rest.get(end + 4 + length..).ok_or("a chunk is cut short")?;
    }
}
