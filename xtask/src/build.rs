//! Building the binaries that `run`, `test` and `bench` start.

use std::path::PathBuf;

use crate::shell::{self, Result};

/// Debug or optimised, by cargo's profile name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Profile {
    Dev,
    Release,
}

impl Profile {
    fn folder(self) -> &'static str {
        match self {
            Self::Dev => "debug",
            Self::Release => "release",
        }
    }
}

/// Builds the binaries of `packages`; the folder that holds them.
pub(crate) fn binaries(packages: &[&str], profile: Profile) -> Result<PathBuf> {
    let packages: Vec<_> = packages.iter().flat_map(|package| ["-p", package]).collect();
    built(&packages, profile)
}

/// Builds the binaries of all packages, so that each library is the same one that their tests use: fewer packages may
/// ask for fewer of its features, and everything would be built twice.
pub(crate) fn all_binaries() -> Result<PathBuf> {
    built(&["--workspace"], Profile::Dev)
}

fn built(packages: &[&str], profile: Profile) -> Result<PathBuf> {
    let mut cargo = shell::cargo();
    cargo.args(["build", "--locked", "--bins"]).args(packages);
    if profile == Profile::Release {
        cargo.arg("--release");
    }
    shell::run(&mut cargo)?;
    Ok(shell::target().join(profile.folder()))
}
