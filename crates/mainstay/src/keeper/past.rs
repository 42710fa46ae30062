//! How often an instance, or the edge, ended though nobody asked, and how at last: a small file in the run folder, so that a
//! crash loop is seen whichever keeper lives. It begins anew when the instance is started on purpose (a deploy, a restart,
//! `scale`) and goes with `down` and the boot.

use std::{
    collections::VecDeque,
    fs, io,
    path::{Path, PathBuf},
};

use machine::formats;
use model::{InstanceName, Site};
use serde::{Deserialize, Serialize};
use supervisor::{Cause, Exit, SlotEvent, Spec, slot::Witness};

pub(crate) const FORMAT: u32 = 1;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Past {
    format: u32,
    /// Ends that nobody asked for.
    pub exits: u64,
    /// Those of them that were no doing of its own: its shim was killed.
    #[serde(default)]
    pub lost: u64,
    pub last_exit: Option<String>,
    /// When the last of them were, in seconds of this boot, oldest first: the file does not outlive it.
    #[serde(default)]
    last_s: VecDeque<u64>,
}

/// Bound: ends whose time is known.
const LAST_MAX: usize = 100;
const HOUR_S: u64 = 3600;

impl Default for Past {
    fn default() -> Self {
        Self { format: formats::current(FORMAT), exits: 0, lost: 0, last_exit: None, last_s: VecDeque::new() }
    }
}

impl Past {
    fn end(&mut self, end: End, now_s: u64) {
        self.exits += 1;
        self.lost += u64::from(end.is_lost);
        self.last_exit = Some(end.how);
        self.last_s.push_back(now_s);
        while self.last_s.len() > LAST_MAX {
            self.last_s.pop_front();
        }
    }

    /// Ends within the last hour, as far as they are remembered.
    pub(crate) fn exits_last_hour(&self) -> u64 {
        self.exits_since(now_s().saturating_sub(HOUR_S))
    }

    fn exits_since(&self, since_s: u64) -> u64 {
        self.last_s.iter().filter(|at_s| **at_s >= since_s).count() as u64
    }
}

fn now_s() -> u64 {
    machine::clock::since_boot().as_secs()
}

/// Where a past is kept.
#[derive(Clone, Debug)]
pub(crate) struct Kept(PathBuf);

impl Kept {
    pub(crate) fn of_instance(run: &Path, site: &Site, name: &InstanceName) -> Self {
        // An app's folder has a dot, Mainstay's own files have none.
        Self(run.join("past").join(format!("{}.{}", site.app, site.env)).join(name.to_string()))
    }

    pub(crate) fn of_the_edge(run: &Path) -> Self {
        Self(run.join("past/edge"))
    }

    pub(crate) fn of_the_station(run: &Path) -> Self {
        Self(run.join("past/station"))
    }

    /// What cannot be read, or is of a newer format, is no past.
    pub(crate) fn read(&self) -> Past {
        let read = fs::read(&self.0).ok().and_then(|bytes| serde_json::from_slice::<Past>(&bytes).ok());
        read.filter(|past| past.format <= formats::current(FORMAT)).unwrap_or_default()
    }

    /// One more end. What cannot be written is known until this keeper ends.
    pub(crate) fn ended(&self, past: &mut Past, end: End) {
        past.end(end, now_s());
        if let Err(error) = self.write(past) {
            tracing::debug!(%error, file = %self.0.display(), "The next keeper will not know how often it ended.");
        }
    }

    /// One more end that no keeper saw. What ended with the machine is no end of its own.
    pub(crate) fn ended_unseen(&self, spec: &Spec, exit: &Exit) {
        if !exit.asked && spec.boot_id == machine::clock::boot_id() {
            self.ended(&mut self.read(), End::from(exit));
        }
    }

    pub(crate) fn forget(&self) {
        // Mostly there is none.
        let _ = fs::remove_file(&self.0);
        if let Some(site) = self.0.parent() {
            let _ = fs::remove_dir(site);
        }
    }

    fn write(&self, past: &Past) -> io::Result<()> {
        if let Some(above) = self.0.parent() {
            fs::create_dir_all(above)?;
        }
        machine::fs::write_atomic(&self.0, &serde_json::to_vec(past)?, 0o600)
    }
}

/// An end that nobody asked for.
#[derive(Debug)]
pub(crate) struct End {
    /// In words.
    how: String,
    /// With its shim.
    is_lost: bool,
}

impl End {
    pub(crate) fn of_its_own(how: impl Into<String>) -> Self {
        Self { how: how.into(), is_lost: false }
    }
}

impl From<&Exit> for End {
    fn from(exit: &Exit) -> Self {
        Self { how: exit.to_string(), is_lost: exit.cause == Cause::Lost }
    }
}

/// The end that an event tells of; `None`: it tells of none that nobody asked for.
pub(crate) fn end_of(event: &SlotEvent) -> Option<End> {
    match event {
        SlotEvent::StartupFailed { .. } => Some(End::of_its_own("was not up within its deadline")),
        SlotEvent::LivenessFailed { .. } => Some(End::of_its_own("did not answer its liveness probe")),
        SlotEvent::NotSpawned { error } => Some(End::of_its_own(error)),
        SlotEvent::Crashed { exit, .. } => Some(End::from(exit)),
        SlotEvent::Started { .. }
        | SlotEvent::StartupPassed { .. }
        | SlotEvent::Listens { .. }
        | SlotEvent::Degraded { .. }
        | SlotEvent::Stopped { .. } => None,
    }
}

/// Keeps the past of one of Mainstay's own.
pub(crate) fn witness(kept: Kept) -> Witness {
    Box::new(move |event| {
        if let Some(end) = end_of(event) {
            // Crash: the next keeper finds what is left of this edge and counts it once more. Better than not at all.
            kept.ended(&mut kept.read(), end);
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAST: &str = include_str!("../../tests/recorded/v1/past.json");

    #[test]
    fn only_the_last_hour_counts_for_a_crash_loop() {
        let mut past = Past::default();
        (0..9).for_each(|n| past.end(End::of_its_own("exit code 1"), 1_000 + n));
        past.end(End::of_its_own("exit code 1"), 9_000);
        assert_eq!((past.exits, past.exits_since(1_004), past.exits_since(1_009)), (10, 6, 1));
        (0..500).for_each(|_| past.end(End::of_its_own("exit code 1"), 9_001));
        assert_eq!((past.exits, past.last_s.len()), (510, LAST_MAX));
    }

    #[test]
    fn a_past_is_what_the_next_keeper_reads_until_it_is_forgotten() {
        let run = tempfile::tempdir().expect("a folder");
        let site = Site { app: "shop".parse().expect("a name"), env: model::EnvName::production() };
        let kept = Kept::of_instance(run.path(), &site, &"web.1.1".parse().expect("a name"));
        let mut past = kept.read();
        assert_eq!(past, Past::default());
        kept.ended(&mut past, End::of_its_own("exit code 1"));
        kept.ended(&mut past, End::of_its_own("SIGSEGV"));
        let other = Kept::of_instance(run.path(), &site, &"web.1.2".parse().expect("a name"));
        assert_eq!((kept.read(), other.read().exits), (past, 0));
        assert_eq!((kept.read().exits, kept.read().last_exit.as_deref()), (2, Some("SIGSEGV")));
        fs::write(&kept.0, PAST).expect("written");
        assert_eq!(
            (kept.read().exits, kept.read().last_exit.as_deref()),
            (1, Some("ended by SIGKILL")),
            "of version 1"
        );
        fs::write(&kept.0, r#"{"format":9,"exits":7,"last_exit":null}"#).expect("written");
        assert_eq!(kept.read(), Past::default(), "a newer format says nothing");
        kept.forget();
        assert!(!run.path().join("past/shop.production").exists());
    }
}
