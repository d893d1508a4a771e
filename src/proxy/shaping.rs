//! The last step but one of an answer whose client wants less than the whole: it is cut.
//!
//! Only here is the whole body waited for. What is stored is cut once for each shape, as a memo
//! beside it under the name of the shape, and packed from there like any other body; what is for
//! one client alone is cut for that one. Pieces of a body that others read, too, are shared with
//! them; what is held of others counts in the budget of bodies in flight until it is sent.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use http_body::Body as _;

use super::{
    Proxy,
    form::Wish,
    gather::{Gathered, gather, held, joined},
};
use crate::{
    body::{Body, Pieces, Resumed},
    cache_status::CacheStatus,
    key::Key,
    policy::{
        cache_control, coded_tag,
        coding::Coding,
        encoding::{self, Form, Forms, Given},
    },
    reason::Unshaped,
    reply::{self, Answer, Source},
    shape::{self, Cut, Offer, Shaped, TooLarge, Wanted},
    snapshot::Route,
    store::{self, Block, BodyHasher, BodyId, Entry, Head, Memo},
    transform::{codec, cut as memo, recoded},
};

/// What an answer has come to. Its entity-tag says so, too: what was not cut for a reason that may
/// be gone tomorrow is the whole, and no other thing by the same name (RFC 9110 §8.8.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extent {
    /// What its client asked for.
    Cut,
    /// All that there is, or nothing of it.
    Whole,
}

impl Proxy {
    /// An answer as its client wants it cut, and in the form that the client is to get.
    pub(super) async fn in_shape(
        self: &Arc<Self>,
        route: &Route,
        (wish, wanted): (Wish<'_>, Arc<Wanted>),
        mut answer: Answer,
    ) -> Answer {
        let (Ok(cut), Some(offer)) = (wanted.cut(), &route.shape) else { return answer };
        forget_vary(route, &mut answer);
        let status = answer.response.status();
        let (mut answer, extent) = match (answer.source, status) {
            (Some(source), StatusCode::OK) => {
                self.cut((route, offer), (&wanted, cut), (answer, source)).await
            }
            (Some(source), StatusCode::NOT_MODIFIED) if wanted.conditions.name(cut.tag()) => {
                (self.unchanged((&wanted, cut), (answer, source)), Extent::Cut)
            }
            (Some(_), StatusCode::NOT_MODIFIED) => (answer, Extent::Whole),
            (Some(_), _) => (reply::untouched(answer, Unshaped::Status), Extent::Whole),
            (None, _) => (answer, Extent::Whole),
        };
        let forms = (&route.packing, wish.unpacked);
        match extent {
            Extent::Cut => {
                let conditions = wanted.conditions.of_cut(cut.tag());
                reply::judge(&mut answer, forms, &conditions);
            }
            Extent::Whole => reply::judge(&mut answer, forms, &wanted.conditions.0),
        }
        if wanted.is_head {
            forget_body(&mut answer);
        }
        self.form(route, wish, &mut answer).await;
        let status = answer.response.status();
        if extent == Extent::Cut && matches!(status, StatusCode::OK | StatusCode::NOT_MODIFIED) {
            let headers = answer.response.headers_mut();
            if status == StatusCode::NOT_MODIFIED {
                encoding::forget_form(headers);
            }
            coded_tag::write_shape(headers, cut.tag());
        }
        answer
    }

    /// The 304 of a cut tells what its 200 would. Where the cut is not at hand it leaves the links to
    /// other pages as they are: those of the whole would take their place (RFC 9111 §3.2).
    fn unchanged(
        &self,
        (wanted, cut): (&Wanted, &Cut),
        (mut answer, source): (Answer, Source),
    ) -> Answer {
        let shaped = source.id.and_then(|id| self.shaped_before(cut, id));
        let headers = answer.response.headers_mut();
        match &shaped {
            Some(shaped) => wanted.describe(shaped, headers),
            None if cut.page().is_some() => drop(headers.remove(header::LINK)),
            None => {}
        }
        let length = shaped.map(|shaped| shaped.body.len() as u64);
        let given = source.forms.given.cut();
        answer.source = Some(Source { length, forms: Forms { given, ..source.forms }, ..source });
        answer
    }

    /// A cut of a stored body, where it was made before.
    fn shaped_before(&self, cut: &Cut, id: BodyId) -> Option<Shaped> {
        match self.store.memo(id.shaped(cut.name()).memo(memo::RECIPE))? {
            Memo::Made(made) => memo::read(&made).ok(),
            Memo::TooLong | Memo::Spoilt => None,
        }
    }

    /// What was cut out of a stored response before, or of which all but the head was.
    pub(super) fn cut_at_hand(
        &self,
        route: &Route,
        wanted: &Wanted,
        (place, stored): (Key, &Entry),
    ) -> Option<store::Cut> {
        let cut = wanted.cut().ok().filter(|_| !wanted.is_head)?;
        let key = place.beside(&wanted.query.digest);
        let asked = (cut.name(), wanted.target.query().unwrap_or_default());
        self.store.cut(key, stored, asked).or_else(|| {
            let ready = self.ready(route, wanted, (stored, asked))?;
            self.store.put_cut(key, ready.clone());
            Some(ready)
        })
    }

    /// What a client wants of a stored response as a response of its own, where its body was made
    /// before, and there is nothing to be told of how.
    fn ready(
        &self,
        route: &Route,
        wanted: &Wanted,
        (stored, asked): (&Entry, (&[u8; 32], &str)),
    ) -> Option<store::Cut> {
        let cut = wanted.cut().ok().filter(|_| stored.head.status == StatusCode::OK)?;
        let mut headers = stored.head.fields.to_map();
        fitting(&headers).ok()?;
        let whole = stored.id();
        let shaped = self.shaped_before(cut, whole)?;
        let id = whole.shaped(cut.name());
        let shaped = Some(shaped).filter(|it| it.total.is_some() || !cut.chooses())?;
        encoding::forget_bytes(&mut headers);
        // Stored, it would get another one.
        headers.get(header::ETAG)?;
        wanted.describe(&shaped, &mut headers);
        let forms = Forms { given: Given::of(&headers, &route.packing), ..stored.head.forms };
        let head = Head { fields: Block::new(&headers), forms, ..stored.head.clone() };
        let entry = Entry::new(head, (shaped.body, id), stored.asked);
        if forms.escaped {
            coded_tag::write(&mut headers, Form::AsItCame);
        }
        coded_tag::write_shape(&mut headers, cut.tag());
        Some(store::Cut::new(stored, asked, entry, headers.remove(header::ETAG)))
    }

    /// Cuts an upstream's 200.
    async fn cut(
        self: &Arc<Self>,
        (route, offer): (&Route, &Offer),
        (wanted, cut): (&Wanted, &Cut),
        (mut answer, source): (Answer, Source),
    ) -> (Answer, Extent) {
        let coding = match fitting(answer.response.headers()) {
            Ok(coding) => coding,
            Err(reason) => return (reply::untouched(answer, reason), Extent::Whole),
        };
        let is_shared = source.id.is_some()
            || matches!(answer.status, CacheStatus::Forwarded(told) if told.stored);
        let body = std::mem::take(answer.response.body_mut());
        let mut claim = (!is_shared).then(|| self.budget.claim_for_one(0)).flatten();
        let pieces = match gather(body, offer.max_size, claim.as_mut()).await {
            Gathered::Whole(pieces) => held(pieces, claim),
            Gathered::Longer(begun, rest) => {
                let body = resumed(held(begun, claim), rest);
                return (longer(offer, answer, body), Extent::Whole);
            }
            Gathered::NoRoom(begun, rest) => {
                *answer.response.body_mut() = resumed(held(begun, claim), rest);
                return (in_haste(answer), Extent::Whole);
            }
            Gathered::Torn => return (reply::torn(answer.status), Extent::Whole),
        };
        let id = is_shared.then(|| identity(&mut answer, source, &pieces));
        let made = self.cut_of((cut, offer.max_size), &pieces, (coding, id)).await;
        let made = made.and_then(|bytes| if is_shared { Some(bytes) } else { self.claimed(bytes) });
        match made.map(|bytes| memo::read(&bytes)) {
            Some(Ok(shaped)) => {
                let in_vain = shaped.total.is_none() && cut.chooses();
                let headers = answer.response.headers_mut();
                encoding::forget_bytes(headers);
                wanted.describe(&shaped, headers);
                let given = Given::of(headers, &route.packing);
                let forms = Forms { given, ..source.forms };
                let id = id.map(|id| id.shaped(cut.name()));
                let length = Some(shaped.body.len() as u64);
                *answer.response.body_mut() = Body::Full(shaped.body);
                answer.source = Some(Source { id, ..Source::of(forms, length) });
                if in_vain {
                    answer = reply::untouched(answer, Unshaped::NoArray);
                }
                (answer, Extent::Cut)
            }
            Some(Err(Unshaped::TooLarge)) => (longer(offer, answer, whole(pieces)), Extent::Whole),
            Some(Err(reason)) => {
                *answer.response.body_mut() = whole(pieces);
                (reply::untouched(answer, reason), Extent::Whole)
            }
            None => {
                *answer.response.body_mut() = whole(pieces);
                (in_haste(answer), Extent::Whole)
            }
        }
    }

    /// Bytes that are for one client alone, counted as in flight; `None` where there is no room.
    fn claimed(&self, bytes: Bytes) -> Option<Bytes> {
        Some(self.budget.claim_for_one(bytes.len() as u64)?.hold(bytes))
    }

    /// What a cut makes of a body, by its identity where it has one; `None` where too much else is
    /// waiting to be made.
    async fn cut_of(
        &self,
        (cut, limit): (&Cut, u64),
        pieces: &[Bytes],
        (coding, id): (Option<Coding>, Option<BodyId>),
    ) -> Option<Bytes> {
        let key = id.map(|id| id.shaped(cut.name()).memo(memo::RECIPE));
        // Nothing is copied where it was made before.
        if let Some(Memo::Made(bytes)) = key.and_then(|key| self.store.memo(key)) {
            return Some(bytes);
        }
        let bytes = pieces.iter().map(Bytes::len).sum();
        let (cut, pieces) = (cut.clone(), pieces.to_vec());
        let making = move || {
            let text = joined(pieces);
            let text = match coding {
                None => Ok(text),
                Some(coding) => {
                    let most = limit.min(recoded::most(text.len() as u64));
                    codec::unpack(&text, coding, most)
                }
            };
            memo::make(&cut, text)
        };
        match key {
            Some(key) => {
                let at = (key, bytes);
                let memo = self.memos.make_at(&self.store, at, || Memo::Made(making())).await;
                memo.and_then(|memo| match memo {
                    Memo::Made(bytes) => Some(bytes),
                    Memo::TooLong | Memo::Spoilt => None,
                })
            }
            None => self.memos.make_once(making).await,
        }
    }
}

/// Gives an answer that was made of a cut the cut's own entity-tag.
pub(super) fn name_cut(answer: &mut Answer, made: &store::Cut, wanted: &Wanted) {
    let as_it_came = answer.response.body().shares(&made.entry().body);
    let headers = answer.response.headers_mut();
    match (made.tag().filter(|_| as_it_came), wanted.cut()) {
        (Some(tag), _) => drop(headers.insert(header::ETAG, tag.clone())),
        (None, Ok(cut)) => coded_tag::write_shape(headers, cut.tag()),
        (None, Err(_)) => {}
    }
}

/// Takes the Vary out of a hit's head that the whole's length has put there: what is cut varies by
/// its own.
fn forget_vary(route: &Route, answer: &mut Answer) {
    if let Some(source) = &mut answer.source
        && std::mem::take(&mut source.vary_is_told)
        && source.forms.given.varies(&route.packing, source.length)
    {
        answer.response.headers_mut().remove(header::VARY);
    }
}

/// The coding of a body that can be cut, by its head.
fn fitting(response: &HeaderMap) -> Result<Option<Coding>, Unshaped> {
    if cache_control::forbids_transform(response) {
        return Err(Unshaped::NoTransform);
    }
    if !shape::says_json(response) {
        return Err(Unshaped::NotJson);
    }
    encoding::only_coding(response).map_err(|_| Unshaped::Coding)
}

/// What a shared body is, by its bytes; an answer that is still without an entity-tag gets the one
/// that it is stored with.
fn identity(answer: &mut Answer, source: Source, pieces: &[Bytes]) -> BodyId {
    let headers = answer.response.headers_mut();
    let id = source.id.unwrap_or_else(|| {
        let mut hasher = BodyHasher::default();
        pieces.iter().for_each(|piece| hasher.update(piece));
        hasher.finish(headers.get(header::CONTENT_ENCODING).map(|it| it.as_bytes()))
    });
    if !headers.contains_key(header::ETAG) {
        headers.insert(header::ETAG, id.entity_tag());
    }
    id
}

/// A body that is longer than is cut, as the operator wants it.
fn longer(offer: &Offer, mut answer: Answer, body: Body) -> Answer {
    match offer.too_large {
        TooLarge::Refuse => reply::too_large(answer.status),
        TooLarge::Pass => {
            *answer.response.body_mut() = body;
            reply::untouched(answer, Unshaped::TooLarge)
        }
    }
}

/// The whole, where for the moment nothing can be cut: that is no representation to come back to.
fn in_haste(mut answer: Answer) -> Answer {
    answer.response.headers_mut().remove(header::ETAG);
    reply::untouched(answer, Unshaped::Busy)
}

fn whole(mut pieces: Vec<Bytes>) -> Body {
    if pieces.len() == 1 {
        return pieces.pop().map_or(Body::Empty, Body::Full);
    }
    let mut all = Pieces::default();
    pieces.into_iter().for_each(|piece| all.push(piece));
    Body::Pieces(Box::new(all))
}

fn resumed(begun: Vec<Bytes>, rest: Body) -> Body {
    // What is at hand stays so: it is packed once.
    if begun.is_empty() {
        return rest;
    }
    let mut pieces = Pieces::default();
    begun.into_iter().for_each(|piece| pieces.push(piece));
    Body::Resumed(Box::new(Resumed { begun: pieces, rest }))
}

/// The head alone, with the length that the body would have.
fn forget_body(answer: &mut Answer) {
    let body = std::mem::take(answer.response.body_mut());
    let has_body = answer.response.status() != StatusCode::NOT_MODIFIED
        && answer.response.status() != StatusCode::NO_CONTENT;
    if let Some(length) = body.size_hint().exact().filter(|_| has_body) {
        answer.response.headers_mut().insert(header::CONTENT_LENGTH, length.into());
    }
}
