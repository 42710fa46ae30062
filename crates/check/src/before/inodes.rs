//! The disk has inodes: a full table of them looks like a disk with room.

use std::{io, path::Path};

use api::checks::{Severity, State};
use machine::fs::DiskSpace;
use model::Explain;

use super::{Before, Context};
use crate::finding::{Check, found, not_run, passed};

pub(super) const CHECK: Check<Before> = Check {
    id: "inodes",
    title: "the disk has room for many small files",
    severity: Severity::Error,
    sources: &["W-H2", "W-M16"],
    run,
};

/// A release of a Node app has tens of thousands of files.
const INODES_MIN: u64 = 100_000;

fn run(context: &Context<'_>) -> State {
    match space(context.data) {
        Err(error) => not_run(format!("{} cannot be looked at: {error}", context.data.display())),
        Ok(space) if space.inodes_total == 0 => passed("this file system does not count them"),
        Ok(space) if space.inodes_free >= INODES_MIN => passed(format!("{} free", space.inodes_free)),
        Ok(space) => found(
            Explain::new(
                "inodes-few",
                format!("{} inodes are free where {INODES_MIN} are wanted", space.inodes_free),
            )
            .caused_by(format!("{}", context.data.display()))
            .help("remove small files (old releases, caches, mails), or move the data folder"),
        ),
    }
}

/// Of the file system that the folder is on, or will be on.
pub(super) fn space(folder: &Path) -> io::Result<DiskSpace> {
    let there = folder.ancestors().find(|folder| folder.exists()).unwrap_or(Path::new("/"));
    machine::fs::disk_space(there)
}
