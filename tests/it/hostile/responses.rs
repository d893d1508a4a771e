//! Answers of a broken or hostile origin: nothing of them may become another client's.

use crate::support::{Client, Gate, Origin, Proxy, Reply, get, send};

/// A raw answer with fields that let it be stored.
fn raw(status: &str, rest: &str) -> Reply {
    Reply::raw(format!("HTTP/1.1 {status}\r\nCache-Control: max-age=60\r\n{rest}")).kept_alive()
}

/// The answer, and then a good one to each later request.
async fn then_good(first: Reply) -> (Origin, Proxy) {
    let origin = Origin::serve(move |seen| match seen.number {
        1 => first.clone(),
        _ => Reply::ok(seen.target),
    })
    .await;
    let proxy = Proxy::before(&origin).await;
    (origin, proxy)
}

#[tokio::test]
async fn what_is_no_answer_is_502_and_stays_nowhere() {
    let rows = [
        Reply::raw("<html>hello</html>").kept_alive(),
        Reply::raw("HTTP/2.0 200 OK\r\n\r\n").kept_alive(),
        Reply::raw("HTTP/1.1 20 OK\r\n\r\n").kept_alive(),
        Reply::raw("HTTP/1.1 099 OK\r\n\r\n").kept_alive(),
        Reply::raw("HTTP/1.1 1000 OK\r\n\r\n").kept_alive(),
        Reply::raw("HTTP/1.1  200 OK\r\n\r\n").kept_alive(),
        Reply::raw("ICY 200 OK\r\n\r\n").kept_alive(),
        raw("200 OK\rX: y", "\r\n"),
        raw("200 OK", "X-A : b\r\nContent-Length: 2\r\n\r\nok"),
        raw("200 OK", "X-A: b\r\n folded\r\nContent-Length: 2\r\n\r\nok"),
        raw("200 OK", "X-A: b\rSet-Cookie: evil=1\r\nContent-Length: 2\r\n\r\nok"),
        raw("200 OK", "X-A: b\0\r\nContent-Length: 2\r\n\r\nok"),
        raw("200 OK", "no field\r\nContent-Length: 2\r\n\r\nok"),
        raw("200 OK", "Content-Length: 2\r\nContent-Length: 3\r\n\r\nok"),
        raw("200 OK", "Content-Length: 2, 3\r\n\r\nok"),
        raw("200 OK", "Content-Length: +2\r\n\r\nok"),
        raw("200 OK", "Content-Length: -2\r\n\r\nok"),
        raw("200 OK", "Content-Length: 99999999999999999999\r\n\r\nok"),
        raw("200 OK", "Transfer-Encoding: gzip\r\n\r\nok"),
        raw("200 OK", "Transfer-Encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"),
        raw("200 OK", "Transfer-Encoding: chunked, gzip\r\n\r\n2\r\nok\r\n0\r\n\r\n"),
        raw("200 OK", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        raw("200 OK", "Transfer-Encoding: identity\r\n\r\nok"),
        raw("200 OK", "Transfer-Encoding: xchunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"),
        raw("200 OK", &format!("{}\r\n", "X-A: b\r\n".repeat(200))),
        raw("200 OK", &format!("X-A: {}\r\n\r\n", "b".repeat(300 << 10))),
        raw("101 Switching", "Upgrade: websocket\r\nConnection: upgrade\r\n\r\n"),
        Reply::raw(
            "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\nCache-Control: max-age=60\r\n\r\n\
             2\r\nok\r\n0\r\n\r\n",
        )
        .kept_alive(),
    ];
    for reply in rows {
        let what = format!("{reply:?}");
        let what = &what[..what.len().min(400)];
        let (_origin, proxy) = then_good(reply).await;
        assert_eq!(get(&proxy, "/a").await.status, 502, "{what}");
        assert_eq!(get(&proxy, "/a").await.text(), "/a", "{what}");
        assert_eq!(get(&proxy, "/b").await.text(), "/b", "{what}");
    }
}

#[tokio::test]
async fn a_body_that_breaks_its_framing_is_torn_and_not_stored() {
    let chunked = "Transfer-Encoding: chunked\r\n\r\n";
    let rows = [
        raw("200 OK", "Content-Length: 10\r\n\r\nhello").closing(),
        raw("200 OK", &format!("{chunked}5\r\nhello\r\n")).closing(),
        raw("200 OK", &format!("{chunked}5\r\nhello\r\n0\r\n")).closing(),
        raw("200 OK", &format!("{chunked}9\r\nhello\r\n0\r\n\r\n")).closing(),
        raw("200 OK", &format!("{chunked}5\r\nhelloX\r\n0\r\n\r\n")),
        raw("200 OK", &format!("{chunked}5\r\nhello\r\n-1\r\n\r\n")),
        raw("200 OK", &format!("{chunked}5\r\nhello\r\n0x0\r\n\r\n")),
        raw("200 OK", &format!("{chunked}5\r\nhello\r\n5\nworld\r\n0\r\n\r\n")),
        raw("200 OK", &format!("{chunked}5\r\nhello\r\nfffffffffffffffff\r\n")),
        raw("200 OK", &format!("{chunked}5;{}\r\nhello\r\n0\r\n\r\n", "x".repeat(64 << 10))),
        raw("200 OK", &format!("{chunked}5\r\nhello\r\n0\r\n{}\r\n", "X: y\r\n".repeat(2000))),
    ];
    for reply in rows {
        let what = format!("{reply:?}");
        let what = &what[..what.len().min(300)];
        let (_origin, proxy) = then_good(reply).await;
        assert!(get(&proxy, "/a").result().await.is_err(), "it looked whole: {what}");
        assert_eq!(get(&proxy, "/a").await.text(), "/a", "it was stored: {what}");
    }
}

/// What an origin sends beyond its answer is nobody's.
#[tokio::test]
async fn bytes_behind_an_answer_answer_nobody() {
    let evil = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nCache-Control: max-age=60\r\n\r\nevil";
    let rows = [
        ("GET", raw("200 OK", &format!("Content-Length: 2\r\n\r\nok{evil}"))),
        ("GET", raw("200 OK", &format!("Content-Length: 0\r\n\r\n{evil}"))),
        (
            "GET",
            raw("200 OK", &format!("Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n{evil}")),
        ),
        (
            "GET",
            raw(
                "200 OK",
                &format!(
                    "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n{evil}"
                ),
            ),
        ),
        ("GET", raw("204 No Content", &format!("\r\n{evil}"))),
        ("GET", raw("204 No Content", &format!("Content-Length: 4\r\n\r\nevil{evil}"))),
        (
            "GET",
            raw("204 No Content", &format!("Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n{evil}")),
        ),
        ("GET", raw("304 Not Modified", &format!("Content-Length: 4\r\n\r\nevil{evil}"))),
        ("HEAD", raw("200 OK", &format!("Content-Length: 4\r\n\r\nevil{evil}"))),
        ("POST", raw("200 OK", &format!("Content-Length: 2\r\n\r\nok{evil}"))),
        ("GET", raw("200 OK", "Content-Length: 2\r\n\r\nok\r\n\r\n\r\n")),
    ];
    for (method, reply) in rows {
        let what = format!("{method} {reply:?}");
        let (_origin, proxy) = then_good(reply).await;
        let first = send(&proxy, method, "/a").await;
        assert!(!first.body.ends_with(b"evil"), "{what}");
        for path in ["/b", "/c"] {
            assert_eq!(get(&proxy, path).await.text(), path, "{what}");
        }
        let again = get(&proxy, "/a").await;
        assert!(!again.body.ends_with(b"evil"), "{what}");
    }
}

/// A stored head is the origin's own; a bare LF in it has become a field end, and no more.
#[tokio::test]
async fn a_head_cannot_be_split() {
    let reply = raw("200 OK", "X-A: b\nX-B: c\nContent-Length: 2\n\nok");
    let origin = Origin::always(reply).await;
    let proxy = Proxy::before(&origin).await;
    for pass in ["miss", "hit"] {
        let answer = get(&proxy, "/").await;
        assert_eq!((answer.header("x-a"), answer.header("x-b")), (Some("b"), Some("c")), "{pass}");
        assert_eq!(answer.text(), "ok");
    }
}

#[tokio::test]
async fn a_flood_of_interim_answers_ends() {
    let early = (0..2000).fold(Reply::fresh(60, "ok"), |reply, _| reply.early(103, "Link", "</a>"));
    let (_origin, proxy) = then_good(early).await;
    let answer = get(&proxy, "/").await;
    assert_eq!((answer.text(), answer.headers("link").len()), ("ok", 0));
    let gate = Gate::new();
    let endless =
        (0..2000).fold(Reply::ok("ok").held(&gate), |reply, _| reply.early(100, "X", "y"));
    let (origin, proxy) = then_good(endless).await;
    let mut client = get(&proxy, "/").sent().await;
    gate.until_arrived(1).await;
    proxy.let_it_wait(30).await;
    assert_eq!(client.read().await.unwrap().status, 504, "they are no first byte");
    origin.until_closed(1).await;
}

#[tokio::test]
async fn a_status_that_is_none_of_ours_is_not_stored() {
    for status in ["206 Partial", "304 Not Modified", "600 Odd", "999 Odd"] {
        let (origin, proxy) = then_good(raw(status, "Content-Length: 0\r\n\r\n")).await;
        get(&proxy, "/a").await;
        assert_eq!(get(&proxy, "/a").await.text(), "/a", "{status}");
        assert_eq!(origin.requests(), 2);
    }
}

/// A body that ends with its connection ends well only if TLS says so.
#[tokio::test]
async fn a_cut_tls_connection_is_no_end_of_a_body() {
    let origin = Origin::serve_tls(|_| Reply::fresh(60, "half").until_close()).await;
    let root = origin.root().display();
    let config =
        format!("upstream = \"api\"\n[upstreams.api]\nurl = \"{{origin}}\"\nca = \"{root}\"");
    let proxy = Proxy::with(&origin, &config).await;
    assert!(get(&proxy, "/").result().await.is_err(), "no close_notify, no end");
    assert!(get(&proxy, "/").result().await.is_err());
    assert_eq!(origin.requests(), 2, "it was not stored");
}

#[tokio::test]
async fn a_reset_is_no_end_of_a_body() {
    let gate = Gate::new();
    let reply = Reply::fresh(60, "half").until_close().gate(&gate).resetting();
    let origin = Origin::always(reply).await;
    let proxy = Proxy::before(&origin).await;
    let mut arriving = get(&proxy, "/").arriving().await;
    arriving.body(4).await;
    gate.open();
    arriving.end().await.expect_err("it broke off");
    assert!(get(&proxy, "/").result().await.is_err());
    assert_eq!(origin.requests(), 2, "it was not stored");
}

/// HTTP/1.0 knows a body's end by the connection's: a torn one must be reset.
#[tokio::test]
async fn a_torn_body_does_not_look_whole_to_an_old_client() {
    let gate = Gate::new();
    let reply = Reply::ok("half").chunked().gate(&gate).body("").resetting();
    let origin = Origin::always(reply).await;
    let proxy = Proxy::before(&origin).await;
    let mut client = Client::connect(&proxy).await;
    client.write("GET / HTTP/1.0\r\nHost: api.test\r\n\r\n").await;
    let mut arriving = client.arriving().await.unwrap();
    arriving.body(4).await;
    gate.open();
    arriving.end().await.expect_err("a plain close would be the end of the body");
}

/// Trailers are no fields of the head: neither at once nor from the store.
#[tokio::test]
async fn trailers_become_no_fields() {
    let names = "X-Sum, Set-Cookie, Content-Length, Cache-Control, Transfer-Encoding, Location";
    let reply = Reply::fresh(60, "ok").chunked().header("Trailer", names);
    let reply = reply.trailer("Set-Cookie", "evil=1").trailer("Cache-Control", "max-age=999");
    let reply = reply.trailer("Content-Length", "99").trailer("Location", "/evil");
    let origin = Origin::always(reply.trailer("X-Sum", "1")).await;
    let proxy = Proxy::before(&origin).await;
    for pass in ["first", "second"] {
        let answer = get(&proxy, "/").await;
        assert_eq!((answer.text(), answer.header("set-cookie")), ("ok", None), "{pass}");
        assert_eq!(answer.header("location"), None, "{pass}");
        assert_eq!(answer.header("cache-control"), Some("max-age=60"), "{pass}");
        assert_eq!(answer.trailers.len(), 0, "{pass}");
    }
    let asks = get(&proxy, "/t").header("TE", "trailers").header("Connection", "te").await;
    let framing = ["set-cookie", "content-length", "cache-control", "transfer-encoding"];
    let bad = asks.trailers.iter().find(|(name, _)| framing.contains(&&*name.to_lowercase()));
    assert_eq!(bad, None);
}
