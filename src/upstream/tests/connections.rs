use std::{
    io,
    pin::Pin,
    sync::{Arc, atomic::AtomicBool},
    task::{Context, Poll},
    time::Duration,
};

use http::Request;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};

use super::support::{OK, Peer, run};
use crate::{
    clock::Clock,
    upstream::{
        RequestBody,
        connection::{Connection, Course},
        wire::Wire,
    },
};

fn request() -> Request<RequestBody> {
    Request::new(RequestBody::empty())
}

#[test]
fn a_connection_that_is_not_at_rest_is_waited_for_but_not_for_long() {
    run(async {
        let (clock, manual) = Clock::manual(0);
        let (socket, origin) = tokio::io::duplex(1 << 10);
        let mut connection = Connection::open(Box::new(socket)).await.unwrap();
        let answer = connection.exchange(request(), Course::Along);
        let (settled, ()) = tokio::join!(connection.settles(&clock), async {
            manual.until_sleeping(Duration::from_millis(20)).await;
            manual.advance(Duration::from_millis(20));
        });
        assert!(!settled, "the answer is still to come");

        let (settled, ()) = tokio::join!(connection.settles(&clock), async {
            manual.until_sleeping(Duration::from_millis(20)).await;
            Peer(origin).serve(OK).await;
            let body = answer.await.unwrap().into_body();
            http_body_util::BodyExt::collect(body).await.unwrap();
        });
        assert!(!settled, "by now the origin is gone");
        assert!(connection.is_closed());
    });
}

#[test]
fn a_connection_comes_to_rest_when_its_exchange_is_over() {
    run(async {
        let (clock, manual) = Clock::manual(0);
        let (socket, origin) = tokio::io::duplex(1 << 10);
        let mut connection = Connection::open(Box::new(socket)).await.unwrap();
        let answer = connection.exchange(request(), Course::Along);
        let mut origin = Peer(origin);
        let (settled, ()) = tokio::join!(connection.settles(&clock), async {
            manual.until_sleeping(Duration::from_millis(20)).await;
            origin.serve(OK).await;
            let body = answer.await.unwrap().into_body();
            http_body_util::BodyExt::collect(body).await.unwrap();
        });
        assert!(settled);
    });
}

/// A socket whose peer has reset it, after the error was told to a write.
#[derive(Debug)]
struct Reset;

impl AsyncRead for Reset {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Reset {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[test]
fn a_failed_write_makes_the_end_an_error() {
    run(async {
        let mut wire = Wire::new(Box::new(Reset), Arc::new(AtomicBool::new(false)));
        assert_eq!(wire.read(&mut [0; 8]).await.unwrap(), 0, "an end as any other");
        let written = futures_util::FutureExt::now_or_never(wire.write(b"x"));
        assert!(written.is_none(), "the reading side tells what has happened");
        let error = wire.read(&mut [0; 8]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    });
}
