//! Entries of the log, as every node reads them.
//!
//! Read as if an enemy had written them: what is not as it should be is skipped and counted, and
//! an entry that does not follow the one before is a gap.

use redis::{FromRedisValue, Value};

use super::{Member, Seq, bytes::Reader};
use crate::key::Key;

/// A place in the log: milliseconds and a number, as Redis counts its entries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Heard(pub u64, pub u64);

/// One entry of the log.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) at: Heard,
    /// The entry before it, when it was written; `None` for a log's first.
    pub(super) before: Option<Heard>,
    pub(super) node: String,
    pub(super) said: Said,
}

/// What an entry says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// A node has come; or nothing that this version knows.
    Nothing,
    /// All nodes are to purge these.
    Purged(Seq, Vec<Member>),
    /// Another version of a response lies under this key.
    Changed(Key, u64),
    /// What lies under this key is out of date.
    Invalidated(Key),
    /// A node has done a purge.
    Acknowledged(Seq),
    /// A lease has ended.
    Released(Key),
}

impl Heard {
    /// Reads `12-3`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Heard> {
        let (milliseconds, number) = text.split_once('-')?;
        Some(Heard(milliseconds.parse().ok()?, number.parse().ok()?))
    }

    /// As Redis writes it.
    #[must_use]
    pub fn text(self) -> String {
        format!("{}-{}", self.0, self.1)
    }
}

/// The entries of an XREAD or XRANGE answer; what cannot even be placed is left out.
pub(super) fn entries(list: Value) -> Vec<Entry> {
    let Value::Array(list) = list else { return Vec::new() };
    list.into_iter().filter_map(entry).collect()
}

/// The entries of the one stream that an XREAD asked for.
pub(super) fn of_stream(answer: Value) -> Vec<Entry> {
    let Value::Array(streams) = answer else { return Vec::new() };
    let Some(Value::Array(mut stream)) = streams.into_iter().next() else { return Vec::new() };
    stream.pop().map(entries).unwrap_or_default()
}

fn entry(value: Value) -> Option<Entry> {
    let (id, fields) = <(String, Vec<Vec<u8>>)>::from_redis_value(value).ok()?;
    let at = Heard::parse(&id)?;
    let text = |name| std::str::from_utf8(value_of(&fields, name)?).ok();
    Some(Entry {
        at,
        before: text(b"p").and_then(Heard::parse),
        node: text(b"n").unwrap_or_default().to_owned(),
        said: Said::of(&fields),
    })
}

fn value_of<'a>(fields: &'a [Vec<u8>], name: &[u8]) -> Option<&'a [u8]> {
    fields.chunks_exact(2).find(|pair| pair[0] == name).map(|pair| &*pair[1])
}

impl Said {
    /// Reads the names and values of an entry, in turn.
    #[must_use]
    pub fn of(fields: &[Vec<u8>]) -> Said {
        said(&|name| value_of(fields, name)).unwrap_or(Said::Nothing)
    }
}

fn said<'a>(get: &impl Fn(&[u8]) -> Option<&'a [u8]>) -> Option<Said> {
    let key = || Some(Key::from_bytes(get(b"k")?.try_into().ok()?));
    let seq = || std::str::from_utf8(get(b"s")?).ok()?.parse().ok().map(Seq);
    Some(match get(b"t")? {
        b"p" => Said::Purged(seq()?, members(get(b"m")?)?),
        b"k" => match get(b"v") {
            Some(version) => Said::Changed(key()?, u64::from_be_bytes(version.try_into().ok()?)),
            None => Said::Invalidated(key()?),
        },
        b"a" => Said::Acknowledged(seq()?),
        b"l" => Said::Released(key()?),
        _ => Said::Nothing,
    })
}

fn members(bytes: &[u8]) -> Option<Vec<Member>> {
    let mut reader = Reader(bytes);
    let mut members = Vec::new();
    while !reader.0.is_empty() {
        let length = if reader.0.get(1) == Some(&b'*') && is_all(reader.0[0]) { 2 } else { 9 };
        members.push(Member::parse(reader.raw(length)?)?);
    }
    Some(members)
}

fn is_all(kind: u8) -> bool {
    matches!(kind, b'H' | b'S' | b'D')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_read_as_they_were_written() {
        let all = [
            Member::Hard(0x2a2a_2a2a_2a2a_2a2a),
            Member::AllSoft,
            Member::Soft(u64::MAX),
            Member::Doubt(7),
            Member::AllDoubt,
            Member::AllHard,
        ];
        let bytes: Vec<u8> = all.iter().flat_map(|it| it.bytes()).collect();
        assert_eq!(members(&bytes), Some(all.to_vec()));
        assert_eq!(members(&bytes[..bytes.len() - 1]), None, "cut off");
        assert_eq!(members(b"x12345678"), None, "no kind");
    }

    #[test]
    fn what_is_no_entry_is_nothing() {
        assert!(entries(Value::Nil).is_empty());
        assert!(of_stream(Value::Array(vec![Value::Int(1)])).is_empty());
        let strange = Value::Array(vec![
            Value::BulkString(b"1-1".to_vec()),
            Value::Array(vec![Value::BulkString(b"t".to_vec()), Value::BulkString(b"?".to_vec())]),
        ]);
        let found = entries(Value::Array(vec![strange, Value::Okay]));
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].at, &found[0].said), (Heard(1, 1), &Said::Nothing));
        assert_eq!(found[0].before, None);
    }

    #[test]
    fn places_are_in_order() {
        assert_eq!(Heard::parse("12-3"), Some(Heard(12, 3)));
        assert_eq!(Heard(12, 3).text(), "12-3");
        assert!(Heard(12, 3) < Heard(12, 10) && Heard(12, 10) < Heard(13, 0));
        assert_eq!(Heard::parse("12"), None);
    }
}
