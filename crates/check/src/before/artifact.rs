//! What is to be deployed is there.

use api::checks::{Severity, State};
use model::{Explain, manifest::Source};

use super::{Before, Context, below};
use crate::finding::{Check, found, passed};

pub(super) const CHECK: Check<Before> = Check {
    id: "artifact",
    title: "what is to be deployed is there",
    severity: Severity::Error,
    sources: &["CHK-10b", "GATE-01", "W-D16"],
    run,
};

fn run(context: &Context<'_>) -> State {
    match &context.manifest.release.source {
        Source::Dir(dir) => folder(context, dir),
        Source::Artifact(file) => archive(context, file),
    }
}

fn folder(context: &Context<'_>, dir: &str) -> State {
    let path = below(context.folder, dir);
    match std::fs::read_dir(&path).map(|mut entries| entries.next().is_some()) {
        Ok(true) => passed(format!("{} has files", path.display())),
        Ok(false) => found(
            Explain::new("artifact-empty", format!("{} is empty", path.display()))
                .help("build the app first"),
        ),
        Err(error) => found(
            Explain::new("artifact-missing", format!("the folder {} cannot be read", path.display()))
                .caused_by(error.to_string())
                .help("build the app first, or mend `dir` in [release]"),
        ),
    }
}

fn archive(context: &Context<'_>, file: &str) -> State {
    let path = context.folder.join(file);
    match std::fs::metadata(&path) {
        Ok(metadata) if metadata.is_file() && metadata.len() > 0 => {
            passed(format!("{} has {} bytes", path.display(), metadata.len()))
        }
        Ok(_) => found(
            Explain::new("artifact-empty", format!("{} is empty or no file", path.display()))
                .help("build the archive first"),
        ),
        Err(error) => found(
            Explain::new("artifact-missing", format!("{} cannot be read", path.display()))
                .caused_by(error.to_string())
                .help("build the archive first, or mend `artifact` in [release]"),
        ),
    }
}
