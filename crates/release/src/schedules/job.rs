//! One run of a job, from its plan in the logbook to its end there.

use std::{sync::Arc, time::Duration};

use machine::failpoint;
use model::{
    Explain, ProcessId, ReleaseNumber, ServiceName,
    manifest::{CatchUp, Cron},
};
use schedule::{Entry, LATE_MAX, Outcome, Run};

use tokio_util::sync::CancellationToken;

use crate::{
    scene::Scene,
    world::{JobEnd, JobKind, JobOrder, Scheduled, World},
};

/// Bound: of what a failed run said last, in the logbook; the whole stands in its log.
const LINES_MAX: usize = 8;
const LINE_CHARS_MAX: usize = 240;
/// Bound: tries to write once the site ends, one a tick. A full disk must not keep a site from being stopped.
const LAST_TRIES: u32 = 3;

/// What is to run.
pub(super) struct Job {
    pub service: ServiceName,
    pub cron: Cron,
    pub release: ReleaseNumber,
    pub process: ProcessId,
}

/// Starts a run that the logbook has as planned, and sees it to its end.
pub(super) async fn run<W: World>(at: Arc<Scene<W>>, stop: CancellationToken, job: Job) {
    // Crash: planned, and its process is not there. The next keeper finds none, and begins it.
    failpoint::hit("schedule-planned");
    let (service, process) = (job.service.clone(), job.process);
    tracing::info!(site = %at.site, %service, release = %job.release, "Begins a scheduled run.");
    let order = order(&at, job);
    if let Err(why) = at.world.start_job(order).await {
        return write_end(&at, &stop, &service, process, (Outcome::Failed, Some(why))).await;
    }
    // Crash: planned, and its process is there. The next keeper finds it by its id.
    failpoint::hit("schedule-started");
    write(&at, &stop, &service, |entry| entry.began(process)).await;
    // Crash: running. Who finds no process knows that there was one, and does not begin it again.
    failpoint::hit("schedule-running");
    see_to_its_end(at, stop, service, process).await;
}

pub(super) async fn see_to_its_end<W: World>(
    at: Arc<Scene<W>>,
    stop: CancellationToken,
    service: ServiceName,
    process: ProcessId,
) {
    let end = at.world.adopt_job(&at.site, process).await;
    write_end(&at, &stop, &service, process, verdict(&service, end)).await;
}

/// What became of a run of a keeper before this one that is not over.
pub(super) enum Found {
    GoesOn {
        service: ServiceName,
        process: ProcessId,
    },
    /// It was planned and has no process: it begins now.
    NeverBegan(Box<Job>),
}

/// Asks for a run that stands in the logbook as planned or running. One that is over is written down as that.
pub(super) async fn find<W: World>(
    at: &Scene<W>,
    stop: &CancellationToken,
    service: &ServiceName,
    run: &Run,
) -> Option<Found> {
    let process = run.process?;
    // Who knows an end says it at once; who says nothing waits for it.
    let asked = tokio::time::timeout(at.settings.tick, at.world.adopt_job(&at.site, process)).await;
    let Ok(end) = asked else { return Some(Found::GoesOn { service: service.clone(), process }) };
    if !matches!(end, Ok(None)) || run.outcome != Outcome::Planned {
        write_end(at, stop, service, process, verdict(service, end)).await;
        return None;
    }
    if let Some((release, cron)) = still_wanted(at, service, run) {
        return Some(Found::NeverBegan(Box::new(Job { service: service.clone(), cron, release, process })));
    }
    write_end(at, stop, service, process, (Outcome::Missed { count: 1 }, None)).await;
    None
}

/// The run's own release, where the time of the run is not over for it.
fn still_wanted<W: World>(at: &Scene<W>, service: &ServiceName, run: &Run) -> Option<(ReleaseNumber, Cron)> {
    let release = run.release?;
    let cron = at.manifest(release).ok()?.cron.get(service).cloned()?;
    let in_time = run.due.duration_until(at.world.now()) <= LATE_MAX;
    (in_time || cron.catch_up == CatchUp::Latest).then_some((release, cron))
}

/// Tells every run to end, and waits for it.
pub(super) async fn stop_all<W: World>(at: &Scene<W>) {
    let book = at.logbook.read();
    let running =
        book.jobs.iter().filter_map(|(service, entry)| Some((service, entry.running.as_ref()?.process?)));
    let stops = running.map(|(service, process)| async move {
        if let Err(error) = at.world.stop_job(&at.site, process).await {
            tracing::warn!(site = %at.site, %service, %error, "A scheduled run could not be stopped.");
        }
    });
    futures_util::future::join_all(stops).await;
}

fn order<W: World>(at: &Scene<W>, job: Job) -> JobOrder {
    let Job { service, cron, release, process } = job;
    let manifest = at.manifest(release);
    // A release whose manifest cannot be read runs no job: this is never asked then.
    let sandbox = manifest.as_ref().map(|manifest| manifest.sandbox_of(&service)).unwrap_or_default();
    JobOrder {
        site: at.site.clone(),
        kind: JobKind::Scheduled,
        process,
        argv: cron.command,
        is_own: false,
        cwd: at.layout.files(release),
        env: cron.env,
        env_secrets: cron.env_secrets,
        kept_secrets: at.kept_secrets(release),
        release,
        release_dir: at.layout.files(release),
        shared_dir: at.layout.shared(),
        stdin: None,
        writable: vec![at.layout.shared()],
        sandbox,
        offline: false,
        timeout: cron.timeout.0,
        limits: cron.limits,
        told: Default::default(),
        scheduled: Some(Scheduled {
            service,
            stop_signal: cron.stop_signal,
            stop_timeout: cron.stop_timeout.0,
            logs: manifest.map(|manifest| manifest.logs.clone()).unwrap_or_default(),
        }),
    }
}

fn verdict(service: &ServiceName, end: Result<Option<JobEnd>, Explain>) -> (Outcome, Option<Explain>) {
    let lost = || {
        Explain::new("run-lost", format!("how the run of {service} ended is not known"))
            .caused_by("the machine was restarted while it ran, or its process was ended from outside")
            .help(format!("`mainstay logs {service}` shows how far it came; it runs again at its next time"))
    };
    let end = match end {
        Ok(Some(end)) => end,
        Ok(None) => return (Outcome::Lost, Some(lost())),
        Err(error) => return (Outcome::Lost, Some(lost().because(&error))),
    };
    if end.succeeded() {
        return (Outcome::Succeeded, None);
    }
    let help = match end.timed_out {
        true => format!(
            "raise `timeout` of [service.{service}], or find in `mainstay logs {service}` what it waits for"
        ),
        false => format!("`mainstay logs {service}` has all that it said; it runs again at its next time"),
    };
    let said: Vec<String> = if end.stderr.is_empty() { end.stdout.clone() } else { end.stderr.clone() };
    let skipped = said.len().saturating_sub(LINES_MAX);
    let last = said.iter().skip(skipped).map(|line| line.chars().take(LINE_CHARS_MAX).collect());
    let explain = Explain::new("run-failed", format!("the run of {service} failed"));
    (
        Outcome::Failed,
        Some(explain.caused_by(end.word()).help(help).detail("what it said last", last.collect())),
    )
}

async fn write_end<W: World>(
    at: &Scene<W>,
    stop: &CancellationToken,
    service: &ServiceName,
    process: ProcessId,
    (outcome, why): (Outcome, Option<Explain>),
) {
    match &why {
        None => {
            tracing::info!(site = %at.site, %service, outcome = outcome.word(), "A scheduled run has ended.")
        }
        Some(why) => {
            tracing::warn!(site = %at.site, %service, outcome = outcome.word(), %why, "A scheduled run has ended.");
        }
    }
    let written =
        write(at, stop, service, |entry| entry.ended(process, outcome, why.clone(), at.world.now())).await;
    // Crash: its end is known and its process is still kept. The next keeper forgets it.
    if written {
        at.world.forget_job(&at.site, process).await;
    }
}

/// Leaves nothing behind of runs that nobody asks for any more.
pub(super) async fn forget<W: World>(at: &Scene<W>, runs: impl Iterator<Item = &Run>) {
    let forgets = runs.filter_map(|run| run.process).map(|process| at.world.forget_job(&at.site, process));
    futures_util::future::join_all(forgets).await;
}

/// Writes to a job's entry, as often as it takes: as long as it is not known that a run has ended, none begins. `false`:
/// the site ends and it stays unwritten; the next keeper finds by the process what became of it.
async fn write<W: World>(
    at: &Scene<W>,
    stop: &CancellationToken,
    service: &ServiceName,
    change: impl Fn(&mut Entry),
) -> bool {
    let mut last_tries = 0;
    // Bound: until the disk takes it or the keeper ends, one try a second; `LAST_TRIES` once the site ends.
    while let Err(error) = at.logbook.change(|book| change(book.entry(service, at.world.now()))) {
        if last_tries >= LAST_TRIES {
            tracing::error!(site = %at.site, %service, %error, "What became of a scheduled run is not written down, since the site ends; the next keeper looks again.");
            return false;
        }
        tracing::error!(site = %at.site, %service, %error, "What became of a scheduled run cannot be written down; again.");
        // A site that begins to end need not wait out the pause.
        stop.run_until_cancelled(tokio::time::sleep(Duration::from_secs(1))).await;
        if stop.is_cancelled() {
            last_tries += 1;
            tokio::time::sleep(at.settings.tick).await;
        }
    }
    true
}
