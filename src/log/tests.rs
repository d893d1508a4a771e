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
    let again = sink.clone();
    let writer = Writer::start(move || Ok(again.clone()), counters.clone(), queue).unwrap();
    (AccessLog::by(Arc::new(writer), &config::Log::default(), &clock), counters, manual)
}

fn record(log: &AccessLog, path: &str) -> Box<Record> {
    record_of(log, path, &[])
}

fn record_of(log: &AccessLog, path: &str, fields: &[(&str, &str)]) -> Box<Record> {
    let mut request = http::Request::get(path).header("host", "api.example");
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    let (head, ()) = request.body(()).unwrap().into_parts();
    let at = log.0.as_ref().map(|open| open.clock.now()).unwrap_or_default();
    let peer = PeerAddr::Ip([192, 0, 2, 1].into());
    let mut record = log.record(&head, peer, at).expect("it is on");
    (record.status, record.cache, record.bytes, record.head_ms) = (200, "hit", 1234, 2);
    record
}

fn opened(access: Access) -> io::Result<AccessLog> {
    let config = config::Log { access, ..config::Log::default() };
    AccessLog::open(&config, None, &Clock::manual(NOON).0, &Arc::default())
}

fn styled(format: Format, fields: &[&'static str]) -> (AccessLog, Sink) {
    let (allow, sink) = sink();
    drop(allow);
    let (log, ..) = log(&sink, 8);
    let fields = fields.iter().map(|name| HeaderName::from_static(name)).collect();
    let config = config::Log { format, fields, ..config::Log::default() };
    let open = log.0.as_ref().unwrap();
    (AccessLog::by(open.writer.clone(), &config, &open.clock), sink)
}

#[test]
fn a_request_is_one_line_of_json() {
    let (allow, sink) = sink();
    drop(allow);
    let (log, counters, manual) = log(&sink, 8);
    let first = record(&log, "/users?page=2");
    manual.advance(Duration::from_millis(17));
    drop(first);
    let mut second = record(&log, "/'?token=x");
    (second.client, second.torn, second.reason) =
        (None, true, Some(Reason::NotStored(Unstorable::NoStore)));
    drop((second, log));
    let expected = concat!(
        r#"{"time":"2026-11-21T12:00:00.000Z","client":"192.0.2.1","method":"GET","#,
        r#""host":"api.example","path":"/users?page=2","status":200,"cache":"hit","#,
        r#""reason":"","bytes":1234,"head_ms":2,"total_ms":17}"#,
        "\n",
        r#"{"time":"2026-11-21T12:00:00.017Z","client":null,"method":"GET","#,
        r#""host":"api.example","path":"/'?token=***","status":200,"cache":"hit","#,
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
        let log = opened(Access::File(path.clone())).unwrap();
        assert!(log.is_on());
        drop(record(&log, "/"));
    }
    assert_eq!(std::fs::read_to_string(path).unwrap().lines().count(), 2);
}

#[test]
fn a_log_that_is_off_writes_nothing() {
    let log = opened(Access::Off).unwrap();
    let (head, ()) = http::Request::get("/").body(()).unwrap().into_parts();
    assert!(!log.is_on() && log.record(&head, PeerAddr::Unix, Now::default()).is_none());
}

#[test]
fn a_file_that_cannot_be_opened_is_named() {
    let path = std::path::PathBuf::from("/no/such/directory/access.log");
    assert!(
        opened(Access::File(path))
            .unwrap_err()
            .to_string()
            .contains("/no/such/directory/access.log")
    );
}

#[test]
fn a_line_has_the_ids_and_the_fields_that_are_asked_for() {
    let (log, sink) = styled(Format::Json, &["user-agent", "x-api-key", "referer", "x-none"]);
    let told = [
        ("user-agent", "curl/8 \"x\""),
        ("x-api-key", "s3cret"),
        ("referer", "http://a/?sig=s"),
        ("cookie", "a=b"),
    ];
    let mut record = record_of(&log, "/", &told);
    let trace = crate::ids::Trace { id: 0xa1, span: 0xb2, sampled: true, begun: false };
    let request = Some(crate::ids::RequestId::Made(0xc3));
    record.ids = Some(Arc::new(Ids { request, trace: Some(trace) }));
    drop((record, log));
    let line: serde_json::Value = serde_json::from_str(&sink.text()).expect("a line is JSON");
    assert_eq!(line["id"], "000000000000000000000000000000c3");
    assert_eq!(line["trace"], "000000000000000000000000000000a1");
    assert_eq!(line["span"], "00000000000000b2");
    let fields = serde_json::json!({
        "user-agent": "curl/8 \"x\"", "x-api-key": "***", "referer": "http://a/?sig=***",
    });
    assert_eq!(line["fields"], fields, "those that the request has, and no secret");
    assert!(!sink.text().contains("cookie"), "it was not asked for");
}

#[test]
fn a_combined_line_is_as_apache_writes_it() {
    let (log, sink) = styled(Format::Combined, &[]);
    let told = [("user-agent", "curl/8"), ("authorization", "Basic YTpi"), ("cookie", "a=b")];
    drop(record_of(&log, "/users?page=2&token=s", &told));
    drop((record_of(&log, "/", &[("referer", "http://a/?sig=s\"")]), log));
    let expected = "192.0.2.1 - - [21/Nov/2026:12:00:00 +0000] \
                    \"GET /users?page=2&token=*** HTTP/1.1\" 200 1234 \"-\" \"curl/8\"\n\
                    192.0.2.1 - - [21/Nov/2026:12:00:00 +0000] \
                    \"GET / HTTP/1.1\" 200 1234 \"http://a/?sig=***\" \"-\"\n";
    assert_eq!(sink.text(), expected);
}

#[test]
fn a_sink_that_is_opened_again_gets_whole_lines_alone() {
    let (allow, first) = sink();
    let (allow_second, second) = sink();
    drop(allow_second);
    let counters = Arc::<Counters>::default();
    let sinks = parking_lot::Mutex::new(vec![second.clone(), first.clone()]);
    let open = move || sinks.lock().pop().ok_or_else(|| io::ErrorKind::NotFound.into());
    let writer = Arc::new(Writer::start(open, counters.clone(), 8).unwrap());
    let log = AccessLog::by(writer, &config::Log::default(), &Clock::manual(NOON).0);
    drop(record(&log, "/torn"));
    allow.send(Ok(5)).unwrap();
    allow.send(Err(io::ErrorKind::StorageFull.into())).unwrap();
    drop(record(&log, "/whole"));
    log.reopen();
    drop(allow);
    drop(record(&log, "/last"));
    drop(log);
    for (sink, begins) in [(&first, "{\"tim"), (&second, "{\"time\":")] {
        let text = sink.text();
        assert!(text.is_empty() || text.starts_with(begins), "no end of a line alone: {text}");
    }
    let all = first.text() + &second.text();
    assert!(all.contains("/last") && all.ends_with('\n'), "{all}");
    assert!(second.text().contains("/last"), "it goes on in the second: {all}");
}
