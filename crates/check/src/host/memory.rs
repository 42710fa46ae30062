//! There is memory left, and swap to survive a peak.

use std::path::Path;

use api::checks::{Severity, State};
use model::Explain;

use super::{Host, Known, OnHost, judged, text};
use crate::finding::{Check, found, passed};

pub(super) const ROOM: Check<OnHost> = Check {
    id: "memory",
    title: "memory is left",
    severity: Severity::Warning,
    sources: &["CHK-06a", "W-M16"],
    run: room,
};

pub(super) const SWAP: Check<OnHost> = Check {
    id: "swap",
    title: "there is swap for a peak, and it is not full",
    severity: Severity::Info,
    sources: &["W-M16"],
    run: swap,
};

/// Of `/proc/meminfo`, MiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Memory {
    total: u64,
    available: u64,
    swap: u64,
    swap_free: u64,
}

/// The kernel's own estimate of what can be given out, in hundredths of the whole.
const AVAILABLE_PERCENT_MIN: u64 = 10;

pub(super) fn read(root: &Path) -> Known<Memory> {
    parse(&text(root, "proc/meminfo")?).ok_or_else(|| "/proc/meminfo has not the lines of proc(5)".to_owned())
}

fn parse(text: &str) -> Option<Memory> {
    let mib = |key: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
        Some(line.split_whitespace().next()?.parse::<u64>().ok()? >> 10)
    };
    Some(Memory {
        total: mib("MemTotal")?,
        available: mib("MemAvailable")?,
        swap: mib("SwapTotal")?,
        swap_free: mib("SwapFree")?,
    })
}

fn room(context: &Host<'_>) -> State {
    judged(&context.facts.memory, |memory| {
        let seen = format!("{} of {} MiB", memory.available, memory.total);
        if memory.available * 100 >= memory.total * AVAILABLE_PERCENT_MIN {
            return passed(seen);
        }
        found(Explain::new("memory-short", format!("{seen} are left")).help(
            "`mainstay status` says what each instance takes; bound one by `memory_max`, run fewer, or give the machine more",
        ))
    })
}

fn swap(context: &Host<'_>) -> State {
    judged(&context.facts.memory, |memory| {
        let seen = format!("{} of {} MiB free", memory.swap_free, memory.swap);
        let explain = match memory.swap {
            0 => Explain::new(
                "no-swap",
                "this machine has no swap: at a peak of memory the kernel kills at once",
            ),
            all if memory.swap_free * 2 < all => Explain::new("swap-used", format!("swap: {seen}")),
            _ => return passed(seen),
        };
        found(explain.help("a file of swap as large as half of the memory is enough (`fallocate`, `mkswap`, `swapon`, a line of /etc/fstab)"))
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn this_machines_memory_is_read() {
        let memory = super::read(std::path::Path::new("/")).expect("linux");
        assert!(memory.total > 0 && memory.available <= memory.total, "{memory:?}");
        assert_eq!(super::parse("MemTotal: 1 kB\n"), None);
    }
}
