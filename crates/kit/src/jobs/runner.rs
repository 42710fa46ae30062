//! Takes jobs of one queue and runs them, a bounded number at once, until the process stops.
//!
//! Stopping: after the drain hint nothing is taken; after SIGTERM what runs may end until the cut; then it is given
//! back, so that another process takes it at once instead of after the lease.

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use tokio::sync::{Notify, Semaphore};

use super::{Fence, Job, RENEW};
use crate::{
    Drain,
    sqlite::{Database, DbError, Durability},
};

/// How often an idle process looks for jobs of others: given back, lost, or stored by a process that is full.
const LOOK: Duration = Duration::from_millis(200);

/// What runs a job. It stores its own results, fenced, and its own end ([`Job::finish`]) in one transaction with them.
pub trait Work: Send + Sync + 'static {
    /// Dropped in the middle when the lease is lost or the process must end; must therefore be cancel-safe, which it is
    /// when each of its transactions asks the fence.
    fn run(&self, job: Job) -> Pin<Box<dyn Future<Output = Result<(), DbError>> + Send>>;
}

/// How a run of a job ended here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The work returned; whether it did well is in the table.
    Ended,
    /// The work returned an error; another attempt will be made.
    Failed,
    /// Another process has it.
    LeaseLost,
    /// This process had to end first.
    GivenBack,
}

impl Outcome {
    /// For a label: `ended`, `failed`, `lease_lost`, `given_back`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ended => "ended",
            Self::Failed => "failed",
            Self::LeaseLost => "lease_lost",
            Self::GivenBack => "given_back",
        }
    }
}

/// What a watcher is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// A job was taken and runs here.
    Began,
    /// It is not run here any more.
    Ended(Outcome),
}

type Watcher = Box<dyn Fn(Moment) + Send + Sync>;

/// One queue's runner in one process.
pub struct Runner<W> {
    db: Database,
    queue: &'static str,
    owner: String,
    at_once: usize,
    work: W,
    watcher: Watcher,
}

impl<W: Work> Runner<W> {
    /// `owner` names this process in the table: unique per start. `at_once` bounds the jobs that run here at once.
    pub fn new(db: Database, queue: &'static str, owner: String, at_once: usize, work: W) -> Self {
        Self { db, queue, owner, at_once, work, watcher: Box::new(|_| ()) }
    }

    /// Tells `watcher` of each begin and end, for metrics.
    #[must_use]
    pub fn watched(mut self, watcher: impl Fn(Moment) + Send + Sync + 'static) -> Self {
        self.watcher = Box::new(watcher);
        self
    }

    /// Runs until the drain; `wake` is poked when this process stored a job.
    pub fn start(self, wake: Arc<Notify>, drain: &Drain) {
        let runner = Arc::new(self);
        let stop = drain.clone();
        drain.tracker().spawn(async move { runner.take_until_hinted(&wake, &stop).await });
    }

    async fn take_until_hinted(self: Arc<Self>, wake: &Notify, drain: &Drain) {
        let slots = Arc::new(Semaphore::new(self.at_once));
        loop {
            let slot = tokio::select! {
                biased;
                () = drain.hinted() => return,
                slot = Arc::clone(&slots).acquire_owned() => slot,
            };
            let Ok(slot) = slot else { return };
            match self.take().await {
                Ok(Some(job)) => {
                    let runner = Arc::clone(&self);
                    let drain = drain.clone();
                    drain.tracker().clone().spawn(async move {
                        runner.hold(job, &drain).await;
                        drop(slot);
                    });
                    continue;
                }
                Ok(None) => {}
                Err(error) => tracing::warn!(%error, queue = self.queue, "jobs could not be looked for"),
            }
            tokio::select! {
                biased;
                () = drain.hinted() => return,
                () = wake.notified() => {}
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }

    async fn take(&self) -> Result<Option<Job>, DbError> {
        let (queue, owner) = (self.queue, self.owner.clone());
        if !self.db.read(move |connection| super::waiting(connection, queue)).await? {
            return Ok(None);
        }
        self.db.write(Durability::Process, move |tx| super::take(tx, queue, &owner)).await
    }

    async fn hold(&self, job: Job, drain: &Drain) {
        let (id, attempt) = (job.id.clone(), job.attempt);
        tracing::debug!(job = id, attempt, queue = self.queue, "a job begins");
        (self.watcher)(Moment::Began);
        let outcome = self.run(job, drain).await;
        tracing::debug!(job = id, attempt, outcome = outcome.word(), "a job is not run here any more");
        (self.watcher)(Moment::Ended(outcome));
    }

    /// Runs one job beside its renewal; whichever ends first decides.
    async fn run(&self, job: Job, drain: &Drain) -> Outcome {
        let (id, attempt) = (job.id.clone(), job.attempt);
        tokio::select! {
            biased;
            result = self.work.run(job.clone()) => match result {
                Ok(()) => Outcome::Ended,
                Err(error) => {
                    tracing::warn!(job = id, attempt, %error, "a job stopped; it will be tried again");
                    self.give_back(job, true).await;
                    Outcome::Failed
                }
            },
            () = self.renew(&job) => {
                tracing::warn!(job = id, attempt, "a lease was lost");
                Outcome::LeaseLost
            }
            () = drain.cut() => {
                tracing::info!(job = id, attempt, "a job is given back");
                self.give_back(job, false).await;
                Outcome::GivenBack
            }
        }
    }

    async fn renew(&self, job: &Job) {
        let mut tick = tokio::time::interval(RENEW);
        tick.tick().await;
        loop {
            tick.tick().await;
            let mine = job.clone();
            match self.db.write(Durability::Process, move |tx| mine.renew(tx)).await {
                Ok(Fence::Lost) => return,
                Ok(Fence::Held | Fence::StopAsked) => {}
                // The next tick tries again; the fence guards what is stored meanwhile.
                Err(error) => tracing::warn!(%error, "a lease could not be renewed"),
            }
        }
    }

    async fn give_back(&self, job: Job, counts: bool) {
        let given = self.db.write(Durability::Process, move |tx| job.give_back(tx, counts)).await;
        if let Err(error) = given {
            tracing::warn!(%error, "a job could not be given back; its lease will run out");
        }
    }
}
