//! Changes of protocol: what is tunnelled, what is not, and what a tunnel holds.

use super::{END, seen};
use crate::support::{Client, H2, Origin, Proxy, Reply, get};

const WEBSOCKET: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\n";

#[tokio::test]
async fn only_a_websocket_on_a_get_over_http_1_1_is_asked_for() {
    let rows = [
        format!("GET / HTTP/1.1\r\n{WEBSOCKET}"),
        format!("POST / HTTP/1.1\r\nContent-Length: 0\r\n{WEBSOCKET}"),
        format!("GET / HTTP/1.0\r\n{WEBSOCKET}"),
        "GET / HTTP/1.1\r\nUpgrade: websocket\r\n".to_owned(),
        "GET / HTTP/1.1\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\
         HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n"
            .to_owned(),
        "GET / HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: h2c, websocket\r\n".to_owned(),
        "GET / HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: TLS/1.0, HTTP/1.1\r\n".to_owned(),
    ];
    let asked = [true, false, false, false, false, true, false];
    for (row, asked) in rows.iter().zip(asked) {
        let origin = Origin::always("no").await;
        let proxy = Proxy::before(&origin).await;
        let mut client = Client::connect(&proxy).await;
        client.write(format!("{row}Host: api.test\r\n\r\n")).await;
        assert_eq!(client.read().await.unwrap().status, 200, "{row}");
        let upgrades = origin.last().headers("upgrade").join(", ");
        assert_eq!(upgrades, if asked { "websocket" } else { "" }, "{row}");
        assert_eq!(origin.last().header("http2-settings"), None, "{row}");
    }
}

/// A server that declines leaves the connection HTTP; what came early is a request as any other.
#[tokio::test]
async fn early_bytes_of_a_declined_upgrade_are_read_by_us() {
    for status in [200, 400, 426] {
        let origin = Origin::serve(move |seen| match seen.target.as_str() {
            "/chat" => Reply::status(status).body("no").closing(),
            _ => Reply::ok("ours"),
        })
        .await;
        let proxy = Proxy::before(&origin).await;
        let mut client = Client::connect(&proxy).await;
        let inner = "GET /inner HTTP/1.1\r\nHost: api.test\r\n\r\n";
        let chat = format!("GET /chat HTTP/1.1\r\nHost: api.test\r\n{WEBSOCKET}\r\n");
        client.write(format!("{chat}{inner}{END}")).await;
        for expected in [status, 200, 200] {
            assert_eq!(client.read().await.unwrap().status, expected);
        }
        assert_eq!(seen(&origin), ["GET /chat", "GET /inner"], "each of them is written by us");
    }
}

#[tokio::test]
async fn another_protocol_than_was_asked_for_is_502() {
    for protocol in ["h2c", "TLS/1.0", "websocketx", ""] {
        let origin = Origin::always(Reply::tunnel(protocol)).await;
        let proxy = Proxy::before(&origin).await;
        let mut client = Client::connect(&proxy).await;
        client.write(format!("GET / HTTP/1.1\r\nHost: api.test\r\n{WEBSOCKET}\r\n")).await;
        assert_eq!(client.read().await.unwrap().status, 502, "{protocol:?}");
        origin.until_closed(1).await;
    }
}

#[tokio::test]
async fn nothing_is_tunnelled_that_was_not_asked_for() {
    let origin = Origin::always(Reply::tunnel("websocket")).await;
    let proxy = Proxy::before(&origin).await;
    assert_eq!(get(&proxy, "/").await.status, 502);
    let upgrade = get(&proxy, "/").header("Upgrade", "websocket").await;
    assert_eq!(upgrade.status, 502, "Connection does not name it");
    let answer = H2::connect(&proxy).await.get("/", &[]).await.unwrap();
    assert_eq!(answer.status, 502);
    origin.until_closed(3).await;
}

#[tokio::test]
async fn a_tunnel_gives_its_place_back_however_it_ends() {
    let origin = Origin::always(Reply::tunnel("websocket")).await;
    let proxy = Proxy::with(&origin, "[limits]\nmax_connections = 2").await;
    for round in 0..6 {
        let mut client = Client::connect(&proxy).await;
        client.write(format!("GET / HTTP/1.1\r\nHost: api.test\r\n{WEBSOCKET}\r\n")).await;
        assert_eq!(client.read().await.unwrap().status, 101, "round {round}");
        match round % 3 {
            0 => client.reset(),
            1 => client.finish().await,
            _ => drop(client),
        }
        origin.until_closed(round + 1).await;
    }
    assert_eq!(get(&proxy, "/").await.status, 502, "there is a place for it");
}
