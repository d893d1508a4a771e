//! The way in: listeners, connections, the end.

use crate::support::{Client, Gate, H2, Origin, Place, Proxy, Reply, Target, get, within};

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let origin = Origin::serve(|seen| Reply::fresh(60, seen.target)).await;
    let proxy = Proxy::before(&origin).await;
    let mut client = Client::connect(&proxy).await;
    let requests =
        ["/a", "/b", "/a"].map(|it| format!("GET {it} HTTP/1.1\r\nHost: api.test\r\n\r\n"));
    client.write(requests.concat()).await;
    for path in ["/a", "/b", "/a"] {
        assert_eq!(client.read().await.unwrap().text(), path);
    }
    assert_eq!(proxy.counters().connections.get(), 1);
}

#[tokio::test]
async fn several_listeners_share_one_cache() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("larder.sock");
    let origin = Origin::always(Reply::fresh(60, "x")).await;
    let config = format!("listen = [\"127.0.0.1:0\", \"unix:{}\"]", path.display());
    let proxy = Proxy::with(&origin, &config).await;
    assert!(proxy.url().starts_with("http://127.0.0.1:"), "{}", proxy.url());
    get(&proxy, "/").await;
    assert!(get(&Place::Unix(path), "/").await.is_hit());
    assert!(H2::connect(&proxy).await.get("/", &[]).await.unwrap().is_hit());
}

#[tokio::test]
async fn a_drain_lets_what_is_under_way_end() {
    let gate = Gate::new();
    let origin = Origin::always(Reply::fresh(60, "first").gate(&gate).body("end").chunked()).await;
    let proxy = Proxy::before(&origin).await;
    let place = proxy.place();
    let mut arriving = get(&proxy, "/").arriving().await;
    arriving.body(5).await;
    let draining = tokio::spawn(proxy.drain());
    within("refused connections", async {
        let Place::Tcp(addr) = place else { panic!("it is TCP") };
        while tokio::net::TcpStream::connect(addr).await.is_ok() {}
    })
    .await;
    gate.open();
    assert_eq!(arriving.end().await.unwrap().text(), "firstend");
    draining.await.unwrap();
}

#[tokio::test]
async fn a_fetch_that_goes_on_alone_does_not_hold_its_clients_place() {
    let gate = Gate::new();
    let held = gate.clone();
    let origin = Origin::serve(move |_| Reply::fresh(60, "x").held(&held)).await;
    let proxy = Proxy::with(&origin, "[limits]\nmax_connections = 1").await;
    let gone = get(&proxy, "/").sent().await;
    origin.until_requests(1).await;
    gone.reset();
    let next = get(&proxy, "/../settle").await;
    assert_eq!(next.status, 400, "the place is free while the fetch is still under way");
    gate.open();
}
