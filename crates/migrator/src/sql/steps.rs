//! The folder: `0042_add_tags.up.sql` (or `0042_add_tags.sql`), with `.down.sql` and `.contract.sql` beside it.

use std::{collections::BTreeMap, path::Path};

use model::Explain;
use sha2::{Digest, Sha256};

use super::act::Part;
use crate::STEPS_MAX;

/// Bound: of one file.
const FILE_BYTES_MAX: usize = 16 << 20;
/// A first line that keeps a file out of a transaction.
const NO_TRANSACTION: &str = "-- mainstay: no-transaction";

/// The files of one version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub version: u64,
    pub up: Text,
    pub down: Option<Text>,
    pub contract: Option<Text>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Text {
    /// The file's name.
    pub file: String,
    pub sql: String,
    pub transactional: bool,
}

impl Text {
    pub(super) fn new(file: &str, sql: String) -> Self {
        let first = sql.lines().next().unwrap_or_default().trim();
        Self { file: file.to_owned(), transactional: first != NO_TRANSACTION, sql }
    }

    /// Hex of SHA-256.
    pub(super) fn checksum(&self) -> String {
        Sha256::digest(self.sql.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// # Errors
/// The folder or a file does not read; a name is not understood; a version is there twice or without its way up.
pub(super) fn read(folder: &Path) -> Result<Vec<Step>, Explain> {
    let unreadable = |path: &Path, error: &(dyn std::error::Error + 'static)| {
        Explain::new("sql-folder", format!("cannot read {}", path.display()))
            .because(error)
            .help("`migrate.folder` is the folder of the SQL files, below the release")
    };
    let entries = std::fs::read_dir(folder).map_err(|error| unreadable(folder, &error))?;
    let mut texts = BTreeMap::new();
    for entry in entries {
        let path = entry.map_err(|error| unreadable(folder, &error))?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if !name.ends_with(".sql") {
            continue;
        }
        let (version, part) = parse(&name).ok_or_else(|| misnamed(&name))?;
        let sql = machine::fs::read_text(&path, FILE_BYTES_MAX).map_err(|error| unreadable(&path, &error))?;
        if let Some(other) = texts.insert((version, part), Text::new(&name, sql)) {
            return Err(twice(&other.file, &name));
        }
        if texts.len() > STEPS_MAX {
            let message = format!("{} has more than {STEPS_MAX} SQL files", folder.display());
            return Err(Explain::new("sql-folder", message).help("is it the right folder?"));
        }
    }
    steps(texts)
}

/// The version that all of them lead to.
pub(super) fn last(steps: &[Step]) -> u64 {
    steps.last().map_or(0, |step| step.version)
}

fn steps(mut texts: BTreeMap<(u64, Part), Text>) -> Result<Vec<Step>, Explain> {
    let versions: std::collections::BTreeSet<u64> = texts.keys().map(|(version, _)| *version).collect();
    let step = |version| {
        let mut take = |part| texts.remove(&(version, part));
        let (up, down, contract) = (take(Part::Up), take(Part::Down), take(Part::Contract));
        let up = up.ok_or_else(|| {
            Explain::new("sql-folder", format!("version {version} has no way up"))
                .help(format!("add `{version:04}_NAME.up.sql`, or take its other files away"))
        })?;
        Ok(Step { version, up, down, contract })
    };
    versions.into_iter().map(step).collect()
}

/// Version and part by a file's name.
pub(super) fn parse(name: &str) -> Option<(u64, Part)> {
    let (digits, rest) = name.strip_suffix(".sql")?.split_once('_')?;
    let version =
        digits.parse().ok().filter(|version| *version > 0 && digits.bytes().all(|b| b.is_ascii_digit()))?;
    let part = match rest.rsplit_once('.') {
        None | Some((_, "up")) => Part::Up,
        Some((_, "down")) => Part::Down,
        Some((_, "contract")) => Part::Contract,
        Some(_) => return None,
    };
    Some((version, part)).filter(|_| i64::try_from(version).is_ok())
}

fn misnamed(name: &str) -> Explain {
    Explain::new("sql-file-name", format!("`{name}` is not named like a migration")).help(
        "a number, `_` and a name: `0042_add_tags.up.sql`, with `.down.sql` and `.contract.sql` beside it",
    )
}

fn twice(one: &str, other: &str) -> Explain {
    Explain::new("sql-file-name", format!("`{one}` and `{other}` are the same step"))
        .help("give the later one the next number")
}
