//! What the keys in Redis are called. The braces are a hash tag: head and body of a response lie
//! together, should Redis one day be many.

use crate::key::Key;

/// The names, all under one prefix and the format's version.
#[derive(Clone, Debug)]
pub(super) struct Names {
    prefix: String,
    pub(super) generations: String,
    pub(super) log: String,
    pub(super) nodes: String,
}

impl Names {
    pub(super) fn new(prefix: &str) -> Names {
        let prefix = format!("{prefix}:v1:");
        Names {
            generations: format!("{prefix}gen"),
            log: format!("{prefix}log"),
            nodes: format!("{prefix}nodes"),
            prefix,
        }
    }

    pub(super) fn head(&self, key: Key) -> String {
        self.of('h', key)
    }

    pub(super) fn body(&self, key: Key) -> String {
        self.of('b', key)
    }

    pub(super) fn lease(&self, key: Key) -> String {
        self.of('l', key)
    }

    /// What a signature that was used is remembered by.
    pub(super) fn once(&self, what: &[u8; 32]) -> String {
        format!("{}w:{}", self.prefix, blake3::Hash::from_bytes(*what).to_hex())
    }

    fn of(&self, kind: char, key: Key) -> String {
        let hex = blake3::Hash::from_bytes(*key.as_bytes()).to_hex();
        format!("{}{kind}:{{{hex}}}", self.prefix)
    }
}
