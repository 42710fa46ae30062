//! `mainstay check`: the checklists, run.

mod attest;
mod gather;
mod outside;
mod profile;
mod sarif;
mod show;

use std::{
    net::{IpAddr, SocketAddr},
    process::ExitCode,
    str::FromStr,
};

use api::{
    checks::{Finding, Severity, State},
    client::Failure,
    deploy::EXIT_FINDINGS,
};
use clap::{Args, ValueEnum};
use model::Explain;

use crate::session::{ManifestFile, Session, block_on};

/// Check everything that can be known: the manifest, secrets, disk, ports, accounts; with --live what runs, the machine, and what strangers get
///
/// Each finding says what is wrong, why, how to mend it, and from which checklist it comes. What cannot be seen from
/// here is shown as not run, with the reason, and never as passed. What no program can see (a plan to go back, a review)
/// waits until somebody vouches for it, until a date: that is kept in mainstay.attest.toml, beside the manifest, where
/// everybody sees it. --live looks at the machine (firewall, ssh, sockets, updates, clock, disks) and, by the names of
/// the routes, at what is answered there; ask from elsewhere by --host for what the world sees.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:\n  mainstay check\n  mainstay check --live --env staging\n  \
    mainstay check --live --host ana@app.example.com --profile s4\n  \
    mainstay check --format sarif --fail-on error >check.sarif\n  \
    mainstay check --attest backups-tested --until 2026-12-31 --note \"restored to a spare machine today\"\n\n\
    Exit codes:\n  0 nothing at or above --fail-on\n  1 it could not be checked\n  2 something was found, and all of it was printed")]
pub struct Check {
    /// What runs, the machine, and what strangers get, too
    #[arg(long)]
    pub live: bool,

    /// Only what the checkout says, nothing of this machine: for a CI, which does not run the app
    #[arg(long, conflicts_with = "live")]
    pub checkout: bool,

    /// The least that ends with 2; `open` is also each item of the profile that nobody saw
    #[arg(long, value_enum, default_value_t = FailOn::Warning, value_name = "LEVEL")]
    pub fail_on: FailOn,

    /// How it is printed; `json` is what --json does, `sarif` is SARIF 2.1.0 for code scanning
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub format: Option<Format>,

    /// The checklist of one guide, item by item: s0, s1, s2, s3 or s4
    #[arg(long, value_name = "GUIDE")]
    pub profile: Option<String>,

    /// Ask this DNS server for the names, ADDRESS or ADDRESS:PORT, in place of those of /etc/resolv.conf
    #[arg(long, value_name = "ADDRESS", requires = "live")]
    pub resolver: Option<Server>,

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

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FailOn {
    /// Errors alone
    Error,
    /// Errors and warnings
    Warning,
    /// These, and open items of the profile
    Open,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    Text,
    Json,
    Sarif,
}

/// A DNS server.
#[derive(Clone, Copy, Debug)]
pub struct Server(SocketAddr);

impl FromStr for Server {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let with_port = || text.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, 53));
        let address = text.parse::<SocketAddr>().or_else(|_| with_port());
        address
            .map(Self)
            .map_err(|_| "write an address like 9.9.9.9, 127.0.0.1:5353 or [2620:fe::fe]:53".to_owned())
    }
}

impl Check {
    pub fn run(self, session: &Session) -> Result<ExitCode, Explain> {
        let guide = self.profile.as_deref().map(profile::named).transpose()?;
        let file = ManifestFile::needed()?;
        if let (Some(id), Some(until)) = (&self.attest, &self.until) {
            return attest::write(session, &file, id, until, self.note.as_deref().unwrap_or_default());
        }
        let attestations = attest::read(&file)?;
        // The files, the disk and the accounts that could be looked at here are not those of the other machine.
        let here = session.globals.host.is_none();
        let mut findings = if here { gather::before(session, &file, self.checkout) } else { Vec::new() };
        if self.live {
            findings.extend(live(session, self.resolver.map(|Server(at)| at))?);
        }
        let mut findings = check::attest::apply(findings, &attestations, &attest::today());
        let items = guide.map(|guide| (guide, check::profile::judge(guide, &findings)));
        if let Some((guide, _)) = &items {
            findings.retain(|finding| profile::is_of(guide, finding));
        }
        self.show(session, &file, &findings, items.as_ref());
        let is_open = || items.iter().flat_map(|(_, items)| items).any(profile::is_open);
        let is_found = findings.iter().any(|finding| self.counts(finding));
        let code = if is_found || self.fail_on == FailOn::Open && is_open() { EXIT_FINDINGS } else { 0 };
        Ok(ExitCode::from(code))
    }

    fn show(
        &self,
        session: &Session,
        file: &ManifestFile,
        findings: &[Finding],
        items: Option<&profile::Judged>,
    ) {
        let usual = if session.json() { Format::Json } else { Format::Text };
        match self.format.unwrap_or(usual) {
            Format::Sarif => crate::output::json(&sarif::log(findings, &file.shown())),
            Format::Json => {
                show::json(findings);
                items.into_iter().for_each(profile::json);
            }
            Format::Text => match items {
                None => show::show(session, findings),
                Some(items) => {
                    show::found(session, findings);
                    profile::show(items);
                }
            },
        }
    }

    /// Makes the exit code 2.
    fn counts(&self, finding: &Finding) -> bool {
        let least = if self.fail_on == FailOn::Error { Severity::Error } else { Severity::Warning };
        matches!(finding.state, State::Found { .. }) && finding.severity >= least
    }
}

fn live(session: &Session, resolver: Option<SocketAddr>) -> Result<Vec<Finding>, Explain> {
    block_on(async {
        let site = session.site().await?;
        let mut findings = session.client.checks(&site).await.map_err(Failure::explain)?;
        findings.extend(match session.client.machine_checks().await {
            Ok(findings) => findings,
            Err(failure) if failure.is_forbidden() => {
                check::unseen("not known: the key of this connection is for one app, not for its machine")
            }
            Err(failure) if failure.is_unknown() => {
                check::unseen("not known: the Mainstay there is older, and does not look at its machine")
            }
            Err(failure) => return Err(failure.explain()),
        });
        findings.extend(outside::look(session, resolver).await?);
        Ok(findings)
    })
}
