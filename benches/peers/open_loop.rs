//! Load at a fixed rate, or as fast as it goes: each request has its time, whatever became of those
//! before it, and its latency counts from then on. So a server that stalls cannot hide it
//! (no coordinated omission).

use std::{
    collections::VecDeque,
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    num::NonZeroU64,
    time::{Duration, Instant},
};

use larder::clock::Clock;
use rustix::{
    buffer::spare_capacity,
    event::{Timespec, epoll},
    fd::OwnedFd,
    thread::set_current_timer_slack,
};

use crate::bare::Failure;

/// A wait shorter than this is spent awake: to sleep takes about as much. Longer ones are slept
/// through, because the origin needs the core, too.
const TOO_SHORT: Duration = Duration::from_micros(10);

/// How late the kernel may wake a sleeper to spare itself a timer, in nanoseconds.
const SLACK: NonZeroU64 = NonZeroU64::MIN;

/// No answer takes longer than this.
const SILENCE: Timespec = Timespec { tv_sec: 10, tv_nsec: 0 };

/// One request.
#[derive(Debug)]
pub(crate) struct Ask {
    pub(crate) path: String,
    /// Whether its latency is looked at.
    pub(crate) counts: bool,
}

/// What to send.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) server: SocketAddr,
    pub(crate) connections: usize,
    /// Requests a second; without it, as fast as the connections are free.
    pub(crate) rate: Option<f64>,
    pub(crate) requests: u64,
}

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Of the requests that count, in order.
    latencies: Vec<Duration>,
    pub(crate) took: Duration,
}

#[derive(Debug)]
struct Connection {
    stream: TcpStream,
    host: String,
    request: Vec<u8>,
    /// When its request was due, and whether it counts.
    under_way: Option<(Instant, bool)>,
    answer: Vec<u8>,
    /// How long the answer is, once its head is there.
    length: Option<usize>,
}

impl Tally {
    /// The latency that this part of the requests did not exceed, in microseconds.
    pub(crate) fn percentile(&self, part: f64) -> f64 {
        let index = (self.latencies.len() as f64 * part).ceil() as usize;
        let latency = self.latencies.get(index.saturating_sub(1)).copied().unwrap_or_default();
        latency.as_secs_f64() * 1e6
    }
}

/// Sends it all, and waits for every answer; each must be a 200.
pub(crate) fn run(
    clock: &Clock,
    plan: Plan,
    mut next: impl FnMut(u64) -> Ask,
) -> Result<Tally, Failure> {
    set_current_timer_slack(Some(SLACK))?;
    let (arrivals, mut connections) = connect(plan)?;
    let mut arrived = Vec::with_capacity(plan.connections);
    // In turn, so that none is idle for so long that the server closes it.
    let mut free: VecDeque<usize> = (0..connections.len()).collect();
    let (start, mut sent, mut done) = (clock.instant(), 0, 0);
    let due = |n: u64, now: Instant| match plan.rate {
        Some(rate) => start + Duration::from_secs_f64(n as f64 / rate),
        None => now,
    };
    let mut tally = Tally::default();
    while done < plan.requests {
        let now = clock.instant();
        while sent < plan.requests
            && due(sent, now) <= now
            && let Some(index) = free.pop_front()
        {
            let ask = next(sent);
            connections[index].begin(&ask, due(sent, now))?;
            sent += 1;
        }
        let waits = sent < plan.requests && !free.is_empty();
        let wait = waits.then(|| due(sent, now).saturating_duration_since(clock.instant()));
        epoll::wait(&arrivals, spare_capacity(&mut arrived), Some(&timeout(wait)))?;
        for event in arrived.drain(..) {
            let index = usize::try_from(event.data.u64())?;
            if let Some((due, counts)) = connections[index].read()? {
                done += 1;
                free.push_back(index);
                if counts {
                    tally.latencies.push(clock.instant() - due);
                }
            }
        }
    }
    tally.took = clock.instant() - start;
    tally.latencies.sort_unstable();
    Ok(tally)
}

/// The connections, and what tells on which of them something has come.
fn connect(plan: Plan) -> Result<(OwnedFd, Vec<Connection>), Failure> {
    let arrivals = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    let mut connections = Vec::with_capacity(plan.connections);
    for index in 0..plan.connections {
        let stream = TcpStream::connect(plan.server)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let which = epoll::EventData::new_u64(index as u64);
        epoll::add(&arrivals, &stream, which, epoll::EventFlags::IN)?;
        let host = plan.server.to_string();
        let request = Vec::with_capacity(128);
        connections.push(Connection {
            stream,
            host,
            request,
            under_way: None,
            answer: Vec::new(),
            length: None,
        });
    }
    Ok((arrivals, connections))
}

fn timeout(wait: Option<Duration>) -> Timespec {
    match wait {
        None => SILENCE,
        Some(wait) if wait < TOO_SHORT => Timespec { tv_sec: 0, tv_nsec: 0 },
        Some(wait) => Timespec::try_from(wait).unwrap_or(SILENCE),
    }
}

impl Connection {
    fn begin(&mut self, ask: &Ask, due: Instant) -> Result<(), Failure> {
        self.request.clear();
        write!(self.request, "GET {} HTTP/1.1\r\nHost: {}\r\n\r\n", ask.path, self.host)?;
        self.stream.write_all(&self.request)?;
        self.under_way = Some((due, ask.counts));
        Ok(())
    }

    /// Reads what has come; tells whose answer is whole now.
    fn read(&mut self) -> Result<Option<(Instant, bool)>, Failure> {
        let mut scratch = [0; 16 << 10];
        match self.stream.read(&mut scratch) {
            Ok(0) => return Err("the server closed a connection".into()),
            Ok(count) => self.answer.extend_from_slice(&scratch[..count]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(error.into()),
        }
        if self.length.is_none() {
            self.length = length(&self.answer)?;
        }
        if self.length != Some(self.answer.len()) {
            return Ok(None);
        }
        self.answer.clear();
        self.length = None;
        Ok(self.under_way.take())
    }
}

/// How long an answer is, head and body; `None` while its head is not whole.
fn length(answer: &[u8]) -> Result<Option<usize>, Failure> {
    let Some(head) = answer.windows(4).position(|it| it == b"\r\n\r\n") else { return Ok(None) };
    let text = std::str::from_utf8(&answer[..head])?;
    if text.split(' ').nth(1) != Some("200") {
        return Err(text.to_owned().into());
    }
    let length = text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    Ok(Some(head + 4 + length.ok_or("an answer without a length")?))
}
