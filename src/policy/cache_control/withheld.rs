//! The fields that `no-cache="…"` and `private="…"` name (RFC 9111 §5.2.2.4, §5.2.2.7).
//!
//! They go to the client that asked and are left out of what is stored, so that what is stored
//! can be used like any other response. Where that cannot be done, the form with names counts as
//! the one without, which forbids more and so is always allowed.

use http::{HeaderName, header};

use super::targeted;
use crate::policy::groups;

/// The most field names that are kept apart.
const MAX_NAMES: usize = 16;

/// What a stored response cannot do without: what tells how to read its bytes, what it is
/// validated and selected by, and what says how long it may be used.
const NEEDED: [HeaderName; 15] = [
    header::AGE,
    header::CACHE_CONTROL,
    header::CONTENT_ENCODING,
    header::CONTENT_LANGUAGE,
    header::CONTENT_LENGTH,
    header::CONTENT_LOCATION,
    header::CONTENT_RANGE,
    header::CONTENT_TYPE,
    header::DATE,
    header::ETAG,
    header::EXPIRES,
    header::LAST_MODIFIED,
    header::LOCATION,
    header::VARY,
    groups::CACHE_GROUPS,
];

/// Reads the argument as a list of field names into `names`; `false` where it is none, or names
/// what a stored response cannot do without.
pub(super) fn take(argument: &[u8], names: &mut Vec<HeaderName>) -> bool {
    let members = argument.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    let mut members = members.filter(|member| !member.is_empty()).peekable();
    let (before, any) = (names.len(), members.peek().is_some());
    for member in members {
        match HeaderName::from_bytes(member) {
            Ok(name) if names.contains(&name) => {}
            Ok(name) if names.len() < MAX_NAMES && !is_needed(&name) => names.push(name),
            _ => {
                names.truncate(before);
                return false;
            }
        }
    }
    any
}

fn is_needed(name: &HeaderName) -> bool {
    NEEDED.contains(name) || targeted::TARGET_LIST.contains(name)
}
