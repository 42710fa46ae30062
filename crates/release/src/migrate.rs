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
mod found;

use self::found::Found;
pub(crate) use self::{
    by_hand::{by_hand, let_go_of_hold, take_up_down, way_down},
    contract::{may_contract, take_up as take_up_contract},
    found::told,
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
    let found = found::read(run, &migrate).await.map_err(|error| error.now(run.now_serving()))?;
    let known = note_version(run, found.version)?;
    let (before, target) = (origin(run, found.version), migrate.code.schema);
    leads_there(run, &found, target)?;
    if found.version >= target {
        goes_on_from(run, &found, before, target)?;
        run.log.note(format!("the database is at schema {}: nothing to migrate", found.version));
        admissible(run, &migrate, known)?;
        let_go_of_migration(run);
        return Ok(());
    }
    run.log.note(format!("migrating the database from schema {} to {target}", found.version));
    let old_is_down = old_side(run).await.is_err();
    let begun = Begun { before, target, old_is_down, process: None };
    run.migrates_from = Some(before);
    run.log.append(Kind::MigrateIntent { before, target, old_is_down })?;
    match job(run, JobKind::Migrate, MigrateStep::Up, &migrate).await {
        Ok(end) => conclude(run, begun, Some(end)).await,
        // Whether it began is not known: the database says it.
        Err(error) => match found::read(run, &migrate).await {
            Ok(after) if after == found => {
                let now = format!("the database is unchanged at schema {}", found.version);
                Err(Halt::Abort(error.now(format!("{now}; {}", run.now_serving()))))
            }
            _ => {
                run.log.warn(error);
                conclude(run, begun, None).await
            }
        },
    }
}

/// The schema from which what a migration may have left half done is told: the one before the migration that is held, where
/// one is, else the one of now.
fn origin<W: World>(run: &Run<W>, now: u64) -> u64 {
    let state = run.at.books.read();
    let Some(held) = state.held_migration().filter(|held| !held.contract) else { return now };
    let serving = state.serving.and_then(|release| run.at.manifest(release).ok());
    let of_serving = || serving.and_then(|manifest| manifest.migrate.as_ref().map(|m| m.code.schema));
    held.before.or_else(of_serving).unwrap_or(0)
}

/// # Errors
/// The release's steps lead elsewhere than its manifest says: of those above it none would be run, and nobody told.
fn leads_there<W: World>(run: &Run<W>, found: &Found, target: u64) -> Result<(), Halt> {
    let Some(last) = found.leads_to.filter(|last| *last != target) else { return Ok(()) };
    let message = format!("the migrations of release {} lead to schema {last}", run.task.to);
    let explain = Explain::new("schema-not-of-files", message)
        .caused_by(format!("`migrate.schema` says {target}"))
        .now(format!("the database is unchanged at schema {}; {}", found.version, run.now_serving()));
    Err(Halt::Abort(explain.help(format!(
        "say `schema = {last}`, and what it means for older code (`compatible_with`); or mend the folder: a file that is missing, \
         or one that does not belong to this release"
    ))))
}

/// Whether a release that has nothing to migrate may go on from here.
/// # Errors
/// The database is between two schemas, and this release has nothing that would lead out.
fn goes_on_from<W: World>(run: &Run<W>, found: &Found, before: u64, target: u64) -> Result<(), Halt> {
    let is_held = run.at.books.read().held_migration().is_some_and(|held| !held.contract);
    let is_known = !is_held || found.version == target || found.version == before;
    if found.is_whole() && is_known {
        return Ok(());
    }
    let message = format!("the database is between two schemas, and release {} is for {target}", run.task.to);
    let why = if found.is_whole() {
        format!("a migration stopped at {}", found.version)
    } else {
        found.told_half_done()
    };
    let explain = Explain::new("held", message).caused_by(why).now(run.now_serving());
    Err(Halt::Abort(
        explain.help("deploy a release whose migrations lead on from there, or `mainstay migrate down`"),
    ))
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
    let Begun { before, target, .. } = begun;
    let Some(migrate) = run.manifest.migrate.clone() else { return Ok(()) };
    let found = found::read(run, &migrate).await;
    let succeeded = end.as_ref().is_none_or(JobEnd::succeeded);
    let word = end.as_ref().map_or("its end is not known".to_owned(), JobEnd::word);
    let told = |code: &str, message: String| {
        let explain = Explain::new(code, message).caused_by(format!("the migration: {word}"));
        match &end {
            Some(end) => with_output(explain, end),
            None => explain,
        }
    };
    match found {
        Ok(found) if found.has(target) && succeeded => reached(run, begun, found.version).await,
        Ok(found) if found.is_whole() && found.version == before => {
            let mut explain = told("migration-failed", format!("the migration to schema {target} failed"));
            if succeeded {
                explain = explain
                    .caused_by(format!(
                        "its last step leads to schema {before}, and `migrate.schema` says {target}"
                    ))
                    .help("correct `migrate.schema`, or add the step that is missing to the release");
            }
            note_version(run, before)?;
            let_go_of_migration(run);
            Err(Halt::Abort(
                explain.now(format!("the database is unchanged at schema {before}; {}", run.now_serving())),
            ))
        }
        Ok(found) => {
            // What was done stands, even if not all of it was: who asks is told where the database is.
            run.at.books.change(|state| {
                let known = state.schema.unwrap_or(DataSchema { version: before, floor: 0 });
                state.schema = Some(known.after(found.version, migrate.compatible_with));
            })?;
            let message = format!("the migration to schema {target} stopped at {}", found.version);
            let explain = told("migration-held", message);
            let half_done = (!found.is_whole()).then(|| found.told_half_done());
            Err(held(run, half_done.into_iter().fold(explain, Explain::caused_by)))
        }
        Err(error) => {
            let message = format!("after the migration to schema {target} its version cannot be read");
            let explain = told("migration-held", message).caused_by(error.to_string());
            Err(held(run, explain))
        }
    }
}

/// The database has what the release wants.
async fn reached<W: World>(run: &mut Run<W>, begun: Begun, version: u64) -> Result<(), Halt> {
    let data = run.at.books.change(|state| {
        let known = state.schema.unwrap_or(DataSchema { version: begun.before, floor: 0 });
        let data = schema_after(&run.manifest, known);
        let data = DataSchema { version: version.max(data.version), ..data };
        state.schema = Some(data);
        data
    })?;
    run.log.append(Kind::MigrateDone { data })?;
    run.log.note(format!("the database is at schema {version}"));
    if !begun.old_is_down {
        old_side_survives(run, data).await?;
    }
    let_go_of_migration(run);
    Ok(())
}

/// The database is at a schema that is known. What a contract step took away is not known by that.
fn let_go_of_migration<W: World>(run: &mut Run<W>) {
    if run.at.books.read().held_migration().is_some_and(|held| !held.contract) {
        run.book(|state| state.held = None);
    }
}

fn held<W: World>(run: &Run<W>, explain: Explain) -> Halt {
    let goes_down = run.manifest.migrate.as_ref().is_some_and(Migrate::goes_down);
    let down = if goes_down { ", or `mainstay migrate down` takes it back" } else { "" };
    let explain = explain.now(run.now_serving()).help(format!(
        "`mainstay migrate status` asks the database where it is. Deploy a mended release, which goes on from there; or \
         `mainstay migrate retry` runs this one's migration again, unless you have set the database by hand to the schema \
         before it or to its target: it looks first{down}. Nothing is restored by itself",
    ));
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
    let Some((argv, is_own)) = words(migrate, step) else {
        let explain = Explain::new("no-such-step", "the manifest says of no such step with the database");
        return Err(explain.help("`migrate.down_command` and `contract_command` add them"));
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

/// The words of a step, and whether they are for Mainstay's own program. `None`: the manifest says of no such step.
fn words(migrate: &Migrate, step: MigrateStep) -> Option<(Vec<String>, bool)> {
    Some(match migrate.words(step)? {
        MigrateWords::Command(words) => (words, false),
        MigrateWords::Own(words) => (words, true),
    })
}

fn with_output(explain: Explain, end: &JobEnd) -> Explain {
    end.shown_in(if end.succeeded() { explain } else { symptoms::told(explain, &end.stderr, None) })
}
