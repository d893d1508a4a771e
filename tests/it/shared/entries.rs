//! What is stored, found, replaced and refused.

use larder::{
    config::Secret,
    store::{self, Selecting, Turn},
};

use super::*;

#[tokio::test]
async fn what_one_node_stores_another_finds() {
    let redis = RedisServer::start().await;
    let (one, other) = (Node::at(&redis).await, Node::at(&redis).await);
    assert_eq!(one.body(key("/a")).await, None, "nothing yet");
    one.store(key("/a"), "hello").await;
    let Looked::Response { head, body } = other.remote.lookup(key("/a")).await else {
        panic!("nothing there")
    };
    assert_eq!(body, "hello");
    assert_eq!((head.status, &*head.names), (StatusCode::OK, &[7][..]));
    assert_eq!(head.fields, one.shared("hello").fields);
    let kept: i64 = redis.ask(&["PTTL", &name('h', key("/a"))]).await;
    assert!((60_000..=120_000).contains(&kept), "freshness and keep, not more: {kept}");
    let counters = other.remote.counters();
    assert_eq!((counters.hits.get(), counters.lookups.get()), (1, 1));
    assert_eq!(one.remote.counters().misses.get(), 1);
}

#[tokio::test]
async fn lookups_that_wait_together_leave_as_one_pipeline() {
    let redis = RedisServer::start().await;
    let node = Node::at(&redis).await;
    node.store(key("/3"), "three").await;
    let keys: Vec<Key> = (0..12).map(|n| key(&format!("/{n}"))).collect();
    let all = keys.iter().map(|key| node.remote.lookup(*key));
    let found = within("look-ups", futures_util::future::join_all(all)).await;
    let found: Vec<bool> = found.iter().map(|it| matches!(it, Looked::Response { .. })).collect();
    let expected: Vec<bool> = (0..12).map(|n| n == 3).collect();
    assert_eq!(found, expected, "each has its own answer");
    assert_eq!(node.remote.counters().lookups.get(), 12);
    assert_eq!(node.remote.counters().flushes.get(), 1, "one pipeline");
}

#[tokio::test]
async fn a_304_rewrites_the_head_alone() {
    let redis = RedisServer::start().await;
    let node = Node::at(&redis).await;
    node.store(key("/a"), "body").await;
    let body: String = redis.ask(&["OBJECT", "ENCODING", &name('b', key("/a"))]).await;
    redis.ask::<()>(&["CONFIG", "RESETSTAT"]).await;
    let mut head = node.shared("body");
    head.meta.lifetime = 600;
    let what = What::Head(Box::new(head), Bytes::from_static(b"body"));
    let began = node.remote.began();
    node.write(Store { key: key("/a"), what, began, token: None }).await;
    let Looked::Response { head, .. } = node.remote.lookup(key("/a")).await else { panic!() };
    assert_eq!(head.meta.lifetime, 600);
    let kept: i64 = redis.ask(&["PTTL", &name('b', key("/a"))]).await;
    assert!(kept > 600_000, "the body lives as long as its head: {kept}");
    let stats: String = redis.ask(&["INFO", "commandstats"]).await;
    assert!(stats.contains("cmdstat_set:calls=1,"), "the body is not written again: {stats}");
    assert_eq!(body, "embstr");
}

#[tokio::test]
async fn a_head_without_its_body_is_written_whole() {
    let redis = RedisServer::start().await;
    let node = Node::at(&redis).await;
    node.store(key("/a"), "body").await;
    redis.ask::<()>(&["DEL", &name('b', key("/a"))]).await;
    assert_eq!(node.body(key("/a")).await, None, "a head alone is a miss");
    assert_eq!(node.remote.counters().unusable.get(), 1);
    let what = What::Head(Box::new(node.shared("body")), Bytes::from_static(b"body"));
    let began = node.remote.began();
    node.write(Store { key: key("/a"), what, began, token: None }).await;
    assert_eq!(node.body(key("/a")).await.unwrap(), "body");
}

#[tokio::test]
async fn a_variant_list_is_shared_with_its_number() {
    let redis = RedisServer::start().await;
    let node = Node::at(&redis).await;
    let mut asked = HeaderMap::new();
    asked.insert(header::ACCEPT, HeaderValue::from_static("a/b"));
    let selecting =
        Selecting { names: vec![header::ACCEPT, field("x-a")], request: &asked, asked: Turn(1) };
    let place = store::Store::new(1 << 20).place(key("/a"), selecting);
    let vary = place.vary.unwrap();
    let what = What::Vary((*vary).clone(), 60_000);
    let began = node.remote.began();
    node.write(Store { key: key("/a"), what, began, token: None }).await;
    let Looked::Vary(found) = node.remote.lookup(key("/a")).await else { panic!("no list") };
    assert_eq!(found.names(), vary.names());
    assert_eq!(found.key(key("/a"), &asked), place.key, "a variant lies where it lay before");
}

#[tokio::test]
async fn what_is_newer_stays() {
    let redis = RedisServer::start().await;
    let node = Node::at(&redis).await;
    let dated = |body: &'static str, by: i64| {
        let mut store = node.response(key("/a"), body);
        if let What::Response(head, _) = &mut store.what {
            head.meta.received.0 += by;
        }
        store
    };
    node.store(key("/a"), "newer").await;
    node.write(dated("older", -5_000)).await;
    assert_eq!(node.body(key("/a")).await.unwrap(), "newer", "asked for earlier, come later");
    assert_eq!(node.remote.counters().superseded.get(), 1);
    node.store(key("/a"), "newest").await;
    assert_eq!(node.body(key("/a")).await.unwrap(), "newest");
}

#[tokio::test]
async fn whatever_lies_there_is_a_miss_and_counted() {
    let redis = RedisServer::start().await;
    let node = Node::at(&redis).await;
    node.store(key("/good"), "good").await;
    let (head, body) = (name('h', key("/a")), name('b', key("/a")));
    redis.set(&head, b"garbage").await;
    assert_eq!(node.body(key("/a")).await, None, "garbage");
    redis.set(&head, &vec![b'x'; 300 << 10]).await;
    assert_eq!(node.body(key("/a")).await, None, "far too long");
    redis.ask::<()>(&["COPY", &name('h', key("/good")), &head, "REPLACE"]).await;
    redis.ask::<()>(&["COPY", &name('b', key("/good")), &body, "REPLACE"]).await;
    assert_eq!(node.body(key("/a")).await, None, "another key's");
    redis.ask::<()>(&["SETRANGE", &name('b', key("/good")), "0", "b"]).await;
    assert_eq!(node.body(key("/good")).await, None, "another body");
    assert_eq!(node.remote.counters().unusable.get(), 4, "each is counted");
    redis.ask::<()>(&["DEL", &head]).await;
    redis.ask::<()>(&["LPUSH", &head, "x"]).await;
    assert_eq!(node.body(key("/a")).await, None, "no string at all");
    assert_eq!(node.remote.counters().refused.get(), 1);
    assert!(node.remote.is_up(), "a wrong type is no fault of the link");
    node.store(key("/a"), "anew").await;
    assert_eq!(node.body(key("/a")).await.unwrap(), "anew", "it is written over");
}

#[tokio::test]
async fn who_does_not_know_the_secret_forges_nothing() {
    let redis = RedisServer::start().await;
    let with = |secret: &str| {
        let secret = Some(Secret::new(secret));
        Node::with(config::Redis { secret, ..config(&redis.url()) })
    };
    let (one, other, none) =
        (with("0123456789abcdef"), with("another-secret-x"), Node::at(&redis).await);
    one.until(&Event::Up).await;
    other.until(&Event::Up).await;
    one.store(key("/a"), "secret").await;
    assert_eq!(one.body(key("/a")).await.unwrap(), "secret");
    assert_eq!(other.body(key("/a")).await, None);
    assert_eq!(none.body(key("/a")).await, None);
}

#[tokio::test]
async fn what_is_too_long_stays_local() {
    let redis = RedisServer::start().await;
    let node = Node::with(config::Redis { max_object_size: 4, ..config(&redis.url()) });
    node.until(&Event::Up).await;
    node.remote.store(node.response(key("/long"), "12345"));
    node.store(key("/short"), "1234").await;
    let found: Vec<String> = redis.ask(&["KEYS", "larder:v1:[hb]:*"]).await;
    assert_eq!(found.len(), 2, "the short one alone: {found:?}");
    Node::at(&redis).await.store(key("/a"), "12345").await;
    assert_eq!(node.body(key("/a")).await, None, "nor does it read another's");
}

#[tokio::test]
async fn a_prefix_and_a_database_keep_caches_apart() {
    let redis = RedisServer::start().await;
    let node = Node::at(&redis).await;
    node.store(key("/a"), "mine").await;
    let prefix = "other".to_owned();
    let other = Node::with(config::Redis { prefix, ..config(&redis.url()) });
    let third = Node::with(config(&format!("{}/3", redis.url())));
    for stranger in [other, third] {
        stranger.until(&Event::Up).await;
        assert_eq!(stranger.body(key("/a")).await, None);
        stranger.store(key("/a"), "theirs").await;
        stranger.remote.purge(&[larder::store::redis::Member::AllHard]).await.unwrap();
    }
    assert_eq!(node.body(key("/a")).await.unwrap(), "mine");
    let keys: Vec<String> = redis.ask(&["KEYS", "*"]).await;
    let known = |it: &String| it.starts_with("larder:v1:") || it.starts_with("other:v1:");
    assert!(keys.iter().all(known), "{keys:?}");
}

#[tokio::test]
async fn a_unix_socket_a_user_and_tls_lead_there() {
    let redis = RedisServer::start().await;
    let acl = ["ACL", "SETUSER", "lard", "on", ">p@ss/1", "~larder:*", "+@all"];
    redis.ask::<()>(&acl).await;
    let socket = redis.socket();
    let encrypted = RedisServer::tls().await;
    let mut tls = config(&encrypted.url());
    tls.ca = Some(encrypted.root().to_owned());
    for config in [
        config(&format!("unix:{}", socket.display())),
        config(&format!("redis+unix://{}?user=lard&pass=p%40ss%2f1", socket.display())),
        config(&format!("redis://lard:p%40ss%2f1@{}", redis.address())),
        tls,
    ] {
        let node = Node::with(config);
        node.until(&Event::Up).await;
        node.store(key("/a"), "there").await;
        assert_eq!(node.body(key("/a")).await.unwrap(), "there");
    }
    let unknown = Node::with(config(&encrypted.url()));
    until("a handshake to be refused", || unknown.remote.counters().unmade.get() > 0).await;
    assert!(!unknown.remote.is_up(), "an authority that nobody trusts");
}

#[tokio::test]
async fn scripts_that_redis_has_forgotten_are_sent_again() {
    let redis = RedisServer::start().await;
    let node = Node::at(&redis).await;
    redis.ask::<()>(&["SCRIPT", "FLUSH"]).await;
    node.store(key("/a"), "a").await;
    assert_eq!(node.body(key("/a")).await.unwrap(), "a");
}
