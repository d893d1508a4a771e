//! One fetch for many clients: who follows, who goes alone, and what becomes of a fetch that
//! everybody has left.
//!
//! A body that waits at a gate after its first piece shows who follows: whoever has that piece
//! while the gate is shut reads along.

use crate::support::{Arriving, Gate, Origin, Proxy, Reply, get, send};

/// An origin whose bodies say which request they answer, then wait at the gate, then end.
async fn in_two_pieces(header: (&'static str, &'static str)) -> (Origin, Gate) {
    let gate = Gate::new();
    let held = gate.clone();
    let origin = Origin::serve(move |seen| {
        let first = format!("take {}", seen.number);
        Reply::ok(first).gate(&held).body(", end").chunked().header(header.0, header.1)
    })
    .await;
    (origin, gate)
}

const FRESH: (&str, &str) = ("Cache-Control", "max-age=60");

/// A client that has read the first piece of `/`.
async fn reading(proxy: &Proxy) -> Arriving {
    let mut arriving = get(proxy, "/").arriving().await;
    arriving.body(6).await;
    arriving
}

#[tokio::test]
async fn a_hundred_clients_make_one_request() {
    let (origin, gate) = in_two_pieces(FRESH).await;
    let proxy = Proxy::before(&origin).await;
    let mut clients = Vec::new();
    for n in 0..100 {
        let client = reading(&proxy).await;
        let status = client.so_far().cache_status();
        assert_eq!((status.fwd(), status.collapsed), ("uri-miss", n > 0), "client {n}");
        clients.push(client);
    }
    assert_eq!(origin.requests(), 1, "the other 99 follow the first");
    gate.open();
    for client in clients {
        assert_eq!(client.end().await.unwrap().text(), "take 1, end");
    }
    assert!(get(&proxy, "/").await.is_hit());
}

#[tokio::test]
async fn clients_that_wait_for_the_head_follow_too() {
    let gate = Gate::new();
    let origin = Origin::always(Reply::fresh(60, "x").held(&gate)).await;
    let proxy = Proxy::before(&origin).await;
    let mut clients = Vec::new();
    for _ in 0..20 {
        clients.push(get(&proxy, "/").sent().await);
    }
    gate.until_arrived(1).await;
    proxy.settle().await;
    assert_eq!(origin.requests(), 1);
    gate.open();
    for mut client in clients {
        assert_eq!(client.read().await.unwrap().text(), "x");
    }
    assert_eq!(origin.requests(), 1);
}

#[tokio::test]
async fn different_things_are_fetched_at_the_same_time() {
    let gate = Gate::new();
    let origin = Origin::always(Reply::fresh(60, "x").held(&gate)).await;
    let proxy = Proxy::before(&origin).await;
    let mut clients = Vec::new();
    for path in ["/a", "/b", "/a?x"] {
        clients.push(get(&proxy, path).sent().await);
    }
    gate.until_arrived(3).await;
    gate.open();
    for mut client in clients {
        assert_eq!(client.read().await.unwrap().status, 200);
    }
}

#[tokio::test]
async fn collapse_off_sends_everybody_to_the_origin() {
    let gate = Gate::new();
    let origin = Origin::always(Reply::fresh(60, "x").held(&gate)).await;
    let proxy = Proxy::with(&origin, "[cache]\ncollapse = \"off\"").await;
    let _clients = [get(&proxy, "/").sent().await, get(&proxy, "/").sent().await];
    gate.until_arrived(2).await;
}

#[tokio::test]
async fn unsafe_requests_are_never_collapsed() {
    let gate = Gate::new();
    let origin = Origin::always(Reply::status(201).held(&gate)).await;
    let proxy = Proxy::before(&origin).await;
    let order = || send(&proxy, "POST", "/orders").body("one pizza");
    let _clients = [order().sent().await, order().sent().await];
    gate.until_arrived(2).await;
}

#[tokio::test]
async fn validations_are_collapsed() {
    let gate = Gate::new();
    let held = gate.clone();
    let origin = Origin::serve(move |seen| match seen.header("if-none-match") {
        None => Reply::fresh(10, "x").header("ETag", "\"v1\""),
        Some(_) => Reply::status(304).header("ETag", "\"v1\"").held(&held),
    })
    .await;
    let proxy = Proxy::before(&origin).await;
    get(&proxy, "/").await;
    proxy.advance(10);
    let clients = [get(&proxy, "/").sent().await, get(&proxy, "/").sent().await];
    gate.until_arrived(1).await;
    proxy.settle().await;
    gate.open();
    for mut client in clients {
        let answer = client.read().await.unwrap();
        assert_eq!((answer.text(), answer.cache_status().fwd()), ("x", "stale"));
    }
    assert_eq!(origin.requests(), 2, "one validation for both");
}

#[tokio::test]
async fn a_follower_that_selects_another_variant_goes_alone() {
    let (origin, gate) = in_two_pieces(("Vary", "Accept-Language")).await;
    let proxy = Proxy::with(&origin, "[cache]\nttl = \"1m\"").await;
    let leader = get(&proxy, "/").header("Accept-Language", "de").arriving().await;
    let mut other = get(&proxy, "/").header("Accept-Language", "en").arriving().await;
    assert_eq!(other.body(6).await, b"take 2", "it did not wait for the first to end");
    gate.open();
    assert_eq!(leader.end().await.unwrap().text(), "take 1, end");
    assert_eq!(other.end().await.unwrap().text(), "take 2, end");
}

#[tokio::test]
async fn what_is_one_client_s_alone_is_not_shared_with_its_followers() {
    let gate = Gate::new();
    let held = gate.clone();
    let origin = Origin::serve(move |seen| {
        let reply = Reply::ok(format!("take {}", seen.number)).header("Cache-Control", "private");
        if seen.number == 1 { reply.held(&held) } else { reply }
    })
    .await;
    let proxy = Proxy::before(&origin).await;
    let mut clients = vec![get(&proxy, "/").sent().await];
    gate.until_arrived(1).await;
    clients.push(get(&proxy, "/").sent().await);
    clients.push(get(&proxy, "/").sent().await);
    proxy.settle().await;
    gate.open();
    let mut bodies = Vec::new();
    for mut client in clients {
        bodies.push(client.read().await.unwrap().text().to_owned());
    }
    bodies.sort();
    assert_eq!(bodies, ["take 1", "take 2", "take 3"], "each its own");
}

#[tokio::test]
async fn once_known_to_be_unshareable_a_crowd_does_not_queue() {
    let gate = Gate::new();
    let held = gate.clone();
    let origin = Origin::serve(move |seen| {
        let reply = Reply::ok("mine").header("Cache-Control", "private");
        if seen.number == 1 { reply } else { reply.held(&held) }
    })
    .await;
    let proxy = Proxy::before(&origin).await;
    get(&proxy, "/").await;
    let _clients = [get(&proxy, "/").sent().await, get(&proxy, "/").sent().await];
    gate.until_arrived(2).await;
}

#[tokio::test]
async fn requests_with_authorization_do_not_follow_strangers() {
    let (origin, gate) = in_two_pieces(FRESH).await;
    let proxy = Proxy::before(&origin).await;
    let stranger = reading(&proxy).await;
    let mut own = get(&proxy, "/").header("Authorization", "Bearer a").arriving().await;
    assert_eq!(own.body(6).await, b"take 2", "the key is not known to be shareable");
    gate.open();
    assert_eq!(stranger.end().await.unwrap().text(), "take 1, end");
}

#[tokio::test]
async fn who_asks_after_an_answer_that_is_never_fresh_was_made_fetches_anew() {
    let (origin, gate) = in_two_pieces(("Cache-Control", "max-age=0")).await;
    let proxy = Proxy::before(&origin).await;
    let first = reading(&proxy).await;
    let mut second = get(&proxy, "/").arriving().await;
    assert_eq!(second.body(6).await, b"take 2", "take 1 was old when it asked");
    gate.open();
    assert_eq!(first.end().await.unwrap().text(), "take 1, end");
}

#[tokio::test]
async fn followers_of_a_failed_fetch_share_its_failure() {
    let gate = Gate::new();
    let origin = Origin::always(Reply::reset().held(&gate)).await;
    let proxy = Proxy::before(&origin).await;
    let mut clients = Vec::new();
    for _ in 0..10 {
        clients.push(get(&proxy, "/").sent().await);
    }
    gate.until_arrived(1).await;
    proxy.settle().await;
    gate.open();
    for mut client in clients {
        assert_eq!(client.read().await.unwrap().status, 502);
    }
    assert_eq!(origin.requests(), 1, "a crowd does not fall on an origin that fails");
}

#[tokio::test]
async fn followers_keep_reading_when_the_first_client_leaves() {
    let (origin, gate) = in_two_pieces(FRESH).await;
    let proxy = Proxy::before(&origin).await;
    let (first, second) = (reading(&proxy).await, reading(&proxy).await);
    first.reset();
    proxy.settle().await;
    gate.open();
    assert_eq!(second.end().await.unwrap().text(), "take 1, end");
    assert_eq!(origin.requests(), 1, "the fetch belongs to nobody");
}

#[tokio::test]
async fn followers_get_the_head_although_the_first_client_has_left() {
    let gate = Gate::new();
    let origin = Origin::always(Reply::fresh(60, "x").held(&gate)).await;
    let proxy = Proxy::before(&origin).await;
    let first = get(&proxy, "/").sent().await;
    gate.until_arrived(1).await;
    let mut second = get(&proxy, "/").sent().await;
    proxy.settle().await;
    first.reset();
    proxy.settle().await;
    gate.open();
    assert_eq!(second.read().await.unwrap().text(), "x");
    assert_eq!(origin.requests(), 1, "who drove the fetch has left, the fetch goes on");
    assert!(get(&proxy, "/").await.is_hit());
}

#[tokio::test]
async fn a_storable_answer_is_fetched_to_its_end_when_everybody_has_left() {
    let (origin, gate) = in_two_pieces(FRESH).await;
    let proxy = Proxy::before(&origin).await;
    reading(&proxy).await.reset();
    proxy.settle().await;
    gate.open();
    assert_eq!(get(&proxy, "/").await.text(), "take 1, end", "the next one has it");
    assert_eq!(origin.requests(), 1);
}

#[tokio::test]
async fn a_fetch_that_everybody_left_before_its_head_is_given_up_after_a_second() {
    let gate = Gate::new();
    let origin = Origin::always(Reply::fresh(60, "x").held(&gate)).await;
    let proxy = Proxy::before(&origin).await;
    let client = get(&proxy, "/").sent().await;
    gate.until_arrived(1).await;
    client.reset();
    proxy.let_it_wait(1).await;
    origin.until_closed(1).await;
}

#[tokio::test]
async fn an_unstorable_answer_that_everybody_left_is_given_up() {
    let (origin, _gate) = in_two_pieces(("Cache-Control", "no-store")).await;
    let proxy = Proxy::before(&origin).await;
    reading(&proxy).await.reset();
    origin.until_closed(1).await;
}
