//! What the sandbox opens for writing is there.

use std::{collections::BTreeSet, path::Path};

use api::checks::{Severity, State};
use model::{Explain, Sandbox};

use super::{Before, Context};
use crate::finding::{Check, count, found_if};

pub(super) const CHECK: Check<Before> = Check {
    id: "sandbox-paths",
    title: "every path that the sandbox opens for writing is there",
    severity: Severity::Warning,
    sources: &["CTR-09", "W-C14"],
    run,
};

fn run(context: &Context<'_>) -> State {
    let of_services = context.manifest.programs().map(|program| context.manifest.sandbox_of(program.service));
    let all: Vec<Sandbox> = of_services.chain([context.manifest.sandbox.clone()]).collect();
    let paths: BTreeSet<&String> = all.iter().flat_map(|sandbox| &sandbox.write).collect();
    let missing = paths.iter().filter(|path| !Path::new(path).exists());
    let missing = missing.map(|path| format!("{path} is not there")).collect();
    let explain =
        Explain::new("sandbox-path-missing", "the app could not write what its sandbox opens for it")
            .caused_by("only what exists when a process starts can be opened to it")
            .help("make it, and give it to the app's account: `install -d -o ACCOUNT /path`");
    found_if(missing, explain, count(paths.len(), "path"))
}
