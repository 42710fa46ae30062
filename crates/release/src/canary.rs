//! The canary, at the head of SWITCH: some clients get the new release, the others the old one, for a while. The figures of
//! both come from the same minutes. What goes wrong is met by those clients alone; the way back is a table without it.

use model::{Explain, manifest::Canary};

use crate::{
    bake::{self, OldSide},
    figures::{self, Baseline},
    gate::exits,
    journal::{Course, Kind},
    run::{Halt, Run},
    world::World,
};

/// Does nothing where none is wanted, where nothing served before, and on the way back to a release that was here.
pub(crate) async fn canary<W: World>(run: &mut Run<W>) -> Result<(), Halt> {
    let is_new = matches!(run.task.course, Course::New { .. }) && run.task.from.is_some();
    let Some(Canary { weight, duration }) = run.manifest.deploy.canary.filter(|_| is_new) else {
        return Ok(());
    };
    run.check_going().map_err(|error| error.now(run.now_serving()))?;
    run.before.exits = exits(&run.brought(), &run.at.observed().await?);
    let old = OldSide::SameMinutes(so_far(run).await?);
    run.log.append(Kind::CanaryIntent { weight })?;
    run.had_canary = true;
    // The time of a run up to its switch was not meant for watching.
    run.deadline += duration.0;
    // Crash: from here on the next keeper finds it in the books and takes it back.
    run.at.books.change(|state| state.canary = Some(weight))?;
    run.at.publish().await?;
    run.log.note(format!("{weight} % of the clients get release {} for {duration}", run.task.to));
    bake::watch(run, duration.0, &old).await.map_err(|halt| match halt {
        // The pointer has not moved: there is nothing to return, only something to withdraw.
        Halt::Return(error) => Halt::Abort(error.now(now(run, weight))),
        other => other,
    })
}

fn now<W: World>(run: &Run<W>, weight: u8) -> String {
    format!("{}; {weight} % of the clients had release {}", run.now_serving(), run.task.to)
}

/// What the edge has counted of the old side until now.
async fn so_far<W: World>(run: &Run<W>) -> Result<Baseline, Explain> {
    let pools = run.at.pools().await?;
    Ok(figures::of_live(&run.at.books.read(), &pools, |pool| &pool.traffic))
}
