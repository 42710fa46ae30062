//! Programs that nobody here wrote: installed from PyPI, npm and Go's proxy once, kept under `target/tools`, copied into releases.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::binaries;

/// A folder of Python packages for `PYTHONPATH`, made with the system's interpreter so that every user can run it.
///
/// # Panics
/// When pip cannot install them.
pub fn python(name: &str, packages: &[&str]) -> PathBuf {
    kept(name, packages, |folder| {
        let venv = binaries::target().join("tools/pip");
        if !venv.join("bin/pip").exists() {
            run(Command::new("/usr/bin/python3").args(["-m", "venv"]).arg(&venv));
        }
        let mut pip = Command::new(venv.join("bin/pip"));
        pip.args(["install", "--quiet", "--disable-pip-version-check", "--target"])
            .arg(folder)
            .args(packages);
        run(&mut pip);
    })
}

/// A folder that holds `node_modules` with `packages`.
///
/// # Panics
/// When npm cannot install them.
pub fn node(name: &str, packages: &[&str]) -> PathBuf {
    kept(name, packages, |folder| {
        let mut npm = Command::new("npm");
        npm.args(["install", "--no-audit", "--no-fund", "--silent", "--prefix"]).arg(folder).args(packages);
        run(&mut npm);
    })
}

/// A folder that holds the program whose package is `package`, by its last name, built from just these modules.
///
/// # Panics
/// When go cannot fetch or build them.
pub fn go(name: &str, package: &str, modules: &[&str]) -> PathBuf {
    kept(name, modules, |folder| {
        let go = |arguments: &[&str]| {
            let mut go = Command::new("go");
            // No other compiler than the one that is here.
            go.env("GOTOOLCHAIN", "local").env("GOFLAGS", "-mod=mod").env_remove("GOBIN");
            run(go.current_dir(folder).args(arguments));
        };
        go(&["mod", "init", "tools"]);
        go(&[&["get"], modules].concat());
        go(&["build", "-o", ".", package]);
    })
}

/// Makes the folder when it is not there with just these packages; a stamp written last says that it is whole.
fn kept(name: &str, packages: &[&str], install: impl FnOnce(&Path)) -> PathBuf {
    let folder = binaries::target().join("tools").join(name);
    let stamp = folder.join(".installed");
    let wanted = packages.join(" ");
    if fs::read_to_string(&stamp).is_ok_and(|found| found == wanted) {
        return folder;
    }
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("target can be written");
    install(&folder);
    fs::write(stamp, wanted).expect("target can be written");
    folder
}

fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} ended with {}: {said}", output.status);
}
