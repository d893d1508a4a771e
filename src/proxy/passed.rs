//! A request that is passed, on its way to the upstream: in which codings its answer is asked for.

use std::sync::atomic::AtomicBool;

use http::{Response, request};

use super::fetch::{for_one, forget_dated_range, hangs_on_client};
use crate::{
    policy::{
        Fwd,
        encoding::{self, UpstreamEncoding},
    },
    upstream::{self, Errand, RequestBody, ResponseBody},
    visit::Visit,
};

/// Sends it. What comes packed and has to stay so (RFC 9110 §7.7) is asked for once more, in the
/// client's own words. What the cache has no part in goes as it came.
pub(super) async fn send(
    visit: &Visit,
    fwd: Fwd,
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
        return Ok(response);
    }
    if encoding != UpstreamEncoding::Client {
        encoding::forget_in_vary(response.headers_mut());
    }
    if hangs_on_client(visit) {
        encoding::add_to_vary(response.headers_mut());
    }
    Ok(response)
}
