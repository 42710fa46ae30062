//! `mainstay export`: what the manifest says, in the words of others' programs.

mod ci;

use std::process::ExitCode;

use clap::{Args, Subcommand};
use model::Explain;

use crate::cli::Globals;

/// Write files for other programs from the manifest: a pipeline for a CI
#[derive(Clone, Debug, Args)]
pub struct Export {
    #[command(subcommand)]
    what: What,
}

#[derive(Clone, Debug, Subcommand)]
enum What {
    Ci(ci::Ci),
}

impl Export {
    pub fn run(self, globals: &Globals) -> Result<ExitCode, Explain> {
        match self.what {
            What::Ci(ci) => ci.run(globals),
        }
    }
}
