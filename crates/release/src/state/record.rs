//! What is remembered of a release.

use std::collections::BTreeMap;

use model::ReleaseId;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ReleaseRecord {
    pub id: ReleaseId,
    /// Of the artifact, `sha256:…`.
    pub digest: String,
    /// RFC 3339.
    pub created: String,
    pub operator: String,
    /// Unpacked; 0 until staged.
    pub bytes: u64,
    pub fate: Fate,
    pub schema: Option<u64>,
    /// Salted digests of what its processes were last started with.
    pub secrets: BTreeMap<String, String>,
    /// The same of the last start that came to its end well: what still runs after one that did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secrets_settled: Option<BTreeMap<String, String>>,
    /// RFC 3339: when its processes were last started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secrets_taken: Option<String>,
    /// The last generation that came to its end well; the values that it was started with are kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secrets_kept: Option<u64>,
    /// As [`Group::secrets_of`], of the last that came to its end well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secrets_of: Option<u64>,
}

impl ReleaseRecord {
    /// Salted digests of what it runs with, or would come back with.
    pub(crate) fn runs_with(&self) -> &BTreeMap<String, String> {
        self.secrets_settled.as_ref().unwrap_or(&self.secrets)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Fate {
    /// The marker stands: its files are not whole.
    Staging,
    Staged,
    /// Baked well once.
    Stable,
    /// Aborted or returned from.
    Failed,
}
