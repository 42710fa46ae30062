//! What is wanted and what is there give the steps; pure, so that a dry run says exactly what a run does.

use std::path::{Path, PathBuf};

use model::{Explain, accounts};

use super::{
    files::{self, Written},
    units,
};
use crate::{config::folders::Folders, output::count};

/// Where a program goes that lies in somebody's home or build folder.
pub(in crate::commands) const PROGRAM: &str = "/usr/local/bin/mainstay";
/// Where the keys of the login lie; not in the data folder, which others may not look into.
pub(in crate::commands) const LOGIN_HOME: &str = "/var/lib/mainstay-login";
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
    /// By the name of the shell.
    pub completions: Vec<(String, Written)>,
    pub pages: Vec<Written>,
    /// Written only where there is none.
    pub machine_toml: PathBuf,
    /// An account that is to be in the group of those who administer.
    pub operator: Option<String>,
    pub service: Service,
}

/// What is wanted of the service, once everything lies in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Service {
    Runs,
    /// It starts with the machine, and not now.
    Enabled,
    /// Somebody else sees to it.
    LeftAlone,
}

/// What was seen; each list has the order of [`Wanted`]'s.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    pub program_is_same: bool,
    pub operators: bool,
    pub edge: bool,
    /// The station's account.
    pub station: bool,
    /// The shell of the account that keys lead to, where there is one.
    pub login: Option<PathBuf>,
    /// The mode of each folder that is there.
    pub folders: Vec<Option<u32>>,
    pub units: Vec<Option<String>>,
    /// Which of the completions and pages are as they should be.
    pub completions: Vec<bool>,
    pub pages: Vec<bool>,
    pub machine_toml: bool,
    /// Whether the operator is in the group.
    pub is_member: bool,
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
    /// Of that account, which has another.
    Shell(PathBuf),
    Folder {
        path: PathBuf,
        mode: u32,
    },
    Unit {
        path: PathBuf,
        text: String,
    },
    Completions {
        shell: String,
        file: Written,
    },
    /// Those that are not as they should be.
    Pages(Vec<Written>),
    MachineToml(PathBuf),
    Member(String),
    Reload,
    Enable,
    Start,
    ReplaceKeeper,
}

/// A step in words: `make`, `made`, `the group mainstay`.
pub(in crate::commands) struct Words {
    pub verb: &'static str,
    pub past: &'static str,
    pub what: String,
}

impl Wanted {
    /// # Errors
    /// The running program cannot be found.
    pub(super) fn of_this_program() -> Result<Self, Explain> {
        let source = std::env::current_exe().map_err(|error| {
            Explain::new("no-executable", "cannot find this program's own file").because(&error)
        })?;
        Ok(Self::of(source))
    }

    pub(super) fn of(source: PathBuf) -> Self {
        let is_systems = SYSTEMS.iter().any(|folder| source.starts_with(folder));
        let program = if is_systems { source.clone() } else { PROGRAM.into() };
        let Folders { machine_toml, data, .. } = Folders::service();
        let etc = machine_toml.parent().unwrap_or(Path::new("/")).to_owned();
        let share = Path::new(files::LOCAL_SHARE);
        Self {
            // Root's, so that nobody who comes by a key can add one.
            folders: vec![
                (etc, 0o755),
                (data, 0o711),
                (LOGIN_HOME.into(), 0o755),
                (Path::new(LOGIN_HOME).join(".ssh"), 0o755),
            ],
            home: LOGIN_HOME.into(),
            units: units::all(Path::new(units::FOLDER), &program),
            completions: files::completions(share),
            pages: files::pages(share),
            machine_toml,
            operator: None,
            service: Service::Runs,
            source,
            program,
        }
    }

    /// Of a program that a package brings: it brings units, completions and pages too.
    pub(super) fn of_package(source: PathBuf) -> Self {
        let all = Self::of(source);
        let program = all.source.clone();
        Self { program, units: Vec::new(), completions: Vec::new(), pages: Vec::new(), ..all }
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
    match &found.login {
        None => steps.push(Step::Login { home: wanted.home.clone(), shell: wanted.program.clone() }),
        // An installation of another place has made it.
        Some(shell) if *shell != wanted.program => steps.push(Step::Shell(wanted.program.clone())),
        Some(_) => {}
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
    steps.extend(files(wanted, found));
    if let Some(operator) = wanted.operator.as_ref().filter(|_| !found.is_member) {
        steps.push(Step::Member(operator.clone()));
    }
    steps.extend(service(wanted.service, found, replaced));
    steps
}

/// What of the files is missing or not as it should be.
fn files(wanted: &Wanted, found: &Found) -> Vec<Step> {
    let completions = wanted.completions.iter().zip(&found.completions).filter(|(_, is_there)| !**is_there);
    let mut steps: Vec<_> = completions
        .map(|((shell, file), _)| Step::Completions { shell: shell.clone(), file: file.clone() })
        .collect();
    let pages = wanted.pages.iter().zip(&found.pages).filter(|(_, is_there)| !**is_there);
    let pages: Vec<_> = pages.map(|(page, _)| page.clone()).collect();
    if !pages.is_empty() {
        steps.push(Step::Pages(pages));
    }
    if !found.machine_toml {
        steps.push(Step::MachineToml(wanted.machine_toml.clone()));
    }
    steps
}

/// `replaced`: the keeper's program or unit is another one than it was.
fn service(wanted: Service, found: &Found, replaced: bool) -> Vec<Step> {
    let runs = found.active && found.keeper_active;
    let last = match wanted {
        Service::LeftAlone => return Vec::new(),
        Service::Enabled => None,
        Service::Runs if !runs => Some(Step::Start),
        Service::Runs => replaced.then_some(Step::ReplaceKeeper),
    };
    (!found.enabled).then_some(Step::Enable).into_iter().chain(last).collect()
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
            | Self::Shell(_)
            | Self::Folder { .. }
            | Self::Completions { .. }
            | Self::Pages(_)
            | Self::MachineToml(_)
            | Self::Member(_)
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
            Self::Shell(shell) => {
                words("let", "let", format!("keys of {} lead to {}", accounts::LOGIN, shell.display()))
            }
            Self::Folder { path, mode } => {
                words("make", "made", format!("the folder {} with mode {mode:04o}", path.display()))
            }
            Self::Unit { path, .. } => words("write", "wrote", path.display().to_string()),
            Self::Completions { shell, file: (path, _) } => {
                words("write", "wrote", format!("{}: completions for {shell}", path.display()))
            }
            Self::Pages(pages) => {
                let folder = pages.first().and_then(|(path, _)| path.parent()).unwrap_or(Path::new("/"));
                let count = count(pages.len() as u64, "manual page");
                words("write", "wrote", format!("{count} into {}", folder.display()))
            }
            Self::MachineToml(path) => words(
                "write",
                "wrote",
                format!("{}: every key with its default, as comments", path.display()),
            ),
            Self::Member(name) => {
                words("put", "put", format!("{name} into the group {}", accounts::OPERATORS))
            }
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
