//! The guests' kernel: the distribution's user-mode Linux, or a newer one where that cannot run on this processor.
//!
//! Up to Linux 6.12 user-mode Linux keeps 2,696 bytes of a process's registers; a processor with more of them (AMX) refuses
//! to take them back, and the guest's first process dies. Which of both a machine has is tried, not guessed.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::{
    shell::{self, Doing, Error, Result},
    test::install,
};

/// Where a package of user-mode Linux has its parts.
const PROGRAM: &str = "usr/bin/linux.uml";
const MODULES: &str = "usr/lib/uml/modules";
/// Of Debian, whose kernel runs on every processor known so far, and which C library that kernel needs.
const NEWER: &str = "forky";
const NEWER_PACKAGES: [&str; 2] = ["user-mode-linux", "libc6"];
const LIBRARIES: &str = "usr/lib/x86_64-linux-gnu";
/// Bound: of a kernel that starts one program which ends at once; a second is usual.
const TRIAL_LIMIT_S: &str = "30";

pub(super) struct Kernel {
    pub program: PathBuf,
    /// Of its version.
    pub modules: PathBuf,
}

/// The installed one if it runs here, else a newer one below `folder`, fetched if it is missing.
pub(super) fn kept(folder: &Path) -> Result<Kernel> {
    let installed = at(Path::new("/"))?;
    if runs(&installed.program)? {
        return Ok(installed);
    }
    let root = folder.join("kernel");
    if let Some(kept) = at(&root).ok().filter(|kept| runs(&kept.program).unwrap_or(false)) {
        return Ok(kept);
    }
    println!(
        "The kernel of the package user-mode-linux does not run on this processor; taking one of Debian {NEWER}."
    );
    fetch(&root)?;
    let fetched = at(&root)?;
    if runs(&fetched.program)? {
        return Ok(fetched);
    }
    Err(Error("neither the package user-mode-linux nor a newer one runs on this processor".to_owned()))
}

/// The kernel of a package that was unpacked at `root`, with the newest modules there.
fn at(root: &Path) -> Result<Kernel> {
    let modules = root.join(MODULES);
    let versions = fs::read_dir(&modules).doing(modules.display())?;
    let newest = versions.flatten().map(|entry| entry.path()).max();
    let modules = newest.ok_or_else(|| Error(format!("{} is empty", modules.display())))?;
    Ok(Kernel { program: root.join(PROGRAM), modules })
}

/// Whether its first process comes to an end of its own. The kernel then panics, since that process was the last, and says how it ended.
fn runs(program: &Path) -> Result<bool> {
    let mut trial = Command::new("timeout");
    trial.arg(TRIAL_LIMIT_S).arg(program).args(["mem=64M", "rootfstype=hostfs", "rootflags=/", "ro"]);
    trial.args(["init=/bin/true", "quiet", "con=null", "con0=fd:0,fd:1"]).stdin(Stdio::null());
    let said = trial.output().doing(program.display())?;
    let said = [said.stdout, said.stderr].concat();
    Ok(String::from_utf8_lossy(&said).contains("Attempted to kill init! exitcode=0x00000000"))
}

/// Unpacks the newer packages at `root`, by an apt with lists of its own: nothing of them is installed on this machine.
fn fetch(root: &Path) -> Result<()> {
    install::needed(&install::NEWER_KERNEL)?;
    let _ = fs::remove_dir_all(root);
    let (lists, packages) = (root.join("apt"), root.join("packages"));
    for folder in [lists.join("lists/partial"), lists.join("archives/partial"), packages.clone()] {
        fs::create_dir_all(&folder).doing(folder.display())?;
    }
    let sources = lists.join("sources.list");
    fs::write(&sources, format!("deb {} {NEWER} main\n", super::image::mirror())).doing(sources.display())?;
    let apt = || {
        let mut apt = Command::new("apt-get");
        for (key, value) in [("Etc::sourcelist", sources.as_path()), ("State", &lists), ("Cache", &lists)] {
            apt.arg("-o").arg(format!("Dir::{key}={}", value.display()));
        }
        // The account that apt takes else may not enter here.
        apt.args(["-o", "Dir::Etc::sourceparts=/dev/null", "-o", "Dir::State::status=/dev/null"]);
        apt.args(["-o", "APT::Sandbox::User=root", "-qq"]).current_dir(&packages);
        apt
    };
    shell::run(apt().arg("update"))?;
    shell::run(apt().arg("download").args(NEWER_PACKAGES))?;
    for package in fs::read_dir(&packages).doing(packages.display())?.flatten() {
        shell::run(Command::new("dpkg-deb").arg("-x").arg(package.path()).arg(root))?;
    }
    // It starts itself anew, so it cannot be started by a loader that is named on the command line.
    let libraries = root.join(LIBRARIES);
    let mut bind = Command::new("patchelf");
    bind.arg("--set-interpreter").arg(libraries.join("ld-linux-x86-64.so.2"));
    bind.arg("--set-rpath").arg(&libraries).arg(root.join(PROGRAM));
    shell::run(&mut bind)
}
