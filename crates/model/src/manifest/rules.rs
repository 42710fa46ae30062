//! What the edge itself says, leaves out or sends elsewhere for the requests of a route.

use std::collections::BTreeMap;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::Span;

/// Which pages of other origins may read a route's answers, by the CORS protocol of the Fetch standard. Where it is given
/// the edge alone speaks it: what the app says of it is left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cors {
    /// `https://shop.example.com`, with a port where it is not the scheme's; `*` alone: all.
    pub origins: Vec<String>,
    pub methods: Vec<String>,
    /// Of requests, beside those that need no leave.
    pub headers: Vec<String>,
    /// Of answers, beside those that a page may always read.
    pub expose: Vec<String>,
    /// Cookies and such may come along; not with `*`.
    pub credentials: bool,
    /// For so long a browser need not ask again.
    pub max_age: Span,
}

/// Headers of the edge's own. Names are lower case.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Headers {
    /// Of every answer that does not have them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub default: BTreeMap<String, String>,
    /// Of every answer, in place of what the app says.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub set: BTreeMap<String, String>,
    /// Of no answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remove: Vec<String>,
    /// Of every request, in place of what the client says.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub request_set: BTreeMap<String, String>,
    /// Of no request.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub request_remove: Vec<String>,
    /// Where browsers send what a policy refuses, a path of the route: the edge takes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub csp_reports: Option<String>,
    /// The policies of `default` and `set` are reported and not enforced.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub csp_report_only: bool,
}

impl Headers {
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Sends clients to another address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Redirect {
    /// Only of this host; `None`: of all that the route has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// A path; with `/*` at its end all below it, too.
    pub from: String,
    /// A path or an address; a `*` at its end is what the other `*` stood for.
    pub to: String,
    /// 301, 302, 303, 307 or 308.
    pub status: u16,
}

/// Lets the app see another path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rewrite {
    /// As [`Redirect::from`].
    pub from: String,
    /// A path, as [`Redirect::to`].
    pub to: String,
}

/// Lets nobody in without a token: a staging that is on the street and not for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Access {
    /// By who has it: its SHA-256 as 64 digits. Tokens are random, so nobody finds one by its digest.
    pub tokens: BTreeMap<String, String>,
    /// Clients that need none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exempt: Vec<IpNet>,
    /// Prefixes of whole segments that need none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub open: Vec<String>,
}

/// By what a client comes back to the instance that it had, while that is ready (EDGE-13).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Affinity {
    /// A cookie that the edge sets.
    Cookie,
    /// Its address (IPv6: its /64).
    Address,
}
