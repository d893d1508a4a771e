//! What packages and editors need, printed: `larder schema`, `larder completions`, `larder man`.

use std::{
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use clap::CommandFactory as _;
use clap_complete::Shell;
use larder::config::json_schema;

use super::{Cli, fail};

/// Print the JSON Schema of proxy.toml, by which editors complete and check it.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  larder schema > proxy.schema.json
      Then `#:schema ./proxy.schema.json` as the first line of proxy.toml tells editors of it.")]
pub(crate) struct Schema;

impl Schema {
    pub(crate) fn run(self) -> ExitCode {
        written(format!("{:#}\n", json_schema()).as_bytes())
    }
}

/// Print the completions of a shell.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  larder completions bash > /usr/share/bash-completion/completions/larder
  larder completions zsh  > /usr/share/zsh/vendor-completions/_larder
  larder completions fish > /usr/share/fish/vendor_completions.d/larder.fish")]
pub(crate) struct Completions {
    /// Which shell.
    #[arg(value_enum)]
    shell: Shell,
}

impl Completions {
    pub(crate) fn run(self) -> ExitCode {
        let mut text = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "larder", &mut text);
        written(&text)
    }
}

/// Print the manual page, or write one for each subcommand into a directory.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  larder man | man -l -
  larder man --dir /usr/share/man/man1")]
pub(crate) struct Man {
    /// The directory to write larder.1, larder-check.1, … into.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

impl Man {
    pub(crate) fn run(self) -> ExitCode {
        match self.dir {
            None => match page(Cli::command()) {
                Ok(page) => written(&page),
                Err(error) => fail(&format!("cannot make the manual page: {error}")),
            },
            Some(dir) => match clap_mangen::generate_to(Cli::command(), &dir) {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => fail(&format!("cannot write to {}: {error}", dir.display())),
            },
        }
    }
}

fn page(command: clap::Command) -> io::Result<Vec<u8>> {
    let mut page = Vec::new();
    clap_mangen::Man::new(command).render(&mut page)?;
    Ok(page)
}

/// To standard output. Who reads may stop before the end, as `head` does.
fn written(text: &[u8]) -> ExitCode {
    match io::stdout().write_all(text) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            fail(&format!("cannot write: {error}"))
        }
        _ => ExitCode::SUCCESS,
    }
}
