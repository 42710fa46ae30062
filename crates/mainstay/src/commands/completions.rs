//! `mainstay completions`: for the shell.

use std::process::ExitCode;

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
        clap_complete::generate(
            self.shell,
            &mut crate::cli::definition(),
            "mainstay",
            &mut std::io::stdout(),
        );
        Ok(ExitCode::SUCCESS)
    }
}
