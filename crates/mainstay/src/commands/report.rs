//! `mainstay report`: the record of one deploy, phase by phase.

use std::process::ExitCode;

use api::{
    client::Failure,
    deploy::{Event, EventKind, Phase, Record},
};
use clap::Args;
use jiff::Timestamp;
use model::{Explain, Site};
use serde::Serialize;

use crate::{
    output::{json, line, moment, or_dash},
    session::{Session, block_on},
};

/// Bound: how far back a deploy is looked for.
const RECORDS_MAX: usize = 200;

/// Show the record of a deploy: who, what, when, its phases with their times, what was seen, how it ended
///
/// Rollbacks, restarts and scales have one, too. The phases hold what was said in them: starts, smoke requests, figures of the
/// bake, hooks. `mainstay events` lists what there is a record of.
#[derive(Clone, Debug, Args)]
#[command(
    after_help = "Examples:\n  mainstay report                    the last one\n  mainstay report --release 42\n  \
        mainstay report 01K5Z --json       by the beginning of its id"
)]
pub struct Report {
    /// Its id, or the beginning of it; default: the last one that has ended
    pub deploy: Option<String>,

    /// The last one that was about this release
    #[arg(long, value_name = "NUMBER", conflicts_with = "deploy")]
    pub release: Option<u64>,
}

/// What `--json` prints.
#[derive(Clone, Debug, Serialize)]
struct Told {
    #[serde(flatten)]
    record: Record,
    seconds: Option<f64>,
    phases: Vec<PhaseTold>,
    warnings: Vec<Explain>,
    report: Vec<String>,
}

#[derive(Clone, Debug, Serialize)]
struct PhaseTold {
    phase: Phase,
    started: String,
    seconds: Option<f64>,
    notes: Vec<String>,
}

impl Report {
    pub fn run(self, session: &Session) -> Result<ExitCode, Explain> {
        let told = block_on(async {
            let site = session.site().await?;
            let records = session.client.records(&site, RECORDS_MAX).await.map_err(Failure::explain)?;
            let record = self.choose(&site, records)?;
            let events = events(session, &site, &record).await?;
            Ok(told(record, &events))
        })?;
        if session.json() {
            json(&told);
        } else {
            line(render(&told));
        }
        Ok(ExitCode::SUCCESS)
    }

    fn choose(&self, site: &Site, records: Vec<Record>) -> Result<Record, Explain> {
        let is_it = |record: &Record| match (&self.deploy, self.release) {
            (Some(start), _) => record.deploy.to_string().starts_with(&start.to_ascii_uppercase()),
            (None, Some(release)) => record.to.is_some_and(|to| to.0 == release) && record.ended.is_some(),
            (None, None) => record.ended.is_some(),
        };
        let found = records.into_iter().find(is_it).ok_or_else(|| {
            Explain::new("no-such-deploy", format!("{site} has no record of such a deploy")).help(
                "`mainstay events --json` lists those that are known, with their ids; old ones are pruned",
            )
        })?;
        if found.ended.is_none() {
            let message = format!("the {} of {site} is still under way", found.verb);
            return Err(Explain::new("deploy-under-way", message)
                .help("`mainstay attach` watches it; its record is whole when it has ended"));
        }
        Ok(found)
    }
}

async fn events(session: &Session, site: &Site, record: &Record) -> Result<Vec<Event>, Explain> {
    let mut lines = session.client.deploy_events(site, record.deploy, 0).await.map_err(Failure::explain)?;
    let mut events = Vec::new();
    // Bound: of a deploy that has ended, and of which the keeper bounds the notes.
    while let Some(event) = lines.next().await.map_err(Failure::explain)? {
        events.push(event);
    }
    Ok(events)
}

fn told(record: Record, events: &[Event]) -> Told {
    let mut told = Told {
        seconds: record.ended.as_deref().and_then(|ended| between(&record.started, ended)),
        record,
        phases: Vec::new(),
        warnings: Vec::new(),
        report: Vec::new(),
    };
    for event in events {
        match &event.kind {
            EventKind::Entered { phase } => {
                told.end_phase(&event.at);
                let started = event.at.clone();
                told.phases.push(PhaseTold { phase: *phase, started, seconds: None, notes: Vec::new() });
            }
            EventKind::Note { message, .. } => {
                if let Some(last) = told.phases.last_mut() {
                    last.notes.push(message.clone());
                }
            }
            EventKind::Warning { warning } => told.warnings.push(warning.clone()),
            EventKind::Ended { report, .. } => {
                told.end_phase(&event.at);
                told.report.clone_from(report);
            }
        }
    }
    told
}

impl Told {
    fn end_phase(&mut self, at: &str) {
        if let Some(last) = self.phases.last_mut() {
            last.seconds = between(&last.started, at);
        }
    }
}

/// By the wall clock, which is all that records know.
fn between(from: &str, to: &str) -> Option<f64> {
    let (from, to) = (from.parse::<Timestamp>().ok()?, to.parse::<Timestamp>().ok()?);
    Some(to.duration_since(from).as_secs_f64().max(0.0))
}

fn render(told: &Told) -> String {
    let Told { record, .. } = told;
    let seconds = |seconds: Option<f64>| seconds.map_or_else(|| "-".to_owned(), |s| format!("{s:.1} s"));
    let outcome = record.outcome.map_or("ended", api::deploy::Outcome::name);
    let mut lines = vec![
        format!("{} of {}: {outcome}", record.verb, record.site),
        format!("  deploy    {}", record.deploy),
        format!("  release   {} -> {}", or_dash(record.from), or_dash(record.to)),
        format!("  by        {}@{}", record.operator, record.host),
        format!("  started   {}, took {}", moment(&record.started), seconds(told.seconds)),
        String::new(),
    ];
    for phase in &told.phases {
        lines.push(format!("  {:<10}{:>8}", phase.phase.name(), seconds(phase.seconds)));
        lines.extend(phase.notes.iter().map(|note| format!("              {note}")));
    }
    let explained = |title: &str, explain: &Explain| {
        let text = crate::report::plain(explain);
        let text = text.trim_end().strip_prefix("error").unwrap_or(&text);
        [String::new(), format!("{title}{text}")]
    };
    lines.extend(record.reason.iter().flat_map(|reason| explained("begun by itself", reason)));
    lines.extend(told.warnings.iter().flat_map(|warning| explained("warning", warning)));
    lines.extend(record.error.iter().flat_map(|error| explained("error", error)));
    if !told.report.is_empty() {
        lines.push(String::new());
        lines.extend(told.report.iter().map(|said| format!("  {said}")));
    }
    crate::report::clean(&lines.join("\n"))
}
