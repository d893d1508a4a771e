//! What clients prove by certificates of their own, and how that is told.

use std::{path::Path, sync::Arc};

use http::HeaderValue;
use rustls::{
    RootCertStore,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, CertificateRevocationListDer, pem::PemObject},
    server::{WebPkiClientVerifier, danger::ClientCertVerifier},
};
use webpki::{BorrowedCertRevocationList, EndEntityCert};

use super::{Fault, pair, subject};
use crate::config::tls::{Ask, Clients};

/// Verifies by the roots in the file; `None` where nothing is asked.
pub(super) fn verifier(
    clients: &Clients,
    provider: &Arc<CryptoProvider>,
) -> Result<Option<Arc<dyn ClientCertVerifier>>, Fault> {
    let (Some(path), Ask::Request | Ask::Require) = (&clients.ca, clients.ask) else {
        return Ok(None);
    };
    let fault = |why| Fault::new(clients.lines.0, "tls.client_ca", path, why);
    let roots = Arc::new(roots(path).map_err(fault)?);
    let builder = WebPkiClientVerifier::builder_with_provider(roots, provider.clone());
    // Whom no list tells of, or one that is out of date, may have been revoked: nobody comes in so.
    let builder = builder.with_crls(revoked(clients)?).enforce_revocation_expiration();
    let built = match clients.ask {
        Ask::Off | Ask::Require => builder.build(),
        Ask::Request => builder.allow_unauthenticated().build(),
    };
    built.map(Some).map_err(|error| fault(format!("cannot be used: {error}")))
}

fn roots(path: &Path) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for root in pair::certificates(path)? {
        let added = roots.add(root);
        added.map_err(|error| format!("has a certificate that is no root: {error}"))?;
    }
    Ok(roots)
}

/// The lists of those that were revoked, each checked by itself, so that the right file is named.
/// Without any, nothing is asked of certificates but their root.
pub(super) fn revoked(
    clients: &Clients,
) -> Result<Vec<CertificateRevocationListDer<'static>>, Fault> {
    let Some(path) = &clients.crl else { return Ok(Vec::new()) };
    let fault = |why| Fault::new(clients.lines.1, "tls.client_crl", path, why);
    let text = pair::read(path).map_err(fault)?;
    let lists: Result<Vec<_>, _> = CertificateRevocationListDer::pem_slice_iter(&text).collect();
    let lists = lists.map_err(|error| fault(pair::garbled(&error)))?;
    if lists.is_empty() {
        let why = "has no list in it: write PEM, -----BEGIN X509 CRL-----";
        return Err(fault(why.to_owned()));
    }
    for list in &lists {
        let read = BorrowedCertRevocationList::from_der(list);
        read.map_err(|error| fault(format!("has a list that cannot be used: {error:?}")))?;
    }
    Ok(lists)
}

/// The subject of the certificate that a client proved to be its own, as a field's value.
pub(super) fn subject(chain: Option<&[CertificateDer<'_>]>) -> Option<HeaderValue> {
    let certificate = EndEntityCert::try_from(chain?.first()?).ok()?;
    HeaderValue::try_from(subject::text(certificate.subject())?).ok()
}
