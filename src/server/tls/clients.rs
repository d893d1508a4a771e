//! What clients prove by certificates of their own, and how that is told.

use std::{path::Path, sync::Arc};

use http::HeaderValue;
use rustls::{
    RootCertStore,
    crypto::CryptoProvider,
    pki_types::CertificateDer,
    server::{WebPkiClientVerifier, danger::ClientCertVerifier},
};
use webpki::EndEntityCert;

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
    let fault = |why| Fault::new(clients.line, "tls.client_ca", path, why);
    let roots = Arc::new(roots(path).map_err(fault)?);
    let builder = WebPkiClientVerifier::builder_with_provider(roots, provider.clone());
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

/// The subject of the certificate that a client proved to be its own, as a field's value.
pub(super) fn subject(chain: Option<&[CertificateDer<'_>]>) -> Option<HeaderValue> {
    let certificate = EndEntityCert::try_from(chain?.first()?).ok()?;
    HeaderValue::try_from(subject::text(certificate.subject())?).ok()
}
