//! The `larder` program itself: arguments, exit codes, signals, what it says.

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Output, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStderr, Command},
};

use crate::support::{Authority, Client, Gate, Origin, Place, Reply, get, within};

/// The built program, with a directory for its files.
pub(crate) struct Program {
    child: Child,
    lines: Lines<BufReader<ChildStderr>>,
    /// What it said before it listened.
    begun: Vec<String>,
    directory: tempfile::TempDir,
}

pub(crate) fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_larder"));
    command.env_remove("LARDER_LOG").kill_on_drop(true).stdin(Stdio::null());
    command
}

/// Runs it to its end.
async fn run(arguments: &[&str]) -> Output {
    within(format!("the end of larder {arguments:?}"), command().args(arguments).output())
        .await
        .expect("it was built")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// What it says, with the address behind it, once it listens.
const LISTENS: &str = "listening on ";

impl Program {
    pub(crate) async fn start(config: &str) -> (Program, Place) {
        let mut program = Program::start_by(command().args(["run", "--config"]), config);
        let place = program.place(LISTENS).await;
        (program, place)
    }

    /// Starts it by `command`, which lacks the name of the configuration's file.
    pub(crate) fn start_by(command: &mut Command, config: &str) -> Program {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("proxy.toml");
        fs::write(&path, config).unwrap();
        let command = command.arg(&path).stderr(Stdio::piped()).stdout(Stdio::null());
        let mut child = command.spawn().expect("it was built");
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        Program { child, lines, begun: Vec::new(), directory }
    }

    /// The address that it says behind `words`.
    pub(crate) async fn place(&mut self, words: &str) -> Place {
        let line = self.says(words).await;
        let address: SocketAddr = line.split(words).last().unwrap().parse().unwrap();
        Place::Tcp(address)
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.directory.path().join("proxy.toml")
    }

    /// Waits for a line with `words` in it. What was said before it listened counts, once.
    pub(crate) async fn says(&mut self, words: &str) -> String {
        let mut said = std::mem::take(&mut self.begun);
        if let Some(line) = said.iter().position(|line| line.contains(words)) {
            return said.swap_remove(line);
        }
        loop {
            let next = within(format!("{words:?} after {said:#?}"), self.lines.next_line());
            let line = next.await.unwrap().unwrap_or_else(|| panic!("{words:?} not in {said:#?}"));
            if line.contains(words) {
                if words == LISTENS {
                    self.begun = said;
                }
                return line;
            }
            said.push(line);
        }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.child.id().expect("it runs")).unwrap();
        kill_process(Pid::from_raw(id).unwrap(), signal).unwrap();
    }

    pub(crate) async fn code(&mut self) -> Option<i32> {
        within("the program's end", self.child.wait()).await.unwrap().code()
    }
}

fn config(origin: &Origin, more: &str) -> String {
    format!("listen = \"127.0.0.1:0\"\nupstream = \"{}\"\n{more}", origin.url())
}

fn file(directory: &Path, text: &str) -> String {
    let path = directory.join("proxy.toml");
    fs::write(&path, text).unwrap();
    path.display().to_string()
}

#[tokio::test]
async fn a_wrong_configuration_is_78_with_every_problem_and_its_line() {
    let directory = tempfile::tempdir().unwrap();
    let wrong = "listen = \"127.0.0.1:0\"\nupsteam = \"http://a\"\n[cache]\nttl = \"soon\"\n";
    let path = file(directory.path(), wrong);
    for command in ["run", "check"] {
        let output = run(&[command, "--config", &path]).await;
        let said = text(&output.stderr) + &text(&output.stdout);
        assert_eq!(output.status.code(), Some(78), "{said}");
        assert!(said.contains(&format!("{path}:2: upsteam: ")), "{said}");
        assert!(said.contains("upstream"), "the nearest key is named: {said}");
        assert!(said.contains(&format!("{path}:4: cache.ttl: ")), "all at once: {said}");
    }
}

#[tokio::test]
async fn certificates_that_cannot_be_used_are_problems_with_their_lines() {
    let authority = Authority::new();
    authority.issue("good", &["good.test"]);
    authority.issue("other", &["other.test"]);
    authority.write("torn.pem", "-----BEGIN CERTIFICATE-----\nMIIB");
    let pair = |cert: &str, key: &str| {
        let (cert, key) = (authority.file(cert), authority.file(key));
        format!("[[tls.certificates]]\ncert = \"{cert}\"\nkey = \"{key}\"\n")
    };
    let ca = authority.file("good.key");
    let text = format!(
        "upstream = \"http://a\"\n[tls]\nlisten = \"127.0.0.1:0\"\n\
         client_certificates = \"require\"\nclient_ca = \"{ca}\"\nclient_crl = \"{ca}\"\n\
         {}{}{}{}",
        pair("good.pem", "good.key"),
        pair("torn.pem", "good.key"),
        pair("good.pem", "absent.key"),
        pair("good.pem", "other.key"),
    );
    let path = file(authority.path("").as_path(), &text);
    for command in ["run", "check"] {
        let output = run(&[command, "--config", &path]).await;
        let said = self::text(&output.stderr);
        assert_eq!(output.status.code(), Some(78), "{said}");
        for (line, key, words) in [
            (5, "tls.client_ca", "good.key\" has no certificate in it"),
            (6, "tls.client_crl", "good.key\" has no list in it"),
            (11, "tls.certificates.cert", "torn.pem\" is garbled"),
            (15, "tls.certificates.key", "absent.key\" cannot be read (No such file"),
            (18, "tls.certificates.key", "other.key\" is not the key of the first certificate"),
        ] {
            let found = said.lines().find(|it| it.starts_with(&format!("{path}:{line}: {key}: ")));
            assert!(found.is_some_and(|it| it.contains(words)), "{line} {words}: {said}");
        }
        assert!(said.contains("5 problems"), "{said}");
    }
}

#[tokio::test]
async fn a_certificate_that_has_ended_is_a_warning_and_no_error() {
    let authority = Authority::new();
    authority.issue_for("old", &["old.test"], (2020, 2021));
    authority.issue_for("good", &["good.test"], (2020, 2100));
    authority.issue_for("early", &["early.test"], (2100, 2101));
    let text = format!("upstream = \"http://a\"\n{}", authority.tls("", &["old", "good", "early"]));
    let path = file(authority.path("").as_path(), &text);
    let output = run(&["check", "--config", &path]).await;
    let said = self::text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "it would start: {said}");
    let (old, early) = (authority.file("old.pem"), authority.file("early.pem"));
    let ended = format!(
        "warning: {path}:6: tls.certificates.cert: \"{old}\" has ended, on Fri, 01 Jan 2021"
    );
    assert!(said.starts_with(&ended), "{said}");
    assert!(said.contains(&format!("\"{early}\" is not valid before Fri, 01 Jan 2100")), "{said}");
    assert_eq!(said.matches("warning: ").count(), 2, "{said}");
    let mut program = Program::start_by(command().args(["run", "--config"]), &text);
    let told = program.says(&format!("tls.certificates.cert: \"{old}\" has ended")).await;
    assert!(told.contains("WARN"), "{told}");
}

#[tokio::test]
async fn a_good_configuration_passes_the_check() {
    let directory = tempfile::tempdir().unwrap();
    let path = file(directory.path(), "listen = \"127.0.0.1:0\"\nupstream = \"http://a\"\n");
    let output = run(&["check", "--config", &path]).await;
    assert_eq!(output.status.code(), Some(0));
    assert!(text(&output.stdout).starts_with("ok: "), "{}", text(&output.stdout));
}

#[tokio::test]
async fn wrong_arguments_are_2_and_a_missing_file_is_78() {
    assert_eq!(run(&["walk"]).await.status.code(), Some(2));
    let output = run(&["run", "--config", "/no/such/proxy.toml"]).await;
    assert_eq!(output.status.code(), Some(78));
    assert!(text(&output.stderr).contains("/no/such/proxy.toml"), "{}", text(&output.stderr));
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = run(&["run", "--upstream", "http://127.0.0.1:9", "--listen", &address]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains(&address), "{}", text(&output.stderr));
}

#[tokio::test]
async fn a_reload_keeps_the_cache_and_the_connections() {
    let origin = Origin::serve(|seen| Reply::fresh(60, seen.target).undated()).await;
    let (mut program, place) = Program::start(&config(&origin, "")).await;
    let mut client = Client::connect(&place).await;
    let ask = "GET /a HTTP/1.1\r\nHost: api.test\r\n\r\n";
    client.write(ask).await;
    client.read().await.unwrap();

    fs::write(program.config(), config(&origin, "[limits]\nmax_fields = \"many\"\n")).unwrap();
    program.signal(Signal::HUP);
    program.says("proxy.toml:4: limits.max_fields: ").await;
    program.says("the old one stays").await;
    client.write(ask).await;
    assert!(client.read().await.unwrap().is_hit(), "nothing has changed");

    let route = "[[routes]]\nmatch = { path = \"/private/**\" }\ncache = { mode = \"off\" }\n";
    fs::write(program.config(), config(&origin, route)).unwrap();
    program.signal(Signal::HUP);
    program.says("configuration reloaded: routes changed").await;
    client.write(ask).await;
    assert!(client.read().await.unwrap().is_hit(), "the cache and the connection stay");
    client.write("GET /private/x HTTP/1.1\r\nHost: api.test\r\n\r\n").await;
    assert_eq!(client.read().await.unwrap().cache_status().fwd(), "bypass", "the new route");

    fs::write(program.config(), config(&origin, "[cache.memory]\nmax_size = \"8MiB\"\n")).unwrap();
    program.signal(Signal::HUP);
    program.says("cache.memory has changed: restart").await;
}

#[tokio::test]
async fn sigterm_lets_what_is_under_way_end_and_a_second_one_does_not() {
    for (hurry, code) in [(false, Some(0)), (true, Some(1))] {
        let gate = Gate::new();
        let held = gate.clone();
        let origin = Origin::serve(move |_| Reply::fresh(60, "x").undated().held(&held)).await;
        let (mut program, place) = Program::start(&config(&origin, "")).await;
        let mut client = get(&place, "/").sent().await;
        origin.until_requests(1).await;
        program.signal(Signal::TERM);
        program.says("stopping").await;
        if hurry {
            program.signal(Signal::TERM);
        } else {
            gate.open();
            assert_eq!(client.read().await.unwrap().text(), "x", "it was under way");
        }
        assert_eq!(program.code().await, code);
    }
}

#[tokio::test]
async fn every_request_is_a_line_of_the_access_log() {
    let origin = Origin::always(Reply::fresh(60, "four").undated()).await;
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("access.log");
    let more = format!("[log]\naccess = \"{}\"\n", log.display());
    let (mut program, place) = Program::start(&config(&origin, &more)).await;
    get(&place, "/users?q=&x").await;
    get(&place, "/users?q=&x").await;
    get(&place, "/../x").await;
    program.signal(Signal::TERM);
    assert_eq!(program.code().await, Some(0));
    let text = fs::read_to_string(log).unwrap();
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 3, "{text}");
    let told = |cache: &str| {
        let line = lines.iter().find(|line| line["cache"] == cache);
        line.unwrap_or_else(|| panic!("no {cache} in {text}"))
    };
    for (cache, status, bytes) in [("uri-miss", 200, 4), ("hit", 200, 4), ("refused", 400, 44)] {
        let line = told(cache);
        assert_eq!((&line["status"], &line["bytes"]), (&status.into(), &bytes.into()), "{line}");
    }
    let miss = told("uri-miss");
    assert_eq!(miss["path"], "/users?q=&x");
    assert_eq!((&miss["method"], &miss["host"]), (&"GET".into(), &"api.test".into()));
}

#[tokio::test]
async fn a_log_that_was_moved_away_is_opened_again() {
    let origin = Origin::always(Reply::fresh(60, "x").undated()).await;
    let directory = tempfile::tempdir().unwrap();
    let (log, old) = (directory.path().join("access.log"), directory.path().join("access.log.1"));
    let more = format!("[log]\naccess = \"{}\"\n", log.display());
    let (mut program, place) = Program::start(&config(&origin, &more)).await;
    get(&place, "/before").await;
    fs::rename(&log, &old).unwrap();
    program.signal(Signal::USR1);
    program.says("the access log is open again").await;
    get(&place, "/after").await;
    program.signal(Signal::TERM);
    assert_eq!(program.code().await, Some(0));
    let (old, new) = (fs::read_to_string(old).unwrap(), fs::read_to_string(log).unwrap());
    assert!(old.contains("/before") && !old.contains("/after"), "{old}");
    assert!(new.contains("/after") && !new.contains("/before"), "as logrotate wants it: {new}");
}

#[tokio::test]
async fn help_teaches() {
    let output = run(&["--help"]).await;
    let help = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0));
    for word in ["larder demo", "larder check", "SIGHUP", "--upstream", "proxy.toml"] {
        assert!(help.contains(word), "{word} in {help}");
    }
}
