//! Log lines of a site's instances.

use model::{InstanceName, ServiceName, Span};
use serde::{Deserialize, Serialize};

/// Query of GET `logs`, as URL parameters.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Query {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<ServiceName>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<InstanceName>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<u64>,
    /// Only lines younger than this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Span>,
    /// Only lines that hold this text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grep: Option<String>,
    #[serde(default)]
    pub follow: bool,
    /// The last so many lines before following; default 200.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tail: Option<usize>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Line {
    /// RFC 3339 with nanoseconds.
    pub at: String,
    pub instance: String,
    /// `stdout` or `stderr`.
    pub stream: String,
    pub text: String,
}
