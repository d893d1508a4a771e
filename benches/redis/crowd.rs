//! Four nodes of a hundred clients each, one cold key: how often the origin is asked.

use tokio::{runtime::Runtime, task::JoinSet};

use crate::{
    Failure, Times,
    net::{Node, Origin},
    now,
    redis_server::RedisServer,
    say,
};

const NODES: usize = 4;
const CLIENTS: usize = 100;

/// Cold keys, one after the other.
const ROUNDS: usize = 10;

pub(crate) fn run() -> Result<(), Failure> {
    Runtime::new()?.block_on(async {
        let (redis, origin) = (RedisServer::start()?, Origin::start().await?);
        let mut clients = Vec::new();
        let mut nodes = Vec::new();
        for _ in 0..NODES {
            let node = Node::start(&origin, Some(&redis), "collapse = \"cluster\"").await?;
            for _ in 0..CLIENTS {
                clients.push(node.client().await?);
            }
            nodes.push(node);
        }
        let mut times = Times::default();
        for round in 0..ROUNDS {
            let (mut asking, start) = (JoinSet::new(), now());
            for mut client in clients.drain(..) {
                asking.spawn(async move {
                    let answer = client.get(&format!("/slow/{round}")).await?;
                    let good = answer.starts_with("HTTP/1.1 200");
                    if good { Ok(client) } else { Err(Failure::from(answer)) }
                });
            }
            while let Some(client) = asking.join_next().await {
                clients.push(client??);
                times.since(start);
            }
        }
        let asked = origin.requests();
        say(&format!(
            "{ROUNDS} cold keys, {NODES} nodes of {CLIENTS} clients each: {asked} requests to the \
             origin (it takes 500 ms), {}",
            times.text()
        ));
        Ok(())
    })
}
