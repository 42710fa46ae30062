//! Measurements beside the peers that a user would pick instead, in one run, interleaved, as ratios.
//!
//! Owns figures, not pass or fail of features; a bar that is missed ends the run with 1. Begin with [`edge`], [`routes`],
//! [`deploy`], [`memory`], [`assistant`]: each starts its peers itself. See `bench/README.md`.

mod assistant;
mod cpu;
mod deploy;
mod edge;
mod install;
mod memory;
mod routes;

use std::process::ExitCode;

fn after<'a>(arguments: &'a [String], flag: &str) -> Option<&'a str> {
    let at = arguments.iter().position(|argument| argument == flag)?;
    arguments.get(at + 1).map(String::as_str)
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let quick = arguments.iter().any(|argument| argument == "--quick");
    let met = match arguments.first().map(String::as_str) {
        Some("edge") => edge::run(quick, after(&arguments, "--cell")),
        Some("deploy") => deploy::run(quick, after(&arguments, "--case")),
        Some("routes") => routes::run(quick, after(&arguments, "--routes")),
        Some("memory") => memory::run(quick),
        Some("assistant") => assistant::run(quick),
        _ => {
            eprintln!(
                "cargo xtask bench edge | routes | deploy | memory | assistant [--quick] [--cell TEXT] [--case TEXT] [--routes N,N]"
            );
            return ExitCode::FAILURE;
        }
    };
    println!("{}", if met { "every bar was met" } else { "a bar was missed" });
    ExitCode::from(u8::from(!met))
}
