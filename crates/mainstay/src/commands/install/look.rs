//! What is there: reads only.

use std::{os::unix::fs::PermissionsExt as _, path::Path, process::Command};

use model::{Explain, accounts};

use super::{
    plan::{Found, Wanted},
    units,
};

/// Bound: the longest unit file that is read; ours are far below.
const UNIT_BYTES_MAX: usize = 1 << 16;
/// Bound: the largest program that is compared.
const PROGRAM_BYTES_MAX: usize = 1 << 30;

pub(super) fn look(wanted: &Wanted) -> Result<Found, Explain> {
    let failed = |error: std::io::Error| {
        Explain::new("accounts-unreadable", "the accounts of this machine cannot be read").because(&error)
    };
    Ok(Found {
        program_is_same: is_same(&wanted.source, &wanted.program),
        operators: machine::users::group(accounts::OPERATORS).map_err(failed)?.is_some(),
        edge: machine::users::by_name(accounts::EDGE).map_err(failed)?.is_some(),
        station: machine::users::by_name(accounts::STATION).map_err(failed)?.is_some(),
        login: machine::users::by_name(accounts::LOGIN).map_err(failed)?.is_some(),
        folders: wanted.folders.iter().map(|(path, _)| mode(path)).collect(),
        units: wanted
            .units
            .iter()
            .map(|(path, _)| machine::fs::read_text(path, UNIT_BYTES_MAX).ok())
            .collect(),
        enabled: says_yes("is-enabled", units::SERVICE),
        active: says_yes("is-active", units::SERVICE),
        keeper_active: says_yes("is-active", units::KEEPER),
    })
}

/// What cannot be read is not the same.
fn is_same(source: &Path, program: &Path) -> bool {
    let read = |path| machine::fs::read_regular(path, PROGRAM_BYTES_MAX).ok();
    source == program || read(source).is_some_and(|bytes| read(program).is_some_and(|other| bytes == other))
}

fn mode(path: &Path) -> Option<u32> {
    let found = std::fs::symlink_metadata(path).ok()?;
    found.is_dir().then(|| found.permissions().mode() & 0o7777)
}

fn says_yes(question: &str, unit: &str) -> bool {
    let asked = Command::new("systemctl").args([question, "--quiet", unit]).output();
    asked.is_ok_and(|output| output.status.success())
}
