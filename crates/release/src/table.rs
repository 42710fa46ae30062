//! The site's table for the edge, as a pure function of the books and of what runs.

use std::{collections::BTreeMap, sync::Arc};

use model::{ReleaseNumber, ServiceName, manifest::Manifest};

use crate::{
    state::{Group, LeavingStage, State},
    world::{Observed, Pool, PoolId, PoolState, SiteTable, TableRoute, Upstream},
};

pub(crate) type Manifests = BTreeMap<ReleaseNumber, Arc<Manifest>>;

/// What visitors read in a recess.
const RECESS_WORDS: &str = "A new version is being put in place. Please try again in a few minutes.";

/// Pools of all groups that the edge has to do with, routes to the live ones.
pub(crate) fn build(state: &State, manifests: &Manifests, observed: &[Observed]) -> SiteTable {
    let mut pools = Vec::new();
    let mut add = |group: &Group, pool_state| {
        let manifest = manifests.get(&group.release);
        pools.extend(manifest.and_then(|manifest| pool(group, pool_state, manifest, observed)));
    };
    // What a route leads to must be live, and so must a canary.
    let candidates = state.canary.map_or(PoolState::Candidate, |_| PoolState::Live);
    state.candidate.iter().for_each(|group| add(group, candidates));
    state.live.iter().for_each(|group| add(group, PoolState::Live));
    // Who left a pool that serves on is drained by its absence from it.
    let draining = state.leaving.iter().filter(|l| l.stage != LeavingStage::Stopping && l.left.is_none());
    draining.for_each(|leaving| add(&leaving.group, PoolState::Draining));
    let routes =
        state.serving.and_then(|serving| manifests.get(&serving)).map(|m| routes(state, m, manifests));
    let routes: Vec<TableRoute> = routes.unwrap_or_default();
    let is_closed = !routes.is_empty() && routes.iter().all(|route| state.rests(route.pool.generation));
    SiteTable {
        generation: state.generation,
        release: state.serving.filter(|_| !is_closed),
        pools,
        routes,
        maintenance: is_closed.then(|| RECESS_WORDS.to_owned()),
        notice: state.posted.as_ref().map(|posted| posted.notice.clone()),
    }
}

/// Whether the edge knows the service's instances: those it routes to, and those it is asked to probe.
pub(crate) fn has_pool(manifest: &Manifest, service: &ServiceName) -> bool {
    manifest.services.get(service).is_some_and(|wanted| {
        wanted.listen.is_some() && (manifest.is_routed(service) || wanted.probes.readiness.is_some())
    })
}

fn pool(group: &Group, state: PoolState, manifest: &Manifest, observed: &[Observed]) -> Option<Pool> {
    let service = manifest.services.get(&group.service).filter(|_| has_pool(manifest, &group.service))?;
    let readiness = service.probes.readiness.clone();
    let own_host = readiness.as_ref().and_then(|probe| probe.request.host.clone());
    let first_host = || manifest.host_of(&group.service).map(str::to_owned);
    let upstream = |seen: &Observed| {
        let address = seen.address.clone()?;
        Some(Upstream { instance: seen.name.clone(), process: seen.process, address })
    };
    let members = group.members.iter().filter_map(|member| observed.iter().find(|o| o.name == member.name));
    Some(Pool {
        id: group.pool(),
        release: group.release,
        state,
        readiness,
        host: own_host.or_else(first_host).unwrap_or_else(|| "localhost".into()),
        drain: manifest.drain.clone(),
        upstreams: members.filter_map(upstream).collect(),
    })
}

fn routes(state: &State, manifest: &Manifest, manifests: &Manifests) -> Vec<TableRoute> {
    // A release may keep a service of that name and send nobody there.
    let can_serve =
        |group: &&Group| manifests.get(&group.release).is_some_and(|new| new.is_routed(&group.service));
    let route = |route: &model::manifest::Route| {
        let of_service = |group: &&Group| group.service == route.service;
        let canary = state.candidate.iter().find(of_service).filter(can_serve).map(Group::pool);
        let pool = state.live.iter().find(of_service)?.pool();
        Some(TableRoute { route: route.clone(), pool, canary: canary.zip(state.canary) })
    };
    manifest.routes.iter().filter_map(route).collect()
}

/// Which of these groups' pools a request for (host, path) would reach under this manifest: an exact host before any
/// host, then the longest prefix of whole segments.
pub(crate) fn pool_for(manifest: &Manifest, groups: &[Group], host: &str, path: &str) -> Option<PoolId> {
    let path = path.split(['?', '#']).next().unwrap_or(path);
    let matches = |route: &&model::manifest::Route| {
        let prefix = route.path_prefix.trim_end_matches('/');
        let host_fits = route.hosts.is_empty() || route.hosts.iter().any(|h| h.eq_ignore_ascii_case(host));
        let rest = path.strip_prefix(prefix);
        host_fits && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let best = manifest
        .routes
        .iter()
        .filter(matches)
        .max_by_key(|route| (!route.hosts.is_empty(), route.path_prefix.trim_end_matches('/').len()))?;
    groups.iter().find(|group| group.service == best.service).map(Group::pool)
}
