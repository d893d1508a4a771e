//! What all scenarios share: the origin, which servers there are, how much to measure.

use std::{
    net::{SocketAddr, TcpStream},
    process::{Child, Command},
    thread,
    time::Duration,
};

use rustix::thread::{CpuSet, sched_setaffinity};

use crate::{
    bare::Failure,
    pairs::Effort,
    peer::{Peer, Setup, free_address},
};

/// The core of the server that is measured; load and origin have the other.
pub(crate) const SERVER: &str = "0";
const LOAD: usize = 1;

/// The rest of the run.
#[derive(Debug)]
pub(crate) struct Bench {
    pub(crate) effort: Effort,
    pub(crate) origin: SocketAddr,
    child: Child,
    missing: Vec<Peer>,
}

impl Bench {
    /// Pins this process, and so what it starts, to the load's core; starts the origin.
    pub(crate) fn new(effort: Effort) -> Result<Bench, Failure> {
        let mut cores = CpuSet::new();
        cores.set(LOAD);
        sched_setaffinity(None, &cores)?;
        let origin = free_address()?;
        // It shares its core with a load that never sleeps, and must be woken all the same. Only
        // root may raise it; elsewhere it stays as it is.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "TERM", "nice", "-n", "-10"]).arg(std::env::current_exe()?);
        let child = command.args(["origin", &origin.to_string()]).spawn()?;
        while TcpStream::connect(origin).is_err() {
            thread::sleep(Duration::from_millis(1));
        }
        let others = [Peer::Nginx, Peer::NginxAsItComes, Peer::Haproxy, Peer::Varnish];
        let missing = others.into_iter().filter(|peer| peer.program().is_none()).collect();
        Ok(Bench { effort, origin, child, missing })
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

impl Drop for Bench {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
