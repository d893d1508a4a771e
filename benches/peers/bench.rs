//! What all scenarios share: the origin, which servers there are, how much to measure.

use std::{
    net::{SocketAddr, TcpStream},
    process::{Child, Command},
    thread,
    time::Duration,
};

use rustix::{
    process::{Pid, setpriority_process},
    thread::{CpuSet, sched_setaffinity},
};

use crate::{
    bare::Failure,
    pairs::Effort,
    peer::{Peer, Setup, free_address},
};

/// The core of the server that is measured; load and origin have the other.
pub(crate) const SERVER: &str = "0";
const LOAD: usize = 1;

/// The origin's niceness beside a load that never sleeps: it must be woken all the same.
const URGENT: i32 = -10;

/// The same beside a load that keeps time, and must not wait for it.
const PATIENT: i32 = 10;

/// The rest of the run.
#[derive(Debug)]
pub(crate) struct Bench {
    pub(crate) effort: Effort,
    pub(crate) origin: SocketAddr,
    child: Child,
    /// Whether this may say who goes first.
    rules: bool,
    missing: Vec<Peer>,
}

impl Bench {
    /// Pins this process, and so what it starts, to the load's core; starts the origin.
    pub(crate) fn new(effort: Effort) -> Result<Bench, Failure> {
        let mut cores = CpuSet::new();
        cores.set(LOAD);
        sched_setaffinity(None, &cores)?;
        let origin = free_address()?;
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "TERM"]).arg(std::env::current_exe()?);
        let child = command.args(["origin", &origin.to_string()]).spawn()?;
        let rules = renice(&child, URGENT);
        while TcpStream::connect(origin).is_err() {
            thread::sleep(Duration::from_millis(1));
        }
        let others = [Peer::Nginx, Peer::NginxAsItComes, Peer::Haproxy, Peer::Varnish];
        let missing = others.into_iter().filter(|peer| peer.program().is_none()).collect();
        Ok(Bench { effort, origin, child, rules, missing })
    }

    /// Does something while the origin lets the load go first, with which it shares a core.
    pub(crate) fn in_time<T>(&self, measure: impl FnOnce() -> T) -> T {
        if !self.rules {
            return measure();
        }
        renice(&self.child, PATIENT);
        let measured = measure();
        renice(&self.child, URGENT);
        measured
    }

    /// Whether a server is installed.
    pub(crate) fn has(&self, peer: Peer) -> bool {
        !self.missing.contains(&peer)
    }

    /// Those that are not.
    pub(crate) fn missing(&self) -> impl Iterator<Item = &'static str> {
        self.missing.iter().map(|peer| peer.name())
    }

    /// The ordinary setup: memory for everything.
    pub(crate) fn setup(&self, cores: &'static str) -> Setup {
        Setup { origin: self.origin, cores, memory: 1024, canned: None, more: "", nginx: "" }
    }
}

/// `false` where that is not allowed: only root may make a process more urgent.
fn renice(child: &Child, niceness: i32) -> bool {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    setpriority_process(pid, niceness).is_ok()
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
