//! What is wanted and what is there give the steps; pure, so that a dry run says exactly what a run does.

use std::path::{Path, PathBuf};

use model::{Explain, accounts};

use super::units;
use crate::config::folders::Folders;

/// Where a program goes that lies in somebody's home or build folder.
const PROGRAM: &str = "/usr/local/bin/mainstay";
/// Where the keys of the login lie; not in the data folder, which others may not look into.
const LOGIN_HOME: &str = "/var/lib/mainstay-login";
/// What lies here is the system's: a package's, or an administrator's.
const SYSTEMS: [&str; 2] = ["/usr", "/opt"];

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    /// The program that runs now.
    pub source: PathBuf,
    /// The one that the units name.
    pub program: PathBuf,
    /// Of the account that keys lead to.
    pub home: PathBuf,
    /// Path and mode, from the outside in.
    pub folders: Vec<(PathBuf, u32)>,
    /// Path and text.
    pub units: Vec<(PathBuf, String)>,
    pub start: bool,
}

/// What was seen; each list has the order of [`Wanted`]'s.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    pub program_is_same: bool,
    pub operators: bool,
    pub edge: bool,
    /// The station's account.
    pub station: bool,
    /// The account that keys lead to.
    pub login: bool,
    /// The mode of each folder that is there.
    pub folders: Vec<Option<u32>>,
    pub units: Vec<Option<String>>,
    pub enabled: bool,
    pub active: bool,
    pub keeper_active: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Program {
        source: PathBuf,
        program: PathBuf,
    },
    Group(&'static str),
    Account(&'static str),
    /// The account that keys lead to: its home, and the program that is its shell.
    Login {
        home: PathBuf,
        shell: PathBuf,
    },
    Folder {
        path: PathBuf,
        mode: u32,
    },
    Unit {
        path: PathBuf,
        text: String,
    },
    Reload,
    Enable,
    Start,
    ReplaceKeeper,
}

/// A step in words: `make`, `made`, `the group mainstay`.
pub(super) struct Words {
    pub verb: &'static str,
    pub past: &'static str,
    pub what: String,
}

impl Wanted {
    /// # Errors
    /// The running program cannot be found.
    pub(super) fn of_this_program(start: bool) -> Result<Self, Explain> {
        let source = std::env::current_exe().map_err(|error| {
            Explain::new("no-executable", "cannot find this program's own file").because(&error)
        })?;
        Ok(Self::of(source, start))
    }

    pub(super) fn of(source: PathBuf, start: bool) -> Self {
        let is_systems = SYSTEMS.iter().any(|folder| source.starts_with(folder));
        let program = if is_systems { source.clone() } else { PROGRAM.into() };
        let service = Folders::service();
        let etc = service.machine_toml.parent().unwrap_or(Path::new("/")).to_owned();
        let unit = |name: &str, text| (Path::new(units::FOLDER).join(name), text);
        Self {
            // Root's, so that nobody who comes by a key can add one.
            folders: vec![
                (etc, 0o755),
                (service.data, 0o711),
                (LOGIN_HOME.into(), 0o755),
                (Path::new(LOGIN_HOME).join(".ssh"), 0o755),
            ],
            home: LOGIN_HOME.into(),
            units: vec![
                unit(units::KEEPER, units::keeper(&program)),
                unit(units::SERVICE, units::service(&program)),
            ],
            source,
            program,
            start,
        }
    }
}

/// The steps from what is there to what is wanted; none: nothing is to be done.
pub(super) fn plan(wanted: &Wanted, found: &Found) -> Vec<Step> {
    let mut steps = Vec::new();
    if !found.program_is_same {
        steps.push(Step::Program { source: wanted.source.clone(), program: wanted.program.clone() });
    }
    if !found.operators {
        steps.push(Step::Group(accounts::OPERATORS));
    }
    if !found.edge {
        steps.push(Step::Account(accounts::EDGE));
    }
    if !found.station {
        steps.push(Step::Account(accounts::STATION));
    }
    if !found.login {
        steps.push(Step::Login { home: wanted.home.clone(), shell: wanted.program.clone() });
    }
    for ((path, mode), there) in wanted.folders.iter().zip(&found.folders) {
        if *there != Some(*mode) {
            steps.push(Step::Folder { path: path.clone(), mode: *mode });
        }
    }
    let units = wanted.units.iter().zip(&found.units);
    let stale = units.filter(|((_, text), there)| there.as_ref() != Some(text));
    steps.extend(stale.map(|((path, text), _)| Step::Unit { path: path.clone(), text: text.clone() }));
    let replaced = steps.iter().any(Step::is_of_the_keeper);
    if steps.iter().any(|step| matches!(step, Step::Unit { .. })) {
        steps.push(Step::Reload);
    }
    if !found.enabled {
        steps.push(Step::Enable);
    }
    match (wanted.start, found.active && found.keeper_active) {
        (true, false) => steps.push(Step::Start),
        (true, true) if replaced => steps.push(Step::ReplaceKeeper),
        _ => {}
    }
    steps
}

impl Step {
    /// Whether a keeper that runs must be followed by another for this to hold.
    fn is_of_the_keeper(&self) -> bool {
        match self {
            Self::Program { .. } => true,
            Self::Unit { path, .. } => path.ends_with(units::KEEPER),
            Self::Group(_)
            | Self::Account(_)
            | Self::Login { .. }
            | Self::Folder { .. }
            | Self::Reload
            | Self::Enable
            | Self::Start
            | Self::ReplaceKeeper => false,
        }
    }

    pub(super) fn words(&self) -> Words {
        let words = |verb, past, what: String| Words { verb, past, what };
        match self {
            Self::Program { source, program } => {
                words("copy", "copied", format!("{} to {}", source.display(), program.display()))
            }
            Self::Group(name) => {
                words("make", "made", format!("the group {name}: who is in it may deploy and stop apps"))
            }
            Self::Account(name) => words("make", "made", format!("the account {name}")),
            Self::Login { .. } => words(
                "make",
                "made",
                format!(
                    "the account {}: keys of `mainstay user add-key` lead to it, without a shell",
                    accounts::LOGIN
                ),
            ),
            Self::Folder { path, mode } => {
                words("make", "made", format!("the folder {} with mode {mode:04o}", path.display()))
            }
            Self::Unit { path, .. } => words("write", "wrote", path.display().to_string()),
            Self::Reload => words("let", "let", "systemd read its units".to_owned()),
            Self::Enable => {
                words("enable", "enabled", format!("{}: it starts with the machine", units::SERVICE))
            }
            Self::Start => words("start", "started", units::SERVICE.to_owned()),
            Self::ReplaceKeeper => {
                words("restart", "restarted", format!("{}: everything serves on", units::KEEPER))
            }
        }
    }
}

#[cfg(test)]
mod tests;
