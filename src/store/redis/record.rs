//! Records: what lies in Redis under a response's key, byte by byte as `docs/redis.md` says.
//!
//! Never trusted: a record is used only where every byte of it is as this version would have
//! written it for this very key, under the epoch that holds, and its BLAKE3 digest (keyed, where
//! there is a secret) says so. Everything else is [`Unusable`], a miss. Parts stay on their node.
//! No clock in here: the moments are passed in.

use bytes::Bytes;
use http::{HeaderName, StatusCode, header};

use super::bytes::{Reader, Writer};
use crate::{
    config::Secret,
    key::Key,
    policy::{Meta, Mono, Now, encoding::Forms},
    store::{
        Block, BodyHasher, BodyId, Entry, Head, MAX_VARIANTS, Moment, Name, Named, Turn, Vary,
        name::MAX_NAMES_OF_ONE, variant::Variant,
    },
};

/// What every record begins with: the magic, and the format's version.
pub(super) const MAGIC: &[u8; 5] = b"LRDR\x01";

/// Bytes of a record at most: what is longer was not written by us.
pub const MAX_RECORD: usize = 256 << 10;

/// How far the clocks of two nodes may be apart, in milliseconds.
const MAX_SKEW: i64 = 5_000;

const DIGEST: usize = 32;
const HEAD: u8 = b'h';
const VARY: u8 = b'v';
const TOMBSTONE: u8 = b't';

/// The order of purges in the whole cluster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seq(pub u64);

/// Seals records and opens them.
#[derive(Clone)]
pub struct Codec {
    key: Option<[u8; 32]>,
}

/// Which key, of which set of generations, a record is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Label {
    /// The key it lies under.
    pub key: Key,
    /// The set of generations that its Seq counts in.
    pub epoch: u64,
}

/// What a record is, with the moments of this process.
#[derive(Clone, Debug)]
pub enum Record {
    /// A response's head.
    Head(Box<Shared>),
    /// What tells the variants of a target apart.
    Vary(Vary),
    /// It was invalidated: there is nothing, and nothing that was asked for before may come.
    Tombstone,
}

/// The head of a response that nodes share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shared {
    /// Which writing of the key this is.
    pub version: u64,
    /// What the policy remembers.
    pub meta: Meta,
    /// Its status.
    pub status: StatusCode,
    /// Its fields.
    pub fields: Block,
    /// The newest purge that its node had applied when its fetch, or validation, began.
    pub began: Seq,
    /// What it can be purged by.
    pub names: Box<[u64]>,
    /// How many of the names, the last ones, are cache groups.
    pub groups: u16,
    /// It has more tags than are told apart.
    pub crowded: bool,
    /// What its body is.
    pub id: BodyId,
    /// Bytes of its body.
    pub length: u64,
}

/// What is not what it should be, whyever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the record does not check")]
pub struct Unusable;

impl std::fmt::Debug for Codec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Codec").field("keyed", &self.key.is_some()).finish()
    }
}

impl Shared {
    /// The head of `entry`, as a new version of its key.
    #[must_use]
    pub fn of(entry: &Entry) -> Shared {
        let named = &entry.head.named;
        Shared {
            version: fastrand::u64(..),
            meta: entry.head.meta,
            status: entry.head.status,
            fields: entry.head.fields.clone(),
            began: Seq(named.began().global),
            names: named.names().iter().map(|name| name.number()).collect(),
            groups: u16::try_from(named.groups().len()).unwrap_or(u16::MAX),
            crowded: named.crowded,
            id: entry.id(),
            length: entry.body.len() as u64,
        }
    }

    /// The response that it is with this body, as this node stores it; `local` is this node's own
    /// moment before it was looked up.
    #[must_use]
    pub fn into_entry(self, body: Bytes, forms: Forms, (local, asked): (u64, Turn)) -> Entry {
        let began = Moment { local, global: self.began.0 };
        let names = self.names.iter().map(|number| Name::of_number(*number)).collect();
        let named = Named::of_names(began, names, usize::from(self.groups), self.crowded);
        let Shared { version, meta, status, fields, id, .. } = self;
        Entry::shared(Head { meta, status, fields, named, forms }, (body, id), (asked, version))
    }

    /// Whether these bytes are its body.
    #[must_use]
    pub fn is_body(&self, body: &Bytes) -> bool {
        let mut hasher = BodyHasher::default();
        hasher.update(body);
        let coding = self.fields.get(&header::CONTENT_ENCODING);
        self.length == body.len() as u64 && hasher.finish(coding) == self.id
    }
}

impl Codec {
    /// Keyed with `secret`, where there is one: then nobody without it can make a record.
    #[must_use]
    pub fn new(secret: Option<&Secret>) -> Codec {
        let derive =
            |it: &Secret| blake3::derive_key("larder redis records v1", it.reveal().as_bytes());
        Codec { key: secret.map(derive) }
    }

    /// A response's head; `None` where it is too long to be shared.
    #[must_use]
    pub fn head(&self, label: Label, head: &Shared, now: Now) -> Option<Vec<u8>> {
        let mut record = begin(label, HEAD, (head.version, head.meta.received), now);
        record.u16(head.status.as_u16());
        record.u16(flags(&head.meta));
        record.i64(head.meta.initial_age);
        record.u32(head.meta.lifetime);
        record.u32(head.meta.stale_while_revalidate);
        record.u32(head.meta.stale_if_error);
        record.u32(head.meta.keep);
        record.u64(head.began.0);
        record.raw(head.id.as_bytes());
        record.u64(head.length);
        record.u16(u16::try_from(head.names.len()).ok()?);
        record.u16(head.groups);
        record.u8(u8::from(head.crowded));
        head.names.iter().for_each(|name| record.u64(*name));
        record.u32(u32::try_from(head.fields.size()).ok()?);
        record.raw(head.fields.as_bytes());
        self.seal(record)
    }

    /// A variant list; its own number is its version. `None` where it is too long.
    #[must_use]
    pub fn vary(&self, label: Label, vary: &Vary, now: Now) -> Option<Vec<u8>> {
        let mut record = begin(label, VARY, (vary.epoch, now.mono), now);
        record.u8(u8::try_from(vary.names.len()).ok()?);
        for name in &vary.names {
            record.u16(u16::try_from(name.as_str().len()).ok()?);
            record.raw(name.as_str().as_bytes());
        }
        record.u8(u8::try_from(vary.variants.len()).ok()?);
        for variant in &vary.variants {
            let tag = variant.tag.as_deref().unwrap_or_default();
            record.raw(variant.key.as_bytes());
            record.u8(u8::try_from(tag.len()).ok()?);
            record.raw(tag);
        }
        self.seal(record)
    }

    /// Opens what lies under `label.key`.
    ///
    /// # Errors
    /// Where any byte is not as it should be.
    pub fn open(&self, label: Label, bytes: &[u8], now: Now) -> Result<Record, Unusable> {
        if bytes.len() > MAX_RECORD {
            return Err(Unusable);
        }
        if is_tombstone(bytes) {
            return Ok(Record::Tombstone);
        }
        self.checked(label, bytes, now).ok_or(Unusable)
    }

    fn checked(&self, label: Label, bytes: &[u8], now: Now) -> Option<Record> {
        let (content, digest) = bytes.split_last_chunk::<DIGEST>()?;
        // blake3::Hash compares in constant time
        if self.digest(content) != blake3::Hash::from_bytes(*digest) {
            return None;
        }
        let mut reader = Reader(content.strip_prefix(MAGIC)?);
        let kind = reader.u8()?;
        let version = reader.u64()?;
        let received = here(reader.i64()?, now)?;
        let found = Label { epoch: reader.u64()?, key: reader.key()? };
        if found != label {
            return None;
        }
        match kind {
            HEAD => read_head(reader, version, received).map(|it| Record::Head(Box::new(it))),
            VARY => read_vary(reader, version).map(Record::Vary),
            _ => None,
        }
    }

    fn seal(&self, record: Writer) -> Option<Vec<u8>> {
        let Writer(mut record) = record;
        let digest = self.digest(&record);
        record.extend_from_slice(digest.as_bytes());
        (record.len() <= MAX_RECORD).then_some(record)
    }

    fn digest(&self, content: &[u8]) -> blake3::Hash {
        match &self.key {
            Some(key) => blake3::keyed_hash(key, content),
            None => blake3::hash(content),
        }
    }
}

/// Milliseconds since the Unix epoch, as another node understands them.
fn there(received: Mono, now: Now) -> i64 {
    now.wall.0.saturating_sub(now.mono.since(received))
}

/// Our own time of a moment of another node. One in the future counts as now; one too far in the
/// future is `None`: each node that read it would count its freshness from then on.
fn here(wall: i64, now: Now) -> Option<Mono> {
    let since = now.wall.0.saturating_sub(wall);
    (since >= -MAX_SKEW).then(|| Mono(now.mono.0.saturating_sub(since.max(0))))
}

fn begin(label: Label, kind: u8, (version, received): (u64, Mono), now: Now) -> Writer {
    let mut record = Writer(Vec::with_capacity(1024));
    record.raw(MAGIC);
    record.u8(kind);
    record.u64(version);
    record.i64(there(received, now));
    record.u64(label.epoch);
    record.raw(label.key.as_bytes());
    record
}

/// Written by the scripts, which know no digest: to believe it is a miss, whoever wrote it.
fn is_tombstone(bytes: &[u8]) -> bool {
    bytes.strip_prefix(MAGIC).is_some_and(|rest| rest.first() == Some(&TOMBSTONE))
}

fn read_head(mut reader: Reader<'_>, version: u64, received: Mono) -> Option<Shared> {
    let status = StatusCode::from_u16(reader.u16()?).ok()?;
    let flags = reader.u16()?;
    let meta = Meta {
        received,
        initial_age: Some(reader.i64()?).filter(|age| *age >= 0)?,
        lifetime: reader.u32()?,
        stale_while_revalidate: reader.u32()?,
        stale_if_error: reader.u32()?,
        keep: reader.u32()?,
        ..Meta::default()
    };
    let meta = flagged(meta, flags)?;
    let began = Seq(reader.u64()?);
    let id = BodyId::from_bytes(reader.array()?);
    let length = reader.u64()?;
    let count = usize::from(reader.u16()?);
    let groups = reader.u16()?;
    let crowded = [false, true].get(usize::from(reader.u8()?)).copied()?;
    if count > MAX_NAMES_OF_ONE || usize::from(groups) > count {
        return None;
    }
    let names = (0..count).map(|_| reader.u64()).collect::<Option<Box<[u64]>>>()?;
    let size = usize::try_from(reader.u32()?).ok()?;
    let fields = Block::from_bytes(reader.raw(size)?)?;
    reader.end()?;
    Some(Shared { version, meta, status, fields, began, names, groups, crowded, id, length })
}

fn read_vary(mut reader: Reader<'_>, epoch: u64) -> Option<Vary> {
    let count = reader.u8()?;
    let name = |reader: &mut Reader<'_>| {
        let length = usize::from(reader.u16()?);
        let name = reader.raw(length)?;
        HeaderName::from_bytes(name).ok().filter(|it| it.as_str().as_bytes() == name)
    };
    let names = (0..count).map(|_| name(&mut reader)).collect::<Option<Vec<_>>>()?;
    let count = reader.u8()?;
    if usize::from(count) > MAX_VARIANTS || names.is_empty() {
        return None;
    }
    let variant = |reader: &mut Reader<'_>| {
        let key = reader.key()?;
        let length = usize::from(reader.u8()?);
        let tag = reader.raw(length)?;
        Some(Variant { key, tag: (!tag.is_empty()).then(|| tag.into()), said: None })
    };
    let variants = (0..count).map(|_| variant(&mut reader)).collect::<Option<Vec<_>>>()?;
    reader.end()?;
    Some(Vary { epoch, asked: Turn::default(), names, variants })
}

fn bits(meta: &mut Meta) -> [&mut bool; 7] {
    [
        &mut meta.no_cache,
        &mut meta.must_revalidate,
        &mut meta.ours,
        &mut meta.shared,
        &mut meta.validator,
        &mut meta.authorized,
        &mut meta.cookie,
    ]
}

fn flags(meta: &Meta) -> u16 {
    let mut meta = *meta;
    let bits = bits(&mut meta).into_iter().enumerate();
    bits.map(|(at, bit)| u16::from(*bit) << at).sum()
}

/// `None` where a bit is set that this version does not know.
fn flagged(mut meta: Meta, flags: u16) -> Option<Meta> {
    for (at, bit) in bits(&mut meta).into_iter().enumerate() {
        *bit = flags >> at & 1 == 1;
    }
    (self::flags(&meta) == flags).then_some(meta)
}

#[cfg(test)]
mod tests;
