//! `mainstay completions`: for the shell.

use std::{io::Write as _, process::ExitCode};

use clap::Args;
use clap_complete::Shell;
use model::Explain;

/// Print completions for a shell
#[derive(Clone, Debug, Args)]
#[command(
    after_help = "Examples:\n  mainstay completions bash > ~/.local/share/bash-completion/completions/mainstay\n  \
    mainstay completions zsh > ~/.zfunc/_mainstay\n  \
    mainstay completions fish > ~/.config/fish/completions/mainstay.fish"
)]
pub struct Completions {
    pub shell: Shell,
}

impl Completions {
    pub fn run(self) -> Result<ExitCode, Explain> {
        // A closed pipe is nobody's problem.
        let _ = std::io::stdout().write_all(&text(self.shell));
        Ok(ExitCode::SUCCESS)
    }
}

/// What the shell reads.
pub(super) fn text(shell: Shell) -> Vec<u8> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut crate::cli::definition(), "mainstay", &mut text);
    text
}
