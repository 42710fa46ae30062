//! The jobs of a site, in the API's words.

use api::schedule::{Run, Scheduled};
use jiff::Timestamp;
use model::{Explain, ReleaseNumber, ServiceName, manifest::Cron};
use schedule::{Entry, LogbookError, Outcome, Timetable, TimetableError};

use super::serving;
use crate::{scene::Scene, world::World};

/// Those of the release that serves, and what is remembered of others.
pub(crate) fn told<W: World>(at: &Scene<W>) -> Vec<Scheduled> {
    let book = at.logbook.read();
    let serving = serving(at);
    let wanted = |service: &ServiceName| {
        let (release, manifest) = serving.as_ref()?;
        Some((*release, manifest.cron.get(service)?.clone()))
    };
    let manifest = serving.as_ref().map(|(_, manifest)| manifest);
    let services = manifest.iter().flat_map(|manifest| manifest.cron.keys()).chain(book.jobs.keys());
    let services: std::collections::BTreeSet<_> = services.collect();
    let (now, unread) = (at.world.now(), at.logbook.problem().map(|error| unread(&error)));
    let told = services.into_iter().map(|service| {
        let told = job(service, wanted(service), book.jobs.get(service), now);
        Scheduled { problem: told.problem.or_else(|| unread.clone()), ..told }
    });
    told.collect()
}

fn unread(error: &LogbookError) -> Explain {
    Explain::new("logbook-unreadable", "what became of scheduled runs does not read")
        .because(error)
        .now("no scheduled run begins; all else of the site goes on")
        .help("restore the file, or move it away: then the schedules begin anew and nothing is caught up")
}

fn job(
    service: &ServiceName,
    wanted: Option<(ReleaseNumber, Cron)>,
    entry: Option<&Entry>,
    now: Timestamp,
) -> Scheduled {
    let cron = wanted.as_ref().map(|(_, cron)| cron);
    let timetable = cron.map(|cron| Timetable::parse(&cron.schedule, &cron.timezone));
    let (timetable, problem) = match timetable {
        Some(Ok(timetable)) => (Some(timetable), None),
        Some(Err(error)) => (None, Some(unfollowed(service, &error))),
        None => (None, None),
    };
    let next = timetable.and_then(|table| table.next_after(now).map(|next| table.told(next)));
    Scheduled {
        service: service.clone(),
        release: wanted.as_ref().map(|(release, _)| *release),
        schedule: cron.map(|cron| cron.schedule.clone()).unwrap_or_default(),
        timezone: cron.map(|cron| cron.timezone.clone()).unwrap_or_default(),
        next,
        running: entry.and_then(|entry| entry.running.as_ref()).map(run),
        waiting: entry.and_then(|entry| entry.waiting).map(stamp),
        past: entry.map(|entry| entry.past.iter().rev().map(run).collect()).unwrap_or_default(),
        problem,
    }
}

fn unfollowed(service: &ServiceName, error: &TimetableError) -> Explain {
    Explain::new("schedule-not-followed", format!("the schedule of {service} cannot be followed on this machine"))
        .because(error)
        .now("it does not run")
        .help("where a time zone is missing, install the package tzdata; else deploy with a schedule that is understood")
}

pub(crate) fn run(run: &schedule::Run) -> Run {
    Run {
        due: stamp(run.due),
        release: run.release,
        process: run.process,
        began: run.began.map(stamp),
        ended: run.ended.map(stamp),
        outcome: run.outcome.word().to_owned(),
        missed: match run.outcome {
            Outcome::Missed { count } => u64::try_from(count).unwrap_or(u64::MAX),
            _ => 0,
        },
        why: run.why.clone(),
    }
}

fn stamp(at: Timestamp) -> String {
    format!("{at:.3}")
}
