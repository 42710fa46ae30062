//! What of an installation is there: reads only.

use std::{
    io,
    path::{Path, PathBuf},
};

use model::{Explain, accounts};

use crate::{
    commands::install::{files, look, look::says_yes, plan::PROGRAM, units},
    config::{folders::Folders, machine},
};

/// What `useradd` is told for accounts that Mainstay makes: nobody's folder.
const NO_HOME: &str = "/nonexistent";

/// All paths are of what is there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// Whether anything of the two units is active.
    pub runs: bool,
    pub enabled: bool,
    pub units: Vec<PathBuf>,
    /// What `systemctl edit` has made beside them.
    pub drop_ins: Vec<PathBuf>,
    pub completions: Vec<PathBuf>,
    pub pages: Vec<PathBuf>,
    /// The one that was copied, and those that upgrades kept.
    pub programs: Vec<PathBuf>,
    /// The one that the units start, where `mainstay install` found it and did not put it there.
    pub others_program: Option<PathBuf>,
    /// Where the data lies, or would lie.
    pub data: PathBuf,
    /// The data folder and the others.
    pub folders: Vec<PathBuf>,
    pub accounts: Vec<String>,
    pub operators: bool,
}

/// # Errors
/// The accounts, or for a purge machine.toml, cannot be read; a purge would remove more than Mainstay's.
pub(super) fn look(purge: bool) -> Result<Found, Explain> {
    let folders = Folders::service();
    let data = match machine::load(&folders) {
        Ok(machine) => machine.data,
        // Where the data lies decides what is removed.
        Err(explain) if purge => return Err(explain.now("nothing was changed")),
        Err(_) => folders.data,
    };
    if purge && data.exists() && !super::is_own(&data) {
        return Err(super::too_wide(&data));
    }
    let share = Path::new(files::LOCAL_SHARE);
    let (units, program) = units();
    let unreadable = |error: io::Error| look::unreadable(&error);
    Ok(Found {
        runs: [units::SERVICE, units::KEEPER].iter().any(|unit| says_yes("is-active", unit)),
        enabled: says_yes("is-enabled", units::SERVICE),
        units,
        drop_ins: there(unit_names().map(|unit| Path::new(units::FOLDER).join(format!("{unit}.d")))),
        completions: there(files::completions(share).into_iter().map(|(_, (path, _))| path)),
        pages: there(files::pages(share).into_iter().map(|(path, _)| path)),
        programs: there(["", ".previous", ".former"].map(|behind| format!("{PROGRAM}{behind}").into())),
        others_program: program.filter(|path| path != Path::new(PROGRAM) && path.exists()),
        folders: there([data.clone()].into_iter().chain(super::others_folders())),
        data,
        accounts: accounts().map_err(unreadable)?,
        operators: ::machine::users::group(accounts::OPERATORS).map_err(unreadable)?.is_some(),
    })
}

fn unit_names() -> impl Iterator<Item = &'static str> {
    [units::SERVICE, units::KEEPER].into_iter()
}

fn there(paths: impl IntoIterator<Item = PathBuf>) -> Vec<PathBuf> {
    paths.into_iter().filter(|path| path.symlink_metadata().is_ok()).collect()
}

/// Those that `mainstay install` has written, and the program that they start. A unit of an administrator's own is theirs.
fn units() -> (Vec<PathBuf>, Option<PathBuf>) {
    let read = |name| {
        let path = Path::new(units::FOLDER).join(name);
        let text = ::machine::fs::read_text(&path, look::UNIT_BYTES_MAX).ok()?;
        text.starts_with(units::MARK).then_some((path, text))
    };
    let read: Vec<_> = unit_names().filter_map(read).collect();
    let program = read.iter().find_map(|(_, text)| program(text));
    (read.into_iter().map(|(path, _)| path).collect(), program)
}

/// What a unit's `ExecStart=` names.
fn program(unit: &str) -> Option<PathBuf> {
    let command = unit.lines().find_map(|line| line.strip_prefix("ExecStart="))?;
    command.split(' ').next().map(PathBuf::from)
}

/// What Mainstay has made: its own accounts, and one for each app that machine.toml gave none.
fn accounts() -> io::Result<Vec<String>> {
    let text = ::machine::fs::read_text(Path::new("/etc/passwd"), look::PASSWD_BYTES_MAX)
        .map_err(io::Error::other)?;
    Ok(text.lines().filter_map(made_here).map(str::to_owned).collect())
}

/// The name in a line of `/etc/passwd`, where the account is one that Mainstay makes.
fn made_here(line: &str) -> Option<&str> {
    let mut fields = line.split(':');
    let (name, home) = (fields.next()?, fields.nth(4)?);
    (name == accounts::LOGIN || name.starts_with(APPS) && home == NO_HOME).then_some(name)
}

/// How the names of all others begin ([`accounts::of_app`], [`accounts::EDGE`], [`accounts::STATION`]).
const APPS: &str = "mainstay-";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_accounts_that_mainstay_makes_are_its_own() {
        for (line, expected) in [
            ("mainstay-edge:x:998:998::/nonexistent:/usr/sbin/nologin", Some("mainstay-edge")),
            ("mainstay-shop:x:997:997::/nonexistent:/usr/sbin/nologin", Some("mainstay-shop")),
            (
                "mainstay_login:x:996:995::/var/lib/mainstay-login:/usr/local/bin/mainstay",
                Some("mainstay_login"),
            ),
            ("mainstay-ana:x:1001:1001::/home/ana:/bin/bash", None),
            ("shop:x:1002:1002::/nonexistent:/usr/sbin/nologin", None),
            ("mainstay-", None),
            ("", None),
        ] {
            assert_eq!(made_here(line), expected, "{line}");
        }
        let app = "shop".parse().expect("a name");
        assert!(
            [&accounts::of_app(&app), accounts::EDGE, accounts::STATION]
                .iter()
                .all(|name| name.starts_with(APPS))
        );
    }

    #[test]
    fn the_program_of_a_unit_is_what_it_starts() {
        assert_eq!(program("[Service]\nExecStart=/opt/m/mainstay keeper\n"), Some("/opt/m/mainstay".into()));
        assert_eq!(program("[Service]\n"), None);
    }
}
