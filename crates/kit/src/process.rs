//! What the kernel says about this process: memory and descriptors, from `/proc` (proc(5)) and the cgroup (cgroups(7)).

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Memory of this process, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Memory {
    /// In RAM now (`VmRSS`).
    pub resident: u64,
    /// Of that, not backed by a file (`RssAnon`): what a managed language would call its heap.
    pub anonymous: u64,
    /// The most that the kernel gives it: the tightest `memory.max` of its cgroups, else the RAM of the machine.
    pub limit: u64,
}

/// `None` where there is no `/proc`.
pub fn memory() -> Option<Memory> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let machine = fs::read_to_string("/proc/meminfo").ok().and_then(|text| kib(&text, "MemTotal:"));
    Some(Memory {
        resident: kib(&status, "VmRSS:")?,
        anonymous: kib(&status, "RssAnon:").unwrap_or_default(),
        limit: cgroup_limit().into_iter().chain(machine).min()?,
    })
}

/// Open descriptors. `None` where there is no `/proc`.
pub fn descriptors() -> Option<u64> {
    // The folder that is read is one of them.
    fs::read_dir("/proc/self/fd").ok().map(|entries| (entries.count() as u64).saturating_sub(1))
}

/// A line such as `VmRSS:     5012 kB`, in bytes.
fn kib(text: &str, name: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kib: u64 = rest.split_whitespace().next()?.parse().ok()?;
    kib.checked_mul(1_024)
}

/// The limit of the own cgroup or of one around it (version 2).
fn cgroup_limit() -> Option<u64> {
    let text = fs::read_to_string("/proc/self/cgroup").ok()?;
    let own = text.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let folder: PathBuf = Path::new("/sys/fs/cgroup").join(own);
    let limits = folder
        .ancestors()
        .take_while(|folder| folder.starts_with("/sys/fs/cgroup"))
        .filter_map(|folder| fs::read_to_string(folder.join("memory.max")).ok()?.trim().parse::<u64>().ok());
    limits.min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_that_of_this_process() {
        let before = memory().expect("a kernel with /proc");
        let held = vec![1_u8; 64 << 20];
        let after = memory().expect("a kernel with /proc");
        assert!(after.resident >= before.resident + (48 << 20), "{before:?} {after:?} {}", held.len());
        assert!(after.anonymous <= after.resident && after.resident < after.limit, "{after:?}");
    }

    #[test]
    fn an_open_file_is_a_descriptor() {
        let files: Vec<_> = (0..20).map(|_| fs::File::open("/proc/self/status").expect("opens")).collect();
        assert!(descriptors().expect("a kernel with /proc") >= 20 + 3, "{}", files.len());
    }
}
