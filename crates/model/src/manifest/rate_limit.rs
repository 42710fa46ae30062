//! Rate limits of a route: how many requests of one kind a client may make.

use std::{num::NonZeroU32, time::Duration};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::{LimitName, Span};

/// How many requests one client may make; who is one client says its [`LimitKey`].
///
/// A client's quota holds `burst` requests and fills steadily, one each `per / requests` (the generic cell rate
/// algorithm of ITU-T I.371).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RateLimit {
    /// Stands in the log, in metrics and in `RateLimit-Policy`. Limits of one name in several routes of a site count
    /// together.
    pub name: LimitName,
    /// Prefixes of whole segments, each with a leading `/`; empty: all that the route takes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<String>,
    /// Upper case; empty: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub methods: Vec<String>,
    pub requests: NonZeroU32,
    pub per: Span,
    /// So many may come at once after a rest.
    pub burst: NonZeroU32,
    pub key: LimitKey,
    /// Clients that it is not for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exempt: Vec<IpNet>,
    /// What is answered instead of the edge's page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
}

/// What tells one client from another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitKey {
    /// Its address; IPv6: its /64.
    Address,
    /// The value of this header, lower case; of who sends none the address.
    Header(String),
    /// The value of this cookie; of who sends none the address.
    Cookie(String),
}

impl RateLimit {
    /// In which one request is added to the quota.
    pub fn interval(&self) -> Duration {
        self.per.0 / self.requests.get()
    }
}
