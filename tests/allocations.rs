//! How often a hit asks for memory: counted, so that it grows only where somebody means it.
//!
//! A binary of its own, because counting replaces the allocator.

#![allow(clippy::unwrap_used, reason = "a test may fail by a panic")]

#[path = "../benches/bare/mod.rs"]
mod bare;
#[path = "../benches/instructions/rig.rs"]
mod rig;

use rig::{Rig, Work};

/// How many are counted at once.
const HITS: u64 = 100;

/// Allocations a request, all on this thread: client, server, and origin.
fn allocations(name: &str) -> u64 {
    let (_, work) = Work::ALL.into_iter().find(|(it, _)| *it == name).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut rig = runtime.block_on(Rig::new(work)).unwrap();
    let again = |rig: &mut Rig, times| runtime.block_on(rig.work(times)).unwrap();
    // The first ones grow buffers that later ones find large enough.
    again(&mut rig, 10);
    let few = allocation_counter::measure(|| again(&mut rig, 1)).count_total;
    let many = allocation_counter::measure(|| again(&mut rig, 1 + u32::try_from(HITS).unwrap()));
    let _entered = runtime.enter();
    rig.end();
    (many.count_total - few) / HITS
}

#[test]
fn a_hit_that_repeats_another_allocates_nothing() {
    assert_eq!(
        allocations("bare-hit"),
        2,
        "a cloned head is two allocations, and hyper asks for none"
    );
    for (hit, few) in [("hit", 0), ("not-modified", 0), ("packed", 1)] {
        let allocations = allocations(hit);
        assert!(allocations <= few, "{hit}: {allocations}; its head's lines lie there");
    }
}

#[test]
fn a_hit_allocates_little_beside_its_head() {
    let (hit, bare) = (allocations("varied-hit"), allocations("bare-hit"));
    assert!(
        hit <= bare + 1,
        "{hit}: besides the head's two, the values of Age and Cache-Status, and the authority, are \
         those of the hit before"
    );
}
