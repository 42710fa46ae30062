//! Counting what `cargo test` says while it passes by on the terminal.

use std::{
    io::{BufRead, BufReader, Write},
    ops::Add,
    process::{Command, ExitCode, Stdio},
};

use crate::shell::{self, Doing, Result};

/// Bound: lines of what a failed test said that are told again at the end.
const WHY_LINES_MAX: usize = 10;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Count {
    pub passed: usize,
    pub failed: usize,
    pub failures: Vec<Failure>,
}

/// A test that failed, and what it panicked with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Failure {
    name: String,
    why: Vec<String>,
}

impl Failure {
    pub(crate) fn of(name: impl Into<String>) -> Self {
        Self { name: name.into(), why: Vec::new() }
    }
}

impl Add for Count {
    type Output = Self;
    fn add(mut self, other: Self) -> Self {
        self.passed += other.passed;
        self.failed += other.failed;
        self.failures.extend(other.failures);
        self
    }
}

/// Prints what failed and why, and the last line of a run; how the run ends.
pub(crate) fn conclude(count: &Count) -> ExitCode {
    for Failure { name, why } in &count.failures {
        println!("failed: {name}");
        why.iter().for_each(|line| println!("    {line}"));
    }
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
    let mut listener = Listener::default();
    if let Some(output) = child.stdout.take() {
        for line in BufReader::new(output).lines().map_while(std::result::Result::ok) {
            // A closed terminal must not end the tests.
            let _ = writeln!(std::io::stdout(), "{line}");
            listener.hear(&line);
        }
    }
    let mut count = listener.count;
    let status = child.wait().doing(&words)?;
    if !status.success() && count.failed == 0 {
        // It did not compile, or a test binary was killed: that is a failure too.
        count.failed = 1;
        count.failures.push(Failure::of(format!("{words} ({status})")));
    }
    Ok(count)
}

/// What the output so far adds up to.
#[derive(Debug, Default)]
struct Listener {
    count: Count,
    /// The test whose output passes by.
    of: Option<String>,
    /// Its panic does.
    is_told: bool,
}

impl Listener {
    fn hear(&mut self, line: &str) {
        if let Some(name) = line.strip_prefix("test ").and_then(|rest| rest.strip_suffix(" ... FAILED")) {
            self.count.failures.push(Failure::of(name));
        } else if let Some(result) = line.strip_prefix("test result: ") {
            let (passed, failed) = result_of(result);
            self.count.passed += passed;
            self.count.failed += failed;
            self.of = None;
        } else if let Some(name) =
            line.strip_prefix("---- ").and_then(|rest| rest.strip_suffix(" stdout ----"))
        {
            self.of = Some(name.to_owned());
            self.is_told = false;
        } else {
            self.hear_why(line);
        }
    }

    fn hear_why(&mut self, line: &str) {
        let Some(of) = &self.of else { return };
        self.is_told |= line.starts_with("thread '") && line.contains(" panicked at ");
        self.is_told &= !(line.starts_with("stack backtrace:") || line.starts_with("note: "));
        let failure = self.count.failures.iter_mut().rev().find(|failure| failure.name == *of);
        if let Some(Failure { why, .. }) = failure
            && self.is_told
            && why.len() < WHY_LINES_MAX
        {
            why.push(line.to_owned());
        }
    }
}

/// Passed and failed of the line that ends a test binary.
fn result_of(line: &str) -> (usize, usize) {
    let words: Vec<_> = line.split([' ', ';']).filter(|word| !word.is_empty()).collect();
    let before = |word: &str| {
        let at = words.iter().position(|found| *found == word)?;
        words.get(at.checked_sub(1)?)?.parse().ok()
    };
    (before("passed").unwrap_or(0), before("failed").unwrap_or(0))
}

#[cfg(test)]
mod tests_of_lines {
    use super::*;

    #[test]
    fn result_lines_are_summed_and_failures_named_with_what_they_panicked_with() {
        let output = "test a ... ok
test b::c ... FAILED

failures:

---- b::c stdout ----
first words

thread 'b::c' (7) panicked at src/b.rs:1:2:
left is not right
stack backtrace:
   0: __rustc::rust_begin_unwind

failures:
    b::c

test result: FAILED. 12 passed; 1 failed; 0 ignored; 0 measured; 3 filtered out; finished in 0.1s";
        let mut listener = Listener::default();
        output.lines().for_each(|line| listener.hear(line));
        let why = ["thread 'b::c' (7) panicked at src/b.rs:1:2:", "left is not right"];
        let failure = Failure { name: "b::c".into(), why: why.map(str::to_owned).to_vec() };
        assert_eq!(listener.count, Count { passed: 12, failed: 1, failures: vec![failure] });
    }
}
