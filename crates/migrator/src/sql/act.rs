//! What is to be done, as a pure function of the files and of what was applied.

use std::fmt;

use model::Explain;

use super::steps::{Step, Text};
use crate::Verb;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Part {
    Up,
    Down,
    Contract,
}

impl Part {
    /// As the table has it; a way down leaves no row.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
            Self::Contract => "contract",
        }
    }
}

/// A row of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Applied {
    pub version: u64,
    pub is_contract: bool,
    pub file: String,
    pub checksum: String,
    /// `false`: a file without a transaction was begun, and its end is not known.
    pub is_done: bool,
}

/// One file to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Act {
    pub version: u64,
    pub part: Part,
    pub text: Text,
    pub checksum: String,
    /// An earlier run began it and did not end it.
    pub is_again: bool,
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text.file)
    }
}

/// The schema's version: the highest whose way up is done.
pub(super) fn version(applied: &[Applied]) -> u64 {
    let ups = applied.iter().filter(|row| !row.is_contract && row.is_done);
    ups.map(|row| row.version).max().unwrap_or(0)
}

/// The files of the way up that were begun and whose end is not known. A contract step takes away what nobody needs any more:
/// half done it is between no two versions, and keeps no release out.
pub(super) fn half_done(applied: &[Applied]) -> impl Iterator<Item = &str> {
    applied.iter().filter(|row| !row.is_done && !row.is_contract).map(|row| row.file.as_str())
}

/// # Errors
/// The files are not those that were applied; a step was left out; there is no way back. Nothing was done then.
pub(super) fn plan(steps: &[Step], applied: &[Applied], verb: Verb) -> Result<Vec<Act>, Explain> {
    if verb == Verb::Status {
        return Ok(Vec::new());
    }
    let known = super::steps::last(steps);
    let found = version(applied);
    if found > known {
        let message = format!("the database is at version {found}, and this release knows {known}");
        return Err(unchanged(Explain::new("sql-later-release", message))
            .help("`migrate down` of the release that brought that version goes back"));
    }
    same_texts(steps, applied)?;
    let row = |version, is_contract| {
        applied.iter().find(|row| row.version == version && row.is_contract == is_contract)
    };
    let act = |version, part, text: &Text| {
        let is_again = row(version, part == Part::Contract).is_some_and(|row| !row.is_done);
        Act { version, part, text: text.clone(), checksum: text.checksum(), is_again }
    };
    let is_done = |version, is_contract| row(version, is_contract).is_some_and(|row| row.is_done);
    match verb {
        Verb::Status => Ok(Vec::new()),
        Verb::Up => {
            let missing: Vec<&Step> = steps.iter().filter(|step| !is_done(step.version, false)).collect();
            if let Some(step) = missing.iter().find(|step| step.version < found) {
                return Err(left_out(step, found));
            }
            Ok(missing.iter().map(|step| act(step.version, Part::Up, &step.up)).collect())
        }
        Verb::Down { to } => {
            let going =
                steps.iter().rev().filter(|step| step.version > to && row(step.version, false).is_some());
            let back = |step: &Step| match &step.down {
                Some(_) if row(step.version, true).is_some() => Err(contracted(step)),
                Some(down) => Ok(act(step.version, Part::Down, down)),
                None => Err(irreversible(step)),
            };
            going.map(back).collect()
        }
        Verb::Contract => {
            let left =
                steps.iter().filter(|step| is_done(step.version, false) && !is_done(step.version, true));
            let acts =
                left.filter_map(|step| Some(act(step.version, Part::Contract, step.contract.as_ref()?)));
            Ok(acts.collect())
        }
    }
}

fn same_texts(steps: &[Step], applied: &[Applied]) -> Result<(), Explain> {
    for row in applied.iter().filter(|row| row.is_done) {
        let Some(step) = steps.iter().find(|step| step.version == row.version) else {
            let message = format!("version {} was applied, and its file is gone", row.version);
            return Err(unchanged(Explain::new("sql-file-gone", message)).help("put the file back as it was"));
        };
        let text = if row.is_contract { step.contract.as_ref() } else { Some(&step.up) };
        if text.is_some_and(|text| text.checksum() != row.checksum) {
            let message = format!("{} was changed after it had been applied", text.map_or("", |t| &t.file));
            return Err(unchanged(Explain::new("sql-file-edited", message))
                .help("put it back as it was, and make the change a new file with the next number"));
        }
    }
    Ok(())
}

fn unchanged(explain: Explain) -> Explain {
    explain.now("the database is unchanged")
}

fn left_out(step: &Step, found: u64) -> Explain {
    let message = format!("{} was never applied, and version {found} was", step.up.file);
    unchanged(Explain::new("sql-out-of-order", message))
        .help("give it the next number, so that it comes last")
}

fn irreversible(step: &Step) -> Explain {
    unchanged(Explain::new("sql-irreversible", format!("{} has no way back", step.up.file)))
        .help(format!("add `{:04}_NAME.down.sql`, or restore the database from a copy", step.version))
}

fn contracted(step: &Step) -> Explain {
    let message = format!("version {} was contracted: what its way back needs is gone", step.version);
    unchanged(Explain::new("sql-irreversible", message)).help("restore the database from a copy")
}
