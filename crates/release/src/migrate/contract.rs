//! The contract step: what only older code needed is taken away, once no older code may serve any more.
//!
//! From the moment it begins nobody knows what is left for older code, so the floor rises before it: a crash leaves a
//! database that admits too little, never too much. There is no way down from it.

use std::collections::BTreeMap;

use model::{
    Explain, ProcessId, ReleaseNumber,
    manifest::{Migrate, MigrateStep},
    schema::DataSchema,
};

use super::{found, job, let_go_of_hold, old_side, with_output};
use crate::{
    deploy::End,
    journal::Kind,
    run::{Halt, Run},
    scene::Scene,
    state::{LeavingStage, State},
    world::{JobEnd, JobKind, World},
};

/// Whether nothing older than what serves may serve again, and there is something to do.
/// # Errors
/// What is in the way, with what removes it.
pub(crate) fn may_contract<W: World>(at: &Scene<W>, serving: ReleaseNumber) -> Result<(), Explain> {
    let state = at.books.read();
    let manifest = at.manifest(serving)?;
    let unchanged =
        |explain: Explain| explain.now(format!("the database is unchanged, release {serving} serves"));
    let contracting = manifest.migrate.as_ref().filter(|m| m.words(MigrateStep::Contract).is_some());
    let Some(code) = contracting.map(|migrate| migrate.code) else {
        let explain = Explain::new("no-contract-command", format!("release {serving} has no contract step"));
        return Err(unchanged(explain.help(
            "add `migrate.contract_command` to its manifest and deploy; with `tool = \"sql\"` the step is `NUMBER_NAME.contract.sql`",
        )));
    };
    let floor = state.schema.map_or(0, |data| data.floor);
    if floor >= code.schema {
        let message =
            format!("code below schema {floor} cannot run already: there is nothing left to contract");
        let help = "it is done by the release whose migration was the last that older code survived";
        return Err(unchanged(Explain::new("nothing-to-contract", message).help(help)));
    }
    for (release, why) in may_serve_again(&state, serving) {
        let Some(older) = at.manifest(release)?.migrate.as_ref().map(|m| m.code) else { continue };
        if older.schema < code.schema {
            let message =
                format!("release {release} could still serve, and its code is for schema {}", older.schema);
            return Err(unchanged(Explain::new("schema-contract", message).help(why.help(code.schema))));
        }
    }
    Ok(())
}

/// Why a release may serve again.
#[derive(Clone, Copy)]
enum Why {
    Drains,
    RollbackTarget,
}

impl Why {
    fn help(self, schema: u64) -> String {
        match self {
            Self::Drains => {
                "ask again when it has drained: `mainstay status` shows what it still holds".to_owned()
            }
            Self::RollbackTarget => format!(
                "a rollback returns to it: deploy once more for schema {schema}, and a rollback returns to a release \
                 that bears the contract step"
            ),
        }
    }
}

fn may_serve_again(state: &State, serving: ReleaseNumber) -> BTreeMap<ReleaseNumber, Why> {
    let targets =
        [state.last_stable_before(Some(serving)), state.other_stable(), state.stable.last().copied()];
    let targets = targets.into_iter().flatten().map(|release| (release, Why::RollbackTarget));
    let draining = state.leaving.iter().filter(|l| l.stage != LeavingStage::Stopping);
    let draining = draining.map(|l| (l.group.release, Why::Drains));
    let live = state.live.iter().map(|group| (group.release, Why::RollbackTarget));
    targets.chain(live).chain(draining).collect()
}

pub(super) async fn contract<W: World>(
    run: &mut Run<W>,
    migrate: &Migrate,
    before: u64,
) -> Result<End, Halt> {
    let floor = migrate.code.schema;
    run.log.note(format!("taking away what code below schema {floor} needed"));
    run.at.books.change(|state| {
        let known = state.schema.map_or(0, |data| data.floor);
        state.schema = Some(DataSchema { version: before, floor: floor.max(known) });
    })?;
    // Crash: the next keeper finds the job by its record, and the floor where it must be.
    let end = job(run, JobKind::MigrateContract, MigrateStep::Contract, migrate).await;
    let end = end.map_err(|error| stopped(run, error))?;
    conclude(run, migrate, &end).await
}

/// Takes up the contract step that another keeper began.
pub(crate) async fn take_up<W: World>(run: &mut Run<W>, process: ProcessId) -> Result<End, Halt> {
    let end = run.at.world.adopt_job(&run.at.site, process).await.unwrap_or(None).unwrap_or_default();
    match run.manifest.migrate.clone() {
        Some(migrate) => conclude(run, &migrate, &end).await,
        None => Ok(let_go_of_hold(run)),
    }
}

async fn conclude<W: World>(run: &mut Run<W>, migrate: &Migrate, end: &JobEnd) -> Result<End, Halt> {
    if !end.succeeded() {
        let explain = Explain::new("contract-held", "the contract step did not come to its end");
        return Err(stopped(run, with_output(explain.caused_by(end.word()), end)));
    }
    let version = found::read(run, migrate).await.map_err(|error| stopped(run, error))?.version;
    let data = run.at.books.change(|state| {
        let floor = state.schema.map_or(0, |data| data.floor).max(migrate.code.schema);
        let data = DataSchema { version, floor };
        state.schema = Some(data);
        data
    })?;
    run.log.append(Kind::MigrateDone { data })?;
    if let Err(error) = old_side(run).await {
        let message = format!(
            "the contract step is done, and the serving release fails its smoke requests on schema {version}"
        );
        let explain =
            Explain::new("contract-broke-old", message).caused_by(error.to_string()).now(run.now_serving());
        let explain = explain.help(
            "deploy a release that answers them on that schema; there is no way down from a contract step",
        );
        // The database is whole: the cure is a release, which nothing may keep out.
        return Err(Halt::Hold { explain, migration: false });
    }
    run.report.push(format!("only code of schema {} and above runs on the database from now on", data.floor));
    Ok(let_go_of_hold(run))
}

fn stopped<W: World>(run: &Run<W>, explain: Explain) -> Halt {
    let explain = explain.now(run.now_serving()).help(
        "look at the database, mend what stopped it, then `mainstay migrate retry` runs the contract step again: that of \
         the release that serves, so deploy a mended one first where the step itself is wrong. Older releases are not \
         returned to",
    );
    Halt::Hold { explain, migration: true }
}
