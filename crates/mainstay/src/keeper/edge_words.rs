//! The deploy machine's words for pools and addresses, in the edge's, and back.

use edge::table;
use model::Site;
use release::world;

/// A pool's name at the edge: `assistant/production/web@7`.
pub(crate) fn pool_id(site: &Site, pool: &world::PoolId) -> table::PoolId {
    table::PoolId::new(site, &pool.service, pool.generation)
}

pub(crate) fn site_table(site: &Site, part: &world::SiteTable) -> table::SiteTable {
    table::SiteTable {
        site: site.clone(),
        generation: part.generation,
        release: part.release,
        pools: part.pools.iter().map(|pool| edge_pool(site, part, pool)).collect(),
        routes: part
            .routes
            .iter()
            .map(|entry| table::RouteEntry {
                route: entry.route.clone(),
                pool: pool_id(site, &entry.pool),
                canary: entry
                    .canary
                    .as_ref()
                    .map(|(pool, weight)| table::Canary { pool: pool_id(site, pool), weight: *weight }),
            })
            .collect(),
        maintenance: part.maintenance.clone(),
        notice: part.notice.clone(),
    }
}

fn edge_pool(site: &Site, part: &world::SiteTable, pool: &world::Pool) -> table::Pool {
    let leads_here = part.routes.iter().find(|entry| entry.pools().any(|leads_to| *leads_to == pool.id));
    table::Pool {
        id: pool_id(site, &pool.id),
        service: pool.id.service.clone(),
        release: pool.release,
        state: match pool.state {
            world::PoolState::Candidate => table::PoolState::Candidate,
            world::PoolState::Live => table::PoolState::Live,
            world::PoolState::Draining => table::PoolState::Draining,
        },
        upstreams: pool.upstreams.iter().map(upstream).collect(),
        readiness: pool.readiness.clone(),
        probe_host: Some(pool.host.clone()),
        drain: pool.drain.clone(),
        balance: leads_here.map_or(model::manifest::Balance::LeastConnections, |entry| entry.route.balance),
    }
}

fn upstream(upstream: &world::Upstream) -> table::Upstream {
    table::Upstream {
        name: upstream.instance.clone(),
        process: upstream.process,
        address: upstream.address.clone(),
    }
}

/// What the edge says of the pools of one site, with what edges that drain still hold of them. Of those only what is open
/// counts: whether an instance is ready, and how users fare, is what the edge says that serves them.
pub(crate) fn pools(
    site: &Site,
    status: &edge::control::Status,
    held: &[edge::control::PoolStatus],
) -> Vec<world::PoolStatus> {
    let mut pools = serving(site, &status.pools);
    for old in serving(site, held) {
        match pools.iter_mut().find(|pool| pool.id == old.id) {
            Some(pool) => {
                pool.open.http += old.open.http;
                pool.open.streams += old.open.streams;
                pool.open.websockets += old.open.websockets;
            }
            None => pools.push(world::PoolStatus {
                upstreams: Vec::new(),
                requests: 0,
                traffic: Default::default(),
                recent: Default::default(),
                foreign: 0,
                ..old
            }),
        }
    }
    pools
}

fn serving(site: &Site, pools: &[edge::control::PoolStatus]) -> Vec<world::PoolStatus> {
    let prefix = format!("{site}/");
    let mine = pools.iter().filter(|pool| pool.site == *site);
    mine.filter_map(|pool| Some((parse_pool(pool.id.0.strip_prefix(&prefix)?)?, pool)))
        .map(|(id, pool)| world::PoolStatus {
            id,
            upstreams: pool.upstreams.iter().map(upstream_status).collect(),
            open: open(pool.active),
            left: pool
                .leaving
                .iter()
                .map(|upstream| (upstream.name.clone(), open(upstream.active)))
                .collect(),
            requests: pool.upstreams.iter().map(|upstream| upstream.requests_total).sum(),
            traffic: pool.traffic.clone(),
            recent: pool.recent.clone(),
            foreign: pool.foreign,
        })
        .collect()
}

fn open(active: edge::control::Active) -> api::status::Open {
    api::status::Open { http: active.http, streams: active.stream, websockets: active.websocket }
}

fn parse_pool(text: &str) -> Option<world::PoolId> {
    let (service, generation) = text.split_once('@')?;
    Some(world::PoolId { service: service.parse().ok()?, generation: generation.parse().ok()? })
}

fn upstream_status(upstream: &edge::control::UpstreamStatus) -> world::UpstreamStatus {
    world::UpstreamStatus {
        instance: upstream.name.clone(),
        ready: upstream.ready,
        failures: upstream.failures,
        last_probe: upstream.last_probe.as_ref().map(|probe| probe_seen(&upstream.address, probe)),
        requests: upstream.requests_total,
    }
}

fn probe_seen(address: &str, probe: &edge::control::ProbeReport) -> world::ProbeSeen {
    let answered = probe.status.map(|status| format!("answered {status} in {} ms", probe.took_ms));
    world::ProbeSeen {
        request: format!("{} at {address}", probe.asked),
        outcome: answered.or_else(|| probe.error.clone()).unwrap_or_else(|| "no answer".into()),
        headers: probe.headers.iter().map(|(name, value)| format!("{name}: {value}")).collect(),
        body: probe.body.clone(),
    }
}
