use std::{
    future::{Future, poll_fn},
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Wake, Waker},
};

use futures_util::task::AtomicWaker;
use http_body::Body;
use http_body_util::BodyExt;
use tokio::runtime::Builder;

use super::support::{OK, Origin, get, idle_connection, run, run_on, text};
use crate::{body, collapse::budget::Budget, upstream::BodyError};

#[test]
fn a_torn_body_is_an_error() {
    for (answer, why) in [
        ("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nshort", "fewer bytes than declared"),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n", "no last chunk"),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nok\r\n", "a short chunk"),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nok\r\n0\r\n\r\n", "a long one"),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nok\r\n0\r\n\r\n", "no size"),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nffffffffffffffff1\r\nok\r\n",
            "a size beyond 64 bits",
        ),
    ] {
        run(async {
            let origin = Origin::start().await;
            let (upstream, _) = origin.upstream();
            let (result, ()) = tokio::join!(get(&upstream), async {
                drop(origin.serve(answer).await);
            });
            let body = text(result.unwrap()).await;
            assert!(matches!(body, Err(BodyError::Http(_))), "{why}: {body:?}");
            idle_connection(&origin, &upstream).await;
        });
    }
}

#[test]
fn an_error_names_its_cause() {
    run(async {
        let origin = Origin::start().await;
        let (upstream, _) = origin.upstream();
        let short = "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nshort";
        let (result, ()) = tokio::join!(get(&upstream), async {
            drop(origin.serve(short).await);
        });
        let error = text(result.unwrap()).await.unwrap_err().to_string();
        assert!(error.contains("before message length reached"), "{error}");
    });
}

#[test]
fn a_body_may_end_with_its_connection_but_not_with_a_reset() {
    const UNDELIMITED: &str = "HTTP/1.1 200 OK\r\n\r\nall there is";
    run(async {
        let origin = Origin::start().await;
        let (upstream, _) = origin.upstream();
        let (result, ()) = tokio::join!(get(&upstream), async {
            drop(origin.serve(UNDELIMITED).await);
        });
        let response = result.unwrap();
        assert_eq!(response.body().size_hint().exact(), None);
        assert_eq!(text(response).await.unwrap(), "all there is");

        let (result, peer) = tokio::join!(get(&upstream), origin.serve(UNDELIMITED));
        peer.0.set_zero_linger().unwrap();
        drop(peer);
        let body = text(result.unwrap()).await;
        assert!(matches!(body, Err(BodyError::Http(_))), "{body:?}");
    });
}

#[test]
fn the_size_hint_is_what_is_left() {
    run(async {
        let origin = Origin::start().await;
        let (upstream, _) = origin.upstream();
        let begun = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n12";
        let (result, mut peer) = tokio::join!(get(&upstream), origin.serve(begun));
        let mut body = result.unwrap().into_body();
        assert_eq!((body.size_hint().exact(), body.is_end_stream()), (Some(5), false));
        body.frame().await.unwrap().unwrap();
        assert_eq!((body.size_hint().exact(), body.is_end_stream()), (Some(3), false));
        peer.say("345").await;
        body.frame().await.unwrap().unwrap();
        assert_eq!((body.size_hint().exact(), body.is_end_stream()), (Some(0), true));
        // At its last byte the connection is free, though nobody has asked for the end.
        let (second, ()) = tokio::join!(get(&upstream), peer.serve(OK));
        second.unwrap();
        origin.assert_no_other("the same connection");
    });
}

#[test]
fn a_slow_reader_slows_the_origin_down() {
    const SIZE: usize = 64 << 20;
    run(async {
        let origin = Origin::start().await;
        let (upstream, _) = origin.upstream();
        let begun = format!("HTTP/1.1 200 OK\r\ncontent-length: {SIZE}\r\n\r\n");
        let (result, peer) = tokio::join!(get(&upstream), origin.serve(&begun));
        let (mut body, socket) = (result.unwrap().into_body(), peer.0);
        let mut written = 0;
        // Nobody reads the body: the socket is full at some point, and stays so.
        let mut refused = 0;
        while refused < 100 {
            match socket.try_write(&[b'x'; 64 << 10]) {
                Ok(bytes) => (written, refused) = (written + bytes, 0),
                Err(_) => refused += 1,
            }
            tokio::task::yield_now().await;
        }
        assert!(written < SIZE / 2, "{written} bytes are buffered somewhere");
        let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
        assert!(first.len() <= 64 << 10, "{} bytes in one frame", first.len());
    });
}

#[test]
fn many_bodies_in_a_row_cost_one_connection_on_many_threads() {
    run_on(Builder::new_multi_thread().worker_threads(2), async {
        const EXCHANGES: usize = 2000;
        let origin = Origin::start().await;
        let (upstream, _) = origin.upstream();
        let serving = tokio::spawn(async move {
            let mut peer = origin.accept().await;
            for _ in 0..EXCHANGES / 2 {
                peer.serve(OK).await;
                peer.serve(
                    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
                )
                .await;
            }
            (origin, peer)
        });
        let asking = tokio::spawn(async move {
            for _ in 0..EXCHANGES {
                assert_eq!(text(get(&upstream).await.unwrap()).await.unwrap(), "ok");
            }
            upstream
        });
        let _upstream = asking.await.unwrap();
        let (origin, _peer) = serving.await.unwrap();
        origin.assert_no_other("the connection was at rest whenever it was asked for");
    });
}

#[test]
fn a_short_body_that_came_with_its_head_is_at_hand_and_holds_nothing() {
    run(async {
        let origin = Origin::start().await;
        let (upstream, _) = origin.upstream();
        let mut peer = idle_connection(&origin, &upstream).await;
        let (answer, ()) = tokio::join!(get(&upstream), peer.serve(OK));
        let bytes = answer.unwrap().into_body().at_hand().expect("it came in one piece");
        assert_eq!(bytes, "ok");
        assert_eq!(upstream.load().0, 0, "its place is free");
        let (answer, ()) = tokio::join!(get(&upstream), peer.serve(OK));
        assert_eq!(text(answer.unwrap()).await.unwrap(), "ok");
        origin.assert_no_other("its connection was put back");
    });
}

/// Wakes a task, and counts how often.
#[derive(Default)]
struct Counting {
    wakes: AtomicUsize,
    task: AtomicWaker,
}

impl Wake for Counting {
    fn wake(self: Arc<Counting>) {
        self.wakes.fetch_add(1, SeqCst);
        self.task.wake();
    }
}

#[test]
fn who_looks_whether_a_body_is_at_hand_is_not_woken_by_that() {
    run(async {
        let origin = Origin::start().await;
        let (upstream, _) = origin.upstream();
        let mut peer = idle_connection(&origin, &upstream).await;
        let counting = Arc::<Counting>::default();
        let waker = Waker::from(counting.clone());
        let mut asking = pin!(get(&upstream));
        let answer = poll_fn(|cx| {
            counting.task.register(cx.waker());
            asking.as_mut().poll(&mut Context::from_waker(&waker))
        });
        let (answer, ()) = tokio::join!(answer, peer.serve(OK));
        let before = counting.wakes.load(SeqCst);
        assert!(before > 0, "it was woken when its answer came");
        answer.unwrap().into_body().at_hand().expect("it came in one piece");
        assert_eq!(counting.wakes.load(SeqCst), before, "it has all of it");
    });
}

#[test]
fn what_is_at_hand_counts_until_it_was_sent_and_comes_as_it_comes_where_there_is_no_room() {
    run(async {
        let origin = Origin::start().await;
        let (upstream, _) = origin.upstream();
        let mut peer = idle_connection(&origin, &upstream).await;
        let (budget, none) = (Budget::new(4), Budget::new(3));
        let (answer, ()) = tokio::join!(get(&upstream), peer.serve(OK));
        let relayed = body::Body::relayed(answer.unwrap().into_body(), &budget);
        let body::Body::Full(bytes) = relayed else { panic!("{relayed:?}") };
        assert_eq!((&bytes[..], budget.used()), (&b"ok"[..], 2), "a client has yet to take it");
        drop(bytes);
        assert_eq!(budget.used(), 0);
        let (answer, ()) = tokio::join!(get(&upstream), peer.serve(OK));
        let relayed = body::Body::relayed(answer.unwrap().into_body(), &none);
        assert!(matches!(relayed, body::Body::Relayed(_)), "{relayed:?}");
        assert_eq!(none.used(), 0);
        assert_eq!(relayed.collect().await.unwrap().to_bytes(), "ok");
    });
}

#[test]
fn what_is_not_all_there_is_not_at_hand_and_loses_nothing() {
    run(async {
        let origin = Origin::start().await;
        let (upstream, _) = origin.upstream();
        let part = "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nbeg";
        let (answer, mut peer) = tokio::join!(get(&upstream), origin.serve(part));
        let body = answer.unwrap().into_body().at_hand().expect_err("half of it is to come");
        assert_eq!(body.size_hint().exact(), Some(6), "what was found counts");
        assert!(!body.is_end_stream());
        let (whole, ()) = tokio::join!(body.collect(), peer.say("un!"));
        assert_eq!(whole.unwrap().to_bytes(), "begun!");
        let (answer, ()) = tokio::join!(get(&upstream), peer.serve(OK));
        assert_eq!(text(answer.unwrap()).await.unwrap(), "ok");
        origin.assert_no_other("and then it ends as any other");
    });
}

#[test]
fn what_breaks_off_after_it_was_looked_for_is_torn() {
    run(async {
        let origin = Origin::start().await;
        let (upstream, _) = origin.upstream();
        let part = "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nbeg";
        let (answer, peer) = tokio::join!(get(&upstream), origin.serve(part));
        let body = answer.unwrap().into_body().at_hand().expect_err("half of it is to come");
        drop(peer);
        let torn = body.collect().await.map(|_| ());
        assert!(matches!(torn, Err(BodyError::Http(_))), "RFC 9112 §8: {torn:?}");
    });
}
