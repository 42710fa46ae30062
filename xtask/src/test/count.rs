//! Counting what `cargo test` says while it passes by on the terminal.

use std::{
    io::{BufRead, BufReader, Write},
    ops::Add,
    process::{Command, ExitCode, Stdio},
};

use crate::shell::{self, Doing, Result};

/// Bound: lines of what a failed test said that are told again at the end.
const WHY_LINES_MAX: usize = 10;
/// Bound: failed tests of a run that are asked again. More have a cause in common, and no accident is one.
const AGAIN_MAX: usize = 4;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Count {
    pub passed: usize,
    pub failed: usize,
    pub failures: Vec<Failure>,
    /// Failed among others and passed alone: counted as passed, and told.
    pub unsteady: Vec<Failure>,
}

/// A test or a step that failed, and what it panicked with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Failure {
    name: String,
    why: Vec<String>,
    /// It can be asked again by its name; a step, or a build that broke, cannot.
    is_test: bool,
}

impl Failure {
    pub(crate) fn of(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    fn of_test(name: &str) -> Self {
        Self { is_test: true, ..Self::of(name) }
    }

    fn tell(&self, how: &str) {
        println!("{how}: {}", self.name);
        self.why.iter().for_each(|line| println!("    {line}"));
    }
}

impl Count {
    /// Asks the tests that failed once more, each alone; `run` takes what stands behind the `--` of `cargo test`.
    /// Where machine and tests share two cores, one accident in a thousand tests would fail every other run
    /// (docs/decisions/0048-asked-again.md).
    pub(crate) fn asked_again(mut self, run: impl Fn(&[&str]) -> Result<Self>) -> Result<Self> {
        if self.failures.len() > AGAIN_MAX {
            return Ok(self);
        }
        for failure in std::mem::take(&mut self.failures) {
            let is_well = failure.is_test && run(&[&failure.name, "--exact", "--test-threads=1"])?.is_well();
            if is_well {
                self.passed += 1;
                self.failed -= 1;
                self.unsteady.push(failure);
            } else {
                self.failures.push(failure);
            }
        }
        Ok(self)
    }

    /// Something was run, and nothing of it failed.
    fn is_well(&self) -> bool {
        self.passed > 0 && self.failed == 0
    }
}

impl Add for Count {
    type Output = Self;
    fn add(mut self, other: Self) -> Self {
        self.passed += other.passed;
        self.failed += other.failed;
        self.failures.extend(other.failures);
        self.unsteady.extend(other.unsteady);
        self
    }
}

/// Prints what failed and why, and the last line of a run; how the run ends.
pub(crate) fn conclude(count: &Count) -> ExitCode {
    count.unsteady.iter().for_each(|failure| failure.tell("failed among others and passed alone"));
    count.failures.iter().for_each(|failure| failure.tell("failed"));
    if count.passed + count.failed == 0 {
        println!("nothing was run");
    }
    println!("{} passed, {} failed", count.passed, count.failed);
    // Nothing found is no success: a mistyped name must not look like a good run.
    if count.is_well() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
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
            self.count.failures.push(Failure::of_test(name));
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
        let failure = Failure { why: why.map(str::to_owned).to_vec(), ..Failure::of_test("b::c") };
        let count = Count { passed: 12, failed: 1, failures: vec![failure], ..Count::default() };
        assert_eq!(listener.count, count);
    }

    #[test]
    fn a_failed_test_is_asked_again_alone_and_told_where_it_passes() {
        let failures = ["shaky", "broken"].map(Failure::of_test).to_vec();
        let first = Count { passed: 5, failed: 3, failures, ..Count::default() };
        let first = first + Count { failures: vec![Failure::of("cargo fmt")], ..Count::default() };
        let alone = |words: &[&str]| {
            assert_eq!(words[1..], ["--exact", "--test-threads=1"]);
            let passed = usize::from(words[0] == "shaky");
            Ok(Count { passed, failed: 1 - passed, ..Count::default() })
        };
        let again = first.asked_again(alone).unwrap();
        assert_eq!((again.passed, again.failed), (6, 2));
        assert_eq!(again.unsteady, [Failure::of_test("shaky")]);
        assert_eq!(again.failures, [Failure::of_test("broken"), Failure::of("cargo fmt")]);
    }

    #[test]
    fn many_failures_and_a_name_that_finds_nothing_are_no_accident() {
        let failures: Vec<_> = (0..=AGAIN_MAX).map(|n| Failure::of_test(&n.to_string())).collect();
        let many = Count { failed: failures.len(), failures, ..Count::default() };
        assert_eq!(many.clone().asked_again(|_| unreachable!("nothing is run")).unwrap(), many);
        let one = Count { failed: 1, failures: vec![Failure::of_test("gone")], ..Count::default() };
        assert_eq!(one.clone().asked_again(|_| Ok(Count::default())).unwrap(), one);
    }
}
