use http::{HeaderMap, HeaderName, HeaderValue};
use proptest::{collection::vec, prelude::any, prop_assert, prop_assert_eq, proptest};

use super::*;
use crate::policy::Wall;

const NOW: Now = Now { wall: Wall(1_763_726_400_000), mono: Mono(90_000) };

fn label() -> Label {
    Label { key: Key::of_path("/a"), epoch: 7 }
}

fn codec() -> Codec {
    Codec::new(None)
}

fn keyed(secret: &str) -> Codec {
    Codec::new(Some(&Secret::new(secret)))
}

fn fields(lines: &[(&str, &[u8])]) -> Block {
    let mut map = HeaderMap::new();
    for (name, value) in lines {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        map.append(name, HeaderValue::from_bytes(value).unwrap());
    }
    Block::new(&map)
}

fn id(body: &[u8], coding: Option<&[u8]>) -> BodyId {
    let mut hasher = BodyHasher::default();
    hasher.update(body);
    hasher.finish(coding)
}

fn shared() -> Shared {
    Shared {
        version: 99,
        meta: Meta {
            received: Mono(89_000),
            initial_age: 1500,
            lifetime: 60,
            stale_while_revalidate: 5,
            stale_if_error: 600,
            keep: 3600,
            no_cache: true,
            validator: true,
            ..Meta::default()
        },
        status: StatusCode::OK,
        fields: fields(&[("etag", b"\"a\""), ("x", b""), ("x", b"\xff")]),
        began: Seq(5),
        names: Box::new([1, u64::MAX]),
        groups: 1,
        crowded: true,
        id: id(b"body", None),
        length: 4,
    }
}

fn vary() -> Vary {
    let tag: &[u8] = b"\"a\"";
    let variants = vec![
        Variant { key: Key::of_path("/1"), tag: Some(tag.into()), said: None },
        Variant { key: Key::of_path("/2"), tag: None, said: None },
    ];
    let names = vec![header::ACCEPT, HeaderName::from_static("x-mine")];
    Vary { epoch: 3, asked: Turn::default(), names, variants }
}

fn head(record: Result<Record, Unusable>) -> Option<Shared> {
    match record.ok()? {
        Record::Head(head) => Some(*head),
        Record::Vary(_) | Record::Tombstone => None,
    }
}

#[test]
fn a_head_is_read_as_it_was_written() {
    let record = codec().head(label(), &shared(), NOW).unwrap();
    assert_eq!(head(codec().open(label(), &record, NOW)), Some(shared()));
    assert_eq!(record.len(), 138 + 2 + 3 + 16 + 4 + shared().fields.size() + 32, "as documented");
    assert_eq!(record[98..130], *shared().id.as_bytes(), "where the scripts look for it");
    assert_eq!(record[6..14], 99_u64.to_be_bytes(), "and for the version");
    let received: [u8; 8] = record[14..22].try_into().unwrap();
    assert_eq!(i64::from_be_bytes(received), NOW.wall.0 - 1000, "wall time, a second ago");
    assert_eq!(record[22..30], 7_u64.to_be_bytes(), "the epoch");
}

#[test]
fn times_are_carried_over_to_another_process() {
    let record = codec().head(label(), &shared(), NOW).unwrap();
    let there = Now { wall: Wall(NOW.wall.0 + 9_000), mono: Mono(5) };
    let meta = head(codec().open(label(), &record, there)).unwrap().meta;
    assert_eq!(meta.age(there), 1_500 + 1_000 + 9_000, "RFC 9111 §4.2.3: ages add up");
    let behind = |by| Now { wall: Wall(NOW.wall.0 - 1_000 - by), mono: Mono(5) };
    let meta = head(codec().open(label(), &record, behind(5_000))).unwrap().meta;
    assert_eq!(meta.age(behind(5_000)), 1_500, "dated in the future: received now");
    let far = codec().open(label(), &record, behind(5_001));
    assert!(far.is_err(), "too far: whoever read it would count its freshness from then on");
}

#[test]
fn a_variant_list_is_read_as_it_was_written() {
    let record = codec().vary(label(), &vary(), NOW).unwrap();
    let Ok(Record::Vary(found)) = codec().open(label(), &record, NOW) else { panic!("no list") };
    let expected = vary();
    assert_eq!((found.epoch, &found.names), (3, &expected.names));
    assert_eq!(found.variants, expected.variants);
}

#[test]
fn what_is_meant_for_something_else_is_unusable() {
    for record in [
        codec().head(label(), &shared(), NOW).unwrap(),
        codec().vary(label(), &vary(), NOW).unwrap(),
    ] {
        let open = |codec: Codec, label| codec.open(label, &record, NOW).is_ok();
        assert!(open(codec(), label()));
        assert!(!open(codec(), Label { key: Key::of_path("/b"), ..label() }), "another key's");
        assert!(!open(codec(), Label { epoch: 8, ..label() }), "another epoch's");
        assert!(!open(keyed("0123456789abcdef"), label()), "not sealed with the secret");
    }
    let secret = keyed("0123456789abcdef").head(label(), &shared(), NOW).unwrap();
    assert!(keyed("0123456789abcdef").open(label(), &secret, NOW).is_ok());
    assert!(keyed("0123456789abcdeF").open(label(), &secret, NOW).is_err(), "another secret");
    assert!(codec().open(label(), &secret, NOW).is_err(), "no secret");
}

#[test]
fn another_version_is_unusable_even_if_it_checks() {
    let mut record = codec().head(label(), &shared(), NOW).unwrap();
    let end = record.len() - DIGEST;
    record[4] = 2;
    let digest = *codec().digest(&record[..end]).as_bytes();
    record[end..].copy_from_slice(&digest);
    assert!(codec().open(label(), &record, NOW).is_err());
}

#[test]
fn every_flipped_bit_and_every_cut_is_a_miss() {
    for record in [
        codec().head(label(), &shared(), NOW).unwrap(),
        codec().vary(label(), &vary(), NOW).unwrap(),
    ] {
        for bit in 0..record.len() * 8 {
            let mut flipped = record.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let found = codec().open(label(), &flipped, NOW);
            assert!(matches!(found, Err(_) | Ok(Record::Tombstone)), "bit {bit}: a miss");
        }
        for length in 0..record.len() {
            assert!(codec().open(label(), &record[..length], NOW).is_err(), "cut at {length}");
        }
        let longer = [&*record, b"x"].concat();
        assert!(codec().open(label(), &longer, NOW).is_err(), "one byte more");
    }
}

#[test]
fn a_tombstone_is_what_the_scripts_write() {
    let tombstone = [MAGIC, &b"t1763726400000-0"[..]].concat();
    assert!(matches!(codec().open(label(), &tombstone, NOW), Ok(Record::Tombstone)));
}

#[test]
fn a_body_is_its_bytes_its_length_and_its_coding() {
    let head = shared();
    assert!(head.is_body(&Bytes::from_static(b"body")));
    assert!(!head.is_body(&Bytes::from_static(b"bodY")));
    assert!(!head.is_body(&Bytes::from_static(b"body ")));
    let coded = fields(&[("content-encoding", b"gzip")]);
    let head = Shared { fields: coded, id: id(b"body", Some(b"gzip")), ..shared() };
    assert!(head.is_body(&Bytes::from_static(b"body")), "as it was named when it arrived");
}

#[test]
fn what_is_too_long_is_not_shared() {
    let long = fields(&[("x", &vec![b'x'; MAX_RECORD])]);
    assert_eq!(codec().head(label(), &Shared { fields: long, ..shared() }, NOW), None);
}

#[test]
fn a_secret_is_not_shown() {
    assert_eq!(format!("{:?}", keyed("0123456789abcdef")), "Codec { keyed: true }");
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_harm(bytes in vec(any::<u8>(), 0..300), sealed: bool) {
        let record = if sealed {
            let content = [&MAGIC[..], &bytes].concat();
            let digest = *codec().digest(&content).as_bytes();
            [&content[..], &digest].concat()
        } else {
            bytes
        };
        let found = codec().open(label(), &record, NOW);
        prop_assert!(matches!(found, Err(_) | Ok(Record::Tombstone)), "never by chance");
    }

    /// What checks and is misshapen inside is refused or means exactly what it says: written again,
    /// it is the same bytes.
    #[test]
    fn reading_and_writing_are_each_others_inverse(at in 62_usize..220, byte: u8) {
        let mut record = codec().head(label(), &shared(), NOW).unwrap();
        let end = record.len() - DIGEST;
        if at < end {
            record[at] = byte;
        }
        let digest = *codec().digest(&record[..end]).as_bytes();
        record[end..].copy_from_slice(&digest);
        if let Some(found) = head(codec().open(label(), &record, NOW)) {
            prop_assert_eq!(codec().head(label(), &found, NOW).unwrap(), record);
        }
    }

    #[test]
    fn every_meta_survives(
        numbers in (0_i64..i64::MAX / 4, any::<u32>(), any::<u32>(), any::<u32>(), any::<u32>()),
        set in 0_u16..128,
        names in vec(any::<u64>(), 1..66),
    ) {
        let (initial_age, lifetime, stale_while_revalidate, stale_if_error, keep) = numbers;
        let meta = Meta {
            received: NOW.mono,
            initial_age,
            lifetime,
            stale_while_revalidate,
            stale_if_error,
            keep,
            ..Meta::default()
        };
        let meta = flagged(meta, set).unwrap();
        let wanted = Shared { meta, names: names.into(), ..shared() };
        let record = codec().head(label(), &wanted, NOW).unwrap();
        prop_assert_eq!(head(codec().open(label(), &record, NOW)), Some(wanted));
    }
}
