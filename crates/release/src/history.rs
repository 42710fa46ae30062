//! The journals of a site as records: what was done to it, by whom, and how it ended.

use std::{fs, path::PathBuf};

use api::{
    deploy::{Approved, Phase, Record},
    request_key::RequestKey,
    status::Underway,
};
use model::{DeployId, Site};

use crate::{
    journal::{self, Kind},
    layout::SiteLayout,
    recycle,
    run::Task,
};

/// Bound: records that one answer holds, and journals that are kept.
const RECORDS_MAX: usize = 200;

/// The deploys that have a journal, newest first.
pub(crate) fn deploys(layout: &SiteLayout) -> Vec<(DeployId, PathBuf)> {
    let Ok(entries) = fs::read_dir(layout.deploys()) else { return Vec::new() };
    let id = |entry: fs::DirEntry| {
        let path = entry.path();
        let name = path.file_name()?.to_str()?.strip_suffix(".journal")?;
        Some((name.parse().ok()?, path))
    };
    let mut deploys: Vec<(DeployId, PathBuf)> = entries.flatten().filter_map(id).collect();
    deploys.sort_by_key(|(deploy, _)| std::cmp::Reverse(*deploy));
    deploys
}

/// Bound: of what Mainstay does by itself as long as an app runs, so many are kept, so that it does not push out what people did.
const RECYCLES_MAX: usize = 20;

/// The journals beyond what is kept. Reads each.
pub(crate) fn surplus(layout: &SiteLayout) -> Vec<(DeployId, PathBuf)> {
    let (mut recycles, mut others) = (0, 0);
    let mut all = deploys(layout);
    all.retain(|(deploy, path)| {
        let verb = journal::read(path).ok().and_then(|(records, _)| Some(task(*deploy, &records)?.verb));
        let (count, max) = match verb.as_deref() {
            Some(recycle::VERB) => (&mut recycles, RECYCLES_MAX),
            _ => (&mut others, RECORDS_MAX),
        };
        *count += 1;
        *count > max
    });
    all
}

/// The newest `limit` records; journals that do not read are logged and left out.
pub(crate) fn records(layout: &SiteLayout, site: &Site, limit: usize) -> Vec<Record> {
    all(layout, site).take(limit.min(RECORDS_MAX)).collect()
}

/// The last of what somebody did.
pub(crate) fn last(layout: &SiteLayout, site: &Site) -> Option<Record> {
    all(layout, site).find(|record| record.verb != recycle::VERB)
}

/// Newest first, read one by one.
fn all(layout: &SiteLayout, site: &Site) -> impl Iterator<Item = Record> {
    let read = move |(deploy, path): (DeployId, PathBuf)| match journal::read(&path) {
        Ok((records, _)) => record(deploy, site, &records),
        Err(error) => {
            tracing::warn!(%site, %deploy, %error, "A journal does not read.");
            None
        }
    };
    deploys(layout).into_iter().filter_map(read)
}

pub(crate) fn record(deploy: DeployId, site: &Site, records: &[journal::Record]) -> Option<Record> {
    let first = records.first()?;
    let task = task(deploy, records)?;
    let mut told = Record {
        deploy,
        verb: task.verb,
        site: site.clone(),
        from: task.from,
        to: Some(task.to),
        release: task.release,
        operator: first.operator.clone(),
        host: first.host.clone(),
        started: first.at.clone(),
        ended: None,
        phase: Phase::Plan,
        outcome: None,
        error: None,
        approved: None,
        reason: None,
    };
    for record in records {
        match record.kind() {
            Some(Kind::Entered { phase }) => told.phase = *phase,
            Some(Kind::Ended { outcome, error, .. }) => {
                told.ended = Some(record.at.clone());
                told.outcome = Some(*outcome);
                told.error.clone_from(error);
            }
            Some(Kind::Approved { by, by_host }) => {
                let (operator, host, at) = (by.clone(), by_host.clone(), record.at.clone());
                told.approved = Some(Approved { operator, host, at });
            }
            Some(Kind::Reason { reason }) => told.reason = Some(reason.clone()),
            _ => {}
        }
    }
    Some(told)
}

/// What a record without an end is about: a run that goes on, or that nobody has taken up yet.
pub(crate) fn underway(record: &Record) -> Option<Underway> {
    let to = record.to.filter(|_| record.outcome.is_none())?;
    Some(Underway {
        deploy: record.deploy,
        verb: record.verb.clone(),
        to,
        phase: record.phase,
        operator: record.operator.clone(),
        since: record.started.clone(),
        // Who answers for it is just being found out.
        approval: None,
        unwritten: None,
    })
}

/// Bound: journals in which the key of a request is looked for, the newest. It comes again within minutes, or never.
const BEGUN_LOOKED_AT: usize = 64;

/// The run that a request with this key began.
pub(crate) fn begun_by(layout: &SiteLayout, key: &RequestKey) -> Option<Task> {
    deploys(layout).into_iter().take(BEGUN_LOOKED_AT).find_map(|(deploy, path)| {
        let (records, _) = journal::read(&path).ok()?;
        let Kind::Began { request_key: Some(known), .. } = records.first()?.kind()? else { return None };
        (known == key).then(|| task(deploy, &records))?
    })
}

/// What the first record says that the run is about.
pub(crate) fn task(deploy: DeployId, records: &[journal::Record]) -> Option<Task> {
    let Kind::Began { verb, course, from, to, release, generation, drain_now, secrets_of, .. } =
        records.first()?.kind()?
    else {
        return None;
    };
    Some(Task {
        deploy,
        verb: verb.clone(),
        course: course.clone(),
        from: *from,
        to: *to,
        release: *release,
        generation: *generation,
        drain_now: *drain_now,
        secrets_of: *secrets_of,
    })
}
