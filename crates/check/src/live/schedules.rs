//! What runs by a schedule can run, and its last run went well.

use api::{
    checks::{Severity, State},
    schedule::Scheduled,
};
use model::Explain;

use super::{Live, Running};
use crate::finding::{Check, count, found_if};

pub(super) const CHECK: Check<Running> = Check {
    id: "schedules",
    title: "scheduled jobs run, and their last runs went well",
    severity: Severity::Warning,
    sources: &["W-K11"],
    run,
};

fn run(context: &Live<'_>) -> State {
    let of_release = |job: &&Scheduled| job.release.is_some();
    let jobs: Vec<&Scheduled> = context.status.schedules.iter().filter(of_release).collect();
    let wrong = jobs.iter().filter_map(|job| wrong(job)).collect();
    let explain = Explain::new("scheduled-run-failed", "a scheduled job does not run, or not well")
        .help("`mainstay events` lists the runs that did not go well and why; `mainstay logs SERVICE` has what they said");
    found_if(wrong, explain, format!("{}, none in trouble", count(jobs.len(), "job")))
}

fn wrong(job: &Scheduled) -> Option<String> {
    if let Some(problem) = &job.problem {
        return Some(format!("{}: {problem}", job.service));
    }
    let last = job.past.first().filter(|run| run.outcome != "succeeded")?;
    let why = last.why.as_ref().and_then(|why| why.causes.first());
    let why = why.map(|why| format!(": {why}")).unwrap_or_default();
    Some(format!("the run of {} that was due at {} {}{why}", job.service, last.due, said(&last.outcome)))
}

fn said(outcome: &str) -> String {
    match outcome {
        "lost" => "was lost".to_owned(),
        "missed" | "skipped" => format!("was {outcome}"),
        other => other.to_owned(),
    }
}
