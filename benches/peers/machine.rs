//! What the kernel accounts: CPU time and memory of processes and of the whole machine.

use std::{
    collections::HashMap,
    fs,
    time::{Duration, Instant},
};

use larder::clock::Clock;

use crate::bare::Failure;

/// The unit of /proc, on every platform that Linux runs on.
const TICKS_PER_SECOND: f64 = 100.0;

/// A measure is discarded when others took more of a core than this meanwhile.
const OTHERS_AT_MOST: f64 = 0.1;

/// A process, as /proc/PID/stat tells it, times in ticks.
#[derive(Clone, Copy, Debug)]
struct Process {
    parent: u32,
    /// Its own time, user and system, of all its threads.
    own: u64,
    /// That of its children who have ended.
    children: u64,
}

/// The machine's CPU time at one moment.
#[derive(Debug)]
pub(crate) struct Watch {
    at: Instant,
    /// Ticks of ours: of this process and all who descend from it.
    ours: u64,
    /// Ticks that were not idle.
    busy: u64,
    /// Ticks that another virtual machine had.
    stolen: u64,
}

impl Watch {
    /// Begins to watch.
    pub(crate) fn begin(clock: &Clock) -> Result<Watch, Failure> {
        let (busy, stolen) = busy()?;
        let ours = ticks(&processes(), std::process::id());
        Ok(Watch { at: clock.instant(), ours, busy, stolen })
    }

    /// Which part of one core all others took since, if that is too much.
    pub(crate) fn disturbed(&self, clock: &Clock) -> Result<Option<f64>, Failure> {
        let now = Watch::begin(clock)?;
        let took = (now.at - self.at).as_secs_f64();
        let busy = now.busy.saturating_sub(self.busy);
        let others = busy.saturating_sub(now.ours.saturating_sub(self.ours));
        let stolen = now.stolen.saturating_sub(self.stolen);
        // One tick for what the rounding of each counter may be off.
        let part = ((others + stolen) as f64 - 2.0).max(0.0) / TICKS_PER_SECOND / took;
        Ok((part > OTHERS_AT_MOST).then_some(part))
    }
}

/// CPU time of a process and its descendants, those that ended included.
pub(crate) fn cpu(pid: u32) -> Duration {
    Duration::from_secs_f64(ticks(&processes(), pid) as f64 / TICKS_PER_SECOND)
}

/// Resident bytes of a process and its descendants.
pub(crate) fn resident(pid: u32) -> u64 {
    tree(&processes(), pid).into_iter().filter_map(resident_alone).sum()
}

fn resident_alone(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes << 10)
}

fn ticks(all: &HashMap<u32, Process>, root: u32) -> u64 {
    let tree = tree(all, root);
    tree.iter().filter_map(|pid| all.get(pid)).map(|it| it.own + it.children).sum()
}

fn tree(all: &HashMap<u32, Process>, root: u32) -> Vec<u32> {
    let mut tree = vec![root];
    let mut next = 0;
    while let Some(&parent) = tree.get(next) {
        tree.extend(all.iter().filter(|(_, it)| it.parent == parent).map(|(pid, _)| *pid));
        next += 1;
    }
    tree
}

fn processes() -> HashMap<u32, Process> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter_map(|pid| Some((pid, process(pid)?))).collect()
}

/// proc(5): the name stands in parentheses and may hold anything.
fn process(pid: u32) -> Option<Process> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
    Some(Process {
        parent: u32::try_from(number(1)?).ok()?,
        own: number(11)? + number(12)?,
        children: number(13)? + number(14)?,
    })
}

/// Ticks of all cores that were neither idle nor stolen, and those that were stolen.
fn busy() -> Result<(u64, u64), Failure> {
    let stat = fs::read_to_string("/proc/stat")?;
    let line = stat.lines().next().and_then(|line| line.strip_prefix("cpu ")).unwrap_or_default();
    let fields: Vec<u64> = line.split_whitespace().filter_map(|it| it.parse().ok()).collect();
    // user nice system idle iowait irq softirq steal
    let [user, nice, system, _, _, irq, softirq, steal, ..] = fields.as_slice() else {
        return Err("/proc/stat is not as expected".into());
    };
    Ok((user + nice + system + irq + softirq, *steal))
}
