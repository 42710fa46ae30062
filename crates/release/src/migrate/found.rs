//! What the database says of itself, by the release's own way to ask it.

use std::time::Duration;

use api::migrate::{self, MigrateStatus};
use model::{
    Explain, ProcessId, ReleaseNumber,
    manifest::{HALF_DONE, LEADS_TO, Manifest, Migrate, MigrateStep, MigrateTool},
};
use ulid::Ulid;

use super::{job, with_output, words};
use crate::{
    run::Run,
    scene::Scene,
    world::{JobEnd, JobKind, JobOrder, World},
};

/// Somebody waits for `mainstay migrate status`.
const LOOK_LIMIT: Duration = Duration::from_secs(10);
/// Bound: names of steps that are told.
const HALF_DONE_MAX: usize = 16;

/// Where the database is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub version: u64,
    /// Steps that were begun and did not end, of those that lead up: it is between two versions then, whatever it says.
    pub half_done: Vec<String>,
    /// The schema that the steps of the release which was asked lead to, where they are known.
    pub leads_to: Option<u64>,
}

impl Found {
    /// `None`: the job did not say it.
    fn of(end: &JobEnd) -> Option<Self> {
        let last = end.stdout.iter().rev().map(|line| line.trim()).find(|line| !line.is_empty());
        let version = last.and_then(|line| line.parse().ok()).filter(|_| end.succeeded())?;
        let half_done = end.stdout.iter().filter_map(|line| line.trim().strip_prefix(HALF_DONE));
        let half_done = half_done.take(HALF_DONE_MAX).map(str::to_owned).collect();
        let leads_to = end.stdout.iter().find_map(|line| line.trim().strip_prefix(LEADS_TO)?.parse().ok());
        Some(Self { version, half_done, leads_to })
    }

    pub(super) fn is_whole(&self) -> bool {
        self.half_done.is_empty()
    }

    /// It has all that code of this schema wants.
    pub(super) fn has(&self, schema: u64) -> bool {
        self.version >= schema && self.is_whole()
    }

    /// What keeps it from being whole, as a sentence.
    pub(super) fn told_half_done(&self) -> String {
        format!("{} was begun, and did not come to its end", self.half_done.join(", "))
    }
}

pub(super) async fn read<W: World>(run: &Run<W>, migrate: &Migrate) -> Result<Found, Explain> {
    let end = job(run, JobKind::SchemaStatus, MigrateStep::Status, migrate).await?;
    Found::of(&end).ok_or_else(|| unreadable(migrate, &end))
}

/// What is known of the database and, where no run holds the lock (`is_free`), what it says itself.
pub(crate) async fn told<W: World>(at: &Scene<W>, is_free: bool) -> MigrateStatus {
    let state = at.books.read();
    let held = state.held_migration();
    let release = held.map(|held| held.release).or(state.serving).filter(|_| is_free);
    let found = match release {
        Some(release) => ask(at, release).await,
        None => None,
    };
    let held = held.map(|held| held.explain.clone());
    MigrateStatus { data: state.schema, serving: state.serving, held, found }
}

async fn ask<W: World>(at: &Scene<W>, release: ReleaseNumber) -> Option<migrate::Found> {
    let manifest = at.manifest(release).ok()?;
    let migrate = manifest.migrate.as_ref()?;
    let end = at.world.run_job(order(at, release, &manifest)?).await;
    let found = end.and_then(|end| Found::of(&end).ok_or_else(|| unreadable(migrate, &end)));
    Some(match found {
        Ok(Found { version, half_done, .. }) => migrate::Found::At { version, half_done },
        Err(why) => migrate::Found::Unreadable { why },
    })
}

fn order<W: World>(at: &Scene<W>, release: ReleaseNumber, manifest: &Manifest) -> Option<JobOrder> {
    let migrate = manifest.migrate.as_ref()?;
    let (argv, is_own) = words(migrate, MigrateStep::Status)?;
    Some(JobOrder {
        argv,
        is_own,
        env: migrate.env.clone(),
        env_secrets: migrate.env_secrets.clone(),
        timeout: LOOK_LIMIT,
        ..at.job_order(JobKind::SchemaStatus, ProcessId(Ulid::generate()), release, manifest)
    })
}

fn unreadable(migrate: &Migrate, end: &JobEnd) -> Explain {
    let help = match &migrate.tool {
        MigrateTool::Command => "the last line of `migrate.status_command` must be the version as a number",
        MigrateTool::Sql { .. } => {
            "the variable that `migrate.database` names must hold the address of a database that the app's user can open"
        }
        MigrateTool::Alembic { .. } | MigrateTool::Prisma { .. } => {
            "`migrate.program` must run in the release, as the app's user, and reach the database"
        }
    };
    let explain = Explain::new("schema-unreadable", "the schema version of the database cannot be read")
        .caused_by(end.word())
        .help(help);
    with_output(explain, end)
}
