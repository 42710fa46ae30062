//! BAKE: the new release serves, the old one stays warm. What goes wrong now is returned from at once.

use model::{Explain, InstanceName};
use tokio::time::Instant;

use crate::{
    gate::exits,
    run::{Halt, Run},
    smoke,
    state::Group,
    world::{Observed, PoolStatus, World},
};

pub(crate) async fn bake<W: World>(run: &mut Run<W>) -> Result<(), Halt> {
    let length = run.manifest.deploy.bake_time.0;
    let until = Instant::now() + length;
    let groups = run.brought();
    let questions = smoke::all(&run.manifest);
    let mut before = None;
    let mut smoke_at = Instant::now() + run.at.settings.smoke_every;
    loop {
        run.check_cancelled().map_err(Halt::Return)?;
        // An edge or a supervisor that does not answer says nothing about the release: look again.
        if let (Ok(observed), Ok(pools)) = (run.at.observed().await, run.at.pools().await) {
            let now = exits(&groups, &observed);
            let first_look = *before.get_or_insert(now);
            if now > first_look {
                return Err(crashed(run, &groups, &observed, &pools).await);
            }
            if let Some(name) = first_lost(&groups, &pools) {
                let explain =
                    Explain::new("release-unready", format!("{name} is no longer ready, {}", when(run)));
                return Err(Halt::Return(run.with_evidence(explain, name, &observed, &pools).await));
            }
        }
        if Instant::now() >= smoke_at {
            for question in &questions {
                ask_twice(run, &groups, question).await?;
            }
            smoke_at = Instant::now() + run.at.settings.smoke_every;
        }
        if Instant::now() >= until {
            run.log.note(format!("baked for {}", model::Span(length)));
            return Ok(());
        }
        run.pause().await;
    }
}

/// The first instance whose probes fail. One that is merely not ready yet is not lost: an edge that was restarted
/// begins to probe anew.
fn first_lost<'g>(groups: &'g [Group], pools: &[PoolStatus]) -> Option<&'g InstanceName> {
    let lost = |group: &&Group, name: &InstanceName| {
        let pool = pools.iter().find(|p| p.id == group.pool());
        pool.is_some_and(|p| p.upstreams.iter().any(|u| u.instance == *name && !u.ready && u.failures > 0))
    };
    let members = groups.iter().flat_map(|group| group.members.iter().map(move |m| (group, &m.name)));
    members.into_iter().find(|(group, name)| lost(group, name)).map(|(_, name)| name)
}

fn when<W: World>(run: &Run<W>) -> String {
    format!("within the bake time of {} after the switch", run.manifest.deploy.bake_time)
}

async fn crashed<W: World>(
    run: &Run<W>,
    groups: &[Group],
    observed: &[Observed],
    pools: &[PoolStatus],
) -> Halt {
    let ours = |o: &&Observed| groups.iter().flat_map(|g| &g.members).any(|m| m.name == o.name);
    let Some(worst) = observed.iter().filter(ours).max_by_key(|o| o.exits) else {
        return Halt::Return(Explain::new("release-crashed", "an instance of the new release ended"));
    };
    let explain = Explain::new("release-crashed", format!("{} ended by itself, {}", worst.name, when(run)));
    Halt::Return(run.with_evidence(explain, &worst.name, observed, pools).await)
}

/// One lost answer is no verdict: the second one is.
async fn ask_twice<W: World>(run: &Run<W>, groups: &[Group], question: &smoke::Question) -> Result<(), Halt> {
    if smoke::ask(run, groups, question).await.is_ok() {
        return Ok(());
    }
    smoke::ask(run, groups, question).await.map(drop).map_err(Halt::Return)
}
