//! More of something than anybody needs.

use super::http2::{Frames, RST_STREAM};
use crate::support::{Client, Gate, Origin, Proxy, Reply, get};

/// As many fetches go on without a client; `collapse` has the number.
const ORPHANS: usize = 64;

#[tokio::test]
async fn requests_that_are_opened_and_reset_leave_few_fetches() {
    const STREAMS: usize = 100;
    let gate = Gate::new();
    let origin = Origin::always(Reply::ok("x").held(&gate)).await;
    let proxy = Proxy::before(&origin).await;
    let mut frames = Frames::connect(&proxy).await;
    let streams = (0..STREAMS).map(|n| u32::try_from(2 * n + 1).unwrap());
    for stream in streams.clone() {
        frames.get(stream, &format!("/{stream}")).await;
    }
    origin.until_heads(STREAMS).await;
    for stream in streams {
        frames.write(RST_STREAM, 0, stream, &8u32.to_be_bytes()).await;
    }
    origin.until_closed(STREAMS - ORPHANS).await;
    proxy.let_it_wait(1).await;
    origin.until_closed(STREAMS).await;
}

#[tokio::test]
async fn connections_that_ask_and_leave_leave_few_fetches() {
    const CLIENTS: usize = 80;
    let gate = Gate::new();
    let origin = Origin::always(Reply::ok("x").held(&gate)).await;
    let proxy = Proxy::before(&origin).await;
    let mut clients = Vec::new();
    for n in 0..CLIENTS {
        clients.push(get(&proxy, &format!("/{n}")).sent().await);
    }
    origin.until_heads(CLIENTS).await;
    clients.into_iter().for_each(Client::reset);
    origin.until_closed(CLIENTS - ORPHANS).await;
    proxy.let_it_wait(1).await;
    origin.until_closed(CLIENTS).await;
}

#[tokio::test]
async fn a_head_has_so_many_fields_and_bytes() {
    let origin = Origin::always("x").await;
    let proxy = Proxy::before(&origin).await;
    let many = "X: y\r\n".repeat(101);
    let long = format!("X: {}\r\n", "y".repeat(40 << 10));
    for fields in [many, long] {
        let mut client = Client::connect(&proxy).await;
        client.write(format!("GET / HTTP/1.1\r\nHost: api.test\r\n{fields}\r\n")).await;
        assert_eq!(client.read().await.unwrap().status, 431);
    }
    let mut client = Client::connect(&proxy).await;
    let path = "a".repeat(70_000);
    let _ = client.try_write(format!("GET /{path} HTTP/1.1\r\nHost: api.test\r\n\r\n")).await;
    let status = client.read().await.unwrap().status;
    assert!([414, 431].contains(&status), "{status}");
    assert_eq!(origin.requests(), 0);
}

/// However many values a client makes up, a list of variants stays short and the newest serve.
#[tokio::test]
async fn variants_without_end_push_each_other_out() {
    let origin = Origin::serve(|seen| {
        Reply::fresh(60, seen.header("x-any").unwrap_or_default().to_owned())
            .header("Vary", "X-Any")
    })
    .await;
    let proxy = Proxy::before(&origin).await;
    for n in 0..200 {
        get(&proxy, "/").header("X-Any", &n.to_string()).await;
    }
    let newest = get(&proxy, "/").header("X-Any", "199").await;
    assert_eq!((newest.text(), newest.is_hit()), ("199", true));
    let oldest = get(&proxy, "/").header("X-Any", "0").await;
    assert_eq!((oldest.text(), oldest.is_hit()), ("0", false));
}

/// An upload that goes on behind its answer does not hold the connection for the next client.
#[tokio::test]
async fn an_answer_before_the_upload_ends_frees_the_origin() {
    let origin = Origin::always(Reply::ok("x")).await;
    let proxy = Proxy::before(&origin).await;
    let mut client = Client::connect(&proxy).await;
    client.ask("POST", "/", &[("Content-Length", "1000000")]).await;
    client.write("half").await;
    origin.until_body_bytes(4).await;
    client.reset();
    origin.until_closed(1).await;
    assert_eq!(get(&proxy, "/").await.text(), "x");
    assert_eq!(origin.requests(), 1, "half an upload is no request");
}
