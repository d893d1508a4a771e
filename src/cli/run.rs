//! `larder run`.

use std::process::ExitCode;

use larder::{
    clock::Clock,
    config::{Config, advice},
    counters::Counters,
    server::Server,
};

use super::{
    bad_configuration, block_on, fail, machine,
    signals::{Asked, Signals},
    source::Source,
};

/// Serve. This is what `larder` alone does, too.
#[derive(Debug, clap::Args)]
pub(crate) struct Run {
    #[command(flatten)]
    pub(crate) source: Source,
}

impl Run {
    pub(crate) fn run(self) -> ExitCode {
        match self.source.load() {
            Ok(config) => block_on(serve(&self.source, config)),
            Err(problems) => bad_configuration(&problems),
        }
    }
}

async fn serve(source: &Source, config: Config) -> ExitCode {
    // First of all, so that no signal finds nobody.
    let mut signals = match Signals::new() {
        Ok(signals) => signals,
        Err(error) => return fail(&format!("cannot wait for signals: {error}")),
    };
    advise(&config);
    let server = match Server::start(config.clone(), Clock::system()).await {
        Ok(server) => server,
        Err(error) => return fail(&error.to_string()),
    };
    for address in server.addresses() {
        eprintln!("listening on {address}");
    }
    if let Some(address) = server.admin_address() {
        eprintln!("admin on {address}");
    }
    let mut current = config;
    loop {
        match signals.next().await {
            Asked::Reload => current = reload(&server, source, current),
            Asked::Reopen => server.reopen_log(),
            Asked::Stop => break,
        }
    }
    stop(server, signals).await
}

/// Reads the configuration again; if it cannot be used, says why and changes nothing.
fn reload(server: &Server, source: &Source, current: Config) -> Config {
    let config = match source.load() {
        Ok(config) => config,
        Err(problems) => {
            for problem in problems {
                tracing::error!("{problem}");
            }
            tracing::error!("the configuration is not reloaded; the old one stays");
            return current;
        }
    };
    match server.reload(config.clone()) {
        Ok(fixed) => {
            let changes = changes(&current, &config);
            tracing::info!("configuration reloaded: {changes}");
            fixed.iter().for_each(|it| tracing::warn!("{it}"));
            advise(&config);
            config
        }
        Err(error) => {
            tracing::error!("the configuration is not reloaded; the old one stays: {error}");
            current
        }
    }
}

/// Ends what is under way; a second signal ends that.
async fn stop(server: Server, mut signals: Signals) -> ExitCode {
    tracing::info!("stopping: what is under way may end; a second signal stops at once");
    let counters = server.counters().clone();
    let code = tokio::select! {
        biased;
        () = server.drain() => ExitCode::SUCCESS,
        () = signals.stop() => ExitCode::FAILURE,
    };
    farewell(&counters);
    code
}

fn advise(config: &Config) {
    for sentence in advice(config, &machine::this()) {
        tracing::warn!("{sentence}");
    }
}

/// The parts of a configuration that differ, in words.
pub(crate) fn changes(old: &Config, new: &Config) -> String {
    let parts = [
        ("listen", old.listen != new.listen),
        ("trusted_proxies", old.trusted_proxies != new.trusted_proxies),
        ("upstreams", old.upstreams != new.upstreams),
        ("routes", old.routes != new.routes),
        ("limits", old.limits != new.limits),
        ("timeouts", old.timeouts != new.timeouts),
        ("admin", old.admin != new.admin),
        ("log", old.log != new.log),
        ("cache.memory", old.memory != new.memory),
    ];
    let changed: Vec<&str> =
        parts.into_iter().filter(|(_, changed)| *changed).map(|(part, _)| part).collect();
    match changed.as_slice() {
        [] => "nothing has changed".to_owned(),
        changed => format!("{} changed", changed.join(", ")),
    }
}

fn farewell(counters: &Counters) {
    tracing::info!(
        connections = counters.connections.get(),
        connections_full = counters.connections_full.get(),
        closed_headers = counters.closed_headers.get(),
        closed_idle = counters.closed_idle.get(),
        closed_write_idle = counters.closed_write_idle.get(),
        closed_protocol = counters.closed_protocol.get(),
        closed_drain = counters.closed_drain.get(),
        log_dropped = counters.log_dropped.get(),
        "stopped"
    );
}
