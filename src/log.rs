//! The access log: one line a request, by a writer of its own that never blocks a request.
//!
//! A finished [`Record`] becomes a line and goes into a bounded queue; a thread writes the queue
//! out. What finds the queue full is dropped and counted (`log_dropped`), and so are lines that
//! cannot be written. A line is JSON or in the combined format; what is known to be a secret is
//! hidden in both.

mod combined;
mod line;
mod redact;
mod writer;

use std::{
    fs::{File, OpenOptions},
    io,
    net::IpAddr,
    path::Path,
    sync::Arc,
};

use http::{HeaderName, HeaderValue, Method, Uri, Version, header, request};

use crate::{
    clock::Clock,
    config::{self, Access, Format},
    counters::Counters,
    ids::Ids,
    policy::Now,
    reason::{Missed, Reason},
    server::PeerAddr,
};
use redact::Redact;
use writer::Writer;

/// Lines that may wait for the writer.
const QUEUE: usize = 16 << 10;

/// The way into the access log; a cheap handle. Off, it costs nothing. When the last handle is
/// dropped, what was queued has been written, unless the sink is stuck.
#[derive(Clone, Debug, Default)]
pub struct AccessLog(Option<Arc<Open>>);

#[derive(Debug)]
struct Open {
    /// Where it writes: the same one has the same writer after a reload.
    access: Access,
    writer: Arc<Writer>,
    clock: Clock,
    style: Style,
}

/// How a line is written.
#[derive(Debug)]
struct Style {
    format: Format,
    /// The request's fields that are told.
    fields: Vec<HeaderName>,
    redact: Redact,
}

impl AccessLog {
    /// Opens the log and starts its writer, or goes on with that of `previous` where it writes to
    /// the same place.
    ///
    /// # Errors
    /// Why the file cannot be opened, or the writer not be started.
    pub fn open(
        config: &config::Log,
        previous: Option<&AccessLog>,
        clock: &Clock,
        counters: &Arc<Counters>,
    ) -> io::Result<AccessLog> {
        let previous = previous.and_then(|it| it.0.as_ref());
        let known = previous.filter(|it| it.access == config.access);
        let writer = match (known, &config.access) {
            (_, Access::Off) => return Ok(AccessLog(None)),
            (Some(known), _) => known.writer.clone(),
            (None, Access::Stderr) => {
                Arc::new(Writer::start(|| Ok(io::stderr()), counters.clone(), QUEUE)?)
            }
            (None, Access::File(path)) => {
                let path = path.clone();
                Arc::new(Writer::start(move || append(&path), counters.clone(), QUEUE)?)
            }
        };
        Ok(AccessLog::by(writer, config, clock))
    }

    fn by(writer: Arc<Writer>, config: &config::Log, clock: &Clock) -> AccessLog {
        let fields = match config.format {
            Format::Json => config.fields.clone(),
            Format::Combined => vec![header::REFERER, header::USER_AGENT],
        };
        let redact = Redact::new(&config.redact);
        let style = Style { format: config.format, fields, redact };
        let (access, clock) = (config.access.clone(), clock.clone());
        AccessLog(Some(Arc::new(Open { access, writer, clock, style })))
    }

    /// Whether anybody reads it; if not, no record need be made.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Opens its file again, under the same name: the old one has been moved away. Lines that wait
    /// may go to either.
    pub fn reopen(&self) {
        self.0.iter().for_each(|open| open.writer.reopen());
    }

    /// Begins the record of a request, if there is a log.
    #[must_use]
    pub fn record(&self, head: &request::Parts, peer: PeerAddr, at: Now) -> Option<Box<Record>> {
        let open = self.0.as_ref()?;
        let field = |name: &HeaderName| head.headers.get(name).cloned();
        let known = Again {
            log: open.clone(),
            client: match peer {
                PeerAddr::Ip(address) => Some(address),
                PeerAddr::Unix => None,
            },
            method: head.method.clone(),
            version: head.version,
            host: field(&header::HOST),
            fields: open.style.fields.iter().map(field).collect(),
        };
        Some(Box::new(Record::new(known, head.uri.clone(), at)))
    }
}

fn append(path: &Path) -> io::Result<File> {
    let told =
        |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    OpenOptions::new().create(true).append(true).open(path).map_err(told)
}

/// One request, as the log will tell it. Written when it is dropped: when its response has been
/// sent, or given up.
#[derive(Debug)]
pub struct Record {
    log: Arc<Open>,
    /// When the request head had been read.
    pub started: Now,
    /// The client, behind the trusted proxies; `None` on a unix socket.
    pub client: Option<IpAddr>,
    method: Method,
    version: Version,
    /// As the client sent it.
    host: Option<HeaderValue>,
    /// The target, as the client sent it.
    uri: Uri,
    /// The values of the fields that are told, as far as it has them.
    fields: Box<[Option<HeaderValue>]>,
    /// What it is known by, where it is.
    pub ids: Option<Arc<Ids>>,
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

/// What the records of requests have in common that differ in their targets alone.
#[derive(Debug)]
pub struct Again {
    log: Arc<Open>,
    client: Option<IpAddr>,
    method: Method,
    version: Version,
    host: Option<HeaderValue>,
    fields: Box<[Option<HeaderValue>]>,
}

impl Again {
    /// Begins the record of the request for a target.
    #[must_use]
    pub fn record(&self, uri: Uri, at: Now) -> Box<Record> {
        let Again { log, client, method, version, host, fields } = self;
        let (method, host, fields) = (method.clone(), host.clone(), fields.clone());
        let known =
            Again { log: log.clone(), client: *client, method, version: *version, host, fields };
        Box::new(Record::new(known, uri, at))
    }
}

impl Record {
    fn new(known: Again, uri: Uri, at: Now) -> Record {
        let Again { log, client, method, version, host, fields } = known;
        Record {
            log,
            started: at,
            client,
            method,
            version,
            host,
            uri,
            fields,
            ids: None,
            status: 0,
            cache: "",
            reason: None,
            missed: None,
            bytes: 0,
            torn: false,
            head_ms: 0,
        }
    }

    /// What other requests have in common with this.
    #[must_use]
    pub fn again(&self) -> Again {
        // What hyper has read lies in its buffer, and would keep that.
        let own = |it: &Option<HeaderValue>| HeaderValue::from_bytes(it.as_ref()?.as_bytes()).ok();
        Again {
            log: self.log.clone(),
            client: self.client,
            method: self.method.clone(),
            version: self.version,
            host: own(&self.host),
            fields: self.fields.iter().map(own).collect(),
        }
    }

    fn style(&self) -> &Style {
        &self.log.style
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        line::with(self, self.log.clock.now(), |line| self.log.writer.send(line));
    }
}

#[cfg(test)]
mod tests;
