//! The access log, and what requests are known by beyond it: `X-Request-Id`, W3C Trace Context.

use serde_json::Value;

use crate::support::{Client, H2, Origin, Proxy, Reply, get, send, within};

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// A proxy whose access log is a file.
struct Logged {
    proxy: Proxy,
    directory: tempfile::TempDir,
}

impl Logged {
    async fn before(origin: &Origin, log: &str) -> Logged {
        let directory = tempfile::tempdir().unwrap();
        let config = config(&directory, log);
        Logged { proxy: Proxy::with(origin, &config).await, directory }
    }

    fn reload(&self, log: &str) {
        self.proxy.reload(&config(&self.directory, log));
    }

    /// What the file holds, once it has so many lines.
    async fn text(&self, lines: usize) -> String {
        let file = self.directory.path().join("access.log");
        within("the log's lines", async {
            loop {
                let text = std::fs::read_to_string(&file).unwrap();
                if text.matches('\n').count() >= lines {
                    return text;
                }
                tokio::task::yield_now().await;
            }
        })
        .await
    }

    async fn lines(&self, lines: usize) -> Vec<Value> {
        let text = self.text(lines).await;
        text.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect()
    }
}

fn config(directory: &tempfile::TempDir, log: &str) -> String {
    let file = directory.path().join("access.log");
    format!("[log]\naccess = \"{}\"\n{log}", file.display())
}

#[tokio::test]
async fn a_request_id_is_the_same_for_the_api_the_client_and_the_log() {
    let reply = Reply::fresh(60, "x").header("X-Request-Id", "the-origin-s");
    let origin = Origin::always(reply).await;
    let logged = Logged::before(&origin, "").await;
    let miss = get(&logged.proxy, "/").header("X-Request-Id", "7f3a-2b").await;
    assert_eq!(miss.headers("x-request-id"), ["7f3a-2b"], "kept, and in place of the origin's");
    assert_eq!(origin.last().headers("x-request-id"), ["7f3a-2b"], "the API can log it, too");
    let hit = get(&logged.proxy, "/").await;
    let own = hit.header("x-request-id").expect("one is made").to_owned();
    assert!(hit.is_hit() && own.len() == 32, "no hit has the id of the miss before it: {own}");
    let bad = get(&logged.proxy, "/x").header("X-Request-Id", "a\tb").await;
    let made = bad.header("x-request-id").expect("one is made").to_owned();
    assert_eq!(origin.last().headers("x-request-id"), [made.as_str()], "what is malformed goes");
    let refused = get(&logged.proxy, "/../x").header("X-Request-Id", "r").await;
    assert_eq!((refused.status, refused.header("x-request-id")), (400, Some("r")));
    let lines = logged.lines(4).await;
    let ids: Vec<&str> = lines.iter().filter_map(|line| line["id"].as_str()).collect();
    assert_eq!(ids, ["7f3a-2b", &own, &made, "r"]);
}

#[tokio::test]
async fn without_a_log_ids_pass_as_they_come() {
    let origin = Origin::always(Reply::ok("x")).await;
    let proxy = Proxy::before(&origin).await;
    let answer = get(&proxy, "/").header("X-Request-Id", "a b").header("traceparent", PARENT).await;
    let seen = origin.last();
    assert_eq!(seen.headers("x-request-id"), ["a b"]);
    assert_eq!(seen.headers("traceparent"), [PARENT], "no span that nobody records");
    assert_eq!(answer.header("x-request-id"), None);
    proxy.reload("[log]\nrequest_id = \"on\"");
    let answer = get(&proxy, "/").await;
    assert_eq!(answer.header("x-request-id"), origin.last().header("x-request-id"));
    assert!(answer.header("x-request-id").is_some(), "where the file says so");
}

#[tokio::test]
async fn a_trace_goes_on_and_begins_where_that_is_wanted() {
    let origin = Origin::always(Reply::ok("x")).await;
    let logged = Logged::before(&origin, "").await;
    let ask = async |parent: &str| {
        get(&logged.proxy, "/").header("traceparent", parent).header("tracestate", "a=b").await;
        let seen = origin.last();
        (
            seen.header("traceparent").map(str::to_owned),
            seen.header("tracestate").map(str::to_owned),
        )
    };
    let (parent, state) = ask(PARENT).await;
    let parent = parent.unwrap();
    let span = parent.strip_prefix("00-").and_then(|it| it.strip_prefix(TRACE));
    let span =
        span.and_then(|it| it.strip_prefix('-')?.strip_suffix("-01")).expect("the same trace");
    assert!(span.len() == 16 && !PARENT.contains(span), "W3C §3.4: the parent is Larder's span");
    assert_eq!(state.as_deref(), Some("a=b"), "§3.5: passed on");
    assert_eq!(ask("nonsense").await.0.as_deref(), Some("nonsense"), "nothing to go on with");
    get(&logged.proxy, "/").await;
    assert_eq!(origin.last().header("traceparent"), None, "and none begins by itself");
    logged.reload("trace = \"on\"");
    let (begun, state) = ask(&PARENT.to_uppercase()).await;
    let begun = begun.unwrap();
    assert!(begun.starts_with("00-") && begun.ends_with("-01") && begun.len() == 55, "{begun}");
    assert_eq!(state, None, "§3.4: it belongs to what could not be read");
    let lines = logged.lines(4).await;
    assert_eq!((&lines[0]["trace"], &lines[0]["span"]), (&TRACE.into(), &span.into()));
    assert_eq!((&lines[1]["trace"], &lines[2]["trace"]), (&Value::Null, &Value::Null));
    assert_eq!(lines[3]["trace"], begun[3..35], "what began is in the log");
}

#[tokio::test]
async fn no_secret_stands_in_the_log() {
    let origin = Origin::always(Reply::ok("x")).await;
    let logged = Logged::before(&origin, "fields = [\"Referer\", \"X-Api-Key\"]").await;
    let path = "/a?page=2&access_token=S3CRET&sig=S3CRET";
    let answer = get(&logged.proxy, path)
        .header("Authorization", "Bearer S3CRET")
        .header("Cookie", "sid=S3CRET")
        .header("X-Api-Key", "S3CRET")
        .header("Referer", "https://b/?api_key=S3CRET")
        .await;
    assert_eq!((answer.status, &*origin.last().target), (200, path), "the API gets all of it");
    get(&logged.proxy, "/../x?password=S3CRET").await;
    logged.reload("format = \"combined\"\nredact = [\"page\"]");
    send(&logged.proxy, "GET", "/b?page=S3CRET&access_token=shown").await;
    let text = logged.text(3).await;
    assert!(!text.contains("S3CRET"), "{text}");
    assert!(text.contains("/a?page=2&access_token=***&sig=***"), "{text}");
    assert!(text.contains("https://b/?api_key=***"), "{text}");
    let last = text.lines().last().expect("three lines");
    assert!(last.contains("\"GET /b?page=***&access_token=shown HTTP/1.1\" 200 1"), "{last}");
}

#[tokio::test]
async fn a_line_tells_of_http_2_what_it_tells_of_http_1() {
    let origin = Origin::always(Reply::ok("x")).await;
    let logged = Logged::before(&origin, "").await;
    let client = H2::connect(&logged.proxy).await;
    let answer = client.get("/a", &[]).await.unwrap();
    assert_eq!(answer.status, 200);
    let line = &logged.lines(1).await[0];
    assert_eq!((&line["host"], &line["path"]), (&"api.test".into(), &"/a".into()));
    assert!(line["id"].is_string() && answer.header("x-request-id") == line["id"].as_str());
}

#[tokio::test]
async fn requests_that_repeat_another_have_lines_like_it_each_its_own() {
    let origin = Origin::always(Reply::fresh(60, "0123456789")).await;
    let more = "request_id = \"on\"\ntrace = \"on\"\nfields = [\"user-agent\"]\n";
    let logged = Logged::before(&origin, more).await;
    for page in 0..2 {
        get(&logged.proxy, &format!("/a?page={page}")).await;
    }
    let mut client = Client::connect(&logged.proxy).await;
    let (fields, mut ids) = ([("User-Agent", "test/1")], Vec::new());
    for page in [0, 1, 0, 1, 1] {
        client.ask("GET", &format!("/a?page={page}"), &fields).await;
        let answer = client.read().await.unwrap();
        ids.push(answer.header("x-request-id").expect("an id").to_owned());
    }
    let lines = logged.lines(7).await.split_off(2);
    let pages: Vec<_> = lines.iter().map(|line| line["path"].as_str().unwrap()).collect();
    assert_eq!(pages, ["/a?page=0", "/a?page=1", "/a?page=0", "/a?page=1", "/a?page=1"]);
    let mut traces: Vec<_> = lines.iter().map(|line| line["trace"].to_string()).collect();
    for (line, id) in lines.iter().zip(&ids) {
        assert_eq!(line["id"], **id, "the client and the log know it by the same");
        let told = (&line["status"], &line["cache"], &line["bytes"], &line["method"]);
        assert_eq!(told, (&200.into(), &"hit".into(), &10.into(), &"GET".into()), "{line}");
        assert_eq!((&line["host"], &line["client"]), (&"api.test".into(), &"127.0.0.1".into()));
        assert_eq!(line["fields"]["user-agent"], "test/1", "{line}");
        assert!(line["torn"].is_null() || line["torn"] == false, "{line}");
    }
    for all in [&mut ids, &mut traces] {
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 5, "no two have the same");
    }
}
