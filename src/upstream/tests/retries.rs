use std::{
    future::Future,
    pin::{Pin, pin},
    sync::atomic::{AtomicBool, Ordering::Acquire},
    task::{Context, Waker},
};

use http::Method;
use tokio::runtime::Builder;

use super::support::{
    Answer, BODY_IDLE, OK, Origin, Peer, forward, get, head, idle_connection, run, run_on, send,
    text, uploading,
};
use crate::{
    clock::Clock,
    upstream::{Errand, Error, RequestBody, Upstream},
};

/// Takes a request on an idle connection, then dies without an answer.
async fn die(mut peer: Peer) -> String {
    peer.head().await
}

async fn send_to_dying(origin: &Origin, upstream: &Upstream, method: Method) -> Answer {
    let dying = idle_connection(origin, upstream).await;
    tokio::join!(send(upstream, method), die(dying)).0
}

#[test]
fn an_idempotent_request_is_repeated_when_a_reused_connection_dies() {
    for method in [Method::GET, Method::HEAD, Method::DELETE, Method::PUT, Method::OPTIONS] {
        run(async {
            let origin = Origin::start().await;
            let (upstream, _) = origin.upstream();
            let dying = idle_connection(&origin, &upstream).await;
            let (answer, lost, peer) =
                tokio::join!(send(&upstream, method.clone()), die(dying), async {
                    let mut peer = origin.accept().await;
                    let head = peer.head().await;
                    peer.say("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
                    head
                });
            answer.unwrap();
            assert_eq!(lost, peer, "the very same request");
            origin.assert_no_other("repeated once");
        });
    }
}

#[test]
fn a_request_that_fails_twice_is_given_up() {
    run(async {
        let origin = Origin::start().await;
        let (upstream, _) = origin.upstream();
        let dying = idle_connection(&origin, &upstream).await;
        let (answer, _, _) =
            tokio::join!(get(&upstream), die(dying), async { die(origin.accept().await).await });
        assert!(matches!(answer, Err(Error::Http(_))), "{answer:?}");
        origin.assert_no_other("repeated once, not twice");
    });
}

#[test]
fn a_post_that_was_written_is_not_repeated() {
    run(async {
        let origin = Origin::start().await;
        let (upstream, _) = origin.upstream();
        let answer = send_to_dying(&origin, &upstream, Method::POST).await;
        assert!(matches!(answer, Err(Error::Http(_))), "{answer:?}");
        origin.assert_no_other("it may have been carried out");
    });
}

#[test]
fn a_new_connection_that_dies_is_no_reason_to_repeat() {
    run(async {
        let origin = Origin::start().await;
        let (upstream, _) = origin.upstream();
        let (answer, _) = tokio::join!(get(&upstream), async { die(origin.accept().await).await });
        assert!(matches!(answer, Err(Error::Http(_))), "{answer:?}");
        origin.assert_no_other("only a reused connection is excused");
    });
}

#[test]
fn an_answer_that_has_begun_is_not_asked_for_again() {
    run(async {
        let origin = Origin::start().await;
        let (upstream, _) = origin.upstream();
        let mut peer = idle_connection(&origin, &upstream).await;
        let (answer, ()) = tokio::join!(get(&upstream), async {
            peer.serve("H").await;
            drop(peer);
        });
        assert!(matches!(answer, Err(Error::Http(_))), "{answer:?}");
        origin.assert_no_other("one byte is enough");
    });
}

#[test]
fn a_request_with_a_body_is_not_repeated() {
    run(async {
        let origin = Origin::start().await;
        let (upstream, clock) = origin.upstream();
        let dying = idle_connection(&origin, &upstream).await;
        let (_client, request) =
            uploading("PUT / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nhi").await;
        let (answer, _) = tokio::join!(forward(&upstream, request, &clock), die(dying));
        assert!(matches!(answer, Err(Error::Http(_))), "{answer:?}");
        origin.assert_no_other("the body is gone");
    });
}

/// hyper hands a request back if its connection turns out to be closed before anything was written.
/// The close must come between the choice of the connection and the writing: so this runtime looks
/// for I/O after every task, and a task that does nothing is queued before the connection's.
fn run_in_small_steps(test: impl Future<Output = ()>) {
    run_on(Builder::new_current_thread().event_interval(1), test);
}

/// A request that has been given to a connection which is closed, but does not know it.
async fn handed_to_closed(closed: Peer, sending: Pin<&mut impl Future<Output = Answer>>) {
    // What the last exchange has left in the run queue comes first.
    for _ in 0..16 {
        tokio::task::yield_now().await;
    }
    drop(closed);
    tokio::spawn(async {});
    let polled = sending.poll(&mut Context::from_waker(Waker::noop()));
    assert!(polled.is_pending(), "the connection was taken as good");
}

#[test]
fn a_request_that_was_not_written_is_sent_on_a_new_connection() {
    run_in_small_steps(async {
        let origin = Origin::start().await;
        let (upstream, _) = origin.upstream();
        let closed = idle_connection(&origin, &upstream).await;
        let (_client, request) =
            uploading("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nhi").await;
        let (head, body) = request.into_parts();
        let body = RequestBody::streamed(body, Clock::system(), BODY_IDLE);
        let sent = AtomicBool::new(false);
        let mut sending = pin!(upstream.send(head, body, Errand::test(&sent)));
        handed_to_closed(closed, sending.as_mut()).await;
        let (answer, ()) = tokio::join!(sending, async {
            let mut peer = origin.accept().await;
            peer.head().await;
            assert_eq!(peer.read(2).await, "hi");
            peer.say(OK).await;
        });
        assert_eq!(text(answer.unwrap()).await.unwrap(), "ok");
        assert!(sent.load(Acquire));
        origin.assert_no_other("repeated once");
    });
}

#[test]
fn sent_is_taken_back_when_nothing_was_written() {
    run_in_small_steps(async {
        let origin = Origin::start().await;
        let (upstream, _) = origin.upstream();
        let closed = idle_connection(&origin, &upstream).await;
        drop(origin);
        let sent = AtomicBool::new(false);
        let mut sending =
            pin!(upstream.send(head(Method::POST, &[]), RequestBody::empty(), Errand::test(&sent)));
        handed_to_closed(closed, sending.as_mut()).await;
        assert!(sent.load(Acquire), "by then it may have been written");
        let answer = sending.await;
        assert!(matches!(answer, Err(Error::Connect(_))), "{answer:?}");
        assert!(!sent.load(Acquire), "but was not");
    });
}

#[test]
fn sent_stays_true_for_a_request_that_was_written() {
    run(async {
        let origin = Origin::start().await;
        let (upstream, _) = origin.upstream();
        let dying = idle_connection(&origin, &upstream).await;
        let sent = AtomicBool::new(false);
        drop(origin);
        let sending =
            upstream.send(head(Method::GET, &[]), RequestBody::empty(), Errand::test(&sent));
        let (answer, _) = tokio::join!(sending, die(dying));
        assert!(matches!(answer, Err(Error::Connect(_))), "{answer:?}");
        assert!(sent.load(Acquire), "somebody has read it");
    });
}
