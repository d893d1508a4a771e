//! What a route refuses by the head of a request, before the API hears of it.

use crate::support::{Client, Gate, Origin, Proxy, Reply, get, send};

const RULES: &str = "[[routes]]\nmatch = { path = \"/**\" }\nvalidate = { methods = [\"GET\", \
                     \"POST\"], max_body = \"10B\", content_types = [\"application/json\"] }";

async fn fixture() -> (Origin, Proxy) {
    let origin = Origin::always(Reply::ok("x")).await;
    let proxy = Proxy::with(&origin, RULES).await;
    (origin, proxy)
}

/// An upload without a length, its first eight bytes of sixteen.
const HALF_AN_UPLOAD: &str = "POST / HTTP/1.1\r\nHost: api.test\r\n\
     Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n8\r\n12345678\r\n";

#[tokio::test]
async fn a_request_is_refused_before_a_connection_is_made() {
    let (origin, proxy) = fixture().await;
    let method = send(&proxy, "DELETE", "/").await;
    assert_eq!(method.status, 405, "RFC 9110 §15.5.6");
    assert_eq!(method.header("allow"), Some("GET, POST, HEAD"));
    assert_eq!(method.header("cache-status"), Some("larder; detail=method-refused"));
    let json = ("Content-Type", "application/json");
    let large = send(&proxy, "POST", "/").header(json.0, json.1).body("eleven byte").await;
    assert_eq!(large.status, 413, "RFC 9110 §15.5.14");
    let text = send(&proxy, "POST", "/").header("Content-Type", "text/plain").body("x").await;
    assert_eq!(text.status, 415, "RFC 9110 §15.5.16");
    assert_eq!(text.header("accept"), Some("application/json"));
    assert_eq!(origin.connections(), 0);
    assert_eq!(
        send(&proxy, "POST", "/").header(json.0, json.1).body("ten bytes.").await.status,
        200
    );
    assert_eq!(send(&proxy, "HEAD", "/").await.status, 200, "GET includes HEAD");
    assert_eq!(get(&proxy, "/").await.status, 200);
}

#[tokio::test]
async fn nobody_is_told_to_send_what_is_refused() {
    let (origin, proxy) = fixture().await;
    for (head, expected) in [
        ("Content-Type: application/json\r\nContent-Length: 11", "HTTP/1.1 413"),
        ("Content-Type: text/plain\r\nContent-Length: 5", "HTTP/1.1 415"),
    ] {
        let mut client = Client::connect(&proxy).await;
        let request =
            format!("POST / HTTP/1.1\r\nHost: api.test\r\nExpect: 100-continue\r\n{head}\r\n\r\n");
        client.write(&request).await;
        let answer = client.read().await.unwrap();
        assert_eq!(format!("HTTP/1.1 {}", answer.status), expected, "and no 100 before it");
    }
    assert_eq!(origin.connections(), 0);
}

#[tokio::test]
async fn an_upload_without_a_length_is_cut_at_the_limit() {
    let (origin, proxy) = fixture().await;
    let mut client = Client::connect(&proxy).await;
    client.write(HALF_AN_UPLOAD).await;
    origin.until_body_bytes(8).await;
    client.write("8\r\n12345678\r\n0\r\n\r\n").await;
    assert_eq!(client.read().await.unwrap().status, 413);
    origin.until_closed(1).await;
    assert_eq!(origin.requests(), 0, "it never looks complete");
}

#[tokio::test]
async fn an_upload_that_was_answered_early_is_cut_too() {
    let gate = Gate::new();
    let text = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let held = gate.clone();
    let origin = tokio::spawn(async move {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut seen = Vec::new();
        while !seen.ends_with(b"12345678\r\n") {
            assert_ne!(socket.read_buf(&mut seen).await.unwrap(), 0);
        }
        socket.write_all(text.as_bytes()).await.unwrap();
        held.pass().await;
        let _ = socket.read_to_end(&mut seen).await;
        String::from_utf8(seen).unwrap()
    });
    let unused = Origin::always("x").await;
    let proxy = Proxy::with(&unused, &format!("upstream = \"{url}\"\n{RULES}")).await;
    let mut client = Client::connect(&proxy).await;
    client.write(HALF_AN_UPLOAD).await;
    gate.until_arrived(1).await;
    client.write("8\r\n12345678\r\n0\r\n\r\n").await;
    gate.open();
    let seen = crate::support::within("the origin's end", origin).await.unwrap();
    assert!(!seen.ends_with("0\r\n\r\n"), "it never looks complete: {seen}");
    client.read().await.expect_err("the answer breaks off as well");
}
