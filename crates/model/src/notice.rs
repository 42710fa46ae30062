//! A page in place of a site, put up by a person.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// What all but a few get in place of a site, until it is taken down or its time is over.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// What people read; `None`: the edge's own words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub words: Option<String>,
    /// By the wall clock: a time that people plan with. `None`: until it is taken down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until_unix_ms: Option<u64>,
    /// Clients that are served.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allow: Vec<IpNet>,
}

impl Notice {
    /// Whether its time is not over.
    pub fn stands(&self, now_unix_ms: u64) -> bool {
        self.until_unix_ms.is_none_or(|until| now_unix_ms < until)
    }

    /// Whether this client gets it in place of the site.
    pub fn is_for(&self, client: IpAddr) -> bool {
        !self.allow.iter().any(|net| net.contains(&client))
    }
}
