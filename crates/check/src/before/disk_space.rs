//! The disk has room for the release twice, and the reserve stays.

use api::checks::{Severity, State};
use model::{ByteSize, Explain, manifest::Source};

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
    let release = match &context.manifest.release.source {
        Source::Artifact(file) => std::fs::metadata(context.folder.join(file)).map_or(0, |file| file.len()),
        // A folder is measured when it is packed: here its size is not worth a walk over it.
        Source::Dir(_) => 0,
    };
    let wanted = release.saturating_mul(2).saturating_add(context.disk_reserve.0);
    if space.bytes_free >= wanted {
        return passed(format!("{} MiB free, {} MiB wanted", space.bytes_free >> 20, wanted >> 20));
    }
    found(
        Explain::new(
            "disk-full",
            format!("{} MiB are free where {} MiB are wanted", space.bytes_free >> 20, wanted >> 20),
        )
        .caused_by(format!(
            "{}: twice the release, and `disk_reserve` of {}",
            context.data.display(),
            ByteSize(context.disk_reserve.0)
        ))
        .help("make room, lower `keep_releases`, or set `disk_reserve` in machine.toml"),
    )
}
