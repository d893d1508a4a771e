//! The fields of a stored response in one exact allocation.
//!
//! A `HeaderMap` of ten fields costs 1.2 KiB more than this, and slices of
//! the connection's read buffer would pin that for as long as the entry lives.

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::{
    heads::{self, Sent},
    shape::{Added, Extent, Shape},
};
use crate::policy::{
    cache_control::LARDER_CACHE_CONTROL,
    coding::Coding,
    tags::{CACHE_TAG, SURROGATE_KEY},
};

/// What addresses this cache alone, and is used up here: clients do not get it.
pub static USED_UP: [HeaderName; 3] = [LARDER_CACHE_CONTROL, SURROGATE_KEY, CACHE_TAG];

/// Bytes before a field: the length of its name (2) and of its value (4).
const PREFIX: usize = 6;

/// Header fields, in order, repeated ones as often as they came; what is [`USED_UP`] stands last,
/// so that a hit need not look for it. A cheap handle.
#[derive(Clone, Debug)]
pub struct Block {
    bytes: Bytes,
    count: u32,
    /// The fields that clients get.
    sent: u32,
    /// The names of those, ready to be sent.
    shape: Option<Arc<Shape>>,
}

/// A shape says nothing that the bytes do not.
impl PartialEq for Block {
    fn eq(&self, other: &Block) -> bool {
        (&self.bytes, self.count, self.sent) == (&other.bytes, other.count, other.sent)
    }
}

impl Eq for Block {}

impl Block {
    /// Copies the fields.
    #[must_use]
    pub fn new(fields: &HeaderMap) -> Block {
        let length = fields.iter().map(|(n, v)| PREFIX + n.as_str().len() + v.len()).sum();
        let mut bytes = BytesMut::with_capacity(length);
        let (mut used_up, mut sent) = (0, Vec::with_capacity(fields.len()));
        for (name, value) in fields.iter().filter(|(name, _)| !USED_UP.contains(name)) {
            if put(&mut bytes, name, value) {
                sent.push(name);
            }
        }
        if sent.len() < fields.len() {
            let last = fields.iter().filter(|(name, _)| USED_UP.contains(name));
            used_up = last.filter(|(name, value)| put(&mut bytes, name, value)).count();
        }
        Block::of(bytes.freeze(), sent.len() + used_up, &sent)
    }

    fn of(bytes: Bytes, count: usize, sent: &[&HeaderName]) -> Block {
        let number = |it: usize| u32::try_from(it).unwrap_or(u32::MAX);
        Block { bytes, count: number(count), sent: number(sent.len()), shape: Shape::of(sent) }
    }

    /// The fields as another tier keeps them, in memory of their own; `None` where these bytes are
    /// not what [`as_bytes`](Self::as_bytes) gives.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Block> {
        let (mut count, mut sent, mut length) = (0, Vec::new(), 0);
        for (name, value) in raw(bytes) {
            let known = HeaderName::from_bytes(name).ok()?;
            HeaderValue::from_bytes(value).ok()?;
            if known.as_str().as_bytes() != name {
                return None;
            }
            if !USED_UP.contains(&known) {
                // What is used up stands last.
                (sent.len() == count).then_some(())?;
                sent.push(known);
            }
            count += 1;
            length += PREFIX + name.len() + value.len();
        }
        (length == bytes.len()).then_some(())?;
        let sent: Vec<&HeaderName> = sent.iter().collect();
        Some(Block::of(Bytes::copy_from_slice(bytes), count, &sent))
    }

    /// The fields for another tier: each one's lengths, its name and its value.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// How many fields there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count as usize
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The bytes that it keeps.
    #[must_use]
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    /// The first value of a field; `name` in lower case.
    #[must_use]
    pub fn get(&self, name: &HeaderName) -> Option<&[u8]> {
        let name = name.as_str().as_bytes();
        raw(&self.bytes).find(|(it, _)| *it == name).map(|(_, value)| value)
    }

    /// The first value of each of these fields, by one walk; names in lower case.
    #[must_use]
    pub fn get_all<const N: usize>(&self, names: [HeaderName; N]) -> [Option<&[u8]>; N] {
        let mut found = [None; N];
        for (name, value) in raw(&self.bytes) {
            if let Some(at) = names.iter().position(|it| it.as_str().as_bytes() == name) {
                found[at] = found[at].or(Some(value));
            }
        }
        found
    }

    /// The fields of a hit with what it adds, in one go, and whether Vary is still to be added to;
    /// `None` where there is no shape for it.
    #[must_use]
    pub fn hit(&self, extent: Extent, added: Added) -> Option<(HeaderMap, bool)> {
        heads::fill(self, Sent::Stored(extent), added)
    }

    /// The fields of a hit before a body that was packed here, Vary included; `None` where there is no
    /// shape for it.
    #[must_use]
    pub fn hit_packed(&self, coding: Coding, added: Added) -> Option<HeaderMap> {
        heads::fill(self, Sent::Packed(coding), added).map(|(fields, _)| fields)
    }

    /// Adds the fields of a hit in lines, and gives whether Date is among them; `None` where they are
    /// not at hand in that form. `packed`: before a whole body that was packed here.
    #[must_use]
    pub fn write(
        &self,
        (extent, packed): (Extent, Option<Coding>),
        added: Added,
        out: &mut Vec<u8>,
    ) -> Option<bool> {
        heads::write(self, packed.map_or(Sent::Stored(extent), Sent::Packed), added, out)
    }

    /// The same, made from this block alone, for what is not asked for again and again; values share
    /// its memory.
    #[must_use]
    pub fn fill(&self, extent: Extent, added: Added) -> Option<(HeaderMap, bool)> {
        let shape = self.shape.as_ref()?;
        let values = raw(&self.bytes).take(self.sent as usize);
        Some(shape.fill(extent, (values, |(_, value)| self.value(value)), added))
    }

    /// The same fields, and a body behind them in the same memory.
    pub(super) fn beside(&self, body: &[u8]) -> (Block, Bytes) {
        let mut both = BytesMut::with_capacity(self.bytes.len() + body.len());
        both.put_slice(&self.bytes);
        both.put_slice(body);
        let mut bytes = both.freeze();
        let body = bytes.split_off(self.bytes.len());
        (Block { bytes, shape: self.shape.clone(), ..*self }, body)
    }

    /// The same fields, in memory of their own.
    pub(super) fn copied(&self) -> Block {
        Block { bytes: Bytes::copy_from_slice(&self.bytes), ..self.clone() }
    }

    /// Where they lie.
    pub(super) fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The fields that clients get, in order, names and values, where what a hit adds stands behind
    /// them; `None` where it has to be put among them.
    #[must_use]
    pub fn lines(&self) -> Option<impl Iterator<Item = (&[u8], &[u8])>> {
        self.shape.as_ref()?;
        Some(raw(&self.bytes).take(self.sent as usize))
    }

    /// Appends the fields that clients get, in order; values share this block's memory.
    pub fn append_to(&self, fields: &mut HeaderMap) {
        self.append(fields, self.sent);
    }

    fn append(&self, fields: &mut HeaderMap, first: u32) {
        fields.reserve(first as usize);
        for (name, value) in raw(&self.bytes).take(first as usize) {
            if let Ok(name) = HeaderName::from_bytes(name) {
                fields.append(name, self.value(value));
            }
        }
    }

    /// A value that shares this block's memory.
    fn value(&self, value: &[u8]) -> HeaderValue {
        let value = HeaderValue::from_maybe_shared(self.bytes.slice_ref(value));
        value.expect("it was one when it was stored")
    }

    /// All fields as a map.
    #[must_use]
    pub fn to_map(&self) -> HeaderMap {
        let mut fields = HeaderMap::new();
        self.append(&mut fields, self.count);
        fields
    }
}

/// Writes a field; `false` where its lengths cannot be told.
fn put(bytes: &mut BytesMut, name: &HeaderName, value: &HeaderValue) -> bool {
    let text = name.as_str().as_bytes();
    let (Ok(name_length), Ok(value_length)) =
        (u16::try_from(text.len()), u32::try_from(value.len()))
    else {
        return false;
    };
    bytes.put_u16(name_length);
    bytes.put_u32(value_length);
    bytes.put_slice(text);
    bytes.put_slice(value.as_bytes());
    true
}

/// The names and values of a block.
fn raw(mut rest: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    std::iter::from_fn(move || {
        let (name_length, after) = rest.split_first_chunk::<2>()?;
        let (value_length, after) = after.split_first_chunk::<4>()?;
        let (name, after) =
            after.split_at_checked(usize::from(u16::from_be_bytes(*name_length)))?;
        let value_length = usize::try_from(u32::from_be_bytes(*value_length)).ok()?;
        let (value, after) = after.split_at_checked(value_length)?;
        rest = after;
        Some((name, value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_gives_back_what_it_was_made_of() {
        let mut fields = HeaderMap::new();
        for (name, value) in [
            ("content-type", &b"application/json"[..]),
            ("link", b"</a>; rel=next"),
            ("link", b"</b>; rel=prev"),
            ("x-caf\u{65}", b"caf\xe9"),
            ("x-empty", b""),
        ] {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            fields.append(name, HeaderValue::from_bytes(value).unwrap());
        }
        let block = Block::new(&fields);
        assert_eq!(block.to_map(), fields, "repeated fields and odd bytes survive");
        assert_eq!(block.len(), 5);
        assert_eq!(block.get(&http::header::LINK), Some(&b"</a>; rel=next"[..]));
        assert_eq!(block.get(&http::header::ETAG), None);
    }

    #[test]
    fn what_is_used_up_is_kept_and_not_sent() {
        let fields = [USED_UP[0].clone(), http::header::VARY, USED_UP[1].clone()];
        let fields = fields.map(|name| (name, HeaderValue::from_static("x")));
        let fields = HeaderMap::from_iter(fields);
        let (block, mut sent) = (Block::new(&fields), HeaderMap::new());
        block.append_to(&mut sent);
        assert_eq!(block.to_map(), fields, "a 304 must find it again");
        assert_eq!(sent.keys().collect::<Vec<_>>(), [http::header::VARY]);
    }

    #[test]
    fn a_block_of_nothing_is_empty() {
        let block = Block::new(&HeaderMap::new());
        assert!(block.is_empty());
        assert_eq!((block.size(), block.to_map().len()), (0, 0));
    }
}
