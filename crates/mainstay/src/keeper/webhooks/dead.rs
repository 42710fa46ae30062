//! Deliveries that were given up: a small file of the keeper's, for `mainstay events`.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Mutex,
};

use api::webhooks::Dead;
use machine::formats;
use serde::{Deserialize, Serialize};

use super::lock;

/// Bound: the newest that are remembered.
const DEAD_MAX: usize = 100;
pub(crate) const FORMAT: u32 = 1;
pub(crate) const FILE: &str = "webhooks.dead.json";

pub(super) struct DeadLog {
    file: PathBuf,
    dead: Mutex<Vec<Dead>>,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    format: u32,
    dead: Vec<Dead>,
}

impl DeadLog {
    /// What cannot be read is begun anew.
    pub(super) fn open(data: &Path) -> Self {
        let file = data.join(FILE);
        let read = fs::read(&file).ok().and_then(|bytes| serde_json::from_slice::<Stored>(&bytes).ok());
        let known = read.filter(|stored| stored.format <= formats::current(FORMAT));
        let dead = known.map(|stored| stored.dead).unwrap_or_default();
        Self { file, dead: Mutex::new(dead) }
    }

    pub(super) fn read(&self) -> Vec<Dead> {
        lock(&self.dead).clone()
    }

    /// Adds those that are new; on an error none is, and the station tells them again.
    pub(super) fn add(&self, told: Vec<Dead>) -> io::Result<()> {
        let mut dead = lock(&self.dead);
        let is_known = |one: &Dead| dead.iter().any(|known| known.id == one.id && known.url == one.url);
        let new: Vec<Dead> = told.into_iter().filter(|one| !is_known(one)).collect();
        if new.is_empty() {
            return Ok(());
        }
        for one in &new {
            tracing::warn!(
                event = one.event,
                id = one.id,
                url = one.url,
                why = one.why,
                "A webhook was not told of this."
            );
        }
        let mut all = dead.clone();
        all.extend(new);
        all.drain(..all.len().saturating_sub(DEAD_MAX));
        let stored = Stored { format: formats::current(FORMAT), dead: all };
        machine::fs::write_atomic(&self.file, &serde_json::to_vec(&stored)?, 0o600)?;
        *dead = stored.dead;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_version_1_gave_up_is_still_told() {
        let data = tempfile::tempdir().expect("a folder");
        let text = include_str!("../../../tests/recorded/v1/webhooks.dead.json");
        fs::write(data.path().join(FILE), text).expect("written");
        let known = DeadLog::open(data.path()).read();
        let told: Vec<_> = known.iter().map(|one| (one.event.as_str(), one.why.as_str())).collect();
        assert_eq!(told, [("deploy.served", "answered 500, 36 times")]);
        let again = Stored { format: FORMAT, dead: known };
        assert_eq!(
            serde_json::to_value(&again).expect("JSON"),
            serde_json::from_str::<serde_json::Value>(text).expect("JSON"),
            "neither a lost nor a new field"
        );
    }
}
