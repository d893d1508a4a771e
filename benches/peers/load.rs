//! Closed-loop load by wrk and h2load: as much as the server takes.

use std::{
    fs,
    process::{Command, Stdio},
};

use crate::{bare::Failure, peer::Running};

/// What wrk asks for.
#[derive(Clone, Debug)]
pub(crate) enum Paths {
    /// One and the same.
    One(&'static str),
    /// `/store/N`, another each time, from this number on.
    Distinct(u64),
    /// `/store/N`, one of the first so many, in no order.
    AnyOf(u64),
    /// A batch of the first so many `/store/N`.
    Batch(u64),
    /// One and the same, with one more field that nothing has, another each time.
    Masked(&'static str, u64),
    /// One and the same, but each 20th is a distinct one, from this number on.
    Mixed(&'static str, u64),
}

/// Drives a server by HTTP/1.1 on 64 connections; returns how many requests it answered.
pub(crate) fn wrk(
    server: &Running,
    paths: &Paths,
    field: Option<&str>,
    seconds: u64,
) -> Result<u64, Failure> {
    let files = tempfile::tempdir()?;
    let mut command = Command::new("wrk");
    command.args(["-t1", "-c64", &format!("-d{seconds}s")]);
    if let Some(field) = field {
        command.args(["-H", field]);
    }
    let path = match paths {
        Paths::One(path) | Paths::Mixed(path, _) | Paths::Masked(path, _) => path,
        Paths::Distinct(_) | Paths::AnyOf(_) | Paths::Batch(_) => "/",
    };
    if let Some(script) = script(paths) {
        let file = files.path().join("paths.lua");
        fs::write(&file, script)?;
        command.arg("-s").arg(file);
    }
    command.arg(format!("http://{}{path}", server.address));
    let output = command.stdin(Stdio::null()).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    if text.contains("Socket errors") || text.contains("Non-2xx") {
        return Err(format!("{}: {text}", server.peer.name()).into());
    }
    number_before(&text, " requests in").ok_or_else(|| format!("wrk says: {text}").into())
}

/// Drives a server by HTTP/2: 64 streams on 4 connections.
pub(crate) fn h2load(server: &Running, path: &str, seconds: u64) -> Result<u64, Failure> {
    let mut command = Command::new("h2load");
    command.args(["-t1", "-c4", "-m64", "-D", &seconds.to_string()]);
    command.arg(format!("http://{}{path}", server.http2));
    let output = command.stdin(Stdio::null()).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let clean = text.contains(" 0 failed, 0 errored, 0 timeout");
    match number_before(&text, " succeeded") {
        Some(count) if clean && count > 0 => Ok(count),
        _ => Err(format!("{}: {text}", server.peer.name()).into()),
    }
}

fn script(paths: &Paths) -> Option<String> {
    match paths {
        Paths::One(_) => None,
        Paths::Distinct(first) => Some(format!(
            "local n = {first}
             request = function() n = n + 1; return wrk.format('GET', '/store/' .. n) end"
        )),
        Paths::AnyOf(count) => Some(format!(
            "local n = {count}
             request = function()
                 return wrk.format('GET', '/store/' .. math.random(0, n - 1))
             end"
        )),
        Paths::Batch(count) => Some(format!(
            "wrk.method = 'POST'
             wrk.headers['Content-Type'] = 'application/json'
             wrk.body = '{}'
             request = function() return wrk.format(nil, '/_batch') end",
            items(*count)
        )),
        Paths::Masked(path, first) => Some(format!(
            "local n = {first}
             request = function() n = n + 1; return wrk.format('GET', '{path},x' .. n) end"
        )),
        Paths::Mixed(path, first) => Some(format!(
            "local n = {first}
             request = function()
                 n = n + 1
                 if n % 20 == 0 then return wrk.format('GET', '/store/' .. n) end
                 return wrk.format('GET', '{path}')
             end"
        )),
    }
}

/// What is posted as a batch of the first so many `/store/N`.
pub(crate) fn items(count: u64) -> String {
    let paths: Vec<String> = (0..count).map(|number| format!("\"/store/{number}\"")).collect();
    format!("[{}]", paths.join(","))
}

fn number_before(text: &str, word: &str) -> Option<u64> {
    let before = &text[..text.find(word)?];
    before.split_whitespace().next_back()?.parse().ok()
}
