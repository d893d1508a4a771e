use std::{fs, path::Path};

use clap::CommandFactory;
use larder::config::{Config, Listen};

use super::{source::Source, *};

fn parse(arguments: &str) -> Result<Cli, clap::Error> {
    Cli::try_parse_from(arguments.split_whitespace())
}

fn run(arguments: &str) -> Source {
    match parse(arguments).unwrap() {
        Cli { command: None, run } => run.source,
        Cli { command: Some(Command::Run(run)), .. } => run.source,
        Cli { command, .. } => panic!("{arguments}: {command:?}"),
    }
}

#[test]
fn the_command_line_is_sound() {
    Cli::command().debug_assert();
}

#[test]
fn larder_alone_is_larder_run() {
    for command in ["larder", "larder run"] {
        let source = run(command);
        assert!(source.config.is_none() && source.listen.is_none() && source.upstream.is_none());
        let source =
            run(&format!("{command} --config a.toml --listen [::]:80 --upstream http://b"));
        assert_eq!(source.config.as_deref(), Some(Path::new("a.toml")));
        assert_eq!(source.listen.as_deref(), Some("[::]:80"));
        assert_eq!(source.upstream.as_deref(), Some("http://b"));
    }
}

#[test]
fn what_is_wrong_is_a_usage_error() {
    for arguments in [
        "larder --bogus",
        "larder serve",
        "larder --listen 127.0.0.1:1 check",
        "larder check --upstream http://a",
        "larder run a.toml",
        "larder --config a --config b",
        "larder purge",
        "larder purge --all --tag a",
        "larder purge --url a --host b",
        "larder explain",
        "larder explain GET",
        "larder explain GET http://a --route b",
    ] {
        assert_eq!(parse(arguments).unwrap_err().exit_code(), 2, "{arguments}");
    }
    assert_eq!(parse("larder --help").unwrap_err().exit_code(), 0);
    assert_eq!(parse("larder --version").unwrap_err().exit_code(), 0);
}

#[test]
fn help_teaches() {
    let help = Cli::command().render_long_help().to_string();
    for word in ["larder demo", "larder check", "--upstream", "README.md", "SIGHUP", "LARDER_LOG"] {
        assert!(help.contains(word), "{word} is missing:\n{help}");
    }
}

fn load(arguments: &str, default: &Path) -> Result<Config, String> {
    run(arguments)
        .load_or(default)
        .map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
}

#[test]
fn an_upstream_is_enough_where_there_is_no_file() {
    let none = Path::new("/nowhere/proxy.toml");
    let config = load("larder --upstream http://127.0.0.1:3000", none).unwrap();
    assert_eq!(config.listen, [Listen::Tcp(([127, 0, 0, 1], 8080).into())]);
    assert_eq!((config.routes.len(), config.upstreams.len()), (1, 1));
    let config = load("larder --upstream http://a --listen 127.0.0.1:0", none).unwrap();
    assert_eq!(config.listen, [Listen::Tcp(([127, 0, 0, 1], 0).into())]);
}

#[test]
fn without_a_file_and_an_upstream_it_says_what_to_do() {
    let none = Path::new("/nowhere/proxy.toml");
    for arguments in ["larder", "larder --listen 127.0.0.1:0"] {
        let problem = load(arguments, none).unwrap_err();
        assert!(problem.starts_with("/nowhere/proxy.toml: "), "{problem}");
        assert!(problem.contains("--upstream") && problem.contains("larder demo"), "{problem}");
    }
    let problem = load("larder --config /nowhere/other.toml --upstream http://a", none);
    assert!(problem.unwrap_err().contains("/nowhere/other.toml"), "a file that is named must be");
}

#[test]
fn the_command_line_wins_over_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("proxy.toml");
    fs::write(&file, "listen = '127.0.0.1:1'\nupstream = 'http://a'\n[cache]\nttl = '5s'\n")
        .unwrap();
    let config = load("larder", &file).unwrap();
    assert_eq!(config.listen, [Listen::Tcp(([127, 0, 0, 1], 1).into())]);
    let config = load("larder --listen 127.0.0.1:2 --upstream http://b", &file).unwrap();
    assert_eq!(config.listen, [Listen::Tcp(([127, 0, 0, 1], 2).into())]);
    assert_eq!(config.routes[0].upstream, "http://b");
    assert!(load("larder --listen nonsense", &file).unwrap_err().contains("--listen"));
}

#[test]
fn changes_are_named() {
    let none = Path::new("/nowhere/proxy.toml");
    let old = load("larder --upstream http://a", none).unwrap();
    let mut new = old.clone();
    assert_eq!(run::changes(&old, &new), "nothing has changed");
    new.timeouts.idle *= 2;
    new.routes.clear();
    assert_eq!(run::changes(&old, &new), "routes, timeouts changed");
}

#[test]
fn a_summary_counts() {
    let config = load("larder --upstream http://a", Path::new("/nowhere")).unwrap();
    assert_eq!(check::summary(&config), "1 route, 1 upstream, listening on 127.0.0.1:8080");
    assert_eq!(counted(0, "route") + &counted(2, ", route"), "no routes2 , routes");
}

#[test]
fn memory_is_the_least_of_all_limits() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let put = |path: &str, text: &str| {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    assert_eq!(machine::memory(root), None);
    put("proc/meminfo", "MemFree:  1 kB\nMemTotal:       2048 kB\n");
    assert_eq!(machine::memory(root), Some(2 << 20));
    put("proc/self/cgroup", "5:cpu,memory:/a/b\n0::/system/larder.service\n");
    put("sys/fs/cgroup/memory/a/b/memory.limit_in_bytes", "9223372036854771712\n");
    put("sys/fs/cgroup/system/larder.service/memory.max", "max\n");
    assert_eq!(machine::memory(root), Some(2 << 20), "neither is a limit");
    put("sys/fs/cgroup/system/memory.max", "1000000\n");
    assert_eq!(machine::memory(root), Some(1_000_000), "that of a group around it");
    put("sys/fs/cgroup/memory/memory.limit_in_bytes", "999\n");
    assert_eq!(machine::memory(root), Some(999));
}

#[test]
fn an_explanation_is_a_line_a_part() {
    let route = serde_json::json!({
        "name": "users", "line": 4, "upstream": "api", "mode": "shadow", "limits": 2,
    });
    let shadow = serde_json::json!({
        "requests": 10, "would_hit": 8, "hit_ratio": 0.8, "same": 6, "differs": 2,
        "wrong_ratio": 0.25, "unknown": 0, "mean_age_of_wrong": 12,
    });
    let told = serde_json::json!({ "route": route, "shadow": shadow });
    let expected = "  \
route    users (line 4 of the file), to api, cache shadow, 2 limits
  shadow   requests 10, 8 would have been hits (0.8)
           of these 6 were the same, 2 were not (0.25), 0 cannot be told
           those that were not were 12 s old on average
";
    assert_eq!(explain::readable(&told), expected);
    let told = serde_json::json!({ "route": route, "shadow": null });
    assert!(!explain::readable(&told).contains("  shadow "), "nothing was measured yet");
}
