//! What became of each line of a file of another tool: taken over, or not and why.

use std::ops::RangeInclusive;

use model::{Explain, explain::Place};
use serde::Serialize;

/// A file of another tool.
#[derive(Clone, Debug)]
pub(super) struct Source {
    /// As it was given.
    pub file: String,
    pub text: String,
}

/// What was said about some lines of a file.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Note {
    pub file: String,
    /// From 1: the first and the last line.
    pub lines: RangeInclusive<usize>,
    /// What stands there, in the file's own words.
    pub what: String,
    /// What became of it, or why nothing did.
    pub so: String,
}

/// All that was said about the files.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Account {
    pub taken: Vec<Note>,
    pub left: Vec<Note>,
}

/// Writes into an account, of one file.
pub(super) struct Scribe<'a> {
    file: &'a str,
    account: &'a mut Account,
}

impl Account {
    pub(super) fn of<'a>(&'a mut self, source: &'a Source) -> Scribe<'a> {
        Scribe { file: &source.file, account: self }
    }
}

impl Scribe<'_> {
    pub(super) fn took(
        &mut self,
        lines: RangeInclusive<usize>,
        what: impl Into<String>,
        so: impl Into<String>,
    ) {
        let file = self.file.to_owned();
        self.account.taken.push(Note { file, lines, what: what.into(), so: so.into() });
    }

    pub(super) fn left(
        &mut self,
        lines: RangeInclusive<usize>,
        what: impl Into<String>,
        so: impl Into<String>,
    ) {
        let file = self.file.to_owned();
        self.account.left.push(Note { file, lines, what: what.into(), so: so.into() });
    }
}

impl Note {
    /// `compose.yaml:12 services.web.command: …`
    pub(super) fn render(&self) -> String {
        format!("{}:{} {}: {}", self.file, self.lines.start(), self.what, self.so)
    }
}

impl Source {
    /// A mistake in it. `line` and `column` from 1.
    pub(super) fn mistake(
        &self,
        kind: &str,
        line: usize,
        column: usize,
        cause: impl Into<String>,
    ) -> Explain {
        let start: usize = self.text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
        let mut told = Explain::new("bad-source", format!("{} cannot be read as {kind}", self.file))
            .caused_by(format!("line {line}: {}", cause.into()))
            .now("nothing was written")
            .help("mend the line, or say by `--kind` what the file is");
        let at = start + column.saturating_sub(1);
        told.place = Some(Place { file: self.file.clone(), line, column, start: at, end: at });
        told
    }
}
