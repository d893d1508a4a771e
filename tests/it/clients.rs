//! The clients in `examples/clients`, each by the program that it is for, before the demo.

use std::{net::SocketAddr, path::PathBuf, process::Stdio};

use larder::{clock::Clock, demo::Demo};
use tokio::process::Command;

use crate::support::{Origin, Proxy, Reply, within};

/// Runs the script of `page.html`, as a browser would but for the painting.
const BROWSER: &str = r#"
const [page, api] = process.argv.slice(1);
const html = require("fs").readFileSync(page, "utf8");
const script = html.match(/<script type="module">([^]*?)<\/script>/)[1];
const elements = {};
const element = () => ({ textContent: "", children: [], append(it) { this.children.push(it); } });
globalThis.location = { search: "?api=" + encodeURIComponent(api), origin: api };
globalThis.document = {
  createElement: element,
  getElementById: (id) => (elements[id] ??= element()),
};
const run = Object.getPrototypeOf(async () => {}).constructor;
new run(script)().then(() => {
  elements.users.children.forEach((it) => console.log(it.textContent));
  console.log(elements.orders.textContent);
});
"#;

async fn demo() -> (Demo, String) {
    let anywhere = SocketAddr::from(([127, 0, 0, 1], 0));
    let demo = within("the demo's start", Demo::start(anywhere, Clock::system())).await.unwrap();
    let url = format!("http://{}", demo.proxy());
    (demo, url)
}

fn example(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("examples/clients").join(name);
    path.display().to_string()
}

async fn said(program: &str, args: &[&str]) -> String {
    let mut command = Command::new(program);
    command.args(args).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let output = within(program, command.output()).await;
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}; run scripts/test.sh"));
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn curl_gets_fields_pages_and_batches() {
    let (_demo, url) = demo().await;
    let said = said("bash", &[&example("curl.sh"), &url]).await;
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(
        lines[1],
        r#"[{"id": 4,"city": "Riga"},{"id": 5,"city": "Izmir"},{"id": 6,"city": "Lyon"}]"#
            .replace(": ", ":")
    );
    assert_eq!(lines[3], "304", "the entity-tag of a shape is one");
    let mut names: Vec<serde_json::Value> =
        lines[5..].iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    names.sort_by_key(|it| it["id"].as_u64());
    assert_eq!(names[0]["body"]["name"], "Grace Okafor");
    assert_eq!(names[2]["status"], 404);
}

#[tokio::test]
async fn python_walks_all_pages_and_reads_a_batch() {
    let (_demo, url) = demo().await;
    let said = said("python3", &[&example("client.py"), &url]).await;
    let expected =
        "36 users, the last one in Lublin\n1 200 Ada Lindqvist\n2 200 Bram de Wit\n99 404 nobody\n";
    assert_eq!(said, expected);
}

#[tokio::test]
async fn a_page_gets_all_that_it_shows_by_one_request() {
    let (_demo, url) = demo().await;
    let said = said("node", &["-e", BROWSER, &example("page.html"), &url]).await;
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!((lines.len(), lines[0]), (6, "Ada Lindqvist, Uppsala"));
    assert_eq!(lines[5], "48 orders of 36 users");
}

/// What Chromium shows of a page when it has come to rest.
async fn shown(url: &str) -> String {
    let profile = tempfile::tempdir().unwrap();
    let profile = format!("--user-data-dir={}", profile.path().display());
    // The time of the page runs ahead while nothing is under way, and stands still meanwhile.
    let budget = "--virtual-time-budget=30000";
    let options = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"];
    let more = ["--disable-background-networking", "--no-first-run", "--dump-dom", budget];
    said("chromium", &[&options[..], &more, &[&profile, url]].concat()).await
}

#[tokio::test]
async fn a_browser_posts_a_batch_to_the_pages_own_origin_alone() {
    let (_demo, url) = demo().await;
    let page = std::fs::read_to_string(example("page.html")).unwrap();
    let origin =
        Origin::always(Reply::ok(page).header("Content-Type", "text/html; charset=utf-8")).await;
    let demo = format!("[upstreams.demo]\nurl = \"{url}\"\n");
    let routes = "[[routes]]\nmatch = { path = \"/_batch\" }\nupstream = \"demo\"\n";
    let proxy = Proxy::with(&origin, &format!("{demo}{routes}")).await;
    let own = shown(&format!("{}/page.html", proxy.url())).await;
    assert!(own.contains("<li>Ada Lindqvist, Uppsala</li>"), "{own}");
    assert!(own.contains("48 orders of 36 users"), "{own}");
    let other = shown(&format!("{}/page.html?api={url}", proxy.url())).await;
    assert!(other.contains("<ul id=\"users\"></ul>"), "no preflight is answered: {other}");
}
