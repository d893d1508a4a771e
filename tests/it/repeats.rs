//! Requests that repeat the fields of those before them on their connection: answered without being
//! read again, and just as if they had been.
//!
//! Each is asked on a connection that is kept, where it may be a repeat, and on one of its own, where
//! it cannot be; the clock stands still between the two.

use std::collections::{HashMap, hash_map::Entry};

use proptest::{prelude::*, test_runner::TestRunner};

use crate::support::{Answer, Client, Origin, Proxy, Reply, Seen};

/// What is asked for.
const TARGETS: [&str; 22] = [
    "/a",
    "/b",
    "/a?x=1",
    "/a?x=1#fragment",
    "/a#fragment",
    "/sorted?b=2&a=1&utm=3",
    "/sorted?a=1&b=2",
    "/list",
    "/list?fields=id",
    "/list?fields=name&limit=1",
    "/list?fields=(",
    "/limited/a",
    "/off/a",
    "/vary",
    "/packed",
    "/missing",
    "/nothing",
    "/no-store",
    "/tagged",
    "/..;x/a",
    "/%00",
    "/_batch",
];

/// The fields of the connections that are kept.
const FIELDS: [&[(&str, &str)]; 16] = [
    &[],
    &[("Accept-Encoding", "gzip")],
    &[("Accept-Encoding", "br, gzip;q=0.5, identity;q=0")],
    &[("Accept", "application/json")],
    &[("If-None-Match", "\"1\"")],
    &[("If-None-Match", "*")],
    &[("If-Modified-Since", "Sun, 22 Nov 2026 00:00:00 GMT")],
    &[("Range", "bytes=1-3")],
    &[("Range", "bytes=1-3"), ("If-Range", "\"1\"")],
    &[("Cookie", "a=1; b=2")],
    &[("Authorization", "Bearer a")],
    &[("Cache-Control", "max-age=5, no-transform")],
    &[("Cache-Control", "only-if-cached")],
    &[("X-Forwarded-For", "192.0.2.1"), ("X-Forwarded-Prefix", "/x"), ("a_b", "1")],
    &[("Connection", "keep-alive, X-Hop"), ("X-Hop", "1"), ("TE", "trailers")],
    &[
        ("X-Request-Id", "mine"),
        ("Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
    ],
];

const ROUTES: &str = r#"
batch = { path = "/_batch" }
[cache]
stale_while_revalidate = "10s"
[[routes]]
match = { path = "/sorted" }
upstream = "{origin}"
cache = { key.query = { sort = true, exclude = ["utm"] } }
[[routes]]
match = { path = "/list" }
upstream = "{origin}"
shape = { fields = "fields", page = "offset_limit" }
[[routes]]
match = { path = "/limited/**" }
upstream = "{origin}"
throttle = { rate = "1/s", burst = 200 }
[[routes]]
match = { path = "/off/**" }
upstream = "{origin}"
cache = { mode = "off" }
"#;

#[derive(Clone, Debug)]
enum Act {
    /// One after another, by the same connection.
    Get {
        fields: usize,
        targets: Vec<usize>,
    },
    Put {
        target: usize,
    },
    Advance {
        seconds: u64,
    },
    Reload,
}

fn act() -> impl Strategy<Value = Act> {
    let few = prop::collection::vec(0..TARGETS.len(), 1..3);
    // Mostly a run of few targets: each has to come again to be answered from memory.
    let targets = (few, 1..5usize).prop_map(|(few, times)| few.repeat(times));
    prop_oneof![
        12 => (0..FIELDS.len(), targets).prop_map(|(fields, targets)| Act::Get { fields, targets }),
        1 => (0..TARGETS.len()).prop_map(|target| Act::Put { target }),
        2 => (0..20u64).prop_map(|seconds| Act::Advance { seconds }),
        1 => Just(Act::Reload),
    ]
}

fn reply(seen: &Seen) -> Reply {
    if seen.method == "PUT" {
        return Reply::status(204);
    }
    let number = seen.number.to_string();
    let text = |it: &str| Reply::fresh(15, format!("{it} {} {number}", seen.target));
    let path = seen.target.split('?').next().unwrap_or_default();
    match path {
        "/list" => Reply::fresh(15, format!("[{{\"id\":{number},\"name\":\"a\"}},{{\"id\":2}}]"))
            .header("Content-Type", "application/json"),
        "/vary" => text(seen.header("accept").unwrap_or("-")).header("Vary", "Accept"),
        "/packed" => Reply::fresh(15, number.repeat(3000)).header("Content-Type", "text/plain"),
        "/missing" => Reply::status(404).body(number).header("Cache-Control", "max-age=15"),
        "/nothing" => Reply::status(204).header("Cache-Control", "max-age=15"),
        "/no-store" => Reply::ok(number).header("Cache-Control", "no-store"),
        "/tagged" => text("tagged").header("ETag", "\"1\"").header("X-Request-Id", "its"),
        _ => text("-").header("Last-Modified", "Sat, 21 Nov 2026 00:00:00 GMT"),
    }
}

async fn ask(client: &mut Client, target: usize, fields: usize) -> Option<Answer> {
    client.ask("GET", TARGETS[target], FIELDS[fields]).await;
    client.read().await.ok()
}

async fn ask_alone(proxy: &Proxy, target: usize, fields: usize) -> Option<Answer> {
    ask(&mut Client::connect(proxy).await, target, fields).await
}

/// All of an answer that does not have to differ.
fn all(answer: &Answer) -> (u16, Vec<(String, String)>, &[u8]) {
    let own = ["x-request-id", "ratelimit"];
    let told = answer.fields.iter().filter(|(name, _)| !own.contains(&&*name.to_lowercase()));
    let mut told: Vec<_> = told.map(|(name, value)| (name.to_lowercase(), value.clone())).collect();
    told.sort();
    (answer.status, told, &answer.body)
}

/// Whether it was written without hyper, which tells the stored length where it was stored.
fn is_repeat(answer: &Answer) -> bool {
    let at = |name| answer.fields.iter().position(|(it, _)| it.eq_ignore_ascii_case(name));
    at("content-length") > at("cache-status")
}

/// A proxy, and the connections to it that are kept, by their fields.
struct World {
    proxy: Proxy,
    kept: HashMap<usize, Client>,
    /// Whether requests have ids.
    ids: bool,
    repeats: usize,
    reloads: usize,
}

impl World {
    async fn new(origin: &Origin, ids: bool) -> World {
        let proxy = Proxy::with(origin, &World::config(ROUTES, ids)).await;
        World { proxy, kept: HashMap::new(), ids, repeats: 0, reloads: 0 }
    }

    fn config(routes: &str, ids: bool) -> String {
        let log = if ids { "[log]\nrequest_id = \"on\"\n" } else { "" };
        format!("{routes}{log}")
    }

    async fn act(&mut self, act: &Act) {
        match act {
            Act::Advance { seconds } => self.proxy.advance(*seconds),
            Act::Put { target } => {
                let mut client = Client::connect(&self.proxy).await;
                client.ask("PUT", TARGETS[*target], &[("Content-Length", "0")]).await;
                let _ = client.read().await;
            }
            Act::Reload => {
                self.reloads += 1;
                // What is on here is off there.
                let off = self.reloads % 2 == 1;
                let routes = if off { "[cache]\nmode = \"off\"\n" } else { ROUTES };
                self.proxy.reload(&World::config(routes, self.ids));
            }
            Act::Get { fields, targets } => {
                for target in targets {
                    self.get(*target, *fields).await;
                }
            }
        }
    }

    async fn get(&mut self, target: usize, fields: usize) {
        // What it brings is stored then.
        ask_alone(&self.proxy, target, fields).await;
        self.proxy.settle().await;
        if let Entry::Vacant(place) = self.kept.entry(fields) {
            place.insert(Client::connect(&self.proxy).await);
        }
        let client = self.kept.get_mut(&fields).expect("it is connected");
        let own = ask(client, target, fields).await;
        let other = ask_alone(&self.proxy, target, fields).await;
        if own.as_ref().is_none_or(|own| own.headers("connection").contains(&"close")) {
            self.kept.remove(&fields);
        }
        let Some(own) = own else { return };
        let other = other.expect("the same was answered on another connection");
        self.compare(&own, &other, (TARGETS[target], FIELDS[fields]));
    }

    fn compare(&mut self, own: &Answer, other: &Answer, about: (&str, &[(&str, &str)])) {
        let is_hit = |it: &Answer| it.headers("cache-status").join(", ").contains("; hit");
        assert_eq!(own.status, other.status, "{about:?}: {own:?} {other:?}");
        assert_eq!(is_hit(own), is_hit(other), "{about:?}: {own:?} {other:?}");
        if is_hit(own) {
            assert_eq!(all(own), all(other), "{about:?}");
            self.repeats += usize::from(is_repeat(own));
        }
        if self.ids {
            assert_eq!(own.headers("x-request-id").len(), 1, "{about:?}: {own:?}");
        }
    }
}

async fn run(acts: &[Act], ids: bool) -> usize {
    let origin = Origin::serve(|seen| reply(&seen)).await;
    let mut world = World::new(&origin, ids).await;
    for act in acts {
        world.act(act).await;
    }
    world.repeats
}

#[test]
fn a_repeat_is_answered_as_if_it_had_been_read() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let cases = ProptestConfig { cases: 80, max_shrink_iters: 100, ..ProptestConfig::default() };
    let acts = (prop::collection::vec(act(), 1..25), any::<bool>());
    let repeats = std::cell::Cell::new(0);
    let outcome = TestRunner::new(cases).run(&acts, |(acts, ids)| {
        repeats.set(repeats.get() + runtime.block_on(run(&acts, ids)));
        Ok(())
    });
    outcome.unwrap_or_else(|failure| panic!("{failure}"));
    assert!(repeats.get() > 100, "{} were repeats at all", repeats.get());
}
