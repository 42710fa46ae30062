//! The guest's disk: made once from the distribution's packages, and never written to by a guest, which has its changes
//! in a file of its own.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::shell::{self, Doing, Error, Result};

/// What makes the disk; any change to it makes a new one.
const RECIPE: &str = include_str!("guest/make-disk.sh");
const AGENT: &str = include_str!("guest/agent.sh");
const UNIT: &str = include_str!("guest/agent.service");
const MIRROR: &str = "http://deb.debian.org/debian";

/// The disk below `folder`, made if it is missing or made otherwise than now. `modules`: of the kernel that will have it.
pub(super) fn kept(folder: &Path, modules: &Path) -> Result<PathBuf> {
    let wanted = format!("{RECIPE}{AGENT}{UNIT}{}", modules.display());
    let (disk, stamp) = (folder.join("debian-12.ext4"), folder.join("debian-12.recipe"));
    if disk.exists() && fs::read_to_string(&stamp).is_ok_and(|found| found == wanted) {
        return Ok(disk);
    }
    if !rustix::process::getuid().is_root() {
        return Err(Error("the guests' disk is made by root, once: sudo cargo xtask vm".to_owned()));
    }
    let recipe = folder.join("recipe");
    fs::create_dir_all(&recipe).doing("making target/vm/recipe")?;
    for (name, text) in [("make-disk.sh", RECIPE), ("agent.sh", AGENT), ("agent.service", UNIT)] {
        fs::write(recipe.join(name), text).doing(name)?;
    }
    let temp = folder.join("debian-12.new");
    // Mounts of its own: however it ends, none is left.
    let mut make = Command::new("unshare");
    make.args(["--mount", "--propagation", "private", "sh"]).arg(recipe.join("make-disk.sh"));
    make.arg(&recipe).arg(&temp).arg(modules).arg(mirror()).env("LC_ALL", "C");
    shell::run(&mut make)?;
    fs::rename(&temp, &disk).doing("placing the disk")?;
    fs::write(&stamp, wanted).doing("writing the disk's recipe")?;
    Ok(disk)
}

/// The one that this machine's apt uses for Debian 12, which may be near.
pub(super) fn mirror() -> String {
    let mut ask = Command::new("apt-get");
    ask.args(["indextargets", "--format", "$(REPO_URI)", "Created-By: Packages", "Codename: bookworm"]);
    let known = ask.output().ok().map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let first = known.as_deref().and_then(|known| known.lines().next()).map(str::to_owned);
    first.filter(|uri| uri.starts_with("http")).unwrap_or_else(|| MIRROR.to_owned())
}
