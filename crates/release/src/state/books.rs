//! Makes every change of a site's state durable before anyone sees it.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use machine::formats;
use model::Explain;
use serde::Deserialize;
use tokio::sync::watch;

use super::{FORMAT, State};
use crate::layout::{told, write_atomically};

/// Holds a site's [`State`] and writes every change before it is seen.
pub(crate) struct Books {
    path: PathBuf,
    /// The lock is held for one small write, never across an await; readers take a snapshot.
    state: Mutex<Arc<State>>,
    changed: watch::Sender<()>,
}

impl Books {
    /// Reads the site's file, or begins an empty one.
    /// # Errors
    /// It does not read, or was written by a newer Mainstay.
    pub(crate) fn open(path: &Path) -> Result<Self, Explain> {
        let state = match fs::read(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => State::default(),
            Err(error) => return Err(told("state-unreadable", "read", path, &error)),
            Ok(bytes) => parse(path, &bytes)?,
        };
        Ok(Self { path: path.to_owned(), state: Mutex::new(Arc::new(state)), changed: watch::channel(()).0 })
    }

    pub(crate) fn read(&self) -> Arc<State> {
        Arc::clone(&self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Wakes after every change.
    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// Applies a change and makes it durable; on an error nothing has changed.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> Result<T, Explain> {
        let mut current = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let mut next = State::clone(&current);
        let answer = change(&mut next);
        if next != **current {
            // One of the version before becomes one of this version with its first change.
            next.format = formats::current(FORMAT);
            let bytes = serde_json::to_vec_pretty(&next).map_err(|error| {
                Explain::new("state-unwritable", "cannot encode the state").because(&error)
            })?;
            write_atomically(&self.path, &bytes)
                .map_err(|error| told("state-unwritable", "write", &self.path, &error))?;
            *current = Arc::new(next);
            self.changed.send_replace(());
        }
        Ok(answer)
    }
}

fn parse(path: &Path, bytes: &[u8]) -> Result<State, Explain> {
    #[derive(Deserialize)]
    struct Versioned {
        format: u32,
    }
    let unreadable = |error: serde_json::Error| {
        Explain::new("state-unreadable", format!("{} does not read", path.display()))
            .because(&error)
            .help("restore it from a backup of the data folder; the apps that run are not touched")
    };
    let found: Versioned = serde_json::from_slice(bytes).map_err(unreadable)?;
    let own = formats::current(FORMAT);
    if found.format > own {
        return Err(Explain::new(
            "state-newer",
            format!("{} was written by a newer Mainstay", path.display()),
        )
        .caused_by(format!("its format is {}, this version reads up to {own}", found.format))
        .help("run the newer Mainstay"));
    }
    serde_json::from_slice(bytes).map_err(unreadable)
}
