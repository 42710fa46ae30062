//! What the station is started with: one JSON file, written 0600 by the keeper, read once. No secret is in it: those come
//! in the environment.

use std::path::{Path, PathBuf};

use model::AppName;
use serde::{Deserialize, Serialize};

/// Version of the file.
pub const FORMAT: u32 = 1;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    pub format: u32,
    /// The socket on which the keeper answers the station alone.
    pub keeper: PathBuf,
    /// The folder of what it must not lose.
    pub state: PathBuf,
    pub hooks: Vec<Hook>,
}

/// One webhook.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hook {
    pub url: String,
    /// Names of events, or patterns with `*`.
    pub events: Vec<String>,
    /// Empty: of all apps.
    pub apps: Vec<AppName>,
    /// The variable that holds its secret. `None`: there is none now, and its deliveries wait.
    pub secret: Option<String>,
}

/// Why there are no settings.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    #[error("cannot read {path}")]
    Read { path: PathBuf, source: std::io::Error },
    #[error("cannot write {path}")]
    Write { path: PathBuf, source: std::io::Error },
    #[error("{path} is of another version")]
    Parse { path: PathBuf, source: serde_json::Error },
    #[error("{path} has the format {found}; this station reads {FORMAT}")]
    Format { path: PathBuf, found: u32 },
}

impl Settings {
    /// # Errors
    /// The file does not read, or another version wrote it.
    pub fn read(path: &Path) -> Result<Self, SettingsError> {
        let text =
            std::fs::read(path).map_err(|source| SettingsError::Read { path: path.to_owned(), source })?;
        let settings: Self = serde_json::from_slice(&text)
            .map_err(|source| SettingsError::Parse { path: path.to_owned(), source })?;
        if settings.format != FORMAT {
            return Err(SettingsError::Format { path: path.to_owned(), found: settings.format });
        }
        Ok(settings)
    }

    /// Writes it 0600 for that uid and gid (`None`: this process's own), atomically. Blocking.
    /// # Errors
    /// The disk's.
    pub fn write(&self, path: &Path, owner: Option<(u32, u32)>) -> Result<(), SettingsError> {
        let failed = |source| SettingsError::Write { path: path.to_owned(), source };
        let text = serde_json::to_vec_pretty(self).map_err(|error| failed(error.into()))?;
        machine::fs::write_atomic_for(owner, path, &text, 0o600).map_err(failed)
    }
}
