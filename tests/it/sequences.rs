//! Any sequence of requests and origin answers: what holds whatever happens.
//!
//! - A body is one that the origin sent for that path and variant, byte for byte.
//! - What was invalidated is not seen again, and nothing is answered from before it.
//! - Age never decreases between validations of one stored response, whatever the wall clock does.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

use parking_lot::Mutex;
use proptest::{prelude::*, test_runner::TestRunner};

use crate::support::{Answer, NOON, Origin, Proxy, Reply, Seen, send};

/// What a client does, or time.
#[derive(Clone, Debug)]
enum Act {
    Get { path: usize, accept: usize, fields: Fields },
    Head { path: usize, accept: usize },
    Put { path: usize },
    Advance { seconds: u64 },
    SetWall { offset: i64 },
}

/// What a GET carries besides.
#[derive(Clone, Copy, Debug)]
enum Fields {
    None,
    /// If-None-Match with the tag that this path and variant had last.
    LastTag,
    Range(&'static str),
    Cookie,
    Authorization,
}

/// What is asked for of bodies of 23 bytes and more.
const RANGES: [&str; 5] = ["bytes=0-8", "bytes=5-", "bytes=-6", "bytes=2-12", "bytes=0-1,5-6"];

/// How the origin answers a GET.
#[derive(Clone, Copy, Debug)]
struct Manner {
    max_age: u32,
    tagged: bool,
    varies: bool,
    chunked: bool,
    long: bool,
    fate: Fate,
}

#[derive(Clone, Copy, Debug)]
enum Fate {
    Whole,
    Torn,
    Error,
    NoStore,
    Unchanged,
}

fn act() -> impl Strategy<Value = Act> {
    let fields = prop_oneof![
        6 => Just(Fields::None),
        2 => Just(Fields::LastTag),
        3 => prop::sample::select(&RANGES[..]).prop_map(Fields::Range),
        1 => Just(Fields::Cookie),
        1 => Just(Fields::Authorization),
    ];
    let get = (0..2usize, 0..2usize, fields);
    prop_oneof![
        8 => get.prop_map(|(path, accept, fields)| Act::Get { path, accept, fields }),
        1 => (0..2usize, 0..2usize).prop_map(|(path, accept)| Act::Head { path, accept }),
        1 => (0..2usize).prop_map(|path| Act::Put { path }),
        2 => (0..40u64).prop_map(|seconds| Act::Advance { seconds }),
        1 => (-100_000..100_000i64).prop_map(|offset| Act::SetWall { offset }),
    ]
}

fn manner() -> impl Strategy<Value = Manner> {
    let fate = prop_oneof![
        8 => Just(Fate::Whole),
        1 => Just(Fate::Torn),
        1 => Just(Fate::Error),
        1 => Just(Fate::NoStore),
        3 => Just(Fate::Unchanged),
    ];
    let flags = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    (0..30u32, flags, fate).prop_map(|(max_age, (tagged, varies, chunked, long), fate)| Manner {
        max_age,
        tagged,
        varies,
        chunked,
        long,
        fate,
    })
}

/// What the origin sent: the body of each serial number, with the request it was for.
#[derive(Debug, Default)]
struct Sent {
    bodies: Mutex<HashMap<String, (String, String)>>,
    serial: AtomicUsize,
}

impl Sent {
    fn reply(&self, seen: &Seen, manner: Manner) -> Reply {
        if seen.method == "PUT" {
            return Reply::status(204);
        }
        if let (Fate::Unchanged, Some(tag)) = (manner.fate, self.known(seen)) {
            let max_age = format!("max-age={}", manner.max_age);
            return Reply::status(304).header("ETag", tag).header("Cache-Control", max_age);
        }
        let unchanged = matches!(manner.fate, Fate::Unchanged);
        if let Some((tag, body)) = self.current(seen).filter(|_| unchanged) {
            let part = part_of(&body, seen.header("range").unwrap_or_default());
            let reply = part.unwrap_or_else(|| Reply::ok(body)).header("ETag", tag);
            return reply.header("Cache-Control", format!("max-age={}", manner.max_age));
        }
        let serial = self.serial.fetch_add(1, SeqCst);
        let body = self.body(serial, seen, manner);
        let reply = match manner.fate {
            Fate::Error => return Reply::status(500).body("error"),
            Fate::NoStore => Reply::ok(body.clone()).header("Cache-Control", "no-store"),
            Fate::Whole | Fate::Torn | Fate::Unchanged => {
                let asked = seen.header("range").filter(|_| seen.header("if-range").is_none());
                let part = asked.and_then(|range| part_of(&body, range));
                let reply = part.unwrap_or_else(|| Reply::ok(body.clone()));
                reply.header("Cache-Control", format!("max-age={}", manner.max_age))
            }
        };
        let reply =
            if manner.tagged { reply.header("ETag", format!("\"{serial}\"")) } else { reply };
        let reply = if manner.varies { reply.header("Vary", "Accept") } else { reply };
        let reply = if manner.chunked { reply.chunked() } else { reply };
        match manner.fate {
            Fate::Torn => reply.torn_after(body.len() / 2),
            _ => reply,
        }
    }

    /// The tag in If-Range and its body, if this request's path and variant had it.
    fn current(&self, seen: &Seen) -> Option<(String, String)> {
        let tag = seen.header("if-range")?;
        let accept = seen.header("accept").unwrap_or_default();
        let serial = format!("serial={} ", tag.trim_matches('"'));
        let bodies = self.bodies.lock();
        let mut bodies = bodies.iter().filter(|(body, _)| body.starts_with(&serial));
        let found = bodies.find(|(_, it)| it.0 == seen.target && (it.1 == "*" || it.1 == accept));
        found.map(|(body, _)| (tag.to_owned(), body.clone()))
    }

    /// The first tag in If-None-Match that this request's path and variant had.
    fn known(&self, seen: &Seen) -> Option<String> {
        let accept = seen.header("accept").unwrap_or_default();
        let bodies = self.bodies.lock();
        let mut tags = seen.header("if-none-match")?.split(", ");
        let known = tags.find(|tag| {
            let serial = format!("serial={} ", tag.trim_matches('"'));
            let mut made_for = bodies.iter().filter(|(body, _)| body.starts_with(&serial));
            made_for.any(|(_, it)| it.0 == seen.target && (it.1 == "*" || it.1 == accept))
        });
        known.map(str::to_owned)
    }

    /// A body that says what it is for, and is remembered.
    fn body(&self, serial: usize, seen: &Seen, manner: Manner) -> String {
        let accept = match manner.varies {
            true => seen.header("accept").unwrap_or_default(),
            false => "*",
        };
        let filler = "x".repeat(if manner.long { 100_000 } else { 10 });
        let text = format!("serial={serial} {} {accept} {filler}", seen.target);
        let made_for = (seen.target.clone(), accept.to_owned());
        self.bodies.lock().insert(text.clone(), made_for);
        text
    }
}

/// 206 with the one range that is asked for; several are given whole.
fn part_of(body: &str, range: &str) -> Option<Reply> {
    let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
    let end = body.len() - 1;
    let (first, last) = match (first.parse::<usize>(), last) {
        (Ok(first), "") => (first, end),
        (Ok(first), last) => (first, last.parse::<usize>().ok()?.min(end)),
        (Err(_), suffix) => (body.len() - suffix.parse::<usize>().ok()?, end),
    };
    let range = format!("bytes {first}-{last}/{}", body.len());
    let part = body[first..=last].to_owned();
    Some(Reply::status(206).header("Content-Range", range).body(part))
}

/// What a client has seen so far.
#[derive(Debug, Default)]
struct Memory {
    tags: HashMap<(usize, usize), String>,
    /// The last Age of each stored response; a validation gives it another number.
    ages: HashMap<(String, String), u64>,
    /// Bodies that a PUT made invalid.
    gone: Vec<String>,
}

async fn run(acts: &[Act], manners: &[Manner]) {
    let sent = Arc::new(Sent::default());
    let (scripted, manners) = (sent.clone(), manners.to_vec());
    let origin = Origin::serve(move |seen| {
        let manner = manners[seen.number % manners.len()];
        scripted.reply(&seen, manner).header("X-Number", seen.number.to_string())
    })
    .await;
    let config = "[cache]\nstale_while_revalidate = \"10s\"\nstale_if_error = \"20s\"\n";
    let proxy = Proxy::with(&origin, config).await;
    let mut memory = Memory::default();
    for act in acts {
        match act {
            Act::Advance { seconds } => proxy.advance(*seconds),
            Act::SetWall { offset } => proxy.set_wall(NOON + offset * 1000),
            Act::Put { path } => {
                let answer = send(&proxy, "PUT", &format!("/{path}")).body("new").await;
                assert_eq!(answer.status, 204);
                let bodies = sent.bodies.lock();
                let target = format!("/{path}");
                let gone = bodies.iter().filter(|(_, made_for)| made_for.0 == target);
                memory.gone.extend(gone.map(|(body, _)| body.clone()));
            }
            Act::Head { path, accept } => {
                let ask = send(&proxy, "HEAD", &format!("/{path}"));
                let answer = ask.header("Accept", &format!("v{accept}")).result().await;
                assert!(answer.map_or_else(|_| Vec::new(), |it| it.body).is_empty());
            }
            Act::Get { path, accept, fields } => {
                get(&proxy, (*path, *accept, *fields), &sent, &mut memory).await;
            }
        }
    }
}

async fn get(
    proxy: &Proxy,
    (path, accept, fields): (usize, usize, Fields),
    sent: &Sent,
    memory: &mut Memory,
) {
    let mut ask = send(proxy, "GET", &format!("/{path}")).header("Accept", &format!("v{accept}"));
    ask = match fields {
        Fields::None => ask,
        Fields::LastTag => match memory.tags.get(&(path, accept)) {
            Some(tag) => ask.header("If-None-Match", tag),
            None => ask,
        },
        Fields::Range(range) => ask.header("Range", range),
        Fields::Cookie => ask.header("Cookie", "user=1"),
        Fields::Authorization => ask.header("Authorization", "Bearer 1"),
    };
    // A torn body is seen to be torn; that is all there is to say of it.
    let Ok(answer) = ask.result().await else { return };
    if let Some(tag) = answer.header("etag") {
        memory.tags.insert((path, accept), tag.to_owned());
    }
    match answer.status {
        200 => judge(&answer, (path, accept), sent, memory),
        206 => judge_part(&answer, (path, accept), sent, memory),
        304 => assert!(answer.body.is_empty()),
        500 | 502 => assert!(!answer.is_hit(), "no error was storable"),
        other => panic!("nobody made a {other}: {answer:?}"),
    }
    if let (Some(age), true) = (answer.age(), answer.is_hit()) {
        let field = |name| answer.header(name).unwrap_or_default().to_owned();
        let last = memory.ages.insert((field("etag"), field("x-number")), age).unwrap_or(0);
        assert!(age >= last, "Age fell from {last} to {age} without a validation");
    }
}

fn judge(answer: &Answer, (path, accept): (usize, usize), sent: &Sent, memory: &Memory) {
    let bodies = sent.bodies.lock();
    let made_for = bodies.get(answer.text());
    let made_for = made_for.unwrap_or_else(|| panic!("the origin sent no such body: {answer:?}"));
    let (target, variant) = made_for;
    assert_eq!(*target, format!("/{path}"), "for this path");
    let own = format!("v{accept}");
    assert!(variant == "*" || *variant == own, "{variant} is not for {own}");
    assert!(
        !memory.gone.iter().any(|gone| gone == answer.text()),
        "it was sent before the PUT that made it invalid"
    );
}

/// A part is of one body that might have been answered whole.
fn judge_part(answer: &Answer, (path, accept): (usize, usize), sent: &Sent, memory: &Memory) {
    // Several parts say in themselves what they are.
    let Some(range) = answer.header("content-range") else { return };
    let (span, total) = range.strip_prefix("bytes ").unwrap().split_once('/').unwrap();
    let (first, last) = span.split_once('-').unwrap();
    let (first, last): (usize, usize) = (first.parse().unwrap(), last.parse().unwrap());
    let own = format!("v{accept}");
    let bodies = sent.bodies.lock();
    let possible = bodies.iter().any(|(body, (target, variant))| {
        body.len().to_string() == total
            && body[first..=last] == *answer.text()
            && *target == format!("/{path}")
            && (variant == "*" || *variant == own)
            && !memory.gone.contains(body)
    });
    assert!(possible, "{range} of no body that is for this path and variant: {answer:?}");
}

#[test]
fn whatever_happens_nobody_gets_what_is_not_theirs() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let cases = ProptestConfig { cases: 150, max_shrink_iters: 200, ..ProptestConfig::default() };
    let acts = prop::collection::vec(act(), 1..40);
    let manners = prop::collection::vec(manner(), 1..12);
    let outcome = TestRunner::new(cases).run(&(acts, manners), |(acts, manners)| {
        runtime.block_on(run(&acts, &manners));
        Ok(())
    });
    outcome.unwrap_or_else(|failure| panic!("{failure}"));
}
