//! The thread that writes lines out, so that no request waits for a disk.

use std::{
    io::{self, Write},
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, sync_channel},
    },
    thread,
    time::Duration,
};

use crate::counters::Counters;

/// So many bytes are written at once, at least, while more lines wait.
const BATCH: usize = 64 << 10;
/// How long the end of the process waits for the last lines: a disk that hangs must not hold it.
const PATIENCE: Duration = Duration::from_secs(2);

/// The way to the writing thread.
#[derive(Debug)]
pub(super) struct Writer {
    lines: Option<SyncSender<Box<[u8]>>>,
    /// Gives an error as soon as the thread has ended.
    ended: parking_lot::Mutex<Receiver<()>>,
    counters: Arc<Counters>,
}

impl Writer {
    /// Starts the thread; `queue` lines may wait.
    pub(super) fn start(
        sink: impl Write + Send + 'static,
        counters: Arc<Counters>,
        queue: usize,
    ) -> io::Result<Writer> {
        let (lines, queued) = sync_channel(queue);
        let (end, ended) = sync_channel(1);
        let out = Out {
            sink,
            batch: Vec::new(),
            begun: false,
            failing: false,
            counters: counters.clone(),
        };
        thread::Builder::new().name("larder-access-log".into()).spawn(move || {
            out.run(&queued);
            drop(end);
        })?;
        Ok(Writer { lines: Some(lines), ended: ended.into(), counters })
    }

    /// Queues a line, or counts it as dropped.
    pub(super) fn send(&self, line: &[u8]) {
        let sent = self.lines.as_ref().is_some_and(|lines| lines.try_send(line.into()).is_ok());
        if !sent {
            self.counters.log_dropped.one();
        }
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
struct Out<W> {
    sink: W,
    /// Whole lines; the first may have been begun already.
    batch: Vec<u8>,
    /// The sink has the beginning of a line, and the batch the rest.
    begun: bool,
    /// The last write failed: nobody is told again.
    failing: bool,
    counters: Arc<Counters>,
}

impl<W: Write> Out<W> {
    fn run(mut self, queued: &Receiver<Box<[u8]>>) {
        loop {
            let line = match queued.try_recv() {
                Ok(line) => line,
                Err(TryRecvError::Disconnected) => break,
                Err(TryRecvError::Empty) => {
                    self.write_out();
                    let Ok(line) = queued.recv() else { break };
                    line
                }
            };
            self.batch.extend_from_slice(&line);
            if self.batch.len() >= BATCH {
                self.write_out();
            }
        }
        self.write_out();
        self.lose(0);
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
        let line = self.batch.iter().position(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        self.lose(if self.begun { line } else { 0 });
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
