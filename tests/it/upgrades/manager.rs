//! What a service manager is told: by a path, and by a name in the abstract space.

use std::{
    fs,
    os::{
        linux::net::SocketAddrExt,
        unix::net::{SocketAddr, UnixDatagram},
    },
    path::Path,
};

use rustix::process::Signal;

use super::origin;
use crate::{
    program::{Program, command},
    support::within,
};

/// The next that is told.
async fn told(socket: &tokio::net::UnixDatagram) -> String {
    let mut text = [0; 512];
    let length = within("a word to the manager", socket.recv(&mut text)).await.unwrap();
    String::from_utf8_lossy(&text[..length]).into_owned()
}

fn bound(at: &SocketAddr) -> tokio::net::UnixDatagram {
    let socket = UnixDatagram::bind_addr(at).unwrap();
    socket.set_nonblocking(true).unwrap();
    tokio::net::UnixDatagram::from_std(socket).unwrap()
}

async fn a_life(name: &str, socket: tokio::net::UnixDatagram) {
    let origin = origin().await;
    let config = format!("listen = \"127.0.0.1:0\"\nupstream = \"{}\"\n", origin.url());
    let mut command = command();
    command.args(["run", "--config"]).env("NOTIFY_SOCKET", name);
    let mut program = Program::start_by(&mut command, &config);
    assert_eq!(told(&socket).await, "READY=1\nSTATUS=serving\n");
    program.says("listening on ").await;
    for text in [config.as_str(), "no configuration"] {
        fs::write(program.config(), text).unwrap();
        program.signal(Signal::HUP);
        let reloading = told(&socket).await;
        let since = reloading.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").expect(&reloading);
        let since: u64 = since.trim_end().parse().unwrap();
        let uptime = fs::read_to_string("/proc/uptime").unwrap();
        let uptime: f64 = uptime.split(' ').next().unwrap().parse().unwrap();
        #[allow(clippy::cast_precision_loss, reason = "it is compared roughly")]
        let apart = (uptime - since as f64 / 1e6).abs();
        assert!(apart < 60.0, "the kernel's clock, or systemd takes it for an old one: {apart}");
        assert_eq!(told(&socket).await, "READY=1\nSTATUS=serving\n", "whatever came of it");
    }
    program.signal(Signal::TERM);
    assert!(told(&socket).await.starts_with("STOPPING=1\n"));
    assert_eq!(program.code().await, Some(0));
}

#[tokio::test]
async fn the_manager_is_told_of_start_reload_and_end() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("notify");
    let socket = bound(&SocketAddr::from_pathname(&path).unwrap());
    a_life(&path.display().to_string(), socket).await;
    let name =
        format!("larder-test-{}", path.parent().and_then(Path::file_name).unwrap().display());
    let socket = bound(&SocketAddr::from_abstract_name(&name).unwrap());
    a_life(&format!("@{name}"), socket).await;
}

#[tokio::test]
async fn a_watchdog_hears_of_it_as_often_as_it_asks() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("notify");
    let socket = bound(&SocketAddr::from_pathname(&path).unwrap());
    let config = "listen = \"127.0.0.1:0\"\nupstream = \"http://127.0.0.1:9\"\n";
    let mut command = command();
    command.args(["run", "--config"]).env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "20000");
    let _program = Program::start_by(&mut command, config);
    assert_eq!(told(&socket).await, "READY=1\nSTATUS=serving\n");
    for _ in 0..3 {
        assert_eq!(told(&socket).await, "WATCHDOG=1\n");
    }
}
