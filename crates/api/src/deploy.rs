//! Deploys: the request, the plan, the events on the way, the record that stays.

use model::{DeployId, EnvName, Explain, ReleaseId, ReleaseNumber, Site};
use serde::{Deserialize, Serialize};

use crate::artifact::Artifact;

/// What to deploy.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Request {
    pub what: What,
    /// Wait this long for a lock that somebody holds; `None`: fail at once with 75.
    #[serde(default)]
    pub wait: Option<model::Span>,
    /// Close the oldest draining generation where `max_generations` would be exceeded.
    #[serde(default)]
    pub drain_now: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// New bytes under this manifest (the text of `mainstay.toml`, validated by the keeper).
    New { manifest: String, artifact: Artifact },
    /// A release that is on the machine already.
    Existing { release: ReleaseNumber },
    /// The bytes of a release of the same app in another environment, under this manifest; without `release`, of the one that
    /// serves there.
    Promoted {
        manifest: String,
        from: EnvName,
        #[serde(default)]
        release: Option<ReleaseNumber>,
    },
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Rollback {
    /// `None`: the last stable release before the one that serves.
    #[serde(default)]
    pub release: Option<ReleaseNumber>,
    /// Its secrets have the values that it was last started with, instead of today's.
    #[serde(default)]
    pub with_secrets: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Started {
    pub deploy: DeployId,
    pub release: ReleaseNumber,
}

/// What a deploy would do; the same planner that `deploy` runs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Plan {
    pub site: Site,
    /// What serves now.
    pub from: Option<ReleaseNumber>,
    /// The number that the new release would get, or has.
    pub to: ReleaseNumber,
    pub changes: Vec<Change>,
    pub warnings: Vec<Explain>,
    /// Not empty: the deploy would be refused.
    pub errors: Vec<Explain>,
    /// Why nothing may begin here now, whatever it is: the lock is held, deploys are frozen or paused, a migration is held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed: Option<Explain>,
}

/// One difference, as `subject: before -> after`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// `artifact`, `service.web.instances`, `secret OPENAI_API_KEY`, `route chat.example.com/`, `schema`, …
    pub subject: String,
    pub before: Option<String>,
    pub after: Option<String>,
}

/// The states of the deploy machine, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    Plan,
    Lock,
    Preflight,
    Stage,
    /// Another operator has to approve it, where its manifest says so.
    Approve,
    /// The old release drains and is stopped before the new one starts, where its strategy says so.
    Recess,
    Migrate,
    Start,
    Gate,
    Switch,
    /// One service after the other that must never run twice: the old one is stopped, then the new one is started.
    Relieve,
    Bake,
    Drain,
    Stop,
    Commit,
}

impl Phase {
    /// As people read it and the wire has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plan => "plan",
            Self::Lock => "lock",
            Self::Preflight => "preflight",
            Self::Stage => "stage",
            Self::Approve => "approve",
            Self::Recess => "recess",
            Self::Migrate => "migrate",
            Self::Start => "start",
            Self::Gate => "gate",
            Self::Switch => "switch",
            Self::Relieve => "relieve",
            Self::Bake => "bake",
            Self::Drain => "drain",
            Self::Stop => "stop",
            Self::Commit => "commit",
        }
    }
}

/// One thing that happened; numbered per deploy from 1, journalled, replayable.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Event {
    pub seq: u64,
    /// RFC 3339, UTC, milliseconds.
    pub at: String,
    pub kind: EventKind,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// A phase began.
    Entered {
        phase: Phase,
    },
    /// A sentence about the phase at work: "web.43.1 is ready (0.8 s)".
    Note {
        phase: Phase,
        message: String,
    },
    Warning {
        warning: Explain,
    },
    /// The lock, the bake and the answer are done; draining goes on behind it.
    Ended {
        outcome: Outcome,
        serving: Option<ReleaseNumber>,
        error: Option<Explain>,
        report: Vec<String>,
    },
}

/// How a deploy ended; each has its exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The new release serves.
    Served,
    /// Nothing had to change.
    Unchanged,
    /// The new one served and was taken back.
    RolledBack,
    /// Refused or failed before the switch; the old one serves.
    Aborted,
    /// Needs a person.
    Held,
}

impl Outcome {
    /// As people read it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Served => "serving",
            Self::Unchanged => "unchanged",
            Self::RolledBack => "rolled back",
            Self::Aborted => "aborted",
            Self::Held => "held",
        }
    }

    /// The exit code of a command that ends so.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Served | Self::Unchanged => 0,
            Self::RolledBack => 3,
            Self::Aborted => 4,
            Self::Held => 5,
        }
    }
}

/// Exit code of a usage error, of no keeper, of an error in PLAN.
pub const EXIT_USAGE: u8 = 1;
/// `--dry-run` found changes; `check` found something.
pub const EXIT_FINDINGS: u8 = 2;
/// The client went away; the deploy goes on.
pub const EXIT_DETACHED: u8 = 6;
/// Somebody else holds the site's lock.
pub const EXIT_LOCKED: u8 = 75;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Cancelled {
    pub deploy: DeployId,
    pub phase: Phase,
    /// How it will end: `aborted` or `rolled_back`.
    pub outcome: Outcome,
}

/// Of a deploy that another operator has to approve: which one is meant.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Approve {
    pub deploy: DeployId,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approved {
    /// The operator by user name, and the host.
    pub operator: String,
    pub host: String,
    /// RFC 3339.
    pub at: String,
}

/// What stays of a deploy, rollback, restart or scale: who, what, when, how it ended.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Record {
    pub deploy: DeployId,
    /// `deploy`, `rollback`, `restart`, `scale`, `migrate`, `cancel`, `resume`, `freeze`, `thaw`, `page-on`, `page-off`, `destroy`.
    pub verb: String,
    pub site: Site,
    pub from: Option<ReleaseNumber>,
    pub to: Option<ReleaseNumber>,
    pub release: Option<ReleaseId>,
    /// The operator by user name, and the host.
    pub operator: String,
    pub host: String,
    pub started: String,
    pub ended: Option<String>,
    pub phase: Phase,
    pub outcome: Option<Outcome>,
    pub error: Option<Explain>,
    /// Who let it go on, where another operator had to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved: Option<Approved>,
    /// Why it was begun, where Mainstay began it by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Explain>,
}

impl Record {
    /// What a person asks first: why it ended as it did, else why it was begun.
    pub fn why(&self) -> Option<&Explain> {
        self.error.as_ref().or(self.reason.as_ref())
    }
}
