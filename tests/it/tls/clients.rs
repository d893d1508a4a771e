//! Certificates of clients: who comes in, and what upstreams are told of them.

use rustls::{HandshakeKind, pki_types::ServerName};
use tokio_rustls::TlsConnector;

use super::authority;
use crate::support::{Authority, Client, Origin, Proxy, Reply, get, within};

/// Asks once, with the certificate in `file`; `None` where the handshake fails.
async fn asks(
    (authority, proxy): (&Authority, &Proxy),
    file: Option<&str>,
    fields: &[(&str, &str)],
) -> Option<(String, bool)> {
    let name = ServerName::try_from("api.test").unwrap();
    let plain = proxy.tls().connect().await.into_duplex();
    let secure = authority.client("http/1.1", file).connect(name, plain);
    let secure = within("a handshake", secure).await.ok()?;
    let mut client = Client::over(Box::new(secure));
    // By TLS 1.3 the client is done first: that it is refused comes in the place of an answer.
    let mut head = "GET / HTTP/1.1\r\nHost: api.test\r\n".to_owned();
    fields.iter().for_each(|(name, value)| head.push_str(&format!("{name}: {value}\r\n")));
    client.try_write(head + "\r\n").await.ok()?;
    let answer = client.read().await.ok()?;
    Some((answer.text().to_owned(), answer.is_hit()))
}

/// Says how it was told of its client.
async fn telling() -> Origin {
    Origin::serve(|seen| {
        let told = |name: &str| seen.header(name).unwrap_or("nobody").to_owned();
        Reply::fresh(60, format!("{} {}", told("x-subject"), told("x_subject")))
    })
    .await
}

fn asking(authority: &Authority, how: &str) -> String {
    let ca = authority.file("root.pem");
    let more = format!(
        "client_certificates = \"{how}\"\nclient_ca = \"{ca}\"\nclient_subject = \"X-Subject\""
    );
    authority.tls(&more, &["site"])
}

#[tokio::test]
async fn a_certificate_may_be_asked_for_or_required() {
    let (authority, stranger) = (authority(), Authority::new());
    authority.issue("alice", &["alice.test"]);
    stranger.issue("mallory", &["mallory.test"]);
    for end in ["pem", "key"] {
        let file = format!("mallory.{end}");
        authority.write(&file, &std::fs::read_to_string(stranger.path(&file)).unwrap());
    }
    let origin = telling().await;
    for (how, without) in [("request", true), ("require", false)] {
        let proxy = Proxy::with(&origin, &asking(&authority, how)).await;
        let it = (&authority, &proxy);
        assert_eq!(asks(it, None, &[]).await.is_some(), without, "{how}");
        let alice = asks(it, Some("alice"), &[]).await;
        assert_eq!(alice.unwrap().0, "CN=alice,O=Tests nobody", "{how}");
        assert_eq!(asks(it, Some("mallory"), &[]).await, None, "{how}: not by our root");
    }
}

#[tokio::test]
async fn nobody_can_pass_for_another() {
    let authority = authority();
    authority.issue("alice", &["alice.test"]);
    let origin = telling().await;
    let proxy = Proxy::with(&origin, &asking(&authority, "request")).await;
    let it = (&authority, &proxy);
    let lies = [("X-Subject", "CN=root"), ("x_subject", "CN=root"), ("X-SUBJECT", "CN=root")];
    for lie in lies {
        let told = asks(it, None, &[lie]).await.unwrap().0;
        assert_eq!(told, "nobody nobody", "{lie:?}");
        let told = asks(it, Some("alice"), &[lie]).await.unwrap().0;
        assert_eq!(told, "CN=alice,O=Tests nobody", "{lie:?}");
        let plain = get(&proxy, "/").header(lie.0, lie.1).await;
        assert_eq!(plain.text(), "nobody nobody", "in the clear: {lie:?}");
    }
    // RFC 9110 §7.6.1: what Connection names is for one hop, and would not reach the upstream.
    let named = [("Connection", "X-Subject")];
    let told = asks(it, Some("alice"), &named).await.unwrap().0;
    assert_eq!(told, "CN=alice,O=Tests nobody");
    proxy.advance(100);
    let told = asks(it, Some("alice"), &named).await.unwrap();
    assert_eq!(told, ("CN=alice,O=Tests nobody".to_owned(), false), "to the upstream, too");
}

#[tokio::test]
async fn what_one_client_is_answered_is_not_anothers() {
    let authority = authority();
    authority.issue("alice", &["alice.test"]);
    authority.issue("bob", &["bob.test"]);
    let origin = telling().await;
    let proxy = Proxy::with(&origin, &asking(&authority, "request")).await;
    let it = (&authority, &proxy);
    for hit in [false, true] {
        for (file, told) in [
            (Some("alice"), "CN=alice,O=Tests nobody"),
            (Some("bob"), "CN=bob,O=Tests nobody"),
            (None, "nobody nobody"),
        ] {
            assert_eq!(asks(it, file, &[]).await.unwrap(), (told.to_owned(), hit), "{file:?}");
        }
    }
}

/// How a client's handshake went; `None` where it is not answered.
async fn come_in(proxy: &Proxy, client: &TlsConnector) -> Option<HandshakeKind> {
    let name = ServerName::try_from("api.test").unwrap();
    let plain = proxy.tls().connect().await.into_duplex();
    let secure = within("a handshake", client.connect(name, plain)).await.ok()?;
    let kind = secure.get_ref().1.handshake_kind();
    let mut client = Client::over(Box::new(secure));
    client.try_write("GET / HTTP/1.1\r\nHost: api.test\r\n\r\n").await.ok()?;
    client.read().await.ok()?;
    kind
}

/// What was verified when a session began is not verified when it is resumed: so it must not be
/// resumed under other roots.
#[tokio::test]
async fn a_reload_that_trusts_others_ends_old_sessions() {
    let (authority, other) = (authority(), Authority::new());
    authority.issue("alice", &["alice.test"]);
    let origin = telling().await;
    let proxy = Proxy::with(&origin, &asking(&authority, "require")).await;
    let client = authority.client("http/1.1", Some("alice"));
    let shake = async || come_in(&proxy, &client).await;
    assert_eq!(shake().await, Some(HandshakeKind::Full));
    assert_eq!(shake().await, Some(HandshakeKind::Resumed), "sessions are resumed");
    proxy.reload(&asking(&authority, "require"));
    assert_eq!(shake().await, Some(HandshakeKind::Resumed), "nothing has changed");
    authority.write("root.pem", &std::fs::read_to_string(other.path("root.pem")).unwrap());
    proxy.reload(&asking(&authority, "require"));
    assert_eq!(shake().await, None, "its root is trusted no longer");
}

/// `asking` with a list of what was revoked.
fn asking_by_list(authority: &Authority, how: &str) -> String {
    let crl = format!("client_crl = \"{}\"\n[[tls.certificates]]", authority.file("crl.pem"));
    asking(authority, how).replacen("[[tls.certificates]]", &crl, 1)
}

#[tokio::test]
async fn a_certificate_that_was_revoked_lets_nobody_in() {
    let authority = authority();
    authority.issue_numbered("alice", 7);
    authority.issue_numbered("mallory", 8);
    authority.revoke(&[8], 2100);
    let origin = telling().await;
    for how in ["request", "require"] {
        let proxy = Proxy::with(&origin, &asking_by_list(&authority, how)).await;
        let it = (&authority, &proxy);
        assert!(asks(it, Some("alice"), &[]).await.is_some(), "{how}: not on the list");
        assert_eq!(asks(it, Some("mallory"), &[]).await, None, "{how}: on the list");
    }
}

#[tokio::test]
async fn a_new_list_counts_at_once_for_old_sessions_too() {
    let authority = authority();
    authority.issue_numbered("alice", 7);
    authority.revoke(&[], 2100);
    let origin = telling().await;
    let proxy = Proxy::with(&origin, &asking_by_list(&authority, "require")).await;
    let client = authority.client("http/1.1", Some("alice"));
    let comes_in = async || come_in(&proxy, &client).await.is_some();
    for time in ["first", "second"] {
        let kind = come_in(&proxy, &client).await;
        assert_eq!(kind, Some(HandshakeKind::Full), "the {time} time, the list is asked");
    }
    authority.revoke(&[7], 2100);
    super::renewal::looked(&proxy).await;
    assert!(!comes_in().await, "its session it was good a moment ago");
    authority.revoke(&[], 2021);
    super::renewal::looked(&proxy).await;
    assert!(!comes_in().await, "a list that is out of date says nothing of now");
    authority.revoke(&[], 2100);
    super::renewal::looked(&proxy).await;
    assert!(comes_in().await, "it was looked at, and is good again");
}

#[tokio::test]
async fn a_list_of_somebody_else_says_nothing_of_a_certificate() {
    let (authority, other) = (authority(), Authority::new());
    authority.issue_numbered("alice", 7);
    other.revoke(&[], 2100);
    let origin = telling().await;
    let text = asking_by_list(&authority, "require");
    let text = text.replace(&authority.file("crl.pem"), &other.file("crl.pem"));
    let proxy = Proxy::with(&origin, &text).await;
    assert_eq!(asks((&authority, &proxy), Some("alice"), &[]).await, None, "nobody vouches");
}
