//! The heads of hits that a thread made last, at hand: a clone of one takes less than half of what
//! it takes to make it, and a copy of its lines less than that.
//!
//! A head is known by where its stored fields lie, and holds on to them, and to a short body beside
//! them, so that nothing else can lie there meanwhile. What is told is a copy, made by and for this
//! thread: the count of who refers to the stored fields is one that all cores would fight for. A head
//! is kept when it was asked for twice in a row, so that those of many responses push out nothing, and
//! cost a comparison.

use std::cell::RefCell;

use bytes::Bytes;
use http::{HeaderMap, header};

use super::{
    Block,
    shape::{Added, Extent},
};
use crate::{
    cache_status, fields,
    policy::{
        coding::Coding,
        encoding::{self, Form},
    },
};

/// The heads that each thread has at hand; each takes some 2 KiB, and holds 4 KiB of a body at most.
const AT_HAND: usize = 256;

/// The longest fields that are kept, in bytes.
const MAX_LENGTH: usize = 2048;

thread_local! {
    static HEADS: RefCell<Vec<Place>> = const { RefCell::new(Vec::new()) };
}

/// What is sent of a stored head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sent {
    /// This, as it is stored.
    Stored(Extent),
    /// All of it, before a body that was packed here.
    Packed(Coding),
}

/// A place for one head.
#[derive(Debug, Default)]
struct Place {
    /// Where the fields lie that were asked for last.
    last: usize,
    made: Option<Box<Made>>,
}

#[derive(Debug)]
struct Made {
    of: Bytes,
    sent: Sent,
    told: Added,
    fields: HeaderMap,
    vary_is_due: bool,
    /// The same in lines, and whether Date is among them; made when somebody asks.
    lines: Option<(Vec<u8>, bool)>,
}

/// What [`Block::fill`] gives for a block, in the form in which it is sent.
pub(super) fn fill(block: &Block, sent: Sent, added: Added) -> Option<(HeaderMap, bool)> {
    let known = at_hand(block, sent, added, |made| (made.fields.clone(), made.vary_is_due));
    known.or_else(|| sent.of(block, added))
}

/// Adds the same in lines, and gives whether Date is among them; `None` where it was not asked for
/// before, or Vary is still to be added to.
pub(super) fn write(block: &Block, sent: Sent, added: Added, out: &mut Vec<u8>) -> Option<bool> {
    at_hand(block, sent, added, |made| {
        if made.vary_is_due {
            return None;
        }
        let (lines, is_dated) = made.lines.get_or_insert_with(|| {
            let mut lines = Vec::new();
            let is_dated = fields::write_lines(&made.fields, &mut lines);
            (lines, is_dated)
        });
        out.extend_from_slice(lines);
        Some(*is_dated)
    })
    .flatten()
}

/// What `take` takes from a head that is at hand.
fn at_hand<T>(
    block: &Block,
    sent: Sent,
    added: Added,
    take: impl FnOnce(&mut Made) -> T,
) -> Option<T> {
    let of = block.bytes();
    if of.is_empty() || of.len() > MAX_LENGTH {
        return None;
    }
    // A thread that ends has nothing at hand any more.
    let mut places = HEADS.try_with(RefCell::take).unwrap_or_default();
    if places.is_empty() {
        places.resize_with(AT_HAND, Place::default);
    }
    let taken = places[place(of, sent)].made(block, sent, added).map(take);
    let _ = HEADS.try_with(|it| it.replace(places));
    taken
}

/// Blocks are aligned, and some hundred bytes long.
fn place(of: &Bytes, sent: Sent) -> usize {
    let at = of.as_ptr() as usize;
    let which = match sent {
        Sent::Stored(extent) => extent as usize,
        Sent::Packed(coding) => 2 + coding as usize,
    };
    (at >> 4 ^ at >> 12 ^ which) % AT_HAND
}

impl Sent {
    fn of(self, block: &Block, added: Added) -> Option<(HeaderMap, bool)> {
        let coding = match self {
            Sent::Stored(extent) => return block.fill(extent, added),
            Sent::Packed(coding) => coding,
        };
        let (mut fields, vary_is_due) = block.fill(Extent::Whole, added)?;
        if vary_is_due {
            encoding::add_to_vary(&mut fields);
        }
        encoding::describe(&mut fields, Form::Packed(coding));
        Some((fields, false))
    }
}

impl Place {
    /// The head, where it was asked for twice in a row.
    fn made(&mut self, block: &Block, sent: Sent, added: Added) -> Option<&mut Made> {
        let of = block.bytes();
        let at = of.as_ptr() as usize;
        let again = std::mem::replace(&mut self.last, at) == at;
        let is_made = self.made.as_ref().is_some_and(|it| it.is_of(of, sent, added.varies));
        if !is_made {
            if !again {
                return None;
            }
            self.made = Some(Box::new(Made::new(block, sent, added)?));
        }
        let made = self.made.as_mut()?;
        made.tell(added);
        Some(made)
    }
}

impl Made {
    fn new(block: &Block, sent: Sent, told: Added) -> Option<Made> {
        let (fields, vary_is_due) = sent.of(&block.copied(), told)?;
        let of = block.bytes().clone();
        Some(Made { of, sent, told, fields, vary_is_due, lines: None })
    }

    fn is_of(&self, of: &Bytes, sent: Sent, varies: bool) -> bool {
        let (own, other) = (&self.of, of);
        (own.as_ptr(), own.len(), self.sent, self.told.varies)
            == (other.as_ptr(), other.len(), sent, varies)
    }

    /// Brings what changes with time up to date.
    fn tell(&mut self, added: Added) {
        if self.told != added {
            self.fields.insert(header::AGE, added.age());
            self.fields.insert(cache_status::NAME, added.cache_status());
            self.told = added;
            self.lines = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue, StatusCode};

    use super::*;
    use crate::cache_status::CacheStatus;

    const WHOLE: Sent = Sent::Stored(Extent::Whole);

    fn added(age: i64, varies: bool) -> Added {
        let told = (CacheStatus::Hit { ttl: 60 - age, detail: None }, StatusCode::OK);
        Added { age, told, varies }
    }

    fn block(etag: &'static str) -> Block {
        Block::new(&HeaderMap::from_iter([(header::ETAG, HeaderValue::from_static(etag))]))
    }

    #[test]
    fn a_head_is_as_old_as_it_says() {
        let block = block("\"1\"");
        for age in [0, 0, 0, 1, 1, 7, 0] {
            let (fields, _) = fill(&block, WHOLE, added(age, false)).unwrap();
            assert_eq!(fields[header::AGE], age.to_string(), "RFC 9111 §5.1");
            let told = format!("larder; hit; ttl={}", 60 - age);
            assert_eq!(fields[cache_status::NAME], told, "RFC 9211 §2.4");
            assert_eq!(fields[header::ETAG], "\"1\"");
        }
    }

    #[test]
    fn each_has_its_own_head_whatever_place_it_has() {
        let blocks: Vec<Block> = (0..4 * AT_HAND).map(|_| block("\"1\"")).collect();
        let other = block("\"2\"");
        for block in blocks.iter().flat_map(|it| [it, it, it, &other]) {
            let unchanged = Sent::Stored(Extent::NotModified);
            for (sent, varies) in [(WHOLE, true), (unchanged, false)] {
                let (fields, _) = fill(block, sent, added(0, varies)).unwrap();
                assert_eq!(Some(fields[header::ETAG].as_bytes()), block.get(&header::ETAG));
                assert_eq!(fields.contains_key(header::VARY), varies);
            }
        }
    }

    #[test]
    fn each_form_has_a_head_of_its_own_however_often_it_was_asked_for() {
        let digest = HeaderName::from_static("repr-digest");
        for own_vary in [None, Some("Origin")] {
            let stored = [(header::ETAG, "\"1\""), (digest.clone(), "sha-256=:AA==:")];
            let stored = stored.into_iter().chain(own_vary.map(|it| (header::VARY, it)));
            let stored = stored.map(|(name, value)| (name, HeaderValue::from_static(value)));
            let block = Block::new(&stored.collect());
            for age in [0, 0, 0, 1, 7] {
                for coding in [Coding::Gzip, Coding::Zstd] {
                    let packed = fill(&block, Sent::Packed(coding), added(age, true)).unwrap();
                    let mut expected = fill(&block, WHOLE, added(age, true)).unwrap();
                    if expected.1 {
                        encoding::add_to_vary(&mut expected.0);
                    }
                    encoding::describe(&mut expected.0, Form::Packed(coding));
                    assert_eq!(packed, (expected.0, false), "{coding:?} of age {age}");
                    let tag = format!("\"1--{}\"", coding.token());
                    assert_eq!(packed.0[header::ETAG], tag, "RFC 9110 §8.8.3.3");
                    assert!(!packed.0.contains_key(&digest), "RFC 9530 §3: of other bytes");
                }
            }
        }
    }
}
