//! The admin listener: is it alive, is it ready, what has it counted, and purges.
//!
//! Whoever reaches it may read; to purge takes the token, or the unix socket that only its owner
//! can open. No browser may ask here: see `guard`.

mod explain;
mod guard;
pub mod order;
pub mod problem;
mod read;
pub mod webhook;

use std::sync::{
    Arc,
    atomic::{AtomicU8, Ordering::Relaxed},
};

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header, request};
use hyper::body::Incoming;

use crate::{
    body::Body,
    clock::Clock,
    config,
    proxy::{Proxy, purge::Purged},
    server::{Peer, PeerAddr},
};
use problem::Problem;
use webhook::Seen;

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// What answers on the admin listener.
#[derive(Debug)]
pub struct Admin {
    proxy: Arc<Proxy>,
    config: ArcSwap<config::Admin>,
    clock: Clock,
    phase: AtomicU8,
    seen: Seen,
}

/// How far the process is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// It does not listen yet.
    Starting = 0,
    /// It serves.
    Ready = 1,
    /// It lets what is under way end.
    Draining = 2,
}

/// A request, as far as it is needed to answer it.
struct Asked {
    head: request::Parts,
    body: Incoming,
    peer: PeerAddr,
}

impl Admin {
    /// Answers for `proxy`, which is starting.
    #[must_use]
    pub fn new(proxy: Arc<Proxy>, config: config::Admin, clock: Clock) -> Arc<Admin> {
        let config = ArcSwap::from_pointee(config);
        let phase = AtomicU8::new(Phase::Starting as u8);
        Arc::new(Admin { proxy, config, clock, phase, seen: Seen::default() })
    }

    /// Takes over another configuration; the address stays.
    pub fn reload(&self, config: config::Admin) {
        self.config.store(Arc::new(config));
    }

    /// What `/ready` says from now on.
    pub fn set_phase(&self, phase: Phase) {
        self.phase.store(phase as u8, Relaxed);
    }

    /// Answers one request.
    pub async fn handle(self: Arc<Self>, request: Request<Incoming>, peer: Peer) -> Response<Body> {
        let (head, body) = request.into_parts();
        let asked = Asked { head, body, peer: peer.addr };
        self.answer(asked).await.unwrap_or_else(Problem::response)
    }

    async fn answer(&self, asked: Asked) -> Result<Response<Body>, Problem> {
        let config = self.config.load_full();
        guard::no_browser(&asked.head, &config.hosts)?;
        let reads =
            |asked: &Asked| problem::allow(&asked.head.method, &[Method::GET, Method::HEAD]);
        match asked.head.uri.path() {
            "/health" => reads(&asked).map(|()| json(StatusCode::OK, r#"{"status":"alive"}"#)),
            "/metrics" => reads(&asked).map(|()| self.metrics()),
            "/ready" => reads(&asked).map(|()| self.ready()),
            "/v1/webhook/purge" if config.webhook_secret.is_some() => {
                self.purge_by_webhook(asked, &config).await
            }
            path if path.starts_with("/v1/") => {
                guard::authorize(&asked.head.headers, asked.peer, config.token.as_ref())?;
                match path {
                    "/v1/purge" => self.purge(asked).await,
                    "/v1/explain" => self.explain(&asked).await,
                    _ => Err(Problem::not_found()),
                }
            }
            _ => Err(Problem::not_found()),
        }
    }

    fn ready(&self) -> Response<Body> {
        let (status, phase) = match self.phase.load(Relaxed) {
            0 => (StatusCode::SERVICE_UNAVAILABLE, "starting"),
            1 => (StatusCode::OK, "ready"),
            _ => (StatusCode::SERVICE_UNAVAILABLE, "draining"),
        };
        let upstreams = self.proxy.upstream_states();
        let told = serde_json::json!({ "status": phase, "upstreams": upstreams });
        json(status, told.to_string())
    }

    fn metrics(&self) -> Response<Body> {
        let mut response = json(StatusCode::OK, self.proxy.metrics());
        let text = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
        response.headers_mut().insert(header::CONTENT_TYPE, text);
        response
    }

    async fn explain(&self, asked: &Asked) -> Result<Response<Body>, Problem> {
        problem::allow(&asked.head.method, &[Method::GET, Method::HEAD])?;
        let query = asked.head.uri.query().unwrap_or_default();
        let told = match explain::read(query)? {
            explain::Asked::Request(question) => self.proxy.explain(&question).await,
            explain::Asked::Route(name) => self.proxy.explain_route(&name).ok_or_else(|| {
                Problem::new(StatusCode::NOT_FOUND, format!("there is no route named {name:?}"))
            })?,
        };
        Ok(json(StatusCode::OK, told.to_string()))
    }

    async fn purge(&self, asked: Asked) -> Result<Response<Body>, Problem> {
        problem::allow(&asked.head.method, &[Method::POST])?;
        let body = read::body(asked.body, &self.clock).await?;
        Ok(done(self.proxy.purge(&order::read(&body)?).await))
    }

    async fn purge_by_webhook(
        &self,
        asked: Asked,
        config: &config::Admin,
    ) -> Result<Response<Body>, Problem> {
        problem::allow(&asked.head.method, &[Method::POST])?;
        let signed = webhook::Signed::of(&asked.head.headers)?;
        let body = read::body(asked.body, &self.clock).await?;
        let Some(secret) = &config.webhook_secret else { return Err(Problem::not_found()) };
        signed.verify(secret, &body)?;
        let order = order::read(&body)?;
        self.seen.admit(&signed, self.clock.now().wall)?;
        if !self.proxy.is_first(signed.signature()).await {
            return Err(webhook::used());
        }
        Ok(done(self.proxy.purge(&order).await))
    }
}

/// The answer to a purge that is done: by all, by some (202), or here alone (503).
#[must_use]
pub fn done(purged: Purged) -> Response<Body> {
    let Purged { seq, nodes, missing, written } = purged;
    let mut told = serde_json::json!({ "seq": seq, "nodes": nodes });
    if !missing.is_empty() {
        told["missing"] = serde_json::json!(missing);
    }
    match (written, missing.is_empty()) {
        (true, true) => json(StatusCode::OK, told.to_string()),
        (true, false) => json(StatusCode::ACCEPTED, told.to_string()),
        (false, _) => {
            let detail = "purged on this node only; the others are told once Redis can be written";
            problem::document(StatusCode::SERVICE_UNAVAILABLE, detail, told)
        }
    }
}

fn json(status: StatusCode, text: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(Body::Full(text.into()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, JSON);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
