//! `mainstay man`: the manual pages.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::ExitCode,
};

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
        match self.dir {
            Some(dir) => write(&dir).map_err(|error| {
                Explain::new("cannot-write", format!("cannot write the manual pages into {}", dir.display()))
                    .caused_by(error.to_string())
            })?,
            None => clap_mangen::Man::new(crate::cli::definition()).render(&mut io::stdout()).map_err(
                |error| {
                    Explain::new("cannot-write", "cannot print the manual page").caused_by(error.to_string())
                },
            )?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn write(dir: &Path) -> io::Result<()> {
    fs::create_dir_all(dir)?;
    pages().into_iter().try_for_each(|(name, text)| fs::write(dir.join(name), text))
}

/// Every page, as file name and text; the first command's is the last.
pub(super) fn pages() -> Vec<(String, Vec<u8>)> {
    let mut pages = Vec::new();
    let mut definition = crate::cli::definition().disable_help_subcommand(true);
    // So that each command knows its whole name.
    definition.build();
    collect(definition, &mut pages);
    pages
}

fn collect(command: clap::Command, pages: &mut Vec<(String, Vec<u8>)>) {
    for below in command.get_subcommands().filter(|below| !below.is_hide_set()) {
        collect(below.clone(), pages);
    }
    let page = clap_mangen::Man::new(command);
    let mut text = Vec::new();
    // Memory takes every write.
    if page.render(&mut text).is_ok() {
        pages.push((page.get_filename(), text));
    }
}
