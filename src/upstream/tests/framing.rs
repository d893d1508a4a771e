use std::sync::atomic::AtomicBool;

use http::{Method, StatusCode, Version, header::CONTENT_LENGTH};
use http_body::Body;

use super::support::{Answer, OK, Origin, get, head, idle_connection, run, send, text};
use crate::upstream::{Errand, Error, RequestBody};

/// What comes of a GET that is answered so.
async fn answered(answer: &str) -> Answer {
    let origin = Origin::start().await;
    let (upstream, _) = origin.upstream();
    let (result, _peer) = tokio::join!(get(&upstream), async {
        let mut peer = origin.accept().await;
        peer.head().await;
        // An answer may be refused, and the connection closed, before its end.
        let _ = tokio::io::AsyncWriteExt::write_all(&mut peer.0, answer.as_bytes()).await;
        peer
    });
    result
}

#[test]
fn what_is_not_http_is_refused() {
    let endless = format!("HTTP/1.1 200 OK\r\nx-endless: {}", "x".repeat(1 << 20));
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "x: y\r\n".repeat(101));
    for (answer, why) in [
        ("SSH-2.0-OpenSSH_9.2\r\n\r\n", "not HTTP"),
        ("HTTP/2.0 200 OK\r\ncontent-length: 0\r\n\r\n", "a version that we did not speak"),
        ("HTTP/1.1 200 OK\r\nfolded: a\r\n b\r\ncontent-length: 0\r\n\r\n", "obs-fold"),
        ("HTTP/1.1 200 OK\r\nspace : a\r\ncontent-length: 0\r\n\r\n", "a space before the colon"),
        ("HTTP/1.1 200 OK\r\nno colon\r\ncontent-length: 0\r\n\r\n", "a line without a colon"),
        ("HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab", "two lengths"),
        ("HTTP/1.1 200 OK\r\ncontent-length: +2\r\n\r\nab", "a sign"),
        ("HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", "chunked in HTTP/1.0"),
        (endless.as_str(), "a head without end"),
        (many.as_str(), "101 fields"),
    ] {
        run(async {
            let result = answered(answer).await;
            assert!(matches!(result, Err(Error::Http(_))), "{why}: {result:?}");
        });
    }
}

#[test]
fn a_hundred_fields_pass() {
    let fields = "x: y\r\n".repeat(99);
    run(async {
        let answer = format!("HTTP/1.1 200 OK\r\n{fields}content-length: 2\r\n\r\nok");
        assert_eq!(text(answered(&answer).await.unwrap()).await.unwrap(), "ok");
    });
}

#[test]
fn a_transfer_coding_beside_chunked_is_refused() {
    for coding in [
        "gzip, chunked",
        "gzip",
        "X-GZip",
        "identity",
        "chunked, chunked",
        "unheard-of, chunked",
        "chunked, unheard-of",
        "unheard-of;level=9",
        "unheard of",
        "\"unheard-of\"",
        "",
        "xchunked",
        "chunked-x",
        "\u{e9}",
    ] {
        run(async {
            let answer = format!("HTTP/1.1 200 OK\r\ntransfer-encoding: {coding}\r\n\r\n0\r\n\r\n");
            let result = answered(&answer).await;
            assert!(matches!(result, Err(Error::Framing(_))), "{coding}: {result:?}");
        });
    }
    run(async {
        let twice = "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\ntransfer-encoding: chunked\r\n\
                     \r\n0\r\n\r\n";
        assert!(matches!(answered(twice).await, Err(Error::Framing(_))), "in two lines");
        let upper = "HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";
        assert_eq!(text(answered(upper).await.unwrap()).await.unwrap(), "ok");
    });
}

#[test]
fn a_body_under_a_coding_that_nobody_knows_ends_with_its_connection() {
    run(async {
        let origin = Origin::start().await;
        let (upstream, _) = origin.upstream();
        let unheard = "HTTP/1.1 200 OK\r\nconnection: keep-alive\r\n\
                       transfer-encoding: unheard-of\r\n\r\nok";
        let (answer, peer) = tokio::join!(get(&upstream), origin.serve(unheard));
        let response = answer.unwrap();
        assert_eq!(
            response.body().size_hint().exact(),
            None,
            "RFC 9112 §6.3: the end is the close"
        );
        drop(peer);
        assert_eq!(text(response).await.unwrap(), "ok");
        idle_connection(&origin, &upstream).await;
    });
    for (answer, why) in [
        (
            "200 OK\r\ncontent-length: 2\r\ntransfer-encoding: unheard-of\r\n\r\nok",
            "§6.3: two ends",
        ),
        ("204 No Content\r\ntransfer-encoding: unheard-of\r\n\r\nok", "§6.1: there is no body"),
    ] {
        run(async {
            let result = answered(&format!("HTTP/1.1 {answer}")).await;
            assert!(matches!(result, Err(Error::Framing(_))), "{why}: {result:?}");
        });
    }
}

#[test]
fn content_length_beside_chunked_is_dropped_with_the_connection() {
    run(async {
        let origin = Origin::start().await;
        let (upstream, _) = origin.upstream();
        let both = "HTTP/1.1 200 OK\r\ncontent-length: 50\r\ntransfer-encoding: chunked\r\n\r\n\
                    2\r\nok\r\n0\r\n\r\n";
        let (answer, mut peer) = tokio::join!(get(&upstream), origin.serve(both));
        let response = answer.unwrap();
        assert!(!response.headers().contains_key(CONTENT_LENGTH));
        assert_eq!(response.body().size_hint().exact(), None);
        assert_eq!(text(response).await.unwrap(), "ok");
        assert_eq!(peer.rest().await, b"", "RFC 9112 §6.1: who reads it otherwise is off by 48");
        idle_connection(&origin, &upstream).await;
    });
}

#[test]
fn equal_lengths_become_one() {
    run(async {
        let twice = "HTTP/1.1 200 OK\r\ncontent-length: 2, 2\r\ncontent-length: 02\r\n\r\nok";
        let response = answered(twice).await.unwrap();
        let lengths: Vec<_> = response.headers().get_all(CONTENT_LENGTH).iter().collect();
        assert_eq!(lengths, ["2"]);
        assert_eq!(text(response).await.unwrap(), "ok");
    });
}

#[test]
fn a_length_that_describes_no_body_must_be_one_too() {
    for length in ["2, 3", "-1", "two", ""] {
        run(async {
            let origin = Origin::start().await;
            let (upstream, _) = origin.upstream();
            let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n");
            let (result, _peer) =
                tokio::join!(send(&upstream, Method::HEAD), origin.serve(&answer));
            assert!(matches!(result, Err(Error::Framing(_))), "{length:?}: {result:?}");
        });
    }
}

#[test]
fn informational_responses_are_consumed() {
    let hints = "HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload\r\n\r\n";
    let answer = format!("HTTP/1.1 100 Continue\r\n\r\n{hints}HTTP/1.1 102 Processing\r\n\r\n{OK}");
    run(async {
        let response = answered(&answer).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert!(!response.headers().contains_key("link"), "not merged into the answer");
        assert_eq!(text(response).await.unwrap(), "ok");
    });
}

#[test]
fn a_response_without_content_ends_at_its_head_and_gives_its_connection_back() {
    for (method, answer, declared) in [
        (Method::HEAD, "HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n", Some("50")),
        (Method::HEAD, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", None),
        (Method::HEAD, "HTTP/1.1 200 OK\r\n\r\n", None),
        (Method::GET, "HTTP/1.1 304 Not Modified\r\ncontent-length: 50\r\n\r\n", Some("50")),
        (Method::GET, "HTTP/1.1 304 Not Modified\r\n\r\n", None),
        (Method::GET, "HTTP/1.1 204 No Content\r\n\r\n", None),
        (Method::GET, "HTTP/1.1 204 No Content\r\ncontent-length: 0\r\n\r\n", None),
        (Method::GET, "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", Some("0")),
    ] {
        run(async {
            let origin = Origin::start().await;
            let (upstream, _) = origin.upstream();
            let (result, mut peer) =
                tokio::join!(send(&upstream, method.clone()), origin.serve(answer));
            let response = result.unwrap();
            assert!(response.body().is_end_stream(), "{answer}");
            assert_eq!(response.body().size_hint().exact(), Some(0), "{answer}");
            let length = response.headers().get(CONTENT_LENGTH);
            assert_eq!(length.map(|it| it.to_str().unwrap()), declared, "{answer}");
            // The response is still there, but the connection is free.
            let (second, ()) = tokio::join!(get(&upstream), peer.serve(OK));
            assert_eq!(text(second.unwrap()).await.unwrap(), "ok");
            origin.assert_no_other(answer);
        });
    }
}

#[test]
fn a_204_that_declares_a_body_loses_its_connection() {
    for framing in ["content-length: 5", "transfer-encoding: chunked"] {
        run(async {
            let origin = Origin::start().await;
            let (upstream, _) = origin.upstream();
            let answer = format!("HTTP/1.1 204 No Content\r\n{framing}\r\n\r\n");
            let (result, mut peer) = tokio::join!(get(&upstream), origin.serve(&answer));
            assert!(!result.unwrap().headers().contains_key(CONTENT_LENGTH));
            peer.rest().await;
            idle_connection(&origin, &upstream).await;
        });
    }
}

#[test]
fn another_protocol_than_asked_is_refused() {
    run(async {
        let result = answered("HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n").await;
        assert!(matches!(result, Err(Error::Framing(_))), "{result:?}");
    });
}

#[test]
fn a_request_without_a_body_says_so_where_a_body_is_usual() {
    for (method, length) in [
        (Method::GET, false),
        (Method::DELETE, false),
        (Method::POST, true),
        (Method::PUT, true),
        (Method::PATCH, true),
    ] {
        run(async {
            let origin = Origin::start().await;
            let (upstream, _) = origin.upstream();
            let (_, head) = tokio::join!(send(&upstream, method.clone()), async {
                let mut peer = origin.accept().await;
                let head = peer.head().await;
                peer.say(OK).await;
                head
            });
            assert!(head.starts_with(&format!("{method} / HTTP/1.1\r\nhost: api.example\r\n")));
            assert_eq!(head.contains("content-length: 0\r\n"), length, "{head}");
            assert!(!head.contains("transfer-encoding"), "{head}");
        });
    }
}

#[test]
fn the_framing_of_a_request_is_ours_alone() {
    run(async {
        let origin = Origin::start().await;
        let (upstream, _) = origin.upstream();
        let fields = [("transfer-encoding", "gzip, chunked"), ("content-length", "5"), ("x", "y")];
        for version in [Version::HTTP_10, Version::HTTP_11, Version::HTTP_2] {
            let mut asking = head(Method::GET, &fields);
            asking.version = version;
            let sent = AtomicBool::new(false);
            let sending = upstream.send(asking, RequestBody::empty(), Errand::test(&sent));
            let (_, head) = tokio::join!(sending, async {
                let mut peer = origin.accept().await;
                let head = peer.head().await;
                peer.say("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n").await;
                head
            });
            assert_eq!(head, "GET / HTTP/1.1\r\nhost: api.example\r\nx: y\r\n\r\n");
        }
    });
}
