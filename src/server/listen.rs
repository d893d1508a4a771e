//! Listening sockets, TCP and unix.

use std::{
    fs, io,
    net::SocketAddr,
    os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

use socket2::{Domain, SockAddr, Socket as RawSocket, Type};
use tokio::net::{TcpListener, UnixListener};

use super::{inherited::Passable, peer::PeerAddr, socket::Socket};
use crate::config::Listen;

/// Connections that the kernel keeps for us until they are accepted; it has its own maximum.
const BACKLOG: i32 = 4096;

/// Who may connect to a unix socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// Whom the process's umask allows.
    Umask,
    /// Its owner alone.
    Owner,
}

/// A listening socket.
#[derive(Debug)]
pub(super) enum Listener {
    Tcp(TcpListener),
    /// The file is `None` where somebody else listens on, too.
    Unix(UnixListener, Option<SocketFile>),
}

/// The file of a unix socket; removed when it is no longer listened on.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    /// Device and inode: whoever replaced the file keeps theirs.
    file: (u64, u64),
}

impl Listener {
    /// Begins to listen. Where IPv4 has the same port in `all`, `[::]` leaves IPv4 to it.
    pub(super) fn bind(listen: &Listen, all: &[&Listen], access: Access) -> io::Result<Listener> {
        match listen {
            Listen::Tcp(addr) => tcp(*addr, all),
            Listen::Unix(path) => unix(path, access),
        }
    }

    /// Listens on a socket that was passed to us. Its file is not ours to remove.
    pub(super) fn inherit(passed: Passable) -> io::Result<Listener> {
        match passed {
            Passable::Tcp(socket) => TcpListener::from_std(socket).map(Listener::Tcp),
            Passable::Unix(socket) => {
                UnixListener::from_std(socket).map(|socket| Listener::Unix(socket, None))
            }
        }
    }

    /// The address as bound.
    pub(super) fn address(&self) -> io::Result<Listen> {
        match self {
            Listener::Tcp(listener) => listener.local_addr().map(Listen::Tcp),
            Listener::Unix(_, Some(file)) => Ok(Listen::Unix(file.path.clone())),
            Listener::Unix(listener, None) => {
                let address = listener.local_addr()?;
                let path = address.as_pathname().map(Path::to_owned);
                Ok(Listen::Unix(path.unwrap_or_default()))
            }
        }
    }

    /// The next connection.
    pub(super) async fn accept(&self) -> io::Result<(Socket, PeerAddr)> {
        match self {
            Listener::Tcp(listener) => {
                let (stream, addr) = listener.accept().await?;
                // Without it a small response could wait for the client's delayed ACK.
                stream.set_nodelay(true)?;
                Ok((Socket::Tcp(stream), PeerAddr::Ip(addr.ip().to_canonical())))
            }
            Listener::Unix(listener, _) => {
                let (stream, _) = listener.accept().await?;
                Ok((Socket::Unix(stream), PeerAddr::Unix))
            }
        }
    }
}

fn tcp(addr: SocketAddr, all: &[&Listen]) -> io::Result<Listener> {
    let socket = RawSocket::new(Domain::for_address(addr), Type::STREAM, None)?;
    if addr.is_ipv6() {
        let beside = |it: &&Listen| matches!(it, Listen::Tcp(it) if it.is_ipv4() && it.port() == addr.port());
        socket.set_only_v6(addr.port() != 0 && all.iter().any(beside))?;
    }
    // A restart must not wait for the connections of the last run to leave TIME_WAIT.
    socket.set_reuse_address(true)?;
    socket.bind(&addr.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(Listener::Tcp(TcpListener::from_std(socket.into())?))
}

fn unix(path: &Path, access: Access) -> io::Result<Listener> {
    remove_stale(path)?;
    let socket = RawSocket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.bind(&SockAddr::unix(path)?)?;
    let file = SocketFile::at(path)?;
    if access == Access::Owner {
        // Before it listens, so that nobody else was ever let in.
        fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    }
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(Listener::Unix(UnixListener::from_std(socket.into())?, Some(file)))
}

/// Removes the socket file of a process that is gone. Nothing else is ever removed.
fn remove_stale(path: &Path) -> io::Result<()> {
    let found = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        found => found?,
    };
    if !found.file_type().is_socket() {
        return Err(io::Error::new(
            io::ErrorKind::AlreadyExists,
            "the file is there, and no socket",
        ));
    }
    let probe = RawSocket::new(Domain::UNIX, Type::STREAM, None)?;
    // A full backlog must not hold us: it says that somebody listens, too.
    probe.set_nonblocking(true)?;
    match probe.connect(&SockAddr::unix(path)?) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
        Ok(()) | Err(_) => Err(io::ErrorKind::AddrInUse.into()),
    }
}

impl SocketFile {
    fn at(path: &Path) -> io::Result<SocketFile> {
        let file = fs::symlink_metadata(path)?;
        Ok(SocketFile { path: path.to_owned(), file: (file.dev(), file.ino()) })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let ours = fs::symlink_metadata(&self.path)
            .is_ok_and(|found| (found.dev(), found.ino()) == self.file);
        if ours {
            let _ = fs::remove_file(&self.path);
        }
    }
}
