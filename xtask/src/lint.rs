//! `cargo xtask lint`: what the compiler cannot hold. Each rule is one file.

mod charters;
mod lengths;
mod lock;
mod requirements;
mod rooms;
mod words;

use std::{
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use crate::shell::{self, Result};

/// Check layering, charters, claimed requirements, the lock file and forbidden words
#[derive(clap::Args)]
pub(crate) struct Args {}

/// One rule: its name and what it found wrong.
type Rule = (&'static str, fn(&Sources) -> Result<Vec<String>>);

const RULES: [Rule; 6] = [
    ("rooms", rooms::check),
    ("charters", charters::check),
    ("requirements", requirements::check),
    ("lock", lock::check),
    ("words", words::check),
    ("reference", |sources| Ok(crate::docs::stale(sources))),
];

/// The files that git knows, read once.
pub(crate) struct Sources {
    /// Path from the root and text; files that are not UTF-8 are left out.
    pub files: Vec<(PathBuf, String)>,
}

impl Sources {
    pub(crate) fn read() -> Result<Self> {
        let root = shell::root();
        // Also what is new and not ignored, so that a rule speaks before the commit and not after it.
        let listing = ["ls-files", "--cached", "--others", "--exclude-standard"];
        let listed = shell::output(Command::new("git").current_dir(&root).args(listing))?;
        let read = |path: &str| Some((PathBuf::from(path), std::fs::read_to_string(root.join(path)).ok()?));
        let files = listed.lines().filter_map(read).collect();
        Ok(Self { files })
    }

    /// The Rust files.
    pub(crate) fn rust(&self) -> impl Iterator<Item = (&Path, &str)> {
        let rust = |path: &Path| path.extension().is_some_and(|extension| extension == "rs");
        self.files
            .iter()
            .filter(move |(path, _)| rust(path))
            .map(|(path, text)| (path.as_path(), text.as_str()))
    }
}

pub(crate) fn run(_: &Args) -> Result<ExitCode> {
    let wrong = wrong()?;
    Ok(if wrong == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Runs every rule, prints what each found; how many rules are broken.
pub(crate) fn wrong() -> Result<usize> {
    let sources = Sources::read()?;
    let mut broken = 0;
    for (name, check) in RULES {
        let found = check(&sources)?;
        println!("lint {name}: {}", if found.is_empty() { "ok" } else { "broken" });
        found.iter().for_each(|finding| println!("  {finding}"));
        broken += usize::from(!found.is_empty());
    }
    lengths::notes(&sources).iter().for_each(|note| println!("note: {note}"));
    Ok(broken)
}

/// How many rules there are.
pub(crate) fn rules() -> usize {
    RULES.len()
}
