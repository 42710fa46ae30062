//! Does the steps, one after the other. Each can be done again: a run that was cut is ended by the next.

use std::{fs::DirBuilder, io, os::unix::fs::DirBuilderExt as _, path::Path, process::Command};

use model::{Explain, accounts};

use super::{
    files::{MACHINE_TOML, Written},
    plan::Step,
    units,
};

/// `done` hears of each step once it is done.
///
/// # Errors
/// The first step that failed; those before it stand.
pub(super) fn apply(steps: &[Step], mut done: impl FnMut(&Step)) -> Result<(), Explain> {
    for step in steps {
        one(step).map_err(|error| {
            let words = step.words();
            let explain = Explain::new("not-installed", format!("cannot {} {}", words.verb, words.what))
                .because(&error)
                .now("what was said before this stands");
            match step {
                Step::Start | Step::ReplaceKeeper => explain
                    .help("`journalctl -n 50 -u mainstay-keeper -u mainstay` says why; then `mainstay install` again"),
                _ => explain.help("mend that, then `mainstay install` again"),
            }
        })?;
        done(step);
    }
    Ok(())
}

fn one(step: &Step) -> io::Result<()> {
    match step {
        Step::Program { source, program } => copy(source, program),
        Step::Group(name) => machine::users::make_system_group(name).map(drop),
        Step::Account(name) => machine::users::make_system_account(name, Path::new("/nonexistent")).map(drop),
        Step::Login { home, shell } => {
            machine::users::make_login_account(accounts::LOGIN, accounts::OPERATORS, home, shell).map(drop)
        }
        Step::Shell(shell) => machine::users::set_shell(accounts::LOGIN, shell),
        Step::Folder { path, mode } => machine::fs::make_dir(path, *mode),
        Step::Unit { path, text } => machine::fs::write_atomic(path, text.as_bytes(), 0o644),
        Step::Completions { file, .. } => write(file),
        Step::Pages(pages) => pages.iter().try_for_each(write),
        Step::MachineToml(path) => machine::fs::write_atomic(path, MACHINE_TOML.as_bytes(), 0o644),
        Step::Member(name) => machine::users::add_to_group(name, accounts::OPERATORS),
        Step::Reload => systemctl(&["daemon-reload"]),
        Step::Enable => systemctl(&["enable", "--quiet", units::SERVICE]),
        // `restart` starts what is stopped, and also what counts as started after a `mainstay down`.
        Step::Start => systemctl(&["restart", units::SERVICE]),
        Step::ReplaceKeeper => systemctl(&["restart", units::KEEPER]),
    }
}

/// With the folders above it, for all to read.
pub(super) fn write((path, bytes): &Written) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        DirBuilder::new().recursive(true).mode(0o755).create(folder)?;
    }
    machine::fs::write_atomic(path, bytes, 0o644)
}

/// By a new file and a rename: the program that runs keeps the one that it was started from.
fn copy(source: &Path, program: &Path) -> io::Result<()> {
    let bytes = std::fs::read(source)?;
    if let Some(folder) = program.parent() {
        std::fs::create_dir_all(folder)?;
    }
    machine::fs::write_atomic(program, &bytes, 0o755)
}

/// Bound: systemd's own limits of the units, `TimeoutStartSec=` and `TimeoutStopSec=`.
pub(in crate::commands) fn systemctl(words: &[&str]) -> io::Result<()> {
    let output = Command::new("systemctl").args(words).output()?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(io::Error::other(format!("systemctl {}: {}", words.join(" "), said.trim())))
}
