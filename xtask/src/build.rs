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
    let mut cargo = shell::cargo();
    cargo.args(["build", "--locked", "--bins"]);
    cargo.args(packages.iter().flat_map(|package| ["-p", package]));
    if profile == Profile::Release {
        cargo.arg("--release");
    }
    shell::run(&mut cargo)?;
    Ok(shell::target().join(profile.folder()))
}
