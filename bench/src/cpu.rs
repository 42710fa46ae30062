//! CPU time of processes and all their threads and children, in nanoseconds, from the scheduler's own count.
//!
//! `/proc/PID/stat` counts in steps of 10 ms; `/proc/PID/task/TID/schedstat` counts each nanosecond that a thread ran.
//! A thread that ends takes its count along, so this fits servers in a steady state.

use std::{collections::BTreeMap, fs};

use testkit::mainstay::processes::{parent, pids};

/// Nanoseconds on a CPU so far, of `roots` and everything below them.
pub(crate) fn time_ns(roots: &[u32]) -> u64 {
    tree(roots).into_iter().map(of_process).sum()
}

/// `roots` and their descendants.
pub(crate) fn tree(roots: &[u32]) -> Vec<u32> {
    let parents: BTreeMap<u32, u32> = pids().filter_map(|pid| Some((pid, parent(pid)?))).collect();
    let mut found: Vec<u32> = roots.to_vec();
    let mut at = 0;
    while let Some(parent) = found.get(at).copied() {
        let children =
            parents.iter().filter(|(pid, of)| **of == parent && !found.contains(pid)).map(|(pid, _)| *pid);
        found.extend(children.collect::<Vec<_>>());
        at += 1;
    }
    found
}

fn of_process(pid: u32) -> u64 {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    tasks.filter_map(|task| of_task(&fs::read_to_string(task.path().join("schedstat")).ok()?)).sum()
}

fn of_task(schedstat: &str) -> Option<u64> {
    schedstat.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_of_this_process_is_counted() {
        let own = [std::process::id()];
        let before = time_ns(&own);
        let mut sum = 0_u64;
        (0..5_000_000_u64).for_each(|n| sum = std::hint::black_box(sum ^ n));
        assert!(time_ns(&own) > before + 1_000_000, "5 million rounds take more than a millisecond");
    }
}
