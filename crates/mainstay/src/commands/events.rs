//! `mainstay events`: who did what, when, and how it ended.

use std::process::ExitCode;

use api::{client::Failure, deploy::Record};
use clap::Args;
use model::Explain;

use crate::{
    output::{json, line, moment, or_dash, table},
    session::{Session, block_on},
};

/// List what was done to an app: deploys, rollbacks, restarts, by whom, and how they ended
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:\n  mainstay events\n  mainstay events -n 100 --json")]
pub struct Events {
    /// How many, the newest first
    #[arg(long, short = 'n', value_name = "COUNT", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..))]
    pub limit: u16,
}

impl Events {
    pub fn run(self, session: &Session) -> Result<ExitCode, Explain> {
        let records = block_on(async {
            let site = session.site().await?;
            session.client.records(&site, usize::from(self.limit)).await.map_err(Failure::explain)
        })?;
        if session.json() {
            records.iter().for_each(json);
        } else if records.is_empty() {
            line("Nothing was done yet.");
        } else {
            line(render(&records));
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn render(records: &[Record]) -> String {
    let row = |record: &Record| {
        let end = match (record.outcome, &record.ended) {
            (Some(outcome), _) => outcome.name().to_owned(),
            (None, Some(_)) => "ended".to_owned(),
            (None, None) => format!("at {}", record.phase.name()),
        };
        vec![
            moment(&record.started),
            record.verb.clone(),
            format!("{} -> {}", or_dash(record.from), or_dash(record.to)),
            end,
            format!("{}@{}", record.operator, record.host),
            record.why().map(|why| why.message.clone()).unwrap_or_default(),
        ]
    };
    table(&["STARTED", "WHAT", "RELEASE", "END", "BY", "WHY"], &records.iter().map(row).collect::<Vec<_>>())
}
