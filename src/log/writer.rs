//! The thread that writes lines out, so that no request waits for a disk.

use std::{
    io::{self, Write},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::AcqRel, Ordering::Release},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, sync_channel},
    },
    thread,
    time::Duration,
};

use crate::counters::Counters;

/// So many bytes are written at once, at least, while more lines wait.
const BATCH: usize = 64 << 10;
/// How long the first line waits for others. Who waits for each line is woken for each, and that
/// took as long as all else that a hit costs.
const GATHERS: Duration = Duration::from_millis(4);
/// How long the end of the process waits for the last lines: a disk that hangs must not hold it.
const PATIENCE: Duration = Duration::from_secs(2);

/// The way to the writing thread.
#[derive(Debug)]
pub(super) struct Writer {
    lines: Option<SyncSender<Box<[u8]>>>,
    /// Gives an error as soon as the thread has ended.
    ended: parking_lot::Mutex<Receiver<()>>,
    /// The sink is to be opened again.
    reopen: Arc<AtomicBool>,
    counters: Arc<Counters>,
}

impl Writer {
    /// Opens the sink and starts the thread; `queue` lines may wait.
    pub(super) fn start<W: Write + Send + 'static>(
        open: impl Fn() -> io::Result<W> + Send + 'static,
        counters: Arc<Counters>,
        queue: usize,
    ) -> io::Result<Writer> {
        let (lines, queued) = sync_channel(queue);
        let (end, ended) = sync_channel(1);
        let reopen = Arc::<AtomicBool>::default();
        let out = Out {
            sink: open()?,
            open,
            reopen: reopen.clone(),
            batch: Vec::new(),
            begun: false,
            failing: false,
            counters: counters.clone(),
        };
        thread::Builder::new().name("larder-access-log".into()).spawn(move || {
            out.run(&queued);
            drop(end);
        })?;
        Ok(Writer { lines: Some(lines), ended: ended.into(), reopen, counters })
    }

    /// Queues a line, or counts it as dropped.
    pub(super) fn send(&self, line: &[u8]) {
        let sent = self.lines.as_ref().is_some_and(|lines| lines.try_send(line.into()).is_ok());
        if !sent {
            self.counters.log_dropped.one();
        }
    }

    /// Has the sink opened again. No line is lost by it.
    pub(super) fn reopen(&self) {
        self.reopen.store(true, Release);
        // Who finds the queue full is at work already, and will see it.
        let _ = self.lines.as_ref().map(|lines| lines.try_send(Box::default()));
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.lines = None;
        // A thread in a stuck write cannot be waited for by the clock of the tests.
        if self.ended.lock().recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
            eprintln!("larder: the access log does not take its last lines");
        }
    }
}

/// The thread's own.
struct Out<W, O> {
    sink: W,
    open: O,
    reopen: Arc<AtomicBool>,
    /// Whole lines; the first may have been begun already.
    batch: Vec<u8>,
    /// The sink has the beginning of a line, and the batch the rest.
    begun: bool,
    /// The last write failed: nobody is told again.
    failing: bool,
    counters: Arc<Counters>,
}

impl<W: Write, O: Fn() -> io::Result<W>> Out<W, O> {
    fn run(mut self, queued: &Receiver<Box<[u8]>>) {
        loop {
            let line = match queued.try_recv() {
                Ok(line) => line,
                Err(TryRecvError::Disconnected) => break,
                Err(TryRecvError::Empty) => {
                    self.write_out();
                    let Ok(line) = queued.recv() else { break };
                    // Nobody wakes it meanwhile.
                    thread::park_timeout(GATHERS);
                    line
                }
            };
            self.batch.extend_from_slice(&line);
            if self.reopen.swap(false, AcqRel) {
                self.open_again();
            }
            if self.batch.len() >= BATCH {
                self.write_out();
            }
        }
        self.write_out();
        self.lose(0);
    }

    /// Writes out what waits, then goes on with the sink that is there now; with the old one, where
    /// there is none.
    fn open_again(&mut self) {
        self.write_out();
        match (self.open)() {
            Ok(sink) => {
                // The end of a line that was begun elsewhere would be none here.
                let rest = if self.begun { self.line() } else { 0 };
                self.batch.drain(..rest);
                self.counters.log_dropped.add(u64::from(self.begun));
                (self.sink, self.begun, self.failing) = (sink, false, false);
                tracing::info!("the access log is open again");
            }
            Err(error) => tracing::error!("the access log stays as it is: {error}"),
        }
    }

    /// Where the first line of the batch ends.
    fn line(&self) -> usize {
        self.batch.iter().position(|byte| *byte == b'\n').map_or(0, |at| at + 1)
    }

    /// Writes the batch. Lines that cannot be written are counted; of one that was begun, the rest
    /// is kept, so that no line is ever torn by a later one.
    fn write_out(&mut self) {
        while !self.batch.is_empty() {
            match self.sink.write(&self.batch) {
                Ok(0) => return self.fail(&io::ErrorKind::WriteZero.into()),
                Ok(n) => {
                    self.begun = self.batch[n - 1] != b'\n';
                    self.failing = false;
                    self.batch.drain(..n);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return self.fail(&error),
            }
        }
    }

    fn fail(&mut self, error: &io::Error) {
        let begun = if self.begun { self.line() } else { 0 };
        self.lose(begun);
        if !std::mem::replace(&mut self.failing, true) {
            eprintln!(
                "larder: cannot write the access log: {error}; lines are dropped and counted"
            );
        }
    }

    /// Gives up the batch from byte `at` on.
    fn lose(&mut self, at: usize) {
        let lost = self.batch[at..].iter().filter(|byte| **byte == b'\n').count();
        self.counters.log_dropped.add(lost as u64);
        self.batch.truncate(at);
    }
}
