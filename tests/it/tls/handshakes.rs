//! Handshakes that are slow, or never end.

use super::{ASK, authority, connect};
use crate::support::{Client, Origin, Proxy, Reply};

#[tokio::test]
async fn a_handshake_that_is_not_done_in_time_is_closed() {
    let authority = authority();
    let origin = Origin::always(Reply::ok("x")).await;
    let proxy = Proxy::with(&origin, &authority.tls("", &["site"])).await;
    let mut silent = Client::connect(&proxy.tls()).await;
    let mut begun = Client::connect(&proxy.tls()).await;
    // The head of a record that would have 512 bytes.
    begun.write([22, 3, 1, 2, 0, 1, 0]).await;
    proxy.until(|it| it.connections.get() == 2).await;
    proxy.let_it_wait(10).await;
    for client in [&mut silent, &mut begun] {
        client.read_to_close().await.unwrap_or_default();
    }
    proxy.until(|it| it.closed_handshake.get() == 2).await;
    let mut plain = Client::connect(&proxy.tls()).await;
    plain.write(ASK).await;
    let told = plain.read_to_close().await.unwrap_or_default();
    assert!(!told.starts_with(b"HTTP"), "no answer in the clear");
    proxy.until(|it| it.closed_handshake.get() == 3).await;
    assert_eq!(proxy.counters().connections_ended.get(), 3);
}

#[tokio::test]
async fn a_thousand_half_open_handshakes_keep_nobody_out() {
    let authority = authority();
    let origin = Origin::always(Reply::fresh(60, "x")).await;
    let proxy = Proxy::with(&origin, &authority.tls("", &["site"])).await;
    let mut halves = Vec::new();
    for _ in 0..1000 {
        let mut half = Client::connect(&proxy.tls()).await;
        half.write([22, 3, 1, 2, 0, 1, 0]).await;
        halves.push(half);
    }
    let mut client = connect(&authority, &proxy).await;
    client.write(ASK).await;
    assert_eq!(client.read().await.unwrap().status, 200);
    assert_eq!(proxy.counters().closed_handshake.get(), 1, "the oldest made room");
}

#[tokio::test]
async fn one_handshake_too_many_ends_the_oldest_and_nothing_else() {
    let authority = authority();
    let origin = Origin::always(Reply::fresh(60, "x")).await;
    let limits = "[limits]\nmax_handshakes = 2\n";
    let text = format!("{limits}{}", authority.tls("", &["site"]));
    let proxy = Proxy::with(&origin, &text).await;
    let mut done = connect(&authority, &proxy).await;
    let mut halves = Vec::new();
    for _ in 0..3 {
        let accepted = proxy.counters().connections.get();
        halves.push(Client::connect(&proxy.tls()).await);
        proxy.until(|it| it.connections.get() > accepted).await;
        proxy.settle().await;
    }
    let mut oldest = halves.remove(0);
    assert_eq!(oldest.read_to_close().await.unwrap_or_default(), b"");
    proxy.until(|it| it.closed_handshake.get() == 1).await;
    done.write(ASK).await;
    assert_eq!(done.read().await.unwrap().status, 200, "it was done with its handshake");
}
