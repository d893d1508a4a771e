use std::time::Duration;

use tokio::io::AsyncWriteExt;

use super::support::{
    BODY_IDLE, FIRST_BYTE, OK, Origin, forward, get, idle_connection, run, text, uploading,
    uploading_h2,
};
use crate::{
    clock::Clock,
    upstream::{ClientFault, Error, RequestBody},
};

const CHUNKED: &str = "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n";

#[test]
fn an_upload_is_streamed_with_its_length() {
    run(async {
        let origin = Origin::start().await;
        let (upstream, clock) = origin.upstream();
        let head =
            "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 6\r\ncontent-length: 6\r\n\r\nabc";
        let (mut client, request) = uploading(head).await;
        let (answer, ()) = tokio::join!(forward(&upstream, request, &clock), async {
            let mut peer = origin.accept().await;
            let head = peer.head().await;
            assert_eq!(head.matches("content-length: 6\r\n").count(), 1, "{head}");
            assert_eq!(peer.read(3).await, "abc", "as it comes");
            client.write_all(b"def").await.unwrap();
            assert_eq!(peer.read(3).await, "def");
            peer.say(OK).await;
        });
        assert_eq!(text(answer.unwrap()).await.unwrap(), "ok");
    });
}

#[test]
fn an_upload_of_unknown_length_is_chunked_by_us_with_its_trailers() {
    // hyper would drop the GET's body if nothing were said about it.
    for method in ["POST", "GET"] {
        run(async {
            let origin = Origin::start().await;
            let (upstream, clock) = origin.upstream();
            let (_client, request) = uploading(&format!(
                "{method} / HTTP/1.1\r\nhost: a\r\ntrailer: x-sum\r\ntransfer-encoding: chunked\r\n\
                 \r\n0003;ext=1\r\nabc\r\n0\r\nx-sum: 7\r\n\r\n"
            ))
            .await;
            let (answer, mut peer) = tokio::join!(forward(&upstream, request, &clock), async {
                let mut peer = origin.accept().await;
                let head = peer.head().await;
                assert!(head.contains("transfer-encoding: chunked\r\n"), "{head}");
                assert!(!head.contains("content-length"), "{head}");
                let body = "3\r\nabc\r\n0\r\nx-sum: 7\r\n\r\n";
                assert_eq!(peer.read(body.len()).await, body);
                peer.say(OK).await;
                peer
            });
            assert_eq!(text(answer.unwrap()).await.unwrap(), "ok");
            let (answer, ()) = tokio::join!(get(&upstream), peer.serve(OK));
            answer.unwrap();
            origin.assert_no_other("an upload that has ended gives the connection back");
        });
    }
}

#[test]
fn an_empty_upload_is_no_body() {
    run(async {
        let (_client, request) =
            uploading("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n").await;
        let body = RequestBody::streamed(request.into_body(), Clock::system(), BODY_IDLE);
        assert!(http_body::Body::is_end_stream(&body));
        assert_eq!(http_body::Body::size_hint(&body).exact(), Some(0));
        assert!(!body.polled());
    });
}

#[test]
fn an_origin_that_stops_reading_an_upload_is_given_up_and_slows_the_client_down() {
    const CHUNK: [u8; 16 << 10] = [b'x'; 16 << 10];
    const CHUNKS: usize = 4096;
    run(async {
        let origin = Origin::start().await;
        let (upstream, clock) = origin.upstream();
        let length = CHUNK.len() * CHUNKS;
        let head = format!("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\n\r\n");
        let (mut client, request) = uploading(&head).await;
        let written = std::cell::Cell::new(0);
        let uploading = async {
            for _ in 0..CHUNKS {
                client.write_all(&CHUNK).await.unwrap();
                written.set(written.get() + CHUNK.len());
            }
            std::future::pending::<()>().await;
        };
        let waiting = async {
            let mut peer = origin.accept().await;
            peer.head().await;
            loop {
                clock.until_sleeping(FIRST_BYTE).await;
                clock.advance(FIRST_BYTE);
            }
        };
        let answer = tokio::select! {
            answer = forward(&upstream, request, &clock) => answer,
            () = uploading => unreachable!("pending for ever"),
            () = waiting => unreachable!("a loop without end"),
        };
        assert!(matches!(answer, Err(Error::FirstByteTimeout(_))), "{answer:?}");
        assert!(written.get() < length / 2, "{} bytes went somewhere", written.get());
    });
}

#[test]
fn the_time_that_the_client_takes_is_not_the_origins() {
    run(async {
        let origin = Origin::start().await;
        let (upstream, clock) = origin.upstream();
        let (mut client, request) = uploading(CHUNKED).await;
        let (answer, ()) = tokio::join!(forward(&upstream, request, &clock), async {
            let mut peer = origin.accept().await;
            peer.head().await;
            let pause = BODY_IDLE - Duration::from_secs(1);
            assert!(pause > FIRST_BYTE);
            for _ in 0..3 {
                clock.until_sleeping(BODY_IDLE).await;
                clock.advance(pause);
                client.write_all(b"1\r\na\r\n").await.unwrap();
                assert_eq!(peer.read(6).await, "1\r\na\r\n");
            }
            client.write_all(b"0\r\n\r\n").await.unwrap();
            peer.read(5).await;
            // From here on it is the origin's again, in full.
            clock.until_sleeping(FIRST_BYTE).await;
            clock.advance(FIRST_BYTE - Duration::from_secs(1));
            peer.say(OK).await;
        });
        assert_eq!(text(answer.unwrap()).await.unwrap(), "ok");
    });
}

#[test]
fn a_client_that_stalls_is_named_as_the_cause() {
    run(async {
        let origin = Origin::start().await;
        let (upstream, clock) = origin.upstream();
        let (_client, request) = uploading(&format!("{CHUNKED}1\r\na\r\n")).await;
        let (answer, rest) = tokio::join!(forward(&upstream, request, &clock), async {
            let mut peer = origin.accept().await;
            peer.head().await;
            peer.read(6).await;
            clock.until_sleeping(BODY_IDLE).await;
            clock.advance(BODY_IDLE);
            peer.rest().await
        });
        assert!(matches!(answer, Err(Error::Client(ClientFault::Idle))), "{answer:?}");
        assert_eq!(rest, b"", "no last chunk: it must not look whole");
    });
}

#[test]
fn a_client_that_breaks_off_is_named_as_the_cause() {
    for (sent, relayed) in [("1\r\na\r\n", "1\r\na\r\n"), ("1\r\na\r\nwhat\r\n", "1\r\na\r\n")] {
        run(async {
            let origin = Origin::start().await;
            let (upstream, clock) = origin.upstream();
            let (client, request) = uploading(&format!("{CHUNKED}{sent}")).await;
            let (answer, rest) = tokio::join!(forward(&upstream, request, &clock), async {
                let mut peer = origin.accept().await;
                peer.head().await;
                assert_eq!(peer.read(relayed.len()).await, relayed);
                drop(client);
                peer.rest().await
            });
            assert!(matches!(answer, Err(Error::Client(ClientFault::Broken))), "{answer:?}");
            assert_eq!(rest, b"", "no last chunk: it must not look whole");
        });
    }
}

const H2_SETTINGS: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
// :method POST, :scheme http, :path /, :authority a
const H2_POST: &[u8] = b"\0\0\x06\x01\x04\0\0\0\x01\x83\x86\x84\x01\x01a";
// and content-length: 1
const H2_POST_1: &[u8] = b"\0\0\x0a\x01\x04\0\0\0\x01\x83\x86\x84\x01\x01a\x0f\x0d\x011";
const H2_DATA: &[u8] = b"\0\0\x01\0\0\0\0\0\x01x";

#[test]
fn an_http2_upload_ends_with_its_last_declared_byte() {
    run(async {
        let origin = Origin::start().await;
        let (upstream, clock) = origin.upstream();
        let (_client, request) = uploading_h2(&[H2_SETTINGS, H2_POST_1, H2_DATA].concat()).await;
        let (answer, mut peer) = tokio::join!(forward(&upstream, request, &clock), async {
            let mut peer = origin.accept().await;
            assert!(peer.head().await.contains("content-length: 1\r\n"));
            assert_eq!(peer.read(1).await, "x");
            peer.say(OK).await;
            peer
        });
        assert_eq!(text(answer.unwrap()).await.unwrap(), "ok");
        let (answer, ()) = tokio::join!(get(&upstream), peer.serve(OK));
        answer.unwrap();
        origin.assert_no_other("its END_STREAM is not waited for");
    });
}

/// POST, then RST_STREAM(NO_ERROR): hyper ends such a body as if it were whole.
#[test]
fn an_http2_upload_that_is_reset_is_not_whole() {
    const RESET: &[u8] = b"\0\0\x04\x03\0\0\0\0\x01\0\0\0\0";
    const END: &[u8] = b"\0\0\0\0\x01\0\0\0\x01";
    for (last, whole) in [(END, true), (RESET, false)] {
        run(async {
            let origin = Origin::start().await;
            let (upstream, clock) = origin.upstream();
            let preface = [H2_SETTINGS, H2_POST, H2_DATA].concat();
            let (mut client, request) = uploading_h2(&preface).await;
            let (answer, ()) = tokio::join!(forward(&upstream, request, &clock), async {
                let mut peer = origin.accept().await;
                peer.head().await;
                assert_eq!(peer.read(6).await, "1\r\nx\r\n");
                client.write_all(last).await.unwrap();
                if whole {
                    assert_eq!(peer.read(5).await, "0\r\n\r\n");
                    peer.say(OK).await;
                } else {
                    assert_eq!(peer.rest().await, b"", "no last chunk");
                }
            });
            match answer {
                Ok(_) => assert!(whole),
                Err(Error::Client(ClientFault::Broken)) => assert!(!whole),
                Err(error) => panic!("{error}"),
            }
        });
    }
}

#[test]
fn an_answer_before_the_upload_has_ended_is_delivered_and_ends_the_upload() {
    run(async {
        let origin = Origin::start().await;
        let (upstream, clock) = origin.upstream();
        let (_client, request) = uploading(&format!("{CHUNKED}1\r\na\r\n")).await;
        let early = "HTTP/1.1 413 Content Too Large\r\ncontent-length: 3\r\n\r\nbig";
        let (answer, mut peer) = tokio::join!(forward(&upstream, request, &clock), async {
            let mut peer = origin.accept().await;
            peer.head().await;
            peer.read(6).await;
            peer.say(early).await;
            peer
        });
        assert_eq!(text(answer.unwrap()).await.unwrap(), "big");
        assert_eq!(peer.rest().await, b"", "closed, and no last chunk");
        idle_connection(&origin, &upstream).await;
    });
}

/// The origin answers, closes with unread bytes in its buffer, and so resets the connection while
/// we are writing.
#[test]
fn an_answer_survives_the_reset_of_its_upload() {
    const LENGTH: usize = 32 << 20;
    for round in 0..20 {
        run(async {
            let origin = Origin::start().await;
            let (upstream, clock) = origin.upstream();
            let head = format!("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: {LENGTH}\r\n\r\n");
            let (mut client, request) = uploading(&head).await;
            tokio::spawn(async move { while client.write_all(&[b'x'; 8 << 10]).await.is_ok() {} });
            let body = "x".repeat(40_000);
            let early = format!("HTTP/1.1 413 No\r\ncontent-length: {}\r\n\r\n{body}", body.len());
            let (answer, ()) = tokio::join!(forward(&upstream, request, &clock), async {
                let mut peer = origin.accept().await;
                peer.head().await;
                for _ in 0..round * 100 {
                    peer.read(1 << 10).await;
                }
                peer.say(&early).await;
            });
            assert_eq!(text(answer.unwrap()).await.unwrap().len(), body.len());
        });
    }
}
