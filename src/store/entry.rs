//! A stored response: its head, ready to be sent, and its body.

use std::{
    ops::Deref,
    sync::{
        Arc, OnceLock, Weak,
        atomic::{AtomicU8, Ordering::Relaxed},
    },
};

use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};

use super::{Block, Named};
use crate::{
    key::Key,
    policy::{
        Meta, Mono,
        encoding::Forms,
        validation::{OWN_TAG, Validators},
    },
    shape::Text,
};

/// The longest body that lies beside its head, in bytes: it is copied in less time than a hit among a
/// million takes to go to one place more.
const SHORT: usize = 4096;

/// The head of a response that is stored, or will be once its body is complete.
#[derive(Clone, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Head {
    /// What the policy remembers of it.
    pub meta: Meta,
    /// Its status.
    pub status: StatusCode,
    /// In which forms its body may be sent.
    pub forms: Forms,
    /// Its fields, without those of one hop and without Content-Length.
    pub fields: Block,
    /// What says whether it has been invalidated by name since its fetch began.
    pub named: Named,
}

/// A stored response; a cheap handle.
#[derive(Clone, Debug)]
pub struct Entry(Arc<Stored>);

/// moka hears of one look in so many at a response.
const TOLD_ONE_IN: u8 = 8;

/// What an [`Entry`] points to, in the order in which a hit looks at it.
#[derive(Debug)]
#[repr(C)]
pub struct Stored {
    /// Looks at it, from a number of its own on.
    looks: AtomicU8,
    /// How it begins.
    pub head: Head,
    /// The whole body.
    pub body: Bytes,
    /// What the body is, by content, once anybody has asked for that.
    id: OnceLock<BodyId>,
    /// When it was asked for.
    pub asked: Turn,
    /// As what it lies in the shared tier, where it comes from there; else 0.
    pub version: u64,
    text: OnceLock<Text>,
}

/// The order in which the origin was asked: what was asked for earlier does not replace what was
/// asked for later (RFC 9111 §4: the most recent response).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Turn(pub u64);

/// Names a body by its bytes and its Content-Encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyId([u8; 32]);

/// Works out a [`BodyId`] while the body arrives.
#[derive(Debug, Default)]
pub struct BodyHasher(blake3::Hasher);

impl Head {
    /// The bytes that it keeps.
    pub(super) fn size(&self) -> usize {
        self.fields.size() + self.named.size()
    }

    /// The same head, whose freshness ended at `since` at the latest.
    pub(super) fn stale_since(&self, since: Mono) -> Head {
        Head { meta: self.meta.stale_since(since), ..self.clone() }
    }

    /// The same head, of what is to be validated before it is used: its freshness ended at `since`,
    /// and it is not to be served while that is done.
    pub(super) fn doubted_since(&self, since: Mono) -> Head {
        let mut head = self.stale_since(since);
        head.meta.stale_while_revalidate = 0;
        head
    }

    /// What conditions are judged by (RFC 9110 §13).
    #[must_use]
    pub fn validators(&self) -> Validators<'_> {
        let names = [header::ETAG, header::LAST_MODIFIED, header::DATE];
        let [etag, last_modified, date] = self.fields.get_all(names);
        Validators { etag, last_modified, date }
    }

    /// What the origin itself knows it by: an entity-tag of ours is none of its.
    #[must_use]
    pub fn origin_validators(&self) -> Validators<'_> {
        let validators = self.validators();
        let etag = validators.etag.filter(|tag| !tag.starts_with(OWN_TAG.as_bytes()));
        Validators { etag, ..validators }
    }
}

impl Entry {
    /// A complete response. Where the origin gave no ETag, it gets a strong one made of the body.
    #[must_use]
    pub fn new(head: Head, (body, id): (Bytes, BodyId), asked: Turn) -> Entry {
        Entry::whole(head, (body, OnceLock::from(id)), asked)
    }

    /// The same, of a body that may be part of something larger: it is copied. What it is, is worked
    /// out when anybody asks for that.
    #[must_use]
    pub fn copied(head: Head, body: &Bytes, asked: Turn) -> Entry {
        let is_short = body.len() <= SHORT;
        let body = if is_short { body.clone() } else { Bytes::copy_from_slice(body) };
        Entry::whole(head, (body, OnceLock::new()), asked)
    }

    /// A short body is copied to its head.
    fn whole(mut head: Head, (mut body, id): (Bytes, OnceLock<BodyId>), asked: Turn) -> Entry {
        if head.fields.get(&header::ETAG).is_none() {
            let id = id.get_or_init(|| BodyId::of(&head, &body));
            let mut fields = head.fields.to_map();
            fields.insert(header::ETAG, id.entity_tag());
            head.fields = Block::new(&fields);
        }
        if body.len() <= SHORT {
            (head.fields, body) = head.fields.beside(&body);
        }
        Entry::stored(head, (body, id), (asked, 0))
    }

    /// The head of what has no body here, to be judged alone. It gets no ETag: there is nothing to make
    /// one of.
    #[must_use]
    pub fn without_body(head: Head, asked: Turn) -> Entry {
        Entry::stored(head, (Bytes::new(), OnceLock::new()), (asked, 0))
    }

    /// One that another node has stored as this version.
    pub(super) fn shared(head: Head, (body, id): (Bytes, BodyId), of: (Turn, u64)) -> Entry {
        Entry::stored(head, (body, OnceLock::from(id)), of)
    }

    fn stored(
        head: Head,
        (body, id): (Bytes, OnceLock<BodyId>),
        (asked, version): (Turn, u64),
    ) -> Entry {
        let (text, looks) = (OnceLock::new(), AtomicU8::new(fastrand::u8(..)));
        Entry(Arc::new(Stored { looks, head, body, id, asked, version, text }))
    }

    /// What the body is, by content: worked out once.
    #[must_use]
    pub fn id(&self) -> BodyId {
        *self.id.get_or_init(|| BodyId::of(&self.head, &self.body))
    }

    /// The same, where that was done before.
    #[must_use]
    pub fn known_id(&self) -> Option<BodyId> {
        self.id.get().copied()
    }

    /// Counts a look at it; whether that is one of those that moka hears of, so that it knows what
    /// is in use. Who looks at the same moment may count as one.
    pub(super) fn is_to_be_told(&self) -> bool {
        let looks = self.looks.load(Relaxed).wrapping_add(1);
        self.looks.store(looks, Relaxed);
        looks.is_multiple_of(TOLD_ONE_IN)
    }

    /// What tells it from all others, for as long as anybody knows it.
    pub(super) fn downgrade(&self) -> Weak<Stored> {
        Arc::downgrade(&self.0)
    }

    /// Whether it is that.
    pub(super) fn is(&self, other: &Weak<Stored>) -> bool {
        std::ptr::eq(Arc::as_ptr(&self.0), other.as_ptr())
    }

    /// What the body is, as text: looked at once.
    #[must_use]
    pub fn text(&self) -> Text {
        *self.text.get_or_init(|| Text::of(&self.head.fields.to_map(), &self.body))
    }

    /// What such a handle points to, if it is still there.
    pub(super) fn of(weak: &Weak<Stored>) -> Option<Entry> {
        weak.upgrade().map(Entry)
    }

    /// The same body under a new head (RFC 9111 §4.3.4).
    #[must_use]
    pub fn freshened(&self, head: Head, asked: Turn) -> Entry {
        Entry::whole(head, (self.body.clone(), self.id.clone()), asked)
    }

    /// The same response, of which less is left.
    pub(super) fn under(&self, head: Head) -> Entry {
        // Many looks may make one each: the body is hashed for all of them.
        let id = OnceLock::from(self.id());
        Entry::stored(head, (self.body.clone(), id), (self.asked, self.version))
    }
}

impl Deref for Entry {
    type Target = Stored;

    fn deref(&self) -> &Stored {
        &self.0
    }
}

impl AsRef<Meta> for Entry {
    fn as_ref(&self) -> &Meta {
        &self.head.meta
    }
}

impl BodyId {
    fn of(head: &Head, body: &[u8]) -> BodyId {
        let mut hasher = BodyHasher::default();
        hasher.update(body);
        hasher.finish(head.fields.get(&header::CONTENT_ENCODING))
    }

    /// Where the memo of what a recipe makes of it lies; 0 is left for the body itself.
    #[must_use]
    pub fn memo(&self, recipe: u8) -> Key {
        Key::memo(self.0, recipe)
    }

    /// What the body is that a cut of this name makes of it.
    #[must_use]
    pub fn shaped(&self, cut: &[u8; 32]) -> BodyId {
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"shape").update(&self.0).update(cut);
        BodyId(*hasher.finalize().as_bytes())
    }

    /// The name that these bytes are, where another tier gives it back.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> BodyId {
        BodyId(bytes)
    }

    /// Its bytes, for another tier.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The strong entity-tag of a body that has none of the origin's (RFC 9110 §8.8.3).
    #[must_use]
    pub fn entity_tag(&self) -> HeaderValue {
        let digest = blake3::Hash::from_bytes(self.0).to_hex();
        HeaderValue::from_str(&format!("{OWN_TAG}{}\"", &digest[..32]))
            .expect("hexadecimal digits in quotes are a field value")
    }
}

impl BodyHasher {
    /// Takes in the next bytes.
    pub fn update(&mut self, chunk: &[u8]) {
        self.0.update(chunk);
    }

    /// The name of the body, now that all of it has been taken in.
    #[must_use]
    pub fn finish(&mut self, coding: Option<&[u8]>) -> BodyId {
        let length = self.0.count();
        self.0.update(&length.to_le_bytes());
        self.0.update(coding.unwrap_or_default());
        BodyId(*self.0.finalize().as_bytes())
    }
}
