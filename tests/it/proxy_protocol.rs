//! The PROXY protocol: whom a connection is passed on for, from those who must say so.

use std::io::Write;

use rustls::pki_types::ServerName;

use crate::support::{Authority, Client, Origin, Proxy, Reply, get, within};

const TRUSTED: &str = "proxy_protocol = [\"127.0.0.1\"]\n";
const ASK: &str = "GET / HTTP/1.1\r\nHost: api.test\r\n\r\n";

/// Version 2, by TCP over IPv4.
fn v2(from: [u8; 4]) -> Vec<u8> {
    let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".to_vec();
    header.write_all(&from).unwrap();
    header.write_all(&[127, 0, 0, 1, 0xc8, 0, 1, 0xbb]).unwrap();
    header
}

#[tokio::test]
async fn the_client_that_is_named_stands_for_the_peer() {
    let origin = Origin::serve(|seen| Reply::ok(seen.target)).await;
    let trust = format!("{TRUSTED}trusted_proxies = [\"192.0.2.7\"]\n");
    let proxy = Proxy::with(&origin, &trust).await;
    let header = |it: &str| format!("PROXY TCP4 {it} 127.0.0.1 51000 443\r\n").into_bytes();
    for (header, claimed, told) in [
        (header("203.0.113.9"), "", "203.0.113.9"),
        (v2([203, 0, 113, 9]), "", "203.0.113.9"),
        (b"PROXY UNKNOWN\r\n".to_vec(), "", "127.0.0.1"),
        // What it says in a field counts for nothing, unless it is itself a trusted proxy.
        (header("203.0.113.9"), "X-Forwarded-For: 198.51.100.1\r\n", "203.0.113.9"),
        (v2([192, 0, 2, 7]), "X-Forwarded-For: 198.51.100.1\r\n", "198.51.100.1, 192.0.2.7"),
    ] {
        let mut client = Client::connect(&proxy).await;
        client.write(&header).await;
        let ask = format!("GET / HTTP/1.1\r\nHost: api.test\r\n{claimed}\r\n");
        for _ in 0..2 {
            client.write(&ask).await;
            assert_eq!(client.read().await.unwrap().status, 200);
            assert_eq!(origin.last().header("x-forwarded-for"), Some(told), "{claimed}");
        }
    }
}

#[tokio::test]
async fn limits_count_for_the_client_that_is_named() {
    let origin = Origin::always(Reply::ok("x")).await;
    let limit = "[throttle]\nrate = \"1/h\"\n";
    let proxy = Proxy::with(&origin, &format!("{TRUSTED}{limit}")).await;
    for (last, status) in [(1, 200), (2, 200), (1, 429), (2, 429)] {
        let mut client = Client::connect(&proxy).await;
        client.write([v2([203, 0, 113, last]), ASK.into()].concat()).await;
        assert_eq!(client.read().await.unwrap().status, status, "203.0.113.{last}");
    }
}

#[tokio::test]
async fn a_trusted_peer_must_send_it_and_nobody_else_may() {
    let origin = Origin::always(Reply::ok("x")).await;
    let proxy = Proxy::with(&origin, TRUSTED).await;
    for bad in [ASK, "PROXY TCP4 a b 1 2\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"] {
        let mut client = Client::connect(&proxy).await;
        client.write(bad).await;
        let rest = client.read_to_close().await.unwrap_or_default();
        assert_eq!(rest, b"", "nothing is guessed: {bad}");
    }
    proxy.until(|it| it.closed_handshake.get() == 2).await;
    assert_eq!(origin.requests(), 0);

    let stranger = Proxy::with(&origin, "proxy_protocol = [\"192.0.2.0/24\"]\n").await;
    assert_eq!(get(&stranger, "/").await.status, 200, "it goes on as without");
    let mut client = Client::connect(&stranger).await;
    client.write(format!("PROXY TCP4 203.0.113.9 127.0.0.1 1 2\r\n{ASK}")).await;
    assert_eq!(client.read().await.unwrap().status, 400, "it is not HTTP");
    assert_eq!(origin.requests(), 1);
}

#[tokio::test]
async fn a_header_that_does_not_come_is_waited_for_no_longer_than_a_handshake() {
    let origin = Origin::always(Reply::ok("x")).await;
    let proxy = Proxy::with(&origin, TRUSTED).await;
    let mut client = Client::connect(&proxy).await;
    client.write("PROXY TCP4 ").await;
    proxy.let_it_wait(10).await;
    assert_eq!(client.read_to_close().await.unwrap_or_default(), b"");
    assert_eq!(proxy.counters().closed_handshake.get(), 1);
}

#[tokio::test]
async fn it_comes_before_tls() {
    let authority = Authority::new();
    authority.issue("site", &["api.test"]);
    let origin = Origin::always(Reply::ok("x")).await;
    let proxy = Proxy::with(&origin, &format!("{TRUSTED}{}", authority.tls("", &["site"]))).await;
    let mut plain = proxy.tls().connect().await.into_duplex();
    within("the header", tokio::io::AsyncWriteExt::write_all(&mut plain, &v2([203, 0, 113, 5])))
        .await
        .unwrap();
    let name = ServerName::try_from("api.test").unwrap();
    let secure = authority.client("http/1.1", None).connect(name, plain);
    let mut client = Client::over(Box::new(within("a handshake", secure).await.unwrap()));
    client.write(ASK).await;
    assert_eq!(client.read().await.unwrap().status, 200);
    assert_eq!(origin.last().header("x-forwarded-for"), Some("203.0.113.5"));
    assert_eq!(origin.last().header("x-forwarded-proto"), Some("https"));
}

/// A load balancer that may purge must not lend that to the whole internet; and who is passed on
/// by a stranger must not get it by a word.
#[tokio::test]
async fn a_purge_needs_both_the_peer_and_whom_it_speaks_for() {
    let origin = Origin::always(Reply::fresh(60, "x")).await;
    let purge = "PURGE / HTTP/1.1\r\nHost: api.test\r\n\r\n";
    for (purgers, client, status) in [
        ("\"127.0.0.1\"", [203, 0, 113, 9], 405),
        ("\"203.0.113.9\"", [203, 0, 113, 9], 405),
        ("\"127.0.0.1\", \"203.0.113.9\"", [203, 0, 113, 9], 200),
        ("\"127.0.0.1\"", [127, 0, 0, 1], 200),
    ] {
        let proxy =
            Proxy::with(&origin, &format!("{TRUSTED}[admin]\npurge_from = [{purgers}]")).await;
        let mut connection = Client::connect(&proxy).await;
        connection.write([&v2(client)[..], purge.as_bytes()].concat()).await;
        assert_eq!(connection.read().await.unwrap().status, status, "{purgers} {client:?}");
    }
}

#[tokio::test]
async fn who_must_send_it_can_be_changed_by_a_reload() {
    let origin = Origin::always(Reply::ok("x")).await;
    let proxy = Proxy::with(&origin, "").await;
    let mut old = Client::connect(&proxy).await;
    old.write(ASK).await;
    assert_eq!(old.read().await.unwrap().status, 200);
    proxy.reload(TRUSTED);
    let mut new = Client::connect(&proxy).await;
    new.write([v2([203, 0, 113, 9]), ASK.into()].concat()).await;
    assert_eq!(new.read().await.unwrap().status, 200);
    old.write(ASK).await;
    assert_eq!(old.read().await.unwrap().status, 200, "it came in before");
}
