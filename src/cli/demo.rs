//! `larder demo`.

use std::{net::SocketAddr, process::ExitCode};

use larder::demo;

/// Start a small sample API with the proxy before it, and say what to try.
#[derive(Debug, clap::Args)]
pub(crate) struct Demo {
    /// Where the proxy listens; port 0 takes a free one.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
}

impl Demo {
    /// Runs until a signal ends it.
    pub(crate) async fn run(self) -> ExitCode {
        match demo::run(self.listen).await {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                tracing::error!("{error}");
                ExitCode::FAILURE
            }
        }
    }
}
