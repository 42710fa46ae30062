//! What has happened on this machine, event by event: from the journals and from the logbooks of schedules, so that
//! nothing is known twice in two places. For whoever tells others of it.

use std::{
    collections::{HashMap, HashSet},
    path::Path,
};

use api::{
    deploy::{Outcome, Record},
    schedule::Run,
};
use model::{DeployId, ServiceName, Site};
use schedule::Logbook;
use ulid::Ulid;

use crate::{
    history,
    journal::{self, Kind},
    layout::{Layout, SiteLayout},
    schedules,
};

/// Something that began or ended.
#[derive(Clone, Debug)]
pub struct Happened {
    /// Of this event for ever.
    pub id: String,
    pub site: Site,
    /// RFC 3339, UTC.
    pub at: String,
    pub what: What,
}

#[derive(Clone, Debug)]
pub enum What {
    Started(Box<Record>),
    /// It waits for another operator.
    Waits(Box<Record>),
    Ended(Outcome, Box<Record>),
    /// A scheduled run that did not go well.
    Run(ServiceName, Box<Run>),
}

/// What was seen already. Looking again costs a listing for each site, and reading what has not ended.
#[derive(Debug)]
pub struct News {
    layout: Layout,
    sites: HashMap<Site, Seen>,
}

/// What was seen of a deploy whose beginning was.
#[derive(Clone, Copy, Debug)]
struct Told {
    waits: bool,
    ended: bool,
}

#[derive(Debug, Default)]
struct Seen {
    deploys: HashMap<DeployId, Told>,
    runs: HashSet<String>,
}

impl News {
    /// Nothing is seen yet: the first look gives everything that is known.
    pub fn new(data: &Path) -> Self {
        Self { layout: Layout::new(data), sites: HashMap::new() }
    }

    /// What has happened since the last look. Blocking. What does not read is logged by others, and looked at again.
    /// # Errors
    /// The data folder cannot be read.
    pub fn look(&mut self) -> std::io::Result<Vec<Happened>> {
        let there = self.layout.sites()?;
        self.sites.retain(|site, _| there.contains(site));
        let mut happened = Vec::new();
        for site in there {
            let layout = self.layout.site(&site);
            let seen = self.sites.entry(site.clone()).or_default();
            deploys(&site, &layout, seen, &mut happened);
            runs(&site, &layout, seen, &mut happened);
        }
        // RFC 3339 in UTC sorts as text.
        happened.sort_by(|a, b| a.at.cmp(&b.at));
        Ok(happened)
    }
}

fn deploys(site: &Site, layout: &SiteLayout, seen: &mut Seen, happened: &mut Vec<Happened>) {
    let there = history::deploys(layout);
    seen.deploys.retain(|deploy, _| there.iter().any(|(known, _)| known == deploy));
    for (deploy, path) in there {
        let known = seen.deploys.get(&deploy).copied();
        if known.is_some_and(|known| known.ended) {
            continue;
        }
        // A journal that was just made, or is damaged.
        let Ok((records, _)) = journal::read(&path) else { continue };
        let Some(record) = history::record(deploy, site, &records) else { continue };
        let event =
            |id: Ulid, at: &str, what| Happened { id: told(id), site: site.clone(), at: at.to_owned(), what };
        if let (None, Some(first)) = (known, records.first()) {
            happened.push(event(first.ulid, &first.at, What::Started(Box::new(before_its_end(&record)))));
        }
        let waits = records.iter().find(|one| matches!(one.kind(), Some(Kind::ApprovalAsked { .. })));
        if let Some(waits) = waits.filter(|_| !known.is_some_and(|known| known.waits)) {
            let waiting = Record { approved: None, ..before_its_end(&record) };
            happened.push(event(waits.ulid, &waits.at, What::Waits(Box::new(waiting))));
        }
        let end = records.iter().find_map(|one| match one.kind() {
            Some(Kind::Ended { outcome, .. }) => Some((one, *outcome)),
            _ => None,
        });
        if let Some((end, outcome)) = end {
            happened.push(event(end.ulid, &end.at, What::Ended(outcome, Box::new(record))));
        }
        seen.deploys.insert(deploy, Told { waits: waits.is_some(), ended: end.is_some() });
    }
}

fn before_its_end(record: &Record) -> Record {
    Record { ended: None, outcome: None, error: None, ..record.clone() }
}

fn runs(site: &Site, layout: &SiteLayout, seen: &mut Seen, happened: &mut Vec<Happened>) {
    let book = Logbook::new(layout.schedule()).read();
    let mut there = HashSet::new();
    for (service, entry) in &book.jobs {
        for run in entry.past.iter().map(schedules::told_run) {
            let id = format!("run_{}_{}_{}_{}_{}", site.app, site.env, service, run.due, run.outcome);
            let id = id.replace(['.', ':'], "-");
            there.insert(id.clone());
            if run.outcome == "succeeded" || seen.runs.contains(&id) {
                continue;
            }
            let at = run.ended.as_ref().unwrap_or(&run.due).clone();
            happened.push(Happened {
                id,
                site: site.clone(),
                at,
                what: What::Run(service.clone(), Box::new(run)),
            });
        }
    }
    seen.runs = there;
}

/// Without a full stop, which parts what is signed.
fn told(record: Ulid) -> String {
    format!("evt_{record}")
}
