//! The disk has room for a release as PREFLIGHT will want it.

use api::checks::{Severity, State};
use model::{
    Explain,
    manifest::Source,
    room::{Room, round},
};

use super::{Before, Context};
use crate::finding::{Check, found, not_run, passed};

pub(super) const CHECK: Check<Before> = Check {
    id: "disk-space",
    title: "the disk has room for the release",
    severity: Severity::Error,
    sources: &["RUN-06", "W-H2", "ARCH-03"],
    run,
};

fn run(context: &Context<'_>) -> State {
    let space = match super::inodes::space(context.data) {
        Ok(space) => space,
        Err(error) => return not_run(format!("{} cannot be looked at: {error}", context.data.display())),
    };
    let artifact = match &context.manifest.release.source {
        Source::Artifact(file) => std::fs::metadata(context.folder.join(file)).map_or(0, |file| file.len()),
        // A folder is measured when it is packed: here its size is not worth a walk over it.
        Source::Dir(_) => 0,
    };
    let room = Room { artifact, largest: 0, reserve: context.disk_reserve.0 };
    let sum = format!("{} free, {} needed: {room}", round(space.bytes_free), round(room.wanted()));
    if space.bytes_free >= room.wanted() {
        return passed(sum);
    }
    found(
        Explain::new("disk-space", "there is too little disk space for a release")
            .caused_by(format!("{}: {sum}", context.data.display()))
            .help("make room, lower `keep_releases`, or set `disk_reserve` in machine.toml"),
    )
}
