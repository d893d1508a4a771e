//! The scripts: every step that changes more than one key, or depends on what is there.
//!
//! Called by digest. Redis forgets scripts when it restarts; they are loaded with each connection,
//! and sent whole where it has forgotten one in between.

use redis::{Cmd, Pipeline, RedisResult, Value, aio::MultiplexedConnection};

/// A script by its place in [`Scripts`].
#[derive(Clone, Copy, Debug)]
pub(super) enum Script {
    Join,
    Purge,
    Invalidate,
    Store,
    Heartbeat,
    Acknowledge,
    Nodes,
    Lease,
    Release,
    Renew,
    Once,
}

const PRELUDE: &str = include_str!("scripts/prelude.lua");

const ALL: [&str; 11] = [
    include_str!("scripts/join.lua"),
    include_str!("scripts/purge.lua"),
    include_str!("scripts/invalidate.lua"),
    include_str!("scripts/store.lua"),
    include_str!("scripts/heartbeat.lua"),
    include_str!("scripts/acknowledge.lua"),
    include_str!("scripts/nodes.lua"),
    include_str!("scripts/lease.lua"),
    include_str!("scripts/release.lua"),
    include_str!("scripts/renew.lua"),
    include_str!("scripts/once.lua"),
];

/// The digests under which one Redis knows the scripts; none where it may not load them.
#[derive(Clone, Debug, Default)]
pub(super) struct Scripts(Vec<String>);

/// One call of a script: what it is for, its keys, its arguments.
#[derive(Clone, Debug)]
pub(super) struct Call {
    script: Script,
    keys: usize,
    arguments: Vec<Vec<u8>>,
}

impl Script {
    /// Whether a request waits for its answer: then nothing large that is stored may delay it.
    fn is_waited_for(self) -> bool {
        matches!(self, Script::Lease | Script::Renew | Script::Once)
    }
}

impl Call {
    pub(super) fn new(script: Script, keys: &[&str]) -> Call {
        let arguments = keys.iter().map(|key| key.as_bytes().to_vec()).collect();
        Call { script, keys: keys.len(), arguments }
    }

    pub(super) fn arg(mut self, argument: impl AsRef<[u8]>) -> Call {
        self.arguments.push(argument.as_ref().to_vec());
        self
    }

    /// Whether a request waits for its answer.
    pub(super) fn is_waited_for(&self) -> bool {
        self.script.is_waited_for()
    }

    fn command(&self, name: &str, script: &str) -> Cmd {
        let mut command = redis::cmd(name);
        command.arg(script).arg(self.keys).arg(&self.arguments[..]);
        command
    }
}

impl Scripts {
    /// Loads them. Where that is not allowed, each call says so in its turn.
    pub(super) async fn load(on: &mut MultiplexedConnection) -> RedisResult<Scripts> {
        let mut pipeline = Pipeline::new();
        for script in ALL {
            pipeline.cmd("SCRIPT").arg("LOAD").arg(whole(script));
        }
        let answers: Vec<RedisResult<String>> = pipeline.ignore_errors().query_async(on).await?;
        let digests = answers.into_iter().collect::<RedisResult<Vec<String>>>();
        Ok(Scripts(digests.unwrap_or_default()))
    }

    /// A call by digest, or whole where there is none.
    pub(super) fn command(&self, call: &Call) -> Cmd {
        match self.0.get(call.script as usize) {
            Some(digest) => call.command("EVALSHA", digest),
            None => whole_command(call),
        }
    }
}

/// The same call with the script's text.
pub(super) fn whole_command(call: &Call) -> Cmd {
    call.command("EVAL", &whole(ALL[call.script as usize]))
}

/// Whether Redis has forgotten the script.
pub(super) fn is_forgotten(answer: &RedisResult<Value>) -> bool {
    answer.as_ref().is_err_and(|error| error.code() == Some("NOSCRIPT"))
}

fn whole(script: &str) -> String {
    format!("{PRELUDE}\n{script}")
}
