//! HTTP/1 requests that servers read in two ways.

use super::{echo, seen, statuses};

/// Each is refused with the status, and the origin sees none of it.
async fn are_refused(status: u16, attacks: &[&[u8]]) {
    let mut wrong = Vec::new();
    for attack in attacks {
        let (origin, proxy) = echo("").await;
        let (got, seen) = (statuses(&proxy, attack).await, seen(&origin));
        if got.first() != Some(&status) || !seen.is_empty() {
            wrong.push(format!("{}: {got:?}, seen: {seen:?}", attack.escape_ascii()));
        }
    }
    assert!(wrong.is_empty(), "not {status}:\n{}", wrong.join("\n"));
}

/// Each passes, in a form that can be read in one way only: what the origin saw of it.
async fn become_plain(attacks: &[(&[u8], &str)]) {
    let mut wrong = Vec::new();
    for (attack, expected) in attacks {
        let (origin, proxy) = echo("").await;
        let (got, seen) = (statuses(&proxy, attack).await, seen(&origin));
        if got.first() != Some(&200) || seen != [*expected] {
            wrong.push(format!("{}: {got:?}, seen: {seen:?}", attack.escape_ascii()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A POST with these fields and this body.
fn post(fields: &str, body: &str) -> Vec<u8> {
    format!("POST /a HTTP/1.1\r\nHost: api.test\r\n{fields}\r\n\r\n{body}").into_bytes()
}

#[tokio::test]
async fn framing_that_is_ambiguous_is_400() {
    let chunks = "0\r\n\r\n";
    let attacks = [
        post("Transfer-Encoding: xchunked", chunks),
        post("Transfer-Encoding: \"chunked\"", chunks),
        post("Transfer-Encoding: chunked, identity", chunks),
        post("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", chunks),
        post("Transfer-Encoding: chunked, gzip", chunks),
        post("Transfer-Encoding: \x0bchunked", chunks),
        post("Transfer-Encoding: chunked\x0b", chunks),
        post("Transfer-Encoding : chunked", chunks),
        post("Transfer-Encoding\x0b: chunked", chunks),
        post("Transfer-Encoding:\r\n chunked", chunks),
        post("X-A: a\r\n Transfer-Encoding: chunked", chunks),
        post("X-A: a\rTransfer-Encoding: chunked", chunks),
        post("X-A: a\0", chunks),
        post("Transfer-Encoding: ", chunks),
        post("Content-Length: 5\r\nContent-Length: 0", "hello"),
        post("Content-Length: 0, 5", "hello"),
        post("Content-Length: +5", "hello"),
        post("Content-Length: -5", "hello"),
        post("Content-Length: 0x5", "hello"),
        post("Content-Length: 5 5", "hello"),
        post("Content-Length: 5e0", "hello"),
        post("Content-Length: ", "hello"),
        post("Content-Length: \u{665}", "hello"),
        post("Content-Length: 18446744073709551616", "hello"),
        post("Content-Length: 5\r\n\tX: y", "hello"),
        post("(Content-Length): 5", "hello"),
        post(": 5", "hello"),
        post("Content-Length", "hello"),
        b"POST /a HTTP/1.0\r\nHost: api.test\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".into(),
    ];
    are_refused(400, &attacks.each_ref().map(Vec::as_slice)).await;
}

#[tokio::test]
async fn other_codings_are_501() {
    let attacks = [
        post("Transfer-Encoding: gzip, chunked", "0\r\n\r\n"),
        post("Transfer-Encoding: identity, chunked", "0\r\n\r\n"),
        post("Transfer-Encoding: chunked, chunked", "0\r\n\r\n"),
        post("Transfer-Encoding: identity\r\nTransfer-Encoding: chunked", "0\r\n\r\n"),
    ];
    are_refused(501, &attacks.each_ref().map(Vec::as_slice)).await;
}

#[tokio::test]
async fn chunks_that_lie_are_400_and_never_a_whole_request() {
    let attacks = [
        "0x5\r\nhello\r\n0\r\n\r\n",
        " 5\r\nhello\r\n0\r\n\r\n",
        "+5\r\nhello\r\n0\r\n\r\n",
        "-5\r\nhello\r\n0\r\n\r\n",
        "\r\nhello\r\n0\r\n\r\n",
        "5 5\r\nhello\r\n0\r\n\r\n",
        "5\nhello\r\n0\r\n\r\n",
        "5\rhello\r\n0\r\n\r\n",
        "5;a\nb\r\nhello\r\n0\r\n\r\n",
        "5;a\rb\r\nhello\r\n0\r\n\r\n",
        "5\r\nhelloX\r\n0\r\n\r\n",
        "5\r\nhello\n0\r\n\r\n",
        "5\r\nhello0\r\n\r\n",
        "10000000000000005\r\nhello\r\n0\r\n\r\n",
        "5\r\nhello\r\n0\r\nX A: b\r\n\r\n",
        "5\r\nhello\r\n0\r\nX: \0\r\n\r\n",
    ]
    .map(|body| post("Transfer-Encoding: chunked", body));
    are_refused(400, &attacks.each_ref().map(Vec::as_slice)).await;
}

#[tokio::test]
async fn a_request_line_has_one_form() {
    let attacks = [
        "GET  /a HTTP/1.1",
        "GET /a  HTTP/1.1",
        "GET /a HTTP/1.1 ",
        "GET\t/a HTTP/1.1",
        "GET /a HTTP/1.2",
        "GET /a HTTP/2.0",
        "GET /a http/1.1",
        "GET /a",
        " GET /a HTTP/1.1",
        "GET /a b HTTP/1.1",
        "GET /a\x7f HTTP/1.1",
        "GET /a\0 HTTP/1.1",
        "G(T /a HTTP/1.1",
        "GET: /a HTTP/1.1",
        "GET a HTTP/1.1",
        "GET api.test HTTP/1.1",
        "GET api.test:80 HTTP/1.1",
        "GET * HTTP/1.1",
        "GET ?a HTTP/1.1",
        "GET http://evil.test/a HTTP/1.1",
        "GET http://api.test:81/a HTTP/1.1",
        "GET http://api.test@evil.test/a HTTP/1.1",
        "GET http://user@api.test/a HTTP/1.1",
        "GET http:///a HTTP/1.1",
        "GET http:/a HTTP/1.1",
    ]
    .map(|line| format!("{line}\r\nHost: api.test\r\n\r\n").into_bytes());
    are_refused(400, &attacks.each_ref().map(Vec::as_slice)).await;
}

#[tokio::test]
async fn a_host_is_a_name_or_an_address_and_a_port() {
    let attacks = [
        "X: y",
        "Host: api.test\r\nHost: api.test",
        "Host:",
        "Host: ",
        "Host: api test",
        "Host: api.test/a",
        "Host: api.test?a",
        "Host: api.test#a",
        "Host: http://api.test",
        "Host: user@api.test",
        "Host: api.test:a",
        "Host: api.test:-80",
        "Host: api.test:99999",
        "Host: api.test:80:80",
        "Host: api.test%00",
        "Host: api.test\\a",
        "Host: api.test\t.evil",
        "Host: \"api.test\"",
        "Host: <api.test>",
        "Host: api.test\u{e9}",
        "Host: [::1",
        "Host: ::1]",
        "Host: []",
        "Host: [::1]evil",
        "Host: [evil;a=b]",
        "Host: .",
        // These would say more in Forwarded, or in X-Forwarded-Host, than who was asked.
        "Host: a;proto=https",
        "Host: a,for=6.6.6.6",
        "Host: a;by=b",
        "Host: a=b",
        "Host: *",
    ]
    .map(|host| format!("GET /a HTTP/1.1\r\n{host}\r\n\r\n").into_bytes());
    are_refused(400, &attacks.each_ref().map(Vec::as_slice)).await;
}

#[tokio::test]
async fn a_path_climbs_nowhere_however_it_is_separated() {
    let attacks = [
        "/a/../b",
        "/a/%2e%2E/b",
        "/a/..;x/b",
        "/a/..%2fb",
        "/a%2f..%2Fb",
        "/a%2f%2e%2e/b",
        "/a/..%5cb",
        "/a%5C..%5cb",
        "/a/..\\b",
        "/a\\..\\b",
        "/a\\..",
        "/a/.%2fb",
        "/a%00",
        "/a/%00/../b",
        "http://api.test/a/../b",
    ]
    .map(|path| format!("GET {path} HTTP/1.1\r\nHost: api.test\r\n\r\n").into_bytes());
    are_refused(400, &attacks.each_ref().map(Vec::as_slice)).await;
}

#[tokio::test]
async fn what_is_let_in_is_written_anew() {
    let rows: &[(&[u8], &str)] = &[
        (&post("Content-Length: 5\r\nContent-Length: 5", "hello"), "POST /a hello"),
        (&post("Content-Length: 05", "hello"), "POST /a hello"),
        (&post("Transfer-Encoding: chunked", "5;a=\"b\"\r\nhello\r\n0\r\n\r\n"), "POST /a hello"),
        (&post("Transfer-Encoding: ChunKed", "5 \r\nhello\r\n000\r\n\r\n"), "POST /a hello"),
        (
            &post("Content-Length: 3\r\nTransfer-Encoding: chunked", "5\r\nhello\r\n0\r\n\r\n"),
            "POST /a hello",
        ),
        (b"GET /a HTTP/1.1\r\nHost: api.test\r\nContent-Length: 5\r\n\r\nhello", "GET /a hello"),
        (
            b"GET /a HTTP/1.1\r\nHost: api.test\r\nTransfer-Encoding: chunked\r\n\r\n\
              5\r\nhello\r\n0\r\n\r\n",
            "GET /a hello",
        ),
        (b"DELETE /a HTTP/1.1\r\nHost: api.test\r\nContent-Length: 2\r\n\r\nok", "DELETE /a ok"),
        (b"GET /a HTTP/1.1\nHost: api.test\n\n", "GET /a"),
        (b"\r\n\r\nGET /a HTTP/1.1\r\nHost: api.test\r\n\r\n", "GET /a"),
        (b"GET /a#b HTTP/1.1\r\nHost: api.test\r\n\r\n", "GET /a"),
        (b"GET http://API.test:80/a HTTP/1.1\r\nHost: api.test\r\n\r\n", "GET /a"),
        (b"GET http://api.test HTTP/1.1\r\nHost: api.test\r\n\r\n", "GET /"),
        (b"GET http://api.test?a HTTP/1.1\r\nHost: api.test\r\n\r\n", "GET /?a"),
        (b"GET http://api.test#a HTTP/1.1\r\nHost: api.test\r\n\r\n", "GET /"),
        (b"GET //evil.test/a HTTP/1.1\r\nHost: api.test\r\n\r\n", "GET //evil.test/a"),
        (b"GET /a?b=/../c HTTP/1.1\r\nHost: api.test\r\n\r\n", "GET /a?b=/../c"),
        (b"get /a HTTP/1.1\r\nHost: api.test\r\n\r\n", "get /a"),
        (b"OPTIONS * HTTP/1.1\r\nHost: api.test\r\n\r\n", "OPTIONS *"),
        (b"GET /a HTTP/1.0\r\n\r\n", "GET /a"),
        (b"GET http://evil.test/a HTTP/1.0\r\n\r\n", "GET /a"),
        (b"GET /a HTTP/1.1\r\nHost: api.test\r\nExpect: 200-ok\r\n\r\n", "GET /a"),
        (
            b"GET /a HTTP/1.1\r\nHost: api.test\r\nConnection: host, content-length\r\n\
              Content-Length: 2\r\n\r\nok",
            "GET /a ok",
        ),
    ];
    become_plain(rows).await;
}

#[tokio::test]
async fn a_body_is_never_taken_for_a_request() {
    let inner = "GET /inner HTTP/1.1\r\nHost: api.test\r\n\r\n";
    let length = format!("Content-Length: {}", inner.len());
    for method in ["GET", "HEAD", "DELETE", "OPTIONS", "BREW", "POST"] {
        let (origin, proxy) = echo("").await;
        let mut client = crate::support::Client::connect(&proxy).await;
        client.expect_answer_to(method);
        let head = format!("{method} /a HTTP/1.1\r\nHost: api.test\r\n{length}\r\n\r\n{inner}");
        client.write(head).await;
        assert_eq!(client.read().await.unwrap().status, 200, "{method}");
        client.ask("GET", "/next", &[]).await;
        assert_eq!(client.read().await.unwrap().text(), "GET /next", "{method}");
        let expected = [format!("{method} /a {}", inner.trim_end()), "GET /next".to_owned()];
        assert_eq!(seen(&origin), expected);
    }
}
