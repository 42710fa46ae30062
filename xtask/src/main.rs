//! The project's own commands: what a developer and the CI type after `cargo xtask`.
//!
//! Owns how the project is built, checked, tried and measured. Never part of the product. Each command is one file.

mod bench;
mod build;
mod dist;
mod docs;
mod lint;
mod run;
mod screenshots;
mod shell;
mod test;
mod vm;

use std::process::ExitCode;

use clap::Parser;

/// The commands of the Mainstay project
#[derive(Parser)]
#[command(name = "cargo xtask", disable_help_subcommand = true)]
enum Command {
    Run(run::Args),
    Test(test::Args),
    Vm(vm::Args),
    Dist(dist::Args),
    Lint(lint::Args),
    Bench(bench::Args),
    Docs(docs::Args),
    Screenshots(screenshots::Args),
}

fn main() -> ExitCode {
    let done = match Command::parse() {
        Command::Run(args) => run::run(&args),
        Command::Test(args) => test::run(&args),
        Command::Vm(args) => vm::run(&args),
        Command::Dist(args) => dist::run(&args),
        Command::Lint(args) => lint::run(&args),
        Command::Bench(args) => bench::run(&args),
        Command::Docs(args) => docs::run(&args),
        Command::Screenshots(args) => screenshots::run(&args),
    };
    done.unwrap_or_else(|error| {
        eprintln!("error: {error}");
        ExitCode::FAILURE
    })
}
