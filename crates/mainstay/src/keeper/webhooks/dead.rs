//! Deliveries that were given up: a small file of the keeper's, for `mainstay events`.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Mutex,
};

use api::webhooks::Dead;
use serde::{Deserialize, Serialize};

use super::lock;

/// Bound: the newest that are remembered.
const DEAD_MAX: usize = 100;
const FORMAT: u32 = 1;

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
        let file = data.join("webhooks.dead.json");
        let read = fs::read(&file).ok().and_then(|bytes| serde_json::from_slice::<Stored>(&bytes).ok());
        let dead =
            read.filter(|stored| stored.format == FORMAT).map(|stored| stored.dead).unwrap_or_default();
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
        let stored = Stored { format: FORMAT, dead: all };
        machine::fs::write_atomic(&self.file, &serde_json::to_vec(&stored)?, 0o600)?;
        *dead = stored.dead;
        Ok(())
    }
}
