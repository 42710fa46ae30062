//! Every program is there, and the account that the app will have can run it.

use std::collections::BTreeMap;

use api::checks::{Severity, State};
use model::{
    Explain,
    manifest::{Manifest, MigrateTool, PATH},
};

use super::{Before, Context};
use crate::{
    finding::{Check, count, found_if, not_run},
    programs::{Look, Obstacle, obstacle},
};

pub(super) const CHECK: Check<Before> = Check {
    id: "command",
    title: "every command names a program that the app's account can run",
    severity: Severity::Error,
    sources: &["RUN-07", "GATE-01", "W-D1"],
    run,
};

fn run(context: &Context<'_>) -> State {
    let Some(dir) = context.release_dir() else {
        return not_run("the archive is only opened on the machine that it is deployed to");
    };
    let is_made = |program: &str| context.manifest.release.build.is_some() && is_in_release(program);
    let all = commands(context.manifest);
    let before_a_build =
        |(_, command, _): &(String, &[String], &Env)| !command.first().is_some_and(|word| is_made(word));
    let commands: Vec<_> = all.into_iter().filter(before_a_build).collect();
    if commands.is_empty() {
        return not_run("what a build makes is there once it has run: the deploy looks then");
    }
    let looked = |(whose, command, env): &(String, &[String], &Env)| {
        let path = env.get("PATH").map_or(PATH, String::as_str);
        let look = Look { dir: &dir, is_copied: true, path, account: &context.account };
        let found = obstacle(&look, command.first()?)?;
        Some(Obstacle { why: format!("{whose}: {}", found.why), ..found })
    };
    let wrong: Vec<Obstacle> = commands.iter().filter_map(looked).collect();
    let explain =
        Explain::new("command-missing", "a program that is to run is not there, or cannot be run by the app")
            .help(remedies(&wrong));
    let wrong = wrong.into_iter().map(|obstacle| obstacle.why).collect();
    found_if(wrong, explain, count(commands.len(), "command"))
}

/// By its path. What lies there before a build is not what will run: the build makes it, or writes over it.
fn is_in_release(program: &str) -> bool {
    program.contains('/') && !program.starts_with('/') && !program.starts_with("{shared_dir}")
}

/// Of each obstacle its own, once; a general one for those that have none.
fn remedies(wrong: &[Obstacle]) -> String {
    let mut all: Vec<&str> = Vec::new();
    for help in wrong.iter().map(|obstacle| obstacle.help.as_deref().unwrap_or(HELP)) {
        if !all.contains(&help) {
            all.push(help);
        }
    }
    all.join("; ")
}

const HELP: &str = "a path with `/` is looked for in the release, a plain name on the `PATH` of the manifest, else on the usual \
    one; build first, mend the command, or set `PATH` in `env`";

type Env = BTreeMap<String, String>;

/// Every command of the manifest, where it stands, and the variables that it gets.
fn commands(manifest: &Manifest) -> Vec<(String, &[String], &Env)> {
    let services = manifest
        .programs()
        // Mainstay serves the files of one that has none.
        .filter(|program| !program.command.is_empty())
        .map(|program| (format!("[service.{}]", program.service), program.command, program.env));
    let migrate = manifest.migrate.iter().flat_map(|migrate| {
        let program = match &migrate.tool {
            MigrateTool::Alembic { program } | MigrateTool::Prisma { program } => Some(program),
            MigrateTool::Command | MigrateTool::Sql { .. } => None,
        };
        // With a tool there are none.
        let own = |command| Some(command).filter(|command: &&Vec<String>| !command.is_empty());
        let all = [
            ("program", program),
            ("command", own(&migrate.command)),
            ("status_command", own(&migrate.status_command)),
            ("down_command", migrate.down_command.as_ref()),
            ("contract_command", migrate.contract_command.as_ref()),
        ];
        all.into_iter().filter_map(|(key, command)| {
            Some((format!("[migrate] {key}"), command?.as_slice(), &migrate.env))
        })
    });
    services.chain(migrate).collect()
}
