//! Listening sockets that a service manager opened for us (sd_listen_fds(3)): they outlive the
//! process, so that from its end to the next one's start connections wait, and none is refused.
//!
//! A socket is found by its address: it serves where the configuration would listen there.

use std::{
    env, io,
    net::{SocketAddr, TcpListener},
    os::unix::net::UnixListener,
    path::PathBuf,
};

use listenfd::ListenFd;
use socket2::SockRef;

use crate::config::Listen;

/// More than a configuration listens at: whoever passes more means something else.
const MOST: usize = 64;

/// The sockets that were passed and are not in use yet.
#[derive(Debug, Default)]
pub struct Inherited(Vec<Passed>);

#[derive(Debug)]
struct Passed {
    /// As the socket unit calls it (`FileDescriptorName=`).
    name: String,
    /// `None` where no configuration could name it.
    address: Option<Listen>,
    socket: Passable,
}

/// A listening socket, of either kind.
#[derive(Debug)]
pub(super) enum Passable {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Inherited {
    /// Takes what was passed to this process. To be called first of all: while other threads run,
    /// the environment must not change.
    ///
    /// # Errors
    /// What was passed that cannot be listened on.
    pub fn take() -> Result<Inherited, String> {
        // The crate would take what was passed to another process, and believe any number.
        let own = std::process::id().to_string();
        let Some(count) = env::var("LISTEN_FDS")
            .ok()
            .filter(|_| env::var("LISTEN_PID").is_ok_and(|pid| pid == own))
        else {
            return Ok(Inherited::default());
        };
        let count = count.parse().ok().filter(|count| *count <= MOST);
        let count: usize = count.ok_or_else(|| format!("LISTEN_FDS is no number up to {MOST}"))?;
        let names = env::var("LISTEN_FDNAMES").unwrap_or_default();
        let mut names = names.split(':').map(str::to_owned);
        let mut passed = ListenFd::from_env();
        let each = (0..count).map(|index| {
            let name = names.next().filter(|name| !name.is_empty());
            let name = name.unwrap_or_else(|| "unknown".to_owned());
            Passed::take(&mut passed, index, name)
        });
        each.collect::<Result<_, _>>().map(Inherited)
    }

    /// The socket that is bound to `listen`, if one was passed.
    pub(super) fn claim(&mut self, listen: &Listen) -> Option<Passable> {
        let found = self.0.iter().position(|it| it.address.as_ref() == Some(listen))?;
        Some(self.0.swap_remove(found).socket)
    }

    /// What nobody claimed, in words: on it, clients would wait for ever.
    pub(super) fn unclaimed(&self) -> Option<String> {
        let Passed { name, address, .. } = self.0.first()?;
        let address = address.as_ref().map_or("without an address".to_owned(), Listen::to_string);
        Some(format!(
            "the socket {address} ({name}) was passed to this process, and no listen, tls.listen or \
             tls.redirect names that address: write it there, or remove it from the socket unit"
        ))
    }
}

impl Passed {
    fn take(passed: &mut ListenFd, index: usize, name: String) -> Result<Passed, String> {
        let fault =
            |error: io::Error| format!("the socket {index} ({name}) that was passed: {error}");
        let socket = match passed.take_tcp_listener(index) {
            Ok(Some(socket)) => Passable::Tcp(socket),
            Ok(None) => return Err(fault(io::ErrorKind::NotFound.into())),
            Err(_) => {
                let socket = passed.take_unix_listener(index).map_err(fault)?;
                Passable::Unix(socket.ok_or_else(|| fault(io::ErrorKind::NotFound.into()))?)
            }
        };
        let (listens, address) = match &socket {
            Passable::Tcp(socket) => {
                socket.set_nonblocking(true).map_err(fault)?;
                let address: SocketAddr = socket.local_addr().map_err(fault)?;
                (SockRef::from(socket).is_listener(), Some(Listen::Tcp(address)))
            }
            Passable::Unix(socket) => {
                socket.set_nonblocking(true).map_err(fault)?;
                let address = socket.local_addr().map_err(fault)?;
                let path = address.as_pathname().map(|path| Listen::Unix(PathBuf::from(path)));
                (SockRef::from(socket).is_listener(), path)
            }
        };
        match listens {
            Ok(true) => Ok(Passed { name, address, socket }),
            _ => Err(fault(io::Error::other("it does not listen (remove Accept= from the unit)"))),
        }
    }
}
