//! The process itself, under the names that Prometheus's own client libraries give it.
//!
//! What the system does not tell (where there is no /proc) is left out, rather than told as 0.

use std::fs;

use rustix::process::{Resource, getrlimit};

use super::{text::Page, times::Seconds};
use crate::{clock, policy::Wall};

const STATUS: &str = "/proc/self/status";
const OPEN_FILES: &str = "/proc/self/fd";

/// Writes all of it, for a process that began then.
pub(super) fn write(page: &mut Page, began: Wall) {
    let name = "process_start_time_seconds";
    page.family(name, "gauge", "When the process began, in seconds since 1970.");
    page.sample(name, &[], began.seconds());
    let name = "process_cpu_seconds_total";
    page.family(name, "counter", "Time of processors, for users and for the system.");
    let spent = clock::cpu_time().as_nanos();
    page.sample(name, &[], Seconds(u64::try_from(spent).unwrap_or(u64::MAX)));
    let status = fs::read_to_string(STATUS).unwrap_or_default();
    for (name, help, value) in [
        ("process_resident_memory_bytes", "Memory in use.", bytes(&status, "VmRSS:")),
        ("process_virtual_memory_bytes", "Addresses in use.", bytes(&status, "VmSize:")),
        ("process_open_fds", "Files and connections that are open.", open_files()),
        ("process_max_fds", "As many may be open.", getrlimit(Resource::Nofile).current),
    ] {
        if let Some(value) = value {
            page.family(name, "gauge", help);
            page.sample(name, &[], value);
        }
    }
}

/// A line of the status, such as `VmRSS:  2048 kB`.
fn bytes(status: &str, line: &str) -> Option<u64> {
    let rest = status.lines().find_map(|it| it.strip_prefix(line))?;
    let kibibytes: u64 = rest.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

/// Linux 6.2 and newer say it as the directory's size; before that it is 0, and they are counted.
fn open_files() -> Option<u64> {
    match fs::metadata(OPEN_FILES).ok()?.len() {
        // One of them is the directory, which is read.
        0 => (fs::read_dir(OPEN_FILES).ok()?.count() as u64).checked_sub(1),
        open => Some(open),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_told_in_bytes() {
        let status = "Name:\tlarder\nVmSize:\t  4096 kB\nVmRSS:\t     2 kB\nThreads:\t3\n";
        assert_eq!(bytes(status, "VmRSS:"), Some(2048));
        assert_eq!(bytes(status, "VmSize:"), Some(4096 << 10));
        assert_eq!(bytes(status, "Threads:"), None, "no memory");
        assert_eq!(bytes("", "VmRSS:"), None, "left out");
    }

    #[test]
    fn a_file_more_is_one_more() {
        let before = open_files().unwrap();
        let held: Vec<_> = (0..400).map(|_| fs::File::open("/dev/null").unwrap()).collect();
        let after = open_files().unwrap();
        // Other tests open and close files meanwhile.
        assert!(after >= before + 200, "{before} before {} more, {after} after", held.len());
    }
}
