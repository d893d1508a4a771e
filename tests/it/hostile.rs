//! Attacks, over raw sockets: what each must get, and what the origin may have seen of it.

mod floods;
mod http2;
mod keys;
mod lies;
mod requests;
mod responses;
mod tunnels;

use crate::support::{Client, Origin, Proxy, Reply, Seen};

/// Asked behind every attack, so that what is left of it in a buffer shows.
const END: &str = "GET /end HTTP/1.1\r\nHost: api.test\r\nConnection: close\r\n\r\n";

/// An origin that answers with what it was asked, and a proxy before it.
async fn echo(config: &str) -> (Origin, Proxy) {
    let origin = Origin::serve(|seen| Reply::ok(told(&seen))).await;
    let proxy = Proxy::with(&origin, config).await;
    (origin, proxy)
}

/// `METHOD target body`.
fn told(seen: &Seen) -> String {
    let body = String::from_utf8_lossy(&seen.body);
    format!("{} {} {body}", seen.method, seen.target).trim_end().to_owned()
}

/// Writes an attack and [`END`], and reads until the connection is closed: all statuses.
async fn statuses(proxy: &Proxy, attack: &[u8]) -> Vec<u16> {
    let mut client = Client::connect(proxy).await;
    client.write([attack, END.as_bytes()].concat()).await;
    let mut statuses = Vec::new();
    while let Ok(answer) = client.read().await {
        statuses.push(answer.status);
    }
    statuses
}

/// What the origin has seen but for [`END`]. Every request must be one that we wrote.
fn seen(origin: &Origin) -> Vec<String> {
    assert_eq!(origin.faults(), [""; 0], "what we write is HTTP");
    let seen = origin.seen();
    for request in &seen {
        let via = request.headers("via").join(",");
        assert!(via.ends_with(" larder"), "we did not write this: {request:?}");
        assert_eq!(request.headers("host").len(), 1, "{request:?}");
    }
    seen.iter().filter(|it| it.target != "/end").map(told).collect()
}
