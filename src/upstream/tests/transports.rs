use std::{net::IpAddr, path::PathBuf, sync::Arc};

use futures_util::FutureExt;
use http::{Method, StatusCode};
use http_body::Body;
use hyper_util::rt::TokioIo;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{ServerConfig, crypto::aws_lc_rs, pki_types::PrivateKeyDer};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixListener,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::support::{
    CONNECT, OK, Origin, Peer, config, get, head, idle_connection, run, text, unix, upstream,
};
use crate::{
    clock::Clock,
    config::Address,
    upstream::{Errand, Error, RequestBody, Upstream},
};

#[test]
fn a_unix_socket_serves() {
    run(async {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("api.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let (upstream, _) = upstream(unix(path));
        let (answer, _peer) = tokio::join!(get(&upstream), async {
            let mut peer = Peer(listener.accept().await.unwrap().0);
            peer.serve(OK).await;
            peer
        });
        assert_eq!(text(answer.unwrap()).await.unwrap(), "ok");
    });
}

/// An authority, its certificate in a file, and a server that it vouches for.
struct Authority {
    _directory: tempfile::TempDir,
    ca: PathBuf,
    acceptor: TlsAcceptor,
}

fn authority(names: &[&str]) -> Authority {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &issuer).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let ca = directory.path().join("ca.pem");
    std::fs::write(&ca, issuer.pem()).unwrap();
    let mut server = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        )
        .unwrap();
    server.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Authority { _directory: directory, ca, acceptor: TlsAcceptor::from(Arc::new(server)) }
}

impl Authority {
    fn upstream(&self, origin: &Origin, host: &str) -> Upstream {
        let port = origin.address().port();
        let mut config = config(Address::Https { host: host.into(), port });
        config.ca = Some(self.ca.clone());
        upstream(config).0
    }

    async fn accept(&self, origin: &Origin) -> Result<Peer<TlsStream<tokio::net::TcpStream>>, ()> {
        let socket = origin.accept().await.0;
        self.acceptor.accept(socket).await.map(Peer).map_err(|_| ())
    }
}

#[test]
fn an_https_upstream_is_checked_by_the_urls_host() {
    for host in ["localhost", "127.0.0.1"] {
        run(async {
            let authority = authority(&[host]);
            let origin = Origin::start().await;
            let upstream = authority.upstream(&origin, host);
            let (answer, mut peer) = tokio::join!(get(&upstream), async {
                let mut peer = authority.accept(&origin).await.unwrap();
                let session = peer.0.get_ref().1;
                assert_eq!(session.alpn_protocol(), Some(&b"http/1.1"[..]), "never h2");
                let named = host.parse::<IpAddr>().is_err().then_some(host);
                assert_eq!(session.server_name(), named, "an address is no SNI");
                peer.serve(OK).await;
                peer
            });
            assert_eq!(text(answer.unwrap()).await.unwrap(), "ok");
            let (answer, ()) = tokio::join!(get(&upstream), peer.serve(OK));
            assert_eq!(text(answer.unwrap()).await.unwrap(), "ok", "on the same connection");
        });
    }
}

#[test]
fn a_certificate_for_somebody_else_is_refused() {
    for (certified, host) in [("other.example", "localhost"), ("localhost", "127.0.0.1")] {
        run(async {
            let authority = authority(&[certified]);
            let origin = Origin::start().await;
            let upstream = authority.upstream(&origin, host);
            let (answer, _) = tokio::join!(get(&upstream), authority.accept(&origin));
            let error = answer.unwrap_err();
            assert!(matches!(error, Error::Connect(_)), "{error:?}");
            assert!(error.to_string().contains("certificate"), "{error}");
        });
    }
}

#[test]
fn an_authority_that_is_not_ours_is_refused() {
    run(async {
        let (ours, theirs) = (authority(&["localhost"]), authority(&["localhost"]));
        let origin = Origin::start().await;
        let upstream = ours.upstream(&origin, "localhost");
        let (answer, _) = tokio::join!(get(&upstream), theirs.accept(&origin));
        let error = answer.unwrap_err();
        assert!(error.to_string().contains("certificate"), "{error}");
    });
}

#[test]
fn the_tls_handshake_counts_as_connecting() {
    run(async {
        let authority = authority(&["localhost"]);
        let origin = Origin::start().await;
        let mut config =
            config(Address::Https { host: "127.0.0.1".into(), port: origin.address().port() });
        config.ca = Some(authority.ca.clone());
        let (upstream, clock) = upstream(config);
        let (answer, _peer) = tokio::join!(get(&upstream), async {
            let mut peer = origin.accept().await;
            peer.read_some().await;
            clock.until_sleeping(CONNECT).await;
            clock.advance(CONNECT);
            peer
        });
        assert!(matches!(answer, Err(Error::ConnectTimeout(CONNECT))), "{answer:?}");
    });
}

impl Peer {
    async fn read_some(&mut self) {
        self.0.read_u8().await.unwrap();
    }
}

#[test]
fn roots_that_cannot_be_used_are_told_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let empty = directory.path().join("empty.pem");
    std::fs::write(&empty, "no certificate").unwrap();
    for (ca, why) in [(directory.path().join("missing.pem"), "missing.pem"), (empty, "no cert")] {
        let mut config = config(Address::Https { host: "localhost".into(), port: 443 });
        config.ca = Some(ca);
        let error = Upstream::new(config, None, Clock::system()).unwrap_err();
        assert!(error.contains(why), "{error}");
    }
    let mut config = config(Address::Https { host: "not a name".into(), port: 443 });
    config.ca = None;
    let error = Upstream::new(config, None, Clock::system()).unwrap_err();
    assert!(error.contains("not a name"), "{error}");
}

#[test]
fn a_tunnel_echoes_and_holds_its_place_until_its_body_is_dropped() {
    run(async {
        let origin = Origin::start().await;
        let mut config = origin.config();
        config.max_concurrent = 1;
        let (upstream, _) = upstream(config);
        let asking = head(Method::GET, &[("connection", "upgrade"), ("upgrade", "websocket")]);
        let sent = std::sync::atomic::AtomicBool::new(false);
        let (answer, mut peer) = tokio::join!(
            upstream.send(asking, RequestBody::empty(), Errand::test(&sent)),
            origin.serve(
                "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
                 \r\nearly "
            )
        );
        let mut response = answer.unwrap();
        assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
        assert!(response.body().is_end_stream());
        let upgraded = hyper::upgrade::on(&mut response).await.unwrap();
        let place = response.into_body();
        let mut tunnel = TokioIo::new(upgraded);
        tunnel.write_all(b"ping").await.unwrap();
        assert_eq!(peer.read(4).await, "ping");
        peer.say("bytes").await;
        let mut read = [0; 11];
        tunnel.read_exact(&mut read).await.unwrap();
        assert_eq!(&read, b"early bytes");

        let mut next = Box::pin(idle_connection(&origin, &upstream));
        assert!((&mut next).now_or_never().is_none(), "the tunnel has the place");
        drop((tunnel, place));
        assert_eq!(peer.rest().await, b"");
        next.await;
    });
}

#[test]
fn an_upgrade_that_is_declined_is_an_ordinary_answer() {
    run(async {
        let origin = Origin::start().await;
        let (upstream, _) = origin.upstream();
        let asking = head(Method::GET, &[("connection", "upgrade"), ("upgrade", "websocket")]);
        let sent = std::sync::atomic::AtomicBool::new(false);
        let (answer, mut peer) = tokio::join!(
            upstream.send(asking, RequestBody::empty(), Errand::test(&sent)),
            origin.serve(OK)
        );
        assert_eq!(text(answer.unwrap()).await.unwrap(), "ok");
        let (answer, ()) = tokio::join!(get(&upstream), peer.serve(OK));
        answer.unwrap();
    });
}
