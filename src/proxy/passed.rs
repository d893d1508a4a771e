//! A request that is passed, on its way to the upstream: in which codings its answer is asked for.

use std::sync::atomic::AtomicBool;

use http::{Response, header, request};

use super::fetch::{for_one, forget_dated_range, hangs_on_client, unsharable};
use crate::{
    policy::{
        self, Asked, Exchange, Fwd, Now, Received, asked,
        encoding::{self, UpstreamEncoding},
        storing::Context,
    },
    reply,
    upstream::{self, Errand, RequestBody, ResponseBody},
    visit::Visit,
};

/// Sends it. What comes packed and has to stay so (RFC 9110 §7.7) is asked for once more, in the
/// client's own words. What the cache has no part in goes as it came.
pub(super) async fn send(
    visit: &Visit,
    (fwd, now): (Fwd, Now),
    (mut head, body): (request::Parts, RequestBody),
    sent: &AtomicBool,
) -> Result<Response<ResponseBody>, upstream::Error> {
    let upstream = &visit.route.upstream;
    let errand = || Errand { client: visit.believed.client, stale: false, sent, again: None };
    if !fwd.takes_part() {
        return upstream.send(head, body, errand()).await;
    }
    forget_dated_range(visit, &mut head.headers);
    let encoding = for_one(visit, visit.route.encoding);
    // What the cache has a part in has no content.
    let as_client = (encoding == UpstreamEncoding::Gzip).then(|| head.clone());
    encoding::ask_for(&mut head.headers, encoding);
    let mut response = upstream.send(head, body, errand()).await?;
    if let Some(head) = as_client.filter(|_| encoding::is_bound(response.headers())) {
        drop(response);
        response = upstream.send(head, RequestBody::empty(), errand()).await?;
        encoding::add_to_vary(response.headers_mut());
        forget_trailer(visit, &mut response, now);
        return Ok(response);
    }
    forget_trailer(visit, &mut response, now);
    if encoding != UpstreamEncoding::Client {
        encoding::forget_in_vary(response.headers_mut());
    }
    if hangs_on_client(visit) {
        encoding::add_to_vary(response.headers_mut());
    }
    Ok(response)
}

/// Takes what announces trailers out of the answer to a HEAD, where that to a GET would be stored:
/// then it goes without them, and may be packed (RFC 9110 §9.3.2). What is too long is not stored.
fn forget_trailer(visit: &Visit, response: &mut Response<ResponseBody>, now: Now) {
    if !visit.is_head() || !response.headers().contains_key(header::TRAILER) {
        return;
    }
    let (status, headers) = (response.status(), response.headers());
    let get = Asked { method: asked::Method::Get, ..visit.asked };
    let exchange = Exchange { request: now, response: now };
    let rules = &visit.route.cache.rules;
    let context = Context { asked: &get, rules, validating: None, exchange };
    let fits = |length| length <= visit.route.cache.max_object_size;
    let stores = reply::declared_length(headers).is_none_or(fits)
        && matches!(policy::receive(context, status, headers), Received::Storable(_));
    if stores && unsharable(visit, headers).is_none() {
        response.headers_mut().remove(header::TRAILER);
    }
}
