//! `cargo xtask dist`: what is given to others: a static binary and a package for each architecture, checksums, signatures.
//!
//! Owns how a release of Mainstay is built and what it is made of (docs/decisions/0039). The signing key is never in the
//! repository. Begin with [`run`].

mod architecture;
pub(crate) mod deb;
mod sums;
mod tools;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use self::architecture::Architecture;
use crate::{
    build,
    shell::{self, Doing, Error, Result},
};

/// Build what is given to others, into target/dist: static binaries, Debian packages, SHA256SUMS, signatures
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Build for this architecture alone; may be said several times
    #[arg(long, value_enum)]
    arch: Vec<Architecture>,

    /// Fail where this architecture cannot be built, instead of saying so; may be said several times
    #[arg(long, value_enum)]
    require: Vec<Architecture>,

    /// Sign every file by this secret key of minisign; its password is asked for, or taken from MINISIGN_PASSWORD
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,

    /// Where cargo builds, and `dist` is made, instead of `target`
    #[arg(long, value_name = "DIR")]
    target_dir: Option<PathBuf>,
}

/// An architecture that was built, and its binary in `dist`.
struct Built {
    architecture: Architecture,
    binary: PathBuf,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let target = args.target_dir.clone().unwrap_or_else(shell::target);
    let target = std::path::absolute(target).doing("--target-dir")?;
    // Asked for first: nobody waits for a build and then types a wrong password.
    let key = args.key.as_deref().map(sums::key).transpose()?;
    let wanted = if args.arch.is_empty() { Architecture::ALL.to_vec() } else { args.arch.clone() };
    let lacking = lacking(&wanted, &args.require, &target)?;
    let out = target.join("dist");
    remake(&out)?;
    let is_lacking = |one: &Architecture| lacking.iter().any(|(other, _)| other == one);
    let mut built = Vec::new();
    for architecture in wanted.into_iter().filter(|one| !is_lacking(one)) {
        built.push(binary(architecture, &target, &out)?);
    }
    packages(&built, &target, &out)?;
    sums::write(&out, key.as_ref())?;
    tell(&out, &lacking)?;
    Ok(if built.is_empty() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// What cannot be built here, and why.
fn lacking(
    wanted: &[Architecture],
    required: &[Architecture],
    target: &Path,
) -> Result<Vec<(Architecture, String)>> {
    let mut lacking = Vec::new();
    for architecture in wanted {
        if let Err(Error(why)) = tools::prepare(*architecture, target) {
            if required.contains(architecture) {
                return Err(Error(format!("{} cannot be built: {why}", architecture.name())));
            }
            lacking.push((*architecture, why));
        }
    }
    match required.iter().find(|one| !wanted.contains(one)) {
        Some(one) => Err(Error(format!("--require {0}, and --arch leaves {0} out", one.name()))),
        None => Ok(lacking),
    }
}

/// Only what is made now is there afterwards.
fn remake(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).doing("removing what was in target/dist")?;
    }
    fs::create_dir_all(folder).doing("making target/dist")
}

fn binary(architecture: Architecture, target: &Path, out: &Path) -> Result<Built> {
    let mut cargo = shell::cargo();
    cargo.args(["build", "--locked", "--release", "-p", "mainstay", "--bin", "mainstay"]);
    cargo.args(["--target", architecture.target(), "--target-dir"]).arg(target);
    tools::environment(&mut cargo, architecture, target);
    shell::run(&mut cargo)?;
    let made = target.join(architecture.target()).join("release/mainstay");
    let binary = out.join(format!("mainstay-{}", architecture.name()));
    fs::copy(&made, &binary).doing(binary.display())?;
    is_static(&binary, architecture)?;
    runs(&binary, architecture)?;
    Ok(Built { architecture, binary })
}

/// No interpreter, no library: it runs on every Linux of its architecture.
fn is_static(binary: &Path, architecture: Architecture) -> Result<()> {
    let mut read = Command::new("readelf");
    read.env("LC_ALL", "C").args(["--file-header", "--program-headers", "--dynamic", "--wide"]).arg(binary);
    let text = shell::output(&mut read)?;
    match dynamic(&text, architecture.machine()) {
        Some(why) => Err(Error(format!("{} is not a static binary: {why}", binary.display()))),
        None => Ok(()),
    }
}

/// What readelf(1) says against it.
fn dynamic(text: &str, machine: &str) -> Option<String> {
    let line =
        |words: &str| text.lines().find(|line| line.contains(words)).map(|line| line.trim().to_owned());
    let other = || {
        let is_of_it = line("Machine:").is_some_and(|line| line.contains(machine));
        (!is_of_it).then(|| format!("it is not for {machine}"))
    };
    line("INTERP").or_else(|| line("(NEEDED)")).or_else(other)
}

/// Natively, or by qemu where that is installed.
fn runs(binary: &Path, architecture: Architecture) -> Result<()> {
    let Some(mut command) = architecture.run(binary) else {
        println!(
            "{} was not tried: it is not of this machine, and there is no {}",
            binary.display(),
            architecture.qemu()
        );
        return Ok(());
    };
    let said = shell::output(command.arg("version"))?;
    let expected = env!("CARGO_PKG_VERSION");
    if !said.contains(expected) {
        return Err(Error(format!("{} says it is {said}, and not {expected}", binary.display())));
    }
    println!("{} runs: {}", binary.display(), said.lines().next().unwrap_or_default());
    Ok(())
}

fn packages(built: &[Built], target: &Path, out: &Path) -> Result<()> {
    if built.is_empty() {
        return Ok(());
    }
    // The same files for every architecture; whichever binary runs here writes them.
    let native = match built.iter().find(|one| one.architecture.is_native()) {
        Some(native) => native.binary.clone(),
        None => build::all_binaries()?.join("mainstay"),
    };
    let staged = stage(&native, &target.join("dist-stage"))?;
    for Built { architecture, binary } in built {
        let package = deb::Package {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            architecture: architecture.debian(),
            binary: fs::read(binary).doing(binary.display())?,
            staged: &staged,
        };
        deb::write(&package, out)?;
    }
    fs::remove_dir_all(&staged).doing("removing what was staged")
}

/// Units, completions and manual pages, as the binary itself writes them below `folder`.
pub(crate) fn stage(binary: &Path, folder: &Path) -> Result<PathBuf> {
    remake(folder)?;
    shell::output(Command::new(binary).args(["install", "--stage"]).arg(folder))?;
    Ok(folder.to_owned())
}

fn tell(out: &Path, lacking: &[(Architecture, String)]) -> Result<()> {
    println!("\n{}", out.display());
    for (name, path) in sums::files(out)? {
        let bytes = fs::metadata(&path).doing(&name)?.len();
        println!("  {name}  {:.1} MB", bytes as f64 / 1e6);
    }
    for (architecture, why) in lacking {
        println!("not built: {}: {why}", architecture.name());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_binary_that_needs_anything_of_the_system_is_not_static() {
        let own = "  Machine:   Advanced Micro Devices X86-64\n  LOAD 0x0\n  DYNAMIC 0x1\n";
        let of = |more: &str| dynamic(&format!("{own}{more}"), "X86-64");
        assert_eq!(of(""), None, "one that relocates itself has a dynamic section");
        assert!(of("  INTERP 0x318\n").is_some_and(|why| why.starts_with("INTERP")));
        assert!(of(" 0x1 (NEEDED) Shared library: [libc.so.6]\n").is_some());
        assert_eq!(dynamic(own, "AArch64"), Some("it is not for AArch64".to_owned()));
    }

    #[test]
    fn what_is_required_and_left_out_is_a_contradiction() {
        let wanted = lacking(&[], &[Architecture::Aarch64], Path::new("/nonexistent"));
        assert!(wanted.is_err_and(|error| error.to_string().contains("aarch64")));
    }
}
