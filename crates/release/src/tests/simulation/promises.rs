//! What holds in every world: after each step, and at rest.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use api::deploy::Outcome;
use model::{DeployId, Site};
use ulid::Ulid;

use crate::{
    crash_loop::OURSELVES,
    history,
    journal::{self, Kind, Record},
    layout::{Layout, SiteLayout},
    state::State,
    tests::machine::Machine,
};

/// What was seen of the site before: it must not be contradicted.
#[derive(Default)]
pub(super) struct Promises {
    journals: BTreeMap<PathBuf, (u64, Vec<Ulid>)>,
    /// A migration that was held when it was last looked, and nobody has acted since.
    held: Option<DeployId>,
    /// One that a person's `migrate` works on.
    in_hand: Option<DeployId>,
}

type Kept = Result<(), String>;

fn keep(holds: bool, promise: impl FnOnce() -> String) -> Kept {
    if holds { Ok(()) } else { Err(promise()) }
}

impl Promises {
    pub(super) fn may_be_let_go(&mut self) {
        self.in_hand = self.held.or(self.in_hand);
    }

    pub(super) fn somebody_acted(&mut self) {
        self.held = None;
    }

    /// After every step, whatever is under way.
    pub(super) fn check(&mut self, machine: &Machine, data: &Path, site: &Site) -> Kept {
        let layout = Layout::new(data).site(site);
        let broken = machine.promises();
        keep(broken.is_empty(), || broken.join("; "))?;
        let Some(state) = books(&layout)? else { return Ok(()) };
        served_is_in_the_store(machine, &layout, site)?;
        self.journals_only_grow(&layout)?;
        let held = state.held.as_ref().filter(|held| held.migration).map(|held| held.deploy);
        keep(self.held.is_none() || self.held == held || self.held == self.in_hand, || {
            "what was held for a person was let go by nobody".into()
        })?;
        self.held = held;
        Ok(())
    }

    /// A record that was committed stays, word for word, and nothing comes before or between.
    fn journals_only_grow(&mut self, layout: &SiteLayout) -> Kept {
        for (deploy, path) in history::deploys(layout) {
            let bytes = std::fs::metadata(&path).map(|meta| meta.len()).unwrap_or_default();
            if self.journals.get(&path).is_some_and(|(known, _)| *known == bytes) {
                continue;
            }
            let records = read(&path)?;
            let now: Vec<Ulid> = records.iter().map(|record| record.ulid).collect();
            let before =
                self.journals.insert(path, (bytes, now.clone())).map(|(_, ids)| ids).unwrap_or_default();
            keep(now.starts_with(&before), || format!("the journal of {deploy} has lost what it held"))?;
            has_sense(&records)?;
        }
        Ok(())
    }

    /// Nothing is under way, nothing drains, nothing is broken.
    pub(super) fn at_rest(&mut self, machine: &Machine, data: &Path, site: &Site) -> Kept {
        self.check(machine, data, site)?;
        let layout = Layout::new(data).site(site);
        let Some(state) = books(&layout)? else { return Ok(()) };
        exactly_what_should_run_runs(machine, &state, site)?;
        edge_serves_what_the_books_say(machine, &state, site)?;
        let mut stories = Vec::new();
        for (deploy, path) in history::deploys(&layout) {
            let records = read(&path)?;
            let has_begun = records.iter().any(|record| record.kind().is_some());
            let end = records.iter().filter_map(Record::kind).find_map(|kind| match kind {
                Kind::Ended { serving, .. } => Some(*serving),
                _ => None,
            });
            keep(end.is_some() || !has_begun, || format!("deploy {deploy} has no end"))?;
            stories.push((records, end));
        }
        // Newest first. The first of them that ended says what serves.
        let last = stories.iter().find_map(|(_, end)| *end);
        let said = |serving| format!("the last end says {serving:?}, the books {:?}", state.serving);
        keep(last.is_none_or(|serving| serving == state.serving), || said(last))?;
        returns_once(&stories.iter().map(|(records, _)| &records[..]).collect::<Vec<_>>())
    }
}

fn books(layout: &SiteLayout) -> Result<Option<State>, String> {
    let Ok(bytes) = std::fs::read(layout.state()) else { return Ok(None) };
    serde_json::from_slice(&bytes).map(Some).map_err(|error| format!("the books do not read: {error}"))
}

fn read(path: &Path) -> Result<Vec<Record>, String> {
    journal::read(path)
        .map(|(records, _)| records)
        .map_err(|error| format!("a journal does not read: {error}"))
}

fn served_is_in_the_store(machine: &Machine, layout: &SiteLayout, site: &Site) -> Kept {
    let served = machine.lock().tables.get(site).and_then(|(_, table)| table.release);
    let Some(served) = served else { return Ok(()) };
    let is_there = layout.manifest(served).exists() && layout.files(served).join("app").exists();
    keep(is_there, || format!("release {served} serves and is not in the store"))
}

/// One journal by itself: intents before what is done, one end and nothing but retirements after it, an end that fits.
fn has_sense(records: &[Record]) -> Kept {
    let kinds: Vec<&Kind> = records.iter().filter_map(Record::kind).collect();
    let at = |wanted: fn(&Kind) -> bool| kinds.iter().position(|kind| wanted(kind));
    let count = |wanted: fn(&Kind) -> bool| kinds.iter().filter(|kind| wanted(kind)).count();
    let ended = at(|k| matches!(k, Kind::Ended { .. }));
    let (intent, done) =
        (at(|k| matches!(k, Kind::SwitchIntent { .. })), at(|k| matches!(k, Kind::SwitchDone { .. })));
    keep(done.is_none() || intent < done && intent.is_some(), || "a switch without its intent".into())?;
    keep(count(|k| matches!(k, Kind::ReturnIntent { .. })) <= 1, || "two returns in one deploy".into())?;
    keep(count(|k| matches!(k, Kind::Ended { .. })) <= 1, || "two ends of one deploy".into())?;
    let after = &kinds[ended.map_or(kinds.len(), |at| at + 1)..];
    let stray = after.iter().find(|kind| !matches!(kind, Kind::Retired { .. }));
    keep(stray.is_none(), || format!("after its end: {stray:?}"))?;
    let Some((Kind::Began { from, to, .. }, Kind::Ended { outcome, serving, .. })) =
        kinds.first().zip(ended.map(|at| kinds[at])).map(|(began, ended)| (*began, ended))
    else {
        return Ok(());
    };
    let fits = match outcome {
        Outcome::Served => *serving == Some(*to),
        Outcome::Aborted | Outcome::RolledBack => serving == from,
        _ => serving == from || *serving == Some(*to),
    };
    keep(fits, || format!("from {from:?} to {to}: ended {}, and {serving:?} serves", outcome.name()))
}

fn exactly_what_should_run_runs(machine: &Machine, state: &State, site: &Site) -> Kept {
    let members = state.groups().flat_map(|group| &group.members);
    let planned: BTreeSet<String> = members.map(|member| member.name.to_string()).collect();
    let inner = machine.lock();
    let running: BTreeSet<String> =
        inner.instances.keys().filter(|(s, _)| s == site).map(|(_, name)| name.to_string()).collect();
    keep(planned == running, || format!("{running:?} run at rest, {planned:?} are in the books"))
}

fn edge_serves_what_the_books_say(machine: &Machine, state: &State, site: &Site) -> Kept {
    let inner = machine.lock();
    let Some((_, table)) = inner.tables.get(site) else {
        return keep(state.serving.is_none(), || {
            "the books say that something serves, the edge has no table".into()
        });
    };
    keep(table.release == state.serving, || {
        format!("the edge serves {:?}, the books say {:?}", table.release, state.serving)
    })?;
    keep(table.generation == state.generation, || {
        format!("the edge is at generation {}, the books at {}", table.generation, state.generation)
    })?;
    let leads = state.serving.is_none() || !table.routes.is_empty();
    keep(leads, || "at rest no route leads anywhere".into())?;
    let live: Vec<_> = state.live.iter().map(crate::state::Group::pool).collect();
    let stray = table.pools.iter().find(|pool| !live.contains(&pool.id));
    keep(stray.is_none(), || format!("at rest the edge has {stray:?}"))
}

/// Between two acts of people, Mainstay itself leaves a release once at most.
fn returns_once(newest_first: &[&[Record]]) -> Kept {
    let mut left = BTreeSet::new();
    for records in newest_first.iter().rev() {
        let (Some(first), Some(Kind::Began { verb, from, .. })) =
            (records.first(), records.first().and_then(Record::kind))
        else {
            continue;
        };
        match first.operator == OURSELVES && verb == "rollback" {
            true => keep(left.insert(*from), || format!("Mainstay left {from:?} twice by itself"))?,
            false => left.clear(),
        }
    }
    Ok(())
}
