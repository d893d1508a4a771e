//! TLS towards clients, as it is asked for by rustls, and (in `real`) by programs that others wrote.

mod clients;
mod handshakes;
mod real;
mod redirects;
mod renewal;

use rustls::pki_types::ServerName;

use crate::support::{Authority, Client, Gate, H2, Origin, Proxy, Reply, get, within};

const ASK: &str = "GET / HTTP/1.1\r\nHost: api.test\r\n\r\n";

/// An authority with a certificate for `api.test`.
fn authority() -> Authority {
    let authority = Authority::new();
    authority.issue("site", &["api.test"]);
    authority
}

/// A client by HTTP/1.1 over TLS, to `api.test`.
async fn connect(authority: &Authority, proxy: &Proxy) -> Client {
    let secure = authority.shake(&proxy.tls(), "api.test").await;
    Client::over(Box::new(secure.expect("a handshake")))
}

/// RFC 9110 §4.2.2: https and http have no shared identity, whatever their hosts.
#[tokio::test]
async fn what_comes_by_tls_is_https_to_the_key_and_to_the_origin() {
    let authority = authority();
    let origin = Origin::serve(|seen| {
        let proto = seen.header("x-forwarded-proto").unwrap_or_default().to_owned();
        Reply::fresh(60, proto)
    })
    .await;
    let proxy = Proxy::with(&origin, &authority.tls("", &["site"])).await;
    let mut client = connect(&authority, &proxy).await;
    for hit in [false, true] {
        client.write(ASK).await;
        let secure = client.read().await.unwrap();
        assert_eq!((secure.text(), secure.is_hit()), ("https", hit));
        let plain = get(&proxy, "/").await;
        assert_eq!((plain.text(), plain.is_hit()), ("http", hit));
    }
    client.write("GET / HTTP/1.1\r\nHost: API.test:443\r\n\r\n").await;
    assert!(client.read().await.unwrap().is_hit(), "its own default port is none (§4.2.3)");
    let name = ServerName::try_from("api.test").unwrap();
    let plain = proxy.tls().connect().await.into_duplex();
    let secure = authority.client("h2", None).connect(name, plain);
    let h2 = H2::over(Box::new(within("a handshake", secure).await.unwrap())).await;
    assert!(h2.get("/", &[]).await.unwrap().is_hit(), "and the same by HTTP/2");
    let told = origin.seen()[0].header("forwarded").unwrap().to_owned();
    assert_eq!(told, "for=127.0.0.1;host=api.test;proto=https");
}

#[tokio::test]
async fn only_a_trusted_proxy_may_say_that_it_was_not() {
    let authority = authority();
    let origin = Origin::serve(|seen| {
        Reply::ok(seen.header("x-forwarded-proto").unwrap_or_default().to_owned())
    })
    .await;
    let claim = "GET / HTTP/1.1\r\nHost: api.test\r\nX-Forwarded-Proto: http\r\n\r\n";
    for (trust, told) in [("", "https"), ("trusted_proxies = [\"127.0.0.1\"]\n", "http")] {
        let text = format!("{trust}{}", authority.tls("", &["site"]));
        let proxy = Proxy::with(&origin, &text).await;
        let mut client = connect(&authority, &proxy).await;
        client.write(claim).await;
        assert_eq!(client.read().await.unwrap().text(), told, "{trust}");
        client.write(ASK).await;
        assert_eq!(client.read().await.unwrap().text(), "https", "where nothing is said");
    }
}

/// RFC 9112 §9.8: without close_notify, what ends with the connection is not known to be whole.
#[tokio::test]
async fn a_torn_body_does_not_look_whole_by_tls_either() {
    let authority = authority();
    let origin = Origin::always(Reply::ok("half of it").chunked().torn_after(4)).await;
    let proxy = Proxy::with(&origin, &authority.tls("", &["site"])).await;
    let mut client = connect(&authority, &proxy).await;
    client.write("GET / HTTP/1.0\r\nHost: api.test\r\n\r\n").await;
    client.read_to_close().await.expect_err("no close_notify");

    let whole = Origin::always(Reply::ok("all of it").chunked()).await;
    let proxy = Proxy::with(&whole, &authority.tls("", &["site"])).await;
    let mut client = connect(&authority, &proxy).await;
    client.write("GET / HTTP/1.0\r\nHost: api.test\r\n\r\n").await;
    let read = client.read_to_close().await.expect("a close_notify");
    assert!(read.ends_with(b"all of it"), "{}", read.escape_ascii());
}

#[tokio::test]
async fn a_client_that_takes_nothing_by_tls_is_closed() {
    let authority = authority();
    let origin = Origin::always(Reply::fresh(60, vec![b'x'; 6 << 20])).await;
    let proxy = Proxy::with(&origin, &authority.tls("", &["site"])).await;
    let mut first = connect(&authority, &proxy).await;
    first.write(ASK).await;
    first.read().await.unwrap();
    let name = ServerName::try_from("api.test").unwrap();
    let narrow = proxy.tls().connect_narrow().await.into_duplex();
    let secure = authority.client("http/1.1", None).connect(name, narrow);
    let mut client = Client::over(Box::new(within("a handshake", secure).await.unwrap()));
    client.write(ASK).await;
    proxy.let_it_wait(30).await;
    proxy.until(|it| it.closed_write_idle.get() == 1).await;
}

#[tokio::test]
async fn the_end_of_an_idle_connection_is_said() {
    let authority = authority();
    let origin = Origin::always(Reply::fresh(60, "x")).await;
    let proxy = Proxy::with(&origin, &authority.tls("", &["site"])).await;
    let mut client = connect(&authority, &proxy).await;
    client.write(ASK).await;
    client.read().await.unwrap();
    proxy.let_it_wait(75).await;
    assert_eq!(client.read_to_close().await.expect("a close_notify (RFC 9112 §9.8)"), b"");
}

#[tokio::test]
async fn a_drain_ends_secure_connections_as_it_does_others() {
    let authority = authority();
    let gate = Gate::new();
    let held = gate.clone();
    let origin = Origin::serve(move |_| Reply::fresh(60, "x").held(&held)).await;
    let proxy = Proxy::with(&origin, &authority.tls("", &["site"])).await;
    let mut client = connect(&authority, &proxy).await;
    client.write(ASK).await;
    origin.until_requests(1).await;
    let drained = tokio::spawn(proxy.drain());
    gate.open();
    let answer = client.read().await.unwrap();
    assert_eq!((answer.text(), answer.header("connection")), ("x", Some("close")));
    assert_eq!(client.read_to_close().await.expect("a close_notify"), b"");
    drained.await.unwrap();
}

#[tokio::test]
async fn strict_transport_security_is_said_where_the_operator_wants_it() {
    let authority = authority();
    let origin = Origin::serve(|seen| match &*seen.target {
        "/own" => Reply::fresh(60, "x").header("Strict-Transport-Security", "max-age=1"),
        _ => Reply::fresh(60, "x"),
    })
    .await;
    let field = "strict-transport-security";
    let proxy = Proxy::with(&origin, &authority.tls("hsts = \"max-age=60\"", &["site"])).await;
    let mut client = connect(&authority, &proxy).await;
    for (path, expected) in
        [("/", "max-age=60"), ("/", "max-age=60"), ("/own", "max-age=1"), ("/own", "max-age=1")]
    {
        client.ask("GET", path, &[]).await;
        let answer = client.read().await.unwrap();
        assert_eq!(answer.headers(field), [expected], "once (RFC 6797 §7.1): {path}");
    }
    assert_eq!(get(&proxy, "/").await.header(field), None, "not in the clear (§7.2)");
    proxy.reload(&authority.tls("", &["site"]));
    client.ask("GET", "/", &[]).await;
    assert_eq!(client.read().await.unwrap().header(field), None, "a reload takes it back");
}

/// RFC 6797 §7.1: the answers to requests that repeat another have what the first one has.
#[tokio::test]
async fn repeats_by_tls_are_answered_whole_and_told_to_come_by_nothing_else() {
    let authority = authority();
    let body = "x".repeat(1 << 20);
    let origin = Origin::always(Reply::fresh(60, body.clone())).await;
    let proxy = Proxy::with(&origin, &authority.tls("hsts = \"max-age=86400\"", &["site"])).await;
    let mut client = connect(&authority, &proxy).await;
    for time in 0..6 {
        client.write(ASK).await;
        let answer = client.read().await.unwrap();
        assert_eq!((answer.text() == body, answer.is_hit()), (true, time > 0), "{time}");
        let told = answer.headers("strict-transport-security");
        assert_eq!(told, ["max-age=86400"], "{time}");
    }
}
