//! Records of the shared tier (`docs/redis.md`).

use larder::{
    config::Secret,
    key::Key,
    policy::{Meta, Mono, Now, Wall},
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
                written_again(&codec.head(label, &found, now), &record, found.meta.received, now);
                judged(&found.meta, now);
                broken(&codec, label, &record, now);
                assert!(codec.open(Label { epoch: 8, ..label }, &record, now).is_err());
                let secret = Codec::new(Some(&Secret::new("0123456789abcdef")));
                assert!(secret.open(label, &record, now).is_err(), "no forgery");
            }
            Ok(Record::Vary(vary)) => {
                assert!(!vary.names().is_empty());
                // A list is as old as its writing.
                written_again(&codec.vary(label, &vary, now), &record, Mono(0), now);
                broken(&codec, label, &record, now);
            }
            Ok(Record::Tombstone) => assert!(record.starts_with(b"LRDR\x01t")),
            Err(Unusable) => {}
        }
    }
}

/// Every byte is as we would have written it, but for a moment in the future, or before us.
fn written_again(again: &Option<Vec<u8>>, record: &[u8], received: Mono, now: Now) {
    let again = again.as_deref().expect("it was no longer than this");
    let plain = |bytes: &[u8]| [&bytes[..14], &bytes[22..bytes.len() - 32]].concat();
    assert_eq!(plain(again), plain(record), "but for the moment");
    if record[14..22] == (now.wall.0 - now.mono.since(received)).to_be_bytes() {
        assert_eq!(again, record, "and so is the moment");
    }
}

/// No moment and no number of another node overflows anything.
fn judged(meta: &Meta, now: Now) {
    let late = Now { mono: Mono(i64::MAX), ..now };
    assert!(meta.age(now) >= 0 && meta.age(late) >= meta.age(now), "{meta:?}: it grows old");
    assert!(
        meta.fresh_for(late) <= meta.fresh_for(now) && meta.usable_for(now) >= meta.fresh_for(now)
    );
    let _ = meta.is_stale_within(meta.stale_if_error, now);
}

/// One bit less, and it is none of ours.
fn broken(codec: &Codec, label: Label, sealed: &[u8], now: Now) {
    for at in [0, 6, sealed.len() / 2, sealed.len() - 1] {
        let mut bytes = sealed.to_vec();
        bytes[at] ^= 1;
        assert!(codec.open(label, &bytes, now).is_err(), "byte {at} of {} is another", bytes.len());
    }
    assert!(codec.open(label, &sealed[..sealed.len() - 1], now).is_err(), "it is cut off");
}
