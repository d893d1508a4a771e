//! A certificate authority: certificates and keys in files, as operators have them, and clients
//! that trust it.

use std::{fs, path::PathBuf, sync::Arc};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer,
    DistinguishedName, DnType, IsCa, KeyIdMethod, KeyPair, RevokedCertParams, SerialNumber,
    date_time_ymd,
};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{Place, place::Duplex, within};

/// An authority with a directory of its own.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    directory: tempfile::TempDir,
}

impl Authority {
    /// A new one; its root is in `root.pem`.
    pub(crate) fn new() -> Authority {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let issuer = CertifiedIssuer::self_signed(params, key).expect("a root");
        let authority = Authority { issuer, directory: tempfile::tempdir().expect("a directory") };
        authority.write("root.pem", &authority.issuer.pem());
        authority
    }

    /// Where a file of it is.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The same, as text.
    pub(crate) fn file(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// Writes a file in one step, as programs that renew certificates do.
    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.path("next"), text).expect("the file takes it");
        fs::rename(self.path("next"), self.path(name)).expect("it takes its place");
    }

    /// Makes `<file>.pem` and `<file>.key`, for some names and a subject.
    pub(crate) fn issue(&self, file: &str, names: &[&str]) {
        self.write_pair(file, self.made(file, names));
    }

    /// As [`issue`](Self::issue), for the years from the first to the beginning of the second.
    pub(crate) fn issue_for(&self, file: &str, names: &[&str], years: (i32, i32)) {
        let mut params = params(file, names);
        (params.not_before, params.not_after) =
            (date_time_ymd(years.0, 1, 1), date_time_ymd(years.1, 1, 1));
        self.write_pair(file, self.signed(&params));
    }

    /// As [`issue`](Self::issue), with a serial number.
    pub(crate) fn issue_numbered(&self, file: &str, serial: u64) {
        let mut params = params(file, &[&format!("{file}.test")]);
        params.serial_number = Some(SerialNumber::from(serial));
        self.write_pair(file, self.signed(&params));
    }

    /// Writes the list of the serial numbers that are revoked to `crl.pem`; good until a year begins.
    pub(crate) fn revoke(&self, serials: &[u64], until: i32) {
        let revoked = |serial: &u64| RevokedCertParams {
            serial_number: SerialNumber::from(*serial),
            revocation_time: date_time_ymd(2020, 1, 1),
            reason_code: None,
            invalidity_date: None,
        };
        let list = CertificateRevocationListParams {
            this_update: date_time_ymd(2020, 1, 1),
            next_update: date_time_ymd(until, 1, 1),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: serials.iter().map(revoked).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let list = list.signed_by(&self.issuer).expect("a list");
        self.write("crl.pem", &list.pem().expect("its text"));
    }

    /// A certificate whose subject is `CN=<subject>,O=Tests`, and its key, as PEM.
    pub(crate) fn made(&self, subject: &str, names: &[&str]) -> (String, String) {
        self.signed(&params(subject, names))
    }

    fn write_pair(&self, file: &str, (certificate, key): (String, String)) {
        self.write(&format!("{file}.pem"), &certificate);
        self.write(&format!("{file}.key"), &key);
    }

    fn signed(&self, params: &CertificateParams) -> (String, String) {
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        (certificate.pem(), key.serialize_pem())
    }

    /// `[tls]` at a free port, with `more` of its keys, and the certificates of `files`.
    pub(crate) fn tls(&self, more: &str, files: &[&str]) -> String {
        let mut text = format!("[tls]\nlisten = \"127.0.0.1:0\"\n{more}\n");
        for file in files {
            let (cert, key) =
                (self.file(&format!("{file}.pem")), self.file(&format!("{file}.key")));
            text.push_str(&format!("[[tls.certificates]]\ncert = \"{cert}\"\nkey = \"{key}\"\n"));
        }
        text
    }

    /// A client that trusts it and speaks one protocol; with the certificate in `<file>.pem`.
    pub(crate) fn client(&self, protocol: &str, file: Option<&str>) -> TlsConnector {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).expect("a root");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("TLS 1.2 and 1.3")
            .with_root_certificates(roots);
        let mut config = match file {
            None => builder.with_no_client_auth(),
            Some(file) => {
                let path = |end: &str| self.path(&format!("{file}.{end}"));
                let chain = CertificateDer::from_pem_file(path("pem")).expect("a certificate");
                let key = PrivateKeyDer::from_pem_file(path("key")).expect("a key");
                builder.with_client_auth_cert(vec![chain], key).expect("a pair")
            }
        };
        config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
        TlsConnector::from(Arc::new(config))
    }

    /// A connection by HTTP/1.1 to `name`, after its handshake.
    ///
    /// # Errors
    /// Why there is none.
    pub(crate) async fn shake(
        &self,
        place: &Place,
        name: &str,
    ) -> std::io::Result<TlsStream<Box<dyn Duplex>>> {
        let name = ServerName::try_from(name.to_owned()).expect("a name");
        let plain = place.connect().await.into_duplex();
        within("a handshake", self.client("http/1.1", None).connect(name, plain)).await
    }
}

fn params(subject: &str, names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|it| (*it).to_owned()).collect();
    let mut params = CertificateParams::new(names).expect("names");
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, "Tests");
    params.distinguished_name.push(DnType::CommonName, subject);
    params
}
