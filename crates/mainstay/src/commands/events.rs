//! `mainstay events`: who did what, when, and how it ended.

use std::process::ExitCode;

use api::{
    client::Failure,
    deploy::Record,
    schedule::{Run, Scheduled},
    upgrade::Record as Upgraded,
    webhooks::Dead,
};
use clap::Args;
use model::{Explain, ServiceName};
use serde::Serialize;

use super::upgrade::build;
use crate::{
    output::{json, line, moment, or_dash, table},
    session::{Session, block_on},
};

/// List what was done to an app: deploys, rollbacks, restarts, by whom, and how they ended
///
/// Scheduled runs are listed where they failed, were lost, missed or skipped; `mainstay status` shows the last of each.
/// And what a webhook was not told of, after a day of tries.
#[derive(Clone, Debug, Args)]
#[command(
    after_help = "Examples:\n  mainstay events\n  mainstay events -n 100 --json\n  mainstay events --machine"
)]
pub struct Events {
    /// How many, the newest first
    #[arg(long, short = 'n', value_name = "COUNT", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..))]
    pub limit: u16,

    /// What was done to the machine's Mainstay itself: upgrades
    #[arg(long)]
    pub machine: bool,
}

/// One line of the list; as JSON, a deploy's record, `{"scheduled": SERVICE, …}`, `{"untold": …}` or an upgrade's record.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
enum Happened {
    Done(Box<Record>),
    Scheduled {
        scheduled: ServiceName,
        #[serde(flatten)]
        run: Box<Run>,
    },
    Upgraded(Box<Upgraded>),
    /// As JSON `{"untold": {…}}`.
    Untold {
        untold: Box<Dead>,
    },
}

impl Happened {
    fn at(&self) -> &str {
        match self {
            Self::Done(record) => &record.started,
            Self::Upgraded(record) => &record.started,
            Self::Scheduled { run, .. } => run.began.as_deref().unwrap_or(&run.due),
            Self::Untold { untold } => &untold.at,
        }
    }

    fn row(&self) -> Vec<String> {
        match self {
            Self::Done(record) => record_row(record),
            Self::Scheduled { scheduled, run } => run_row(scheduled, run),
            Self::Upgraded(record) => upgrade_row(record),
            Self::Untold { untold } => dead_row(untold),
        }
    }
}

impl Events {
    pub fn run(self, session: &Session) -> Result<ExitCode, Explain> {
        let limit = usize::from(self.limit);
        let happened = block_on(async {
            if self.machine {
                let upgrades = session.client.upgrades().await.map_err(Failure::explain)?;
                let all = upgrades.into_iter().take(limit);
                return Ok(all.map(|record| Happened::Upgraded(Box::new(record))).collect());
            }
            let site = session.site().await?;
            let records = session.client.records(&site, limit).await.map_err(Failure::explain)?;
            let status = session.client.status(&site).await.map_err(Failure::explain)?;
            let webhooks = session.client.webhooks().await;
            let mut dead = match webhooks {
                Ok(webhooks) => webhooks.dead,
                // A keeper of the version before tells nobody anything.
                Err(failure) if failure.is_unknown() => Vec::new(),
                Err(failure) => return Err(failure.explain()),
            };
            dead.retain(|one| one.site.as_ref() == Some(&site));
            Ok::<_, Explain>(newest(records, status.schedules, dead, limit))
        })?;
        if session.json() {
            happened.iter().for_each(json);
        } else if happened.is_empty() {
            line("Nothing was done yet.");
        } else {
            let rows: Vec<Vec<String>> = happened.iter().map(Happened::row).collect();
            line(table(&["STARTED", "WHAT", "RELEASE", "END", "BY", "WHY"], &rows));
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn newest(records: Vec<Record>, schedules: Vec<Scheduled>, dead: Vec<Dead>, limit: usize) -> Vec<Happened> {
    let runs = schedules.into_iter().flat_map(|job| {
        let bad = job.past.into_iter().filter(|run| run.outcome != "succeeded");
        bad.map(move |run| Happened::Scheduled { scheduled: job.service.clone(), run: Box::new(run) })
    });
    let untold = dead.into_iter().map(|one| Happened::Untold { untold: Box::new(one) });
    let done = records.into_iter().map(|record| Happened::Done(Box::new(record)));
    let mut all: Vec<Happened> = done.chain(runs).chain(untold).collect();
    // RFC 3339 in UTC sorts as text.
    all.sort_by(|a, b| b.at().cmp(a.at()));
    all.truncate(limit);
    all
}

fn record_row(record: &Record) -> Vec<String> {
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
}

fn upgrade_row(record: &Upgraded) -> Vec<String> {
    vec![
        moment(&record.started),
        if record.back { "upgrade --back" } else { "upgrade" }.to_owned(),
        format!("{} -> {}", build(&record.from), build(&record.to)),
        record.outcome.map_or("at work", api::upgrade::Outcome::name).to_owned(),
        format!("{}@{}", record.operator, record.host),
        record.why.as_ref().map(ToString::to_string).unwrap_or_default(),
    ]
}

fn run_row(service: &ServiceName, run: &Run) -> Vec<String> {
    let why = match (run.outcome.as_str(), &run.why) {
        (_, Some(why)) => why.causes.first().cloned().unwrap_or_else(|| why.message.clone()),
        ("missed", None) => format!("nobody was there at {}", times(run.missed)),
        ("skipped", None) => "the run before it went on".to_owned(),
        (_, None) => String::new(),
    };
    vec![
        moment(run.began.as_deref().unwrap_or(&run.due)),
        format!("run {service}"),
        or_dash(run.release),
        run.outcome.clone(),
        "schedule".to_owned(),
        why,
    ]
}

fn dead_row(dead: &Dead) -> Vec<String> {
    vec![
        moment(&dead.at),
        format!("tell {}", dead.event),
        "-".to_owned(),
        "given up".to_owned(),
        "station".to_owned(),
        format!("{}: {}", dead.url, dead.why),
    ]
}

fn times(missed: u64) -> String {
    if missed > 1 { format!("{missed} times, this the last") } else { "this time".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(due: &str, outcome: &str) -> Run {
        Run {
            due: due.to_owned(),
            release: None,
            process: None,
            began: None,
            ended: None,
            outcome: outcome.to_owned(),
            missed: 3,
            why: None,
        }
    }

    #[test]
    fn runs_that_did_not_go_well_stand_among_the_deploys_newest_first() {
        let job = Scheduled {
            service: "digest".parse().expect("a name"),
            release: None,
            schedule: String::new(),
            timezone: String::new(),
            next: None,
            running: None,
            waiting: None,
            past: vec![
                run("2026-11-29T03:00:00.000Z", "succeeded"),
                run("2026-11-29T02:00:00.000Z", "missed"),
                run("2026-11-29T01:00:00.000Z", "failed"),
            ],
            problem: None,
        };
        let record = Record {
            deploy: model::DeployId(ulid::Ulid::nil()),
            verb: "deploy".to_owned(),
            site: "shop/production".parse().expect("a site"),
            from: None,
            to: None,
            release: None,
            operator: "anna".to_owned(),
            host: "desk".to_owned(),
            started: "2026-11-29T01:30:00.000Z".to_owned(),
            ended: None,
            phase: api::deploy::Phase::Plan,
            outcome: None,
            error: None,
            reason: None,
        };
        let dead = Dead {
            id: "evt_1".to_owned(),
            event: "deploy.served".to_owned(),
            site: Some("shop/production".parse().expect("a site")),
            url: "https://hooks.example.com/".to_owned(),
            at: "2026-11-29T01:15:00.000Z".to_owned(),
            why: "it answered 500, at the last of 36 tries".to_owned(),
        };
        let all = newest(vec![record], vec![job], vec![dead], 3);
        let told: Vec<(String, String)> =
            all.iter().map(|one| (one.row()[1].clone(), one.row()[3].clone())).collect();
        assert_eq!(told[0], ("run digest".to_owned(), "missed".to_owned()));
        assert_eq!(told[1].0, "deploy");
        assert_eq!(told[2], ("tell deploy.served".to_owned(), "given up".to_owned()));
        let text = serde_json::to_string(&all[0]).expect("JSON");
        assert!(text.starts_with(r#"{"scheduled":"digest","due":"2026-11-29T02:00"#), "{text}");
    }
}
