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
        assert!(matches!(second, Err(Error::Busy(_))), "{second:?}");
        text(first.unwrap()).await.unwrap();
    });
}

#[test]
fn clients_take_turns() {
    use crate::upstream::places::{Client, Places, Stay};
    let (clock, _) = crate::clock::Clock::manual(0);
    let places = Places::new(4);
    let address = |n: u8| Some(std::net::Ipv4Addr::new(192, 0, 2, n).into());
    let by = |n: u8| (Client::of(address(n)), Stay::Brief);
    let ask = |n: u8| Box::pin(places.take(by(n), &clock, FIRST_BYTE));
    let mut busy: std::collections::VecDeque<_> =
        (0..4).map(|_| ask(1).now_or_never().unwrap().unwrap()).collect();
    let mut waiting: Vec<_> =
        (0..1010).map(|n| (n >= 1000, ask(1 + u8::from(n >= 1000)))).collect();
    for (_, asking) in &mut waiting {
        assert!(asking.now_or_never().is_none(), "no place is free");
    }
    let (mut turns, mut served) = (0, 0);
    while served < 10 {
        drop(busy.pop_front());
        turns += 1;
        let given = waiting.iter_mut().enumerate();
        let mut given =
            given.filter_map(|(at, (is_b, it))| Some((at, *is_b, it.now_or_never()?.unwrap())));
        let (at, is_b, place) = given.next().expect("a free place is given at once");
        assert!(given.next().is_none(), "one place, one turn");
        drop(given);
        drop(waiting.swap_remove(at));
        served += usize::from(is_b);
        busy.push_back(place);
    }
    assert!(turns <= 20, "A has 1,000 waiting and B 10; B's last had to wait for {turns} turns");
}

#[test]
fn a_full_queue_makes_room_for_who_has_less_in_it() {
    use crate::upstream::places::{Client, Places, Stay};
    let (clock, _) = crate::clock::Clock::manual(0);
    let places = Places::new(1);
    let by = |n: u8| (Client::of(Some(std::net::Ipv4Addr::new(192, 0, 2, n).into())), Stay::Brief);
    let ask = |n: u8| Box::pin(places.take(by(n), &clock, FIRST_BYTE));
    let _busy = ask(1).now_or_never().unwrap().unwrap();
    let mut waiting: Vec<_> = (0..1024).map(|_| ask(1)).collect();
    assert!(waiting.iter_mut().all(|it| it.now_or_never().is_none()));
    assert!(matches!(ask(1).now_or_never(), Some(Err(Error::Busy(_)))), "it has the most");
    let mut newcomer = ask(2);
    assert!((&mut newcomer).now_or_never().is_none(), "who has nothing waiting may wait");
    let last = waiting.pop().unwrap().now_or_never();
    assert!(matches!(last, Some(Err(Error::Busy(_)))), "the last one of the many has left for it");
    assert!(waiting.iter_mut().all(|it| it.now_or_never().is_none()));
}

#[test]
fn the_queue_is_bounded_and_first_come_first_served() {
    run(async {
        let origin = Origin::start().await;
        let (upstream, _) = narrow(&origin);
        let (first, mut peer) = tokio::join!(get(&upstream), origin.serve(OK));
        let mut queue = waiting(&upstream, 1024);
        let turned_away = get(&upstream).now_or_never();
        assert!(matches!(turned_away, Some(Err(Error::Busy(_)))), "{turned_away:?}");

        drop(queue.remove(0));
        queue.append(&mut waiting(&upstream, 1));
        let turned_away = get(&upstream).now_or_never();
        assert!(matches!(turned_away, Some(Err(Error::Busy(_)))), "one left, one came");

        text(first.unwrap()).await.unwrap();
        let last = queue.pop().unwrap();
        let (second, ()) = tokio::join!(queue.remove(0), peer.serve(OK));
        assert!(last.now_or_never().is_none(), "the second has the place");
        text(second.unwrap()).await.unwrap();
    });
}

/// Threads that look for a place just when another frees it.
#[test]
fn a_place_that_becomes_free_is_missed_by_nobody() {
    use crate::upstream::places::{Client, Places, Stay};
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    super::support::run_on(runtime.worker_threads(2), async {
        let (clock, _) = crate::clock::Clock::manual(0);
        let places = std::sync::Arc::new(Places::new(1));
        let tasks: Vec<_> = (0..2_u8)
            .map(|n| {
                let (places, clock) = (places.clone(), clock.clone());
                tokio::spawn(async move {
                    let by =
                        (Client::of(Some(std::net::Ipv4Addr::from([n; 4]).into())), Stay::Brief);
                    for _ in 0..200_000 {
                        // The clock stands still: who is forgotten waits for ever.
                        drop(places.take(by, &clock, FIRST_BYTE).await.unwrap());
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
}
