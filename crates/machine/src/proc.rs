//! What `/proc` tells of processes: parents, children, memory.

use std::{collections::BTreeMap, fs, io, os::fd::OwnedFd, time::Duration};

/// The living children of this process, of all its threads, zombies included.
pub fn own_children() -> io::Result<Vec<i32>> {
    let mut all = Vec::new();
    for task in fs::read_dir("/proc/self/task")? {
        let path = task?.path().join("children");
        // A thread may end between the listing and the reading.
        let Ok(text) = fs::read_to_string(path) else { continue };
        all.extend(text.split_ascii_whitespace().filter_map(|pid| pid.parse::<i32>().ok()));
    }
    Ok(all)
}

/// `root` and all its descendants now. A snapshot: processes come and go while it is taken.
pub fn tree(root: i32) -> Vec<i32> {
    let mut children: BTreeMap<i32, Vec<i32>> = BTreeMap::new();
    for pid in all() {
        if let Some(parent) = parent_of(pid) {
            children.entry(parent).or_default().push(pid);
        }
    }
    let mut found = vec![root];
    let mut next = 0;
    // Bound: each pid is pushed once, as the child of its one parent; a cycle cannot be, a parent is always older.
    while let Some(pid) = found.get(next).copied() {
        found.extend(children.remove(&pid).unwrap_or_default());
        next += 1;
    }
    found
}

fn all() -> Vec<i32> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// The living processes whose environment, as they were executed with, has the whole entry `NAME=value`. Those that this
/// process may not look into are not among them.
pub fn with_variable(entry: &[u8]) -> Vec<OwnedFd> {
    let has_it = |pid: &i32| {
        let environ = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environ.split(|byte| *byte == 0).any(|found| found == entry)
    };
    // Opened before it is looked at: a pid that came again in between is another process than the descriptor's.
    let opened = all().into_iter().filter_map(|pid| Some((pid, crate::pidfd::open(pid).ok()?)));
    let found = opened.filter(|(pid, pidfd)| has_it(pid) && !crate::pidfd::has_ended(pidfd));
    found.map(|(_, pidfd)| pidfd).collect()
}

/// `None`: no such process.
pub fn parent_of(pid: i32) -> Option<i32> {
    stat(pid, 4)?.parse().ok()
}

/// For how long a process has been there, time asleep included; no clock that jumps moves it. `None`: no such process.
pub fn age(pid: i32) -> Option<Duration> {
    let ticks: u64 = stat(pid, 22)?.parse().ok()?;
    let started = Duration::from_secs_f64(ticks as f64 / rustix::param::clock_ticks_per_second() as f64);
    Some(crate::clock::since_boot().saturating_sub(started))
}

/// One field of proc_pid_stat(5), by its number there; from 3 on.
fn stat(pid: i32, field: usize) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold anything, also `)`: what counts stands after the last one.
    let rest = stat.get(stat.rfind(')')? + 1..)?;
    rest.split_ascii_whitespace().nth(field.checked_sub(3)?).map(str::to_owned)
}

/// Memory that can be given out without swapping, by the kernel's own estimate (`MemAvailable`, proc(5)).
pub fn available_bytes() -> io::Result<u64> {
    let text = fs::read_to_string("/proc/meminfo")?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    let kib = line.and_then(|line| line.split_ascii_whitespace().next()?.parse::<u64>().ok());
    kib.map(|kib| kib << 10).ok_or_else(|| io::Error::other("/proc/meminfo has no MemAvailable"))
}

/// Resident memory of one process, bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resident {
    pub now: u64,
    /// The most since it was executed.
    pub peak: u64,
}

/// `VmRSS` and `VmHWM` of proc_pid_status(5); `None`: gone, or a zombie.
pub fn resident(pid: i32) -> Option<Resident> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let bytes = |key: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(key))?;
        Some(line.split_ascii_whitespace().next()?.parse::<u64>().ok()? << 10)
    };
    let (now, peak) = (bytes("VmRSS:")?, bytes("VmHWM:")?);
    // The kernel counts in batches per thread: the peak may lag a little behind.
    Some(Resident { now, peak: peak.max(now) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_as_old_as_its_life() {
        let boot = age(1).expect("the first process");
        let mut child = std::process::Command::new("sleep").arg("60").spawn().expect("sleep");
        let young = age(child.id().cast_signed()).expect("the child");
        child.kill().and_then(|()| child.wait()).expect("its end");
        assert!(young < Duration::from_secs(30) && young < boot, "{young:?} of {boot:?}");
        assert_eq!(age(child.id().cast_signed()), None);
    }

    #[test]
    fn a_peak_stays_when_the_memory_is_given_back() {
        let own = || resident(std::process::id().cast_signed()).expect("this process");
        let block = std::hint::black_box(vec![1_u8; 64 << 20]);
        let full = own();
        drop(block);
        let after = own();
        assert!(full.now >= 64 << 20, "{full:?}");
        assert!(after.now < 64 << 20 && after.peak >= 64 << 20, "{full:?} {after:?}");
    }
}
