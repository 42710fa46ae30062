//! `mainstay certs`: which certificates this machine shows, which it waits for, and why.

use std::process::ExitCode;

use api::{
    certificates::{ACME, Beyond, Certificate, Certificates, Renew, State},
    client::Failure,
};
use clap::{Args, Subcommand};
use model::Explain;

use crate::{
    output::{json, line, moment, or_dash, table},
    session::{Session, block_on},
};

/// Show the certificates of this machine, when they are renewed and what failed; renew one now
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:\n  mainstay certs list\n  mainstay certs renew chat.example.com")]
pub struct Certs {
    #[command(subcommand)]
    pub verb: Verb,
}

#[derive(Clone, Debug, Subcommand)]
pub enum Verb {
    /// List them: issuer, end, next order, and the last failure in words
    List,
    /// Order a new certificate now, whatever is left of the one that serves
    ///
    /// Returns once the request is on the disk; `mainstay certs list` shows how it goes. It also ends the pause after a failure.
    Renew {
        /// A name in the list that is got by ACME
        #[arg(value_name = "NAME")]
        name: String,
    },
}

impl Certs {
    pub fn run(self, session: &Session) -> Result<ExitCode, Explain> {
        match self.verb {
            Verb::List => list(session),
            Verb::Renew { name } => renew(session, name),
        }
    }
}

fn list(session: &Session) -> Result<ExitCode, Explain> {
    let told = block_on(async { session.client.certificates().await.map_err(Failure::explain) })?;
    if session.json() {
        json(&told);
    } else if told.certificates.is_empty() && told.beyond.is_empty() {
        line(none(&told));
    } else {
        line(render(&told));
    }
    Ok(ExitCode::SUCCESS)
}

fn renew(session: &Session, name: String) -> Result<ExitCode, Explain> {
    let request = Renew { name };
    block_on(async { session.client.certificate_renew(&request).await.map_err(Failure::explain) })?;
    if !session.json() {
        line(format!(
            "A new certificate for {} is ordered; `mainstay certs list` shows how it goes.",
            request.name
        ));
    }
    Ok(ExitCode::SUCCESS)
}

fn none(told: &Certificates) -> &'static str {
    match told.directory {
        Some(_) => "No name needs a certificate yet: no route that serves has a host that a CA could find.",
        None => {
            "No certificate is in machine.toml: an [acme] there gets them, a [[certificate]] names files."
        }
    }
}

fn render(told: &Certificates) -> String {
    let rows: Vec<Vec<String>> = told.certificates.iter().map(row).collect();
    let mut lines = vec![table(&["NAMES", "SOURCE", "SHOWN", "ISSUER", "UNTIL", "NEXT ORDER"], &rows)];
    lines.extend(told.certificates.iter().flat_map(notes));
    lines.extend(told.beyond.iter().map(beyond));
    lines.join("\n")
}

fn beyond(Beyond { site, names, max }: &Beyond) -> String {
    let hosts = crate::output::count(names.len() as u64, "host");
    let first = names.first().map_or("", String::as_str);
    format!("{site}: {hosts} get no certificate, from {first} on: `names_per_site_max` of [acme] is {max}")
}

fn row(known: &Certificate) -> Vec<String> {
    let state = known.state.as_ref();
    vec![
        known.names.join(" "),
        known.source.clone(),
        if known.served { "yes" } else { "self-signed" }.to_owned(),
        or_dash(state.and_then(|state| state.issuer.clone())),
        or_dash(
            known
                .expires
                .as_deref()
                .zip(known.days_left)
                .map(|(at, days)| format!("{}, {days} days", moment(at))),
        ),
        next(known, state),
    ]
}

fn next(known: &Certificate, state: Option<&State>) -> String {
    match state {
        _ if known.source != ACME => "-".to_owned(),
        _ if known.is_left => "none: in no route".to_owned(),
        None => "soon".to_owned(),
        Some(state) if state.is_ordering => "now".to_owned(),
        Some(state) => state.next_order.as_deref().map_or_else(|| "soon".to_owned(), moment),
    }
}

fn notes(known: &Certificate) -> Vec<String> {
    let names = known.names.join(" ");
    let failed = known.state.as_ref().filter(|state| state.failures > 0).and_then(|state| {
        let why = state.last_error.as_deref()?;
        Some(format!(
            "{names}: {} failed, the last {why}",
            crate::output::count(u64::from(state.failures), "order")
        ))
    });
    let problem = known.problem.as_ref().map(|why| format!("{names}: its files are not taken: {why}"));
    failed.into_iter().chain(problem).collect()
}
