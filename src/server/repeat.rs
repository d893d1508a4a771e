//! Requests that say again what their connection has just said: answered without being read field
//! by field.
//!
//! Who calls an API sends the same fields with each request on a connection; only the target changes,
//! if that. So once hyper has read a head, and its request was answered at once, the handler gives
//! what answers a request that differs from it in the target at most: a [`Repeater`]. A head is a
//! repeat where it is that of a GET by HTTP/1.1 and every byte behind its first line is that of
//! the head that hyper has read. All others go to hyper as they came, and so does a repeat that
//! cannot be answered at once.
//!
//! Answers must not overtake each other, and no byte that hyper holds may be taken for the
//! beginning of something else. So a repeat is answered here only while hyper is known to hold
//! nothing: it was given whole requests, has answered them, and has written all of that.

use std::{
    fmt,
    io::{self, IoSlice},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use parking_lot::Mutex;
use tokio::io::AsyncWrite;

use super::{
    activity::{Activity, Level},
    socket::Socket,
};

/// The longest fields that are remembered, in bytes.
const MAX_FIELDS: usize = 4 << 10;

/// A head of an answer that takes more than this is not kept room for.
const MAX_ROOM: usize = 4 << 10;

/// So many requests in a row are not tried at most where those before came to nothing.
const MAX_PAUSE: u32 = 63;

/// What a head ends with.
const END: &[u8; 4] = b"\r\n\r\n";

/// Answers a request that differs in its target alone from one that was answered before.
pub struct Repeater(Answers);

type Answers = Box<dyn FnMut(&[u8], &mut Vec<u8>) -> Repeated + Send>;

/// The wish of a connection for a [`Repeater`]: the request repeats the fields of the one before it.
#[derive(Clone, Debug)]
pub struct RepeaterWanted(Arc<Activity>);

/// What becomes of a request that repeats another.
#[derive(Debug, PartialEq, Eq)]
pub enum Repeated {
    /// It is answered: its head was written, and this is its body.
    Answered(Bytes),
    /// It has to be read like any other, and nothing has happened yet.
    Unanswered,
    /// The same, and so have all that come after it.
    Over,
}

/// What those who read and those who answer tell each other: by HTTP/1 both are the connection's own
/// task.
#[derive(Debug)]
pub(super) struct Talk {
    /// The head that hyper was given last repeats one before it, and nobody answers such yet.
    repeats: AtomicBool,
    /// The bytes that follow the head that hyper has read last, as it declares them; the greatest
    /// number where it does not.
    content: AtomicU64,
    /// All requests are answered of which hyper has read the heads.
    is_answered: AtomicBool,
    /// What comes is no HTTP/1.
    is_over: AtomicBool,
    is_offered: AtomicBool,
    repeater: Mutex<Option<Repeater>>,
}

/// The repeats of one connection.
#[derive(Debug)]
pub(super) struct Repeats {
    stage: Stage,
    /// What came behind the first line of the GET that hyper was given last.
    fields: Vec<u8>,
    /// Whether that is known to be the rest of one head.
    is_one: bool,
    /// The longest head that is taken, in bytes.
    max_head: usize,
    repeater: Option<Repeater>,
    tries: Pause,
    /// Of wishes for a repeater.
    wishes: Pause,
    out: Out,
}

/// How long nothing is tried because what was came to nothing.
#[derive(Debug, Default)]
struct Pause {
    /// Repeats before the next one that is tried.
    left: u32,
    /// Those before the last one.
    last: u32,
}

/// What hyper holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Nothing: neither bytes of a request nor of an answer.
    Nothing,
    /// It was given a head of so many bytes, and so many bytes in all.
    Given { head: u64, all: u64 },
    /// Nobody knows, and nobody will.
    Unknown,
}

/// An answer on its way.
#[derive(Debug, Default)]
struct Out {
    head: Vec<u8>,
    /// How much of the head is written.
    written: usize,
    body: Bytes,
    /// There is something to write, or to flush.
    is_under_way: bool,
}

impl Repeater {
    /// By a function that is given a target in origin form and a buffer, to which it adds the head
    /// of the answer.
    pub fn new(answer: impl FnMut(&[u8], &mut Vec<u8>) -> Repeated + Send + 'static) -> Repeater {
        Repeater(Box::new(answer))
    }
}

impl RepeaterWanted {
    pub(super) fn of(activity: Arc<Activity>) -> RepeaterWanted {
        RepeaterWanted(activity)
    }

    /// Gives what answers requests that differ from this one in the target alone, from the next one
    /// on.
    pub fn meet(&self, repeater: Repeater) {
        self.0.talk().offer(repeater);
    }
}

impl fmt::Debug for Repeater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Repeater")
    }
}

impl Default for Talk {
    fn default() -> Talk {
        Talk {
            repeats: AtomicBool::new(false),
            content: AtomicU64::new(0),
            is_answered: AtomicBool::new(true),
            is_over: AtomicBool::new(false),
            is_offered: AtomicBool::new(false),
            repeater: Mutex::new(None),
        }
    }
}

impl Talk {
    /// Hyper has read a head that so many bytes follow, where that is known.
    pub(super) fn begin(&self, content: Option<u64>) {
        self.is_answered.store(false, Relaxed);
        self.content.store(content.unwrap_or(u64::MAX), Relaxed);
    }

    /// The request that hyper has read is answered.
    pub(super) fn answered(&self) {
        self.is_answered.store(true, Relaxed);
    }

    /// From here on the connection speaks something else.
    pub(super) fn end(&self) {
        self.is_over.store(true, Relaxed);
    }

    /// Whether what answers more of the kind is wanted with the answer to the request that has just
    /// begun; not of one behind it, of which nothing was known here when hyper got it.
    pub(super) fn wants_repeater(&self) -> bool {
        let wants = self.repeats.load(Relaxed);
        self.repeats.store(false, Relaxed);
        wants
    }

    fn offer(&self, repeater: Repeater) {
        *self.repeater.lock() = Some(repeater);
        self.is_offered.store(true, Relaxed);
    }

    fn repeater(&self) -> Option<Repeater> {
        if !self.is_offered.load(Relaxed) {
            return None;
        }
        self.is_offered.store(false, Relaxed);
        self.repeater.lock().take()
    }

    /// The content of the request that hyper has read, where that is answered.
    fn content(&self) -> Option<u64> {
        self.is_answered.load(Relaxed).then(|| self.content.load(Relaxed))
    }
}

impl Pause {
    /// Whether it is time to try, after which the next pause is twice as long.
    fn is_over(&mut self) -> bool {
        let is_over = self.left == 0;
        if is_over {
            self.last = (self.last * 2 + 1).min(MAX_PAUSE);
        }
        self.left = if is_over { self.last } else { self.left - 1 };
        is_over
    }
}

impl Repeats {
    /// Of a connection from which nothing was read yet.
    pub(super) fn new(max_head: usize) -> Repeats {
        let (stage, fields, out) = (Stage::Nothing, Vec::new(), Out::default());
        let (repeater, tries, wishes) = (None, Pause::default(), Pause::default());
        Repeats { stage, fields, is_one: false, max_head, repeater, tries, wishes, out }
    }

    /// What was read, before hyper gets it: whether it is answered here, and hyper must not get it.
    pub(super) fn read(&mut self, bytes: &[u8], activity: &Activity) -> bool {
        let (talk, all) = (activity.talk(), bytes.len() as u64);
        match &mut self.stage {
            Stage::Given { all: given, .. } => *given += all,
            // Hyper held a request that was not seen here, or one whose content may still come.
            Stage::Nothing if talk.content() != Some(0) => self.stage = Stage::Unknown,
            Stage::Nothing if !talk.is_over.load(Relaxed) => {
                if let Some(repeater) = talk.repeater() {
                    self.repeater = Some(repeater);
                    self.wishes = Pause::default();
                }
                match self.repeated(bytes) {
                    Some(target) if activity.level() == Level::Serving && self.answer(target) => {
                        activity.pass();
                        return true;
                    }
                    Some(_) => {
                        self.stage = Stage::Given { head: all, all };
                        let wishes = self.repeater.is_none() && self.wishes.is_over();
                        talk.repeats.store(wishes, Relaxed);
                    }
                    None => self.give(bytes),
                }
            }
            Stage::Nothing | Stage::Unknown => {}
        }
        false
    }

    /// Hyper has nothing to write.
    pub(super) fn flushed(&mut self, activity: &Activity) {
        let Stage::Given { head, all } = self.stage else { return };
        if let Some(content) = activity.talk().content() {
            self.stage = Stage::Unknown;
            if head.checked_add(content) == Some(all) {
                self.stage = Stage::Nothing;
                activity.talk().content.store(0, Relaxed);
            }
        }
    }

    /// The target, where what is behind the first line is what hyper has read of one head, and nothing
    /// else.
    fn repeated<'a>(&mut self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        let line = bytes.len().checked_sub(self.fields.len())?;
        let (target, fields) = split(bytes, line)?;
        if *fields != self.fields || bytes.len() > self.max_head {
            return None;
        }
        if !self.is_one {
            self.is_one = head(bytes) == Some(bytes.len());
        }
        self.is_one.then_some(target)
    }

    /// Tries to answer a repeat.
    fn answer(&mut self, target: &[u8]) -> bool {
        let Some(Repeater(answer)) = &mut self.repeater else { return false };
        if !self.tries.is_over() {
            return false;
        }
        self.out.head.clear();
        match answer(target, &mut self.out.head) {
            Repeated::Answered(body) => {
                (self.out.body, self.out.written, self.out.is_under_way) = (body, 0, true);
                self.tries = Pause::default();
                return true;
            }
            Repeated::Unanswered => {}
            Repeated::Over => self.repeater = None,
        }
        false
    }

    /// Hyper gets these bytes, which are no repeat.
    fn give(&mut self, bytes: &[u8]) {
        let line = memchr::memchr(b'\n', bytes).map_or(0, |end| end + 1);
        let fields = split(bytes, line).map(|(_, fields)| fields);
        // Where more than one head comes to an end there, hyper reads the next one before it asks for
        // more, and that is seen.
        let ends = fields.is_some() && bytes.ends_with(END);
        let head = if ends { Some(bytes.len()) } else { head(bytes) };
        self.stage = match head {
            Some(head) => Stage::Given { head: head as u64, all: bytes.len() as u64 },
            None => Stage::Unknown,
        };
        let Some(fields) = fields else { return };
        (self.repeater, self.is_one) = (None, false);
        self.fields.clear();
        if ends && fields.len() <= MAX_FIELDS {
            self.fields.extend_from_slice(fields);
        }
    }

    /// Writes what is answered here; ready where there is nothing left to write.
    pub(super) fn poll_write(
        &mut self,
        socket: &mut Socket,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        let out = &mut self.out;
        while out.is_left() {
            let pieces = [IoSlice::new(&out.head[out.written..]), IoSlice::new(&out.body)];
            match ready!(Pin::new(&mut *socket).poll_write_vectored(cx, &pieces))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => out.advance(written),
            }
        }
        ready!(Pin::new(socket).poll_flush(cx))?;
        out.is_under_way = false;
        out.body = Bytes::new();
        out.head.shrink_to(MAX_ROOM);
        Poll::Ready(Ok(()))
    }

    /// Whether an answer is on its way.
    pub(super) fn writes(&self) -> bool {
        self.out.is_under_way
    }
}

impl Out {
    fn is_left(&self) -> bool {
        self.written < self.head.len() || !self.body.is_empty()
    }

    fn advance(&mut self, written: usize) {
        let of_head = written.min(self.head.len() - self.written);
        self.written += of_head;
        self.body.advance(written - of_head);
    }
}

/// How long the head is that these bytes begin with, where all of it is there and its lines are ended
/// as they should be (RFC 9112 §2.2): hyper reads others, too.
fn head(bytes: &[u8]) -> Option<usize> {
    // hyper skips empty lines before a head.
    bytes.first().filter(|it| it.is_ascii_uppercase())?;
    let end = END.len() + memchr::memmem::find(bytes, END)?;
    let head = &bytes[..end];
    memchr::memchr_iter(b'\n', head).all(|at| head[..at].ends_with(b"\r")).then_some(end)
}

/// The target of a GET by HTTP/1.1 in origin form, and what is behind the first line, which takes so
/// many bytes.
fn split(bytes: &[u8], line: usize) -> Option<(&[u8], &[u8])> {
    let (line, fields) = bytes.split_at_checked(line)?;
    let target = line.strip_prefix(b"GET ")?.strip_suffix(b" HTTP/1.1\r\n")?;
    // What else hyper takes, it takes by itself. All of it is looked at, sixteen bytes at a time.
    let is_plain = target.iter().fold(true, |all, byte| all & matches!(byte, 0x21..=0x7e));
    (is_plain && target.starts_with(b"/")).then_some((target, fields))
}
