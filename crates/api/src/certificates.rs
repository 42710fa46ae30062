//! Certificates that this machine shows: those of files, and those that it gets by ACME. For operators; and what the station
//! and the keeper say to each other of them.

use std::{collections::BTreeMap, time::Duration};

use model::Site;
use serde::{Deserialize, Serialize};

/// Sources of a certificate.
pub const ACME: &str = "acme";
pub const FILE: &str = "file";

/// How long an operator waits until the station has a request on its disk.
pub const RENEW_WITHIN: Duration = Duration::from_secs(45);

/// Everything that `mainstay certs list` shows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificates {
    /// URL of the CA's directory; `None`: machine.toml has no `[acme]`.
    pub directory: Option<String>,
    /// By their first name.
    pub certificates: Vec<Certificate>,
    /// Hosts of routes that get none.
    #[serde(default)]
    pub beyond: Vec<Beyond>,
}

/// What one app and environment asks for beyond its share.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Beyond {
    pub site: Site,
    /// In the order of its manifest.
    pub names: Vec<String>,
    /// `names_per_site_max` of `[acme]`.
    pub max: u64,
}

/// One certificate, or a name that waits for one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    pub names: Vec<String>,
    /// [`ACME`], or [`FILE`] for a `[[certificate]]`.
    pub source: String,
    /// `false`: its names are answered with another certificate, which no browser trusts.
    pub served: bool,
    /// Of the one that is served. RFC 3339.
    pub expires: Option<String>,
    /// Whole days until then; below 0: it has expired.
    pub days_left: Option<i64>,
    /// Why what stands in the files now is not what is served.
    pub problem: Option<String>,
    /// Of ACME; `None`: the station has not said anything yet.
    pub state: Option<State>,
    /// Got by ACME, and in no route and no `names` any more: it stays until it ends, and no other follows.
    #[serde(default)]
    pub is_left: bool,
}

/// What the station says of one name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// Of the last that was issued, hexadecimal.
    pub serial: Option<String>,
    pub issuer: Option<String>,
    /// RFC 3339.
    pub expires: Option<String>,
    /// RFC 3339: when the next order is placed. `None`: as soon as it can be.
    pub next_order: Option<String>,
    /// Something is done for it at this moment.
    pub is_ordering: bool,
    /// Tries that failed since the last certificate.
    pub failures: u32,
    /// The last of them with its time, in words; gone with the next certificate.
    pub last_error: Option<String>,
    /// The last request to renew that it has.
    pub asked: Option<String>,
}

/// Asks for a new certificate now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Renew {
    pub name: String,
}

/// The keeper's answer to the station: what there should be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// By which the next question is answered only when something is another.
    pub seen: String,
    pub names: Vec<String>,
    /// By name: the last request of an operator to renew it.
    pub renew: BTreeMap<String, String>,
}

/// What the station has to say: by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    pub states: BTreeMap<String, State>,
}
