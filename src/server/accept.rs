//! The loop of one listener: it survives whatever the kernel says about single connections, and
//! a lack of file descriptors.

use std::{io, sync::Arc, time::Duration};

use rustix::io::Errno;

use super::{
    arrive::{Door, Knock},
    connection::{self, Accepted},
    front::Common,
    handler::Handler,
    listen::Listener,
};

/// How long to leave the kernel alone when it has no descriptor or no memory for a connection.
pub(super) const BACK_OFF: Duration = Duration::from_millis(100);

/// Accepts until the task is aborted.
pub(super) async fn accept<H: Handler>(
    (listener, door): (Listener, Door),
    common: Arc<Common>,
    handler: H,
) {
    let mut failing = false;
    loop {
        match listener.accept().await {
            Ok((socket, addr)) => {
                failing = false;
                common.counters.connections.one();
                let place = common.places.take(&common.counters).await;
                let knock = Knock { socket, addr, door: door.clone() };
                let accepted = Accepted { knock, place };
                tokio::spawn(connection::serve(accepted, common.clone(), handler.clone()));
            }
            Err(error) if is_of_one(&error) => tracing::debug!(%error, "accept"),
            Err(error) => {
                if !std::mem::replace(&mut failing, true) {
                    tracing::warn!(%error, "cannot accept connections; trying again");
                }
                common.clock.sleep(BACK_OFF).await;
            }
        }
    }
}

/// Whether the error is that of the connection, not of the listener (accept(2)).
fn is_of_one(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(
            Errno::CONNABORTED
                | Errno::CONNRESET
                | Errno::INTR
                | Errno::PERM
                | Errno::PROTO
                | Errno::NOPROTOOPT
                | Errno::NETDOWN
                | Errno::NETUNREACH
                | Errno::NONET
                | Errno::HOSTDOWN
                | Errno::HOSTUNREACH
                | Errno::OPNOTSUPP
                | Errno::INVAL
        )
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lack_of_descriptors_is_no_connections_fault() {
        for errno in [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM, Errno::BADF] {
            assert!(!is_of_one(&errno.into()), "{errno}: back off");
        }
        for errno in [Errno::CONNABORTED, Errno::PROTO, Errno::HOSTUNREACH] {
            assert!(is_of_one(&errno.into()), "{errno}: the next one, please");
        }
    }
}
