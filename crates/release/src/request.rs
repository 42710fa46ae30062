//! What can be asked of a site, after the API's words were checked: the keeper has read the manifest, the peer's user
//! is known.

use std::{path::PathBuf, sync::Arc, time::Duration};

use api::{
    artifact::Artifact,
    deploy::Rollback,
    jobs::{Restart, Scale},
    request_key::RequestKey,
};
use model::{Explain, ReleaseNumber, ServiceName, manifest::Manifest};
use serde::{Deserialize, Serialize};

/// Who asks; stands in every record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caller {
    /// The user name behind the peer's uid.
    pub operator: String,
    /// Where the request came from.
    pub host: String,
    /// Under which the same request may come again; `None`: it comes once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<RequestKey>,
}

/// What to deploy.
#[derive(Clone, Debug)]
pub struct Wanted {
    pub what: What,
    /// Wait this long for the site's lock; zero: fail at once.
    pub wait: Duration,
    /// Close the oldest draining generation where `max_generations` would be exceeded, instead of waiting for it.
    pub drain_now: bool,
}

#[derive(Clone, Debug)]
pub enum What {
    /// New bytes (or the same) under this manifest, validated for this site's environment.
    New { manifest: Box<Manifest>, artifact: Artifact },
    /// A release that is on the machine.
    Existing { release: ReleaseNumber },
}

/// What begins a run.
#[derive(Clone, Debug)]
pub(crate) enum Start {
    Deploy(Wanted),
    Rollback(Rollback),
    Restart(Restart),
    Scale(Scale),
    Migrate(MigrateVerb),
}

impl Start {
    /// As the run's first record names it.
    pub(crate) fn verb(&self) -> &'static str {
        match self {
            Self::Deploy(_) => "deploy",
            Self::Rollback(_) => "rollback",
            Self::Restart(_) => "restart",
            Self::Scale(_) => "scale",
            Self::Migrate(_) => "migrate",
        }
    }
}

/// Why nothing was begun.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{explain}")]
pub struct Refused {
    pub kind: RefusedKind,
    pub explain: Explain,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusedKind {
    /// Somebody holds the site's lock: exit 75, HTTP 423.
    Locked,
    /// The request cannot be carried out as it is: exit 1, HTTP 422.
    Plan,
    /// No such site, release, deploy or service: exit 1, HTTP 404.
    NotFound,
    /// Right, but not now: nothing to cancel, past the point of return, paused: exit 1, HTTP 409.
    Conflict,
    /// This keeper could not do it (disk, edge, ending): exit 1, HTTP 500.
    Failed,
}

impl Refused {
    pub fn new(kind: RefusedKind, explain: Explain) -> Self {
        Self { kind, explain }
    }

    pub(crate) fn failed(explain: Explain) -> Self {
        Self::new(RefusedKind::Failed, explain)
    }

    /// The exit code that a client of a deploy-like command uses.
    pub fn exit_code(&self) -> u8 {
        match self.kind {
            RefusedKind::Locked => api::deploy::EXIT_LOCKED,
            _ => api::deploy::EXIT_USAGE,
        }
    }
}

/// What a one-off (`run`, `exec`) needs to know of the release that serves.
#[derive(Clone, Debug)]
pub struct Runnable {
    pub release: ReleaseNumber,
    pub service: ServiceName,
    pub manifest: Arc<Manifest>,
    pub release_dir: PathBuf,
    pub shared_dir: PathBuf,
    /// As in [`crate::world::StartOrder`].
    pub kept_secrets: Option<PathBuf>,
}

/// What a person does with the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MigrateVerb {
    /// Runs again what is held.
    Retry,
    Down,
    /// Takes away what only older code needed.
    Contract,
}
