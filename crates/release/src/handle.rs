//! A site's handle: everything that the admin API asks of one app in one environment.
//!
//! The site itself is a task of its own ([`crate::site`]); this is the sending end of its bounded queue. Handles are
//! cheap to clone. Every method is cancel-safe: a dropped call may still be carried out. One that begins a run may be called
//! again with the same caller, if that has a key: the run is begun once.

use std::time::Duration;

use api::{
    deploy::{Cancelled, Plan, Record, Rollback, Started},
    jobs::{Restart, Scale},
    migrate::MigrateStatus,
    status::{Release, SiteStatus},
};
use model::{DeployId, Explain, Freeze, Notice, ReleaseNumber, ServiceName, Site, manifest::Manifest};
use tokio::sync::{mpsc, oneshot};

use crate::{
    events::EventStream,
    request::{Caller, MigrateVerb, Refused, RefusedKind, Runnable, Start, Wanted},
};

// Bound: commands waiting for a site; more callers wait for a place.
pub(crate) const QUEUE_MAX: usize = 32;

type Reply<T> = oneshot::Sender<Result<T, Refused>>;

pub(crate) enum Command {
    Plan(Wanted, Reply<Plan>),
    Start(Start, Caller, Reply<Started>),
    Cancel(Caller, Reply<Cancelled>),
    Approve(DeployId, Caller, Reply<()>),
    Resume(Caller, Reply<()>),
    Freeze(Option<Freeze>, Caller, Reply<()>),
    Post(Option<Notice>, Caller, Reply<()>),
    Status(Reply<SiteStatus>),
    Releases(Reply<Vec<Release>>),
    Records(usize, Reply<Vec<Record>>),
    Config(Option<ReleaseNumber>, Reply<Manifest>),
    Events(DeployId, u64, Reply<EventStream>),
    MigrateStatus(Reply<MigrateStatus>),
    Runnable(Option<ServiceName>, Reply<Runnable>),
    Settle(Reply<()>),
    EndScheduled(Duration, Reply<()>),
    Down(Reply<()>),
    Destroy(bool, Reply<()>),
}

impl Command {
    /// Whether it asks for the lock or for what holds it.
    pub(crate) fn needs_lock(&self) -> bool {
        match self {
            Self::Start(..) | Self::Cancel(..) | Self::Approve(..) => true,
            Self::Resume(..) | Self::Freeze(..) | Self::Events(..) => true,
            Self::Plan(..)
            | Self::Post(..)
            | Self::Status(..)
            | Self::Releases(..)
            | Self::Records(..)
            | Self::Config(..)
            | Self::MigrateStatus(..)
            | Self::Runnable(..)
            | Self::Settle(..)
            | Self::EndScheduled(..)
            | Self::Down(..)
            | Self::Destroy(..) => false,
        }
    }
}

/// The commands of one site.
#[derive(Clone, Debug)]
pub struct SiteHandle {
    pub(crate) site: Site,
    pub(crate) commands: mpsc::Sender<Command>,
}

impl SiteHandle {
    pub fn site(&self) -> &Site {
        &self.site
    }

    async fn ask<T>(&self, command: impl FnOnce(Reply<T>) -> Command) -> Result<T, Refused> {
        let (reply, answer) = oneshot::channel();
        let gone = || {
            Refused::new(
                RefusedKind::Failed,
                Explain::new("site-gone", format!("{} takes no commands any more", self.site))
                    .help("it was destroyed, or the keeper is ending: try again"),
            )
        };
        self.commands.send(command(reply)).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }

    /// Where the caller's key is that of a run which one of the newest journals tells of, that run is the answer, and nothing
    /// is begun: whatever became of it, and whatever holds now.
    async fn start(&self, start: Start, caller: Caller) -> Result<Started, Refused> {
        self.ask(|reply| Command::Start(start, caller, reply)).await
    }

    /// What a deploy would do; the same planner that [`SiteHandle::deploy`] runs. Never locks.
    pub async fn plan(&self, wanted: Wanted) -> Result<Plan, Refused> {
        self.ask(|reply| Command::Plan(wanted, reply)).await
    }

    /// Plans, takes the lock and starts; the rest is told by [`SiteHandle::events`].
    /// # Errors
    /// [`RefusedKind::Plan`] with all reasons, [`RefusedKind::Locked`], [`RefusedKind::Conflict`] when frozen, paused or held.
    pub async fn deploy(&self, wanted: Wanted, caller: Caller) -> Result<Started, Refused> {
        self.start(Start::Deploy(wanted), caller).await
    }

    /// Back to a release: by the pointer alone if its instances still run warm, else by a deploy of it.
    pub async fn rollback(&self, to: Rollback, caller: Caller) -> Result<Started, Refused> {
        self.start(Start::Rollback(to), caller).await
    }

    /// New instances of the release that serves, gated, switched to; then the old ones drain.
    pub async fn restart(&self, which: Restart, caller: Caller) -> Result<Started, Refused> {
        self.start(Start::Restart(which), caller).await
    }

    /// Another number of instances, until a deploy changes the manifest's own number.
    pub async fn scale(&self, scale: Scale, caller: Caller) -> Result<Started, Refused> {
        self.start(Start::Scale(scale), caller).await
    }

    /// Moves a held migration on: `retry` runs it again, `down` runs the release's `down_command`.
    pub async fn migrate(&self, verb: MigrateVerb, caller: Caller) -> Result<Started, Refused> {
        self.start(Start::Migrate(verb), caller).await
    }

    /// Asks the deploy in flight to end: before SWITCH it aborts, in SWITCH and BAKE it returns to the old release.
    /// # Errors
    /// [`RefusedKind::Conflict`]: nothing runs, or it is past BAKE.
    pub async fn cancel(&self, caller: Caller) -> Result<Cancelled, Refused> {
        self.ask(|reply| Command::Cancel(caller, reply)).await
    }

    /// Lets a deploy go on that another operator began.
    /// # Errors
    /// [`RefusedKind::Conflict`]: it does not wait, the caller began it, or deploys are frozen.
    pub async fn approve(&self, deploy: DeployId, caller: Caller) -> Result<(), Refused> {
        self.ask(|reply| Command::Approve(deploy, caller, reply)).await
    }

    /// Allows deploys again after a pause.
    pub async fn resume(&self, caller: Caller) -> Result<(), Refused> {
        self.ask(|reply| Command::Resume(caller, reply)).await
    }

    /// Refuses deploys until then; `None` allows them again.
    /// # Errors
    /// The time is over already, or no reason is given; it cannot be written down.
    pub async fn freeze(&self, freeze: Option<Freeze>, caller: Caller) -> Result<(), Refused> {
        self.ask(|reply| Command::Freeze(freeze, caller, reply)).await
    }

    /// Puts a page up in place of the site, or takes it down; returns once the edge serves it so.
    /// # Errors
    /// It cannot be written down; the edge does not take it, and is told again until it does.
    pub async fn post(&self, notice: Option<Notice>, caller: Caller) -> Result<(), Refused> {
        self.ask(|reply| Command::Post(notice, caller, reply)).await
    }

    pub async fn status(&self) -> Result<SiteStatus, Refused> {
        self.ask(Command::Status).await
    }

    /// Newest first.
    pub async fn releases(&self) -> Result<Vec<Release>, Refused> {
        self.ask(Command::Releases).await
    }

    /// The last deploys, rollbacks, restarts and scales, newest first; at most 200.
    pub async fn records(&self, limit: usize) -> Result<Vec<Record>, Refused> {
        self.ask(|reply| Command::Records(limit, reply)).await
    }

    /// The effective manifest of a release; `None`: of the one that serves.
    pub async fn config(&self, release: Option<ReleaseNumber>) -> Result<Manifest, Refused> {
        self.ask(|reply| Command::Config(release, reply)).await
    }

    /// The events of a deploy from number `from` on (1 or 0: all of them), past and coming; ends after `Ended`. A
    /// client of a keeper that died asks its successor for the rest.
    pub async fn events(&self, deploy: DeployId, from: u64) -> Result<EventStream, Refused> {
        self.ask(|reply| Command::Events(deploy, from, reply)).await
    }

    pub async fn migrate_status(&self) -> Result<MigrateStatus, Refused> {
        self.ask(Command::MigrateStatus).await
    }

    /// What a one-off of this service (default: the first) would run in.
    pub async fn runnable(&self, service: Option<ServiceName>) -> Result<Runnable, Refused> {
        self.ask(|reply| Command::Runnable(service, reply)).await
    }

    /// Cancels the deploy in flight and returns when it has ended; what serves then serves on. The site takes no deploys
    /// afterwards, and nothing scheduled begins.
    pub async fn settle(&self) -> Result<(), Refused> {
        self.ask(Command::Settle).await
    }

    /// Returns when nothing scheduled runs any more; what runs may end by itself for `within`.
    pub async fn end_scheduled(&self, within: Duration) -> Result<(), Refused> {
        self.ask(|reply| Command::EndScheduled(within, reply)).await
    }

    /// Stops every instance; the next start brings up the same releases. What is open is cut: it is for the edge to
    /// drain before. Settles first.
    pub async fn down(&self) -> Result<(), Refused> {
        self.ask(Command::Down).await
    }

    /// See [`crate::Sites::destroy`], which also forgets the site.
    pub(crate) async fn destroy(&self, with_data: bool) -> Result<(), Refused> {
        self.ask(|reply| Command::Destroy(with_data, reply)).await
    }
}
