//! `larder run`.

use std::process::ExitCode;

use larder::{
    clock::Clock,
    config::{Config, advice},
    counters::Counters,
    server::{Server, inherited::Inherited},
};

use super::{
    bad_configuration, block_on, fail, machine,
    service::Manager,
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
        // Before there are threads: it changes the environment.
        let inherited = match Inherited::take() {
            Ok(inherited) => inherited,
            Err(error) => return fail(&error),
        };
        match self.source.load() {
            Ok(config) => block_on(serve(&self.source, config, inherited)),
            Err(problems) => bad_configuration(&problems),
        }
    }
}

async fn serve(source: &Source, config: Config, inherited: Inherited) -> ExitCode {
    // First of all, so that no signal finds nobody.
    let mut signals = match Signals::new() {
        Ok(signals) => signals,
        Err(error) => return fail(&format!("cannot wait for signals: {error}")),
    };
    advise(&config);
    let server = match Server::start_on(inherited, config.clone(), Clock::system()).await {
        Ok(server) => server,
        Err(error) => return fail(&error.to_string()),
    };
    for address in server.addresses() {
        eprintln!("listening on {address}");
    }
    for address in server.tls_addresses() {
        eprintln!("listening by TLS on {address}");
    }
    for address in server.redirect_addresses() {
        eprintln!("redirecting to https from {address}");
    }
    if let Some(address) = server.admin_address() {
        eprintln!("admin on {address}");
    }
    let manager = Manager::found();
    manager.ready("serving");
    let alive = tokio::spawn(Manager::found().keep_alive(Clock::system()));
    let mut current = config;
    loop {
        match signals.next().await {
            Asked::Reload => {
                manager.reloading();
                current = reload(&server, source, current);
                manager.ready("serving");
            }
            Asked::Reopen => server.reopen_log(),
            Asked::Stop => break,
        }
    }
    manager.stopping();
    let code = stop(server, signals).await;
    alive.abort();
    code
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
        ("tls", old.tls != new.tls),
        ("proxy_protocol", old.proxy_protocol != new.proxy_protocol),
        ("trusted_proxies", old.trusted_proxies != new.trusted_proxies),
        ("upstreams", old.upstreams != new.upstreams),
        ("routes", old.routes != new.routes),
        ("limits", old.limits != new.limits),
        ("timeouts", old.timeouts != new.timeouts),
        ("admin", old.admin != new.admin),
        ("log", old.log != new.log),
        ("batch", old.batch != new.batch),
        ("cache.memory", old.memory != new.memory),
        ("cache.redis", old.redis != new.redis),
        ("compression.max_streams", old.max_streams != new.max_streams),
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
        closed_handshake = counters.closed_handshake.get(),
        closed_headers = counters.closed_headers.get(),
        closed_idle = counters.closed_idle.get(),
        closed_write_idle = counters.closed_write_idle.get(),
        closed_protocol = counters.closed_protocol.get(),
        closed_drain = counters.closed_drain.get(),
        log_dropped = counters.log_dropped.get(),
        "stopped"
    );
}
