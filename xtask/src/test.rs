//! `cargo xtask test`: everything that shows that the project works, in one run; what the CI runs, word for word.
//!
//! Every step counts: a formatting check as one, a test run as many as it says. The last line sums all.

pub(crate) mod count;
pub(crate) mod install;
mod tag;

use std::{
    process::{Command, ExitCode},
    time::{Duration, Instant},
};

use crate::{
    build, lint,
    shell::{self, Doing, Result},
    vm,
};
use count::{Count, Failure};

/// Install what the tests need, then check and test everything; the last line is `N passed, M failed`
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only one part (format, clippy, lint, kit, units, journeys, vm) or only tests with this in their name
    #[arg(long, value_name = "NAME")]
    only: Option<String>,
    /// The long form of a journey or of `simulation`, as it runs before a release
    #[arg(long, value_name = "NAME", conflicts_with = "only")]
    long: Option<String>,
}

/// A part of the run, by the name that `--only` takes.
type Part = (&'static str, fn() -> Result<Count>);

/// The target that the journeys are. It is named with the whole workspace, so that every part of a run builds each library once:
/// fewer packages would ask for fewer of its features.
const JOURNEYS: [&str; 2] = ["--test", "journeys"];

/// Journeys that measure, or that load the machine to its limits: each has it for itself.
const ALONE: [&str; 6] = ["answers::", "browser::", "busy::", "chaos::", "lighthouse::", "load::"];
/// The others wait most of the time.
const BESIDE: &str = "--test-threads=3";

const PARTS: [Part; 7] = [
    ("format", format),
    ("clippy", clippy),
    ("lint", lints),
    ("kit", kit),
    ("units", units),
    ("journeys", journeys),
    ("vm", || vm::journeys(None)),
];

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    install::needed(&install::TESTS)?;
    let count = match (&args.long, &args.only) {
        (Some(name), _) => long(name)?,
        (None, None) => all()?,
        (None, Some(name)) => only(name)?,
    };
    Ok(count::conclude(&count))
}

/// One part after the other; at the end, how long each took.
fn all() -> Result<Count> {
    let mut sum = Count::default();
    let mut took: Vec<(&str, Duration)> = Vec::new();
    for (name, part) in PARTS {
        let began = Instant::now();
        sum = sum + part()?;
        took.push((name, began.elapsed()));
    }
    took.iter().for_each(|(name, took)| println!("{name:>10} {:>5} s", took.as_secs()));
    Ok(sum)
}

fn only(name: &str) -> Result<Count> {
    if let Some((_, part)) = PARTS.iter().find(|(part, _)| *part == name) {
        return part();
    }
    let of = |targets: &[&str]| -> Result<Count> {
        let mut cargo = cargo_test()?;
        cargo.arg("--workspace").args(targets);
        count::tests(cargo.args(["--no-fail-fast", "--", name, "--test-threads=1"]))
    };
    let here = of(&["--tests"])? + of(&JOURNEYS)?;
    let in_guests = if vm::has(name)? { vm::journeys(Some(name))? } else { Count::default() };
    Ok(here + in_guests)
}

fn long(name: &str) -> Result<Count> {
    if name == "simulation" {
        return simulations();
    }
    let mut cargo = cargo_test()?;
    cargo.arg("--workspace").args(JOURNEYS);
    cargo.args(["--", name, "--test-threads=1", "--nocapture"]);
    if name == "upgrades"
        && let Some(binary) = tag::binary()?
    {
        cargo.env(tag::VARIABLE, binary);
    }
    count::tests(cargo.env("MAINSTAY_TEST_LONG", "1"))
}

/// The worlds of the deploy machine and of the care of an instance, by a profile of their own.
fn simulations() -> Result<Count> {
    let mut cargo = shell::cargo();
    cargo.args(["test", "--locked", "--profile", "simulation", "-p", "release", "-p", "supervisor", "--lib"]);
    cargo.args(["--no-fail-fast", "--", "simulation", "--test-threads=1", "--nocapture"]);
    count::tests(cargo.env("MAINSTAY_TEST_LONG", "1"))
}

fn format() -> Result<Count> {
    Ok(step("cargo fmt --check", shell::cargo().args(["fmt", "--all", "--check"])))
}

fn clippy() -> Result<Count> {
    let all = ["clippy", "--locked", "--workspace", "--all-targets", "--", "-D", "warnings"];
    // No `cargo test` runs these by itself, so no "all targets" has them either.
    let mut journeys = shell::cargo();
    journeys.args(["clippy", "--locked", "--workspace", "--test", "vm"]).args(JOURNEYS);
    Ok(step("cargo clippy", shell::cargo().args(all))
        + step("cargo clippy of journeys", journeys.args(["--", "-D", "warnings"])))
}

fn lints() -> Result<Count> {
    let broken = lint::wrong()?;
    let failures = (0..broken).map(|_| Failure::of("cargo xtask lint")).collect();
    Ok(Count { passed: lint::rules() - broken, failed: broken, failures, ..Count::default() })
}

/// Each part of `kit` compiles without the others: somebody takes one alone.
fn kit() -> Result<Count> {
    let manifest = shell::root().join("crates/kit/Cargo.toml");
    let text = std::fs::read_to_string(&manifest).doing(manifest.display())?;
    let alone = |part: &str| {
        let mut cargo = shell::cargo();
        cargo.args(["check", "--locked", "-p", "kit", "--no-default-features", "--features", part]);
        step(&format!("kit's part {part} alone"), &mut cargo)
    };
    Ok(parts(&text).into_iter().map(alone).fold(Count::default(), |sum, one| sum + one))
}

/// Features of a manifest but the default.
fn parts(manifest: &str) -> Vec<&str> {
    let features = manifest.split("\n[features]\n").nth(1).unwrap_or_default();
    let features = features.split("\n[").next().unwrap_or_default();
    let names =
        features.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once(" = "));
    names.map(|(name, _)| name).filter(|name| *name != "default").collect()
}

fn units() -> Result<Count> {
    let run = |rest: &[&str]| -> Result<Count> {
        count::tests(cargo_test()?.args(["--workspace", "--no-fail-fast", "--"]).args(rest))
    };
    run(&[])?.asked_again(run)
}

/// First those that can run beside each other, then one after the other those that have the machine for themselves.
fn journeys() -> Result<Count> {
    let run = |rest: &[&str]| -> Result<Count> {
        let mut cargo = cargo_test()?;
        cargo.arg("--workspace").args(JOURNEYS);
        count::tests(cargo.arg("--").args(rest))
    };
    let but: Vec<_> = ALONE.iter().flat_map(|name| ["--skip", name]).collect();
    let beside = run(&[&[BESIDE], but.as_slice()].concat())?;
    // Their figures are shown at the end, also where all is well.
    let alone = run(&[&["--test-threads=1", "--show-output"], ALONE.as_slice()].concat())?;
    (beside + alone).asked_again(run)
}

/// A `cargo test` whose tests find the binaries that they start.
fn cargo_test() -> Result<Command> {
    let folder = build::all_binaries()?;
    let mut cargo = shell::cargo();
    cargo.args(["test", "--locked"]).env("MAINSTAY_TEST_BINARIES", folder);
    Ok(cargo)
}

/// A command that passes or fails as one.
fn step(name: &str, command: &mut Command) -> Count {
    match shell::run(command) {
        Ok(()) => Count { passed: 1, ..Count::default() },
        Err(error) => {
            eprintln!("error: {error}");
            Count { failed: 1, failures: vec![Failure::of(name)], ..Count::default() }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_a_manifest_are_its_features_but_the_default() {
        let manifest = "[lints]\nworkspace = true\n\n[features]\ndefault = [\"a\"]\n# what a is\na = []\nb = [\"dep:c\"]\n\n[dependencies]\nc = \"1\"\n";
        assert_eq!(parts(manifest), ["a", "b"]);
    }
}
