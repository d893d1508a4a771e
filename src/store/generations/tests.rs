//! The table's promises, against a list of everything that ever happened.

use proptest::{collection::vec, proptest};

use super::{
    super::name::{Known, Origin},
    *,
};

const ORIGIN: Origin<'static> = Origin { scheme: "http", authority: "api.test" };
const AT: Mono = Mono(7);

/// What is known of a response that bears no tag.
const UNTAGGED: Known<'static> = Known {
    generation: 0,
    origin: ORIGIN,
    host: None,
    path: "/p",
    query: None,
    tags: &[],
    groups: &[],
};

fn tag(of: &str) -> Name {
    Name::tag(ORIGIN, of)
}

fn hard(generations: &Generations, tags: &[&str]) {
    purge(generations, tags, Manner::Hard, AT);
}

fn purge(generations: &Generations, tags: &[&str], manner: Manner, at: Mono) {
    let scope = Scope::Tags(tags.iter().map(|it| tag(it)).collect());
    generations.purge(&scope, manner, at, None);
}

/// What begins now and bears these tags.
fn born(generations: &Generations, tags: &[&str]) -> Named {
    let tags: Vec<String> = tags.iter().map(ToString::to_string).collect();
    Named::new(generations.now(), Known { tags: &tags, ..UNTAGGED })
}

fn is_current(generations: &Generations, named: &Named) -> bool {
    generations.standing(named) == Standing::Current
}

#[test]
fn what_began_before_is_purged_and_what_begins_after_is_not() {
    let generations = Generations::new();
    let before = born(&generations, &["a", "b"]);
    let other = born(&generations, &["c"]);
    let tagless = born(&generations, &[]);
    assert!(is_current(&generations, &before), "nothing was ever purged");
    hard(&generations, &["b"]);
    let after = born(&generations, &["b"]);
    assert_eq!(generations.standing(&before), Standing::Gone, "one of its tags is enough");
    assert!(is_current(&generations, &other), "another tag");
    assert!(is_current(&generations, &tagless), "no tag at all");
    assert!(is_current(&generations, &after), "it began later");
    hard(&generations, &["c", "b", "b"]);
    assert!(!is_current(&generations, &after), "purged again");
    assert!(!is_current(&generations, &other));
    generations.purge(&Scope::All, Manner::Hard, AT, None);
    assert_eq!(generations.standing(&tagless), Standing::Gone, "everything is everything");
    assert!(is_current(&generations, &born(&generations, &[])));
}

#[test]
fn a_url_a_prefix_and_a_tag_of_any_host_are_names_too() {
    let scopes = [
        Scope::Urls(vec![Name::url(ORIGIN, "/p", None)]),
        Scope::Prefixes(vec![Name::prefix(ORIGIN, "/")]),
        Scope::Prefixes(vec![Name::prefix(ORIGIN, "/p/")]),
        Scope::Tags(vec![Name::tag_anywhere("t")]),
    ];
    for scope in scopes {
        let generations = Generations::new();
        let named = born(&generations, &["t"]);
        generations.purge(&scope, Manner::Hard, AT, None);
        assert_eq!(generations.standing(&named), Standing::Gone, "{scope:?}");
    }
}

#[test]
fn softly_purged_is_stale_since_the_first_purge_after_it_began() {
    let generations = Generations::new();
    let first = born(&generations, &["a"]);
    purge(&generations, &["a"], Manner::Soft, Mono(10));
    let second = born(&generations, &["a"]);
    purge(&generations, &["a"], Manner::Soft, Mono(20));
    assert_eq!(generations.standing(&first), Standing::Stale(Mono(10)), "not since the last one");
    assert_eq!(generations.standing(&second), Standing::Stale(Mono(20)));
    for at in 3..100 {
        purge(&generations, &["a"], Manner::Soft, Mono(at * 10));
    }
    let Standing::Stale(since) = generations.standing(&second) else { panic!("it is stale") };
    assert!(since <= Mono(20), "a further purge never makes it less stale: {since:?}");
    hard(&generations, &["a"]);
    assert_eq!(generations.standing(&second), Standing::Gone, "the hard one has the last word");
    assert!(is_current(&generations, &born(&generations, &["a"])));
}

#[test]
fn a_purge_of_the_cluster_reaches_what_another_node_fetched_before_it() {
    let generations = Generations::new();
    generations.purge(&Scope::All, Manner::Hard, AT, Some(5));
    assert_eq!(generations.now(), Moment { local: 1, global: 5 });
    let older = Named::new(Moment { local: 0, global: 4 }, UNTAGGED);
    let newer = Named::new(Moment { local: 0, global: 5 }, UNTAGGED);
    generations.purge(&Scope::Tags(vec![tag("x")]), Manner::Hard, AT, None);
    assert_eq!(generations.standing(&older), Standing::Gone);
    assert_eq!(generations.now(), Moment { local: 2, global: 5 }, "a local one has no place there");
    assert_eq!(generations.standing(&newer), Standing::Gone, "the local order tells, too");
}

#[test]
fn what_another_node_fetched_is_compared_in_the_clusters_order() {
    let generations = Generations::new();
    let afar = |global| Named::new(Moment { local: 0, global }, UNTAGGED);
    let url = Scope::Urls(vec![Name::url(ORIGIN, "/p", None)]);
    generations.purge(&url, Manner::Hard, AT, None);
    assert_eq!(generations.standing_afar(&afar(4)), Standing::Current, "it has no place there yet");
    let here = Named::new(generations.now(), UNTAGGED);
    generations.confirm(&url, Manner::Hard, 5);
    assert_eq!(generations.standing_afar(&afar(4)), Standing::Gone);
    assert_eq!(generations.standing_afar(&afar(5)), Standing::Current);
    assert_eq!(generations.standing(&here), Standing::Current, "it is not purged a second time");
    generations.purge(&url, Manner::Soft, AT, Some(7));
    assert_eq!(generations.standing_afar(&afar(6)), Standing::Stale(AT));
}

#[test]
fn what_began_before_a_silence_is_doubted_and_what_came_later_is_not() {
    let generations = Generations::new();
    let before = born(&generations, &["x"]);
    let mark = generations.mark();
    assert!(generations.is_empty(), "a mark alone costs a hit nothing");
    let after = born(&generations, &["x"]);
    assert!(is_current(&generations, &before), "a short silence does not matter");
    generations.doubt(mark, AT);
    assert_eq!(generations.standing(&before), Standing::Doubted(AT));
    assert!(is_current(&generations, &after));
    assert_eq!(generations.purges(), 0, "that was no purge");
    hard(&generations, &["x"]);
    assert_eq!(generations.standing(&before), Standing::Gone, "a purge outweighs a doubt");
}

#[test]
fn the_oldest_name_folds_into_everything() {
    for (manner, expected) in [(Manner::Hard, Standing::Gone), (Manner::Soft, Standing::Stale(AT))]
    {
        let generations = Generations::of_at_most(2);
        let old = born(&generations, &["x"]);
        purge(&generations, &["a"], manner, AT);
        let between = born(&generations, &["x"]);
        hard(&generations, &["b"]);
        hard(&generations, &["b"]);
        assert!(is_current(&generations, &old), "two names have room");
        hard(&generations, &["c"]);
        assert_eq!(generations.standing(&old), expected, "`a` has left, and might have been its");
        assert!(is_current(&generations, &between), "it began after `a` was purged");
    }
}

#[test]
fn the_table_stays_within_its_bound() {
    let generations = Generations::of_at_most(8);
    for n in 0..10_000 {
        let manner = if n % 3 == 0 { Manner::Hard } else { Manner::Soft };
        purge(&generations, &[&format!("{}", n % 11), "again"], manner, AT);
        let table = generations.table.read();
        assert!(table.of.len() <= 8 && table.order.len() <= 18, "{n}: {table:?}");
    }
}

#[test]
fn a_purge_costs_the_same_however_many_bear_the_name() {
    let counts = [10, 10_000].map(|bearers| {
        let generations = Generations::new();
        let born: Vec<Named> = (0..bearers).map(|_| born(&generations, &["t"])).collect();
        hard(&generations, &["t"]);
        assert!(born.iter().all(|it| !is_current(&generations, it)), "all of them are gone");
        let table = generations.table.read();
        (table.of.len(), table.order.len())
    });
    assert_eq!(counts, [(1, 1); 2], "one name was written, and nothing else was touched");
}

#[test]
fn one_with_too_many_tags_is_purged_by_any() {
    let generations = Generations::new();
    let tags: Vec<String> = (0..65).map(|n| n.to_string()).collect();
    let tags: Vec<&str> = tags.iter().map(String::as_str).collect();
    let (most, more) = (born(&generations, &tags[..64]), born(&generations, &tags));
    let elsewhere = Scope::Urls(vec![Name::url(ORIGIN, "/other", None)]);
    generations.purge(&elsewhere, Manner::Hard, AT, None);
    assert!(is_current(&generations, &more), "a URL is no tag");
    hard(&generations, &["another"]);
    assert!(is_current(&generations, &most), "64 are told apart");
    assert!(!is_current(&generations, &more), "65 are not");
}

proptest! {
    /// Never a miss, and no excess while the table has room.
    #[test]
    fn it_is_the_list_of_all_purges(
        steps in vec((0_u8..4, 0_u8..6), 1..60),
        max_names in 1_usize..8,
    ) {
        let generations = Generations::of_at_most(max_names);
        let mut log: Vec<(u8, Manner, Mono)> = Vec::new();
        let mut born: Vec<(usize, u8, Named)> = Vec::new();
        for (kind, n) in steps {
            let name = n.to_string();
            let at = Mono(i64::try_from(log.len()).unwrap());
            let manner = [Manner::Hard, Manner::Soft, Manner::Doubt][usize::from(kind.max(1) - 1)];
            match kind {
                0 => born.push((log.len(), n, self::born(&generations, &[&name]))),
                _ => {
                    purge(&generations, &[&name], manner, at);
                    log.push((n, manner, at));
                }
            }
            for (began, n, it) in &born {
                let since = || log[*began..].iter().filter(|(of, ..)| of == n);
                let standing = generations.standing(it);
                let gone = since().any(|(_, manner, _)| *manner == Manner::Hard);
                let stale = since().map(|(.., at)| *at).min();
                let doubted = since().any(|(_, manner, _)| *manner == Manner::Doubt);
                match standing {
                    Standing::Gone => assert!(gone || max_names < 6, "not purged, but lost"),
                    Standing::Stale(at) | Standing::Doubted(at) => {
                        assert!(!gone, "purged and still used");
                        let is_doubted = standing == Standing::Doubted(at);
                        assert!(is_doubted || !doubted, "in doubt, and counts as known");
                        assert!(stale.is_none_or(|it| at <= it), "stale for less than it is");
                        assert!(stale.is_some() || max_names < 6, "not purged, but stale");
                    }
                    Standing::Current => {
                        assert!(!gone && stale.is_none(), "purged and still used");
                    }
                }
            }
        }
    }
}

#[test]
fn targets_that_are_invalidated_in_numbers_take_nothing_else_along() {
    let generations = Generations::of_at_most(4);
    let target = |path: &str| crate::key::Key::of_path(path);
    let apart = |path: &str| {
        generations.set_apart(&target(path));
        born(&generations, &["t"]).apart(Some(target(path)))
    };
    let (plain, changed, other) = (born(&generations, &["t"]), apart("/changed"), apart("/other"));
    for n in 0..70_000 {
        generations.rewrite(&target(&format!("/made-up/{n}")));
    }
    assert!(is_current(&generations, &changed), "nobody asked for any of these");
    for _ in 0..70_000 {
        generations.rewrite(&target("/changed"));
    }
    assert_eq!(generations.standing(&changed), Standing::Gone, "RFC 9111 §4.4");
    assert!(is_current(&generations, &plain) && is_current(&generations, &other));
    let later = apart("/changed");
    assert!(is_current(&generations, &later), "it began later");
    generations.doubt_target(&target("/changed"), Mono(5));
    let between = apart("/changed");
    generations.doubt_target(&target("/changed"), Mono(9));
    generations.doubt_target(&target("/made-up/1"), Mono(9));
    assert_eq!(generations.standing(&later), Standing::Doubted(Mono(5)), "not since the last one");
    assert_eq!(generations.standing(&between), Standing::Doubted(Mono(9)), "not since the first");
    assert_eq!(generations.standing(&changed), Standing::Gone, "a doubt brings nothing back");
    assert!(is_current(&generations, &plain) && is_current(&generations, &other));
    assert!(is_current(&generations, &apart("/changed")), "it began after the doubt");
    assert_eq!(generations.purges(), 0, "none of these is a purge");
}
