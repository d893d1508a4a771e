//! What misses cost once Redis is dead and the link is given up, beside a node without Redis.

use tokio::runtime::Runtime;

use crate::{
    Failure, Times,
    net::{Client, Node, Origin},
    now,
    redis_server::RedisServer,
    say,
};

/// Misses of each node.
const MISSES: usize = 10_000;

pub(crate) fn run() -> Result<(), Failure> {
    Runtime::new()?.block_on(async {
        let (mut redis, origin) = (RedisServer::start()?, Origin::start().await?);
        let alone = Node::start(&origin, None, "").await?;
        let left = Node::start(&origin, Some(&redis), "").await?;
        redis.kill();
        left.until("larder_redis_up 0").await?;
        let (mut alone, mut left) = (alone.client().await?, left.client().await?);
        let mut times = [Times::default(), Times::default()];
        // In turn, so that what the machine does besides meets both.
        for n in 0..MISSES {
            let path = format!("/{n}");
            miss(&mut alone, &path, &mut times[0]).await?;
            miss(&mut left, &path, &mut times[1]).await?;
        }
        say(&format!("misses without [cache.redis]: {}", times[0].text()));
        say(&format!("misses with Redis killed, the link given up: {}", times[1].text()));
        Ok(())
    })
}

async fn miss(client: &mut Client, path: &str, times: &mut Times) -> Result<(), Failure> {
    let start = now();
    let answer = client.get(path).await?;
    times.since(start);
    if answer.contains("fwd=uri-miss") { Ok(()) } else { Err("it is no miss".into()) }
}
