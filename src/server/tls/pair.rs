//! A certificate with its key: read from two files, and not used unless they fit.

use std::{fs::File, io::Read, path::Path, sync::Arc};

use rustls::{
    InconsistentKeys,
    crypto::aws_lc_rs,
    pki_types::{
        CertificateDer, PrivateKeyDer,
        pem::{self, PemObject},
    },
    sign::CertifiedKey,
};
use webpki::EndEntityCert;

use super::{Fault, validity::Validity};
use crate::config::tls::Certificate;

/// No PEM file of ours is longer: a bundle of all public roots has a quarter of it.
const LARGEST: u64 = 1 << 20;

/// A certificate that can be used.
#[derive(Clone, Debug)]
pub(super) struct Pair {
    pub(super) key: Arc<CertifiedKey>,
    /// The DNS names that it is for, in lower case.
    pub(super) names: Vec<String>,
    /// When it begins and ends; `None` where that cannot be read.
    pub(super) validity: Option<Validity>,
}

impl Pair {
    /// Reads both files. That they belong together is checked, so that of two files that are
    /// written one after the other no half is ever used.
    pub(super) fn load(files: &Certificate) -> Result<Pair, Fault> {
        let (cert_line, key_line) = files.lines;
        let of_cert = |why| Fault::new(cert_line, "tls.certificates.cert", &files.cert, why);
        let of_key = |why| Fault::new(key_line, "tls.certificates.key", &files.key, why);
        let chain = certificates(&files.cert).map_err(of_cert)?;
        let first = chain.first().ok_or_else(|| of_cert(NO_CERTIFICATE.to_owned()))?;
        let names = names(first).map_err(of_cert)?;
        let validity = Validity::of(first);
        let key = private_key(&files.key).map_err(of_key)?;
        let key = aws_lc_rs::default_provider().key_provider.load_private_key(key);
        let key = key.map_err(|error| {
            of_key(format!("has a key that cannot be used ({error}): RSA, ECDSA and Ed25519 can"))
        })?;
        let key = CertifiedKey::new(chain, key);
        match key.keys_match() {
            Ok(()) | Err(rustls::Error::InconsistentKeys(InconsistentKeys::Unknown)) => {}
            Err(_) => {
                return Err(of_key(format!(
                    "is not the key of the first certificate in {:?}: name the two that belong \
                     together",
                    files.cert.display().to_string()
                )));
            }
        }
        Ok(Pair { key: Arc::new(key), names, validity })
    }
}

const NO_CERTIFICATE: &str = "has no certificate in it: write PEM, -----BEGIN CERTIFICATE-----";

/// All certificates of a PEM file.
pub(super) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let text = read(path)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let found = found.map_err(|error| garbled(&error))?;
    if found.is_empty() { Err(NO_CERTIFICATE.to_owned()) } else { Ok(found) }
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, String> {
    let text = read(path)?;
    PrivateKeyDer::from_pem_slice(&text).map_err(|error| match error {
        pem::Error::NoItemsFound if text.windows(9).any(|it| it == b"ENCRYPTED") => {
            "has an encrypted key: write it without a password, as `openssl pkey` does".to_owned()
        }
        pem::Error::NoItemsFound => {
            "has no private key in it: write PEM, -----BEGIN PRIVATE KEY-----".to_owned()
        }
        error => garbled(&error),
    })
}

/// The DNS names of a certificate; none where it is for addresses alone.
fn names(certificate: &CertificateDer<'_>) -> Result<Vec<String>, String> {
    let parsed = EndEntityCert::try_from(certificate);
    let parsed = parsed.map_err(|error| format!("has a certificate that is none: {error:?}"))?;
    Ok(parsed.valid_dns_names().map(str::to_ascii_lowercase).collect())
}

pub(super) fn garbled(error: &pem::Error) -> String {
    format!("is garbled ({error}): copy it again, whole")
}

pub(super) fn read(path: &Path) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(LARGEST + 1).read_to_end(&mut bytes));
    match read {
        Err(error) => Err(format!(
            "cannot be read ({error}): name a file that the user that runs larder may read"
        )),
        Ok(_) if bytes.len() as u64 > LARGEST => {
            Err("is larger than 1 MiB, so hardly a PEM file: name another".to_owned())
        }
        Ok(_) => Ok(bytes),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A pair for some names, never in a file.
    pub(crate) fn made(names: &[&str]) -> Pair {
        let names: Vec<String> = names.iter().map(|it| (*it).to_owned()).collect();
        let made = rcgen::generate_simple_self_signed(names.clone()).unwrap();
        let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
        let key = aws_lc_rs::default_provider().key_provider.load_private_key(key).unwrap();
        let key = Arc::new(CertifiedKey::new(vec![made.cert.der().clone()], key));
        assert_eq!(super::names(made.cert.der()).unwrap(), names);
        Pair { key, names, validity: Validity::of(made.cert.der()) }
    }

    /// What is wrong with two texts in files.
    fn fault(cert: &str, key: &str) -> String {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        std::fs::write(path("c"), cert).unwrap();
        std::fs::write(path("k"), key).unwrap();
        let files = Certificate { cert: path("c"), key: path("k"), lines: (7, 8) };
        let fault = Pair::load(&files).map(drop).unwrap_err();
        let place = if fault.key == "tls.certificates.cert" { 7 } else { 8 };
        assert_eq!(fault.line, place, "the line of the key that names the file");
        fault.message.replace(&directory.path().display().to_string(), "")
    }

    #[test]
    fn what_is_wrong_with_the_files_is_said_and_what_to_do() {
        let made = || rcgen::generate_simple_self_signed(["a.test".to_owned()]).unwrap();
        let (one, other) = (made(), made());
        let (cert, key) = (one.cert.pem(), one.signing_key.serialize_pem());
        let torn = &cert[..cert.len() / 2];
        let encrypted = key.replace("PRIVATE", "ENCRYPTED PRIVATE");
        for (cert, key, why) in [
            ("", &*key, "\"/c\" has no certificate in it"),
            (torn, &key, "\"/c\" is garbled"),
            (&key, &key, "\"/c\" has no certificate in it"),
            (&cert, "", "\"/k\" has no private key in it"),
            (&cert, &cert, "\"/k\" has no private key in it"),
            (&cert, &encrypted, "\"/k\" has an encrypted key"),
            (&cert, &key[..key.len() / 2], "\"/k\" is garbled"),
            (&cert, &other.signing_key.serialize_pem(), "\"/k\" is not the key of the first"),
        ] {
            let told = fault(cert, key);
            assert!(told.starts_with(why), "{why}: {told}");
        }
        let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert!(fault(broken, &key).starts_with("\"/c\" has a certificate that is none"));
        let files = Certificate { cert: "/no/c".into(), key: "/no/k".into(), lines: (1, 2) };
        let fault = Pair::load(&files).map(drop).unwrap_err();
        assert!(fault.message.starts_with("\"/no/c\" cannot be read (No such file"), "{fault:?}");
    }
}
