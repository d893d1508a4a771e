//! The `larder` program.

mod cli;

use std::process::ExitCode;

/// A miss that is stored allocates and frees on each of its steps, and is a tenth cheaper with it
/// (docs/performance.md).
#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    cli::main()
}
