//! Files: everything that is not named is closed.

use std::{io, os::fd::OwnedFd, path::PathBuf};

use landlock::{
    ABI, Access, AccessFs, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetError, Scope, path_beneath_rules,
};

/// What this code knows to ask for; a kernel that knows less holds back less.
const ASKED: ABI = ABI::V6;
/// The first version of landlock that lets files be moved from one folder to another at all (landlock(7), "Refer").
pub const RENAMES_BETWEEN_FOLDERS: u32 = 2;
/// The first version that can keep signals and abstract sockets within.
pub const SCOPES: u32 = 6;

/// What a process reaches. Paths that are not there are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Files {
    /// Files and folders to read and execute, with all below.
    pub read: Vec<PathBuf>,
    /// To do anything with.
    pub write: Vec<PathBuf>,
    /// It signals only itself and its own children.
    pub signals_within: bool,
    /// It connects only to abstract sockets of itself and its own children.
    pub abstract_sockets_within: bool,
}

/// Opens all that is named. `None`: this kernel has no landlock, or one that would refuse what every app does.
///
/// # Errors
/// The kernel's.
pub fn files(files: &Files) -> io::Result<Option<OwnedFd>> {
    if super::landlock() < RENAMES_BETWEEN_FOLDERS {
        return Ok(None);
    }
    ruleset(files).map_err(io::Error::other)
}

fn ruleset(files: &Files) -> Result<Option<OwnedFd>, RulesetError> {
    let mut ruleset = Ruleset::default().handle_access(AccessFs::from_all(ASKED))?;
    for (wanted, scope) in
        [(files.signals_within, Scope::Signal), (files.abstract_sockets_within, Scope::AbstractUnixSocket)]
    {
        if wanted {
            ruleset = ruleset.scope(scope)?;
        }
    }
    let made = ruleset
        .create()?
        .add_rules(path_beneath_rules(&files.read, AccessFs::from_read(ASKED)))?
        .add_rules(path_beneath_rules(&files.write, AccessFs::from_all(ASKED)))?;
    Ok(made.into())
}
