//! TLS towards clients: which versions, which certificates, and whom they must come from.
//!
//! Certificates are swapped while handshakes go on, and sessions that were begun can be resumed.
//! What clients are asked for is part of their sessions: when that changes, they begin anew.

mod clients;
mod der;
mod kept;
mod names;
mod pair;
mod subject;
mod validity;

use std::{fmt, path::PathBuf, sync::Arc};

use arc_swap::ArcSwap;
use http::HeaderValue;
use parking_lot::Mutex;
use rustls::{
    ServerConfig, ServerConnection,
    crypto::{CryptoProvider, aws_lc_rs},
    server::{NoServerSessionStorage, danger::ClientCertVerifier},
    version::{TLS12, TLS13},
};

use crate::{
    config::{
        self, Config, Problem,
        tls::{Certificate, MinVersion, Tls},
    },
    policy::Wall,
};
use kept::{Kept, Look};
use names::Names;
use pair::Pair;
use validity::Said;

/// What is preferred comes first (RFC 7301).
const PROTOCOLS: [&[u8]; 2] = [HTTP2, b"http/1.1"];
const HTTP2: &[u8] = b"h2";

/// What is wrong with a file, and at which line of the configuration it is named.
#[derive(Clone, Debug)]
pub(super) struct Fault {
    line: usize,
    key: &'static str,
    message: String,
}

/// Accepts handshakes.
#[derive(Debug)]
pub(super) struct Acceptor {
    server: ArcSwap<ServerConfig>,
    names: Arc<Names>,
    made: Mutex<Made>,
    said: Mutex<Said>,
}

/// What was read, and is not in use yet.
#[derive(Debug)]
pub(super) struct Next {
    made: Made,
    server: Arc<ServerConfig>,
}

/// What it was made from.
#[derive(Debug)]
struct Made {
    terms: Tls,
    pairs: Vec<Kept<Pair>>,
    verifier: Kept<Verifier>,
}

type Verifier = Option<Arc<dyn ClientCertVerifier>>;

/// Everything that is wrong with the files that `[tls]` names, in the order of lines. `file` names
/// the configuration.
#[must_use]
pub fn problems(config: &Config, file: &str) -> Vec<Problem> {
    let Some(terms) = &config.tls else { return Vec::new() };
    let pairs = terms.certificates.iter().map(|it| Pair::load(it).map(drop));
    let verifier = clients::verifier(&terms.clients, &provider()).map(drop);
    let revoked = clients::revoked(&terms.clients).map(drop);
    let faults = pairs.chain([verifier, revoked]).filter_map(Result::err);
    let mut problems: Vec<Problem> = faults.map(|fault| fault.in_file(file)).collect();
    problems.sort_by_key(|problem| problem.line);
    // The verifier fails by the lists, too.
    problems.dedup();
    problems
}

/// What will be wrong, or is, with certificates that can be read: they end soon, or have ended.
#[must_use]
pub fn warnings(config: &Config, file: &str, now: Wall) -> Vec<Problem> {
    let certificates = config.tls.iter().flat_map(|terms| &terms.certificates);
    let warning = |it: &Certificate| {
        let trouble = Pair::load(it).ok()?.validity?.trouble(now.seconds())?;
        Some(Fault::new(it.lines.0, "tls.certificates.cert", &it.cert, trouble).in_file(file))
    };
    certificates.filter_map(warning).collect()
}

impl Acceptor {
    /// Reads every file.
    pub(super) fn new(terms: &Tls) -> Result<Acceptor, String> {
        let made = Made::new(terms).map_err(|fault| fault.to_string())?;
        let names = Names::new(made.pairs.iter().map(|it| &it.value), terms.unknown_name);
        let server = ArcSwap::new(made.server(&names)?);
        Ok(Acceptor { server, names, made: Mutex::new(made), said: Mutex::default() })
    }

    /// Reads every file that another configuration names.
    pub(super) fn read(&self, terms: &Tls) -> Result<Next, String> {
        let made = Made::new(terms).map_err(|fault| fault.to_string())?;
        let server = made.server(&self.names)?;
        Ok(Next { made, server })
    }

    /// Takes over what was read. Sessions go on, unless clients are asked for something else now.
    pub(super) fn take_over(&self, next: Next) {
        let Next { made: next, server } = next;
        let terms = &next.terms;
        let mut made = self.made.lock();
        let same = made.terms.min_version == terms.min_version
            && made.terms.clients == terms.clients
            && made.verifier.is_of(&files_of(&terms.clients));
        if !same {
            self.server.store(server);
        }
        self.names.swap(next.pairs.iter().map(|it| &it.value), terms.unknown_name);
        *made = next;
    }

    /// Looks whether files have changed, and takes over those that can be used.
    pub(super) fn look(&self) {
        let mut made = self.made.lock();
        let Made { terms, pairs, verifier } = &mut *made;
        let mut renewed = false;
        for (pair, files) in pairs.iter_mut().zip(&terms.certificates) {
            renewed |= tell(pair.look(|| Pair::load(files)), &files.cert);
        }
        if renewed {
            self.names.swap(pairs.iter().map(|it| &it.value), terms.unknown_name);
        }
        let ca = terms.clients.ca.clone().unwrap_or_default();
        let looked = verifier.look(|| clients::verifier(&terms.clients, &provider()));
        if tell(looked, &ca) {
            match made.server(&self.names) {
                Ok(server) => self.server.store(server),
                Err(error) => tracing::error!("tls: {error}; the old configuration stays"),
            }
        }
    }

    /// Says which certificates end soon, or have ended, and keeps when each one ends, by its file.
    pub(super) fn tell(&self, now: Wall, kept: &ArcSwap<Vec<(String, i64)>>) {
        let (made, mut said) = (self.made.lock(), self.said.lock());
        let files = &made.terms.certificates;
        said.keep(|file| files.iter().any(|it| it.cert == file));
        let valid = files.iter().zip(&made.pairs);
        let valid = valid.filter_map(|(files, pair)| Some((&files.cert, pair.value.validity?)));
        let mut ends = Vec::new();
        for (file, validity) in valid {
            if let Some(trouble) = said.anew(file, validity, now.seconds()) {
                tracing::warn!("tls.certificates.cert: {:?} {trouble}", file.display().to_string());
            }
            ends.push((file.display().to_string(), validity.ends));
        }
        // A file that is named twice is one series: what ends first.
        ends.sort();
        ends.dedup_by(|later, first| later.0 == first.0);
        // While nobody takes over others: what is kept is of those in use.
        kept.store(Arc::new(ends));
    }

    /// For a handshake that begins now.
    pub(super) fn server(&self) -> Arc<ServerConfig> {
        self.server.load_full()
    }
}

impl Made {
    fn new(terms: &Tls) -> Result<Made, Fault> {
        let pair =
            |it: &Certificate| Kept::new(vec![it.cert.clone(), it.key.clone()], || Pair::load(it));
        let pairs = terms.certificates.iter().map(pair).collect::<Result<_, _>>()?;
        let clients = &terms.clients;
        let verifier = || clients::verifier(clients, &provider());
        let verifier = Kept::new(files_of(clients), verifier)?;
        Ok(Made { terms: terms.clone(), pairs, verifier })
    }

    fn server(&self, names: &Arc<Names>) -> Result<Arc<ServerConfig>, String> {
        let fault = |error: rustls::Error| format!("TLS cannot be set up: {error}");
        let versions = match self.terms.min_version {
            MinVersion::Tls12 => &[&TLS13, &TLS12][..],
            MinVersion::Tls13 => &[&TLS13],
        };
        let builder = ServerConfig::builder_with_provider(provider());
        let builder = builder.with_protocol_versions(versions).map_err(fault)?;
        let builder = match &self.verifier.value {
            Some(verifier) => builder.with_client_cert_verifier(verifier.clone()),
            None => builder.with_no_client_auth(),
        };
        let mut server = builder.with_cert_resolver(names.clone());
        server.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
        if self.terms.clients.crl.is_some() {
            // Who goes on with a session proves nothing anew, and may have been revoked since.
            server.session_storage = Arc::new(NoServerSessionStorage {});
            server.send_tls13_tickets = 0;
            return Ok(Arc::new(server));
        }
        // Sessions are kept by clients, sealed by keys that change: no memory of ours.
        server.ticketer = aws_lc_rs::Ticketer::new().map_err(fault)?;
        Ok(Arc::new(server))
    }
}

/// What a handshake came to.
#[derive(Debug)]
pub(super) struct Shaken {
    /// HTTP/2 was agreed on.
    pub(super) http2: bool,
    /// The subject of the client's certificate.
    pub(super) subject: Option<Arc<HeaderValue>>,
}

impl Shaken {
    pub(super) fn of(connection: &ServerConnection) -> Shaken {
        Shaken {
            http2: connection.alpn_protocol() == Some(HTTP2),
            subject: clients::subject(connection.peer_certificates()).map(Arc::new),
        }
    }
}

/// Named, because a process-wide default may not be there, or be another.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

fn files_of(clients: &config::tls::Clients) -> Vec<PathBuf> {
    clients.ca.iter().chain(&clients.crl).cloned().collect()
}

/// Says what came of a look; whether there is something new.
fn tell(look: Look, file: &std::path::Path) -> bool {
    match look {
        Look::Same => false,
        Look::New => {
            tracing::info!("{}: read again, and in use", file.display());
            true
        }
        Look::Bad(fault) => {
            tracing::error!("{fault}; what was read before stays in use");
            false
        }
    }
}

impl Fault {
    /// `why` follows the file's name.
    fn new(line: usize, key: &'static str, file: &std::path::Path, why: String) -> Fault {
        Fault { line, key, message: format!("{:?} {why}", file.display().to_string()) }
    }

    fn in_file(self, file: &str) -> Problem {
        let Fault { line, key, message } = self;
        Problem { file: file.to_owned(), line, key: key.to_owned(), message }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.key, self.message)
    }
}
