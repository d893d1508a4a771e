//! Bodies on their way: unbuffered, bounded, and never whole when they are torn.

use crate::support::{Client, Gate, H2, Origin, Proxy, Reply, get, send};

/// `n` KiB that are not all the same.
fn kib(n: usize) -> Vec<u8> {
    (0..=250).cycle().take(n << 10).collect()
}

#[tokio::test]
async fn a_piece_reaches_the_client_before_the_next_is_sent() {
    for (kind, control) in [("application/json", "max-age=60"), ("text/event-stream", "no-store")] {
        let gate = Gate::new();
        let reply = Reply::ok("data: 1\n\n").gate(&gate).body("data: 2\n\n").chunked();
        let reply = reply.header("Content-Type", kind).header("Cache-Control", control);
        let origin = Origin::always(reply).await;
        let proxy = Proxy::before(&origin).await;
        let mut arriving = get(&proxy, "/").arriving().await;
        assert_eq!(arriving.body(9).await, b"data: 1\n\n", "{kind} is not held back");
        gate.open();
        assert_eq!(arriving.end().await.unwrap().text(), "data: 1\n\ndata: 2\n\n");
    }
}

#[tokio::test]
async fn a_late_reader_begins_at_byte_0() {
    let gate = Gate::new();
    let origin = Origin::always(Reply::fresh(60, kib(100)).gate(&gate).body("end").chunked()).await;
    let proxy = Proxy::before(&origin).await;
    let mut first = get(&proxy, "/").arriving().await;
    first.body(100 << 10).await;
    let mut late = get(&proxy, "/").arriving().await;
    assert!(late.body(100 << 10).await == kib(100), "everything that had come before it asked");
    gate.open();
    assert!(late.end().await.unwrap().body.ends_with(b"end"));
    assert_eq!(origin.requests(), 1);
}

#[tokio::test]
async fn a_body_that_says_it_is_too_large_is_relayed_and_not_stored() {
    let origin = Origin::always(Reply::fresh(60, kib(65))).await;
    let proxy = Proxy::with(&origin, "[cache]\nmax_object_size = \"64KiB\"").await;
    for n in 1..=2 {
        let answer = get(&proxy, "/").await;
        assert!(answer.body == kib(65), "whole");
        let status = answer.cache_status();
        assert_eq!((status.stored, status.detail()), (false, "too-large"));
        assert_eq!(origin.requests(), n);
    }
}

#[tokio::test]
async fn a_body_that_grows_too_large_is_passed_on_and_not_stored() {
    let reply = (0..10).fold(Reply::fresh(60, ""), |reply, _| reply.body(kib(32)));
    let origin = Origin::always(reply.chunked()).await;
    let proxy = Proxy::with(&origin, "[cache]\nmax_object_size = \"64KiB\"").await;
    for n in 1..=2 {
        assert!(get(&proxy, "/").await.body == kib(32).repeat(10), "whole");
        assert_eq!(origin.requests(), n);
    }
}

#[tokio::test]
async fn bodies_on_their_way_have_one_budget() {
    let gate = Gate::new();
    let held = gate.clone();
    let origin = Origin::serve(move |seen| match seen.target.as_str() {
        "/first" => Reply::fresh(60, kib(700)).gate(&held).body(kib(100)),
        _ => Reply::fresh(60, kib(700)).body(kib(100)),
    })
    .await;
    let proxy = Proxy::with(&origin, "[cache.memory]\nmax_in_flight = \"1MiB\"").await;
    let mut first = get(&proxy, "/first").arriving().await;
    first.body(700 << 10).await;
    assert_eq!(get(&proxy, "/second").await.body.len(), 800 << 10, "relayed all the same");
    gate.open();
    assert_eq!(first.end().await.unwrap().body.len(), 800 << 10);
    assert!(get(&proxy, "/first").await.is_hit(), "it was there first");
    assert!(!get(&proxy, "/second").await.is_hit(), "there was no room for both");
}

#[tokio::test]
async fn a_torn_body_never_looks_whole_and_is_not_stored() {
    let bodies = [
        Reply::fresh(60, "the whole body").torn_after(9),
        Reply::fresh(60, "the whole body").chunked().torn_after(9),
        Reply::fresh(60, "the whole").body(" body").chunked().torn_after(9),
    ];
    for torn in bodies {
        let origin = Origin::replies([torn.clone(), Reply::fresh(60, "better")]).await;
        let proxy = Proxy::before(&origin).await;
        let broken = get(&proxy, "/").result().await.unwrap_err();
        assert!(b"the whole".starts_with(&broken.so_far.body), "{broken}\n{torn:?}");
        let next = get(&proxy, "/").await;
        assert_eq!((next.text(), next.cache_status().fwd()), ("better", "uri-miss"), "{torn:?}");
    }
}

#[tokio::test]
async fn a_body_that_ends_in_a_reset_never_looks_whole_and_is_not_stored() {
    for reply in [Reply::fresh(60, "all").until_close(), Reply::fresh(60, "all").chunked()] {
        let gate = Gate::new();
        let reset = reply.gate(&gate).resetting();
        let origin = Origin::replies([reset, Reply::fresh(60, "better")]).await;
        let proxy = Proxy::before(&origin).await;
        let mut arriving = get(&proxy, "/").arriving().await;
        arriving.body(3).await;
        gate.open();
        let broken = arriving.end().await.unwrap_err();
        assert_eq!(broken.so_far.text(), "all", "{broken}");
        assert_eq!(get(&proxy, "/").await.text(), "better");
    }
}

#[tokio::test]
async fn a_torn_body_breaks_followers_too() {
    let gate = Gate::new();
    let reply = Reply::fresh(60, "first").gate(&gate).body("second").chunked().torn_after(8);
    let origin = Origin::always(reply).await;
    let proxy = Proxy::before(&origin).await;
    let mut clients = [get(&proxy, "/").arriving().await, get(&proxy, "/").arriving().await];
    for client in &mut clients {
        client.body(5).await;
    }
    gate.open();
    for client in clients {
        let broken = client.end().await.unwrap_err();
        assert!(b"firstsec".starts_with(&broken.so_far.body), "{broken}");
    }
}

#[tokio::test]
async fn a_torn_body_resets_its_http_2_stream_alone() {
    let torn = Reply::fresh(60, "the whole body").torn_after(9);
    let origin = Origin::replies([torn, Reply::fresh(60, "better")]).await;
    let proxy = Proxy::before(&origin).await;
    let client = H2::connect(&proxy).await;
    client.get("/", &[]).await.expect_err("it must not look whole");
    assert_eq!(client.get("/", &[]).await.unwrap().text(), "better", "on the same connection");
}

#[tokio::test]
async fn a_body_until_close_is_whole_and_stored() {
    let origin = Origin::always(Reply::fresh(60, "all of it").until_close()).await;
    let proxy = Proxy::before(&origin).await;
    assert_eq!(get(&proxy, "/").await.text(), "all of it");
    let hit = get(&proxy, "/").await;
    assert_eq!((hit.text(), hit.is_hit()), ("all of it", true));
    assert_eq!(hit.header("content-length"), Some("9"), "now its length is known");
}

#[tokio::test]
async fn a_body_under_a_coding_that_nobody_knows_ends_with_the_connection() {
    let head =
        "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nTransfer-Encoding: unheard-of\r\n\r\n";
    let origin = Origin::always(Reply::raw(format!("{head}all of it"))).await;
    let proxy = Proxy::before(&origin).await;
    for hit in [false, true] {
        let answer = get(&proxy, "/").await;
        assert_eq!((answer.text(), answer.is_hit()), ("all of it", hit), "RFC 9112 §6.3");
        assert_ne!(
            answer.header("transfer-encoding"),
            Some("unheard-of"),
            "RFC 9112 §6.1: a hop's"
        );
    }
    assert_eq!(origin.requests(), 1);
}

#[tokio::test]
async fn a_chunk_that_lies_breaks_the_response() {
    let head = "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nTransfer-Encoding: chunked\r\n\r\n";
    for chunks in ["5\r\nabcdefgh\r\n0\r\n\r\n", "zz\r\nabc\r\n0\r\n\r\n", "-1\r\nabc\r\n"] {
        let lie = Reply::raw(format!("{head}{chunks}"));
        let origin = Origin::replies([lie, Reply::fresh(60, "better")]).await;
        let proxy = Proxy::before(&origin).await;
        let broken = get(&proxy, "/").result().await;
        assert!(!matches!(broken, Ok(answer) if answer.status == 200), "{chunks:?}");
        assert_eq!(get(&proxy, "/").await.text(), "better", "{chunks:?} is not stored");
    }
}

#[tokio::test]
async fn bytes_past_the_end_reach_nobody() {
    let long = "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 3\r\n\r\nabcHTTP/1.1 \
                200 OK\r\nContent-Length: 4\r\n\r\nevil";
    let origin = Origin::serve(move |seen| match seen.number {
        1 => Reply::raw(long).kept_alive(),
        _ => Reply::fresh(60, "good"),
    })
    .await;
    let proxy = Proxy::before(&origin).await;
    assert_eq!(get(&proxy, "/a").await.text(), "abc");
    assert_eq!(get(&proxy, "/b").await.text(), "good", "not what was smuggled in");
    assert_eq!(origin.connections(), 2, "that connection is not used again");
}

#[tokio::test]
async fn a_reader_that_stands_still_holds_nobody_up() {
    let origin = Origin::always(Reply::fresh(60, kib(7168))).await;
    let proxy = Proxy::before(&origin).await;
    let mut still = Client::connect_narrow(&proxy).await;
    still.ask("GET", "/", &[]).await;
    origin.until_requests(1).await;
    assert!(get(&proxy, "/").await.body == kib(7168), "it goes at its own speed");
    assert!(still.read().await.unwrap().body == kib(7168), "and the other one may go on");
    assert_eq!(origin.requests(), 1);
}

#[tokio::test]
async fn an_upload_is_streamed() {
    let origin = Origin::always(Reply::status(201)).await;
    let proxy = Proxy::before(&origin).await;
    let mut client = Client::connect(&proxy).await;
    client.ask("POST", "/", &[("Content-Length", "10")]).await;
    client.write("first").await;
    origin.until_body_bytes(5).await;
    assert_eq!(origin.requests(), 0, "the second half has not been sent");
    client.write("after").await;
    assert_eq!(client.read().await.unwrap().status, 201);
    assert_eq!(origin.last().text(), "firstafter");
}

#[tokio::test]
async fn a_chunked_upload_of_many_pieces_arrives_byte_for_byte() {
    let origin = Origin::always(Reply::status(201)).await;
    let proxy = Proxy::before(&origin).await;
    let mut client = Client::connect(&proxy).await;
    client.ask("PUT", "/", &[("Transfer-Encoding", "chunked")]).await;
    for piece in kib(300).chunks(7001) {
        client.write(format!("{:X}\r\n", piece.len())).await;
        client.write([piece, b"\r\n"].concat()).await;
    }
    client.write("0\r\n\r\n").await;
    assert_eq!(client.read().await.unwrap().status, 201);
    assert!(origin.last().body == kib(300));
}

#[tokio::test]
async fn an_upload_that_breaks_off_never_looks_whole() {
    let origin = Origin::always(Reply::status(201)).await;
    let proxy = Proxy::before(&origin).await;
    let client =
        send(&proxy, "POST", "/").header("Content-Length", "10").body("first").sent().await;
    origin.until_body_bytes(5).await;
    client.reset();
    origin.until_closed(1).await;
    assert_eq!(origin.requests(), 0, "no complete request came");
}
