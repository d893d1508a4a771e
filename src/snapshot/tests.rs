//! Which routes find again what was stored before a reload.

use std::collections::BTreeSet;

use super::Snapshot;
use crate::{clock::Clock, config};

const ROUTE: &str = "[[routes]]\nname = \"r\"\nmatch.path = \"/r\"\n";

fn snapshot(text: &str, previous: Option<&Snapshot>) -> Snapshot {
    let text = format!("listen = \"127.0.0.1:0\"\nupstream = \"http://a\"\n{text}");
    let config = config::parse("p", &text, &|_| None).expect("a configuration");
    Snapshot::build(&config, previous, &Clock::manual(0).0).expect("a snapshot")
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
        Some(12_910_324_753_682_366_232),
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
fn what_was_away_finds_nothing_of_what_it_had() {
    let isolated = format!("{ROUTE}[routes.cache]\nauthorization = \"isolate\"\n");
    let elsewhere = ROUTE.replace("/r", "/elsewhere");
    for between in ["", &isolated, &elsewhere] {
        let before = snapshot(ROUTE, None);
        let meanwhile = snapshot(between, Some(&before));
        let after = snapshot(ROUTE, Some(&meanwhile));
        assert_ne!(
            generation(&after, "r"),
            generation(&before, "r"),
            "it missed what became invalid meanwhile: {between}"
        );
        let again = snapshot(between, Some(&after));
        assert_ne!(generation(&snapshot(ROUTE, Some(&again)), "r"), generation(&after, "r"));
    }
}

#[test]
fn who_only_got_more_routes_agrees_with_who_began_with_them() {
    let grown = snapshot(ROUTE, Some(&snapshot("", None)));
    assert_eq!(generation(&grown, "r"), generation(&snapshot(ROUTE, None), "r"));
}
