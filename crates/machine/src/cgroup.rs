//! Cgroups, version 2 only: found in `/proc/self/mountinfo`, never assumed (on hybrid machines the v2 tree has no
//! controllers, but killing a whole group still works).

use std::{
    fs::{self, File, OpenOptions},
    io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// Where the v2 tree is mounted; `None`: nowhere.
pub fn mount() -> Option<PathBuf> {
    let text = fs::read_to_string("/proc/self/mountinfo").ok()?;
    text.lines().find_map(mount_line)
}

/// `41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw` (proc_pid_mountinfo(5)).
fn mount_line(line: &str) -> Option<PathBuf> {
    let (before, after) = line.split_once(" - ")?;
    let is_v2 = after.split(' ').next()? == "cgroup2";
    is_v2.then(|| before.split(' ').nth(4).map(|point| PathBuf::from(point.replace("\\040", " "))))?
}

/// This process's own group in the v2 tree.
pub fn own() -> Option<PathBuf> {
    let text = fs::read_to_string("/proc/self/cgroup").ok()?;
    let path = text.lines().find_map(|line| line.strip_prefix("0::"))?;
    Some(mount()?.join(path.trim_start_matches('/')))
}

/// The controllers that a group's children may use.
pub fn controllers(group: &Path) -> Vec<String> {
    let text = fs::read_to_string(group.join("cgroup.controllers")).unwrap_or_default();
    text.split_ascii_whitespace().map(str::to_owned).collect()
}

/// Lets the children of `group` use those of `wanted` that it has. What cannot be enabled (a group with processes of its
/// own, no right) is left out of the answer.
pub fn enable(group: &Path, wanted: &[&str]) -> Vec<String> {
    let there = controllers(group);
    let wanted = wanted.iter().filter(|name| there.iter().any(|t| t == *name));
    wanted
        .filter(|name| fs::write(group.join("cgroup.subtree_control"), format!("+{name}")).is_ok())
        .map(|name| (*name).to_owned())
        .collect()
}

/// Makes the group and its missing parents.
pub fn make(group: &Path) -> io::Result<()> {
    fs::create_dir_all(group)
}

/// Writes one of its files, such as `memory.max`.
pub fn set(group: &Path, file: &str, value: &str) -> io::Result<()> {
    fs::write(group.join(file), value)
}

/// Its `cgroup.procs`, open for writing: a child writes `0` to it to join.
pub fn procs(group: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).open(group.join("cgroup.procs"))
}

/// The processes in the group itself.
pub fn members(group: &Path) -> Vec<i32> {
    let text = fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
    text.lines().filter_map(|pid| pid.parse().ok()).collect()
}

/// Whether a process lives in it or below it. A group that is not there is empty.
pub fn is_populated(group: &Path) -> bool {
    fs::read_to_string(group.join("cgroup.events"))
        .is_ok_and(|text| text.lines().any(|line| line == "populated 1"))
}

/// SIGKILL to all in it and below it, forks in progress included (`cgroup.kill`, Linux 5.14).
pub fn kill(group: &Path) -> io::Result<()> {
    match fs::write(group.join("cgroup.kill"), "1") {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// How often the OOM killer took a process of it; 0 without the memory controller.
pub fn oom_kills(group: &Path) -> u64 {
    let text = fs::read_to_string(group.join("memory.events")).unwrap_or_default();
    let count = text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok());
    count.unwrap_or(0)
}

/// Bytes charged to it; `None` without the memory controller.
pub fn memory_bytes(group: &Path) -> Option<u64> {
    number(group, "memory.current")
}

/// The most that was ever charged to it at once; `None` without the memory controller, or before Linux 5.19.
pub fn memory_peak_bytes(group: &Path) -> Option<u64> {
    number(group, "memory.peak")
}

fn number(group: &Path, file: &str) -> Option<u64> {
    fs::read_to_string(group.join(file)).ok()?.trim().parse().ok()
}

/// Removes the group and those below it, once they are empty; waits up to `patience` for processes that are dying.
///
/// # Errors
/// `ResourceBusy` where something in it does not die.
pub fn remove(group: &Path, patience: Duration) -> io::Result<()> {
    let until = Instant::now() + patience;
    loop {
        match remove_tree(group) {
            Err(error) if error.kind() == io::ErrorKind::ResourceBusy && Instant::now() < until => {
                std::thread::sleep(Duration::from_millis(5));
            }
            other => return other,
        }
    }
}

fn remove_tree(group: &Path) -> io::Result<()> {
    for child in children(group) {
        remove_tree(&child)?;
    }
    match fs::remove_dir(group) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// The groups right below.
pub fn children(group: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(group) else { return Vec::new() };
    entries.flatten().filter(|e| e.file_type().is_ok_and(|t| t.is_dir())).map(|e| e.path()).collect()
}

/// Whether a child of this process can be put into `group`, tried with a real one: owning a folder is not enough, the
/// common ancestor must be writable too.
pub fn can_join(group: &Path) -> bool {
    let Ok(procs) = procs(group) else { return false };
    crate::child::joins(&procs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_v2_mount_is_told_from_the_others() {
        let v1 = "32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu";
        let v2 = "41 31 0:38 / /sys/fs/cgroup/uni\\040fied rw,relatime shared:3 - cgroup2 cgroup2 rw";
        assert_eq!(mount_line(v1), None);
        assert_eq!(mount_line(v2), Some(PathBuf::from("/sys/fs/cgroup/uni fied")));
        assert_eq!(mount_line("nonsense"), None);
    }
}
