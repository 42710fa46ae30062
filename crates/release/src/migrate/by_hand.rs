//! What a person does with the database: run a held migration again, take it back, or end what older code needed.

use api::deploy::Outcome;
use model::{
    Explain, ProcessId, ReleaseNumber,
    manifest::{Manifest, Migrate, MigrateStep},
    schema::DataSchema,
};

use super::{
    conclude, contract,
    found::{self, Found},
    held, job, let_go_of_migration, note_version, old_side, origin, reached, with_output,
};
use crate::{
    deploy::End,
    journal::Kind,
    recess,
    recover::Begun,
    request::MigrateVerb,
    run::{Halt, Run},
    world::{JobEnd, JobKind, World},
};

/// `mainstay migrate retry|down` on a held migration, `down` and `contract` from what serves.
pub(crate) async fn by_hand<W: World>(run: &mut Run<W>, verb: MigrateVerb) -> Result<End, Halt> {
    let Some(migrate) = run.manifest.migrate.clone() else { return Ok(End::well(Outcome::Unchanged)) };
    let found = found::read(run, &migrate).await.map_err(|error| held(run, error))?;
    match verb {
        MigrateVerb::Contract => contract::contract(run, &migrate, found.version).await,
        MigrateVerb::Retry if run.contracts() => contract::contract(run, &migrate, found.version).await,
        MigrateVerb::Retry => retry(run, &migrate, &found).await,
        MigrateVerb::Down => down(run, &migrate, found.version).await,
    }
}

/// Somebody may have mended the database by hand: it is asked before anything runs on it.
async fn retry<W: World>(run: &mut Run<W>, migrate: &Migrate, found: &Found) -> Result<End, Halt> {
    let (before, target) = (origin(run, found.version), migrate.code.schema);
    let old_is_down = old_side(run).await.is_err();
    let begun = Begun { before, target, old_is_down, process: None };
    run.migrates_from = Some(before);
    if found.has(target) {
        run.log.note("the database has all that the migration brings: nothing is run");
        reached(run, begun, found.version).await?;
    } else if found.is_whole() && found.version == before {
        return Err(was_taken_back(run, before)?);
    } else {
        run.log.append(Kind::MigrateIntent { before, target, old_is_down })?;
        let end = job(run, JobKind::Migrate, MigrateStep::Up, migrate).await.map_err(|e| held(run, e))?;
        conclude(run, begun, Some(end)).await?;
    }
    run.report.push(format!(
        "the database is at schema {target}: `mainstay deploy --release {}` goes on",
        run.task.to
    ));
    Ok(let_go_of_hold(run))
}

/// The database is as it was before the migration that is held: so is everything else.
fn was_taken_back<W: World>(run: &mut Run<W>, before: u64) -> Result<Halt, Halt> {
    note_version(run, before)?;
    let_go_of_migration(run);
    let message = format!("the database is at schema {before}, as before the migration: it is given up");
    let explain = Explain::new("migration-given-up", message)
        .now(format!("nothing is held any more; {}", run.now_serving()))
        .help("deploy a mended release");
    Ok(Halt::Abort(explain))
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
    let Some(migrate) = manifest.migrate.as_ref().filter(|migrate| migrate.goes_down()) else {
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

/// The database is where it should be, and what serves serves on it.
pub(crate) fn let_go_of_hold<W: World>(run: &mut Run<W>) -> End {
    run.book(|state| state.held = None);
    let state = run.at.books.read();
    // What is held does not serve yet, however well its migration went.
    let serves = state.serving == Some(run.task.to) && state.recess.is_none();
    End::well(if serves { Outcome::Served } else { Outcome::Unchanged })
}

const NO_WAY_DOWN: &str = "set the database back by hand, then `mainstay migrate retry`, which looks at it first; or deploy a \
    mended release, whose migration goes on from where the database is";

async fn down<W: World>(run: &mut Run<W>, migrate: &Migrate, before: u64) -> Result<End, Halt> {
    if !migrate.goes_down() {
        let explain =
            Explain::new("no-down-command", "this release has no `migrate.down_command`").help(NO_WAY_DOWN);
        return Err(Halt::Hold { explain: explain.now(run.now_serving()), migration: true });
    }
    let step = MigrateStep::Down { to: lower(run, migrate) };
    let end = job(run, JobKind::MigrateDown, step, migrate).await.map_err(|error| held(run, error))?;
    down_ended(run, migrate, before, Some(end)).await
}

/// Takes up the way down that another keeper began: waits for it if it lives, then looks.
pub(crate) async fn take_up_down<W: World>(
    run: &mut Run<W>,
    process: ProcessId,
    is_done: bool,
) -> Result<End, Halt> {
    let Some(migrate) = run.manifest.migrate.clone() else { return Ok(let_go_of_hold(run)) };
    let end = run.at.world.adopt_job(&run.at.site, process).await.unwrap_or(None);
    // The books follow the journal when it has ended.
    let before = run.at.books.read().schema.map_or(migrate.code.schema, |data| data.version);
    let end = end.or(is_done.then(|| JobEnd { code: Some(0), ..JobEnd::default() }));
    down_ended(run, &migrate, before, end).await
}

/// Reads where the way down has led. `end`: `None` where it is not known.
async fn down_ended<W: World>(
    run: &mut Run<W>,
    migrate: &Migrate,
    before: u64,
    end: Option<JobEnd>,
) -> Result<End, Halt> {
    let after = found::read(run, migrate).await.map_err(|error| held(run, error))?.version;
    let serving = run.at.books.read().serving.and_then(|release| run.at.manifest(release).ok());
    let code = serving.and_then(|manifest| manifest.migrate.as_ref().map(|m| m.code));
    let fits = code.is_none_or(|code| code.schema_min <= after && after <= code.schema);
    if end.is_none() && after == before {
        let explain = Explain::new("keeper-restarted", "the keeper ended while the way down was begun")
            .now(format!("the database is at schema {after}, as before; {}", run.now_serving()))
            .help("`mainstay migrate down` once more");
        return Err(Halt::Abort(explain));
    }
    let has_failed = !end.as_ref().is_none_or(JobEnd::succeeded);
    if has_failed && fits && after == before && run.at.books.read().held.is_none() {
        // It has refused: nothing is in doubt that was not before.
        let end = end.unwrap_or_default();
        let explain = Explain::new("way-down-refused", "the way down ended without leading anywhere")
            .now(format!("the database is at schema {after}, as before; {}", run.now_serving()));
        return Err(Halt::Abort(with_output(explain.caused_by(end.word()), &end)));
    }
    if has_failed || !fits {
        let message = match fits {
            true => format!("the way down did not come to its end; the database is at schema {after}"),
            false => format!(
                "the way down ended at schema {after}, which is not where the serving release belongs"
            ),
        };
        let end = end.unwrap_or_default();
        let explain = with_output(Explain::new("migration-held", message).caused_by(end.word()), &end);
        return Err(held(run, explain));
    }
    let floor = run.at.books.read().schema.map_or(0, |known| known.floor.min(after));
    let data = DataSchema { version: after, floor };
    run.log.append(Kind::MigrateDone { data })?;
    // Crash: the next keeper finds the record, and writes the books again.
    run.at.books.change(|state| state.schema = Some(data))?;
    run.report.push(match before == after {
        true => format!("the way down came to its end; the database is at schema {after}"),
        false => format!("the database went from schema {before} back to {after}"),
    });
    if let recess::Back::Stopped(error) = recess::bring_back(run).await {
        return Err(held(run, error));
    }
    Ok(let_go_of_hold(run))
}

/// Where the way down leads: from what is held to what the serving release was written for, from what serves to the lowest
/// that it bears.
fn lower<W: World>(run: &Run<W>, migrate: &Migrate) -> u64 {
    let serving = run.at.books.read().serving.filter(|release| *release != run.task.to);
    let serving = serving.and_then(|release| run.at.manifest(release).ok());
    let of_serving = serving.and_then(|manifest| manifest.migrate.as_ref().map(|m| m.code.schema));
    of_serving.unwrap_or(migrate.code.schema_min)
}
