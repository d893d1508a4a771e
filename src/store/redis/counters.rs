//! What of the shared tier is counted.

use crate::counters::Counter;

/// What of the shared tier is counted, for the life of the process.
#[derive(Debug, Default)]
pub struct Counters {
    /// Look-ups that were sent.
    pub lookups: Counter,
    /// Pipelines of look-ups that were sent: look-ups that wait together leave as one.
    pub flushes: Counter,
    /// Responses found.
    pub hits: Counter,
    /// Look-ups that found nothing.
    pub misses: Counter,
    /// Records that do not check: garbage, another version's, another key's, another epoch's.
    pub unusable: Counter,
    /// Look-ups that were not sent: the link was down, or a purge was still to be written.
    pub skipped: Counter,
    /// Calls without an answer in time.
    pub late: Counter,
    /// Calls that broke.
    pub broken: Counter,
    /// Commands that Redis refused: out of memory, read-only, no permission, another type.
    pub refused: Counter,
    /// Responses, heads and lists stored.
    pub stored: Counter,
    /// Writes that did not replace what is newer.
    pub superseded: Counter,
    /// Writes that there was no room for, or no link.
    pub dropped: Counter,
    /// How often the link came up.
    pub ups: Counter,
    /// Tries to make it that came to nothing.
    pub unmade: Counter,
    /// How often it was given up.
    pub downs: Counter,
    /// Entries of the log that were read.
    pub events: Counter,
    /// How often entries of the log may have been missed.
    pub gaps: Counter,
}
