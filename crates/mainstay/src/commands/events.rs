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
        /// Those before it that ended alike, in words for people: how many, and when the first was.
        #[serde(skip)]
        before: Option<(u64, String)>,
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
            Self::Scheduled { run, .. } => run_at(run),
            Self::Untold { untold } => &untold.at,
        }
    }

    fn row(&self) -> Vec<String> {
        match self {
            Self::Done(record) => record_row(record),
            Self::Scheduled { scheduled, run, before } => run_row(scheduled, run, before.as_ref()),
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
                return Ok(all.map(|record| Happened::Upgraded(Box::new(record))).collect::<Vec<_>>());
            }
            let site = session.site().await?;
            let records = session.client.records(&site, limit).await.map_err(Failure::explain)?;
            let status = session.client.status(&site).await.map_err(Failure::explain)?;
            let webhooks = session.client.webhooks().await;
            let mut dead = match webhooks {
                Ok(webhooks) => webhooks.dead,
                // A keeper of the version before tells nobody anything; webhooks are the machine's, and no matter of a key for one app.
                Err(failure) if failure.is_unknown() || failure.is_forbidden() => Vec::new(),
                Err(failure) => return Err(failure.explain()),
            };
            dead.retain(|one| one.site.as_ref() == Some(&site));
            let all = newest(records, status.schedules, dead);
            // As JSON each run is a line of its own.
            let all = if session.json() { all } else { folded(all) };
            Ok::<_, Explain>(all.into_iter().take(limit).collect())
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

fn run_at(run: &Run) -> &str {
    run.began.as_deref().unwrap_or(&run.due)
}

/// Runs of one job that ended alike become one, whatever else happened meanwhile: one that fails every few seconds would
/// leave no room for anything else. `all` has the newest first.
fn folded(all: Vec<Happened>) -> Vec<Happened> {
    let mut kept: Vec<Happened> = Vec::new();
    for one in all {
        let Happened::Scheduled { scheduled, run, .. } = &one else {
            kept.push(one);
            continue;
        };
        let newer = kept.iter_mut().rev().find_map(|kept| match kept {
            Happened::Scheduled { scheduled: of, run, before } if of == scheduled => Some((run, before)),
            _ => None,
        });
        match newer {
            Some((newer, before)) if newer.outcome == run.outcome && why(newer) == why(run) => {
                let count = before.as_ref().map_or(0, |(count, _)| *count) + 1;
                *before = Some((count, run_at(run).to_owned()));
            }
            _ => kept.push(one),
        }
    }
    kept
}

fn newest(records: Vec<Record>, schedules: Vec<Scheduled>, dead: Vec<Dead>) -> Vec<Happened> {
    let runs = schedules.into_iter().flat_map(|job| {
        let bad = job.past.into_iter().filter(|run| run.outcome != "succeeded");
        bad.map(move |run| Happened::Scheduled {
            scheduled: job.service.clone(),
            run: Box::new(run),
            before: None,
        })
    });
    let untold = dead.into_iter().map(|one| Happened::Untold { untold: Box::new(one) });
    let done = records.into_iter().map(|record| Happened::Done(Box::new(record)));
    let mut all: Vec<Happened> = done.chain(runs).chain(untold).collect();
    // RFC 3339 in UTC sorts as text.
    all.sort_by(|a, b| b.at().cmp(a.at()));
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
        approved_and_why(record),
    ]
}

fn approved_and_why(record: &Record) -> String {
    let approved = record.approved.as_ref().map(|by| format!("approved by {}@{}", by.operator, by.host));
    let why = record.why().map(|why| why.message.clone());
    approved.into_iter().chain(why).collect::<Vec<_>>().join("; ")
}

fn upgrade_row(record: &Upgraded) -> Vec<String> {
    vec![
        moment(&record.started),
        if record.back { "upgrade --back" } else { "upgrade" }.to_owned(),
        format!("{} -> {}", record.from, record.to),
        record.outcome.map_or("at work", api::upgrade::Outcome::name).to_owned(),
        format!("{}@{}", record.operator, record.host),
        record.why.as_ref().map(ToString::to_string).unwrap_or_default(),
    ]
}

fn why(run: &Run) -> String {
    match (run.outcome.as_str(), &run.why) {
        (_, Some(why)) => why.causes.first().cloned().unwrap_or_else(|| why.message.clone()),
        ("missed", None) => format!("nobody was there at {}", times(run.missed)),
        ("skipped", None) => "the run before it went on".to_owned(),
        (_, None) => String::new(),
    }
}

fn run_row(service: &ServiceName, run: &Run, before: Option<&(u64, String)>) -> Vec<String> {
    let (began, end) = match before {
        None => (run_at(run), run.outcome.clone()),
        Some((count, first)) => {
            let last = moment(run_at(run));
            (first.as_str(), format!("{} ×{}, last {last}", run.outcome, count + 1))
        }
    };
    vec![moment(began), format!("run {service}"), or_dash(run.release), end, "schedule".to_owned(), why(run)]
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
    fn runs_that_end_alike_are_one_line_until_one_ends_otherwise() {
        let of = |service: &str, due: &str, outcome: &str| Happened::Scheduled {
            scheduled: service.parse().expect("a name"),
            run: Box::new(run(due, outcome)),
            before: None,
        };
        let all = folded(vec![
            of("a", "2026-11-29T00:00:50Z", "failed"),
            of("b", "2026-11-29T00:00:45Z", "failed"),
            of("a", "2026-11-29T00:00:40Z", "failed"),
            of("a", "2026-11-29T00:00:30Z", "failed"),
            of("a", "2026-11-29T00:00:20Z", "lost"),
            of("a", "2026-11-29T00:00:10Z", "failed"),
        ]);
        let told: Vec<(String, String)> =
            all.iter().map(|one| (one.row()[1].clone(), one.row()[3].clone())).collect();
        let last = moment("2026-11-29T00:00:50Z");
        let expected = [
            ("run a", format!("failed ×3, last {last}")),
            ("run b", "failed".to_owned()),
            ("run a", "lost".to_owned()),
            ("run a", "failed".to_owned()),
        ];
        assert_eq!(told, expected.map(|(what, end)| (what.to_owned(), end)));
        assert_eq!(all[0].row()[0], moment("2026-11-29T00:00:30Z"), "since the first of them");
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
            approved: None,
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
        let all = newest(vec![record], vec![job], vec![dead]);
        let told: Vec<(String, String)> =
            all.iter().map(|one| (one.row()[1].clone(), one.row()[3].clone())).collect();
        assert_eq!(told[0], ("run digest".to_owned(), "missed".to_owned()));
        assert_eq!(told[1].0, "deploy");
        assert_eq!(told[2], ("tell deploy.served".to_owned(), "given up".to_owned()));
        let text = serde_json::to_string(&all[0]).expect("JSON");
        assert!(text.starts_with(r#"{"scheduled":"digest","due":"2026-11-29T02:00"#), "{text}");
    }
}
