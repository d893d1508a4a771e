//! Purges: what an operator means, and the names that say so.

use std::{fmt, sync::Arc};

use http::{Response, request, uri::PathAndQuery};

use super::{Proxy, send::LastHand};
use crate::{
    admin,
    body::Body,
    cache_status::CacheStatus,
    key,
    policy::{Mono, Now},
    reason::{Ended, Refused},
    reply::{self, Answer},
    server::{Peer, PeerAddr},
    snapshot::Snapshot,
    store::{By, Manner, Name, Origin, Scope, Told},
    target::{self, Refusal, Scheme},
};

/// The method by which a URL is purged on the public port.
pub const PURGE: &str = "PURGE";

/// What is to be purged, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// What.
    pub what: What,
    /// Whether it is gone or stale.
    pub manner: Manner,
}

/// What is to be purged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// One URL: all variants, whichever route it was stored by.
    Url(Target),
    /// All paths of a host that begin so, segment by segment.
    Prefix(Target),
    /// What bears one of these tags, on one host or on all.
    Tags {
        /// The tags.
        tags: Vec<String>,
        /// The host; `None`: whoever's they are.
        host: Option<Target>,
    },
    /// Everything.
    All,
}

/// Where something lies. `http` and `https` are the same here: which of them Larder sees depends on
/// what stands before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    pub(super) authority: String,
    pub(super) path: PathAndQuery,
}

/// A purge that is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Purged {
    /// Its place in the order of purges.
    pub seq: u64,
    /// The nodes that have done it.
    pub nodes: Vec<String>,
    /// Those that live, and have not said so.
    pub missing: Vec<String>,
    /// Whether it is known to all nodes, or will be: not while the shared tier cannot be written.
    pub written: bool,
}

impl Target {
    /// Reads `https://host/path?query`; the scheme may be left out.
    ///
    /// # Errors
    /// What is wrong with it, as the end of a sentence.
    pub fn of_url(text: &str) -> Result<Target, &'static str> {
        let (scheme, rest) = match text.split_once("://") {
            Some((scheme, rest)) => (Scheme::parse(scheme), rest),
            None => (Some(Scheme::Http), text),
        };
        let scheme = scheme.ok_or("has another scheme than http and https")?;
        if rest.contains('#') {
            return Err("has a fragment: end it before the #");
        }
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let authority = target::normalise(authority.as_bytes(), scheme);
        let authority =
            authority.map_err(|_| "has no valid host: write it as in https://host/path")?;
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        let path = PathAndQuery::try_from(path).map_err(|_| "has a path that no request has")?;
        Ok(Target { authority, path })
    }

    /// Reads `https://host/path`, where the path may be left out.
    ///
    /// # Errors
    /// What is wrong with it, as the end of a sentence.
    pub fn of_prefix(text: &str) -> Result<Target, &'static str> {
        let target = Target::of_url(text)?;
        match target.path.query() {
            Some(_) => Err("has a query: end it before the ?"),
            None => Ok(target),
        }
    }

    /// Reads a host, with its port where it has one.
    ///
    /// # Errors
    /// What is wrong with it, as the end of a sentence.
    pub fn of_host(text: &str) -> Result<Target, &'static str> {
        let authority = target::normalise(text.as_bytes(), Scheme::Http);
        let authority =
            authority.map_err(|_| "has no valid host: write it as in api.example.org")?;
        Ok(Target { authority, path: PathAndQuery::from_static("/") })
    }

    fn origins(&self) -> [Origin<'_>; 2] {
        [Scheme::Http, Scheme::Https]
            .map(|scheme| Origin { scheme: scheme.as_str(), authority: &self.authority })
    }

    /// The names of a URL: as it is, and as the routes that match it make it in their keys.
    fn url_names(&self, snapshot: &Snapshot, now: Mono) -> Vec<Name> {
        let path = self.path.path();
        let keyings = snapshot.keyings((target::host(&self.authority), path), now);
        let written = self.path.query().map(str::to_owned);
        let mut queries = vec![written.clone()];
        queries.extend(keyings.map(|keying| {
            let taken = written.as_deref().and_then(|it| keying.shape?.take(it));
            let whole = taken.map(|taken| taken.rest).or_else(|| written.clone());
            let kept = whole.as_deref().and_then(|it| key::query(keying.query, it));
            kept.or(whole).filter(|it| !it.is_empty() || written.as_deref() == Some(""))
        }));
        queries.sort_unstable();
        queries.dedup();
        let names = |origin| queries.iter().map(move |it| Name::url(origin, path, it.as_deref()));
        self.origins().into_iter().flat_map(names).collect()
    }
}

/// In the words of the order.
impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            What::Url(Target { authority, path }) => write!(f, "url {authority}{path}"),
            What::Prefix(Target { authority, path }) => write!(f, "prefix {authority}{path}"),
            What::Tags { tags, host: None } => write!(f, "tags {}", tags.join(" ")),
            What::Tags { tags, host: Some(host) } => {
                write!(f, "tags {} of {}", tags.join(" "), host.authority)
            }
            What::All => f.write_str("everything"),
        }
    }
}

impl Proxy {
    /// Purges, what is being fetched included: that is for who asked before, and nobody else.
    pub async fn purge(self: &Arc<Self>, order: &Order) -> Purged {
        let scope = match &order.what {
            What::All => Scope::All,
            What::Url(target) => {
                Scope::Urls(target.url_names(&self.snapshot.load(), self.clock.mono()))
            }
            What::Prefix(target) => {
                let path = target.path.path();
                Scope::Prefixes(target.origins().map(|it| Name::prefix(it, path)).to_vec())
            }
            What::Tags { tags, host } => Scope::Tags(tag_names(tags, host.as_ref())),
        };
        let what = order.what.to_string();
        let told = Told { by: By::Operator, what: &what };
        let (moment, purging) = self.purge_here(&scope, order.manner, told);
        tracing::info!(seq = moment.local, what = ?order.what, manner = ?order.manner, "purged");
        let nodes = vec![self.node.clone()];
        let here = Purged { seq: moment.local, nodes, missing: Vec::new(), written: true };
        self.purged_by_all((&scope, order.manner), (here, purging)).await
    }

    /// A request to purge, answered.
    pub(super) async fn purge_by_method(
        self: Arc<Self>,
        (head, peer): (request::Parts, Peer),
        snapshot: Arc<Snapshot>,
        (at, last): (Now, LastHand),
    ) -> Response<Body> {
        let mut answer = self.purge_requested(&head, &peer, &snapshot).await;
        self.count(&mut answer, &self.unrouted, at);
        self.send(answer, last)
    }

    /// Answers a request by PURGE: it never goes further, and does nothing for a peer that is not
    /// in `admin.purge_from`. The socket's peer counts, not what it says of others in a field. Where
    /// it passes the connection on (PROXY protocol), it must be there, and so must who that is for:
    /// neither a load balancer's clients nor a client's word gets a right that is the other's.
    async fn purge_requested(
        self: &Arc<Self>,
        head: &request::Parts,
        peer: &Peer,
        snapshot: &Snapshot,
    ) -> Answer {
        let may = |peer| match peer {
            PeerAddr::Ip(address) => snapshot.purge_from.iter().any(|net| net.contains(&address)),
            PeerAddr::Unix => false,
        };
        if !may(peer.socket) || !may(peer.addr) {
            return reply::refused(Refusal::Method, &head.headers);
        }
        let scheme = peer.way.scheme();
        let target = target::check(head).and_then(|()| target::authority(head, scheme));
        match (target, head.uri.path_and_query()) {
            (Err(refusal), _) => reply::refused(refusal, &head.headers),
            (Ok(_), None) => reply::refused(Refusal::Form, &head.headers),
            (Ok(authority), Some(path)) => {
                let what = What::Url(Target { authority, path: path.clone() });
                let purged = self.purge(&Order { what, manner: Manner::Hard }).await;
                Answer::new(admin::done(purged), CacheStatus::Refused(Refused::Ended(Ended::Purge)))
            }
        }
    }
}

fn tag_names(tags: &[String], host: Option<&Target>) -> Vec<Name> {
    match host {
        None => tags.iter().map(|tag| Name::tag_anywhere(tag)).collect(),
        Some(host) => {
            let named =
                |origin, tag: &String| [Name::tag(origin, tag), Name::tag_asked(origin, tag)];
            let names = |origin| tags.iter().flat_map(move |tag| named(origin, tag));
            host.origins().into_iter().flat_map(names).collect()
        }
    }
}
