//! Real clients: curl, Python's requests, Node's fetch, Chromium. Each asks for what is stored and
//! for what is still arriving, unpacks it by itself, and asks again with the tag that it got.

use serde_json::Value;

use super::{CODINGS, run, users};
use crate::support::{Origin, Proxy, Reply, get, within};

/// `/gzip/…` is packed by gzip alone, and so on; whatever is under `/…/stored` is asked for before.
const ROUTES: &str = r#"
[[routes]]
match = { path = "/gzip/**" }
compression = { encodings = ["gzip"] }
[[routes]]
match = { path = "/br/**" }
compression = { encodings = ["br"] }
[[routes]]
match = { path = "/zstd/**" }
compression = { encodings = ["zstd"] }
"#;

const PYTHON: &str = r#"
import json, sys, requests
base, text, rows = sys.argv[1], sys.stdin.buffer.read(), []
session = requests.Session()
for coding in ("gzip", "br", "zstd"):
    for made in ("stored", "arriving"):
        url = f"{base}/{coding}/{made}"
        one = session.get(url, timeout=15)
        tag = one.headers["ETag"]
        two = session.get(url, headers={"If-None-Match": tag}, timeout=15)
        rows.append({"path": f"/{coding}/{made}", "coding": one.headers.get("Content-Encoding"),
                     "same": one.content == text, "tag": tag, "again": two.status_code,
                     "named": two.headers.get("ETag")})
print(json.dumps({"accepts": session.headers["Accept-Encoding"], "rows": rows}))
"#;

const NODE: &str = r#"
const base = process.argv[1], text = require("fs").readFileSync(0, "utf8"), rows = [];
(async () => {
  for (const coding of ["gzip", "br"]) for (const made of ["stored", "arriving"]) {
    const url = `${base}/${coding}/${made}`, headers = { "accept-encoding": coding };
    const one = await fetch(url, { headers });
    const same = (await one.text()) === text, tag = one.headers.get("etag");
    const two = await fetch(url, { headers: { ...headers, "if-none-match": tag } });
    await two.text();
    rows.push({ path: `/${coding}/${made}`, coding: one.headers.get("content-encoding"), same,
                tag, again: two.status, named: two.headers.get("etag") });
  }
  console.log(JSON.stringify({ accepts: "gzip, br", rows }));
})();
"#;

/// Asks twice for everything; the second time the browser sends a condition of its own.
const PAGE: &str = r#"<!doctype html><title>Larder</title><pre id="told">nothing yet</pre><script>
const text = TEXT;
(async () => {
  const rows = [];
  for (const coding of ["gzip", "br", "zstd"]) for (const made of ["stored", "arriving"]) {
    const path = `/${coding}/${made}`;
    const one = await fetch(path), first = await one.text();
    const two = await fetch(path, { cache: "no-cache" }), second = await two.text();
    rows.push({ path, coding: one.headers.get("content-encoding"), same: first === text,
                tag: one.headers.get("etag"), again: two.status, kept: second === text,
                named: two.headers.get("etag") });
  }
  document.getElementById("told").textContent = JSON.stringify({ rows });
})().catch((error) => document.getElementById("told").textContent = `${error}`);
</script>"#;

/// An API before which there is a proxy with an access log.
struct Stage {
    proxy: Proxy,
    files: tempfile::TempDir,
    _origin: Origin,
}

impl Stage {
    async fn new() -> Stage {
        let page = PAGE.replace("TEXT", &serde_json::to_string(&users()).unwrap());
        let origin = Origin::serve(move |seen| match &*seen.target {
            "/page" => Reply::ok(page.clone()).header("Content-Type", "text/html"),
            target if CODINGS.iter().any(|it| target.starts_with(&format!("/{it}/"))) => {
                let reply = Reply::fresh(600, users()).header("ETag", "\"v1\"");
                reply.header("Content-Type", "application/json")
            }
            _ => Reply::status(404),
        })
        .await;
        let files = tempfile::tempdir().unwrap();
        let log = files.path().join("access.log");
        let config = format!("[log]\naccess = \"{}\"\n{ROUTES}", log.display());
        let proxy = Proxy::with(&origin, &config).await;
        for coding in CODINGS {
            get(&proxy, &format!("/{coding}/stored")).await;
        }
        Stage { proxy, files, _origin: origin }
    }

    /// How often the proxy answered with 304, for each path.
    async fn unchanged(self) -> Vec<String> {
        self.proxy.drain().await;
        let log = self.files.path().join("access.log");
        let lines = within("the log's lines", async {
            loop {
                let text = std::fs::read_to_string(&log).unwrap();
                if text.ends_with('\n') && text.lines().count() >= 16 {
                    return text;
                }
                tokio::task::yield_now().await;
            }
        });
        let lines = lines.await;
        let lines = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let unchanged = lines.filter(|line| line["status"] == 304);
        unchanged.map(|line| line["path"].as_str().unwrap().to_owned()).collect()
    }
}

/// Holds a client's rows to what must be, and gives the paths that it got packed.
fn judge(client: &str, told: &Value, packed: &[&str]) {
    for row in told["rows"].as_array().unwrap_or_else(|| panic!("{client}: {told}")) {
        let path = row["path"].as_str().unwrap();
        let coding = path.split('/').nth(1).unwrap();
        assert_eq!(row["same"], true, "{client}: byte for byte: {row}");
        match packed.contains(&coding) {
            true => assert_eq!(row["coding"], coding, "{client}: RFC 9110 §12.5.3: {row}"),
            false => assert_eq!(row["coding"], Value::Null, "{client}: what it can read: {row}"),
        }
        assert_eq!(row["named"], row["tag"], "{client}: RFC 9110 §15.4.5: {row}");
    }
}

#[tokio::test]
async fn curl_unpacks_and_validates_every_coding() {
    let stage = Stage::new().await;
    let file = |name: &str| stage.files.path().join(name).to_str().unwrap().to_owned();
    let (tag, body) = (file("tag"), file("body"));
    for coding in CODINGS {
        for made in ["stored", "arriving"] {
            let url = format!("{}/{coding}/{made}", stage.proxy.url());
            let told = "%{http_code} %header{content-encoding} %header{etag}";
            let common = ["-sS", "--compressed", "--max-time", "15", "-o", &body, "-w", told, &url];
            let first = [&["--etag-save", &tag][..], &common].concat();
            let first = String::from_utf8(run("curl", &first, b"").await).unwrap();
            assert!(first.starts_with(&format!("200 {coding} \"v1--{coding}")), "{first}");
            let came = std::fs::read_to_string(&body).unwrap();
            assert_eq!(came, users(), "{coding}, {made}: byte for byte");
            let second = [&["--etag-compare", &tag][..], &common].concat();
            let second = String::from_utf8(run("curl", &second, b"").await).unwrap();
            let tag = std::fs::read_to_string(&tag).unwrap();
            assert_eq!(second.trim(), format!("304  {}", tag.trim()), "RFC 9110 §13.1.2");
        }
    }
}

#[tokio::test]
async fn python_requests_unpacks_and_validates_what_it_accepts() {
    let stage = Stage::new().await;
    let python = match run_ok("python3", &["-c", "import requests"]).await {
        true => "python3",
        // Where another Python is before Debian's.
        false => "/usr/bin/python3",
    };
    let args = ["-c", PYTHON, &stage.proxy.url()];
    let told = run(python, &args, users().as_bytes()).await;
    let told: Value = serde_json::from_slice(&told).unwrap();
    let accepts: Vec<&str> = told["accepts"].as_str().unwrap().split(", ").collect();
    assert!(accepts.contains(&"gzip"), "{told}");
    judge("requests", &told, &accepts);
    let all = told["rows"].as_array().unwrap().iter();
    all.for_each(|row| assert_eq!(row["again"], 304, "RFC 9110 §13.1.2: {row}"));
}

#[tokio::test]
async fn nodes_fetch_unpacks_and_validates_what_it_knows() {
    let stage = Stage::new().await;
    let told = run("node", &["-e", NODE, &stage.proxy.url()], users().as_bytes()).await;
    let told: Value = serde_json::from_slice(&told).unwrap();
    judge("fetch", &told, &["gzip", "br"]);
    let all = told["rows"].as_array().unwrap().iter();
    all.for_each(|row| assert_eq!(row["again"], 304, "RFC 9110 §13.1.2: {row}"));
}

#[tokio::test]
async fn chromium_unpacks_and_validates_every_coding() {
    let stage = Stage::new().await;
    let profile = format!("--user-data-dir={}", stage.files.path().join("profile").display());
    let page = format!("{}/page", stage.proxy.url());
    // The time of the page runs ahead while nothing is under way, and stands still meanwhile.
    let budget = "--virtual-time-budget=30000";
    let options = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"];
    let more = ["--disable-background-networking", "--no-first-run", "--dump-dom", budget];
    let args = [&options[..], &more, &[&profile, &page]].concat();
    let dom = String::from_utf8(run("chromium", &args, b"").await).unwrap();
    let told = dom.split("<pre id=\"told\">").nth(1).and_then(|it| it.split("</pre>").next());
    let told = told.unwrap_or_else(|| panic!("{dom}"));
    let told: Value = serde_json::from_str(told).unwrap_or_else(|_| panic!("{told}"));
    judge("Chromium", &told, &CODINGS);
    let rows = told["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 6);
    for row in rows {
        assert_eq!((&row["again"], &row["kept"]), (&200.into(), &true.into()), "its cache: {row}");
    }
    let mut unchanged = stage.unchanged().await;
    unchanged.sort();
    let expected =
        ["/br", "/gzip", "/zstd"].map(|it| [format!("{it}/arriving"), format!("{it}/stored")]);
    assert_eq!(unchanged, expected.concat(), "RFC 9110 §13.1.2: each was validated by its tag");
}

/// Whether a program runs without an error.
async fn run_ok(program: &str, args: &[&str]) -> bool {
    let mut command = tokio::process::Command::new(program);
    command.args(args).stderr(std::process::Stdio::null());
    within(program, command.status()).await.is_ok_and(|it| it.success())
}
