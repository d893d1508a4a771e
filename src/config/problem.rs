//! What is wrong with a configuration, where, and what to do about it.

use std::fmt;

/// One problem of a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file as the operator named it.
    pub file: String,
    /// From 1; 0 where the whole file is meant.
    pub line: usize,
    /// The key, dotted: `cache.memory.max_size`; empty where no key is meant.
    pub key: String,
    /// What is wrong and what to do. Never holds a value taken from the environment.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        if !self.key.is_empty() {
            write!(f, ": {}", self.key)?;
        }
        write!(f, ": {}", self.message)
    }
}
