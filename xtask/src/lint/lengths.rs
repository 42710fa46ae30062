//! Long files are told, not refused: past 600 lines, ask which two things a file is.

use super::Sources;

const LINES_MAX: usize = 600;

pub(super) fn notes(sources: &Sources) -> Vec<String> {
    let long = sources
        .rust()
        .map(|(path, text)| (path, text.lines().count()))
        .filter(|(_, lines)| *lines > LINES_MAX);
    long.map(|(path, lines)| format!("{} has {lines} lines: which two things is it?", path.display()))
        .collect()
}
