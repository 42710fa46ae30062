//! What is true of a site now: served, running, draining.

use std::collections::BTreeMap;

use model::{Freeze, InstanceName, Notice, ProcessId, ReleaseId, ReleaseNumber, ServiceName, Site};
use serde::{Deserialize, Serialize};

use crate::{
    deploy::{Phase, Record},
    schedule::Scheduled,
};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SiteStatus {
    pub site: Site,
    /// What the edge says that it serves, not what was asked of it.
    pub serving: Option<ReleaseNumber>,
    /// The edge cannot write down what it serves: since when, and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unwritten: Option<Unwritten>,
    pub last_stable: Option<ReleaseNumber>,
    pub urls: Vec<String>,
    pub services: Vec<ServiceStatus>,
    pub deploy: Option<Underway>,
    /// So many of a hundred clients get the release of the deploy in flight.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary: Option<u8>,
    /// RFC 3339: since when nobody is served, because a deploy stopped the old release for its successor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recess: Option<String>,
    /// The page that an operator has put up in place of the site.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maintenance: Option<Maintenance>,
    /// No deploy begins for a while.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frozen: Option<Frozen>,
    /// Deploys are refused until `mainstay resume`, with the reason.
    pub paused: Option<String>,
    /// A deploy that needs a person, with its choices.
    pub held: Option<model::Explain>,
    pub last: Option<Record>,
    /// What runs now and ends by itself, oldest first.
    #[serde(default)]
    pub jobs: Vec<Job>,
    /// Services that run by a schedule, by name.
    #[serde(default)]
    pub schedules: Vec<Scheduled>,
}

/// All but those who are let in get a page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Maintenance {
    #[serde(flatten)]
    pub notice: Notice,
    /// RFC 3339.
    pub since: String,
    pub operator: String,
}

/// Deploys are refused, ways back are not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frozen {
    #[serde(flatten)]
    pub freeze: Freeze,
    /// RFC 3339.
    pub since: String,
    pub operator: String,
}

/// A command of `run` or `exec`, or a piece of work of a deploy.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Job {
    /// `run`, `exec`; of a deploy `unpack`, `build`, `migrate`, `migrate-down`, `migrate-contract`, `schema-status`; of a schedule `scheduled`.
    pub kind: String,
    pub process: ProcessId,
    pub pid: u32,
    pub release: Option<ReleaseNumber>,
    /// The service in whose environment it runs.
    pub service: Option<ServiceName>,
    /// The instance beside which it runs.
    pub instance: Option<InstanceName>,
    /// Who asked for it, or for the deploy that it belongs to.
    pub operator: Option<String>,
    /// RFC 3339.
    pub since: String,
    pub command: Vec<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ServiceStatus {
    pub service: ServiceName,
    pub release: ReleaseNumber,
    /// `candidate`, `live`, `draining`.
    pub state: String,
    pub wanted: u32,
    /// Set by `mainstay scale`, until a deploy changes the manifest's own number.
    pub scaled: bool,
    pub instances: Vec<Instance>,
    /// Open now, by class; only for routed services.
    pub open: Option<Open>,
    /// Of a live one: instances that were replaced as its manifest asks; `None`: none yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recycled: Option<Recycled>,
}

/// Replacements of instances with which nothing was wrong. No restart counts them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recycled {
    pub count: u64,
    /// RFC 3339.
    pub last: String,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Open {
    pub http: u64,
    pub streams: u64,
    pub websockets: u64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Instance {
    pub name: InstanceName,
    pub pid: Option<u32>,
    /// `starting`, `up`, `backing off`, `degraded`, `stopping`, `stopped`.
    pub state: String,
    /// The edge's word; `None` where the edge does not route to it.
    pub ready: Option<bool>,
    pub address: Option<String>,
    /// RFC 3339.
    pub since: Option<String>,
    /// Since it was started on purpose.
    pub restarts: u64,
    /// Of those the ones of the last hour.
    #[serde(default)]
    pub restarts_last_hour: u64,
    pub last_exit: Option<String>,
    pub memory_bytes: Option<u64>,
    /// How often its sandbox refused each system call to the process that runs now.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub refused_calls: BTreeMap<String, u64>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Underway {
    pub deploy: model::DeployId,
    /// `deploy`, `rollback`, `restart`, `scale`, `migrate retry`, `migrate down`; empty from an older keeper.
    #[serde(default)]
    pub verb: String,
    pub to: ReleaseNumber,
    pub phase: Phase,
    pub operator: String,
    pub since: String,
    /// It waits for another operator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<Awaited>,
    /// The disk does not take what it has done; `None`: all of it is written, or the keeper is older than this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unwritten: Option<Unwritten>,
}

/// An approval that a deploy waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Awaited {
    /// What another operator than the one who began it has to run.
    pub command: String,
    /// Milliseconds since 1970, by the clock of the server: then it is given up.
    pub until_unix_ms: u64,
}

/// What a deploy has done and could not be written down: it has no end before it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Unwritten {
    /// RFC 3339.
    pub since: String,
    pub why: model::Explain,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Release {
    pub number: ReleaseNumber,
    pub id: ReleaseId,
    pub digest: String,
    pub created: String,
    pub operator: String,
    pub bytes: u64,
    /// `serving`, `draining`, `stable`, `failed`, `staged`.
    pub state: String,
    pub schema: Option<u64>,
    /// `None`: the release is not whole, or its keeper is older than this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<Environment>,
}

/// What the processes of a release are started with: its own, whatever other releases say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Environment {
    /// RFC 3339: when its secrets were last taken from their source for a start; `None`: never.
    pub taken: Option<String>,
    pub services: BTreeMap<ServiceName, Variables>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub migrate: Option<Variables>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Variables {
    pub env: BTreeMap<String, String>,
    /// By name, never a value: `digest 0a1b2c3d` as a plan shows it. Equal ones on one machine are equal values.
    pub secrets: BTreeMap<String, Option<String>>,
}
