//! What is there: reads only.

use std::{
    io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use model::{Explain, accounts};

use super::{
    files::Written,
    plan::{Found, Wanted},
    units,
};

/// Bound: the longest unit file that is read; ours are far below.
pub(in crate::commands) const UNIT_BYTES_MAX: usize = 1 << 16;
/// Bound: of `/etc/passwd`.
pub(in crate::commands) const PASSWD_BYTES_MAX: usize = 16 << 20;
/// Bound: the largest program that is compared.
const PROGRAM_BYTES_MAX: usize = 1 << 30;

pub(super) fn look(wanted: &Wanted) -> Result<Found, Explain> {
    let failed = |error: io::Error| unreadable(&error);
    Ok(Found {
        program_is_same: is_same(&wanted.source, &wanted.program),
        operators: machine::users::group(accounts::OPERATORS).map_err(failed)?.is_some(),
        edge: machine::users::by_name(accounts::EDGE).map_err(failed)?.is_some(),
        station: machine::users::by_name(accounts::STATION).map_err(failed)?.is_some(),
        login: machine::users::by_name(accounts::LOGIN).map_err(failed)?.map(|_| shell()),
        folders: wanted.folders.iter().map(|(path, _)| mode(path)).collect(),
        units: wanted
            .units
            .iter()
            .map(|(path, _)| machine::fs::read_text(path, UNIT_BYTES_MAX).ok())
            .collect(),
        completions: wanted.completions.iter().map(|(_, file)| has(file)).collect(),
        pages: wanted.pages.iter().map(has).collect(),
        machine_toml: std::fs::symlink_metadata(&wanted.machine_toml).is_ok(),
        is_member: is_member(wanted.operator.as_deref()).map_err(failed)?,
        enabled: says_yes("is-enabled", units::SERVICE),
        active: says_yes("is-active", units::SERVICE),
        keeper_active: says_yes("is-active", units::KEEPER),
    })
}

pub(in crate::commands) fn unreadable(error: &io::Error) -> Explain {
    Explain::new("accounts-unreadable", "the accounts of this machine cannot be read").because(error)
}

/// What cannot be read is not the same.
fn is_same(source: &Path, program: &Path) -> bool {
    let read = |path| machine::fs::read_regular(path, PROGRAM_BYTES_MAX).ok();
    source == program || read(source).is_some_and(|bytes| read(program).is_some_and(|other| bytes == other))
}

/// Whether the file says what it should.
fn has((path, bytes): &Written) -> bool {
    machine::fs::read_regular(path, PROGRAM_BYTES_MAX).is_ok_and(|there| there == *bytes)
}

/// The shell of the account that keys lead to. `useradd` has put it into this file.
fn shell() -> PathBuf {
    let text = machine::fs::read_text(Path::new("/etc/passwd"), PASSWD_BYTES_MAX).unwrap_or_default();
    let mut lines = text.lines().map(|line| line.split(':'));
    let last =
        lines.find_map(|mut fields| (fields.next() == Some(accounts::LOGIN)).then(|| fields.next_back()));
    last.flatten().unwrap_or_default().into()
}

/// Whether the account is in the group of those who administer. Nobody always is.
fn is_member(operator: Option<&str>) -> io::Result<bool> {
    let Some(operator) = operator else { return Ok(true) };
    let group = machine::users::group(accounts::OPERATORS)?;
    let account = machine::users::by_name(operator)?;
    Ok(account.zip(group).is_some_and(|(account, group)| account.groups.contains(&group)))
}

fn mode(path: &Path) -> Option<u32> {
    let found = std::fs::symlink_metadata(path).ok()?;
    found.is_dir().then(|| found.permissions().mode() & 0o7777)
}

pub(in crate::commands) fn says_yes(question: &str, unit: &str) -> bool {
    let asked = Command::new("systemctl").args([question, "--quiet", unit]).output();
    asked.is_ok_and(|output| output.status.success())
}
