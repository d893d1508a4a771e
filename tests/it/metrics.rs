//! What is counted, as those who read it see it: promtool, a Prometheus from Debian, and the
//! dashboard for Grafana.

use std::{
    collections::BTreeSet,
    future::IntoFuture,
    net::{SocketAddr, TcpListener},
    path::Path,
    process::Stdio,
};

use larder::clock::Clock;
use serde_json::Value;
use tokio::process::{Child, Command};

use crate::support::{Authority, Client, Gate, Origin, Place, Proxy, Reply, get, send, within};

const DASHBOARD: &str = include_str!("../../packaging/grafana/larder.json");

const CONFIG: &str = "[admin]\nlisten = \"127.0.0.1:0\"\n[[routes]]\nname = \"users\"\n\
                      match = { path = \"/users/**\" }\nthrottle = { rate = \"1/h\" }\n";

async fn page(proxy: &Proxy) -> String {
    get(&proxy.admin(), "/metrics").host("localhost").await.text().to_owned()
}

/// The value of a series.
fn value(page: &str, series: &str) -> f64 {
    let line = page.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {series} in\n{page}")).parse().expect("a number")
}

/// The names of all families, and of the series that a histogram's are read by.
fn names(page: &str) -> BTreeSet<String> {
    let families = page.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    families
        .flat_map(|family| match family.split_once(' ').expect("a name and a type") {
            (name, "histogram") => {
                ["_bucket", "_sum", "_count"].map(|it| format!("{name}{it}")).to_vec()
            }
            (name, _) => vec![name.to_owned()],
        })
        .collect()
}

/// Everything that the dashboard asks a Prometheus for.
fn expressions() -> Vec<String> {
    fn collect(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(members) => {
                found.extend(members.get("expr").and_then(Value::as_str).map(str::to_owned));
                members.values().for_each(|it| collect(it, found));
            }
            Value::Array(elements) => elements.iter().for_each(|it| collect(it, found)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    collect(&serde_json::from_str(DASHBOARD).expect("it is JSON"), &mut found);
    found
}

#[tokio::test]
async fn reasons_are_counted_by_route_and_not_for_hits() {
    let origin = Origin::serve(|seen| match seen.target.as_str() {
        "/private" => Reply::ok("x").header("Cache-Control", "private"),
        _ => Reply::fresh(60, "x"),
    })
    .await;
    let proxy = Proxy::with(&origin, CONFIG).await;
    for path in ["/a", "/a", "/private", "/users/1", "/users/1", "/../x"] {
        get(&proxy, path).await;
    }
    let page = page(&proxy).await;
    for (series, expected) in [
        (r#"larder_request_reasons_total{route="default",class="miss",reason="cold"}"#, 2.0),
        (
            r#"larder_request_reasons_total{route="default",class="not-stored",reason="private"}"#,
            1.0,
        ),
        (r#"larder_request_reasons_total{route="users",class="refused",reason="throttled"}"#, 1.0),
        (r#"larder_request_reasons_total{route="",class="refused",reason="dot-segment"}"#, 1.0),
        (r#"larder_throttled_requests_total{action="refused"}"#, 1.0),
    ] {
        assert_eq!(value(&page, series), expected, "{series} in\n{page}");
    }
}

#[tokio::test]
async fn what_takes_time_is_timed() {
    let body = "a body that is worth packing ".repeat(100);
    let reply = Reply::fresh(60, body).header("Content-Type", "application/json");
    let origin = Origin::always(reply).await;
    let proxy = Proxy::with(&origin, CONFIG).await;
    for _ in 0..200 {
        get(&proxy, "/").header("Accept-Encoding", "gzip").await;
    }
    let page = page(&proxy).await;
    let upstream = format!(
        r#"larder_upstream_first_byte_duration_seconds_count{{upstream="{}"}}"#,
        origin.url()
    );
    assert_eq!(value(&page, &upstream), 1.0, "one fetch");
    let packed = r#"larder_compression_duration_seconds_count{coding="gzip",operation="pack"}"#;
    assert_eq!(value(&page, packed), 1.0, "packed once");
    let found = value(&page, r#"larder_store_lookup_duration_seconds_count{tier="l1"}"#);
    assert!((1.0..=20.0).contains(&found), "one in 64 by thread: {found}");
    let active =
        format!(r#"larder_upstream_requests{{upstream="{}",state="active"}}"#, origin.url());
    assert_eq!(value(&page, &active), 0.0);
}

/// Names as Prometheus has them (prometheus.io/docs/practices/naming): base units, written out, and
/// `_total` at what only grows. promtool holds some of it, too: see `admin.rs`.
#[tokio::test]
async fn names_say_their_unit() {
    let origin = Origin::always(Reply::fresh(60, "x")).await;
    let authority = Authority::new();
    authority.issue("site", &["api.test"]);
    let config = format!("{CONFIG}[cache]\nmode = \"shadow\"\n{}", authority.tls("", &["site"]));
    let proxy = Proxy::with(&origin, &config).await;
    get(&proxy, "/").await;
    let page = page(&proxy).await;
    let families = page.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    let families: Vec<_> = families.collect();
    assert!(families.len() > 30, "{families:?}");
    for (name, kind) in families {
        let ours = name.strip_prefix("larder_").or(name.strip_prefix("process_"));
        let words: Vec<&str> = ours.expect("a prefix").split('_').collect();
        let last = words[words.len() - 1];
        assert_eq!(last == "total", kind == "counter", "{name} is a {kind}");
        assert!(kind != "histogram" || last == "seconds", "{name} has a unit");
        let other = ["ms", "millis", "milliseconds", "us", "ns", "minutes", "kb", "mb", "percent"];
        assert!(!words.iter().any(|it| other.contains(it)), "{name}: base units");
        let unit = words.iter().position(|it| ["seconds", "bytes"].contains(it));
        let behind = unit.map_or(&words[..0], |at| &words[at + 1..]);
        assert!(behind.is_empty() || behind == ["total"], "{name}: its unit comes last");
    }
}

/// The pages name families, and all of a kind as `larder_store_*`.
#[tokio::test]
async fn the_pages_name_no_metric_that_does_not_exist() {
    let origin = Origin::always(Reply::fresh(60, "x")).await;
    let authority = Authority::new();
    authority.issue("site", &["api.test"]);
    // Whether it can be reached does not matter: its families are told.
    let redis = "[cache.redis]\nurl = \"redis://127.0.0.1:1\"\n";
    let config = format!("{CONFIG}{redis}{}", authority.tls("", &["site"]));
    let proxy = Proxy::with(&origin, &config).await;
    let page = page(&proxy).await;
    let known: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for file in ["docs/operations.md", "docs/redis.md", "docs/tls.md", "README.md"] {
        let text = std::fs::read_to_string(root.join(file)).unwrap();
        let codes = text.split('`').skip(1).step_by(2);
        let words = codes.flat_map(|code| code.split([' ', '{']));
        let names = words.filter(|it| it.starts_with("larder_") || it.starts_with("process_"));
        for name in names {
            let is_it = |family: &&str| match name.strip_suffix('*') {
                Some(begin) => family.starts_with(begin),
                None => family.split(' ').next() == Some(name),
            };
            assert!(known.iter().any(is_it), "{name} of {file} is not told");
        }
    }
}

/// Seconds are seconds: two of them pass.
#[tokio::test]
async fn what_took_two_seconds_is_counted_as_two() {
    let gate = Gate::new();
    let origin = Origin::always(Reply::fresh(60, "x").held(&gate)).await;
    let proxy = Proxy::with(&origin, CONFIG).await;
    let passing = async {
        gate.until_arrived(1).await;
        proxy.advance(2);
        gate.open();
    };
    tokio::join!(get(&proxy, "/slow").into_future(), passing);
    let page = page(&proxy).await;
    let upstream = format!("{{upstream=\"{}\"}}", origin.url());
    for (name, labels) in [
        ("larder_request_duration_seconds", "{route=\"default\"}"),
        ("larder_upstream_first_byte_duration_seconds", &*upstream),
    ] {
        let took = value(&page, &format!("{name}_sum{labels}"));
        assert_eq!(took, 2.0, "{name}");
    }
}

#[tokio::test]
async fn the_process_is_told_as_others_tell_it() {
    let origin = Origin::always(Reply::fresh(60, "x").undated()).await;
    let proxy = Proxy::in_real_time(&origin, CONFIG).await;
    let now = Clock::system().now().wall.seconds() as f64;
    let first = page(&proxy).await;
    let began = value(&first, "process_start_time_seconds");
    assert!((now - 600.0..=now).contains(&began), "{began}, and now is {now}");
    let memory = value(&first, "process_resident_memory_bytes");
    assert!((1e6..1e11).contains(&memory), "{memory} bytes");
    assert!(value(&first, "process_virtual_memory_bytes") >= memory);
    let open = value(&first, "process_open_fds");
    assert!((5.0..=value(&first, "process_max_fds")).contains(&open), "{open} files");
    let spent = value(&first, "process_cpu_seconds_total");
    let version = concat!("larder_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"}");
    assert_eq!(value(&first, version), 1.0);
    within("some work to be done", async {
        while value(&page(&proxy).await, "process_cpu_seconds_total") <= spent {}
    })
    .await;
}

#[tokio::test]
async fn the_dashboard_asks_for_nothing_that_does_not_exist() {
    let origin = Origin::always(Reply::fresh(60, "x")).await;
    let authority = Authority::new();
    authority.issue("site", &["api.test"]);
    let config = format!("{CONFIG}{}", authority.tls("", &["site"]));
    let proxy = Proxy::with(&origin, &config).await;
    let known = names(&page(&proxy).await);
    let expressions = expressions();
    assert!(expressions.len() > 20, "it has panels");
    for expression in expressions {
        let words = expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let ours = |word: &&str| word.starts_with("larder_") || word.starts_with("process_");
        let used: Vec<&str> = words.filter(ours).collect();
        assert!(!used.is_empty(), "{expression} asks for something");
        for name in used {
            assert!(known.contains(name), "{name} of {expression} is not in /metrics");
        }
    }
}

/// A Prometheus of this test's own. Killed on drop.
struct Prometheus {
    _child: Child,
    place: Place,
}

impl Prometheus {
    async fn scraping(target: SocketAddr, directory: &Path) -> Prometheus {
        let config = format!(
            "global: {{ scrape_interval: 500ms, scrape_timeout: 500ms }}\n\
             scrape_configs: [{{ job_name: larder, static_configs: [{{ targets: ['{target}'] }}] }}]\n"
        );
        let file = directory.join("prometheus.yml");
        std::fs::write(&file, config).unwrap();
        // Somebody may take the port between our asking and its listening: then another.
        for _ in 0..20 {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
            let mut child = Command::new("prometheus")
                .arg(format!("--config.file={}", file.display()))
                .arg(format!("--storage.tsdb.path={}", directory.join("data").display()))
                .arg(format!("--web.listen-address={port}"))
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .kill_on_drop(true)
                .spawn()
                .unwrap_or_else(|error| panic!("prometheus: {error}: scripts/test.sh installs it"));
            if is_ready(&mut child, port).await {
                return Prometheus { _child: child, place: Place::Tcp(port) };
            }
        }
        panic!("prometheus does not start");
    }

    /// What a query is answered; `None` while there is nothing.
    async fn ask(&self, query: &str) -> Vec<Value> {
        let encoded: String = query.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let answer = get(&self.place, &format!("/api/v1/query?query={encoded}")).await;
        let told: Value = serde_json::from_slice(&answer.body).expect("JSON");
        assert_eq!(told["status"], "success", "{query}: {told}");
        told["data"]["result"].as_array().expect("a vector").clone()
    }
}

/// Whether it answers; `false` where it has ended.
async fn is_ready(child: &mut Child, address: SocketAddr) -> bool {
    within("prometheus to be ready", async {
        loop {
            if child.try_wait().expect("its state").is_some() {
                return false;
            }
            if tokio::net::TcpStream::connect(address).await.is_ok() {
                let mut client = Client::connect(&Place::Tcp(address)).await;
                client.write("GET /-/ready HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
                if client.read().await.is_ok_and(|answer| answer.status == 200) {
                    return true;
                }
            }
            tokio::task::yield_now().await;
        }
    })
    .await
}

#[tokio::test]
async fn a_real_prometheus_scrapes_it_and_answers_the_dashboard() {
    let origin = Origin::always(Reply::fresh(60, "x").undated()).await;
    let authority = Authority::new();
    authority.issue("site", &["api.test"]);
    let config = format!("{CONFIG}{}", authority.tls("", &["site"]));
    let proxy = Proxy::in_real_time(&origin, &config).await;
    for _ in 0..3 {
        get(&proxy, "/a").await;
    }
    send(&proxy, "POST", "/a").body("x").await;
    let Place::Tcp(target) = proxy.admin() else { panic!("it listens at a port") };
    let directory = tempfile::tempdir().unwrap();
    let prometheus = Prometheus::scraping(target, directory.path()).await;
    let hits = r#"larder_requests_total{job="larder",route="default",outcome="hit"}"#;
    let found = within("the first scrape", async {
        loop {
            let found = prometheus.ask(hits).await;
            if !found.is_empty() {
                return found;
            }
            tokio::task::yield_now().await;
        }
    });
    assert_eq!(found.await[0]["value"][1], "2", "two of three were hits");
    for expression in expressions() {
        let query = expression.replace("$__rate_interval", "1m").replace("$route", ".*");
        let told = prometheus.ask(&query).await;
        let at_once = ["process_resident", "process_open", "certificate_expiry"];
        let expected = at_once.iter().any(|it| expression.contains(it));
        assert!(!expected || !told.is_empty(), "{query} finds nothing");
    }
}
