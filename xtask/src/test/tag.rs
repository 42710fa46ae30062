//! The binary of the repository's newest tag, which the long form of `upgrades` goes from and back to.

use std::{path::PathBuf, process::Command};

use crate::shell::{self, Result};

/// What the journeys take it by.
pub(super) const VARIABLE: &str = "MAINSTAY_TEST_TAG_BINARY";

/// Built in a work tree and a target folder of its own, both below `target/tag`. `None`: the repository has no tag.
pub(super) fn binary() -> Result<Option<PathBuf>> {
    let tags = shell::output(git().args(["tag", "--sort=-creatordate"]))?;
    let Some(tag) = tags.lines().next() else {
        println!("the repository has no tag: `upgrades` goes from and back to another build of what is here");
        return Ok(None);
    };
    let folder = shell::target().join("tag");
    let (source, target) = (folder.join("source"), folder.join("target"));
    if source.exists() {
        // Of a run that was cut.
        remove(&source)?;
    }
    shell::run(git().args(["worktree", "add", "--force", "--detach"]).arg(&source).arg(tag))?;
    let mut cargo = shell::cargo();
    cargo.args(["build", "--locked", "--bin", "mainstay", "-p", "mainstay"]);
    let built = shell::run(cargo.current_dir(&source).env("CARGO_TARGET_DIR", &target));
    remove(&source)?;
    built.map(|()| Some(target.join("debug/mainstay")))
}

fn remove(source: &PathBuf) -> Result<()> {
    shell::run(git().args(["worktree", "remove", "--force"]).arg(source))
}

fn git() -> Command {
    let mut git = Command::new("git");
    git.current_dir(shell::root());
    git
}
