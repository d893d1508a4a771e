//! TLS towards clients: `[tls]` as values.
//!
//! Files are named here, not read: [`server::tls`](crate::server::tls) does that, and says what is
//! wrong with them at the lines that are kept for it.

use std::path::PathBuf;

use http::{HeaderName, HeaderValue};

use super::Listen;

/// Listeners by TLS, and what they prove and ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// Where clients are listened for by TLS.
    pub listen: Vec<Listen>,
    /// Where they are listened for in the clear, to be sent there.
    pub redirect: Vec<Listen>,
    /// The port that they are sent to; default 443.
    pub redirect_port: u16,
    /// The oldest version that is spoken; default 1.2.
    pub min_version: MinVersion,
    /// What a client gets that names no host we have a certificate for; default the first one.
    pub unknown_name: UnknownName,
    /// The `Strict-Transport-Security` of answers by TLS; default none.
    pub hsts: Option<HeaderValue>,
    /// What is asked of clients.
    pub clients: Clients,
    /// The first is the default.
    pub certificates: Vec<Certificate>,
}

/// The oldest version of TLS that is spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MinVersion {
    /// TLS 1.2 (RFC 5246), by ECDHE and AEAD alone.
    #[default]
    Tls12,
    /// TLS 1.3 (RFC 8446).
    Tls13,
}

/// What becomes of a handshake whose name (RFC 6066 §3) no certificate is for, or that has none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnknownName {
    /// It gets the first certificate.
    #[default]
    Default,
    /// It is refused.
    Refuse,
}

/// What is asked of clients, besides their requests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Clients {
    /// Whether a certificate is.
    pub ask: Ask,
    /// The roots that it must come from.
    pub ca: Option<PathBuf>,
    /// Those of its certificates that are not good any more.
    pub crl: Option<PathBuf>,
    /// The lines of `client_ca` and `client_crl`.
    pub lines: (usize, usize),
    /// The field that tells upstreams its subject.
    pub subject: Option<HeaderName>,
}

/// Whether clients are asked for a certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ask {
    /// No.
    #[default]
    Off,
    /// Yes; one that has none may come in, one with a bad one may not.
    Request,
    /// Yes, and nobody comes in without.
    Require,
}

/// A certificate with its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// The PEM file with the certificate and what leads from it to its root.
    pub cert: PathBuf,
    /// The PEM file with its private key.
    pub key: PathBuf,
    /// The lines of both, for problems.
    pub lines: (usize, usize),
}
