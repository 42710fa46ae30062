//! `cargo xtask screenshots`: the pictures of docs/pictures. Starts the assistant alone with a folder of its own, lives a
//! believable day in it through its interface for programs, and opens every page in chromium, narrow and wide, light
//! and dark.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use crate::{
    build::{self, Profile},
    shell::{self, Doing, Error, Result},
    test::install,
};

/// Take the pictures of docs/pictures anew: every page of the assistant, on a phone and a desktop, light and dark
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Where to put them
    #[arg(long, value_name = "FOLDER", default_value = "docs/pictures")]
    to: PathBuf,
    /// Write PNG in place of WebP: larger, for programs that read nothing else
    #[arg(long)]
    png: bool,
}

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/screenshots/take.mjs");
/// What drives chromium; the browser's journey uses the same.
const DRIVER: &str = "playwright-core@1.65.1";
/// Bound: what all pictures may weigh, in bytes. A clone carries them for ever.
const BYTES_MAX: u64 = 2_000_000;

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    install::needed(&install::PICTURES)?;
    let binaries = build::binaries(&["assistant"], Profile::Dev)?;
    let tools = shell::target().join("tools/screenshots");
    shell::run(
        Command::new("npm")
            .args(["install", "--no-audit", "--no-fund", "--silent", "--prefix"])
            .arg(&tools)
            .arg(DRIVER),
    )?;
    let folder = shell::root().join(&args.to);
    fs::create_dir_all(&folder).doing(folder.display())?;
    let kind = if args.png { "png" } else { "webp" };
    shell::run(
        Command::new("node").arg(SCRIPT).arg(&tools).arg(binaries.join("assistant")).arg(&folder).arg(kind),
    )?;
    let (count, bytes) = weigh(&folder, kind)?;
    println!("{count} pictures of {bytes} bytes in {}", folder.display());
    if !args.png && bytes > BYTES_MAX {
        return Err(Error(format!(
            "the pictures weigh {bytes} bytes, more than {BYTES_MAX}: take fewer, or lower the quality in {SCRIPT}"
        )));
    }
    Ok(ExitCode::SUCCESS)
}

/// How many pictures of that kind the folder holds, and their bytes.
fn weigh(folder: &Path, kind: &str) -> Result<(usize, u64)> {
    let (mut count, mut bytes) = (0, 0);
    for entry in fs::read_dir(folder).doing(folder.display())? {
        let entry = entry.doing(folder.display())?;
        if entry.path().extension().is_some_and(|found| found == kind) {
            count += 1;
            bytes += entry.metadata().doing(entry.path().display())?.len();
        }
    }
    Ok((count, bytes))
}
