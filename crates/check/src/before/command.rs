//! Programs that lie in the release exist and can be run; others are found on the usual path.

use std::{
    collections::BTreeMap,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use api::checks::{Severity, State};
use model::{
    Explain,
    manifest::{Manifest, PATH},
};

use super::{Before, Context};
use crate::finding::{Check, count, found_if, not_run};

pub(super) const CHECK: Check<Before> = Check {
    id: "command",
    title: "every command names a program that is there",
    severity: Severity::Error,
    sources: &["RUN-07", "GATE-01", "W-D1"],
    run,
};

fn run(context: &Context<'_>) -> State {
    let Some(dir) = context.release_dir() else {
        return not_run("the archive is only opened on the machine that it is deployed to");
    };
    let commands = commands(context.manifest);
    let looked = |(whose, command, env): &(String, &[String], &Env)| {
        let program = command.first()?;
        let path = env.get("PATH").map_or(PATH, String::as_str);
        missing(&dir, program, path).map(|why| format!("{whose}: {why}"))
    };
    let wrong: Vec<String> = commands.iter().filter_map(looked).collect();
    let explain = Explain::new("command-missing", "a program that is to run is not there").help(
        "a path with `/` is looked for in the release, a plain name on the `PATH` of the manifest, else on the usual one; build first, mend the command, or set `PATH` in `env`",
    );
    found_if(wrong, explain, count(commands.len(), "command"))
}

type Env = BTreeMap<String, String>;

/// Every command of the manifest, where it stands, and the variables that it gets.
fn commands(manifest: &Manifest) -> Vec<(String, &[String], &Env)> {
    let services = manifest.services.iter();
    let services = services
        .map(|(name, service)| (format!("[service.{name}]"), service.command.as_slice(), &service.env));
    let migrate = manifest.migrate.iter().flat_map(|migrate| {
        let all = [
            ("command", Some(&migrate.command)),
            ("status_command", Some(&migrate.status_command)),
            ("down_command", migrate.down_command.as_ref()),
        ];
        all.into_iter().filter_map(|(key, command)| {
            Some((format!("[migrate] {key}"), command?.as_slice(), &migrate.env))
        })
    });
    services.chain(migrate).collect()
}

fn missing(dir: &Path, program: &str, path: &str) -> Option<String> {
    let runnable = |file: &Path| {
        std::fs::metadata(file).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
    };
    // What lies in the shared folder is only known on the machine.
    if program.contains("{shared_dir}") {
        return None;
    }
    if program.contains('/') {
        let file = in_release(dir, program);
        if runnable(&file) {
            return None;
        }
        let why = if file.exists() { "is no program: `chmod +x` it" } else { "is not there" };
        return Some(format!("{} {why}", file.display()));
    }
    // The machine that it is deployed to may be another; here it is this one.
    let mut folders = path.split(':').filter(|folder| !folder.is_empty());
    let found = folders
        .any(|folder| folder.contains("{shared_dir}") || runnable(&in_release(dir, folder).join(program)));
    (!found).then(|| format!("`{program}` is not found in {path}"))
}

/// A path as a process sees it whose working folder is the release.
fn in_release(dir: &Path, path: &str) -> PathBuf {
    dir.join(path.replace("{release_dir}", &dir.to_string_lossy()))
}
