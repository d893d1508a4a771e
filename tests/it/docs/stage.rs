//! Where the commands of a page are done: a directory, a shell, ports of its own, and for pages that
//! do not write a proxy.toml themselves, an API with Larder before it.

use std::{
    net::TcpListener,
    path::Path,
    process::Stdio,
    sync::atomic::{AtomicU16, Ordering::Relaxed},
};

use tokio::process::Command;

use crate::support::{Origin, Reply, within};

/// The ports that pages use. The last one is the API's.
const PORTS: [&str; 5] = ["8080", "8081", "8443", "9901", "3000"];

/// Below those that the kernel gives to whoever asks for any.
static NEXT: AtomicU16 = AtomicU16::new(0);

/// For each port of the pages a free one.
pub(super) struct Ports(Vec<(&'static str, String)>);

impl Ports {
    pub(super) fn free() -> Ports {
        Ports(PORTS.map(|port| (port, free_port().to_string())).to_vec())
    }

    /// The API is there.
    fn with_api(self, origin: &Origin) -> Ports {
        let url = origin.url();
        let port = url.rsplit(':').next().expect("its port").to_owned();
        Ports(
            self.0
                .into_iter()
                .map(|(it, free)| (it, if it == "3000" { port.clone() } else { free }))
                .collect(),
        )
    }

    pub(super) fn put(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, (port, free)| {
            text.replace(&format!(":{port}"), &format!(":{free}"))
                .replace(&format!(" {port}"), &format!(" {free}"))
        })
    }
}

fn free_port() -> u16 {
    // Another run of the tests begins elsewhere.
    let begin = 20_000 + (std::process::id() % 100) as u16 * 100;
    loop {
        let port = begin + NEXT.fetch_add(1, Relaxed) % 2000;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// Larder as pages suppose it, once it is there.
const LARDER: &str = r#"
cat >proxy.toml <<'LARDER_FILE'
listen   = "127.0.0.1:8080"
upstream = "http://127.0.0.1:3000"
[admin]
listen = "127.0.0.1:9901"
token  = "${LARDER_TOKEN}"
[batch]
path = "/_batch"
[[routes]]
name  = "users"
match = { path = "/users/**" }
[[routes]]
name  = "orders"
match = { path = "/orders/**" }
shape = { fields = "fields" }
[[routes]]
name  = "reports"
match = { path = "/reports/**" }
cache = { mode = "shadow" }
LARDER_FILE
larder run 2>larder.log &
curl --output /dev/null http://127.0.0.1:9901/ready
"#;

/// Before the commands of a page that has no proxy.toml of its own; the API goes with the origin.
pub(super) async fn set() -> (Origin, Ports, String) {
    let origin = Origin::serve(|seen| {
        let body = match &*seen.target {
            "/orders" => r#"[{"id":1,"total":30},{"id":2,"total":7}]"#,
            _ => r#"{"id":7,"name":"Ada"}"#,
        };
        let reply = Reply::fresh(60, body).header("Content-Type", "application/json").undated();
        reply.header("ETag", "\"v1\"")
    })
    .await;
    let ports = Ports::free().with_api(&origin);
    let script = ports.put(LARDER);
    (origin, ports, script)
}

const PRELUDE: &str = "\
set +m
exec 2>&1
trap 'kill $(jobs -p) 2>/dev/null' EXIT
curl() { command curl --silent --fail-with-body --retry 8 --retry-connrefused \"$@\"; }
";

/// All that a script prints.
pub(super) async fn bash(directory: &Path, script: &str) -> String {
    let program = Path::new(env!("CARGO_BIN_EXE_larder")).parent().unwrap();
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap_or_default());
    let output = Command::new("bash")
        .args(["-c", &format!("{PRELUDE}{script}")])
        .current_dir(directory)
        .env("PATH", path)
        .env("LARDER_TOKEN", "0123456789abcdef0123456789abcdef")
        .env("LARDER_SECRET", "fedcba9876543210fedcba9876543210")
        .env("REDIS_PASSWORD", "sesame")
        .env("WEBHOOK_SECRET", "0123456789abcdef0123456789abcdef")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = within("the commands of a page", output).await.unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}
