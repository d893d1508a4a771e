//! The command line: arguments, one file a subcommand, exit codes.
//!
//! 0: done. 2: the command line is wrong. 78: the configuration is. 1: anything else.

mod check;
mod demo;
mod explain;
mod machine;
mod print;
mod purge;
mod run;
mod service;
mod signals;
mod source;
mod talk;

#[cfg(test)]
mod tests;

use std::{
    future::Future,
    io::{self, IsTerminal},
    process::ExitCode,
};

use clap::{Parser, Subcommand};
use tracing_subscriber::{EnvFilter, filter::LevelFilter};

use larder::config::Problem;

/// EX_CONFIG of sysexits.h.
const BAD_CONFIGURATION: u8 = 78;

const ABOUT: &str = "\
Larder stands before an HTTP API and answers repeated requests from memory, as far as HTTP allows \
(RFC 9111). Requests for the same thing at the same time become one. Every answer says in its \
Cache-Status field what happened.";

const EXAMPLES: &str = "\
Examples:
  larder demo
      A sample API with the proxy before it, and what to try.
  larder --upstream http://127.0.0.1:3000
      The proxy before your API, at 127.0.0.1:8080, without a configuration file.
  larder check && larder run
      With the proxy.toml of this folder, once it has no mistakes.
  larder purge --url https://api.example.org/users/7
      Asks the running proxy to forget that. `larder purge --help` has more.
  larder explain GET https://api.example.org/users/7
      Asks the running proxy what it would answer that from, and why.

While it runs, SIGHUP reads the configuration again; SIGUSR1 opens the access log again; SIGTERM or Ctrl-C ends what is under way and
stops, twice stops at once. LARDER_LOG=debug says more.

Documentation: README.md says what is cached and why; the proxy.toml beside it has every key, its
default and what it does.";

/// A caching reverse proxy for HTTP APIs.
#[derive(Debug, Parser)]
#[command(name = "larder", version, long_about = ABOUT, after_help = EXAMPLES)]
#[command(args_conflicts_with_subcommands = true, disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: run::Run,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::Run),
    Check(check::Check),
    Demo(demo::Demo),
    Purge(purge::Purge),
    Explain(explain::Explain),
    Schema(print::Schema),
    Completions(print::Completions),
    Man(print::Man),
}

/// All that the program can do.
pub(crate) fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    start_logging();
    match cli.command.unwrap_or(Command::Run(cli.run)) {
        Command::Run(run) => run.run(),
        Command::Check(check) => check.run(),
        Command::Demo(demo) => block_on(demo.run()),
        Command::Purge(purge) => purge.run(),
        Command::Explain(explain) => explain.run(),
        Command::Schema(schema) => schema.run(),
        Command::Completions(completions) => completions.run(),
        Command::Man(man) => man.run(),
    }
}

/// Runs on as many threads as the process may use: tokio asks the standard library, which heeds
/// the affinity mask and the cpu quota of cgroups, both versions.
fn block_on(future: impl Future<Output = ExitCode>) -> ExitCode {
    match threads().enable_all().build() {
        Ok(runtime) => {
            let code = runtime.block_on(future);
            if code != ExitCode::SUCCESS {
                // Whoever is in a hurry does not wait for threads that are busy.
                runtime.shutdown_background();
            }
            code
        }
        Err(error) => fail(&format!("cannot start threads: {error}")),
    }
}

/// Threads that share their work, or this one alone where there is one core: what is not shared
/// need not be locked.
fn threads() -> tokio::runtime::Builder {
    match std::thread::available_parallelism() {
        Ok(cores) if cores.get() == 1 => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    }
}

/// Diagnostics go to standard error, from LARDER_LOG's level on.
fn start_logging() {
    let filter = EnvFilter::builder()
        .with_default_directive(LevelFilter::INFO.into())
        .with_env_var("LARDER_LOG");
    let filter = filter.from_env().unwrap_or_else(|error| {
        eprintln!("larder: LARDER_LOG: {error}; logging from info on");
        EnvFilter::new("info")
    });
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .with_target(false)
        .init();
}

fn fail(message: &str) -> ExitCode {
    eprintln!("larder: {message}");
    ExitCode::FAILURE
}

/// All problems of a configuration, a line each, and their number.
fn bad_configuration(problems: &[Problem]) -> ExitCode {
    for problem in problems {
        eprintln!("{problem}");
    }
    eprintln!("larder: {}", counted(problems.len(), "problem"));
    ExitCode::from(BAD_CONFIGURATION)
}

/// `1 route`, `2 routes`, `no routes`.
fn counted(number: usize, what: &str) -> String {
    match number {
        0 => format!("no {what}s"),
        1 => format!("1 {what}"),
        _ => format!("{number} {what}s"),
    }
}
