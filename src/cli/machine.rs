//! What the machine, or the container, allows.

use std::{
    fs,
    path::{Path, PathBuf},
};

use larder::config::Machine;
use rustix::process::{Resource, getrlimit};

/// This one.
pub(crate) fn this() -> Machine {
    Machine { open_files: getrlimit(Resource::Nofile).maximum, memory: memory(Path::new("/")) }
}

/// The least of what is built in and of the limits of the process's cgroup and those around it.
/// `root` is the root of the file system.
pub(crate) fn memory(root: &Path) -> Option<u64> {
    let groups = fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
    let limits = groups.lines().flat_map(|line| files(root, line)).filter_map(|it| number(&it));
    limits.chain(built_in(root)).min()
}

/// The files that may hold a limit, for a line of /proc/self/cgroup: `0::/path` (version 2) or
/// `4:memory:/path` (version 1). In a container the path may be the host's; the groups above it
/// are asked, too, so the container's own root is found.
fn files(root: &Path, line: &str) -> Vec<PathBuf> {
    let mut parts = line.splitn(3, ':').skip(1);
    let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else {
        return Vec::new();
    };
    let (mount, file) = match controllers {
        "" => ("sys/fs/cgroup", "memory.max"),
        _ if controllers.split(',').any(|it| it == "memory") => {
            ("sys/fs/cgroup/memory", "memory.limit_in_bytes")
        }
        _ => return Vec::new(),
    };
    let path = Path::new(path.trim_start_matches('/'));
    path.ancestors().map(|group| root.join(mount).join(group).join(file)).collect()
}

/// `max` is no number.
fn number(file: &Path) -> Option<u64> {
    fs::read_to_string(file).ok()?.trim().parse().ok()
}

fn built_in(root: &Path) -> Option<u64> {
    let info = fs::read_to_string(root.join("proc/meminfo")).ok()?;
    let total = info.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kibibytes: u64 = total.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}
