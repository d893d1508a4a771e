//! A certificate authority and a server certificate for `localhost`, made for one origin.

use std::{path::Path, sync::Arc};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::TlsAcceptor;

/// The certificate of an origin, and the file with the root to verify it with.
#[derive(Debug)]
pub(super) struct Identity {
    config: Arc<rustls::ServerConfig>,
    certificate: tempfile::NamedTempFile,
    key: tempfile::NamedTempFile,
    root: tempfile::NamedTempFile,
}

impl Identity {
    /// A new authority, and a certificate for `localhost` by it.
    pub(super) fn new() -> Identity {
        let mut authority = CertificateParams::default();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let authority = CertifiedIssuer::self_signed(authority, key).expect("a root");
        let key = KeyPair::generate().expect("a key");
        let names = CertificateParams::new(["localhost".to_owned()]).expect("a name");
        let certificate = names.signed_by(&key, &authority).expect("a certificate");
        let root = file(&authority.pem());
        let (certificate_file, key_file) = (file(&certificate.pem()), file(&key.serialize_pem()));
        let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("TLS 1.2 and 1.3")
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], private)
            .expect("the key is the certificate's");
        Identity { config: Arc::new(config), certificate: certificate_file, key: key_file, root }
    }

    /// What does the handshakes.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.config.clone())
    }

    /// The file with the root.
    pub(super) fn root(&self) -> &Path {
        self.root.path()
    }

    /// The files with its certificate and its key, for another program.
    pub(super) fn files(&self) -> (&Path, &Path) {
        (self.certificate.path(), self.key.path())
    }
}

fn file(text: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), text).expect("the file takes it");
    file
}
