//! What a purge names, as the generations in Redis keep it.

use redis::{FromRedisValue, Value};

use super::Seq;

/// What a purge names: one name, or everything; hard (gone), soft (stale) or in doubt (stale, and not to
/// be served while it is validated).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Member {
    /// What bears this name is gone.
    Hard(u64),
    /// What bears this name is stale.
    Soft(u64),
    /// What bears this name is stale, and may have changed.
    Doubt(u64),
    /// Everything is gone.
    AllHard,
    /// Everything is stale.
    AllSoft,
    /// Everything is stale, and may have changed.
    AllDoubt,
}

/// The generations as one reading found them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Generations {
    /// Which set it is: another set's Seqs mean nothing here.
    pub epoch: u64,
    /// The newest purge.
    pub newest: Seq,
    /// When what was purged last.
    pub members: Vec<(Member, Seq)>,
}

impl Member {
    /// As it is written.
    #[must_use]
    pub fn bytes(self) -> Vec<u8> {
        let named = |kind: u8, name: u64| [&[kind][..], &name.to_be_bytes()].concat();
        match self {
            Member::Hard(name) => named(b'h', name),
            Member::Soft(name) => named(b's', name),
            Member::Doubt(name) => named(b'd', name),
            Member::AllHard => b"H*".to_vec(),
            Member::AllSoft => b"S*".to_vec(),
            Member::AllDoubt => b"D*".to_vec(),
        }
    }

    pub(super) fn parse(bytes: &[u8]) -> Option<Member> {
        match bytes {
            b"H*" => Some(Member::AllHard),
            b"S*" => Some(Member::AllSoft),
            b"D*" => Some(Member::AllDoubt),
            [kind, name @ ..] => {
                let name = u64::from_be_bytes(name.try_into().ok()?);
                match kind {
                    b'h' => Some(Member::Hard(name)),
                    b's' => Some(Member::Soft(name)),
                    b'd' => Some(Member::Doubt(name)),
                    _ => None,
                }
            }
            [] => None,
        }
    }
}

impl Generations {
    /// From ZRANGE … WITHSCORES; `None` where there is no epoch in it.
    pub(super) fn parse(answer: Value) -> Option<Generations> {
        let pairs = Vec::<(Vec<u8>, f64)>::from_redis_value(answer).ok()?;
        let mut found = Generations::default();
        let mut epoch = None;
        for (member, score) in pairs {
            let seq = Seq(if (0.0..9.0e15).contains(&score) { score as u64 } else { continue });
            match &*member {
                [b'E', hex @ ..] if seq.0 == 0 => epoch = self::epoch(hex),
                b"#" => found.newest = seq,
                other => found.members.extend(Member::parse(other).map(|it| (it, seq))),
            }
        }
        Some(Generations { epoch: epoch?, ..found })
    }
}

/// Sixteen hexadecimal digits.
pub(super) fn epoch(hex: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(hex).ok().filter(|text| text.len() == 16)?;
    u64::from_str_radix(text, 16).ok()
}
