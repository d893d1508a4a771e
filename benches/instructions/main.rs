//! Does one kind of work a given number of times, to be counted from outside.
//!
//! `instructions WORK TIMES`; `scripts/instructions.sh` counts by valgrind and compares.

#[path = "../bare/mod.rs"]
mod bare;
mod rig;

use bare::Failure;
use rig::{Rig, Work};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    // `cargo bench` and `cargo test` call every benchmark, with words of their own.
    let [name, times] = args.as_slice() else { return Ok(()) };
    let work = Work::ALL.into_iter().find(|(it, _)| it == name);
    let (_, work) = work.ok_or(
        "hit, other-hit, varied-hit, not-modified, bare-hit, relay, bare-relay, miss, batch, memo, as-long or packed",
    )?;
    let mut rig = Rig::new(work).await?;
    rig.work(times.parse()?).await?;
    rig.end();
    Ok(())
}
