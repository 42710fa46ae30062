//! `mainstay version`: of this client.

use std::process::ExitCode;

use clap::Args;
use model::Explain;

use crate::{cli::Globals, formats, output::json};

/// Print the version of this client
///
/// The keeper may be of another version: `mainstay status` shows it.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Example:\n  mainstay version --json")]
pub struct Version {}

impl Version {
    pub fn run(self, globals: &Globals) -> Result<ExitCode, Explain> {
        let version = env!("CARGO_PKG_VERSION");
        if globals.json {
            json(&formats::about());
        } else {
            println!("mainstay {version} (API {})", api::VERSION);
        }
        Ok(ExitCode::SUCCESS)
    }
}
