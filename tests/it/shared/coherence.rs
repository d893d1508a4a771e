//! Purges, invalidations and the log: what every node hears.

use larder::store::redis::{Acks, Member, NotWritten};

use super::*;

const SECOND: Duration = Duration::from_secs(10);

#[tokio::test]
async fn a_purge_is_heard_by_all_and_acknowledged_by_all() {
    let redis = RedisServer::start().await;
    let (one, other) = (Node::at(&redis).await, Node::at(&redis).await);
    let members = [Member::Hard(1), Member::Soft(2), Member::AllSoft];
    let seq = one.remote.purge(&members).await.unwrap();
    one.until(&Event::Told { seq, members: members.to_vec() }).await;
    other.until(&Event::Purged { seq, members: members.to_vec() }).await;
    let Acks { mut acknowledged, missing } = one.remote.acknowledged(seq, SECOND).await;
    let mut nodes = [one.remote.node().to_owned(), other.remote.node().to_owned()];
    nodes.sort();
    acknowledged.sort();
    assert_eq!(missing, Vec::<String>::new());
    assert_eq!(acknowledged, nodes, "both have heard");
    assert!(other.remote.began().seq >= seq, "what begins now began after it");
    let later = one.remote.purge(&[Member::Hard(1)]).await.unwrap();
    assert!(later > seq, "purges are in order");
    let third = Node::with(config(&redis.url()));
    let found = third.generations().await;
    assert_eq!(found.newest, later);
    let mut known = found.members;
    known.sort_by_key(|(member, _)| format!("{member:?}"));
    let expected = [(Member::AllSoft, seq), (Member::Hard(1), later), (Member::Soft(2), seq)];
    assert_eq!(known, expected, "a node that starts knows what was purged");
}

#[tokio::test]
async fn a_node_that_hangs_is_told_of() {
    let redis = RedisServer::start().await;
    let node = Node::at(&redis).await;
    let now: (i64, i64) = redis.ask(&["TIME"]).await;
    let seen = format!("{} 0", now.0 * 1000 + 2_000);
    redis.ask::<()>(&["HSET", "larder:v1:nodes", "silent", &seen]).await;
    let seq = node.remote.purge(&[Member::Hard(1)]).await.unwrap();
    let acks = node.remote.acknowledged(seq, Duration::from_millis(300)).await;
    assert_eq!(acks.acknowledged, [node.remote.node()]);
    assert_eq!(acks.missing, ["silent"], "it lives, and has not heard");
}

#[tokio::test]
async fn what_changes_is_heard_by_the_others_alone() {
    let redis = RedisServer::start().await;
    let (one, other) = (Node::at(&redis).await, Node::at(&redis).await);
    one.store(key("/a"), "a").await;
    other.until(&changed(key("/a"))).await;
    one.remote.invalidate(&[key("/a")]);
    other.until(&Event::Invalidated(key("/a"))).await;
    assert_eq!(other.body(key("/a")).await, None, "gone for all");
    one.remote.purge(&[Member::Hard(1)]).await.unwrap();
    let first = one.hear(|event| Some(event.clone())).await;
    assert!(matches!(first, Event::Told { .. }), "a node does not hear of what it did: {first:?}");
}

#[tokio::test]
async fn what_was_asked_for_before_an_invalidation_does_not_come_back() {
    let redis = RedisServer::start().await;
    let (one, other) = (Node::at(&redis).await, Node::at(&redis).await);
    let late = one.response(key("/a"), "old");
    other.remote.invalidate(&[key("/a")]);
    one.until(&Event::Invalidated(key("/a"))).await;
    one.write(late).await;
    assert_eq!(one.body(key("/a")).await, None, "it was asked for before");
    one.store(key("/a"), "new").await;
    assert_eq!(one.body(key("/a")).await.unwrap(), "new", "asked for after");
    let kept: i64 = redis.ask(&["PTTL", &name('h', key("/a"))]).await;
    assert!(kept > 60_000, "no tombstone any more: {kept}");
}

#[tokio::test]
async fn the_oldest_names_fold_into_everything() {
    let redis = RedisServer::start().await;
    let node = Node::at(&redis).await;
    let first = node.remote.purge(&[Member::Hard(1)]).await.unwrap();
    let soft = node.remote.purge(&[Member::Soft(2)]).await.unwrap();
    let doubt = node.remote.purge(&[Member::Doubt(3)]).await.unwrap();
    for chunk in 0..256 {
        let names: Vec<Member> = (0..256).map(|n| Member::Hard(1000 + chunk * 256 + n)).collect();
        node.remote.purge(&names).await.unwrap();
    }
    let size: usize = redis.ask(&["ZCARD", "larder:v1:gen"]).await;
    assert!(size <= 65_536 + 5, "bounded: {size}");
    let found = Node::with(config(&redis.url())).generations().await;
    let of = |wanted| found.members.iter().find(|(member, _)| *member == wanted).map(|it| it.1);
    assert_eq!(of(Member::Hard(1)), None, "it has left");
    assert!(of(Member::AllHard) >= Some(first), "and counts for everything, as hard");
    assert!(of(Member::AllSoft) >= Some(soft), "and the other as soft");
    assert!(of(Member::AllDoubt) >= Some(doubt), "and the third as in doubt");
}

#[tokio::test]
async fn a_short_loss_of_the_link_loses_nothing() {
    let redis = RedisServer::start().await;
    let (one, other) = (Node::at(&redis).await, Node::at(&redis).await);
    redis.ask::<()>(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]).await;
    other.until(&Event::Down).await;
    one.until(&Event::Up).await;
    let seq = one.remote.purge(&[Member::Hard(5)]).await.unwrap();
    one.store(key("/a"), "a").await;
    let mut heard = Vec::new();
    while heard.last() != Some(&changed(key("/a"))) {
        heard.push(other.hear(|event| Some(event.clone())).await);
    }
    assert!(!heard.contains(&Event::Lost), "{heard:?}");
    let purge = Event::Purged { seq, members: vec![Member::Hard(5)] };
    assert!(heard.contains(&purge), "{heard:?}");
}

#[tokio::test]
async fn a_log_that_was_trimmed_or_lost_is_a_gap() {
    for lose in [&["XTRIM", "larder:v1:log", "MAXLEN", "0"][..], &["DEL", "larder:v1:log"]] {
        let redis = RedisServer::start().await;
        let (one, other) = (Node::at(&redis).await, Node::at(&redis).await);
        one.store(key("/a"), "a").await;
        other.until(&changed(key("/a"))).await;
        redis.ask::<()>(lose).await;
        other.until(&Event::Lost).await;
        other.until(&Event::Up).await;
        let seq = one.remote.purge(&[Member::Hard(1)]).await;
        if let Ok(seq) = seq {
            let heard = other.hear(purged).await;
            assert_eq!(heard, seq, "and goes on");
        }
        assert_eq!(other.body(key("/a")).await.unwrap(), "a", "what is stored is not harmed");
    }
}

#[tokio::test]
async fn lost_generations_resurrect_nothing() {
    let redis = RedisServer::start().await;
    let node = Node::at(&redis).await;
    let before = node.generations_known(&redis).await;
    node.store(key("/a"), "purged").await;
    node.remote.purge(&[Member::Hard(7)]).await.unwrap();
    redis.ask::<()>(&["DEL", "larder:v1:gen"]).await;
    node.until(&Event::Lost).await;
    node.until(&Event::Up).await;
    let fresh = Node::with(config(&redis.url()));
    let after = fresh.generations().await;
    fresh.until(&Event::Up).await;
    assert_ne!(after.epoch, before, "another epoch");
    assert!(after.newest > Seq(0), "Seqs go on from where the time is");
    for it in [&node, &fresh] {
        assert_eq!(it.body(key("/a")).await, None, "a record of another epoch is none");
    }
    node.store(key("/a"), "anew").await;
    assert_eq!(fresh.body(key("/a")).await.unwrap(), "anew");
}

#[tokio::test]
async fn a_purge_that_is_not_written_is_replayed_before_anything_is_read() {
    let mut redis = RedisServer::start().await;
    let node = Node::at(&redis).await;
    redis.kill();
    node.until(&Event::Down).await;
    let purged = node.remote.purge(&[Member::Hard(9)]).await;
    assert_eq!(purged, Err(NotWritten));
    node.remote.invalidate(&[key("/a")]);
    redis.restart().await;
    let found = node.generations().await;
    let members: Vec<Member> = found.members.iter().map(|(member, _)| *member).collect();
    assert_eq!(members, [Member::Hard(9)], "told before the generations were read");
    node.until(&Event::Up).await;
    let tombstone: String = redis.ask(&["GETRANGE", &name('h', key("/a")), "0", "5"]).await;
    assert_eq!(tombstone, "LRDR\u{1}t");
}

impl Node {
    /// The epoch that Redis has.
    async fn generations_known(&self, redis: &RedisServer) -> u64 {
        let found: Vec<String> = redis.ask(&["ZRANGEBYSCORE", "larder:v1:gen", "0", "0"]).await;
        u64::from_str_radix(found[0].trim_start_matches('E'), 16).unwrap()
    }
}

#[tokio::test]
async fn no_purge_of_a_new_set_comes_before_one_that_a_node_knows() {
    let redis = RedisServer::start().await;
    let one = Node::at(&redis).await;
    // As a Redis whose clock is far ahead would have counted.
    redis.ask::<()>(&["ZADD", "larder:v1:gen", "8000000000000000", "#"]).await;
    let ahead = one.remote.purge(&[Member::Hard(1)]).await.unwrap();
    one.hear(|event| purged(event).filter(|seq| *seq == ahead)).await;
    redis.ask::<()>(&["FLUSHALL"]).await;
    one.until(&Event::Lost).await;
    one.until(&Event::Up).await;
    let next = one.remote.purge(&[Member::Hard(2)]).await.unwrap();
    assert!(next > ahead, "what began after {ahead:?} is meant by {next:?}, too");
}

#[tokio::test]
async fn what_was_asked_for_before_the_log_was_lost_is_not_stored() {
    let redis = RedisServer::start().await;
    let one = Node::at(&redis).await;
    let before = one.response(key("/a"), "before");
    redis.ask::<()>(&["FLUSHALL"]).await;
    one.until(&Event::Lost).await;
    one.until(&Event::Up).await;
    let dropped = one.remote.counters().dropped.get();
    one.write(before).await;
    assert_eq!(one.remote.counters().dropped.get(), dropped + 1, "what was purged is forgotten");
    assert_eq!(one.body(key("/a")).await, None);
    one.store(key("/a"), "after").await;
    assert_eq!(one.body(key("/a")).await.unwrap(), "after");
}

#[tokio::test]
async fn nothing_is_looked_up_while_a_purge_has_no_place_yet() {
    let redis = RedisServer::start().await;
    let one = Node::at(&redis).await;
    one.store(key("/a"), "x").await;
    let purging = one.remote.purging();
    assert_eq!(one.body(key("/a")).await, None, "it may be what is purged");
    drop(purging);
    assert!(one.body(key("/a")).await.is_some());
}
