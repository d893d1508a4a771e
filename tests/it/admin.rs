//! The admin listener: who may ask what, and what it says of wrong requests.

use std::os::unix::fs::PermissionsExt;

use crate::support::{Answer, Ask, Client, Gate, Origin, Place, Proxy, Reply, get, send, within};

const TOKEN: &str = "0123456789abcdef";
const SECRET: &str = "fedcba9876543210";
const ALL: &str = r#"{"all": true}"#;

async fn before(admin: &str) -> (Origin, Proxy) {
    let origin = Origin::always(Reply::fresh(600, "x")).await;
    let proxy = Proxy::with(&origin, &format!("[admin]\n{admin}")).await;
    (origin, proxy)
}

async fn with_token() -> (Origin, Proxy) {
    before(&format!("listen = \"127.0.0.1:0\"\ntoken = \"{TOKEN}\"\n")).await
}

fn ask(proxy: &Proxy, method: &str, path: &str) -> Ask {
    send(&proxy.admin(), method, path).host("127.0.0.1")
}

fn purge(proxy: &Proxy, body: impl Into<Vec<u8>>) -> Ask {
    ask(proxy, "POST", "/v1/purge").body(body)
}

fn known(ask: Ask) -> Ask {
    ask.header("Authorization", &format!("Bearer {TOKEN}"))
}

/// The problem that an answer is (RFC 9457).
fn problem(answer: &Answer) -> String {
    assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{answer:?}");
    let told: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(told["status"], answer.status, "RFC 9457 §3.1.2: the same status");
    assert!(told["title"].is_string() && told["type"] == "about:blank", "§4.2.1");
    told["detail"].as_str().expect("what is wrong").to_owned()
}

#[tokio::test]
async fn health_readiness_and_metrics_need_no_token() {
    let (_origin, proxy) = with_token().await;
    for (path, word) in [("/health", "alive"), ("/ready", "ready"), ("/metrics", "# TYPE")] {
        let answer = ask(&proxy, "GET", path).await;
        assert_eq!(answer.status, 200, "{path}");
        assert!(answer.text().contains(word), "{path}: {}", answer.text());
        assert_eq!(ask(&proxy, "HEAD", path).await.status, 200, "RFC 9110 §9.3.2");
    }
}

#[tokio::test]
async fn readiness_reports_upstreams_and_is_not_decided_by_them() {
    let origin = Origin::always(Reply::fresh(600, "x")).await;
    let config = "upstream = \"http://127.0.0.1:1\"\n[admin]\nlisten = \"127.0.0.1:0\"\n";
    let proxy = Proxy::with(&origin, config).await;
    assert!(ask(&proxy, "GET", "/ready").await.text().contains("unknown"), "not asked yet");
    assert_eq!(get(&proxy, "/").await.status, 502);
    let answer = ask(&proxy, "GET", "/ready").await;
    assert!(answer.text().contains("failing"), "{}", answer.text());
    assert_eq!(answer.status, 200, "it can still answer what it has");
}

#[tokio::test]
async fn a_draining_proxy_is_alive_and_not_ready() {
    let gate = Gate::new();
    let origin = Origin::always(Reply::fresh(600, "x").held(&gate)).await;
    let proxy = Proxy::with(&origin, "[admin]\nlisten = \"127.0.0.1:0\"\n").await;
    let admin = proxy.admin();
    let mut client = get(&proxy, "/").sent().await;
    gate.until_arrived(1).await;
    let drain = tokio::spawn(proxy.drain());
    let asked = within("it to say that it drains", async {
        loop {
            let answer = get(&admin, "/ready").host("localhost").await;
            if answer.status != 200 {
                return answer;
            }
        }
    });
    let answer = asked.await;
    assert_eq!(answer.status, 503);
    assert!(answer.text().contains("draining"), "{}", answer.text());
    assert_eq!(get(&admin, "/health").host("localhost").await.status, 200);
    gate.open();
    assert_eq!(client.read().await.unwrap().text(), "x", "what is under way ends");
    within("the drain", drain).await.unwrap();
}

#[tokio::test]
async fn a_purge_needs_the_token() {
    let (_origin, proxy) = with_token().await;
    get(&proxy, "/").await;
    for value in ["Bearer 0123456789abcdeg", "Bearer ", "Basic 0123456789abcdef", TOKEN, ""] {
        let answer = purge(&proxy, ALL).header("Authorization", value).await;
        assert_eq!(answer.status, 401, "{value:?}");
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"), "RFC 9110 §15.5.2");
        problem(&answer);
    }
    assert_eq!(purge(&proxy, ALL).await.status, 401);
    let twice = known(known(purge(&proxy, ALL))).await;
    assert_eq!(twice.status, 401, "which of the two would it be?");
    let lower = purge(&proxy, ALL).header("Authorization", &format!("bearer {TOKEN}"));
    assert!(get(&proxy, "/").await.is_hit(), "nothing of that has purged anything");
    assert_eq!(lower.await.status, 200, "RFC 9110 §11.1: the scheme's case means nothing");
    assert!(!get(&proxy, "/").await.is_hit());
    assert_eq!(ask(&proxy, "GET", "/v1/other").await.status, 401, "whatever it is");
}

#[tokio::test]
async fn without_a_token_only_a_unix_socket_takes_purges() {
    let (_origin, proxy) = before("listen = \"127.0.0.1:0\"\n").await;
    let answer = known(purge(&proxy, ALL)).await;
    assert_eq!(answer.status, 403);
    assert!(problem(&answer).contains("unix socket"));
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("admin.sock");
    let (_origin, proxy) = before(&format!("listen = \"unix:{}\"\n", path.display())).await;
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "its owner's alone");
    get(&proxy, "/").await;
    assert_eq!(purge(&proxy, ALL).host("localhost").await.status, 200);
    assert!(!get(&proxy, "/").await.is_hit());
}

#[tokio::test]
async fn a_page_in_a_browser_may_ask_nothing() {
    let (_origin, proxy) =
        before("listen = \"127.0.0.1:0\"\nhosts = [\"larder.internal\"]\n").await;
    let admin = proxy.admin();
    for path in ["/health", "/ready", "/v1/purge"] {
        let answer = ask(&proxy, "GET", path).header("Origin", "https://evil.test").await;
        assert_eq!(answer.status, 403, "{path}");
        problem(&answer);
        let answer = get(&admin, path).host("evil.test").await;
        assert_eq!(answer.status, 403, "{path}: a name that points here (DNS rebinding)");
    }
    for host in ["127.0.0.1:9901", "[::1]", "localhost", "LOCALHOST:80", "larder.internal"] {
        assert_eq!(get(&admin, "/health").host(host).await.status, 200, "{host}");
    }
    for host in ["localhost.evil.test", "127.0.0.1.evil.test", "xlarder.internal"] {
        assert_eq!(get(&admin, "/health").host(host).await.status, 403, "{host}");
    }
}

#[tokio::test]
async fn what_is_wrong_is_a_problem_that_says_so() {
    let (_origin, proxy) = with_token().await;
    for (method, path, allow) in
        [("POST", "/health", "GET, HEAD"), ("DELETE", "/ready", "GET, HEAD")]
    {
        let answer = ask(&proxy, method, path).await;
        assert_eq!((answer.status, answer.header("allow")), (405, Some(allow)), "{path}");
    }
    let answer = known(ask(&proxy, "GET", "/v1/purge")).await;
    assert_eq!((answer.status, answer.header("allow")), (405, Some("POST")), "RFC 9110 §15.5.6");
    assert_eq!(ask(&proxy, "GET", "/").await.status, 404);
    assert_eq!(known(ask(&proxy, "POST", "/v1/other")).await.status, 404);
    let answer = known(purge(&proxy, r#"{"urls": []}"#)).await;
    assert_eq!(answer.status, 400);
    assert!(problem(&answer).contains("\"urls\""), "{}", answer.text());
}

#[tokio::test]
async fn bodies_are_bounded_and_timed() {
    let (_origin, proxy) = with_token().await;
    let answer = known(purge(&proxy, vec![b' '; 65_537])).await;
    assert_eq!(answer.status, 413);
    let fits = format!("{ALL}{}", " ".repeat(65_536 - ALL.len()));
    assert_eq!(known(purge(&proxy, fits)).await.status, 200);
    let mut slow = Client::connect(&proxy.admin()).await;
    let head = format!(
        "POST /v1/purge HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n\
         Content-Length: 13\r\n\r\n{{"
    );
    slow.write(head).await;
    proxy.let_it_wait(10).await;
    assert_eq!(slow.read().await.unwrap().status, 408, "who dawdles holds nobody up");
}

/// As a webhook's sender signs it.
fn signed(proxy: &Proxy, secret: &str, at: i64, body: &str) -> Ask {
    use aws_lc_rs::hmac;
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let tag = hmac::sign(&key, format!("{at}.{body}").as_bytes());
    let hex: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    ask(proxy, "POST", "/v1/webhook/purge")
        .header("X-Larder-Timestamp", &at.to_string())
        .header("X-Larder-Signature", &format!("sha256={hex}"))
        .body(body)
}

#[tokio::test]
async fn a_webhook_is_signed_timely_and_used_once() {
    let config = format!("listen = \"127.0.0.1:0\"\nwebhook_secret = \"{SECRET}\"\n");
    let (_origin, proxy) = before(&config).await;
    let now = crate::support::NOON / 1000;
    get(&proxy, "/").await;
    assert_eq!(signed(&proxy, "another-secret-00", now, ALL).await.status, 401, "its signature");
    for late in [301, -301] {
        let answer = signed(&proxy, SECRET, now + late, ALL).await;
        assert_eq!(answer.status, 401, "{late} s");
        assert!(problem(&answer).contains("five minutes"));
    }
    for (timestamp, signature) in [("", "sha256=00"), ("-1", ""), ("9999999999999", "x")] {
        let ask = ask(&proxy, "POST", "/v1/webhook/purge").body(ALL);
        let ask = ask.header("X-Larder-Timestamp", timestamp);
        assert_eq!(ask.header("X-Larder-Signature", signature).await.status, 401);
    }
    assert!(get(&proxy, "/").await.is_hit(), "nothing of that has purged anything");
    assert_eq!(signed(&proxy, SECRET, now - 300, ALL).await.status, 200, "no token is asked for");
    assert!(!get(&proxy, "/").await.is_hit());
    let again = signed(&proxy, SECRET, now - 300, ALL).await;
    assert_eq!(again.status, 401, "no replay");
    assert!(get(&proxy, "/").await.is_hit());
    let wrong = signed(&proxy, SECRET, now, "{}").await;
    assert_eq!(wrong.status, 400, "signed, and still wrong");
    assert_eq!(signed(&proxy, SECRET, now, ALL).await.status, 200);
}

#[tokio::test]
async fn without_a_secret_there_are_no_webhooks() {
    let (_origin, proxy) = with_token().await;
    let now = crate::support::NOON / 1000;
    assert_eq!(signed(&proxy, SECRET, now, ALL).await.status, 401, "as anything below /v1/");
    assert_eq!(known(signed(&proxy, SECRET, now, ALL)).await.status, 404);
}

#[tokio::test]
async fn a_reload_changes_the_token_and_who_may_purge() {
    let (_origin, proxy) = with_token().await;
    assert_eq!(send(&proxy, "PURGE", "/").await.status, 405);
    proxy.reload(
        "[admin]\nlisten = \"127.0.0.1:0\"\ntoken = \"another-token-000\"\n\
         purge_from = [\"127.0.0.1\"]\n",
    );
    assert_eq!(known(purge(&proxy, ALL)).await.status, 401);
    let other = purge(&proxy, ALL).header("Authorization", "Bearer another-token-000");
    assert_eq!(other.await.status, 200);
    assert_eq!(send(&proxy, "PURGE", "/").await.status, 200);
}

#[tokio::test]
async fn the_public_port_has_nothing_of_it() {
    let (origin, proxy) = with_token().await;
    for path in ["/health", "/v1/purge"] {
        assert_eq!(known(get(&proxy, path)).await.status, 200, "{path} is the API's");
    }
    assert_eq!(origin.requests(), 2);
    let _: Place = proxy.admin();
}

/// The value of one series.
fn value(page: &str, series: &str) -> f64 {
    let line = page.lines().find(|line| line.rsplit_once(' ').is_some_and(|it| it.0 == series));
    let line = line.unwrap_or_else(|| panic!("no {series} in\n{page}"));
    line.rsplit_once(' ').unwrap().1.parse().unwrap()
}

#[tokio::test]
async fn metrics_say_what_was_asked() {
    let gate = Gate::new();
    let held = gate.clone();
    let origin = Origin::serve(move |seen| match seen.target.as_str() {
        "/held" => Reply::fresh(600, "held").held(&held),
        "/stale" if seen.number > 1 => Reply::status(503),
        "/stale" => Reply::ok("s").header("Cache-Control", "max-age=1, stale-if-error=60"),
        _ => Reply::fresh(600, "12345"),
    })
    .await;
    let config = "[admin]\nlisten = \"127.0.0.1:0\"\n\
        [[routes]]\nname = \"a \\\"b\\\\\"\nmatch.path = \"/a/**\"\n\
        [[routes]]\nname = \"dead\"\nmatch.path = \"/dead\"\nupstream = \"http://127.0.0.1:1\"\n";
    let proxy = Proxy::with(&origin, config).await;
    get(&proxy, "/stale").await;
    for _ in 0..3 {
        get(&proxy, "/a/1").await;
    }
    send(&proxy, "POST", "/a/1").await;
    assert_eq!(get(&proxy, "/dead").await.status, 502);
    assert_eq!(get(&proxy, "/../x").await.status, 400);
    let mut crowd = [get(&proxy, "/held").sent().await, get(&proxy, "/held").sent().await];
    gate.until_arrived(1).await;
    proxy.settle().await;
    proxy.advance(2);
    gate.open();
    for client in &mut crowd {
        client.read().await.unwrap();
    }
    assert_eq!(get(&proxy, "/stale").await.text(), "s");
    let answer = ask(&proxy, "GET", "/metrics").await;
    let kind = answer.header("content-type");
    assert_eq!(kind, Some("text/plain; version=0.0.4; charset=utf-8"));
    let page = answer.text();
    let route = r#"route="a \"b\\""#;
    for (series, expected) in [
        (format!("larder_requests_total{{{route},status=\"2xx\",outcome=\"hit\"}}"), 2.0),
        (format!("larder_requests_total{{{route},status=\"2xx\",outcome=\"uri-miss\"}}"), 1.0),
        (format!("larder_requests_total{{{route},status=\"2xx\",outcome=\"method\"}}"), 1.0),
        (r#"larder_requests_total{route="dead",status="5xx",outcome="uri-miss"}"#.into(), 1.0),
        // One of them is ours, two are those by which the test waits.
        (r#"larder_requests_total{route="",status="4xx",outcome="refused"}"#.into(), 3.0),
        (format!("larder_request_duration_seconds_count{{{route}}}"), 4.0),
        (r#"larder_request_duration_seconds_bucket{route="default",le="0.001"}"#.into(), 2.0),
        (r#"larder_request_duration_seconds_bucket{route="default",le="1"}"#.into(), 2.0),
        (r#"larder_request_duration_seconds_bucket{route="default",le="2.5"}"#.into(), 4.0),
        (r#"larder_request_duration_seconds_sum{route="default"}"#.into(), 4.0),
        (format!("larder_response_body_bytes_total{{{route}}}"), 20.0),
        (r#"larder_collapsed_requests_total{route="default"}"#.into(), 1.0),
        (r#"larder_stale_responses_total{route="default",reason="stale-if-error"}"#.into(), 1.0),
        (r#"larder_store_entries{tier="l1"}"#.into(), 2.0),
        (r#"larder_store_hits_total{tier="l1"}"#.into(), 2.0),
        (r#"larder_store_misses_total{tier="l1"}"#.into(), 5.0),
        (r#"larder_store_evictions_total{tier="l1"}"#.into(), 0.0),
        (
            r#"larder_upstream_errors_total{upstream="http://127.0.0.1:1",error="connect-failed"}"#
                .into(),
            1.0,
        ),
        ("larder_connections_total".to_owned(), 12.0),
    ] {
        assert_eq!(value(page, &series), expected, "{series} in\n{page}");
    }
    assert!(value(page, r#"larder_store_bytes{tier="l1"}"#) > 500.0);
    promtool(page).await;
}

/// Asks Prometheus's own checker.
async fn promtool(page: &str) {
    use tokio::{io::AsyncWriteExt, process::Command};
    let mut command = Command::new("promtool");
    command.args(["check", "metrics"]).kill_on_drop(true);
    command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
    command.stderr(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| {
        panic!("promtool: {error}: apt-get install prometheus, or run scripts/test.sh")
    });
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(page.as_bytes()).await.unwrap();
    drop(stdin);
    let output = within("promtool", child.wait_with_output()).await.unwrap();
    let said = String::from_utf8_lossy(&output.stderr) + String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.is_empty(), "promtool says: {said}\n{page}");
}

#[tokio::test]
async fn the_command_line_purges_by_address_and_by_socket() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("admin.sock");
    let tcp = format!("listen = \"127.0.0.1:0\"\ntoken = \"{TOKEN}\"\n");
    let unix = format!("listen = \"unix:{}\"\n", path.display());
    for admin in [tcp, unix] {
        let (_origin, proxy) = before(&admin).await;
        let listen = match proxy.admin() {
            Place::Tcp(address) => format!("listen = \"{address}\"\ntoken = \"{TOKEN}\"\n"),
            Place::Unix(_) => admin,
        };
        let file = directory.path().join("proxy.toml");
        let text = format!("listen = \"127.0.0.1:1\"\nupstream = \"http://a\"\n[admin]\n{listen}");
        std::fs::write(&file, text).unwrap();
        let larder = async |arguments: &[&str]| {
            let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_larder"));
            command.arg("purge").args(arguments).arg("--config").arg(&file);
            within("larder purge", command.kill_on_drop(true).output()).await.unwrap()
        };
        for arguments in
            [&["--url", "http://api.test/"][..], &["--prefix", "api.test"], &["--all", "--soft"]]
        {
            get(&proxy, "/").await;
            let output = larder(arguments).await;
            let said = String::from_utf8_lossy(&output.stdout);
            assert_eq!((output.status.code(), &*said), (Some(0), "purged on 1 node\n"));
            assert!(!get(&proxy, "/").await.is_hit(), "{arguments:?}");
        }
        let output = larder(&["--url", "ftp://x/"]).await;
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("400") && said.contains("another scheme"), "{said}");
        assert_eq!(
            larder(&["--tag", "a", "--tag", "b", "--host", "x"]).await.status.code(),
            Some(0)
        );
        drop(proxy);
        let output = larder(&["--all"]).await;
        assert_eq!(output.status.code(), Some(1));
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains("is it running?") && !said.contains(TOKEN), "{said}");
    }
}
