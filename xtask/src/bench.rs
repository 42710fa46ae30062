//! `cargo xtask bench`: Mainstay beside the peers that a user would pick instead, in one run, interleaved.

use std::process::{Command, ExitCode};

use crate::{
    build::{self, Profile},
    shell::{self, Result},
};

/// Measure the edge, many routes, deploys, memory or the assistant, the first three against peers, and print ratios
#[derive(clap::Args)]
pub(crate) struct Args {
    /// `edge` (nginx, HAProxy, Caddy), `routes` (nginx, HAProxy), `deploy` (PM2), `memory` or `assistant`
    what: String,
    /// Passed on, as `--quick`
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    rest: Vec<String>,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let folder = build::binaries(&["mainstay", "testkit", "assistant", "bench"], Profile::Release)?;
    let mut bench = Command::new(folder.join("bench"));
    bench.arg(&args.what).args(&args.rest).current_dir(shell::root()).env("MAINSTAY_TEST_BINARIES", folder);
    shell::run(&mut bench).map(|()| ExitCode::SUCCESS)
}
