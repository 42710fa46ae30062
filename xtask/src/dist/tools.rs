//! What a static build needs besides this machine's own compiler: Rust's library for the target, and a C compiler with musl.
//!
//! zig is that compiler for every architecture (docs/decisions/0039); Rust's own linker links.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::architecture::Architecture;
use crate::shell::{self, Doing, Error, Result};

/// How zig is called: by itself, or by Python's package of it.
const ZIGS: [&[&str]; 2] = [&["zig"], &["python3", "-m", "ziglang"]];

/// Makes ready what [`environment`] names.
///
/// # Errors
/// In words: what is missing, and what brings it.
pub(super) fn prepare(architecture: Architecture, target: &Path) -> Result<()> {
    let zig = zig()?;
    library(architecture)?;
    let folder = folder(target);
    fs::create_dir_all(&folder).doing("making target/dist-tools")?;
    for (path, verb) in [(cc(architecture, target), "cc"), (ar(architecture, target), "ar")] {
        fs::write(&path, wrapper(zig, verb, architecture)).doing(path.display())?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).doing(path.display())?;
    }
    Ok(())
}

/// For cargo, and through it for the C parts of crates (the crate `cc` reads these variables).
pub(super) fn environment(cargo: &mut Command, architecture: Architecture, target: &Path) {
    let lower = architecture.target().replace('-', "_");
    let upper = lower.to_uppercase();
    cargo.env(format!("CC_{lower}"), cc(architecture, target));
    cargo.env(format!("AR_{lower}"), ar(architecture, target));
    cargo.env(format!("CARGO_TARGET_{upper}_LINKER"), "rust-lld");
    cargo.env("ZIG_GLOBAL_CACHE_DIR", folder(target).join("cache"));
}

fn zig() -> Result<&'static [&'static str]> {
    let works = |words: &&&[&str]| {
        let [program, arguments @ ..] = words else { return false };
        let mut command = Command::new(program);
        command
            .args(arguments)
            .arg("version")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    let found = ZIGS.iter().find(works).copied();
    found.ok_or_else(|| Error("there is no zig, which compiles its C parts: pip install ziglang".to_owned()))
}

/// Rust's library for the target, fetched by rustup where it is missing.
fn library(architecture: Architecture) -> Result<()> {
    let sysroot = shell::output(Command::new("rustc").args(["--print", "sysroot"]))?;
    let folder = Path::new(sysroot.trim()).join("lib/rustlib").join(architecture.target());
    if folder.is_dir() {
        return Ok(());
    }
    let add = ["target", "add", architecture.target()];
    shell::run(Command::new("rustup").args(add)).map_err(|Error(why)| {
        Error(format!("Rust's library for {} is not here: {why}", architecture.target()))
    })
}

/// The crate `cc` gives clang's name of the target, which zig does not know. Undefined behaviour is not trapped, as by every
/// other C compiler: zig's own default is meant for its users' code.
fn wrapper(zig: &[&str], verb: &str, architecture: Architecture) -> String {
    let zig = zig.join(" ");
    if verb == "ar" {
        return format!("#!/bin/sh\nexec {zig} ar \"$@\"\n");
    }
    format!(
        "#!/bin/sh\nfor word do\n    shift\n    case $word in --target=*) ;; *) set -- \"$@\" \"$word\" ;; esac\ndone\n\
         exec {zig} cc -target {} -fno-sanitize=undefined \"$@\"\n",
        architecture.zig()
    )
}

fn folder(target: &Path) -> PathBuf {
    target.join("dist-tools")
}

fn cc(architecture: Architecture, target: &Path) -> PathBuf {
    folder(target).join(format!("cc-{}", architecture.name()))
}

fn ar(architecture: Architecture, target: &Path) -> PathBuf {
    folder(target).join(format!("ar-{}", architecture.name()))
}
