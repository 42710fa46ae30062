//! What is true of a site now, in the API's words.

use api::{
    deploy::Record,
    status::{Frozen, Instance, Maintenance, Recycled, Release, ServiceStatus, SiteStatus, Underway},
};
use model::{Explain, InstanceName, ReleaseNumber};

use crate::{
    begin::freeze,
    environment,
    scene::Scene,
    schedules,
    state::{Fate, Group, LeavingStage, State},
    table::has_pool,
    world::{Observed, PoolStatus, World},
};

/// Everything that `mainstay status` shows. An edge that does not answer is not an error: what it would say is absent.
pub(crate) async fn site<W: World>(
    at: &Scene<W>,
    deploy: Option<Underway>,
    last: Option<Record>,
) -> Result<SiteStatus, Explain> {
    let observed = at.observed().await?;
    let pools = at.pools().await.unwrap_or_default();
    let in_effect = at.world.in_effect(&at.site).await.unwrap_or_default();
    let state = at.books.read();
    let mut services = Vec::new();
    let groups = state.live.iter().map(|g| (g, "live"));
    let groups = groups.chain(state.candidate.iter().map(|g| (g, "candidate")));
    for (group, word) in groups {
        services.push(service(at, &state, (group, word), &observed, &pools));
    }
    for leaving in &state.leaving {
        let told = service(at, &state, (&leaving.group, "draining"), &observed, &pools);
        services.push(ServiceStatus { open: leaving.open(&pools), ..told });
    }
    let urls = state.serving.and_then(|release| at.manifest(release).ok());
    let mut jobs = at.world.jobs(&at.site);
    for job in jobs.iter_mut().filter(|job| job.operator.is_none()) {
        job.operator = deploy.as_ref().map(|deploy| deploy.operator.clone());
    }
    Ok(SiteStatus {
        site: at.site.clone(),
        serving: in_effect.served.and_then(|served| served.release),
        unwritten: in_effect.unwritten,
        last_stable: state.stable.last().copied(),
        urls: urls.map(|m| at.world.urls(&m.routes)).unwrap_or_default(),
        services,
        deploy,
        canary: state.canary,
        maintenance: state.posted.as_ref().map(|posted| Maintenance {
            notice: posted.notice.clone(),
            since: posted.since.clone(),
            operator: posted.operator.clone(),
        }),
        recess: state.recess.as_ref().map(|recess| recess.since.clone()),
        frozen: freeze::standing(at).map(|frozen| Frozen {
            freeze: frozen.freeze,
            since: frozen.since,
            operator: frozen.operator,
        }),
        paused: state.paused.clone(),
        held: state.held.as_ref().map(|held| held.explain.clone()),
        last,
        jobs,
        schedules: schedules::told(at),
    })
}

fn service<W: World>(
    at: &Scene<W>,
    state: &State,
    (group, word): (&Group, &str),
    observed: &[Observed],
    pools: &[PoolStatus],
) -> ServiceStatus {
    let manifest = at.manifest(group.release).ok();
    let pool = pools.iter().find(|p| p.id == group.pool());
    let routed = manifest.as_ref().is_some_and(|m| has_pool(m, &group.service));
    let own = manifest.as_ref().and_then(|m| m.services.get(&group.service)).map(|s| s.instances);
    let wanted = manifest.as_ref().map_or(0, |m| state.instances(m, &group.service));
    ServiceStatus {
        service: group.service.clone(),
        release: group.release,
        state: word.to_owned(),
        wanted: if word == "live" { wanted } else { group.members.len().try_into().unwrap_or(u32::MAX) },
        scaled: own.is_some_and(|own| own.get() != wanted),
        instances: group.members.iter().map(|m| instance(&m.name, observed, pool, routed)).collect(),
        open: pool.map(|pool| pool.open),
        recycled: state
            .recycled
            .get(&group.service)
            .filter(|_| word == "live")
            .map(|recycled| Recycled { count: recycled.count, last: recycled.at.clone() }),
    }
}

fn instance(name: &InstanceName, observed: &[Observed], pool: Option<&PoolStatus>, routed: bool) -> Instance {
    let seen = observed.iter().find(|o| o.name == *name);
    let ready = pool.map(|p| p.upstreams.iter().any(|u| u.instance == *name && u.ready));
    Instance {
        name: name.clone(),
        pid: seen.and_then(|o| o.pid),
        state: seen.map_or("stopped", |o| o.state.word()).to_owned(),
        ready: routed.then_some(ready.unwrap_or(false)),
        address: seen.and_then(|o| o.address.as_ref()).map(ToString::to_string),
        since: seen.and_then(|o| o.since.clone()),
        restarts: seen.map_or(0, |o| o.exits),
        restarts_last_hour: seen.map_or(0, |o| o.exits_last_hour),
        last_exit: seen.and_then(|o| o.last_exit.clone()),
        memory_bytes: seen.and_then(|o| o.memory_bytes),
        // Only the processes themselves know; whoever is asked for a status asks them.
        refused_calls: Default::default(),
    }
}

/// The releases on the machine, newest first.
pub(crate) fn releases<W: World>(at: &Scene<W>) -> Vec<Release> {
    let state = at.books.read();
    let release = |(number, record): (&ReleaseNumber, &crate::state::ReleaseRecord)| Release {
        number: *number,
        id: record.id,
        digest: record.digest.clone(),
        created: record.created.clone(),
        operator: record.operator.clone(),
        bytes: record.bytes,
        state: release_word(&state, *number, record.fate).to_owned(),
        schema: record.schema,
        environment: at.manifest(*number).ok().map(|manifest| environment::told(record, &manifest)),
    };
    state.releases.iter().rev().map(release).collect()
}

fn release_word(state: &State, number: ReleaseNumber, fate: Fate) -> &'static str {
    if state.serving == Some(number) {
        return "serving";
    }
    let drains = |l: &crate::state::Leaving| l.group.release == number && l.stage != LeavingStage::Warm;
    if state.leaving.iter().any(drains) {
        return "draining";
    }
    match fate {
        Fate::Stable => "stable",
        Fate::Failed => "failed",
        Fate::Staging | Fate::Staged => "staged",
    }
}
