//! Every decision says why: the same word in Cache-Status (RFC 9211 §2.8) and in the access log.

pub(crate) mod cases;

use serde_json::Value;

use self::cases::{Asked, Case, ELSEWHERE, HALF, MISSED, PARTS, REQUESTS, VARIANTS, ranged};
use crate::support::{Ask, Gate, Origin, Proxy, Reply, get, send, within};

/// A proxy with an access log, and that log's lines once the proxy has ended.
struct Logged {
    proxy: Proxy,
    directory: tempfile::TempDir,
}

impl Logged {
    async fn before(origin: &Origin, config: &str) -> Logged {
        let directory = tempfile::tempdir().unwrap();
        let log = directory.path().join("access.log");
        let config = format!("{config}\n[log]\naccess = \"{}\"", log.display());
        Logged { proxy: Proxy::with(origin, &config).await, directory }
    }

    /// The lines, once there are as many: a refresh may hold the log longer than the drain lasts.
    async fn lines(self, requests: usize) -> Vec<Value> {
        self.proxy.drain().await;
        let log = self.directory.path().join("access.log");
        let text = within("a line a request", async {
            loop {
                let text = std::fs::read_to_string(&log).unwrap();
                if text.matches('\n').count() >= requests {
                    return text;
                }
                tokio::task::yield_now().await;
            }
        });
        text.await.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect()
    }
}

/// `cache`, `reason`, `miss`, and `field`.
fn told(line: &Value) -> [&str; 4] {
    ["cache", "reason", "miss", "field"].map(|key| line[key].as_str().unwrap_or_default())
}

pub(crate) fn ask(proxy: &Proxy, (method, path, fields, body): Asked) -> Ask {
    let ask = send(proxy, method, path);
    let ask = fields.iter().fold(ask, |ask, (name, value)| ask.header(name, value));
    if body.is_empty() { ask } else { ask.body(body) }
}

async fn check(cases: &[Case]) {
    for case in cases {
        let why = format!("{}: {:?}", case.why, case.asked);
        let origin = Origin::serve(case.origin).await;
        let logged = Logged::before(&origin, case.config).await;
        for (asked, seconds) in case.before {
            ask(&logged.proxy, *asked).await;
            logged.proxy.advance(*seconds);
        }
        let answer = ask(&logged.proxy, case.asked).await;
        assert_eq!(answer.header("cache-status"), Some(case.told), "{why}");
        let lines = logged.lines(case.before.len() + 1).await;
        let last = lines.last().expect("a line a request");
        assert_eq!(told(last), case.logged, "{why}");
    }
}

#[tokio::test]
async fn a_miss_says_why_nothing_was_found() {
    check(MISSED).await;
}

#[tokio::test]
async fn a_miss_of_a_variant_says_by_which_field() {
    check(VARIANTS).await;
}

#[tokio::test]
async fn parts_say_what_became_of_them() {
    check(PARTS).await;
}

#[tokio::test]
async fn what_is_not_stored_says_why_not() {
    check(&cases::responses()).await;
    check(REQUESTS).await;
}

#[tokio::test]
async fn what_the_cache_has_no_part_in_says_why_not() {
    check(ELSEWHERE).await;
}

#[tokio::test]
async fn the_log_has_the_last_word_on_a_body_that_was_to_be_stored() {
    let torn = || Reply::fresh(60, "first").body("second").chunked().torn_after(8);
    let large = || Reply::fresh(60, "first").body("x".repeat(1024)).chunked();
    for (reply, reason, is_torn) in [(torn(), "incomplete", true), (large(), "too-large", false)] {
        let origin = Origin::always(reply).await;
        let logged = Logged::before(&origin, "[cache]\nmax_object_size = \"1KiB\"").await;
        let answer = get(&logged.proxy, "/").result().await;
        let answer = answer.unwrap_or_else(|broken| *broken.so_far);
        assert!(answer.cache_status().stored, "that is what was known when its head was sent");
        let lines = logged.lines(1).await;
        assert_eq!(told(&lines[0]), ["uri-miss", reason, "cold", ""]);
        assert_eq!(lines[0]["torn"].as_bool().unwrap_or_default(), is_torn, "{reason}");
    }
}

#[tokio::test]
async fn a_field_that_differs_is_one_of_a_variant_that_is_still_there() {
    let reply = Reply::fresh(60, "x").header("Vary", "Accept, Accept-Language");
    let origin = Origin::always(reply).await;
    let proxy = Proxy::before(&origin).await;
    let ask = async |accept: &str, language: &str| {
        get(&proxy, "/").header("Accept", accept).header("Accept-Language", language).await
    };
    for n in 0..40 {
        ask("a/a", &format!("x-{n}")).await;
    }
    let other = ask("b/b", "x-0").await.cache_status();
    assert_eq!(other.detail(), "variant:accept", "x-0 has left, and all that are left say a/a");
    let same = ask("a/a", "x-0").await.cache_status();
    assert_eq!(same.detail(), "variant:accept", "of several as near, the newest: b/b, x-0");
}

#[tokio::test]
async fn who_follows_a_combined_fetch_is_told_the_origin_s_status() {
    let gate = Gate::new();
    let held = gate.clone();
    let origin = Origin::serve(move |seen| match seen.number {
        1 => ranged(&seen),
        _ => ranged(&seen).held(&held),
    })
    .await;
    let proxy = Proxy::before(&origin).await;
    ask(&proxy, HALF).await;
    let mut first = get(&proxy, "/").sent().await;
    gate.until_arrived(1).await;
    let mut second = get(&proxy, "/").sent().await;
    proxy.settle().await;
    gate.open();
    for (client, collapsed) in [(&mut first, false), (&mut second, true)] {
        let answer = client.read().await.unwrap();
        assert_eq!((answer.status, answer.text()), (200, "0123456789"));
        let status = answer.cache_status();
        assert_eq!((status.fwd_status, status.collapsed), (Some(206), collapsed), "§2.3");
    }
    assert_eq!(origin.requests(), 2, "the second follows");
}

#[tokio::test]
async fn who_is_alone_gets_an_answer_although_there_is_no_room_for_the_whole() {
    let gate = Gate::new();
    let held = gate.clone();
    let origin = Origin::serve(move |seen| match seen.target.as_str() {
        "/long" => Reply::fresh(60, "x").gate(&held).body("y".repeat((1 << 20) - 1)),
        _ => ranged(&seen),
    })
    .await;
    let config = "[cache]\nmax_object_size = \"1MiB\"\ncollapse = \"off\"\n\
                  [cache.memory]\nmax_in_flight = \"1MiB\"";
    let logged = Logged::before(&origin, config).await;
    ask(&logged.proxy, HALF).await;
    let mut long = get(&logged.proxy, "/long").arriving().await;
    long.body(1).await;
    let whole = get(&logged.proxy, "/").await;
    assert_eq!((whole.status, whole.text()), (200, "0123456789"), "no 502");
    let status = whole.cache_status();
    assert_eq!((status.fwd(), status.detail()), ("partial", "no-room"));
    assert_eq!(origin.last().header("range"), None, "asked for anew");
    gate.open();
    long.end().await.unwrap();
    let lines = logged.lines(3).await;
    let whole = lines.iter().find(|line| line["reason"] == "no-room").expect("its line");
    assert_eq!(told(whole), ["partial", "no-room", "part-only", ""]);
}
