//! What a hit costs, step by step: key, look-up, decision, head; and the codec of the records that
//! nodes share.
//!
//! `cargo bench --bench hit_path`

use std::hint::black_box;

use bytes::Bytes;
use criterion::{Criterion, criterion_group, criterion_main};
use http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use larder::{
    cache_status::CacheStatus,
    clock::Clock,
    key::{Key, Parts},
    policy::{self, Asked, Exchange, Now, Received, Rules, encoding::Forms, storing::Context},
    store::{
        Block, BodyHasher, Entry, Head, Named, Selecting, Store, Turn,
        redis::{Codec, Label, Shared},
        shape::{Added, Extent},
    },
};

const PARTS: Parts<'static> = Parts {
    route: "default",
    scheme: "http",
    authority: "api.example.org",
    path: "/users/1042/orders",
    query: Some("page=2&per_page=50"),
    generation: 0,
};

fn request() -> http::request::Parts {
    let request = Request::get("/users/1042/orders?page=2&per_page=50")
        .header(header::HOST, "api.example.org")
        .header(header::ACCEPT, "application/json")
        .header(header::USER_AGENT, "bench/1.0");
    request.body(()).expect("a valid request").into_parts().0
}

fn response() -> HeaderMap {
    HeaderMap::from_iter([
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (header::CACHE_CONTROL, HeaderValue::from_static("max-age=60")),
        (header::ETAG, HeaderValue::from_static("\"33a64df551425fcc55e4d42a148795d9\"")),
        (header::SERVER, HeaderValue::from_static("api/2.1")),
        (header::DATE, HeaderValue::from_static("Sat, 21 Nov 2026 12:00:00 GMT")),
        (header::VIA, HeaderValue::from_static("1.1 larder")),
    ])
}

fn entry(clock: &Clock, asked: &Asked, rules: &Rules) -> Entry {
    let (now, fields) = (clock.now(), response());
    let exchange = Exchange { request: now, response: now };
    let context = Context { asked, rules, validating: None, exchange };
    let Received::Storable(meta) = policy::receive(context, StatusCode::OK, &fields) else {
        panic!("it is storable");
    };
    let head = Head {
        meta,
        status: StatusCode::OK,
        fields: Block::new(&fields),
        named: Named::default(),
        forms: Forms::default(),
    };
    let body = Bytes::from(vec![b'x'; 1024]);
    let mut hasher = BodyHasher::default();
    hasher.update(&body);
    Entry::new(head, (body, hasher.finish(None)), Turn(1))
}

fn hit_path(criterion: &mut Criterion) {
    let (clock, rules, request) = (Clock::manual(1_795_262_400_000).0, Rules::default(), request());
    let asked = Asked::new(&request, false, &rules);
    let (store, key, now) = (Store::new(64 << 20), Key::primary(PARTS), clock.now());
    let selecting = Selecting { names: Vec::new(), request: &request.headers, asked: Turn(1) };
    let place = store.place(key, selecting);
    store.put(&place, entry(&clock, &asked, &rules), now);
    let found = || store.get(key, &request.headers, now).stored.expect("it is stored");

    criterion.bench_function("key", |it| it.iter(|| Key::primary(black_box(PARTS))));
    criterion.bench_function("asked", |it| {
        it.iter(|| Asked::new(black_box(&request), false, &rules));
    });
    criterion.bench_function("look up", |it| it.iter(|| black_box(found())));
    let stored = found();
    criterion.bench_function("decide", |it| {
        it.iter(|| policy::decide(black_box(&asked), &rules, Ok(&stored.head.meta), now));
    });
    criterion.bench_function("head", |it| it.iter(|| head(&stored)));
    codec(criterion, &stored, now);
}

/// The head of a hit as it is sent.
fn head(stored: &Entry) -> HeaderMap {
    let told = (CacheStatus::Hit { ttl: 60, detail: None }, StatusCode::OK);
    let added = Added { age: 0, told, varies: false };
    let (head, _) = stored.head.fields.hit(Extent::Whole, added).expect("it has a shape");
    head
}

fn codec(criterion: &mut Criterion, stored: &Entry, now: Now) {
    let (codec, shared) = (Codec::new(None), Shared::of(stored));
    let label = Label { key: Key::primary(PARTS), epoch: 1 };
    let write = || codec.head(label, &shared, now).expect("it is not too long");
    criterion.bench_function("record, written", |it| it.iter(write));
    let record = write();
    criterion.bench_function("record, read", |it| it.iter(|| codec.open(label, &record, now)));
}

criterion_group!(benches, hit_path);
criterion_main!(benches);
