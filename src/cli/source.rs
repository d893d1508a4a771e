//! Where the configuration comes from: a file, the command line, or both.

use std::path::{Path, PathBuf};

use larder::{
    config::{self, Config, Overrides, Problem},
    server::tls,
};

/// Looked for in the working directory.
pub(crate) const FILE: &str = "proxy.toml";

/// Where there is no file to say it.
const LISTEN: &str = "127.0.0.1:8080";

/// A file, and what the command line says in its place.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Source {
    /// The configuration file [default: proxy.toml, where it exists].
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Listen here instead of where the file says: an address with its port, or unix:/path.
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: Option<String>,
    /// Forward here what no route of the file matches: the API's URL, or an upstream's name.
    #[arg(long, value_name = "URL")]
    pub(crate) upstream: Option<String>,
}

impl Source {
    /// The configuration as it is now.
    pub(crate) fn load(&self) -> Result<Config, Vec<Problem>> {
        self.load_or(Path::new(FILE))
    }

    /// As [`load`](Self::load), with another default file.
    pub(crate) fn load_or(&self, default: &Path) -> Result<Config, Vec<Problem>> {
        let mut overrides =
            Overrides { listen: self.listen.clone(), upstream: self.upstream.clone() };
        match &self.config {
            Some(file) => whole(file, &overrides),
            None if default.exists() => whole(default, &overrides),
            None if self.upstream.is_some() => {
                overrides.listen.get_or_insert_with(|| LISTEN.to_owned());
                let env = |name: &str| std::env::var(name).ok();
                config::parse_with("command line", "", &env, &overrides)
            }
            None => Err(vec![nothing_to_do(default)]),
        }
    }
}

/// The file, and the files that it names as far as they can be wrong in themselves.
fn whole(file: &Path, overrides: &Overrides) -> Result<Config, Vec<Problem>> {
    let config = config::load_with(file, overrides)?;
    let problems = tls::problems(&config, &file.display().to_string());
    if problems.is_empty() { Ok(config) } else { Err(problems) }
}

fn nothing_to_do(default: &Path) -> Problem {
    let message = "is not here: name the API's URL with --upstream, or a file with --config, or \
                   write this one (listen = \"127.0.0.1:8080\" and \
                   upstream = \"http://127.0.0.1:3000\" are enough); `larder demo` needs nothing"
        .to_owned();
    Problem { file: default.display().to_string(), line: 0, key: String::new(), message }
}
