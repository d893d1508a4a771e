//! Records of the shared tier (`docs/redis.md`).

use larder::{
    config::Secret,
    key::Key,
    policy::{Mono, Now, Wall},
    store::redis::{Codec, Label, Record, Unusable},
};

/// Records of the shared tier: whatever lies under a key. Only what was sealed for that key is
/// used, and it means what its bytes say: written again, it is the same bytes.
pub(crate) fn redis_record(data: &[u8]) {
    let label = Label { key: Key::from_bytes([7; 32]), epoch: 9 };
    let now = Now { wall: Wall(1_763_726_400_000), mono: Mono(1_000) };
    let codec = Codec::new(None);
    let seal = |content: &[u8]| [content, blake3::hash(content).as_bytes()].concat();
    let head = [&b"LRDR\x01h"[..], &[0; 8], &now.wall.0.to_be_bytes()].concat();
    let head = [&head[..], &label.epoch.to_be_bytes(), label.key.as_bytes()].concat();
    for record in [data.to_vec(), seal(data), seal(&[&head[..], data].concat())] {
        match codec.open(label, &record, now) {
            Ok(Record::Head(found)) => {
                assert_eq!(codec.head(label, &found, now), Some(record.clone()));
                assert!(codec.open(Label { epoch: 8, ..label }, &record, now).is_err());
                let secret = Codec::new(Some(&Secret::new("0123456789abcdef")));
                assert!(secret.open(label, &record, now).is_err(), "no forgery");
            }
            Ok(Record::Vary(vary)) => assert!(!vary.names().is_empty()),
            Ok(Record::Tombstone) => assert!(record.starts_with(b"LRDR\x01t")),
            Err(Unusable) => {}
        }
    }
}
