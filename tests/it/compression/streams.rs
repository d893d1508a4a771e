//! Bodies that are packed while they arrive.

use super::{CODINGS, GUNZIP_SO_FAR, json, run, unpack, unpacked, users};
use crate::support::{Gate, H2, Origin, Proxy, Reply, get, send};

const STREAMS: &str = "[compression]\ntypes = [\"text/event-stream\"]";

fn events(gate: &Gate) -> Reply {
    let reply = Reply::ok("data: one\n\n").chunked().gate(gate).body("data: two\n\n");
    reply.header("Content-Type", "text/event-stream").header("Cache-Control", "no-store")
}

#[tokio::test]
async fn each_event_goes_on_when_it_comes_where_event_streams_are_listed() {
    for coding in CODINGS {
        let gate = Gate::new();
        let origin = Origin::always(events(&gate)).await;
        let proxy = Proxy::with(&origin, STREAMS).await;
        let ask = get(&proxy, "/").header("Accept-Encoding", coding);
        let mut stream = ask.arriving().await;
        assert_eq!(stream.so_far().header("content-encoding"), Some(coding));
        let mut so_far = stream.body(1).await.to_vec();
        if coding == "gzip" {
            // The head of the format may come by itself.
            while run("python3", &["-c", GUNZIP_SO_FAR], &so_far).await != b"data: one\n\n" {
                let length = so_far.len();
                so_far = stream.body(length + 1).await.to_vec();
            }
        }
        gate.open();
        let whole = stream.end().await.unwrap();
        assert_eq!(unpack(coding, &whole.body).await, b"data: one\n\ndata: two\n\n", "{coding}");
    }
}

#[tokio::test]
async fn event_streams_are_left_alone_unless_listed() {
    let gate = Gate::new();
    gate.open();
    let origin = Origin::always(events(&gate)).await;
    let proxy = Proxy::before(&origin).await;
    let answer = get(&proxy, "/").header("Accept-Encoding", "gzip").await;
    assert_eq!(answer.header("content-encoding"), None);
    assert_eq!(answer.header("vary"), None, "RFC 9110 §12.5.5: nothing depends on it");
    assert_eq!(answer.text(), "data: one\n\ndata: two\n\n");
}

#[tokio::test]
async fn a_torn_body_never_looks_whole_when_it_is_packed() {
    for cache in ["max-age=60", "no-store"] {
        let reply = Reply::ok(users()).header("Content-Type", "application/json");
        let reply = reply.header("Cache-Control", cache).torn_after(6000);
        for torn in [reply.clone(), reply.chunked().resetting()] {
            let origin = Origin::always(torn).await;
            let proxy = Proxy::before(&origin).await;
            for coding in CODINGS {
                let answer = get(&proxy, "/").header("Accept-Encoding", coding).result().await;
                let broken = answer.expect_err("RFC 9112 §8: the connection breaks");
                assert_eq!(broken.so_far.header("content-encoding"), Some(coding), "{cache}");
                let h2 = H2::connect(&proxy).await;
                let answer = h2.get("/", &[("accept-encoding", coding)]).await;
                assert!(answer.is_err(), "RFC 9113 §8.1: the stream is reset: {coding}, {cache}");
            }
        }
    }
}

#[tokio::test]
async fn beyond_max_streams_bodies_are_sent_as_they_are() {
    let gate = Gate::new();
    let text = users();
    let (begin, end) = text.split_at(4000);
    let reply = Reply::ok(begin.to_owned()).gate(&gate).body(end.to_owned());
    let reply =
        reply.header("Content-Type", "application/json").header("Cache-Control", "no-store");
    let origin = Origin::always(reply).await;
    let proxy = Proxy::with(&origin, "[compression]\nmax_streams = 1").await;
    let ask = || get(&proxy, "/").header("Accept-Encoding", "gzip").arriving();
    let (first, second) = (ask().await, ask().await);
    assert_eq!(first.so_far().header("content-encoding"), Some("gzip"));
    assert_eq!(second.so_far().header("content-encoding"), None, "there is room for one");
    assert_eq!(second.so_far().header("vary"), Some("accept-encoding"), "§12.5.5");
    let head = send(&proxy, "HEAD", "/").header("Accept-Encoding", "gzip").await;
    assert_eq!(head.header("content-encoding"), None, "RFC 9110 §9.3.2: nor would a GET now");
    gate.open();
    assert_eq!(unpacked(&first.end().await.unwrap()).await, text);
    assert_eq!(second.end().await.unwrap().text(), text);
    let third = get(&proxy, "/").header("Accept-Encoding", "gzip").await;
    assert_eq!(third.header("content-encoding"), Some("gzip"), "there is room again");
}

#[tokio::test]
async fn http2_clients_get_what_they_accept() {
    let origin = Origin::always(json(60)).await;
    let proxy = Proxy::before(&origin).await;
    for hit in [false, true] {
        let h2 = H2::connect(&proxy).await;
        for coding in CODINGS {
            let answer = h2.get("/", &[("accept-encoding", coding)]).await.unwrap();
            assert_eq!(answer.header("content-encoding"), Some(coding));
            assert_eq!(unpacked(&answer).await, users(), "{coding}, {hit}");
        }
    }
    assert_eq!(origin.requests(), 1);
}

#[tokio::test]
async fn a_crowd_gets_one_and_the_same_packed_body() {
    let origin = Origin::always(json(60)).await;
    let proxy = Proxy::before(&origin).await;
    get(&proxy, "/").await;
    let crowd = (0..50).map(|_| get(&proxy, "/").header("Accept-Encoding", "br").result());
    let answers = futures_util::future::join_all(crowd).await;
    let first = answers[0].as_ref().unwrap();
    assert_eq!(unpacked(first).await, users());
    assert!(answers.iter().all(|it| it.as_ref().unwrap().body == first.body));
}
