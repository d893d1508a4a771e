//! `collapse = "cluster"`: of all nodes, one asks the origin.

use rustix::process::Signal;

use super::*;
use crate::{
    program::Program,
    support::{Client, Gate, Seen},
};

/// What a node of the cluster is configured by; nobody waits for longer than `wait`.
fn config(redis: &RedisServer, wait: &str) -> String {
    let url = redis.url();
    let cache = format!("[cache]\ncollapse = \"cluster\"\ncollapse_wait = \"{wait}\"\n");
    format!("{cache}[cache.redis]\nurl = \"{url}\"\ntimeout = \"2s\"\n")
}

async fn clustered(n: usize, origin: &Origin, redis: &RedisServer, wait: &str) -> Vec<Proxy> {
    let admin = format!("[admin]\nlisten = \"127.0.0.1:0\"\ntoken = \"{TOKEN}\"\n");
    let config = admin + &config(redis, wait);
    let mut nodes = Vec::new();
    for _ in 0..n {
        nodes.push(Proxy::in_real_time(origin, &config).await);
    }
    for node in &nodes {
        until_up(node).await;
    }
    nodes
}

/// Longer than any test takes.
const LONG: &str = "1m";

/// Waits until a node has looked into Redis, and so is on its way to the lease.
async fn until_asked(node: &Proxy) {
    until(node, &event("lookup"), |lookups| lookups > 0).await;
    node.settle().await;
}

async fn ask(node: &Proxy) -> Client {
    get(node, "/cold").sent().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_nodes_with_a_hundred_clients_each_ask_once() {
    let (redis, gate) = (RedisServer::start().await, Gate::new());
    let origin = Origin::always(fresh("x").held(&gate)).await;
    let nodes = clustered(4, &origin, &redis, LONG).await;
    let mut clients = Vec::new();
    for n in 0..400 {
        clients.push(ask(&nodes[n % 4]).await);
    }
    gate.until_arrived(1).await;
    for node in &nodes {
        until_asked(node).await;
    }
    gate.open();
    let mut from_others = 0;
    for mut client in clients {
        let answer = client.read().await.unwrap();
        assert_eq!((answer.status, answer.text()), (200, "x"));
        from_others += usize::from(answer.is_hit());
    }
    assert_eq!(origin.requests(), 1, "one of four nodes asked, and one of its hundred clients");
    assert!(from_others >= 300, "three nodes found what the fourth stored: {from_others}");
    for node in &nodes {
        assert!(get(node, "/cold").await.cache_status().detail().is_empty(), "all keep it");
    }
}

#[tokio::test]
async fn what_a_node_that_is_killed_was_fetching_another_fetches() {
    let (redis, gate) = (RedisServer::start().await, Gate::new());
    let origin = Origin::always(fresh("x").held(&gate)).await;
    let nodes = clustered(3, &origin, &redis, LONG).await;
    let listen = "listen = \"127.0.0.1:0\"\n";
    let upstream = format!("upstream = \"{}\"\n", origin.url());
    let text = format!("{listen}{upstream}{}", config(&redis, LONG));
    let (mut holder, place) = Program::start(&text).await;
    holder.says("is used").await;
    let _lost = get(&place, "/cold").sent().await;
    gate.until_arrived(1).await;
    let mut clients = Vec::new();
    for node in &nodes {
        clients.push(ask(node).await);
        until_asked(node).await;
    }
    assert_eq!(origin.requests(), 1, "all wait for the first");
    holder.signal(Signal::KILL);
    gate.until_arrived(2).await;
    gate.open();
    for mut client in clients {
        assert_eq!(client.read().await.unwrap().text(), "x");
    }
    assert_eq!(origin.requests(), 2, "one took over, the others waited for that one");
}

#[tokio::test]
async fn nobody_waits_for_what_turns_out_to_be_one_clients_alone() {
    let (redis, first, rest) = (RedisServer::start().await, Gate::new(), Gate::new());
    let (held, then) = (first.clone(), rest.clone());
    let origin = Origin::serve(move |seen| {
        let gate = if seen.number == 1 { &held } else { &then };
        Reply::ok("x").undated().header("Cache-Control", "no-store").held(gate)
    })
    .await;
    let nodes = clustered(4, &origin, &redis, LONG).await;
    let mut clients = Vec::new();
    for node in nodes.iter().cycle().take(12) {
        clients.push(ask(node).await);
    }
    first.until_arrived(1).await;
    for node in &nodes {
        until_asked(node).await;
    }
    first.open();
    // The first node knows by now, and its clients go alone; the others ask at the same time.
    rest.until_arrived(2 + 3).await;
    rest.open();
    for mut client in clients {
        assert_eq!(client.read().await.unwrap().status, 200);
    }
}

#[tokio::test]
async fn without_redis_nobody_waits() {
    for dies in [true, false] {
        let (mut redis, gate) = (RedisServer::start().await, Gate::new());
        let origin = Origin::always(fresh("x").held(&gate)).await;
        let nodes = clustered(2, &origin, &redis, if dies { LONG } else { "1s" }).await;
        let mut one = ask(&nodes[0]).await;
        gate.until_arrived(1).await;
        let mut other = ask(&nodes[1]).await;
        until_asked(&nodes[1]).await;
        if dies {
            redis.kill();
        } else {
            redis.stop();
        }
        gate.until_arrived(2).await;
        gate.open();
        for client in [&mut one, &mut other] {
            assert_eq!(client.read().await.unwrap().text(), "x", "dies: {dies}");
        }
    }
}

#[tokio::test]
async fn variants_are_waited_for_one_by_one() {
    let (redis, gate) = (RedisServer::start().await, Gate::new());
    let held = gate.clone();
    let by_language = by_language();
    let origin = Origin::serve(move |seen: Seen| by_language(seen).held(&held)).await;
    let nodes = clustered(4, &origin, &redis, LONG).await;
    let mut clients = Vec::new();
    for (node, language) in nodes.iter().zip(["en", "de", "en", "de"]) {
        let client = get(node, "/").header("Accept-Language", language).sent().await;
        clients.push((client, language));
        until_asked(node).await;
    }
    gate.open();
    for (mut client, language) in clients {
        assert_eq!(client.read().await.unwrap().text(), language);
    }
    assert_eq!(origin.requests(), 2, "one for each language (RFC 9111 §4.1)");
}

#[tokio::test]
async fn what_may_not_be_shared_waits_for_nobody() {
    let (redis, gate) = (RedisServer::start().await, Gate::new());
    let origin = Origin::always(fresh("x").held(&gate)).await;
    let nodes = clustered(2, &origin, &redis, LONG).await;
    let _one = ask(&nodes[0]).await;
    gate.until_arrived(1).await;
    let _other = get(&nodes[1], "/cold").header("Authorization", "Basic eDp5").sent().await;
    gate.until_arrived(2).await;
}
