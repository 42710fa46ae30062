//! MIGRATE: the database moves forward once, by the new code, while the old release serves.
//!
//! What the database is, is read before and after from the manifest's `status_command`, never assumed. A failure that
//! left it unchanged aborts; anything in between is held for a person. Nothing here restores data.

use model::{
    Explain, ProcessId, ReleaseNumber,
    manifest::{Manifest, Migrate},
    schema::DataSchema,
};
use ulid::Ulid;

use crate::{
    deploy::End,
    journal::Kind,
    preflight::schema_after,
    recover::Begun,
    request::MigrateVerb,
    run::{Halt, Run},
    smoke, symptoms,
    world::{JobEnd, JobKind, JobOrder, World},
};
use api::deploy::Outcome;

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
    match job(run, JobKind::Migrate, &migrate.command, &migrate).await {
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
            let explain = told("migration-failed", format!("the migration to schema {target} failed"));
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
    let Some(old) = state.serving.and_then(|release| run.at.manifest(release).ok()) else { return Ok(()) };
    for question in smoke::all(&old).into_iter().filter(|q| q.proof.is_none()) {
        smoke::ask(run, &state.live, &question).await?;
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
        .help("deploy a release that fits, or move the database with `mainstay migrate down`");
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
    argv: &[String],
    migrate: &Migrate,
) -> Result<JobEnd, Explain> {
    let process = ProcessId(Ulid::generate());
    run.log.append(Kind::JobIntent { job: kind, process })?;
    let timeout = if kind == JobKind::SchemaStatus { STATUS_LIMIT } else { migrate.timeout.0 };
    let order = JobOrder {
        site: run.at.site.clone(),
        kind,
        process,
        argv: argv.to_vec(),
        cwd: run.release_dir(),
        env: migrate.env.clone(),
        env_secrets: migrate.env_secrets.clone(),
        release: run.task.to,
        release_dir: run.release_dir(),
        shared_dir: run.at.layout.shared(),
        stdin: None,
        writable: vec![run.at.layout.shared()],
        timeout,
        scheduled: None,
    };
    // A cancel does not end a migration: half a migration is worse than a late end.
    let end = run.at.world.run_job(order).await?;
    run.log.tell(Kind::JobDone { job: kind, process, end: end.word() });
    Ok(end)
}

async fn read_version<W: World>(run: &Run<W>, migrate: &Migrate) -> Result<u64, Explain> {
    let end = job(run, JobKind::SchemaStatus, &migrate.status_command, migrate).await?;
    let last = end.stdout.iter().rev().map(|line| line.trim()).find(|line| !line.is_empty());
    let version = last.and_then(|line| line.parse().ok()).filter(|_| end.succeeded());
    version.ok_or_else(|| {
        let explain =
            Explain::new("schema-unreadable", "`migrate.status_command` did not print a schema version")
                .caused_by(end.word())
                .help("its last line must be the version as a number");
        with_output(explain, &end)
    })
}

fn with_output(explain: Explain, end: &JobEnd) -> Explain {
    let tail = |lines: &[String]| lines[lines.len().saturating_sub(50)..].to_vec();
    let mut explain = if end.succeeded() { explain } else { symptoms::told(explain, &end.stderr, None) };
    for (title, lines) in [("its last output", &end.stdout), ("its last errors", &end.stderr)] {
        if !lines.is_empty() {
            explain = explain.detail(title, tail(lines));
        }
    }
    explain
}

/// `mainstay migrate retry|down` on a held migration, or `down` from what serves.
pub(crate) async fn by_hand<W: World>(run: &mut Run<W>, verb: MigrateVerb) -> Result<End, Halt> {
    let Some(migrate) = run.manifest.migrate.clone() else { return Ok(End::well(Outcome::Unchanged)) };
    let before = read_version(run, &migrate).await.map_err(|error| held(run, error))?;
    match verb {
        MigrateVerb::Retry => {
            let target = migrate.code.schema;
            let old_is_down = old_side(run).await.is_err();
            run.log.append(Kind::MigrateIntent { before, target, old_is_down })?;
            let end =
                job(run, JobKind::Migrate, &migrate.command, &migrate).await.map_err(|e| held(run, e))?;
            let begun = Begun { before, target, old_is_down, process: None };
            conclude(run, begun, Some(end)).await.map_err(|halt| match halt {
                Halt::Abort(explain) | Halt::Return(explain) => held(run, explain),
                held => held,
            })?;
            run.report.push(format!(
                "the database is at schema {target}: `mainstay deploy --release {}` goes on",
                run.task.to
            ));
        }
        MigrateVerb::Down => down(run, &migrate, before).await?,
    }
    Ok(let_go_of_hold(run))
}

/// Whether the release that serves can be served by the schema below: nobody but the way down itself knows where it ends,
/// but code that needs today's schema would break for certain.
/// # Errors
/// There is no way down, or the release does not run on a lower schema.
pub(crate) fn way_down(
    manifest: &Manifest,
    release: ReleaseNumber,
    data: Option<DataSchema>,
) -> Result<(), Explain> {
    let Some(migrate) = manifest.migrate.as_ref().filter(|migrate| migrate.down_command.is_some()) else {
        let explain = Explain::new("no-down-command", format!("release {release} has no way down"));
        return Err(explain.help("add `migrate.down_command` to its manifest and deploy"));
    };
    let (min, version) = (migrate.code.schema_min, data.map_or(migrate.code.schema, |data| data.version));
    if min < version {
        return Ok(());
    }
    let message =
        format!("release {release} serves, and runs from schema {min} on; the database is at {version}");
    Err(Explain::new("schema-contract", message)
        .now(format!("the database is unchanged, release {release} serves"))
        .help(
            "deploy a release first that also runs on the lower schema (`migrate.schema_min`), then go down",
        ))
}

/// The database is where it should be: deploys may go on.
pub(crate) fn let_go_of_hold<W: World>(run: &mut Run<W>) -> End {
    run.book(|state| state.held = None);
    End::well(Outcome::Unchanged)
}

async fn down<W: World>(run: &mut Run<W>, migrate: &Migrate, before: u64) -> Result<(), Halt> {
    let Some(command) = &migrate.down_command else {
        let explain = Explain::new("no-down-command", "this release has no `migrate.down_command`")
            .help("add one and deploy, or mend the database by hand and `mainstay migrate retry`");
        return Err(held(run, explain));
    };
    let end = job(run, JobKind::MigrateDown, command, migrate).await.map_err(|error| held(run, error))?;
    let after = read_version(run, migrate).await.map_err(|error| held(run, error))?;
    let serving = run.at.books.read().serving.and_then(|release| run.at.manifest(release).ok());
    let code = serving.and_then(|manifest| manifest.migrate.as_ref().map(|m| m.code));
    let fits = code.is_none_or(|code| code.schema_min <= after && after <= code.schema);
    if !end.succeeded() || !fits {
        let message =
            format!("the way down ended at schema {after}, which is not where the serving release belongs");
        let explain = with_output(Explain::new("migration-held", message).caused_by(end.word()), &end);
        return Err(held(run, explain));
    }
    let floor = run.at.books.read().schema.map_or(0, |known| known.floor.min(after));
    let data = DataSchema { version: after, floor };
    run.at.books.change(|state| state.schema = Some(data))?;
    run.log.append(Kind::MigrateDone { data })?;
    run.report.push(format!("the database went from schema {before} back to {after}"));
    Ok(())
}
