//! What packages and editors are given: the schema of `proxy.toml`, completions, manual pages.

use std::{
    path::Path,
    process::{Output, Stdio},
};

use tokio::{io::AsyncWriteExt, process::Command};

use crate::support::within;

/// Reads a file's text and the schema, and says whether the first is valid by the second.
const VALIDATE: &str = "
import json, sys, tomllib, jsonschema
schema = json.load(open(sys.argv[1]))
jsonschema.Draft202012Validator.check_schema(schema)
text = sys.stdin.read()
errors = jsonschema.Draft202012Validator(schema).iter_errors(tomllib.loads(text))
print(*sorted('.'.join(map(str, error.absolute_path)) or '(top)' for error in errors))
";

async fn larder(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_larder"));
    let command = command.args(arguments).stdin(Stdio::null()).kill_on_drop(true);
    let output = within(format!("larder {arguments:?}"), command.output()).await.unwrap();
    assert!(output.status.success(), "larder {arguments:?}: {output:?}");
    output
}

/// A Python with the module: the first in the path, or Debian's.
async fn python_with(module: &str) -> &'static str {
    for python in ["python3", "/usr/bin/python3"] {
        let import = format!("import {module}");
        let found = Command::new(python).args(["-c", &import]).stderr(Stdio::null()).status().await;
        if found.is_ok_and(|status| status.success()) {
            return python;
        }
    }
    panic!("no Python has {module}: scripts/test.sh installs it");
}

/// Where the file does not fit the schema: dotted, in order.
async fn misfits(schema: &Path, text: &str) -> String {
    let mut child = Command::new(python_with("jsonschema").await)
        .args(["-c", VALIDATE])
        .arg(schema)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(text.as_bytes()).await.unwrap();
    drop(stdin);
    let output = within("the validator", child.wait_with_output()).await.unwrap();
    assert!(output.status.success(), "the schema is no schema: {output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// The example with every header and key in force.
fn everything() -> String {
    let line = |line: &'static str| {
        let rest = line.strip_prefix("# ").unwrap_or(line);
        let key = rest.split_once('=').is_some_and(|(key, _)| {
            key.trim_end().bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
        });
        if key || rest.starts_with('[') { rest } else { "" }
    };
    include_str!("../../proxy.toml").lines().map(line).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn the_schema_takes_what_the_proxy_takes() {
    let directory = tempfile::tempdir().unwrap();
    let schema = directory.path().join("schema.json");
    std::fs::write(&schema, larder(&["schema"]).await.stdout).unwrap();
    for (text, expected) in [
        (&*everything(), ""),
        ("listen = \"127.0.0.1:1\"\nupstream = \"http://127.0.0.1:2\"", ""),
        ("listen = [\"127.0.0.1:1\", \"unix:/run/larder.sock\"]", ""),
        ("[cache]\nttl = \"${TTL}\"\nmode = \"${MODE}\"", ""),
        ("[throttle]\nrate = \"1/s\"", ""),
        ("[[throttle]]\nrate = \"1/s\"\n[[throttle]]\nrate = \"9/min\"", ""),
        ("[[routes]]\nthrottle = []\nmatch = { path = \"/\" }", ""),
        ("[limits]\nmax_conections = 1", "limits"),
        ("cash = {}", "(top)"),
        ("[cache]\nmode = \"of\"", "cache.mode"),
        ("[cache]\nttl = true", "cache.ttl"),
        ("[cache.key]\nquery = { sort = \"yes\" }", "cache.key.query.sort"),
        ("[[routes]]\ncache = { memory = {} }", "routes.0.cache"),
        ("[routes]\nname = \"a\"", "routes"),
    ] {
        assert_eq!(misfits(&schema, text).await, expected, "misfits of {text}");
    }
}

#[tokio::test]
async fn bash_completes_a_subcommand() {
    let script = String::from_utf8(larder(&["completions", "bash"]).await.stdout).unwrap();
    let asked = format!(
        "{script}\nCOMP_WORDS=(larder pu); COMP_CWORD=1; _larder larder pu larder\n\
         echo \"${{COMPREPLY[@]}}\""
    );
    let output = Command::new("bash").args(["-c", &asked]).output().await.unwrap();
    let completed = String::from_utf8_lossy(&output.stdout);
    assert_eq!(completed.trim(), "purge", "what bash completes `larder pu` to: {output:?}");
}

#[tokio::test]
async fn other_shells_have_completions_too() {
    for shell in ["zsh", "fish", "elvish", "powershell"] {
        let script = String::from_utf8(larder(&["completions", shell]).await.stdout).unwrap();
        assert!(script.contains("purge"), "{shell} completes no subcommand: {script}");
    }
}

#[tokio::test]
async fn there_is_a_manual_page_for_each_command() {
    let directory = tempfile::tempdir().unwrap();
    larder(&["man", "--dir", directory.path().to_str().unwrap()]).await;
    for page in ["larder", "larder-run", "larder-check", "larder-demo", "larder-purge"] {
        let text = std::fs::read_to_string(directory.path().join(format!("{page}.1"))).unwrap();
        assert!(text.contains(".SH NAME") && text.contains(".SH SYNOPSIS"), "{page}: {text}");
    }
    let whole = String::from_utf8(larder(&["man"]).await.stdout).unwrap();
    assert!(whole.contains("SIGHUP"), "what stands below the help is in the page: {whole}");
}
