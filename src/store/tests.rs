//! The store's promises, without a socket.

use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};

use super::{name::Known, *};
use crate::policy::{Meta, Mono, Wall, encoding::Forms};

const ORIGIN: Origin<'static> = Origin { scheme: "http", authority: "a" };
const NOW: Now = Now { wall: Wall(0), mono: Mono(0) };

fn meta(lifetime: u32) -> Meta {
    Meta { lifetime, ..Meta::default() }
}

pub(super) fn entry(body: impl Into<Bytes>) -> Entry {
    named(body, Named::default())
}

fn named(body: impl Into<Bytes>, named: Named) -> Entry {
    let head = Head {
        meta: meta(60),
        status: StatusCode::OK,
        fields: Block::new(&HeaderMap::new()),
        named,
        forms: Forms::default(),
    };
    let body = body.into();
    let mut hasher = BodyHasher::default();
    hasher.update(&body);
    Entry::new(head, (body, hasher.finish(None)), Turn::default())
}

fn accept(value: &'static str) -> HeaderMap {
    HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static(value))])
}

fn place(store: &Store, primary: Key, names: &[HeaderName], request: &HeaderMap) -> Place {
    store.place(primary, Selecting { names: names.to_vec(), request, asked: Turn::default() })
}

fn put(store: &Store, primary: Key, names: &[HeaderName], asked: &HeaderMap, body: &'static str) {
    let place = place(store, primary, names, asked);
    store.put(&place, entry(body), NOW);
}

fn body(found: Found) -> Result<Bytes, Fwd> {
    found.stored.map(|entry| entry.body.clone())
}

#[test]
fn a_stored_response_is_found_while_it_can_be_of_use() {
    let (store, key) = (Store::new(1 << 20), Key::of_path("/a"));
    put(&store, key, &[], &HeaderMap::new(), "one");
    assert_eq!(body(store.get(key, &HeaderMap::new(), NOW)), Ok(Bytes::from("one")));
    let late = Now { mono: Mono(60_000), ..NOW };
    assert_eq!(body(store.get(key, &HeaderMap::new(), late)), Err(Fwd::UriMiss));
}

#[test]
fn what_is_removed_is_gone_though_it_had_left_and_is_still_being_sent() {
    let (store, key) = (Store::new(1 << 20), Key::of_path("/a"));
    let late = Now { mono: Mono(59_980), ..NOW };
    let place = place(&store, key, &[], &HeaderMap::new());
    let look = || store.get(key, &HeaderMap::new(), late).stored;
    let sent = loop {
        // It lies there for 40 ms.
        store.put(&place, entry("one"), late);
        if let Ok(sent) = look() {
            break sent;
        }
    };
    while store.has(key) {
        std::hint::spin_loop();
    }
    store.remove(key);
    assert!(look().is_err(), "RFC 9111 §4.4: what is invalid is not served");
    assert_eq!(sent.body, "one", "it was being sent all the while");
}

#[test]
fn variants_are_told_apart_and_dropped_together() {
    let (store, key) = (Store::new(1 << 20), Key::of_path("/a"));
    for (value, text) in [("a", "A"), ("b", "B")] {
        put(&store, key, &[header::ACCEPT], &accept(value), text);
    }
    assert_eq!(body(store.get(key, &accept("a"), NOW)), Ok(Bytes::from("A")));
    assert_eq!(body(store.get(key, &accept("b"), NOW)), Ok(Bytes::from("B")));
    assert_eq!(body(store.get(key, &accept("c"), NOW)), Err(Fwd::VaryMiss));
    store.invalidate(key, "a test", Wall(0));
    assert_eq!(body(store.get(key, &accept("a"), NOW)), Err(Fwd::UriMiss));
    put(&store, key, &[header::ACCEPT], &accept("b"), "new B");
    assert_eq!(
        body(store.get(key, &accept("a"), NOW)),
        Err(Fwd::VaryMiss),
        "a purged variant does not come back with the next list"
    );
}

#[test]
fn the_newest_response_says_what_selects() {
    let (store, key) = (Store::new(1 << 20), Key::of_path("/a"));
    put(&store, key, &[header::ACCEPT], &accept("a"), "by accept");
    put(&store, key, &[header::ACCEPT_LANGUAGE], &accept("a"), "by language");
    assert_eq!(body(store.get(key, &accept("z"), NOW)), Ok(Bytes::from("by language")));
    put(&store, key, &[], &accept("a"), "for all");
    assert_eq!(body(store.get(key, &HeaderMap::new(), NOW)), Ok(Bytes::from("for all")));
}

#[test]
fn the_oldest_variant_leaves_a_full_list() {
    let (store, key) = (Store::new(1 << 20), Key::of_path("/a"));
    let values: Vec<String> = (0..=MAX_VARIANTS).map(|n| n.to_string()).collect();
    let asked = |value: &str| {
        HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_str(value).unwrap())])
    };
    for value in &values {
        let place = place(&store, key, &[header::ACCEPT], &asked(value));
        store.put(&place, entry(value.clone()), NOW);
    }
    assert_eq!(body(store.get(key, &asked("0"), NOW)), Err(Fwd::VaryMiss));
    for value in &values[1..] {
        assert_eq!(body(store.get(key, &asked(value), NOW)), Ok(Bytes::from(value.clone())));
    }
}

#[test]
fn a_response_whose_list_was_dropped_is_not_stored() {
    let (store, key) = (Store::new(1 << 20), Key::of_path("/a"));
    let place = place(&store, key, &[header::ACCEPT], &accept("a"));
    store.invalidate(key, "a test", Wall(0));
    store.put(&place, entry("late"), NOW);
    assert_eq!(body(store.get(key, &accept("a"), NOW)), Err(Fwd::UriMiss));
}

#[test]
fn the_store_stays_within_a_tenth_of_its_size() {
    let max = 8 << 20;
    let store = Store::new(max);
    for n in 0..200 {
        let key = Key::of_path(&format!("/{n}"));
        let place = place(&store, key, &[], &HeaderMap::new());
        store.put(&place, entry(vec![0; 256 << 10]), NOW);
        let unsettled = store.memory.unsettled();
        assert!(unsettled <= max / 16, "{unsettled} bytes wait to be weighed");
    }
    assert!(store.weight() <= max + max / 10, "{} of {max}", store.weight());
    assert!(store.weight() > max / 2, "and it does keep something");
}

#[test]
fn what_has_left_for_lack_of_room_leaves_nothing_behind() {
    let store = Store::new(1 << 20);
    for n in 0..4000 {
        let key = Key::of_path(&format!("/{}", n % 3000));
        let place = place(&store, key, &[], &HeaderMap::new());
        store.put(&place, entry(vec![0; 1024]), NOW);
    }
    let Stats { entries, evictions, .. } = (0..100).map(|_| store.stats()).last().unwrap();
    assert!(evictions > 1000, "{evictions} had to leave");
    assert_eq!(store.memory.indexed() as u64, entries, "the index has what moka has");
}

#[test]
fn a_short_body_lies_behind_its_head_and_has_the_name_of_its_bytes() {
    for length in [0, 1, 1024, 4096, 4097] {
        let larger = Bytes::from(vec![b'x'; 8192]);
        let (part, known) = (larger.slice(..length), entry(vec![b'x'; length]));
        let copied = Entry::copied(known.head.clone(), &part, Turn::default());
        assert_eq!(copied.body, known.body);
        assert_eq!(copied.known_id(), None, "nobody has asked for it");
        assert_eq!(copied.id(), known.id(), "{length} bytes");
        assert_eq!(copied.known_id(), Some(known.id()), "it is worked out once");
        let head = copied.head.fields.as_bytes().as_ptr_range().end;
        assert_eq!(copied.body.as_ptr() == head, length <= 4096, "{length} bytes");
        drop((part, copied.clone()));
        assert!(larger.is_unique(), "what is stored keeps nothing of a read buffer");
    }
}

#[test]
fn moka_hears_of_one_look_in_eight() {
    let entry = entry("a");
    let told = (0..800).filter(|_| entry.is_to_be_told()).count();
    assert_eq!(told, 100, "so that it knows what is in use");
}

#[test]
fn a_mark_lasts_a_minute() {
    let (store, key) = (Store::new(1 << 20), Key::of_path("/a"));
    let collapses = |millis, crowd| store.collapses(key, crowd, Now { mono: Mono(millis), ..NOW });
    assert!(collapses(0, Crowd::All));
    store.stop_collapsing(key, Crowd::All, NOW);
    assert!(!collapses(59_999, Crowd::All));
    assert!(!collapses(59_999, Crowd::WithCookie));
    assert!(collapses(60_000, Crowd::All));
}

#[test]
fn a_mark_for_those_with_a_cookie_leaves_the_others_together() {
    let (store, key) = (Store::new(1 << 20), Key::of_path("/a"));
    store.stop_collapsing(key, Crowd::WithCookie, NOW);
    assert!(store.collapses(key, Crowd::All, NOW));
    assert!(!store.collapses(key, Crowd::WithCookie, NOW));
}

#[test]
fn an_entity_tag_of_ours_is_made_of_the_body_and_is_not_the_origins() {
    let (one, other) = (entry("one"), entry("other"));
    let tag = |entry: &Entry| entry.head.validators().etag.map(<[u8]>::to_vec);
    assert_ne!(tag(&one), tag(&other));
    assert_eq!(tag(&one), tag(&entry("one")));
    assert!(one.head.origin_validators().etag.is_none());
    let mut coded = BodyHasher::default();
    coded.update(b"one");
    assert_ne!(coded.finish(Some(b"gzip")), one.id(), "the coding is part of what a body is");
}

fn group(of: &str) -> Name {
    Name::tag(ORIGIN, of)
}

fn in_groups(began: Moment, groups: &[&str]) -> Named {
    let groups: Vec<String> = groups.iter().map(ToString::to_string).collect();
    let known = Known {
        generation: 0,
        origin: ORIGIN,
        host: None,
        path: "/",
        query: None,
        tags: &[],
        groups: &groups,
    };
    Named::new(began, known)
}

fn purge(store: &Store, names: &[Name], manner: Manner) {
    store.purge(&Scope::Tags(names.to_vec()), manner, NOW, Told { by: By::Operator, what: "" });
}

/// Stores a response in these groups, whose fetch begins now.
fn put_in(store: &Store, path: &str, groups: &[&str]) -> Key {
    let key = Key::of_path(path);
    let named = self::named("x", in_groups(store.moment(), groups));
    store.put(&place(store, key, &[], &HeaderMap::new()), named, NOW);
    key
}

fn is_there(store: &Store, key: Key) -> bool {
    store.get(key, &HeaderMap::new(), NOW).stored.is_ok()
}

#[test]
fn what_is_invalidated_by_name_is_not_found() {
    let store = Store::new(1 << 20);
    let (a, b) = (put_in(&store, "/a", &["1", "2"]), put_in(&store, "/b", &["3"]));
    purge(&store, &[group("2"), group("4")], Manner::Hard);
    assert_eq!((is_there(&store, a), is_there(&store, b)), (false, true));
    put_in(&store, "/a", &["1", "2"]);
    assert!(is_there(&store, a), "fetched since");
}

#[test]
fn what_began_before_an_invalidation_does_not_replace_what_began_after() {
    let store = Store::new(1 << 20);
    let began = store.moment();
    purge(&store, &[group("1")], Manner::Hard);
    let key = put_in(&store, "/a", &["1"]);
    let late = named("late", in_groups(began, &["1"]));
    store.put(&place(&store, key, &[], &HeaderMap::new()), late, NOW);
    assert_eq!(body(store.get(key, &HeaderMap::new(), NOW)), Ok(Bytes::from("x")));
}

#[test]
fn an_invalidated_response_gives_its_names_once() {
    let store = Store::new(1 << 20);
    let (a, b) = (put_in(&store, "/a", &["1", "2"]), put_in(&store, "/b", &["2", "3"]));
    let names = store.invalidate(a, "a test", Wall(0));
    assert_eq!(names, [group("1"), group("2")]);
    purge(&store, &names, Manner::Hard);
    assert!(store.invalidate(a, "a test", Wall(0)).is_empty(), "it is gone");
    assert!(
        store.invalidate(b, "a test", Wall(0)).is_empty(),
        "RFC 9875 §2.2.1: no cascade, not even later"
    );
}
