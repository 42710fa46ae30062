//! Programs that lie in the release exist and can be run; others are found on the usual path.

use std::{os::unix::fs::PermissionsExt as _, path::Path};

use api::checks::{Severity, State};
use model::Explain;

use super::{Before, Context};
use crate::finding::{Check, count, found_if, not_run};

pub(super) const CHECK: Check<Before> = Check {
    id: "command",
    title: "every command names a program that is there",
    severity: Severity::Error,
    sources: &["RUN-07", "GATE-01", "W-D1"],
    run,
};

/// Where an instance looks, unless its manifest sets PATH.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

fn run(context: &Context<'_>) -> State {
    let Some(dir) = context.release_dir() else {
        return not_run("the archive is only opened on the machine that it is deployed to");
    };
    let services = &context.manifest.services;
    let mut wrong = Vec::new();
    for (name, service) in services {
        let Some(program) = service.command.first() else { continue };
        let path = service.env.get("PATH").map_or(PATH, String::as_str);
        if let Some(why) = missing(&dir, program, path) {
            wrong.push(format!("[service.{name}]: {why}"));
        }
    }
    let explain = Explain::new("command-missing", "a service's program is not there")
        .help("a path with `/` is looked for in the release, a plain name on PATH; build first, or mend the command");
    found_if(
        wrong,
        explain,
        format!("{} of {}", count(services.len(), "command"), count(services.len(), "service")),
    )
}

fn missing(dir: &Path, program: &str, path: &str) -> Option<String> {
    let runnable = |file: &Path| {
        std::fs::metadata(file).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
    };
    let inside =
        program.strip_prefix("{release_dir}/").or_else(|| (!program.starts_with('/')).then_some(program));
    if program.contains('/') {
        let file = inside.map_or_else(|| program.into(), |inside| dir.join(inside));
        if runnable(&file) || program.contains("{shared_dir}") {
            return None;
        }
        let why = if file.exists() { "is no program: `chmod +x` it" } else { "is not there" };
        return Some(format!("{} {why}", file.display()));
    }
    // The machine that it is deployed to may be another; here it is this one.
    let found = path.split(':').any(|folder| runnable(&Path::new(folder).join(program)));
    (!found).then(|| format!("`{program}` is not found in {path}"))
}
