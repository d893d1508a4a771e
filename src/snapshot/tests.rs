//! Which routes find again what was stored before a reload.

use std::{collections::BTreeSet, time::Duration};

use super::{Snapshot, unreached};
use crate::{clock::Clock, config};

const ROUTE: &str = "[[routes]]\nname = \"r\"\nmatch.path = \"/r\"\n";

fn snapshot(text: &str, previous: Option<&Snapshot>) -> Snapshot {
    snapshot_at(text, previous, &Clock::manual(0).0)
}

fn snapshot_at(text: &str, previous: Option<&Snapshot>, clock: &Clock) -> Snapshot {
    let text = format!("listen = \"127.0.0.1:0\"\nupstream = \"http://a\"\n{text}");
    let config = config::parse("p", &text, &|_| None).expect("a configuration");
    Snapshot::build(&config, previous, clock).expect("a snapshot")
}

fn generation(snapshot: &Snapshot, name: &str) -> Option<u64> {
    snapshot.routes.iter().find(|it| it.name == name).map(|it| it.generation)
}

#[test]
fn equal_configurations_have_equal_generations() {
    let text = format!("{ROUTE}[routes.cache]\nauthorization = \"isolate\"\n");
    let (one, other) = (snapshot(&text, None), snapshot(&text, None));
    assert_eq!(generation(&one, "r"), generation(&other, "r"), "nothing of a process is in it");
    assert_eq!(
        generation(&one, "r"),
        Some(286_222_298_881_214_612),
        "nor of a machine, nor of a build"
    );
    let fresher = snapshot(&format!("{text}ttl = \"5s\"\n"), Some(&one));
    assert_eq!(generation(&fresher, "r"), generation(&one, "r"), "freshness is not sharing");
    assert_eq!(generation(&fresher, "default"), generation(&one, "default"));
}

#[test]
fn every_rule_of_sharing_tells_generations_apart() {
    let rules = [
        "",
        "authorization = \"isolate\"",
        "authorization = \"bypass\"",
        "cookies = \"ignore\"",
        "set_cookie = \"rfc\"",
        "set_cookie = \"strip\"",
        "key.headers = [\"X-A\"]",
        "key.headers = [\"X-A\", \"X-B\"]",
        "key.cookies = [\"X-A\"]",
        "bypass_when = [\"header:X-A\"]",
        "bypass_when = [\"header:X-A=1\"]",
        "bypass_when = [\"cookie:X-A\"]",
        "bypass_when = [\"query:X-A\"]",
        "no_store_when = [\"header:X-A\"]",
        "no_store_when = [\"response:X-A\"]",
        "no_store_when = [\"status:404\"]",
        "no_store_when = [\"status:4xx\"]",
    ];
    let first = snapshot(ROUTE, None);
    let mut seen: BTreeSet<Option<u64>> = BTreeSet::new();
    for rule in rules {
        let text = format!("{ROUTE}[routes.cache]\n{rule}\n");
        assert!(
            seen.insert(generation(&snapshot(&text, None), "r")),
            "{rule} is a rule of its own"
        );
        let reloaded = snapshot(&text, Some(&first));
        let kept = generation(&reloaded, "r") == generation(&first, "r");
        assert_eq!(kept, rule.is_empty(), "{rule}: after a reload");
        assert_eq!(generation(&reloaded, "default"), generation(&first, "default"), "{rule}");
    }
}

#[test]
fn what_was_away_is_told_of_when_it_comes_back() {
    let isolated = format!("{ROUTE}[routes.cache]\nauthorization = \"isolate\"\n");
    let elsewhere = ROUTE.replace("/r", "/elsewhere");
    for between in ["", &isolated, &elsewhere] {
        let before = snapshot(ROUTE, None);
        let meanwhile = snapshot(between, Some(&before));
        let after = snapshot(ROUTE, Some(&meanwhile));
        assert_eq!(generation(&after, "r"), generation(&before, "r"), "as on every other node");
        let own = Vec::from_iter(generation(&after, "r"));
        assert_eq!(unreached(&meanwhile, &after), own, "{between}");
        let again = snapshot(ROUTE, Some(&after));
        assert!(unreached(&after, &again).is_empty(), "it stayed");
    }
}

#[test]
fn what_nobody_had_before_is_not_told_of() {
    let before = snapshot("", None);
    let grown = snapshot(ROUTE, Some(&before));
    assert!(unreached(&before, &grown).is_empty(), "nothing is stored by it");
    const REDIS: &str = "[cache.redis]\nurl = \"redis://r\"\n";
    let before = snapshot(REDIS, None);
    let grown = snapshot(&format!("{REDIS}{ROUTE}"), Some(&before));
    let taken_in = unreached(&before, &grown);
    assert_eq!(taken_in, Vec::from_iter(generation(&grown, "r")), "another node may have it");
}

#[test]
fn other_rules_for_urls_are_told_of() {
    let rules = [
        "cache.key.query.include = [\"a\"]",
        "cache.key.query.exclude = [\"a\"]",
        "cache.key.query.sort = true",
        "shape.fields = \"a\"",
        "shape.filter = [\"a\"]",
        "shape.page = \"offset_limit\"",
        "shape.page = \"page_per_page\"",
    ];
    let first = snapshot(ROUTE, None);
    for rule in rules {
        let next = snapshot(&format!("{ROUTE}{rule}\n"), Some(&first));
        let own = Vec::from_iter(generation(&first, "r"));
        assert_eq!(unreached(&first, &next), own, "{rule}");
        assert_eq!(unreached(&next, &first), own, "{rule}, and back");
    }
    let offered = |more| snapshot(&format!("{ROUTE}shape = {{ fields = 'a'{more} }}\n"), None);
    let (one, other) = (offered(""), offered(", max_size = '1MiB'"));
    assert!(unreached(&one, &other).is_empty(), "the keys are the same");
}

#[test]
fn whom_to_believe_is_told_of_since_the_scheme_is_part_of_every_key() {
    for who in ["trusted_proxies = [\"10.0.0.0/8\"]\n", "proxy_protocol = [\"10.0.0.0/8\"]\n"] {
        let one = snapshot(ROUTE, None);
        let other = snapshot(&format!("{who}{ROUTE}"), Some(&one));
        assert_eq!(unreached(&one, &other).len(), 2, "both routes: {who}");
        assert_eq!(unreached(&other, &one).len(), 2, "{who}, and back");
    }
}

#[test]
fn other_nodes_may_have_the_last_routes_that_left_for_an_hour() {
    const REDIS: &str = "[cache.redis]\nurl = \"redis://r\"\n";
    let (clock, manual) = Clock::manual(0);
    let with = |n: usize| format!("{REDIS}{ROUTE}cache.bypass_when = [\"query:{n}\"]\n");
    let known = |of: &Snapshot| of.keyings(("a", "/r"), clock.mono()).count();
    let mut last = snapshot_at(&with(0), None, &clock);
    assert_eq!(known(&last), 2, "this one, and the one at the top");
    for n in 1..40 {
        last = snapshot_at(&with(n), Some(&last), &clock);
        assert_eq!(known(&last), 2 + n.min(16), "the newest 16");
    }
    let back = snapshot_at(&with(38), Some(&last), &clock);
    assert_eq!(known(&back), 2 + 16, "what is back has not left");
    assert_eq!(back.keyings(("a", "/else"), clock.mono()).count(), 1, "what they matched");
    manual.advance(Duration::from_secs(3600));
    assert_eq!(known(&back), 2, "they have all been reloaded by then");
    let gone = snapshot("", Some(&snapshot(ROUTE, None)));
    assert_eq!(gone.keyings(("a", "/r"), clock.mono()).count(), 1, "no other nodes");
}
