use std::{net::SocketAddr, time::Duration};

use http_body_util::BodyExt;
use tokio::net::{TcpListener, TcpStream};

use super::support::{
    BETWEEN_BYTES, CONNECT, FIRST_BYTE, OK, Origin, config, deaf, get, idle_connection, run, text,
    unix, upstream,
};
use crate::{
    clock::Clock,
    config::Address,
    upstream::{BodyError, Error, connect::Connector},
};

fn second(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn nobody_accepts() {
    run(async {
        let (_deaf, address) = deaf();
        for host in ["127.0.0.1", "localhost"] {
            let (host, port) = (host.into(), address.port());
            let (upstream, _) = upstream(config(Address::Http { host, port }));
            let answer = get(&upstream).await;
            assert!(matches!(answer, Err(Error::Connect(_))), "{answer:?}");
        }
        let (upstream, _) = upstream(unix("nobody/listens/here".into()));
        let answer = get(&upstream).await;
        assert!(matches!(answer, Err(Error::Connect(_))), "{answer:?}");
    });
}

/// An address that takes no part in the handshake: there is room for one connection that is never
/// accepted, and Linux drops the SYN of the next.
async fn silent() -> (TcpListener, TcpStream, SocketAddr) {
    let (socket, address) = deaf();
    let listener = socket.listen(0).unwrap();
    let first = TcpStream::connect(address).await.unwrap();
    (listener, first, address)
}

#[test]
fn a_connection_that_does_not_come_is_given_up() {
    run(async {
        let (_listener, _first, address) = silent().await;
        let host = "127.0.0.1".into();
        let (upstream, clock) = upstream(config(Address::Http { host, port: address.port() }));
        let (answer, ()) = tokio::join!(get(&upstream), async {
            clock.until_sleeping(CONNECT).await;
            clock.advance(CONNECT);
        });
        assert!(matches!(answer, Err(Error::ConnectTimeout(CONNECT))), "{answer:?}");
    });
}

#[test]
fn the_next_address_of_a_name_is_tried() {
    run(async {
        let origin = Origin::start().await;
        let (clock, manual) = Clock::manual(0);
        let connector = Connector::new(&origin.config(), clock).unwrap();
        let (_deaf, refused) = deaf();
        let connected = connector.first_to_accept(&[refused, origin.address()]).await;
        assert_eq!(connected.unwrap().peer_addr().unwrap(), origin.address());

        let (_listener, _first, silent) = silent().await;
        let addresses = [silent, refused, origin.address()];
        let (connected, ()) = tokio::join!(connector.first_to_accept(&addresses), async {
            manual.until_sleeping(CONNECT / 3).await;
            manual.advance(CONNECT / 3);
        });
        assert_eq!(connected.unwrap().peer_addr().unwrap(), origin.address());
    });
}

#[test]
fn a_response_that_does_not_come_is_given_up() {
    for drip in ["", "HTTP/1.1 200 OK\r\nserv", "HTTP/1.1 103 Early Hints\r\n\r\n"] {
        run(async {
            let origin = Origin::start().await;
            let (upstream, clock) = origin.upstream();
            let (answer, mut peer) = tokio::join!(get(&upstream), async {
                let peer = origin.serve(drip).await;
                clock.until_sleeping(FIRST_BYTE).await;
                clock.advance(FIRST_BYTE);
                peer
            });
            assert!(matches!(answer, Err(Error::FirstByteTimeout(FIRST_BYTE))), "{answer:?}");
            assert_eq!(peer.rest().await, b"", "and the connection is closed");
            origin.assert_no_other("a slow answer is no reason to ask again");
        });
    }
}

#[test]
fn each_frame_of_a_body_has_its_own_time() {
    run(async {
        let origin = Origin::start().await;
        let (upstream, clock) = origin.upstream();
        let begun = "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n1";
        let (answer, mut peer) = tokio::join!(get(&upstream), origin.serve(begun));
        let mut body = answer.unwrap().into_body();
        body.frame().await.unwrap().unwrap();
        for byte in ["2", "3"] {
            let (frame, ()) = tokio::join!(body.frame(), async {
                clock.until_sleeping(BETWEEN_BYTES).await;
                clock.advance(BETWEEN_BYTES - second(1));
                peer.say(byte).await;
            });
            assert_eq!(frame.unwrap().unwrap().into_data().unwrap(), byte);
        }
        let (frame, ()) = tokio::join!(body.frame(), async {
            clock.until_sleeping(BETWEEN_BYTES).await;
            clock.advance(BETWEEN_BYTES);
        });
        assert!(matches!(frame, Some(Err(BodyError::Idle(BETWEEN_BYTES)))), "{frame:?}");
        peer.rest().await;
        assert!(body.frame().await.is_none_or(|frame| frame.is_err()), "no second life");
    });
}

#[test]
fn a_reader_that_takes_its_time_is_not_the_origins_fault() {
    run(async {
        let origin = Origin::start().await;
        let (upstream, clock) = origin.upstream();
        let begun = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n1";
        let (answer, mut peer) = tokio::join!(get(&upstream), origin.serve(begun));
        let mut body = answer.unwrap().into_body();
        body.frame().await.unwrap().unwrap();
        clock.advance(BETWEEN_BYTES * 10);
        peer.say("2").await;
        assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "2");
    });
}

#[test]
fn the_reuse_of_a_connection_starts_all_waits_anew() {
    run(async {
        let origin = Origin::start().await;
        let (upstream, clock) = origin.upstream();
        let mut peer = idle_connection(&origin, &upstream).await;
        clock.advance(second(3));
        let (answer, ()) = tokio::join!(get(&upstream), async {
            peer.head().await;
            clock.until_sleeping(FIRST_BYTE).await;
            clock.advance(FIRST_BYTE - second(1));
            peer.say(OK).await;
        });
        assert_eq!(text(answer.unwrap()).await.unwrap(), "ok");
    });
}
