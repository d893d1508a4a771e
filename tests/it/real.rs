//! Larder before servers that others wrote, with a client that others wrote: nginx from Debian,
//! Python's http.server, curl. What is missing fails here, and says how to install it.

use std::{
    io::{BufRead, BufReader, ErrorKind, Read},
    net::TcpListener,
    process::{Child, Command, Stdio},
};

use larder::{
    clock::Clock,
    config::{self, Listen},
    server::Server,
};
use tempfile::TempDir;

use crate::support::{CacheStatus, within};

/// A server process with a directory of its own. Killed on drop.
struct Process {
    child: Child,
    url: String,
    directory: TempDir,
}

/// What curl printed: the status line, the fields and the body.
#[derive(Debug)]
struct Curled {
    head: String,
    body: Vec<u8>,
}

const NGINX: &str = "
user root;
daemon off;
pid DIR/nginx.pid;
error_log stderr notice;
master_process off;
events {}
http {
  access_log off;
  client_body_temp_path DIR/t1; proxy_temp_path DIR/t2; fastcgi_temp_path DIR/t3;
  uwsgi_temp_path DIR/t4; scgi_temp_path DIR/t5;
  types { application/json json; }
  gzip on; gzip_proxied any; gzip_vary on; gzip_min_length 1; gzip_types application/json;
  server {
    listen 127.0.0.1:PORT;
    root DIR/www;
    location /fresh/ { alias DIR/www/; add_header Cache-Control max-age=60; }
  }
}";

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Process {
    fn www(&self) -> std::path::PathBuf {
        self.directory.path().join("www")
    }
}

/// Starts a program with its output in pipes.
///
/// # Panics
/// Where it is not installed, with the package that has it.
fn spawn(program: &str, package: &str, args: &[&str]) -> Child {
    let spawned = Command::new(program)
        .args(args)
        .env("PATH", format!("{}:/usr/sbin", std::env::var("PATH").unwrap_or_default()))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    match spawned {
        Ok(child) => child,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            panic!("{program} is missing: apt-get install {package}, or run scripts/test.sh")
        }
        Err(error) => panic!("{program}: {error}"),
    }
}

/// Reads lines until one contains `sign`, and goes on reading in the background, so that the
/// process never waits for a reader. `None` where it ended before.
fn until(output: impl Read + Send + 'static, sign: &str) -> Option<String> {
    let mut lines = BufReader::new(output).lines();
    let found = lines.by_ref().map_while(Result::ok).find(|line| line.contains(sign));
    std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
    found
}

/// A directory with `www/users.json` and `www/large.json`.
fn files() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let www = directory.path().join("www");
    std::fs::create_dir(&www).unwrap();
    std::fs::write(www.join("users.json"), users("first")).unwrap();
    std::fs::write(www.join("large.json"), large()).unwrap();
    directory
}

fn users(version: &str) -> String {
    let users = (1..100).map(|id| format!("{{\"id\": {id}, \"version\": \"{version}\"}}"));
    format!("[{}]", users.collect::<Vec<_>>().join(",\n"))
}

/// More than an object may have.
fn large() -> Vec<u8> {
    (0..=250).cycle().take(9 << 20).collect()
}

fn nginx() -> Process {
    let directory = files();
    for _ in 0..10 {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let path = directory.path().to_str().unwrap();
        let text = NGINX.replace("DIR", path).replace("PORT", &port.to_string());
        let file = directory.path().join("nginx.conf");
        std::fs::write(&file, text).unwrap();
        let mut child = spawn("nginx", "nginx-light", &["-c", file.to_str().unwrap(), "-p", path]);
        if until(child.stderr.take().unwrap(), "getrlimit").is_some() {
            return Process { child, url: format!("http://127.0.0.1:{port}"), directory };
        }
        let _ = child.wait();
    }
    panic!("nginx did not start: its standard error has the reason");
}

fn python() -> Process {
    let directory = files();
    let www = directory.path().join("www");
    let module = ["-u", "-m", "http.server", "0", "--bind", "127.0.0.1", "--directory"];
    let args = [&module[..], &[www.to_str().unwrap()]].concat();
    let mut child = spawn("python3", "python3", &args);
    let log = child.stderr.take().unwrap();
    std::thread::spawn(move || until(log, "no such line"));
    let line = until(child.stdout.take().unwrap(), "Serving HTTP").expect("it starts");
    let port = line.split("port ").nth(1).and_then(|rest| rest.split(' ').next()).unwrap();
    Process { child, url: format!("http://127.0.0.1:{port}"), directory }
}

/// The two-line configuration, on the machine's own time.
async fn larder_before(process: &Process) -> (Server, String) {
    larder(process, "").await
}

async fn larder(process: &Process, config: &str) -> (Server, String) {
    let text = format!("listen = \"127.0.0.1:0\"\nupstream = \"{}\"\n{config}", process.url);
    let config = config::parse("real.toml", &text, &|_| None).expect("two good lines");
    let server = within("the start", Server::start(config, Clock::system())).await.unwrap();
    let Some(Listen::Tcp(addr)) = server.addresses().pop() else { panic!("it listens") };
    (server, format!("http://{addr}"))
}

async fn curl(args: &[&str], url: &str) -> Curled {
    let args: Vec<String> = ["-sS", "-i", "--max-time", "15"]
        .iter()
        .chain(args)
        .chain(&[url])
        .map(ToString::to_string)
        .collect();
    let ran = tokio::task::spawn_blocking(move || {
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        spawn("curl", "curl", &args).wait_with_output()
    });
    let output = within("curl", ran).await.unwrap().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let end = output.stdout.windows(4).position(|it| it == b"\r\n\r\n").expect("a head");
    let head = String::from_utf8_lossy(&output.stdout[..end]).into_owned();
    Curled { head, body: output.stdout[end + 4..].to_vec() }
}

impl Curled {
    fn status(&self) -> &str {
        self.head.split(' ').nth(1).unwrap_or_default()
    }

    fn header(&self, name: &str) -> Option<&str> {
        let mut fields = self.head.lines().filter_map(|line| line.split_once(": "));
        fields.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    fn cache_status(&self) -> CacheStatus {
        let line = self.header("cache-status").unwrap_or_else(|| panic!("{}", self.head));
        CacheStatus::parse(&[line]).pop().unwrap()
    }
}

#[tokio::test]
async fn json_files_of_nginx_come_from_memory_while_they_are_fresh() {
    let nginx = nginx();
    let (_server, url) = larder_before(&nginx).await;
    let url = url + "/fresh/users.json";
    let miss = curl(&[], &url).await;
    assert_eq!((miss.status(), miss.cache_status().fwd()), ("200", "uri-miss"));
    std::fs::write(nginx.www().join("users.json"), users("second")).unwrap();
    for client in ["--http1.1", "--http1.0", "--http2-prior-knowledge"] {
        let hit = curl(&[client], &url).await;
        assert!(hit.cache_status().hit, "{client}: {}", hit.head);
        assert_eq!(hit.body, users("first").as_bytes(), "{client}");
        assert_eq!(hit.header("etag"), miss.header("etag"), "{client}");
    }
    let tag = miss.header("etag").expect("nginx sends one").to_owned();
    let known = curl(&["-H", &format!("If-None-Match: {tag}")], &url).await;
    assert_eq!((known.status(), known.body.len()), ("304", 0));
    let part = curl(&["-r", "1-9"], &url).await;
    assert_eq!((part.status(), &part.body[..]), ("206", &users("first").as_bytes()[1..10]));
    let head = curl(&["-I"], &url).await;
    assert_eq!((head.status(), head.cache_status().hit), ("200", true));
}

#[tokio::test]
async fn json_files_of_nginx_without_freshness_are_validated() {
    let nginx = nginx();
    let (_server, url) = larder_before(&nginx).await;
    let url = url + "/users.json";
    curl(&[], &url).await;
    let same = curl(&[], &url).await;
    assert_eq!(same.cache_status().fwd_status, Some(304), "{}", same.head);
    assert_eq!(same.body, users("first").as_bytes());
    std::fs::write(nginx.www().join("users.json"), users("the second")).unwrap();
    let new = curl(&[], &url).await;
    assert_eq!((new.status(), &new.body[..]), ("200", users("the second").as_bytes()));
}

#[tokio::test]
async fn compressed_and_plain_answers_of_nginx_are_not_mixed() {
    let nginx = nginx();
    let config = "[compression]\nupstream_encoding = \"client\"\nencodings = []";
    let (_server, url) = larder(&nginx, config).await;
    let url = url + "/fresh/users.json";
    for hit in [false, true] {
        let plain = curl(&[], &url).await;
        let packed = curl(&["-H", "Accept-Encoding: gzip"], &url).await;
        let unpacked = curl(&["--compressed", "-H", "Accept-Encoding: gzip"], &url).await;
        assert_eq!((plain.header("content-encoding"), plain.cache_status().hit), (None, hit));
        assert_eq!(
            (packed.header("content-encoding"), packed.cache_status().hit),
            (Some("gzip"), hit)
        );
        assert!(packed.body.len() < plain.body.len(), "it is smaller");
        assert_eq!(plain.body, users("first").as_bytes());
        assert_eq!(unpacked.body, users("first").as_bytes());
    }
}

#[tokio::test]
async fn what_nginx_refuses_or_sends_at_length_is_passed_on() {
    let nginx = nginx();
    let (_server, url) = larder_before(&nginx).await;
    assert_eq!(curl(&[], &(url.clone() + "/absent.json")).await.status(), "404");
    assert_eq!(curl(&["-d", "{}"], &(url.clone() + "/users.json")).await.status(), "405");
    let large_file = curl(&[], &(url + "/fresh/large.json")).await;
    assert!(large_file.body == large(), "{} bytes came", large_file.body.len());
    assert_eq!(large_file.cache_status().detail(), "too-large");
}

#[tokio::test]
async fn files_of_python_are_validated_by_their_date() {
    let python = python();
    let (_server, url) = larder_before(&python).await;
    let file = url.clone() + "/users.json";
    assert_eq!(curl(&[], &file).await.body, users("first").as_bytes());
    let same = curl(&[], &file).await;
    assert_eq!(same.cache_status().fwd_status, Some(304), "{}", same.head);
    assert_eq!(same.body, users("first").as_bytes(), "by HTTP/1.0, and closed each time");
    let h2 = curl(&["--http2-prior-knowledge"], &(url.clone() + "/large.json")).await;
    assert!(h2.body == large(), "{} bytes came", h2.body.len());
    assert_eq!(curl(&["-X", "DELETE"], &file).await.status(), "501", "as Python says it");
}

#[tokio::test]
async fn an_answer_of_our_own_to_head_has_no_body_by_http_2() {
    let config = "listen = \"127.0.0.1:0\"\n[[routes]]\nmatch = { path = \"/a\" }\n\
                  upstream = \"http://127.0.0.1:1\"\n";
    let config = config::parse("real.toml", config, &|_| None).unwrap();
    let server = within("the start", Server::start(config, Clock::system())).await.unwrap();
    let Some(Listen::Tcp(addr)) = server.addresses().pop() else { panic!("it listens") };
    for (path, status) in [("/nowhere", "404"), ("/a", "502")] {
        let url = format!("http://{addr}{path}");
        // curl fails where a body comes (RFC 9113 §8.1.1).
        let told = curl(&["--http2-prior-knowledge", "-I"], &url).await;
        assert_eq!(told.status(), status, "RFC 9110 §9.3.2: {}", told.head);
        assert!(told.header("content-length").is_some(), "as GET would: {}", told.head);
    }
}
