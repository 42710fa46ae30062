//! Counting what `cargo test` says while it passes by on the terminal.

use std::{
    io::{BufRead, BufReader, Write},
    ops::Add,
    process::{Command, ExitCode, Stdio},
};

use crate::shell::{self, Doing, Result};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Count {
    pub passed: usize,
    pub failed: usize,
    pub failed_names: Vec<String>,
}

impl Add for Count {
    type Output = Self;
    fn add(mut self, other: Self) -> Self {
        self.passed += other.passed;
        self.failed += other.failed;
        self.failed_names.extend(other.failed_names);
        self
    }
}

/// Prints what failed and the last line of a run; how the run ends.
pub(crate) fn conclude(count: &Count) -> ExitCode {
    count.failed_names.iter().for_each(|name| println!("failed: {name}"));
    // Nothing found is no success: a mistyped name must not look like a good run.
    let empty = count.passed + count.failed == 0;
    if empty {
        println!("nothing was run");
    }
    println!("{} passed, {} failed", count.passed, count.failed);
    if count.failed == 0 && !empty { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs a `cargo test`, shows its output as it comes, and sums its results.
pub(crate) fn tests(command: &mut Command) -> Result<Count> {
    let words = shell::words(command);
    println!("$ {words}");
    let mut child = command.stdout(Stdio::piped()).spawn().doing(&words)?;
    let mut count = Count::default();
    if let Some(output) = child.stdout.take() {
        for line in BufReader::new(output).lines().map_while(std::result::Result::ok) {
            // A closed terminal must not end the tests.
            let _ = writeln!(std::io::stdout(), "{line}");
            count = count + of_line(&line);
        }
    }
    let status = child.wait().doing(&words)?;
    if !status.success() && count.failed == 0 {
        // It did not compile, or a test binary was killed: that is a failure too.
        count.failed = 1;
        count.failed_names.push(format!("{words} ({status})"));
    }
    Ok(count)
}

/// What one line of output adds.
fn of_line(line: &str) -> Count {
    if let Some(name) = line.strip_prefix("test ").and_then(|rest| rest.strip_suffix(" ... FAILED")) {
        return Count { failed_names: vec![name.to_owned()], ..Count::default() };
    }
    let Some(result) = line.strip_prefix("test result: ") else { return Count::default() };
    let before = |word: &str| {
        let words: Vec<_> = result.split([' ', ';']).filter(|word| !word.is_empty()).collect();
        let at = words.iter().position(|found| *found == word)?;
        words.get(at.checked_sub(1)?)?.parse().ok()
    };
    Count {
        passed: before("passed").unwrap_or(0),
        failed: before("failed").unwrap_or(0),
        failed_names: Vec::new(),
    }
}

#[cfg(test)]
mod tests_of_lines {
    use super::*;

    #[test]
    fn result_lines_are_summed_and_failures_named() {
        let output = "test a ... ok\ntest b::c ... FAILED\ntest result: FAILED. 12 passed; 1 failed; 0 ignored; 0 measured; 3 filtered out; finished in 0.1s\n";
        let count = output.lines().map(of_line).fold(Count::default(), Add::add);
        assert_eq!(count, Count { passed: 12, failed: 1, failed_names: vec!["b::c".into()] });
    }
}
