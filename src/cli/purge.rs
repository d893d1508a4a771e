//! `larder purge`: asks a running proxy, by its admin listener.

use std::{path::PathBuf, process::ExitCode};

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::{
    counted,
    talk::{self, Ask},
};

const EXAMPLES: &str = "\
Examples:
  larder purge --url https://api.example.org/users/7
      This URL: every variant, whichever route it was stored by. http and https are the same.
  larder purge --prefix https://api.example.org/users
      /users, /users/ and all below, but not /users1.
  larder purge --tag users --tag orders --soft
      What bears one of these tags is stale from now on: it may still be served while it is
      refreshed, or when the API fails, as far as the API allows that.
  larder purge --all
      Everything.

It asks the address and uses the token of [admin] in the configuration file.
Exit codes: 0 purged, 2 wrong arguments, 78 wrong configuration, 1 anything else.";

/// Forget, or make stale, what a running proxy has stored.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Purge {
    #[command(flatten)]
    what: What,
    /// With --tag: only the tags of this host, not those of all.
    #[arg(long, value_name = "HOST", conflicts_with_all = ["url", "prefix", "all"])]
    host: Option<String>,
    /// Make it stale instead of forgetting it.
    #[arg(long)]
    soft: bool,
    /// The configuration file of the proxy [default: proxy.toml].
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Exactly one of these.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct What {
    /// One URL.
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Every URL of a host whose path begins so, segment by segment.
    #[arg(long, value_name = "URL")]
    prefix: Option<String>,
    /// What bears this tag; may be repeated.
    #[arg(long, value_name = "TAG")]
    tag: Vec<String>,
    /// Everything.
    #[arg(long)]
    all: bool,
}

impl Purge {
    pub(crate) fn run(self) -> ExitCode {
        let (target, body) = ("/v1/purge".to_owned(), Some(self.order()));
        talk::consult(self.config, Ask { method: Method::POST, target, body }, report)
    }

    fn order(&self) -> Value {
        let What { url, prefix, tag, all } = &self.what;
        let mut order = json!({ "soft": self.soft });
        for (key, value) in [("url", url), ("prefix", prefix), ("host", &self.host)] {
            if let Some(value) = value {
                order[key] = json!(value);
            }
        }
        if !tag.is_empty() {
            order["tags"] = json!(tag);
        }
        if *all {
            order["all"] = json!(true);
        }
        order
    }
}

/// What came of it.
fn report(status: StatusCode, told: &Value) -> Option<String> {
    let nodes = |key: &str| counted(told[key].as_array().map_or(0, Vec::len), "node");
    let done = nodes("nodes");
    match status {
        StatusCode::OK => Some(format!("purged on {done}\n")),
        StatusCode::ACCEPTED => {
            let (missing, names) = (nodes("missing"), &told["missing"]);
            Some(format!("purged on {done}; {missing} have not said so yet: {names}\n"))
        }
        _ => None,
    }
}
