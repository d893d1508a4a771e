//! What an answer is made of, as far as the form of its body goes: all that the last step of its
//! journey needs to know of it.

use http::{HeaderMap, HeaderValue, Response, StatusCode, header};

use crate::{
    body::Body,
    cache_status::CacheStatus,
    policy::{
        cache_control,
        coded_tag::{self, Kind},
        encoding::{self, Choice, Forms, Given, Packing, UpstreamEncoding},
        validation,
    },
    store::BodyId,
    visit::Visit,
};

/// An upstream's answer, as far as the form of its body goes.
#[derive(Clone, Copy, Debug)]
pub struct Source {
    /// What its head tells.
    pub forms: Forms,
    /// The length of the whole, in bytes, where it is known.
    pub length: Option<u64>,
    /// What the body is, where all of it is at hand.
    pub id: Option<BodyId>,
    /// The form that the client's If-None-Match names, where ETag is in its spelling already.
    pub named: Option<Kind>,
    /// Whether Vary says already what depends on the form.
    pub vary_is_told: bool,
}

impl Source {
    /// An answer of these forms; `length` is that of the whole.
    #[must_use]
    pub fn of(forms: Forms, length: Option<u64>) -> Source {
        Source { forms, length, id: None, named: None, vary_is_told: false }
    }

    /// Among which forms of it a client chooses; `unpacked`: it asks for bytes that nobody packs.
    #[must_use]
    pub fn choice(self, packing: &Packing, unpacked: bool) -> Choice<'_> {
        Choice { given: self.forms.given, packing, length: self.length, unpacked }
    }
}

/// What an upstream's response is made of. What the cache has no part in is sent as it came.
pub(super) fn source(visit: &Visit, response: &mut Response<Body>, status: CacheStatus) -> Source {
    let (headers, body) = (response.headers(), response.body());
    let takes_part = match status {
        CacheStatus::Forwarded(told) => told.fwd.takes_part(),
        CacheStatus::Hit { .. } | CacheStatus::Refused(_) => false,
    };
    let forms = match takes_part {
        true => Forms::of(headers, &visit.route.packing),
        false => Forms { given: Given::Fixed, escaped: coded_tag::is_escaped(headers) },
    };
    let length = match (response.status(), visit.is_head()) {
        (StatusCode::PARTIAL_CONTENT | StatusCode::NOT_MODIFIED, _) => None,
        (_, true) => declared_length(headers),
        (_, false) => http_body::Body::size_hint(body).exact(),
    };
    let source = Source::of(forms, length);
    match (response.status(), takes_part) {
        (StatusCode::NOT_MODIFIED, true) => relayed_304(visit, response.headers_mut(), source),
        (StatusCode::NOT_MODIFIED, false) => {
            let choice = source.choice(&visit.route.packing, visit.asked.unpacked());
            let asked = &visit.head.headers;
            Source { named: spell(asked, response.headers_mut(), choice), ..source }
        }
        _ => source,
    }
}

/// An origin's 304 often does not say what it is of. The tag that the client has may do so; else it
/// is of what most answers are of, which have several forms, so that no strong tag names two.
pub(super) fn relayed_304(visit: &Visit, headers: &mut HeaderMap, source: Source) -> Source {
    let mut forms = source.forms;
    // The origin has judged a plain form already, whether or not its client would refuse it now.
    let given = if forms.given == Given::Plain { Given::Fixed } else { forms.given };
    let choice = Choice { given, ..source.choice(&visit.route.packing, visit.asked.unpacked()) };
    let named = spell(&visit.head.headers, headers, choice);
    let says_nothing =
        !headers.contains_key(header::CONTENT_TYPE) && !cache_control::forbids_transform(headers);
    if says_nothing || matches!(named, Some(Kind::Packed(_) | Kind::Unpacked)) {
        forms.given = Given::Plain;
        // It may be of what comes packed.
        if visit.route.encoding == UpstreamEncoding::Gzip {
            encoding::add_to_vary(headers);
        }
    }
    Source { forms, named, ..source }
}

/// Writes the tag of a 304 as the client does, which holds the bytes that it names.
pub(super) fn spell(
    asked: &HeaderMap,
    headers: &mut HeaderMap,
    choice: Choice<'_>,
) -> Option<Kind> {
    let tag = headers.get(header::ETAG)?;
    let (named, kind) = validation::named(asked, tag.as_bytes(), choice)?;
    if named != tag.as_bytes() {
        headers.insert(header::ETAG, HeaderValue::from_bytes(named).ok()?);
    }
    Some(kind)
}

/// The Content-Length that a head declares, be it that of a HEAD's.
#[must_use]
pub fn declared_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}
