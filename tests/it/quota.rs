//! An upstream's quota: a third party that counts, and what it says is heeded.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use larder::clock::Manual;
use parking_lot::Mutex;

use crate::support::{Origin, Proxy, Reply, get};

const CONFIG: &str = "upstream = \"api\"\n[upstreams.api]\nurl = \"{origin}\"\n\
                      quota = { rate = \"100/min\" }\ntimeouts = { first_byte = \"10m\" }";

#[tokio::test]
async fn a_third_party_never_has_to_say_no() {
    // It allows 100 in any minute, by the clock that all share, and keeps count.
    let clock = Arc::new(OnceLock::<larder::clock::Clock>::new());
    let times = Arc::new(Mutex::new(Vec::<i64>::new()));
    let (now, seen) = (clock.clone(), times.clone());
    let origin = Origin::serve(move |_| {
        let now = now.get().unwrap().now().mono.0;
        let mut seen = seen.lock();
        seen.push(now);
        let in_a_minute = seen.iter().filter(|time| **time > now - 60_000).count();
        if in_a_minute > 100 { Reply::status(429) } else { Reply::ok("x") }
    })
    .await;
    let (shared, manual): (_, Arc<Manual>) = origin.clock();
    clock.set(shared).unwrap();
    let proxy = Proxy::with(&origin, CONFIG).await;
    // Ten times the load: what 100 a minute would take ten minutes for comes at once.
    let mut clients = Vec::new();
    for n in 0..200 {
        clients.push(get(&proxy, &format!("/{n}")).sent().await);
    }
    for n in 1..=200 {
        origin.until_requests(n).await;
        if n < 200 {
            crate::support::within(
                "the next turn",
                manual.until_sleeping(Duration::from_millis(600)),
            )
            .await;
            manual.advance(Duration::from_millis(600));
        }
    }
    for client in &mut clients {
        assert_eq!(client.read().await.unwrap().status, 200, "no 429 from the third party");
    }
    let times = times.lock();
    assert!(times.windows(2).all(|pair| pair[1] - pair[0] >= 600), "evenly paced: {times:?}");
}

#[tokio::test]
async fn what_it_says_is_heeded_and_stale_serves_meanwhile() {
    let stale = "max-age=10, stale-if-error=600";
    let origin = Origin::serve(move |seen| match seen.number {
        1 | 3 => Reply::ok("x").header("Cache-Control", stale),
        _ => Reply::status(503).header("Retry-After", "120"),
    })
    .await;
    let config = CONFIG.replace("10m", "30s");
    let proxy = Proxy::with(&origin, &config).await;
    assert_eq!(get(&proxy, "/").await.status, 200);
    proxy.advance(20);
    assert_eq!(get(&proxy, "/").await.status, 200, "stale, as the API says 503");
    assert_eq!(origin.requests(), 2);
    for _ in 0..5 {
        let answer = get(&proxy, "/").await;
        assert_eq!((answer.status, answer.text()), (200, "x"));
        assert_eq!(answer.cache_status().detail.as_deref(), Some("stale-if-error"));
        let other = get(&proxy, "/other").await;
        assert_eq!((other.status, other.header("retry-after")), (503, Some("120")));
    }
    assert_eq!(origin.requests(), 2, "it is left alone");
    proxy.advance(120);
    assert_eq!(get(&proxy, "/").await.status, 200);
    assert_eq!(origin.requests(), 3, "for as long as it said");
}

#[tokio::test]
async fn a_pause_that_is_short_is_waited_for() {
    let origin = Origin::replies([
        Reply::status(429).header("RateLimit", "\"default\";r=0;t=5"),
        Reply::ok("x"),
    ])
    .await;
    let proxy = Proxy::with(&origin, CONFIG).await;
    assert_eq!(get(&proxy, "/").await.status, 429);
    let mut next = get(&proxy, "/").sent().await;
    proxy.let_it_wait(5).await;
    assert_eq!(next.read().await.unwrap().status, 200);
    assert_eq!(origin.requests(), 2);
}

/// A third party that allows 100 in any minute, by the clock that all share, and counts itself.
struct Counting {
    origin: Origin,
    manual: Arc<Manual>,
    refused: Arc<Mutex<usize>>,
}

impl Counting {
    /// One that has counted `used` requests already, just now.
    async fn start(used: usize) -> Counting {
        let clock = Arc::new(OnceLock::<larder::clock::Clock>::new());
        let refused = Arc::new(Mutex::new(0));
        let (now, noes, seen) = (clock.clone(), refused.clone(), Mutex::new(vec![0_i64; used]));
        let origin = Origin::serve(move |_| {
            let now = now.get().unwrap().now().mono.0;
            let mut seen = seen.lock();
            seen.retain(|time| *time > now - 60_000);
            seen.push(now);
            if seen.len() <= 100 {
                return Reply::ok("x");
            }
            seen.pop();
            *noes.lock() += 1;
            Reply::status(429)
        })
        .await;
        let (shared, manual) = origin.clock();
        clock.set(shared).unwrap();
        Counting { origin, manual, refused }
    }

    async fn next_turn(&self) {
        let turn = Duration::from_millis(600);
        crate::support::within("the next turn", self.manual.until_sleeping(turn)).await;
        self.manual.advance(turn);
    }
}

#[tokio::test]
async fn ten_times_the_load_for_minutes_brings_no_no() {
    const STEPS: usize = 300;
    let third = Counting::start(0).await;
    let proxy = Proxy::with(&third.origin, &CONFIG.replace("10m", "5s")).await;
    let (mut waiting, mut answers) = (std::collections::VecDeque::new(), [0, 0]);
    for step in 1..=STEPS {
        for n in 0..10 {
            waiting.push_back(get(&proxy, &format!("/{step}/{n}")).sent().await);
        }
        third.origin.until_requests(step).await;
        third.next_turn().await;
        // Nobody waits for longer than 5 s.
        while waiting.len() > 100 {
            let answer = waiting.pop_front().unwrap().read().await.unwrap();
            match answer.status {
                200 => answers[0] += 1,
                503 => {
                    let after = answer.header("retry-after").unwrap().parse::<u64>().unwrap();
                    assert!((1..=60).contains(&after), "when the line is over: {after}");
                    answers[1] += 1;
                }
                other => panic!("{other}: the third party's no reached a client"),
            }
        }
    }
    assert_eq!(*third.refused.lock(), 0, "it never had to say no");
    assert_eq!(third.origin.requests(), STEPS, "and no turn of three minutes was left out");
    assert!(answers[0] >= STEPS - 20 && answers[1] > 0, "{answers:?}");
}

#[tokio::test]
async fn a_window_that_was_used_up_before_is_waited_for_and_not_hammered() {
    let third = Counting::start(100).await;
    let proxy = Proxy::with(&third.origin, &CONFIG.replace("10m", "5s")).await;
    let mut served = 0;
    // A request every 200 ms; it says no for the first minute, and not for how long.
    for n in 0..450 {
        let mut client = get(&proxy, &format!("/{n}")).sent().await;
        proxy.settle().await;
        third.manual.advance(Duration::from_millis(200));
        if n % 100 == 99 {
            proxy.advance(5);
            served += usize::from(client.read().await.unwrap().status == 200);
        }
    }
    let refused = *third.refused.lock();
    assert!((1..=7).contains(&refused), "after 1, 2, 4, 8 … seconds: {refused} times");
    assert!(served > 0, "and then it serves again");
}

#[tokio::test]
async fn a_pause_that_is_told_is_kept_whatever_a_reload_changes() {
    let origin = Origin::serve(|seen| match seen.number {
        1 => Reply::status(429).header("Retry-After", "120"),
        _ => Reply::ok("x"),
    })
    .await;
    let proxy = Proxy::with(&origin, &CONFIG.replace("10m", "5s")).await;
    assert_eq!(get(&proxy, "/").await.status, 429);
    for other in ["7s", "5s\" }\nmax_concurrent = 9 #"] {
        proxy.reload(&CONFIG.replace("10m\" }", &format!("{other}\" }}")));
        let refused = get(&proxy, "/").await;
        assert_eq!((refused.status, refused.header("retry-after")), (503, Some("120")), "{other}");
    }
    proxy.reload(&CONFIG.replace("10m", "5s").replace("100/min", "50/min"));
    assert_eq!(get(&proxy, "/").await.status, 503, "the pace is ours, the pause is its");
    assert_eq!(origin.requests(), 1);
    proxy.advance(120);
    assert_eq!(get(&proxy, "/").await.status, 200);
}

#[tokio::test]
async fn the_pace_is_kept_across_a_reload() {
    let origin = Origin::always(Reply::ok("x")).await;
    let proxy = Proxy::with(&origin, CONFIG).await;
    assert_eq!(get(&proxy, "/").await.status, 200);
    let mut before = get(&proxy, "/").sent().await;
    proxy.settle().await;
    proxy.reload(&CONFIG.replace("10m", "9m"));
    let mut after = get(&proxy, "/").sent().await;
    proxy.settle().await;
    let (_, manual) = origin.clock();
    for (n, client) in [(2, &mut before), (3, &mut after)] {
        assert_eq!(origin.requests(), n - 1, "both wait in one line");
        let turn = Duration::from_millis(600);
        crate::support::within("the next turn", manual.until_sleeping(turn)).await;
        manual.advance(turn);
        assert_eq!(client.read().await.unwrap().status, 200);
    }
}

#[tokio::test]
async fn its_headers_are_left_alone_where_the_operator_says_so() {
    let origin = Origin::always(Reply::status(429).header("Retry-After", "120")).await;
    let config = CONFIG.replace("\"100/min\"", "\"100/min\", follow_headers = false");
    let proxy = Proxy::with(&origin, &config).await;
    assert_eq!(get(&proxy, "/").await.status, 429);
    proxy.advance(1);
    assert_eq!(get(&proxy, "/").await.status, 429, "it is asked again, at its rate");
    assert_eq!(origin.requests(), 2);
}
