//! Certificates that are renewed: while connections go on, and without ever using half of one.

use super::{ASK, authority, connect};
use crate::support::{Authority, Origin, Proxy, Reply, get};

/// How often files are looked at.
const LOOK: u64 = 5;

/// The certificate that a handshake shows, and whether it is valid for the name.
async fn shown(authority: &Authority, proxy: &Proxy, name: &str) -> Option<Vec<u8>> {
    let secure = authority.shake(&proxy.tls(), name).await.ok()?;
    Some(secure.get_ref().1.peer_certificates()?.first()?.to_vec())
}

/// Lets two looks pass, one to see a change, one to see that it stands still; and some more, since
/// another wait may end when a look is due.
pub(super) async fn looked(proxy: &Proxy) {
    for _ in 0..6 {
        proxy.let_it_wait(LOOK).await;
    }
}

#[tokio::test]
async fn a_renewed_certificate_is_used_without_ending_a_connection() {
    let authority = authority();
    let origin = Origin::always(Reply::fresh(3600, "x")).await;
    let proxy = Proxy::with(&origin, &authority.tls("", &["site"])).await;
    let mut open = connect(&authority, &proxy).await;
    open.write(ASK).await;
    assert_eq!(open.read().await.unwrap().status, 200);
    let first = shown(&authority, &proxy, "api.test").await.unwrap();
    authority.issue("site", &["api.test", "new.test"]);
    assert_eq!(shown(&authority, &proxy, "api.test").await.unwrap(), first, "not looked at yet");
    looked(&proxy).await;
    let second = shown(&authority, &proxy, "new.test").await.expect("it has a new name");
    assert_ne!(first, second);
    open.write(ASK).await;
    assert_eq!(open.read().await.unwrap().status, 200, "what was open goes on");
}

#[tokio::test]
async fn half_of_a_renewal_is_never_used() {
    let authority = authority();
    authority.issue("other", &["other.test"]);
    let origin = Origin::always(Reply::ok("x")).await;
    let proxy = Proxy::with(&origin, &authority.tls("", &["site", "other"])).await;
    let first = shown(&authority, &proxy, "api.test").await.unwrap();
    let (certificate, key) = authority.made("site", &["api.test"]);
    authority.write("site.pem", &certificate);
    authority.issue("other", &["other.test", "more.test"]);
    looked(&proxy).await;
    assert_eq!(shown(&authority, &proxy, "api.test").await.unwrap(), first, "the key is missing");
    assert!(shown(&authority, &proxy, "more.test").await.is_some(), "others are not held up");
    authority.write("site.key", &key[..key.len() / 2]);
    looked(&proxy).await;
    assert_eq!(shown(&authority, &proxy, "api.test").await.unwrap(), first, "half of it");
    std::fs::remove_file(authority.path("site.key")).unwrap();
    looked(&proxy).await;
    assert_eq!(shown(&authority, &proxy, "api.test").await.unwrap(), first, "nothing of it");
    authority.write("site.key", &key);
    looked(&proxy).await;
    assert_ne!(shown(&authority, &proxy, "api.test").await.unwrap(), first, "all is there");
}

#[tokio::test]
async fn a_reload_takes_over_certificates_at_once_or_not_at_all() {
    let authority = authority();
    let origin = Origin::always(Reply::fresh(3600, "x")).await;
    let proxy = Proxy::with(&origin, &authority.tls("", &["site"])).await;
    let mut open = connect(&authority, &proxy).await;
    authority.issue("second", &["second.test"]);
    proxy.reload(&authority.tls("", &["site", "second"]));
    assert!(shown(&authority, &proxy, "second.test").await.is_some());
    let first = shown(&authority, &proxy, "api.test").await.unwrap();
    authority.issue("site", &["api.test"]);
    authority.write("second.key", "no key");
    let text = format!("{}[cache]\nmode = \"off\"\n", authority.tls("", &["site", "second"]));
    let why = proxy.try_reload(&text).unwrap_err();
    assert!(why.contains("second.key") && why.contains("no private key"), "{why}");
    assert_eq!(shown(&authority, &proxy, "api.test").await.unwrap(), first, "nothing of it");
    for _ in 0..2 {
        open.write(ASK).await;
        assert_ne!(open.read().await.unwrap().cache_status().fwd(), "bypass", "nothing of it");
    }
    let told = proxy.try_reload(&authority.tls("redirect = \"127.0.0.1:0\"", &["site"])).unwrap();
    assert_eq!(told, ["tls.redirect has changed: restart to use it"]);
    assert_eq!(shown(&authority, &proxy, "second.test").await, None, "it is not served any more");
}

#[tokio::test]
async fn when_each_certificate_ends_is_told_to_prometheus() {
    let authority = authority();
    authority.issue_for("site", &["api.test"], (2020, 2030));
    authority.issue_for("other", &["other.test"], (2020, 2040));
    let origin = Origin::always(Reply::ok("x")).await;
    let admin = "[admin]\nlisten = \"127.0.0.1:0\"\n";
    let config = |files| format!("{}{admin}", authority.tls("", files));
    let proxy = Proxy::with(&origin, &config(&["site", "other", "other"])).await;
    let told = async || {
        let page = get(&proxy.admin(), "/metrics").host("localhost").await.text().to_owned();
        let name = "larder_certificate_expiry_timestamp_seconds{certificate=\"";
        let lines = page.lines().filter_map(|line| line.strip_prefix(name));
        let value = |line: &str| {
            let (file, value) = line.split_once("\"} ").expect("a value");
            (file.rsplit('/').next().expect("a file").to_owned(), value.to_owned())
        };
        lines.map(value).collect::<Vec<_>>()
    };
    let series = |told: &[(&str, &str)]| -> Vec<_> {
        told.iter().map(|(file, end)| ((*file).to_owned(), (*end).to_owned())).collect()
    };
    // By `date -d 2030-01-01T00:00:00Z +%s`, and of 2040.
    let first = [("other.pem", "2208988800"), ("site.pem", "1893456000")];
    assert_eq!(told().await, series(&first), "a file is one series, however often it is named");
    authority.issue_for("site", &["api.test"], (2020, 2050));
    looked(&proxy).await;
    let renewed = [("other.pem", "2208988800"), ("site.pem", "2524608000")];
    assert_eq!(told().await, series(&renewed), "it was renewed");
    proxy.reload(&config(&["site"]));
    assert_eq!(told().await, series(&renewed[1..]), "the other one is named no longer");
}
