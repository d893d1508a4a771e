//! Lines as they are written, and what becomes of those for which there is no room.

use std::{
    io::Write,
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    time::{Duration, UNIX_EPOCH},
};

use parking_lot::Mutex;

use super::*;
use crate::{
    clock::Manual,
    policy::{Unstorable, Wall},
};

const NOON: i64 = 1_795_262_400_000;

/// What was written. Each write takes a permission first, and whoever gives it waits for that.
#[derive(Clone)]
struct Sink {
    written: Arc<Mutex<Vec<u8>>>,
    allowed: Arc<Mutex<Receiver<io::Result<usize>>>>,
}

fn sink() -> (SyncSender<io::Result<usize>>, Sink) {
    let (allow, allowed) = sync_channel(0);
    (allow, Sink { written: Arc::default(), allowed: Arc::new(Mutex::new(allowed)) })
}

impl Sink {
    fn text(&self) -> String {
        String::from_utf8(self.written.lock().clone()).unwrap()
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // When nobody gives permissions any more, everything is taken.
        let most = self.allowed.lock().recv().unwrap_or(Ok(usize::MAX))?;
        let some = bytes.len().min(most);
        self.written.lock().extend_from_slice(&bytes[..some]);
        Ok(some)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn log(sink: &Sink, queue: usize) -> (AccessLog, Arc<Counters>, Arc<Manual>) {
    let (clock, manual) = Clock::manual(NOON);
    let counters = Arc::<Counters>::default();
    (AccessLog::onto(sink.clone(), clock, counters.clone(), queue).unwrap(), counters, manual)
}

fn record(log: &AccessLog, path: &str) -> Record {
    Record {
        log: log.clone(),
        started: log.0.as_ref().map(|open| open.clock.now()).unwrap_or_default(),
        client: Some([192, 0, 2, 1].into()),
        method: http::Method::GET,
        host: "api.example".into(),
        path: path.into(),
        status: 200,
        cache: "hit",
        reason: None,
        missed: None,
        bytes: 1234,
        torn: false,
        head_ms: 2,
    }
}

#[test]
fn a_request_is_one_line_of_json() {
    let (allow, sink) = sink();
    drop(allow);
    let (log, counters, manual) = log(&sink, 8);
    let first = record(&log, "/users?page=2");
    manual.advance(Duration::from_millis(17));
    drop(first);
    let mut second = record(&log, "/\"");
    (second.client, second.torn, second.reason) =
        (None, true, Some(Reason::NotStored(Unstorable::NoStore)));
    drop((second, log));
    let expected = concat!(
        r#"{"time":"2026-11-21T12:00:00.000Z","client":"192.0.2.1","method":"GET","#,
        r#""host":"api.example","path":"/users?page=2","status":200,"cache":"hit","#,
        r#""reason":"","bytes":1234,"head_ms":2,"total_ms":17}"#,
        "\n",
        r#"{"time":"2026-11-21T12:00:00.017Z","client":null,"method":"GET","#,
        r#""host":"api.example","path":"/\"","status":200,"cache":"hit","#,
        r#""reason":"no-store","bytes":1234,"torn":true,"head_ms":2,"total_ms":0}"#,
        "\n",
    );
    assert_eq!(sink.text(), expected, "lines in the queue are written when the last handle goes");
    assert_eq!(counters.log_dropped.get(), 0);
}

#[test]
fn whatever_a_client_sends_stays_within_its_string() {
    let cases: [(&[u8], &str); 7] = [
        (b"/plain?a=b", "/plain?a=b"),
        (b"\"quoted\" \\ back", r#"\"quoted\" \\ back"#),
        (b"a\r\nb\tc", r"a\r\nb\tc"),
        (b"\x00\x1b[31m\x7f", r"\u0000\u001b[31m\u007f"),
        ("ü €\u{1f980}".as_bytes(), "ü €\u{1f980}"),
        ("\u{9b}31m".as_bytes(), r"\u009b31m"),
        (b"a\xff\xc3(b", r"a\ufffd\ufffd(b"),
    ];
    for (bytes, expected) in cases {
        let mut line = Vec::new();
        line::escape(&mut line, bytes);
        let line = String::from_utf8(line).unwrap();
        assert_eq!(line, expected);
        let read: String = serde_json::from_str(&format!("\"{line}\"")).unwrap();
        assert_eq!(read, String::from_utf8_lossy(bytes), "as a reader of JSON sees it");
    }
}

fn time(wall: i64) -> String {
    let mut text = Vec::new();
    line::time(&mut text, Wall(wall));
    String::from_utf8(text).unwrap()
}

#[test]
fn times_are_as_rfc_3339_writes_them() {
    let cases = [
        (0, "1970-01-01T00:00:00.000Z"),
        (-1, "1969-12-31T23:59:59.999Z"),
        (951_782_400_000, "2000-02-29T00:00:00.000Z"),
        (4_107_542_399_999, "2100-02-28T23:59:59.999Z"),
        (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
        (1_767_225_599_001, "2025-12-31T23:59:59.001Z"),
    ];
    for (wall, expected) in cases {
        assert_eq!(time(wall), expected);
    }
    for day in 0..200_000 {
        let text = time(day * 86_400_000);
        let date = UNIX_EPOCH + Duration::from_secs(day.unsigned_abs() * 86_400);
        let date = httpdate::fmt_http_date(date);
        assert_eq!((&date[5..7], &date[12..16]), (&text[8..10], &text[..4]), "{date}");
    }
}

#[test]
fn a_sink_that_is_stuck_costs_lines_and_no_request() {
    let (allow, sink) = sink();
    let (log, counters, _) = log(&sink, 4);
    drop(record(&log, "/stuck"));
    allow.send(Ok(1)).unwrap();
    for number in 0..20 {
        drop(record(&log, &format!("/{number}")));
    }
    assert_eq!(counters.log_dropped.get(), 16, "a queue of 4 has room for 4");
    drop((allow, log));
    assert_eq!(sink.text().lines().count(), 5, "every other line is written");
}

#[test]
fn a_disk_that_is_full_for_a_while_costs_whole_lines() {
    let (allow, sink) = sink();
    let (log, counters, _) = log(&sink, 100);
    let full = || Err(io::ErrorKind::StorageFull.into());
    drop(record(&log, "/torn"));
    allow.send(Ok("{\"time\":".len())).unwrap();
    allow.send(full()).unwrap();
    drop(record(&log, "/lost"));
    allow.send(full()).unwrap();
    for number in 0..4 {
        drop(record(&log, &format!("/{number}")));
    }
    drop((allow, log));
    let text = sink.text();
    for line in text.lines() {
        let read: serde_json::Value = serde_json::from_str(line).expect("no line is torn");
        assert_eq!(read["status"], 200);
    }
    assert!(text.lines().next().unwrap().contains("/torn"), "what was begun is finished");
    assert_eq!((text.lines().count(), counters.log_dropped.get()), (5, 1));
}

#[test]
fn a_file_is_appended_to() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.log");
    for _ in 0..2 {
        let target = config::Log::File(path.clone());
        let log = AccessLog::open(&target, Clock::manual(NOON).0, Arc::default()).unwrap();
        assert!(log.is_on());
        drop(record(&log, "/"));
    }
    assert_eq!(std::fs::read_to_string(path).unwrap().lines().count(), 2);
}

#[test]
fn a_log_that_is_off_writes_nothing() {
    let log = AccessLog::open(&config::Log::Off, Clock::manual(NOON).0, Arc::default()).unwrap();
    assert!(!log.is_on());
    drop(record(&log, "/"));
}

#[test]
fn a_file_that_cannot_be_opened_is_named() {
    let path = std::path::PathBuf::from("/no/such/directory/access.log");
    let opened = AccessLog::open(&config::Log::File(path), Clock::manual(NOON).0, Arc::default());
    assert!(opened.unwrap_err().to_string().contains("/no/such/directory/access.log"));
}
