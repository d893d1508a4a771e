//! `larder demo`: the sample API, and the proxy before it.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use larder::{
    clock::{Clock, Manual},
    demo::Demo,
};

use crate::support::{NOON, get, send, within};

async fn start() -> (Demo, Arc<Manual>) {
    let (clock, manual) = Clock::manual(NOON);
    let anywhere = SocketAddr::from(([127, 0, 0, 1], 0));
    let demo = within("the demo's start", Demo::start(anywhere, clock)).await.unwrap();
    (demo, manual)
}

fn parsed(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[tokio::test]
async fn every_resource_is_good_json() {
    let (demo, _) = start().await;
    for path in ["/", "/users", "/users/1", "/users/36", "/orders", "/time", "/flaky"] {
        let answer = get(&demo.api(), path).await;
        assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
        parsed(answer.text());
    }
    let users = parsed(get(&demo.api(), "/users").await.text());
    assert_eq!((users.as_array().unwrap().len(), &users[6]["id"]), (36, &7.into()));
    assert_eq!(parsed(get(&demo.api(), "/users/7").await.text()), users[6]);
}

#[tokio::test]
async fn what_is_not_there_is_404_and_nothing_can_be_changed() {
    let (demo, _) = start().await;
    for path in ["/users/0", "/users/37", "/users/x", "/user"] {
        let answer = get(&demo.api(), path).await;
        assert_eq!((answer.status, &parsed(answer.text())["error"]), (404, &"not found".into()));
    }
    let refused = send(&demo.api(), "POST", "/orders").body("{}").await;
    assert_eq!((refused.status, refused.header("allow")), (405, Some("GET, HEAD")));
}

#[tokio::test]
async fn a_user_comes_from_memory_for_ten_seconds_and_is_then_validated() {
    let (demo, manual) = start().await;
    assert!(get(&demo.proxy(), "/users/7").await.cache_status().stored);
    manual.advance(Duration::from_secs(4));
    let hit = get(&demo.proxy(), "/users/7").await;
    assert_eq!((hit.cache_status().ttl, hit.age()), (Some(6), Some(4)));
    manual.advance(Duration::from_secs(6));
    assert_eq!(get(&demo.proxy(), "/users/7").await.cache_status().fwd_status, Some(304));
}

#[tokio::test]
async fn orders_are_validated_by_their_date() {
    let (demo, _) = start().await;
    let first = get(&demo.proxy(), "/orders").await;
    let second = get(&demo.proxy(), "/orders").await;
    assert_eq!((second.status, second.cache_status().fwd_status), (200, Some(304)));
    assert_eq!(first.body, second.body);
}

#[tokio::test]
async fn the_time_is_never_stored() {
    let (demo, manual) = start().await;
    for n in 0..2 {
        let answer = get(&demo.proxy(), "/time").await;
        assert_eq!(parsed(answer.text())["unix"], NOON / 1000 + n);
        assert_eq!(answer.cache_status().detail(), "no-store");
        manual.advance(Duration::from_secs(1));
    }
}

#[tokio::test]
async fn an_event_comes_every_second() {
    let (demo, manual) = start().await;
    let mut events = get(&demo.proxy(), "/events").arriving().await;
    assert_eq!(events.so_far().header("content-type"), Some("text/event-stream"));
    let first = String::from_utf8_lossy(events.body(10).await).into_owned();
    assert!(first.starts_with("data: {\"tick\": 1,") && first.ends_with("\n\n"), "{first}");
    within("the pause", manual.until_sleeping(Duration::from_secs(1))).await;
    manual.advance(Duration::from_secs(1));
    let both = String::from_utf8_lossy(events.body(first.len() + 10).await).into_owned();
    assert!(both[first.len()..].starts_with("data: {\"tick\": 2,"), "{both}");
}

#[tokio::test]
async fn five_clients_of_the_slow_resource_share_one_request() {
    let (demo, manual) = start().await;
    let mut clients = Vec::new();
    for _ in 0..5 {
        clients.push(get(&demo.proxy(), "/slow").sent().await);
    }
    within("the slow second", manual.until_sleeping(Duration::from_secs(1))).await;
    manual.advance(Duration::from_secs(1));
    for mut client in clients {
        assert_eq!(parsed(client.read().await.unwrap().text())["request"], 1);
    }
}

#[tokio::test]
async fn no_client_sees_the_flaky_resource_fail() {
    let (demo, manual) = start().await;
    let mut covered = 0;
    for _ in 0..9 {
        let answer = get(&demo.proxy(), "/flaky").await;
        assert_eq!(answer.status, 200);
        covered += usize::from(answer.cache_status().detail() == "stale-if-error");
        manual.advance(Duration::from_secs(2));
    }
    assert_eq!(covered, 3, "it failed every third time");
}

#[tokio::test]
async fn the_introduction_names_the_addresses_and_six_things_to_try() {
    let (demo, _) = start().await;
    let text = demo.introduction();
    let proxy = format!("http://{}", demo.proxy());
    assert!(text.contains(&proxy) && text.contains(&format!("http://{}", demo.api())), "{text}");
    assert_eq!(text.matches("    for i in").count() + text.matches("    curl -i").count(), 6);
    assert!(text.lines().all(|line| line.len() < 100), "it fits a terminal:\n{text}");
    assert!(text.lines().all(|line| line.trim_end() == line), "nothing hangs over:\n{text}");
}

#[tokio::test]
async fn the_shapes_and_the_batch_that_it_names_are_there() {
    let (demo, _) = start().await;
    let page = get(&demo.proxy(), "/users?fields=id,city&page=2&per_page=3").await;
    let cities = [(4, "Riga"), (5, "Izmir"), (6, "Lyon")];
    let expected = cities.map(|(id, city)| serde_json::json!({ "id": id, "city": city }));
    assert_eq!(parsed(page.text()), serde_json::json!(expected));
    assert_eq!(page.header("x-total-count"), Some("36"));
    let batch = send(&demo.proxy(), "POST", "/_batch").header("Content-Type", "application/json");
    let batch = batch.body("[\"/users/7\", \"/users/8?fields=city\", \"/orders\"]").await;
    let answers = parsed(batch.text());
    assert_eq!(answers[0]["body"]["city"], "Lagos");
    assert_eq!(answers[1]["body"], serde_json::json!({ "city": "Turku" }));
    assert_eq!(answers[2]["status"], 200);
}

#[tokio::test]
async fn it_ends_when_nothing_is_under_way() {
    let (demo, _) = start().await;
    get(&demo.proxy(), "/users").await;
    within("the demo's end", demo.end()).await;
}
