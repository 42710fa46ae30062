//! The data folder's disk has room for logs and the next release.

use api::checks::{Severity, State};
use model::Explain;

use super::{Live, Running};
use crate::finding::{Check, found, passed};

pub(super) const CHECK: Check<Running> = Check {
    id: "disk",
    title: "the data folder's disk has room",
    severity: Severity::Error,
    sources: &["HEALTH-03", "CHK-06a", "RUN-06", "W-H2", "W-M16"],
    run,
};

const BYTES_MIN: u64 = 1 << 30;
const INODES_MIN: u64 = 50_000;

fn run(context: &Live<'_>) -> State {
    let machine = context.machine;
    let (bytes, inodes) = (machine.disk_free_bytes, machine.inodes_free);
    // File systems that do not count inodes say 0.
    let few_inodes = inodes != 0 && inodes < INODES_MIN;
    if bytes >= BYTES_MIN && !few_inodes {
        return passed(format!("{} MiB and {inodes} inodes free", bytes >> 20));
    }
    found(
        Explain::new(
            "disk-full",
            format!("{} MiB and {inodes} inodes are free in {}", bytes >> 20, machine.data),
        )
        .help("make room: a full disk stops logs and deploys, and often the app's database"),
    )
}
