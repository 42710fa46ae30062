//! What the edge observes, as [`Status`] and as Prometheus text.

use std::{
    sync::{Arc, PoisonError, atomic::Ordering::Relaxed},
    time::Instant,
};

use super::{Active, PoolStatus, Status, UpstreamStatus, WorkerStatus, serve::Control};
use crate::{
    clock::{now_ms, ns_at},
    director::{log_dropped, requests_total},
    entry::Reason,
    metrics::{escape, family, render},
    pool::{Class, PoolState, UpstreamState},
    shared::Shared,
};

pub(crate) fn status(control: &Control) -> Status {
    let director = &control.director;
    let shared = &director.shared;
    let workers = shared.workers.iter().enumerate().map(|(index, pulse)| WorkerStatus {
        index,
        heartbeat_age_ms: now_ms().saturating_sub(pulse.beat.load(Relaxed)),
        connections: pulse.connections.load(Relaxed),
    });
    let (served, unwritten, pools) = director.look(|(served, unwritten), pools, leaving| {
        let mut all: Vec<PoolStatus> = pools.values().map(|state| pool(state, leaving)).collect();
        all.sort_by(|a, b| a.id.cmp(&b.id));
        (served.clone(), unwritten.cloned(), all)
    });
    Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: std::process::id(),
        up_ms: now_ms(),
        draining: shared.is_stopping(),
        served,
        unwritten,
        pools,
        listeners: control.listeners.clone(),
        certificates: control.certificates.load().to_vec(),
        workers: workers.collect(),
        connections: shared.counters.connections.load(Relaxed),
        connections_refused_total: shared.counters.refused.load(Relaxed),
        requests_total: requests_total(shared),
        edge_5xx_total: shared.counters.edge_5xx.load(Relaxed),
        access_log_dropped_total: log_dropped(shared),
    }
}

fn pool(state: &Arc<PoolState>, leaving: &[(crate::table::PoolId, Arc<UpstreamState>)]) -> PoolStatus {
    let gone = leaving.iter().filter(|(id, _)| *id == state.id);
    PoolStatus {
        id: state.id.clone(),
        site: state.site.clone(),
        release: state.release,
        state: state.state(),
        active: state.active.read(),
        draining_for_ms: state.drain.running_ms(),
        drained: state.is_drained(),
        cut: state.cut.read(),
        traffic: state.traffic.all(),
        recent: state.traffic.recent(),
        foreign: state.traffic.foreign(),
        upstreams: state.config.load().upstreams.iter().map(|state| upstream(state)).collect(),
        leaving: gone.map(|(_, state)| upstream(state)).collect(),
    }
}

fn upstream(state: &UpstreamState) -> UpstreamStatus {
    let probe = state.probe.lock().unwrap_or_else(PoisonError::into_inner);
    let now = now_ms();
    UpstreamStatus {
        name: state.name.clone(),
        process: state.process,
        address: state.address.to_string(),
        ready: state.is_ready(),
        ready_since_unix_ms: probe.ready_since.map(|(wall, _)| wall),
        ready_for_ms: probe.ready_since.map(|(_, since)| now.saturating_sub(since)),
        successes: probe.successes,
        failures: probe.failures,
        lost_total: probe.lost,
        last_probe: probe.last.clone(),
        ejected_for_ms: state.ejected_for_ms(now),
        active: state.active.read(),
        requests_total: state.requests.load(Relaxed),
        errors_5xx_total: state.errors_5xx.load(Relaxed),
        connect_errors_total: state.connect_errors.load(Relaxed),
        broken_total: state.broken.load(Relaxed),
    }
}

/// The catalogue's two families, and gauges of our own.
pub(crate) fn metrics(control: &Control) -> String {
    let director = &control.director;
    let shared = &director.shared;
    let status = status(control);
    let mut out = String::new();
    render(&shared.shards, &director.names.borrow(), &mut out);
    let one = |value: u64| vec![(String::new(), value)];
    family(&mut out, "edge_connections", "gauge", "Open client connections", &one(status.connections));
    let help = "Connections closed at once because a cap was reached";
    family(
        &mut out,
        "edge_connections_refused_total",
        "counter",
        help,
        &one(status.connections_refused_total),
    );
    let turned_away: Vec<_> = Reason::ALL
        .map(|reason| (format!("reason=\"{}\"", reason.name()), shared.turned_away.count(reason)))
        .into();
    let help = "Connections that ended before their first request could come: PROXY header or TLS handshake";
    family(&mut out, "edge_entries_failed_total", "counter", help, &turned_away);
    out.push_str(&limits(shared));
    let reports =
        shared.csp.counted().into_iter().map(|(site, count)| (format!("site=\"{}\"", escape(&site)), count));
    let help = "Reports of browsers about what a page's Content-Security-Policy refuses or would";
    family(&mut out, "edge_csp_reports_total", "counter", help, &reports.collect::<Vec<_>>());
    let help = "Answers of status 5xx that the edge made itself";
    family(&mut out, "edge_errors_total", "counter", help, &one(status.edge_5xx_total));
    let help = "Lines that the access log could not take";
    family(&mut out, "edge_access_log_dropped_total", "counter", help, &one(status.access_log_dropped_total));
    let expiries: Vec<_> = status
        .certificates
        .iter()
        .filter_map(|known| {
            Some((format!("cert=\"{}\"", escape(&known.cert.to_string_lossy())), known.expires_unix_s?))
        })
        .collect();
    let help = "When the certificate that is served ends to be valid, in seconds since 1970";
    family(&mut out, "edge_certificate_expiry_timestamp_seconds", "gauge", help, &expiries);
    family(
        &mut out,
        "edge_table_epoch",
        "gauge",
        "Epoch of the routing table",
        &one(status.in_effect().epoch),
    );
    let websockets = status.pools.iter().map(|pool| pool.active.websocket).sum();
    family(&mut out, "websocket_active_connections", "gauge", "Open WebSockets", &one(websockets));
    let active = status.pools.iter().flat_map(|pool| {
        let of = |active: Active| [active.http, active.stream, active.websocket];
        Class::ALL.iter().zip(of(pool.active)).map(|(class, open)| {
            (format!("pool=\"{}\",class=\"{}\"", escape(&pool.id.0), class.name()), open)
        })
    });
    let active: Vec<_> = active.collect();
    family(&mut out, "edge_pool_active_requests", "gauge", "Open requests by pool and class", &active);
    let each = |value: fn(&UpstreamStatus) -> u64| -> Vec<(String, u64)> {
        let of_pool = |pool: &PoolStatus| {
            let lines = pool.upstreams.iter().map(|upstream| {
                (format!("pool=\"{}\",upstream=\"{}\"", escape(&pool.id.0), upstream.name), value(upstream))
            });
            lines.collect::<Vec<_>>()
        };
        status.pools.iter().flat_map(of_pool).collect()
    };
    family(&mut out, "edge_upstream_ready", "gauge", "1: ready", &each(|up| u64::from(up.ready)));
    let help = "Requests that the instance answered";
    family(&mut out, "edge_upstream_requests_total", "counter", help, &each(|up| up.requests_total));
    let help = "Answers of status 5xx that the instance gave";
    family(&mut out, "edge_upstream_errors_total", "counter", help, &each(|up| up.errors_5xx_total));
    let help = "Connects that failed";
    family(
        &mut out,
        "edge_upstream_connect_errors_total",
        "counter",
        help,
        &each(|up| up.connect_errors_total),
    );
    out
}

/// Absent without limits.
fn limits(shared: &Shared) -> String {
    let mut out = String::new();
    let Some(keys) = shared.limits.keys() else { return out };
    let refused: Vec<_> = shared
        .limits
        .refused()
        .into_iter()
        .map(|(site, limit, count)| (format!("site=\"{}\",limit=\"{limit}\"", escape(&site)), count))
        .collect();
    let help = "Requests that did not pass a rate limit";
    family(&mut out, "edge_rate_limited_total", "counter", help, &refused);
    let one = |value: u64| vec![(String::new(), value)];
    let help = "Clients and limits that have spent of their quota";
    family(&mut out, "edge_rate_limit_keys", "gauge", help, &one(keys.live(ns_at(Instant::now()))));
    let help = "Quotas that were whole again early, to make room for another";
    family(&mut out, "edge_rate_limit_forgotten_total", "counter", help, &one(keys.forgotten()));
    out
}
