//! `mainstay man`: the manual pages.

use std::{path::PathBuf, process::ExitCode};

use clap::Args;
use model::Explain;

/// Write the manual pages into a folder, or print the first one
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:\n  mainstay man | man -l -\n  mainstay man ~/.local/share/man/man1")]
pub struct Man {
    /// Gets `mainstay.1`, `mainstay-deploy.1`, … ; made if it is not there
    pub dir: Option<PathBuf>,
}

impl Man {
    pub fn run(self) -> Result<ExitCode, Explain> {
        let definition = crate::cli::definition();
        match self.dir {
            Some(dir) => std::fs::create_dir_all(&dir)
                .and_then(|()| clap_mangen::generate_to(definition, &dir))
                .map_err(|error| {
                    Explain::new(
                        "cannot-write",
                        format!("cannot write the manual pages into {}", dir.display()),
                    )
                    .caused_by(error.to_string())
                })?,
            None => clap_mangen::Man::new(definition).render(&mut std::io::stdout()).map_err(|error| {
                Explain::new("cannot-write", "cannot print the manual page").caused_by(error.to_string())
            })?,
        }
        Ok(ExitCode::SUCCESS)
    }
}
