use std::{future::Future, pin::Pin};

use futures_util::FutureExt;
use http::StatusCode;

use super::support::{Answer, FIRST_BYTE, OK, Origin, get, run, text, upstream};
use crate::upstream::{Error, Upstream};

/// An upstream with one place.
fn narrow(origin: &Origin) -> (Upstream, std::sync::Arc<crate::clock::Manual>) {
    let mut config = origin.config();
    config.max_concurrent = 1;
    upstream(config)
}

type Sending<'a> = Pin<Box<dyn Future<Output = Answer> + 'a>>;

/// Requests that have been polled once, and wait.
fn waiting(upstream: &Upstream, count: usize) -> Vec<Sending<'_>> {
    let mut waiting: Vec<Sending<'_>> = (0..count).map(|_| get(upstream).boxed_local()).collect();
    for sending in &mut waiting {
        assert!(sending.now_or_never().is_none(), "no place is free");
    }
    waiting
}

#[test]
fn a_place_is_held_until_the_body_has_ended() {
    run(async {
        let origin = Origin::start().await;
        let (upstream, _) = narrow(&origin);
        let (first, mut peer) = tokio::join!(get(&upstream), origin.serve(OK));
        let mut second = waiting(&upstream, 1);
        text(first.unwrap()).await.unwrap();
        let (answer, ()) = tokio::join!(&mut second[0], peer.serve(OK));
        assert_eq!(answer.unwrap().status(), StatusCode::OK);
        origin.assert_no_other("who waited finds the connection, too");
    });
}

#[test]
fn a_place_is_free_when_the_body_is_dropped() {
    run(async {
        let origin = Origin::start().await;
        let (upstream, _) = narrow(&origin);
        let (first, _peer) = tokio::join!(get(&upstream), origin.serve(OK));
        drop(first.unwrap());
        let (second, _peer) = tokio::join!(get(&upstream), origin.serve(OK));
        second.unwrap();
    });
}

#[test]
fn a_place_is_free_when_the_request_fails_or_is_dropped() {
    run(async {
        let origin = Origin::start().await;
        let (upstream, _) = narrow(&origin);
        let (failed, _peer) = tokio::join!(get(&upstream), origin.serve("what?\r\n\r\n"));
        failed.unwrap_err();
        let mut dropped = Box::pin(get(&upstream));
        tokio::select! {
            _ = &mut dropped => panic!("nobody has answered"),
            _peer = origin.accept() => {}
        }
        drop(dropped);
        let (answer, _peer) = tokio::join!(get(&upstream), origin.serve(OK));
        answer.unwrap();
    });
}

#[test]
fn a_wait_for_a_place_has_an_end() {
    run(async {
        let origin = Origin::start().await;
        let (upstream, clock) = narrow(&origin);
        let (first, _peer) = tokio::join!(get(&upstream), origin.serve(OK));
        let (second, ()) = tokio::join!(get(&upstream), async {
            clock.until_sleeping(FIRST_BYTE).await;
            clock.advance(FIRST_BYTE);
        });
        assert!(matches!(second, Err(Error::Busy)), "{second:?}");
        text(first.unwrap()).await.unwrap();
    });
}

#[test]
fn the_queue_is_bounded_and_first_come_first_served() {
    run(async {
        let origin = Origin::start().await;
        let (upstream, _) = narrow(&origin);
        let (first, mut peer) = tokio::join!(get(&upstream), origin.serve(OK));
        let mut queue = waiting(&upstream, 1024);
        let turned_away = get(&upstream).now_or_never();
        assert!(matches!(turned_away, Some(Err(Error::Busy))), "{turned_away:?}");

        drop(queue.remove(0));
        queue.append(&mut waiting(&upstream, 1));
        let turned_away = get(&upstream).now_or_never();
        assert!(matches!(turned_away, Some(Err(Error::Busy))), "one left, one came");

        text(first.unwrap()).await.unwrap();
        let last = queue.pop().unwrap();
        let (second, ()) = tokio::join!(queue.remove(0), peer.serve(OK));
        assert!(last.now_or_never().is_none(), "the second has the place");
        text(second.unwrap()).await.unwrap();
    });
}
