//! The access log: one JSON line a request, by a writer of its own that never blocks a request.
//!
//! A finished [`Record`] becomes a line and goes into a bounded queue; a thread writes the queue
//! out. What finds the queue full is dropped and counted (`log_dropped`), and so are lines that
//! cannot be written.

mod line;
mod writer;

use std::{fs::OpenOptions, io, net::IpAddr, sync::Arc};

use crate::{
    clock::Clock,
    config,
    counters::Counters,
    policy::Now,
    reason::{Missed, Reason},
};
use writer::Writer;

/// Lines that may wait for the writer.
const QUEUE: usize = 16 << 10;

/// The way into the access log; a cheap handle. Off, it costs nothing. When the last handle is
/// dropped, what was queued has been written, unless the sink is stuck.
#[derive(Clone, Debug, Default)]
pub struct AccessLog(Option<Arc<Open>>);

#[derive(Debug)]
struct Open {
    writer: Writer,
    clock: Clock,
}

impl AccessLog {
    /// Opens the log and starts its writer.
    ///
    /// # Errors
    /// Why the file cannot be opened, or the writer not be started.
    pub fn open(
        config: &config::Log,
        clock: Clock,
        counters: Arc<Counters>,
    ) -> io::Result<AccessLog> {
        match config {
            config::Log::Off => Ok(AccessLog(None)),
            config::Log::Stderr => AccessLog::onto(io::stderr(), clock, counters, QUEUE),
            config::Log::File(path) => {
                let file = OpenOptions::new().create(true).append(true).open(path);
                let told = |error: io::Error| {
                    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
                };
                AccessLog::onto(file.map_err(told)?, clock, counters, QUEUE)
            }
        }
    }

    /// Whether anybody reads it; if not, no record need be made.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    fn onto(
        sink: impl io::Write + Send + 'static,
        clock: Clock,
        counters: Arc<Counters>,
        queue: usize,
    ) -> io::Result<AccessLog> {
        let writer = Writer::start(sink, counters, queue)?;
        Ok(AccessLog(Some(Arc::new(Open { writer, clock }))))
    }
}

/// One request, as the log will tell it. Written when it is dropped: when its response has been
/// sent, or given up.
#[derive(Debug)]
pub struct Record {
    /// Where it is written.
    pub log: AccessLog,
    /// When the request head had been read.
    pub started: Now,
    /// The client, behind the trusted proxies; `None` on a unix socket.
    pub client: Option<IpAddr>,
    /// The method.
    pub method: http::Method,
    /// The authority, as the client named it.
    pub host: String,
    /// Path and query.
    pub path: String,
    /// The response's status; 0 where the client left before there was one.
    pub status: u16,
    /// The outcome, in the words of RFC 9211: `hit`, or the token of `fwd`.
    pub cache: &'static str,
    /// Why, where there is more to say.
    pub reason: Option<Reason>,
    /// Why nothing stored could answer, where that is why it went forward.
    pub missed: Option<Missed>,
    /// Bytes of the response body sent.
    pub bytes: u64,
    /// The body broke off, or the client left before its end.
    pub torn: bool,
    /// Milliseconds until the response head was ready.
    pub head_ms: i64,
}

impl Drop for Record {
    fn drop(&mut self) {
        if let Some(open) = &self.log.0 {
            line::with(self, open.clock.now(), |line| open.writer.send(line));
        }
    }
}

#[cfg(test)]
mod tests;
