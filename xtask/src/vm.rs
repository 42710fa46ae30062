//! `cargo xtask vm`: the journeys that need a machine of their own: systemd as process 1, cgroup v2 with all its
//! controllers, reboots, power cuts, a disk that fails.
//!
//! The machine is Debian 12 on user-mode Linux, a kernel that runs as an ordinary process (docs/decisions). Owns the
//! guest's disk and what the tests are given; the journeys themselves are `e2e/tests/vm`. Begin with [`journeys`].

mod image;
mod kernel;
mod mirror;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
};

use crate::{
    build,
    dist::{self, deb::Package},
    shell::{self, Doing, Result},
    test::{
        count::{self, Count},
        install,
    },
};

/// Run the journeys that need systemd and a kernel of their own, in guests; the last line is `N passed, M failed`
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only those with one of these in their name; `minutes` is run by its name alone
    names: Vec<String>,

    /// Take this binary of mainstay into the guests, such as a static one of `cargo xtask dist`, instead of the tests' own
    #[arg(long, value_name = "FILE")]
    mainstay: Option<PathBuf>,
}

/// Bound: of the guests' journeys, without what is built and installed before them. Three minutes are usual.
const LIMIT_S: u32 = 600;
/// Longer than all others together: run by their names alone.
const LONG: [&str; 1] = ["minutes::"];
/// Guests at once. Each has one processor and mostly waits.
const AT_ONCE: u32 = 3;
const BINARIES: [&str; 4] = ["mainstay", "assistant", "fakeapp", "judge"];

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let mainstay = match &args.mainstay {
        // The journeys run in another folder than whoever asks for them.
        Some(file) => Some(given(file)?),
        None => None,
    };
    let names: Vec<&str> = args.names.iter().map(String::as_str).collect();
    let count = of(&names, mainstay.as_deref())?;
    Ok(count::conclude(&count))
}

/// All journeys in guests, or those with `name` in theirs.
pub(crate) fn journeys(name: Option<&str>) -> Result<Count> {
    of(name.as_slice(), None)
}

/// A binary that somebody else built: it must run here before it is taken into a guest.
fn given(file: &Path) -> Result<PathBuf> {
    let file = file.canonicalize().doing(format!("opening {}", file.display()))?;
    shell::output(Command::new(&file).arg("version"))?;
    Ok(file)
}

fn of(names: &[&str], mainstay: Option<&Path>) -> Result<Count> {
    install::needed(&install::GUESTS)?;
    let folder = shell::target().join("vm");
    fs::create_dir_all(&folder).doing("making target/vm")?;
    remove_stale(&folder)?;
    let kernel = kernel::kept(&folder)?;
    let image = image::kept(&folder, &kernel.modules)?;
    let binaries = binaries(&folder, mainstay)?;
    let packages = packages(&folder, &binaries)?;
    // Built first: the limit is for the guests.
    shell::run(shell::cargo().args(["test", "--locked", "--workspace", "--test", "vm", "--no-run"]))?;
    let mut tests = bounded(LIMIT_S);
    tests.args(["test", "--locked", "--workspace", "--test", "vm", "--no-fail-fast", "--"]);
    tests.args(names).args([format!("--test-threads={AT_ONCE}").as_str(), "--show-output"]);
    match names.iter().any(|name| LONG.iter().any(|long| name.starts_with(long.trim_end_matches(':')))) {
        true => _ = tests.env("MAINSTAY_TEST_MIRROR", mirror::kept(&folder)?),
        false => LONG.iter().for_each(|long| _ = tests.args(["--skip", long])),
    }
    tests.env("MAINSTAY_TEST_IMAGE", image).env("MAINSTAY_TEST_GUEST_BINARIES", binaries);
    tests.env("MAINSTAY_TEST_PACKAGES", packages).env("MAINSTAY_TEST_KERNEL", kernel.program);
    count::tests(&mut tests)
}

/// Disks of guests whose test was killed: it had no time to remove them.
fn remove_stale(folder: &Path) -> Result<()> {
    for entry in fs::read_dir(folder).doing("reading target/vm")?.flatten() {
        let name = entry.file_name();
        // `guest-PID-XXXXXX`: see the driver in e2e.
        let pid = name.to_str().and_then(|name| name.strip_prefix("guest-")?.split('-').next());
        if pid.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
            fs::remove_dir_all(entry.path()).doing("removing the disk of a guest that is gone")?;
        }
    }
    Ok(())
}

/// Whether a journey in guests has `name` in its own.
pub(crate) fn has(name: &str) -> Result<bool> {
    let mut list = shell::cargo();
    list.args(["test", "--quiet", "--locked", "-p", "e2e", "--test", "vm", "--", "--list", name]);
    Ok(shell::output(&mut list)?.lines().any(|line| line.ends_with(": test")))
}

/// A cargo that is ended with all its children when its time is over. A guest ends with the test that started it.
fn bounded(limit_s: u32) -> Command {
    let cargo = shell::cargo();
    let mut bounded = Command::new("timeout");
    bounded.args(["--kill-after=10", &limit_s.to_string()]).arg(cargo.get_program());
    bounded.current_dir(shell::root());
    bounded
}

/// Two packages of the guests' binary, as `cargo xtask dist` makes them; the second is of another version and build.
fn packages(folder: &Path, binaries: &Path) -> Result<PathBuf> {
    let binary = binaries.join("mainstay");
    let out = folder.join("packages");
    fs::create_dir_all(&out).doing("making target/vm/packages")?;
    let staged = dist::stage(&binary, &folder.join("stage"))?;
    let bytes = fs::read(&binary).doing("reading the guests' binary")?;
    for (version, end) in [("1.0", ""), ("1.1", "\n")] {
        let binary = [bytes.as_slice(), end.as_bytes()].concat();
        let package = Package { version: version.to_owned(), architecture: "amd64", binary, staged: &staged };
        dist::deb::write(&package, &out)?;
    }
    Ok(out)
}

/// Copies without debug information, which a guest would only carry around.
fn binaries(folder: &Path, mainstay: Option<&Path>) -> Result<PathBuf> {
    let built = build::all_binaries()?;
    let stripped = folder.join("bin");
    fs::create_dir_all(&stripped).doing("making target/vm/bin")?;
    for name in BINARIES {
        // A guest that another run has started may hold the old file.
        let temp = stripped.join(format!("{name}.new"));
        let mut strip = Command::new("strip");
        let from = mainstay.filter(|_| name == "mainstay").map_or_else(|| built.join(name), Path::to_owned);
        strip.arg("-o").arg(&temp).arg(from).stdin(Stdio::null());
        shell::run(&mut strip)?;
        fs::rename(&temp, stripped.join(name)).doing("replacing a binary")?;
    }
    Ok(stripped)
}
