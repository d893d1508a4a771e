//! Who leads, who follows, and what becomes of both.

use super::*;

fn join(flights: &Arc<InFlight>) -> (Follower, Option<Leader>) {
    flights.join(Key::of_path("/"), Key::of_path("/"), Company::Welcome)
}

fn failed() -> Outcome {
    Outcome::Failed { fault: Fault::Silent(Failure::test()), stale: None }
}

#[tokio::test]
async fn a_hundred_requests_make_one_fetch() {
    let flights = Arc::new(InFlight::default());
    let (followers, leads): (Vec<_>, Vec<_>) = (0..100).map(|_| join(&flights)).unzip();
    let mut leads = leads.into_iter().flatten();
    leads.next().expect("the first leads").finish(failed());
    assert!(leads.next().is_none(), "and only the first");
    for mut follower in followers {
        assert!(matches!(follower.wait().await, Progress::Done(Outcome::Failed { .. })));
    }
    assert!(flights.is_empty(), "a landed flight is forgotten");
}

#[tokio::test]
async fn one_who_flies_alone_is_neither_joined_nor_joins() {
    let flights = Arc::new(InFlight::default());
    let (_first, lead) = join(&flights);
    let (_alone, own) = flights.join(Key::of_path("/"), Key::of_path("/"), Company::Alone);
    let (_third, none) = join(&flights);
    assert!(lead.is_some() && own.is_some() && none.is_none());
    drop(lead);
    assert!(join(&flights).1.is_some(), "the one alone is not followed");
}

#[tokio::test]
async fn a_client_who_leaves_does_not_end_the_fetch() {
    let flights = Arc::new(InFlight::default());
    let (first, lead) = join(&flights);
    let (mut second, _) = join(&flights);
    let lead = lead.unwrap();
    drop(first);
    assert!(!lead.give_up(), "somebody waits");
    lead.finish(failed());
    assert!(matches!(second.wait().await, Progress::Done(Outcome::Failed { .. })));
}

#[tokio::test]
async fn a_fetch_that_all_have_left_can_be_given_up_and_then_not_be_joined() {
    let flights = Arc::new(InFlight::default());
    let (first, lead) = join(&flights);
    let lead = lead.unwrap();
    drop(first);
    lead.deserted().await;
    assert!(lead.give_up());
    assert!(join(&flights).1.is_some());
}

#[tokio::test]
async fn a_fetch_that_is_kept_is_not_given_up() {
    let flights = Arc::new(InFlight::default());
    let (first, lead) = join(&flights);
    first.keep();
    drop(first);
    assert!(!lead.unwrap().give_up());
}

#[tokio::test]
async fn a_disowned_fetch_neither_stores_nor_ends_its_successor() {
    let flights = Arc::new(InFlight::default());
    let (mut follower, old) = join(&flights);
    flights.disown(Key::of_path("/"));
    let (_next, new) = join(&flights);
    let (old, new) = (old.unwrap(), new.expect("a purge makes room for another fetch"));
    assert!(!old.is_current());
    drop(old);
    assert!(new.is_current(), "the old lead must not remove the new flight");
    assert_eq!(flights.len(), 1);
    assert!(matches!(follower.wait().await, Progress::Done(Outcome::NotShared)));
}

#[tokio::test]
async fn what_nobody_could_find_is_disowned_too() {
    let (flights, key) = (Arc::new(InFlight::default()), Key::of_path("/"));
    let before = flights.since(key);
    flights.disown(key);
    let since = flights.since(key);
    let (_follower, old) = flights.lead_alone(key, before);
    let (_other, new) = flights.lead_alone(key, since);
    assert!(!old.is_current(), "it was under way then");
    assert!(new.is_current(), "it was not");
    flights.disown(key);
    assert!(!new.is_current(), "by now it can be found");
}

#[tokio::test]
async fn a_lost_fetch_frees_its_followers() {
    let flights = Arc::new(InFlight::default());
    let (mut follower, lead) = join(&flights);
    let fetch = tokio::spawn(async move {
        let _lead = lead;
        panic!("the fetch dies");
    });
    assert!(fetch.await.is_err());
    assert!(matches!(follower.wait().await, Progress::Done(Outcome::NotShared)));
    assert!(flights.is_empty());
}

#[tokio::test]
async fn only_so_many_orphans_go_on() {
    let flights = Arc::new(InFlight::default());
    let (_follower, lead) = join(&flights);
    let lead = lead.unwrap();
    let permits: Vec<_> = std::iter::from_fn(|| lead.orphaned()).collect();
    assert_eq!(permits.len(), MAX_ORPHANS);
}
