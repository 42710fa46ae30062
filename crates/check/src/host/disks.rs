//! The system's own disks have room: a full `/var` or `/tmp` stops logs, updates and logins.

use std::{os::unix::fs::MetadataExt as _, path::Path};

use api::checks::{Severity, State};
use model::Explain;

use super::{Host, Known, OnHost, judged};
use crate::finding::{Check, count, found_if};

pub(super) const BYTES: Check<OnHost> = Check {
    id: "system-disks",
    title: "the system's disks have room",
    severity: Severity::Warning,
    sources: &["HEALTH-03", "W-M16"],
    run: |context| run(context, "bytes", |disk| (disk.space.bytes_free, disk.space.bytes_total)),
};

pub(super) const INODES: Check<OnHost> = Check {
    id: "system-inodes",
    title: "the system's disks have room for many small files",
    severity: Severity::Warning,
    sources: &["HEALTH-03", "W-M16"],
    run: |context| run(context, "inodes", |disk| (disk.space.inodes_free, disk.space.inodes_total)),
};

const PLACES: [&str; 5] = ["", "boot", "var", "var/log", "tmp"];
const FREE_PERCENT_MIN: u64 = 5;

/// One file system, by the first place that lies on it.
#[derive(Debug)]
pub(crate) struct Disk {
    device: u64,
    place: String,
    space: machine::fs::DiskSpace,
}

pub(super) fn read(root: &Path) -> Known<Vec<Disk>> {
    let mut disks: Vec<Disk> = Vec::new();
    for place in PLACES.map(|place| root.join(place)) {
        let Ok(device) = std::fs::metadata(&place).map(|found| found.dev()) else { continue };
        if disks.iter().any(|known| known.device == device) {
            continue;
        }
        let space = machine::fs::disk_space(&place);
        let space = space.map_err(|error| format!("cannot look at {}: {error}", place.display()))?;
        disks.push(Disk { device, place: place.display().to_string(), space });
    }
    Ok(disks)
}

fn run(context: &Host<'_>, what: &str, of: fn(&Disk) -> (u64, u64)) -> State {
    judged(&context.facts.disks, |disks| {
        let is_short = |disk: &&Disk| {
            let (free, total) = of(disk);
            // File systems that do not count inodes say 0.
            total > 0 && u128::from(free) * 100 < u128::from(total) * u128::from(FREE_PERCENT_MIN)
        };
        let wrong = disks.iter().filter(is_short).map(|disk| {
            let (free, total) = of(disk);
            format!("{}: {free} of {total} {what} are free", disk.place)
        });
        let explain = Explain::new("system-disk-full", "a disk of the system is nearly full")
            .help("make room: `du -x --max-depth=2` says where it went; old kernels, journals and packages are the usual (`apt-get autoremove`, `journalctl --vacuum-size=200M`)");
        found_if(wrong.collect(), explain, count(disks.len(), "disk"))
    })
}
