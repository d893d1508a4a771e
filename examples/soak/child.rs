//! The process under test: started, reloaded, measured, ended.

use std::{
    net::{SocketAddr, TcpListener},
    process::{Child, Command, Stdio},
    time::Duration,
};

use larder::clock::Clock;
use rustix::process::{Pid, Signal, kill_process};

use crate::Failure;

/// A running `larder run`. Killed on drop.
pub(crate) struct Larder {
    child: Child,
    address: SocketAddr,
    _directory: tempfile::TempDir,
}

/// How the process ended when it was asked to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ended {
    pub(crate) within: Duration,
    pub(crate) success: bool,
}

impl Drop for Larder {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Larder {
    /// Starts the binary before `origin` and waits until it accepts.
    pub(crate) async fn start(
        binary: &str,
        origin: SocketAddr,
        clock: &Clock,
    ) -> Result<Larder, Failure> {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let directory = tempfile::tempdir()?;
        let file = directory.path().join("proxy.toml");
        let text = format!(
            "listen = \"{address}\"\nupstream = \"http://{origin}\"\n\
             [cache.memory]\nmax_size = \"64MiB\"\n[timeouts]\nshutdown = \"10s\"\n"
        );
        std::fs::write(&file, text)?;
        let child = Command::new(binary)
            .args(["run", "--config"])
            .arg(&file)
            .stdin(Stdio::null())
            .spawn()
            .map_err(|error| format!("{binary}: {error}"))?;
        let mut larder = Larder { child, address, _directory: directory };
        for _ in 0..100 {
            if tokio::net::TcpStream::connect(address).await.is_ok() {
                return Ok(larder);
            }
            if let Some(status) = larder.child.try_wait()? {
                return Err(format!("{binary} ended at once: {status}").into());
            }
            clock.sleep(Duration::from_millis(100)).await;
        }
        Err(format!("{binary} does not accept at {address}").into())
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// SIGHUP.
    pub(crate) fn reload(&self) -> Result<(), Failure> {
        self.signal(Signal::HUP)
    }

    /// Resident memory in KiB.
    pub(crate) fn rss(&self) -> Result<u64, Failure> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let number = line.and_then(|line| line.trim().split(' ').next());
        Ok(number.ok_or("no VmRSS: the process has ended")?.parse()?)
    }

    /// Resident memory in KiB, once nobody asks any more: the median of a few looks.
    pub(crate) async fn settled_rss(&self, clock: &Clock) -> Result<u64, Failure> {
        let mut looks = Vec::new();
        clock.sleep(Duration::from_secs(6)).await;
        for _ in 0..5 {
            looks.push(self.rss()?);
            clock.sleep(Duration::from_millis(200)).await;
        }
        looks.sort_unstable();
        Ok(looks[2])
    }

    /// Open sockets.
    pub(crate) fn sockets(&self) -> Result<usize, Failure> {
        let open = std::fs::read_dir(format!("/proc/{}/fd", self.child.id()))?;
        let targets = open.flatten().filter_map(|entry| std::fs::read_link(entry.path()).ok());
        Ok(targets.filter(|it| it.to_string_lossy().starts_with("socket:")).count())
    }

    /// SIGTERM, and how it ended.
    pub(crate) async fn stop(&mut self, clock: &Clock) -> Result<Ended, Failure> {
        self.signal(Signal::TERM)?;
        let asked = clock.instant();
        for _ in 0..300 {
            if let Some(status) = self.child.try_wait()? {
                let within = clock.instant() - asked;
                return Ok(Ended { within, success: status.success() });
            }
            clock.sleep(Duration::from_millis(100)).await;
        }
        Ok(Ended { within: clock.instant() - asked, success: false })
    }

    fn signal(&self, signal: Signal) -> Result<(), Failure> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        Ok(kill_process(pid.ok_or("no process")?, signal)?)
    }
}
