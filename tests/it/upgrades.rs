//! Reloads, restarts and what a service manager is told: under load, and nobody's request fails.

mod load;
mod manager;

use std::{fs, net::TcpListener, process::Stdio};

use rustix::process::Signal;
use tokio::process::Command;

use crate::{
    program::{Program, command},
    support::{Authority, Origin, Place, Reply},
};
use load::Load;

/// Answers that a load has got before something is done to the program, and after.
const SOME: usize = 150;

async fn origin() -> Origin {
    Origin::serve(|seen| Reply::fresh(60, seen.target).undated()).await
}

/// The `n`th of many configurations: everything that a reload can change is another one.
fn changing(n: usize, origins: &[Origin; 2], tls: &str) -> String {
    let (one, other) = (origins[n % 2].url(), origins[(n + 1) % 2].url());
    let log = ["off", "stderr"][n / 2 % 2];
    format!(
        "listen = \"127.0.0.1:0\"\nupstream = \"{one}\"\n{tls}\n\
         [limits]\nmax_connections = {}\nmax_fields = {}\n[timeouts]\nidle = \"{}s\"\n\
         [log]\naccess = \"{log}\"\n[throttle]\nrate = \"{}/s\"\n\
         [upstreams.other]\nurl = \"{other}\"\nmax_concurrent = {}\n\
         [[routes]]\nmatch = {{ path = \"/{}/**\" }}\nupstream = \"other\"\n",
        1000 + n,
        90 + n,
        30 + n,
        900_000 + n,
        500 + n,
        n % 7
    )
}

#[tokio::test]
async fn reloads_under_load_fail_no_request() {
    let authority = Authority::new();
    authority.issue("site", &["api.test"]);
    let origins = [origin().await, origin().await];
    let tls = authority.tls("", &["site"]);
    let config = |n| changing(n, &origins, &tls);
    let mut program = Program::start_by(command().args(["run", "--config"]), &config(0));
    let plain = program.place("listening on ").await;
    let secure = program.place("listening by TLS on ").await;
    let load = Load::on(plain, Some((secure, &authority)));
    load.until(SOME).await;
    for n in 1..=30 {
        authority.issue("site", &["api.test"]);
        fs::write(program.config(), config(n)).unwrap();
        program.signal(Signal::HUP);
        let said = program.says("configuration reloaded").await;
        for part in ["upstreams", "routes", "limits", "timeouts"] {
            assert!(said.contains(part), "{part}: {said}");
        }
        load.until(10).await;
    }
    load.until(SOME).await;
    let (answered, failed) = load.end().await;
    assert_eq!(failed, [""; 0], "of {answered}");
    assert!(answered >= 2 * SOME + 300, "{answered}");
}

/// Starts the program as a service manager does: on a socket that this process holds.
async fn on_socket(socket: &TcpListener, config: &str) -> Program {
    // Descriptors 0 to 2 are all that can be given to a child here, so a shell moves it.
    let script = "exec 3<&0 0</dev/null; LISTEN_FDS=1 LISTEN_FDNAMES=http LISTEN_PID=$$ \
                  exec \"$0\" run --config \"$1\"";
    let mut shell = Command::new("sh");
    shell.args(["-c", script, env!("CARGO_BIN_EXE_larder")]).kill_on_drop(true);
    shell.env_remove("LARDER_LOG").stdin(Stdio::from(std::os::fd::OwnedFd::from(
        socket.try_clone().expect("another handle"),
    )));
    Program::start_by(&mut shell, config)
}

#[tokio::test]
async fn restarts_under_load_refuse_nobody() {
    let origin = origin().await;
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let config = format!("listen = \"{address}\"\nupstream = \"{}\"\n", origin.url());
    let mut program = on_socket(&socket, &config).await;
    program.says(&format!("listening on {address}")).await;
    let load = Load::on(Place::Tcp(address), None);
    for _ in 0..3 {
        load.until(SOME).await;
        program.signal(Signal::TERM);
        assert_eq!(program.code().await, Some(0));
        // Nobody accepts now: what connects waits with the socket.
        program = on_socket(&socket, &config).await;
    }
    load.until(SOME).await;
    let (answered, failed) = load.end().await;
    assert_eq!(failed, [""; 0], "of {answered}");
}

#[tokio::test]
async fn a_socket_that_no_listener_is_for_is_an_error() {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let config = "listen = \"127.0.0.1:0\"\nupstream = \"http://127.0.0.1:9\"\n";
    let mut program = on_socket(&socket, config).await;
    let said = program.says(&format!("the socket {address} (http) was passed")).await;
    assert!(said.contains("tls.listen"), "what to do: {said}");
    assert_eq!(program.code().await, Some(1));
}

#[tokio::test]
async fn what_is_passed_to_another_process_or_is_no_socket_is_not_taken() {
    let config = "listen = \"127.0.0.1:0\"\nupstream = \"http://127.0.0.1:9\"\n";
    let start = |pid: &str, count: &str| {
        let script = format!(
            "exec 3</dev/null; LISTEN_FDS={count} LISTEN_PID={pid} exec \"$0\" run --config \"$1\""
        );
        let mut shell = Command::new("sh");
        shell.args(["-c", &script, env!("CARGO_BIN_EXE_larder")]).kill_on_drop(true);
        Program::start_by(&mut shell, config)
    };
    start("1", "1").says("listening on 127.0.0.1:").await;
    for (count, words) in [
        ("1", "the socket 0 (unknown) that was passed: fd 3 is not a socket"),
        ("99999999999999", "LISTEN_FDS is no number up to 64"),
        ("x", "LISTEN_FDS is no number up to 64"),
    ] {
        let mut program = start("$$", count);
        program.says(words).await;
        assert_eq!(program.code().await, Some(1));
    }
}
