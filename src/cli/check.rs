//! `larder check`.

use std::{
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use larder::{
    clock::Clock,
    config::{Config, advice},
    server::tls,
};

use super::{
    bad_configuration, counted, machine,
    source::{FILE, Source},
};

/// Say what is wrong with a configuration, with file, line and what to do.
#[derive(Debug, clap::Args)]
pub(crate) struct Check {
    /// The configuration file.
    #[arg(long, value_name = "FILE", default_value = FILE)]
    pub(crate) config: PathBuf,
}

impl Check {
    pub(crate) fn run(self) -> ExitCode {
        let source = Source { config: Some(self.config.clone()), ..Source::default() };
        match source.load() {
            Ok(config) => {
                let mut report = io::stdout();
                let (file, now) = (self.config.display().to_string(), Clock::system().now().wall);
                for warning in tls::warnings(&config, &file, now) {
                    let _ = writeln!(report, "warning: {warning}");
                }
                for sentence in advice(&config, &machine::this()) {
                    let _ = writeln!(report, "advice: {sentence}");
                }
                let _ = writeln!(report, "ok: {}", summary(&config));
                ExitCode::SUCCESS
            }
            Err(problems) => bad_configuration(&problems),
        }
    }
}

/// What a configuration amounts to, in a line.
pub(crate) fn summary(config: &Config) -> String {
    let mut listen: Vec<String> = config.listen.iter().map(ToString::to_string).collect();
    let secure = config.tls.iter().flat_map(|tls| &tls.listen);
    listen.extend(secure.map(|address| format!("{address} (TLS)")));
    format!(
        "{}, {}, listening on {}",
        counted(config.routes.len(), "route"),
        counted(config.upstreams.len(), "upstream"),
        listen.join(", ")
    )
}
