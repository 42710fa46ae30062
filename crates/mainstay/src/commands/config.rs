//! `mainstay config`: what the files say.

use std::process::ExitCode;

use api::client::Failure;
use clap::{Args, Subcommand};
use model::{Explain, manifest::Manifest};

use crate::{
    config::{machine, manifest},
    output::{json, line},
    session::{ManifestFile, Session, block_on},
};

/// Show what the configuration means
#[derive(Clone, Debug, Args)]
pub struct Config {
    #[command(subcommand)]
    pub what: What,
}

#[derive(Clone, Debug, Subcommand)]
pub enum What {
    Show(Show),
}

/// Show the manifest as it stands for an environment
///
/// As it is written, with `[environment.NAME]` merged. `--effective` fills in every default; `--serving` shows what the
/// release that serves was deployed with; `--machine` shows this machine's own file with every default.
#[derive(Clone, Debug, Args)]
#[command(
    after_help = "Examples:\n  mainstay config show --env staging\n  mainstay config show --effective --json"
)]
pub struct Show {
    /// With every default filled in
    #[arg(long)]
    pub effective: bool,

    /// What the release that serves was deployed with
    #[arg(long, conflicts_with_all = ["effective", "machine"])]
    pub serving: bool,

    /// This machine's machine.toml, with every default
    #[arg(long, conflicts_with = "effective")]
    pub machine: bool,
}

impl Config {
    pub fn run(self, session: &Session) -> Result<ExitCode, Explain> {
        match self.what {
            What::Show(show) => show.run(session),
        }
    }
}

impl Show {
    fn run(self, session: &Session) -> Result<ExitCode, Explain> {
        if self.machine {
            print(session, &machine::load(&session.folders_here().0)?);
        } else if self.serving {
            let manifest = block_on(async {
                let site = session.site().await?;
                session.client.config(&site).await.map_err(Failure::explain)
            })?;
            print(session, &manifest);
        } else {
            let file = ManifestFile::needed()?;
            let manifest = read(session, &file)?;
            match (self.effective, manifest::merged_text(&file.text, &session.env())) {
                (false, Some(merged)) => print(session, &merged),
                _ => print(session, &manifest),
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// The manifest of this folder; its mistakes are told one by one.
pub(super) fn read(session: &Session, file: &ManifestFile) -> Result<Manifest, Explain> {
    match file.parse(&session.env()) {
        Ok((manifest, warnings)) => {
            warnings.iter().for_each(|warning| session.report.warning(&warning.0));
            Ok(manifest)
        }
        Err(errors) => {
            let mut explains = errors.explains();
            let last = explains.pop();
            explains.iter().for_each(|explain| session.report.error(explain));
            Err(last.unwrap_or_else(|| errors.explain()))
        }
    }
}

fn print(session: &Session, value: &impl serde::Serialize) {
    if session.json() {
        return json(value);
    }
    match toml::to_string_pretty(value) {
        Ok(text) => line(text.trim_end()),
        Err(_) => json(value),
    }
}
