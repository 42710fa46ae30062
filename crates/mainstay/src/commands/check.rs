//! `mainstay check`: the checklists, run.

mod attest;
mod gather;
mod show;

use std::process::ExitCode;

use api::{
    checks::{Finding, Severity, State},
    client::Failure,
    deploy::EXIT_FINDINGS,
};
use clap::Args;
use model::Explain;

use crate::session::{ManifestFile, Session, block_on};

/// Check everything that can be known: the manifest, secrets, disk, ports, accounts; with --live what runs
///
/// Each finding says what is wrong, why, how to mend it, and from which checklist it comes. What no program can see (a
/// firewall, a plan to go back) is shown as not run until somebody vouches for it, until a date: that is kept in
/// mainstay.attest.toml, beside the manifest, where everybody sees it. Ends with 2 if there is an error or a warning.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:\n  mainstay check\n  mainstay check --live --env staging\n  \
    mainstay check --attest firewall --until 2026-12-31 --note \"rules of the provider, seen today\"")]
pub struct Check {
    /// What runs, too: instances, readiness, what serves, addresses
    #[arg(long)]
    pub live: bool,

    /// Vouch for a finding, by its id
    #[arg(long, value_name = "ID", requires = "until")]
    pub attest: Option<String>,

    /// The last day that the word holds, like 2026-12-31
    #[arg(long, value_name = "DATE", requires = "attest")]
    pub until: Option<String>,

    /// What was looked at
    #[arg(long, value_name = "TEXT", requires = "attest")]
    pub note: Option<String>,
}

impl Check {
    pub fn run(self, session: &Session) -> Result<ExitCode, Explain> {
        let file = ManifestFile::needed()?;
        if let (Some(id), Some(until)) = (&self.attest, &self.until) {
            return attest::write(session, &file, id, until, self.note.as_deref().unwrap_or_default());
        }
        let attestations = attest::read(&file)?;
        // The files, the disk and the accounts that could be looked at here are not those of the other machine.
        let here = session.globals.host.is_none();
        let mut findings = if here { gather::before(session, &file) } else { Vec::new() };
        if self.live {
            findings.extend(live(session)?);
        }
        let findings = check::attest::apply(findings, &attestations, &attest::today());
        show::show(session, &findings);
        let code = if findings.iter().any(counts) { EXIT_FINDINGS } else { 0 };
        Ok(ExitCode::from(code))
    }
}

fn live(session: &Session) -> Result<Vec<Finding>, Explain> {
    block_on(async {
        let site = session.site().await?;
        session.client.checks(&site).await.map_err(Failure::explain)
    })
}

/// Makes the exit code 2.
fn counts(finding: &Finding) -> bool {
    matches!(finding.state, State::Found { .. }) && finding.severity >= Severity::Warning
}
