//! The last step of an answer: its body in the form that the client asked for (RFC 9110 §12.5.3).
//!
//! What is stored is packed and unpacked once, as a memo beside it; what is still arriving, as it
//! comes. What goes out as it came costs a hit a branch, and a line of Vary where that is due.

use std::{borrow::Cow, sync::Arc};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};

use super::Proxy;
use crate::{
    body::Body,
    key::Key,
    policy::{
        asked::Method,
        coded_tag::{self, Kind},
        coding::{Accepts, Coding},
        encoding::{self, Form, Given},
    },
    reply::{self, Answer, Source},
    snapshot::Route,
    store::{BodyId, Memo},
    transform::{codec::Levels, memos::Recipe, recoded::Recoded},
    visit::{GetKey, Visit},
};

/// What a request says of the form of its answer.
pub(super) struct Wish<'a> {
    primary: Key,
    accepts: Accepts,
    /// It asks for bytes that nobody packs.
    pub(super) unpacked: bool,
    is_head: bool,
    /// In which words it wants to be told what went wrong.
    accept: Option<Cow<'a, HeaderValue>>,
}

/// An answer whose form has to be made first.
pub(super) struct Unmade {
    source: Source,
    form: Form,
    recipe: Recipe,
    body: Bytes,
    id: BodyId,
}

/// What a request accepts.
pub(super) fn accepts(visit: &Visit) -> Accepts {
    match visit.asked.codings {
        true => Accepts::of(&visit.head.headers),
        false => Accepts::PLAIN,
    }
}

impl<'a> Wish<'a> {
    pub(super) fn of(visit: &'a Visit) -> Wish<'a> {
        Wish {
            primary: visit.primary,
            accepts: accepts(visit),
            unpacked: visit.asked.unpacked(),
            // A HEAD of what is cut goes its way as a GET.
            is_head: visit.asked.method == Method::Head
                || visit.wanted.as_ref().is_some_and(|wanted| wanted.is_head),
            accept: visit.head.headers.get(header::ACCEPT).map(Cow::Borrowed),
        }
    }

    /// The same, to outlive its request's head.
    pub(super) fn owned(self) -> Wish<'static> {
        let accept = self.accept.map(|it| Cow::Owned(it.into_owned()));
        Wish { accept, ..self }
    }

    /// The 502 in place of what does not unpack.
    fn spoilt(&self, answer: &Answer) -> Answer {
        let asked = self.accept.as_deref().map(|accept| (header::ACCEPT, accept.clone()));
        reply::spoilt(answer.status, &HeaderMap::from_iter(asked))
    }

    /// A part is of the bytes that are stored.
    fn form(&self, route: &Route, source: &Source, status: StatusCode) -> Form {
        if status == StatusCode::PARTIAL_CONTENT {
            return Form::AsItCame;
        }
        source.choice(&route.packing, self.unpacked).form(self.accepts)
    }
}

impl Proxy {
    /// Gives an answer the form that the client is to get.
    pub(super) async fn form(self: &Arc<Self>, route: &Route, wish: Wish<'_>, answer: &mut Answer) {
        if let Err(unmade) = self.formed(route, &wish, answer) {
            self.make(unmade, &wish, answer).await;
        }
    }

    /// Makes that form, of what was not made before.
    pub(super) async fn make(
        self: &Arc<Self>,
        unmade: Box<Unmade>,
        wish: &Wish<'_>,
        answer: &mut Answer,
    ) {
        let (bytes, recipe) = ((&unmade.body, &unmade.id), unmade.recipe);
        let memo = Box::pin(self.memos.make(&self.store, bytes, recipe)).await;
        self.made(wish, answer, (unmade.form, memo), &unmade.source);
    }

    /// Gives an answer that form, where it lies in memory or is made as the body comes.
    ///
    /// # Errors
    /// What has to be made first.
    pub(super) fn formed(
        self: &Arc<Self>,
        route: &Route,
        wish: &Wish<'_>,
        answer: &mut Answer,
    ) -> Result<(), Box<Unmade>> {
        let Some(source) = answer.source.take() else { return Ok(()) };
        let response = &mut answer.response;
        if !source.vary_is_told && source.forms.given.varies(&route.packing, source.length) {
            encoding::add_to_vary(response.headers_mut());
        }
        let form = wish.form(route, &source, response.status());
        if response.status() == StatusCode::NOT_MODIFIED {
            not_modified(answer, form, &source);
            return Ok(());
        }
        let (given, limit) = (source.forms.given, route.cache.max_object_size);
        let recipe = match (form, given) {
            (Form::AsItCame, _) => {
                as_it_came(answer, &source);
                return Ok(());
            }
            (Form::Packed(to), Given::Packed(from)) => Recipe::Repack(from, limit, to),
            (Form::Packed(coding), Given::Plain | Given::Fixed) => Recipe::Pack(coding),
            (Form::Unpacked(coding), _) => Recipe::Unpack(coding, limit),
        };
        let memo = source.id.and_then(|id| self.store.memo(recipe.key(&id)));
        let spoilt = matches!((&memo, given), (Some(Memo::Spoilt), Given::Packed(_)));
        if wish.is_head && !spoilt {
            self.headed(answer, (form, memo), &source);
            return Ok(());
        }
        match (&memo, source.id, at_hand(answer.response.body())) {
            (None, Some(id), Some(body)) => {
                return Err(Box::new(Unmade { source, form, recipe, body, id }));
            }
            _ => self.made(wish, answer, (form, memo), &source),
        }
        Ok(())
    }

    /// Gives an answer the body that was made of it, if any was.
    fn made(
        self: &Arc<Self>,
        wish: &Wish<'_>,
        answer: &mut Answer,
        (form, memo): (Form, Option<Memo>),
        source: &Source,
    ) {
        match (memo, source.forms.given) {
            (Some(Memo::Made(bytes)), _) => sent_as(answer, form, Body::Full(bytes)),
            (Some(Memo::Spoilt), Given::Packed(_)) => {
                self.drop_spoilt(wish.primary);
                *answer = wish.spoilt(answer);
            }
            (Some(Memo::TooLong | Memo::Spoilt), Given::Plain | Given::Fixed) => {
                as_it_came(answer, source);
            }
            (None | Some(Memo::TooLong), _) => self.streamed(wish.primary, answer, form, source),
        }
    }

    /// Gives an answer's body its form as it comes; leaves it where too many others do so.
    fn streamed(self: &Arc<Self>, primary: Key, answer: &mut Answer, form: Form, source: &Source) {
        match form {
            Form::AsItCame => as_it_came(answer, source),
            Form::Packed(coding) => {
                let Ok(permit) = self.streams.clone().try_acquire_owned() else {
                    return self.streamed(primary, answer, source.forms.given.plain(), source);
                };
                let body = std::mem::take(answer.response.body_mut());
                let body = match source.forms.given {
                    Given::Packed(from) => self.unpacked(primary, body, from),
                    Given::Plain | Given::Fixed => body,
                };
                let packed = Recoded::packed(body, (coding, Levels::default()), permit);
                sent_as(answer, form, Body::Recoded(Box::new(packed)));
                coded_tag::write_run(answer.response.headers_mut(), fastrand::u64(..));
            }
            // Who cannot read what came has to wait for nobody's permit.
            Form::Unpacked(coding) => {
                let body = std::mem::take(answer.response.body_mut());
                sent_as(answer, form, self.unpacked(primary, body, coding));
            }
        }
    }

    /// A body that is unpacked as it comes.
    fn unpacked(self: &Arc<Self>, primary: Key, body: Body, coding: Coding) -> Body {
        let proxy = self.clone();
        let spoilt = move || proxy.drop_spoilt(primary);
        Body::Recoded(Box::new(Recoded::unpacked(body, coding, spoilt)))
    }

    /// The answer to HEAD starts nothing: its length is told where it is known. Its tag is that of
    /// the whole, whatever run of an encoder a GET would get.
    fn headed(&self, answer: &mut Answer, (form, memo): (Form, Option<Memo>), source: &Source) {
        let streamed = matches!(form, Form::Packed(_)) && source.id.is_none();
        let form = match streamed && self.streams.available_permits() == 0 {
            true => source.forms.given.plain(),
            false => form,
        };
        if form == Form::AsItCame {
            return as_it_came(answer, source);
        }
        let headers = answer.response.headers_mut();
        encoding::describe(headers, form);
        if let Some(Memo::Made(bytes)) = memo {
            headers.insert(header::CONTENT_LENGTH, bytes.len().into());
        }
    }

    /// Drops what is stored for a target: it is not what it says it is.
    fn drop_spoilt(&self, primary: Key) {
        tracing::warn!("an upstream's body does not unpack, or to more than is allowed");
        let _ = self.invalidate(GetKey::Bare(primary), "a body that does not unpack");
    }
}

fn at_hand(body: &Body) -> Option<Bytes> {
    match body {
        Body::Full(bytes) => Some(bytes.clone()),
        _ => None,
    }
}

fn as_it_came(answer: &mut Answer, source: &Source) {
    if source.forms.escaped {
        coded_tag::write(answer.response.headers_mut(), Form::AsItCame);
    }
}

/// A 304 is of the bytes that the client names, or else of those that a 200 would bring.
fn not_modified(answer: &mut Answer, form: Form, source: &Source) {
    let headers = answer.response.headers_mut();
    match (source.named, form) {
        (Some(Kind::AsItCame), _) => {}
        (Some(Kind::Packed(_) | Kind::Unpacked), _) => encoding::forget_form(headers),
        (None, Form::AsItCame) => as_it_came(answer, source),
        (None, Form::Packed(_) | Form::Unpacked(_)) => {
            encoding::describe(headers, form);
            headers.remove(header::CONTENT_ENCODING);
        }
    }
}

fn sent_as(answer: &mut Answer, form: Form, body: Body) {
    encoding::describe(answer.response.headers_mut(), form);
    *answer.response.body_mut() = body;
}
