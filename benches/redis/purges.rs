//! How long a purge takes until all of four nodes have it; and a purge of a million objects beside
//! one of ten.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use larder::{
    clock::Clock,
    policy::{Meta, encoding::Forms},
    store::{
        Block, BodyHasher, By, Entry, Head, Manner, Name, Named, Origin as Place, Scope, Selecting,
        Store, Told, Turn,
        name::Known,
        redis::{Counters, Event, Member, Remote},
    },
};
use tokio::{runtime::Runtime, sync::mpsc};

use crate::{
    Failure, Times,
    lookups::key,
    net::{Node, Origin},
    now,
    redis_server::RedisServer,
    say,
};

/// Purges of each figure.
const PURGES: usize = 500;

/// Objects that bear the tag of many.
const MANY: usize = 1_000_000;

const ORIGIN: Place<'static> = Place { scheme: "http", authority: "a" };

pub(crate) fn run() -> Result<(), Failure> {
    let runtime = Runtime::new()?;
    runtime.block_on(on_four_nodes())?;
    runtime.block_on(of_a_million())
}

async fn on_four_nodes() -> Result<(), Failure> {
    let (redis, origin) = (RedisServer::start()?, Origin::start().await?);
    let mut nodes = Vec::new();
    for _ in 0..4 {
        nodes.push(Node::start(&origin, Some(&redis), "").await?);
    }
    let mut connection = redis.connect().await?;
    while redis::cmd("HLEN").arg("larder:v1:nodes").query_async::<usize>(&mut connection).await? < 4
    {
        Clock::system().sleep(std::time::Duration::from_millis(20)).await;
    }
    let mut times = Times::default();
    for n in 0..PURGES {
        let order = format!("{{\"tags\": [\"t{n}\"]}}");
        let start = now();
        let answer = nodes[n % 4].purge(&order).await?;
        times.since(start);
        if !answer.starts_with("HTTP/1.1 200") {
            return Err(format!("not by all: {answer}").into());
        }
    }
    say(&format!("purge, until all of four nodes have said so: {}", times.text()));
    Ok(())
}

async fn of_a_million() -> Result<(), Failure> {
    let redis = RedisServer::start()?;
    fill(&redis).await?;
    let (told, mut events) = mpsc::unbounded_channel();
    let handler = move |event| drop(told.send(event));
    let counters = Arc::<Counters>::default();
    let remote = Remote::start(&redis.config()?, Clock::system(), counters, handler)?;
    while events.recv().await != Some(Event::Up) {}
    let (clock, store) = (Clock::system(), Store::new(4 << 30));
    for n in 0..MANY + 10 {
        put(&store, &clock, n, if n < MANY { "many" } else { "few" });
    }
    let entries = store.stats().entries;
    let mut times = [("many", 1, Times::default()), ("few", 2, Times::default())];
    for _ in 0..PURGES {
        for (tag, number, times) in &mut times {
            let start = now();
            let name = Name::tag(ORIGIN, tag);
            let told = Told { by: By::Operator, what: tag };
            store.purge(&Scope::Tags(vec![name]), Manner::Hard, clock.now(), told);
            remote.purge(&[Member::Hard(*number)]).await?;
            times.since(start);
        }
    }
    for n in [0, MANY - 1, MANY + 9] {
        if store.get(key(&path(n)), &HeaderMap::new(), clock.now()).stored.is_ok() {
            return Err("what was purged is found".into());
        }
    }
    say(&format!("{entries} objects in memory, {MANY} in Redis"));
    say(&format!("purge of a tag of {MANY} objects, here and in Redis: {}", times[0].2.text()));
    say(&format!("purge of a tag of 10 objects, here and in Redis: {}", times[1].2.text()));
    Ok(())
}

/// As many keys as a million responses have heads.
async fn fill(redis: &RedisServer) -> Result<(), Failure> {
    let mut connection = redis.connect().await?;
    for from in (0..MANY).step_by(1000) {
        let mut pipeline = redis::pipe();
        for n in from..from + 1000 {
            pipeline
                .cmd("SET")
                .arg(format!("larder:v1:h:{{{n:064x}}}"))
                .arg([0_u8; 256].as_slice());
        }
        pipeline.ignore().exec_async(&mut connection).await?;
    }
    Ok(())
}

fn path(n: usize) -> String {
    format!("/users/{n}")
}

fn put(store: &Store, clock: &Clock, n: usize, tag: &str) {
    let (path, tags) = (path(n), [tag.to_owned()]);
    let known = Known {
        generation: 0,
        origin: ORIGIN,
        host: None,
        path: &path,
        query: None,
        tags: &tags,
        groups: &[],
    };
    let head = Head {
        meta: Meta { received: clock.now().mono, lifetime: 3600, ..Meta::default() },
        status: StatusCode::OK,
        fields: Block::new(&HeaderMap::new()),
        named: Named::new(store.moment(), known),
        forms: Forms::default(),
    };
    let body = Bytes::from_static(b"{}");
    let mut hasher = BodyHasher::default();
    hasher.update(&body);
    let request = HeaderMap::new();
    let selecting = Selecting { names: Vec::new(), request: &request, asked: Turn(1) };
    let place = store.place(key(&path), selecting);
    store.put(&place, Entry::new(head, (body, hasher.finish(None)), Turn(1)), clock.now());
}
