//! MIGRATE: the database moves forward once, by the new code, while the old release serves.
//!
//! What the database is, is read before and after from the manifest's `status_command`, never assumed. A failure that
//! left it unchanged aborts; anything in between is held for a person. Nothing here restores data.

use model::{
    Explain, ProcessId,
    manifest::{Migrate, MigrateStep, MigrateWords},
    schema::DataSchema,
};
use ulid::Ulid;

mod by_hand;
mod contract;

pub(crate) use self::{
    by_hand::{by_hand, let_go_of_hold, take_up_down, way_down},
    contract::{may_contract, take_up as take_up_contract},
};
use crate::{
    journal::Kind,
    preflight::schema_after,
    recover::Begun,
    run::{Halt, Run},
    smoke, symptoms,
    world::{JobEnd, JobKind, JobOrder, World},
};

/// `status_command` answers within this.
const STATUS_LIMIT: std::time::Duration = std::time::Duration::from_secs(60);

pub(crate) async fn migrate<W: World>(run: &mut Run<W>) -> Result<(), Halt> {
    let Some(migrate) = run.manifest.migrate.clone().filter(|_| run.task.verb == "deploy") else {
        return Ok(());
    };
    let before = read_version(run, &migrate).await.map_err(|error| error.now(run.now_serving()))?;
    let known = note_version(run, before)?;
    let target = migrate.code.schema;
    if before >= target {
        run.log.note(format!("the database is at schema {before}: nothing to migrate"));
        return admissible(run, &migrate, known);
    }
    run.log.note(format!("migrating the database from schema {before} to {target}"));
    let old_is_down = old_side(run).await.is_err();
    let begun = Begun { before, target, old_is_down, process: None };
    run.log.append(Kind::MigrateIntent { before, target, old_is_down })?;
    match job(run, JobKind::Migrate, MigrateStep::Up, &migrate).await {
        Ok(end) => conclude(run, begun, Some(end)).await,
        // Whether it began is not known: the database says it.
        Err(error) => match read_version(run, &migrate).await {
            Ok(after) if after == before => Err(Halt::Abort(
                error.now(format!("the database is unchanged at schema {before}; {}", run.now_serving())),
            )),
            _ => {
                run.log.warn(error);
                conclude(run, begun, None).await
            }
        },
    }
}

/// Takes up a migration that another keeper began: waits for it if it lives, then looks.
pub(crate) async fn take_up<W: World>(run: &mut Run<W>, begun: Begun) -> Result<(), Halt> {
    let end = match begun.process {
        Some(process) => run.at.world.adopt_job(&run.at.site, process).await.unwrap_or(None),
        None => None,
    };
    conclude(run, begun, end).await
}

/// Reads what the database became: at the target, unchanged, or something between that a person must see.
async fn conclude<W: World>(run: &mut Run<W>, begun: Begun, end: Option<JobEnd>) -> Result<(), Halt> {
    let Begun { before, target, old_is_down, .. } = begun;
    let Some(migrate) = run.manifest.migrate.clone() else { return Ok(()) };
    let after = read_version(run, &migrate).await;
    let succeeded = end.as_ref().is_none_or(JobEnd::succeeded);
    let word = end.as_ref().map_or("its end is not known".to_owned(), JobEnd::word);
    let told = |code: &str, message: String| {
        let explain = Explain::new(code, message).caused_by(format!("the migration: {word}"));
        match &end {
            Some(end) => with_output(explain, end),
            None => explain,
        }
    };
    match after {
        Ok(after) if after >= target && succeeded => {
            let data = run.at.books.change(|state| {
                let data = schema_after(
                    &run.manifest,
                    state.schema.unwrap_or(DataSchema { version: before, floor: 0 }),
                );
                let data = DataSchema { version: after.max(data.version), ..data };
                state.schema = Some(data);
                data
            })?;
            run.log.append(Kind::MigrateDone { data })?;
            run.log.note(format!("the database is at schema {after}"));
            if old_is_down { Ok(()) } else { old_side_survives(run, data).await }
        }
        Ok(after) if after == before => {
            let mut explain = told("migration-failed", format!("the migration to schema {target} failed"));
            if succeeded {
                explain = explain
                    .caused_by(format!(
                        "its last step leads to schema {after}, and `migrate.schema` says {target}"
                    ))
                    .help("correct `migrate.schema`, or add the step that is missing to the release");
            }
            Err(Halt::Abort(
                explain.now(format!("the database is unchanged at schema {before}; {}", run.now_serving())),
            ))
        }
        Ok(after) => {
            // What was done stands, even if not all of it was: who asks is told where the database is.
            run.at.books.change(|state| {
                let known = state.schema.unwrap_or(DataSchema { version: before, floor: 0 });
                state.schema = Some(known.after(after, migrate.compatible_with));
            })?;
            let explain =
                told("migration-held", format!("the migration to schema {target} stopped at {after}"));
            Err(held(run, explain))
        }
        Err(error) => {
            let message = format!("after the migration to schema {target} its version cannot be read");
            let explain = told("migration-held", message).caused_by(error.to_string());
            Err(held(run, explain))
        }
    }
}

fn held<W: World>(run: &Run<W>, explain: Explain) -> Halt {
    let explain = explain.now(run.now_serving()).help(
        "look at the database, then `mainstay migrate retry` runs the migration again, or `mainstay migrate down` \
         takes it back; nothing is restored by itself",
    );
    Halt::Hold { explain, migration: true }
}

/// The old release must still answer on the new schema before anything is started beside it.
async fn old_side_survives<W: World>(run: &Run<W>, data: DataSchema) -> Result<(), Halt> {
    old_side(run).await.map_err(|error| {
        let message = format!("the serving release fails its smoke requests on schema {}", data.version);
        held(run, Explain::new("migration-broke-old", message).caused_by(error.to_string()))
    })
}

/// Whether what serves answers its smoke requests now.
async fn old_side<W: World>(run: &Run<W>) -> Result<(), Explain> {
    let state = run.at.books.read();
    let serving = state.serving.filter(|_| state.recess.is_none());
    let Some(old) = serving.and_then(|release| run.at.manifest(release).ok()) else { return Ok(()) };
    for question in smoke::all(&old).into_iter().filter(|q| q.proof.is_none()) {
        smoke::ask(run, &old, &state.live, &question).await?;
    }
    Ok(())
}

fn admissible<W: World>(run: &Run<W>, migrate: &Migrate, data: DataSchema) -> Result<(), Halt> {
    if migrate.code.may_run_on(data) {
        return Ok(());
    }
    let explain = Explain::new("schema-contract", format!("release {} cannot run on the database", run.task.to))
        .caused_by(format!(
            "its code is for schema {} and runs from {} on; the database is at {}, and code below {} breaks on it",
            migrate.code.schema, migrate.code.schema_min, data.version, data.floor
        ))
        .help("deploy a release that fits; or move the database with `mainstay migrate down`, unless that way was given up by `migrate contract`");
    Err(Halt::Abort(explain.now(run.now_serving())))
}

/// Somebody may have migrated by hand: what is read is what is true. What nobody said anything of is breaking: code for a
/// lower schema may not run on it.
fn note_version<W: World>(run: &Run<W>, version: u64) -> Result<DataSchema, Explain> {
    run.at.books.change(|state| {
        let data = match state.schema {
            Some(known) if known.version == version => known,
            Some(known) if known.version > version => DataSchema { version, floor: known.floor.min(version) },
            Some(_) | None => DataSchema { version, floor: version },
        };
        state.schema = Some(data);
        data
    })
}

/// Runs one of the manifest's commands in the new release, under an id that is journalled first.
async fn job<W: World>(
    run: &Run<W>,
    kind: JobKind,
    step: MigrateStep,
    migrate: &Migrate,
) -> Result<JobEnd, Explain> {
    let (argv, is_own) = match migrate.words(step) {
        Some(MigrateWords::Command(words)) => (words, false),
        Some(MigrateWords::Own(words)) => (words, true),
        None => {
            let explain = Explain::new("no-such-step", "the manifest says of no such step with the database");
            return Err(explain.help("`migrate.down_command` and `contract_command` add them"));
        }
    };
    let process = ProcessId(Ulid::generate());
    run.log.append(Kind::JobIntent { job: kind, process })?;
    let timeout = if kind == JobKind::SchemaStatus { STATUS_LIMIT } else { migrate.timeout.0 };
    let order = JobOrder {
        is_own,
        env: migrate.env.clone(),
        env_secrets: migrate.env_secrets.clone(),
        ..run.job_order(kind, process, argv, timeout)
    };
    // A cancel does not end a migration: half a migration is worse than a late end.
    let end = run.at.world.run_job(order).await?;
    run.log.tell(Kind::JobDone { job: kind, process, end: end.word() });
    Ok(end)
}

async fn read_version<W: World>(run: &Run<W>, migrate: &Migrate) -> Result<u64, Explain> {
    let end = job(run, JobKind::SchemaStatus, MigrateStep::Status, migrate).await?;
    let last = end.stdout.iter().rev().map(|line| line.trim()).find(|line| !line.is_empty());
    let version = last.and_then(|line| line.parse().ok()).filter(|_| end.succeeded());
    version.ok_or_else(|| {
        let explain = Explain::new("schema-unreadable", "the schema version of the database cannot be read")
            .caused_by(end.word())
            .help("the last line of `migrate.status_command` must be the version as a number");
        with_output(explain, &end)
    })
}

fn with_output(explain: Explain, end: &JobEnd) -> Explain {
    end.shown_in(if end.succeeded() { explain } else { symptoms::told(explain, &end.stderr, None) })
}
