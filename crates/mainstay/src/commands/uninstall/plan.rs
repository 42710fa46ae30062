//! What is there gives the steps and what stays; pure, so that a dry run says exactly what a run does.

use std::path::{Path, PathBuf};

use model::accounts;

use super::look::Found;
use crate::{
    commands::install::{files, plan::Words, units},
    output::count,
};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Stop,
    Disable,
    Unit(PathBuf),
    DropIns(PathBuf),
    Reload,
    Completions(PathBuf),
    Pages(Vec<PathBuf>),
    Program(PathBuf),
    Folder(PathBuf),
    Account(String),
    Group(&'static str),
}

/// The steps until nothing of it is there; none: nothing is to be done. The program goes after all that it still has to do.
pub(super) fn plan(found: &Found, purge: bool) -> Vec<Step> {
    let mut steps = Vec::new();
    if found.runs {
        steps.push(Step::Stop);
    }
    if found.enabled {
        steps.push(Step::Disable);
    }
    steps.extend(found.units.iter().cloned().map(Step::Unit));
    if purge {
        steps.extend(found.drop_ins.iter().cloned().map(Step::DropIns));
    }
    if !steps.is_empty() {
        steps.push(Step::Reload);
    }
    steps.extend(found.completions.iter().cloned().map(Step::Completions));
    if !found.pages.is_empty() {
        steps.push(Step::Pages(found.pages.clone()));
    }
    if purge {
        steps.extend(found.folders.iter().cloned().map(Step::Folder));
        steps.extend(found.accounts.iter().cloned().map(Step::Account));
        steps.extend(found.operators.then_some(Step::Group(accounts::OPERATORS)));
    }
    steps.extend(found.programs.iter().cloned().map(Step::Program));
    steps
}

/// What is left on the machine, in words.
pub(super) fn stays(found: &Found, purge: bool) -> Vec<String> {
    let shown = |path: &PathBuf| path.display().to_string();
    let mut stays = Vec::new();
    stays.extend(
        found
            .others_program
            .as_ref()
            .map(|path| format!("{}, which `mainstay install` has found there", path.display())),
    );
    if purge {
        return stays;
    }
    let of_data = |path: &PathBuf| match *path == found.data {
        true => format!("{}: all apps with their data and secrets", path.display()),
        false => shown(path),
    };
    // The run folder is gone with the last process, and with the next boot.
    stays.extend(found.folders.iter().filter(|path| !path.starts_with("/run")).map(of_data));
    stays.extend(found.drop_ins.iter().map(|path| format!("{}, of `systemctl edit`", path.display())));
    if !found.accounts.is_empty() {
        stays.push(format!("the accounts {}", found.accounts.join(", ")));
    }
    if found.operators {
        stays.push(format!("the group {} with its members", accounts::OPERATORS));
    }
    stays
}

impl Step {
    pub(super) fn words(&self) -> Words {
        let words = |verb, past, what: String| Words { verb, past, what };
        let removed = |what: String| words("remove", "removed", what);
        match self {
            Self::Stop => words(
                "stop",
                "stopped",
                format!("{}: what is open ends by its class, then every app", units::SERVICE),
            ),
            Self::Disable => words("disable", "disabled", units::SERVICE.to_owned()),
            Self::Unit(path) | Self::Completions(path) | Self::Program(path) => {
                removed(path.display().to_string())
            }
            Self::DropIns(path) | Self::Folder(path) => {
                removed(format!("{} with all that is in it", path.display()))
            }
            Self::Reload => words("let", "let", "systemd read its units".to_owned()),
            Self::Pages(pages) => {
                let pages = count(pages.len() as u64, "manual page");
                removed(format!("{pages} from {}", files::man(Path::new(files::LOCAL_SHARE)).display()))
            }
            Self::Account(name) => removed(format!("the account {name}")),
            Self::Group(name) => removed(format!("the group {name}")),
        }
    }
}

#[cfg(test)]
mod tests;
