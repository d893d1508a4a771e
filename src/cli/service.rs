//! What a service manager is told of this process (sd_notify(3)), where there is one.
//!
//! A datagram each, never waited for: a manager that does not read must not hold us.

use std::{
    env,
    os::{
        linux::net::SocketAddrExt,
        unix::net::{SocketAddr, UnixDatagram},
    },
    time::Duration,
};

use larder::clock::{self, Clock};

/// The way to the manager; without one, nothing is told.
#[derive(Debug)]
pub(crate) struct Manager(Option<Way>);

#[derive(Debug)]
struct Way {
    socket: UnixDatagram,
    address: SocketAddr,
}

impl Manager {
    /// The one that `NOTIFY_SOCKET` names: a path, or a name in the abstract space behind `@`.
    pub(crate) fn found() -> Manager {
        let Ok(name) = env::var("NOTIFY_SOCKET") else { return Manager(None) };
        let address = match name.strip_prefix('@') {
            Some(name) => SocketAddr::from_abstract_name(name),
            None => SocketAddr::from_pathname(&name),
        };
        let way = address.and_then(|address| {
            let socket = UnixDatagram::unbound()?;
            socket.set_nonblocking(true)?;
            Ok(Way { socket, address })
        });
        Manager(way.inspect_err(|error| tracing::warn!(%error, "NOTIFY_SOCKET")).ok())
    }

    /// It serves; after a reload, it serves again.
    pub(crate) fn ready(&self, status: &str) {
        self.tell(&format!("READY=1\nSTATUS={status}\n"));
    }

    /// It reads its configuration again.
    pub(crate) fn reloading(&self) {
        self.tell(&format!("RELOADING=1\nMONOTONIC_USEC={}\n", clock::since_boot().as_micros()));
    }

    /// It lets what is under way end, and ends.
    pub(crate) fn stopping(&self) {
        self.tell("STOPPING=1\nSTATUS=letting what is under way end\n");
    }

    /// Says that it is alive, for as long as it is, twice in the time that the manager asks for.
    /// Who awaits this gives the runtime the chance to show that it is stuck.
    pub(crate) async fn keep_alive(self, clock: Clock) {
        let Some(every) = watchdog() else { return };
        loop {
            self.tell("WATCHDOG=1\n");
            clock.sleep(every / 2).await;
        }
    }

    fn tell(&self, text: &str) {
        let Some(Way { socket, address }) = &self.0 else { return };
        if let Err(error) = socket.send_to_addr(text.as_bytes(), address) {
            tracing::debug!(%error, "the service manager is not told");
        }
    }
}

/// How often the manager wants to hear of this process.
fn watchdog() -> Option<Duration> {
    let own = std::process::id().to_string();
    let is_ours = env::var("WATCHDOG_PID").map_or(true, |pid| pid == own);
    let every = env::var("WATCHDOG_USEC").ok().filter(|_| is_ours)?;
    every.parse().ok().filter(|micros| *micros > 0).map(Duration::from_micros)
}
