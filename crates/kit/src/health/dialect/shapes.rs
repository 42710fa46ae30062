//! The bodies, one function a shape.

use std::time::Instant;

use serde_json::{Map, Value, json};

use super::{About, Answer, Asked, Dialect, Figures, Reporter};
use crate::{
    health::{Finding, Snapshot},
    process::{self, Memory},
};

const MEBI: u64 = 1 << 20;

/// Fine unless a check that decides readiness fails.
fn code(snapshot: &Snapshot) -> u16 {
    if snapshot.status == "error" { 503 } else { 200 }
}

/// The words of S2, S3 and S4.
fn word(snapshot: &Snapshot) -> &'static str {
    match snapshot.status {
        "ok" => "healthy",
        "degraded" => "degraded",
        _ => "unhealthy",
    }
}

fn named<'a>(snapshot: &'a Snapshot, name: &str) -> Option<&'a Finding> {
    snapshot.checks.iter().find(|check| check.name == name)
}

fn is_ok(finding: &Finding) -> bool {
    finding.status == "ok"
}

/// What cannot be asked is no reason to fail: there is none.
fn holds(snapshot: &Snapshot, name: &str) -> bool {
    named(snapshot, name).is_none_or(is_ok)
}

/// Names of what keeps the instance from being ready; never the text of an error, which may hold an address.
fn failing(snapshot: &Snapshot) -> String {
    let failing = snapshot.checks.iter().filter(|check| check.decides_readiness && !is_ok(check));
    failing.map(|check| check.name).collect::<Vec<_>>().join(", ")
}

fn healthy(is_healthy: bool) -> &'static str {
    if is_healthy { "healthy" } else { "unhealthy" }
}

impl Reporter {
    pub(super) fn live(&self) -> Value {
        match self.dialect {
            Dialect::S3 => {
                json!({"status": "alive", "timestamp": crate::clock::rfc3339(crate::clock::now_ms())})
            }
            _ => json!({"status": "live"}),
        }
    }

    pub(super) fn ready(&self) -> Answer {
        let reason = match self.health.ready() {
            Ok(()) => return Answer { status: 200, body: json!({"status": "ready"}) },
            Err(reason) => reason,
        };
        let body = match self.dialect {
            Dialect::S3 => json!({
                "status": "not ready",
                "reason": "Critical services not healthy",
                "services": services(&self.health.snapshot(), &self.about),
            }),
            _ => json!({"status": "not ready", "reason": reason}),
        };
        Answer { status: 503, body }
    }

    pub(super) fn overall(&self, asked: Asked) -> Answer {
        let began = Instant::now();
        let snapshot = self.health.snapshot();
        let status = code(&snapshot);
        let body = match (self.dialect, asked.may_see_all) {
            (Dialect::S0, false) => json!({"status": s0_word(&snapshot), "timestamp": snapshot.timestamp}),
            (Dialect::Plain | Dialect::S1, false) => {
                json!({"status": snapshot.status, "timestamp": snapshot.timestamp})
            }
            (Dialect::S4, _) if status == 503 => json!({"status": "unhealthy", "error": failing(&snapshot)}),
            (Dialect::S4, false) => json!({"status": "healthy", "timestamp": snapshot.timestamp}),
            (Dialect::S2 | Dialect::S3, false) => {
                json!({"status": word(&snapshot), "timestamp": snapshot.timestamp})
            }
            (Dialect::Plain, true) => plain(&snapshot, &self.about),
            (Dialect::S0, true) => s0(&snapshot, &self.about, asked),
            (Dialect::S1, true) => s1(&snapshot, &self.about, asked),
            (Dialect::S2, true) => s2(&snapshot),
            (Dialect::S3, true) => s3(&snapshot, &self.about, began),
            (Dialect::S4, true) => s4(&snapshot),
        };
        Answer { status, body }
    }

    /// `{"status", "timestamp"}`, for the operator also `error`: the check's own words, or null.
    pub(super) fn database(&self, asked: Asked) -> Answer {
        let (snapshot, database, mut answer) = self.database_alone();
        if asked.may_see_all {
            answer.body["error"] = json!(database.as_ref().and_then(|database| database.error.clone()));
        }
        answer.body["timestamp"] = json!(snapshot.timestamp);
        answer
    }

    /// `{"status", "timestamp", "response_time_ms", "age_ms"}`: of the last time that it was asked, and how long ago.
    pub(super) fn database_performance(&self, asked: Asked) -> Answer {
        let (snapshot, database, mut answer) = self.database_alone();
        if asked.may_see_all {
            let of = |figure: fn(&Finding) -> Option<u64>| json!(database.as_ref().and_then(figure));
            answer.body["response_time_ms"] = of(|database| database.took_ms);
            answer.body["age_ms"] = of(|database| database.age_ms);
        }
        answer.body["timestamp"] = json!(snapshot.timestamp);
        answer
    }

    fn database_alone(&self) -> (Snapshot, Option<Finding>, Answer) {
        let snapshot = self.health.snapshot();
        let database = named(&snapshot, "database").cloned();
        let is_healthy = database.as_ref().is_some_and(is_ok);
        let status = if is_healthy { 200 } else { 503 };
        (snapshot, database, Answer { status, body: json!({"status": healthy(is_healthy)}) })
    }
}

/// `{"status", "timestamp", "uptime_seconds", "version", "checks"}`, each check as a [`Finding`].
fn plain(snapshot: &Snapshot, about: &About) -> Value {
    let mut body = json!(snapshot);
    body["version"] = json!(about.version);
    body
}

fn s0_word(snapshot: &Snapshot) -> &'static str {
    if snapshot.status == "error" { "error" } else { "ok" }
}

/// What the app does not have (`redis`) cannot fail: `ok`.
fn s0(snapshot: &Snapshot, about: &About, asked: Asked) -> Value {
    let own = |name: &str| if holds(snapshot, name) { "ok" } else { "error" };
    let resource = |name: &str| if holds(snapshot, name) { "ok" } else { "warning" };
    let database = if snapshot.status == "error" { "error" } else { "ok" };
    json!({
        "status": s0_word(snapshot),
        "timestamp": snapshot.timestamp,
        "uptime": snapshot.uptime_seconds,
        "version": about.version,
        "checks": {"database": database, "redis": own("redis"), "memory": resource("memory"), "disk": resource("disk")},
        "metrics": asked.wants_more.then(|| about.figures.as_ref().map_or_else(
            || "Metrics unavailable".to_owned(),
            |figures| figures().text,
        )),
    })
}

/// Without `?detailed=true` the status of each check; with it the rest.
fn s1(snapshot: &Snapshot, about: &About, asked: Asked) -> Value {
    let mut body = json!({
        "status": snapshot.status,
        "timestamp": snapshot.timestamp,
        "uptime": snapshot.uptime_seconds,
        "version": about.version,
        "services": statuses(snapshot),
    });
    if asked.wants_more {
        let Figures { answered, failed, refused, seconds, .. } =
            about.figures.as_ref().map(|figures| figures()).unwrap_or_default();
        let per_request = |sum: f64| if answered == 0 { 0.0 } else { sum / answered as f64 };
        body["metrics"] =
            json!({"requests": answered, "averageResponseTimeMs": per_request(seconds * 1_000.0)});
        body["errors"] = json!({"total": failed, "rate": per_request(failed as f64)});
        body["security"] = json!({"refusedRequests": refused});
        body["resources"] = json!({"memory": memory_json(process::memory().unwrap_or_default())});
    }
    body
}

fn statuses(snapshot: &Snapshot) -> Map<String, Value> {
    snapshot.checks.iter().map(|check| (check.name.to_owned(), json!(check.status))).collect()
}

/// `{"status", "timestamp", "uptime", "checks": {name: status}}`.
fn s2(snapshot: &Snapshot) -> Value {
    json!({
        "status": word(snapshot),
        "timestamp": snapshot.timestamp,
        "uptime": snapshot.uptime_seconds,
        "checks": statuses(snapshot),
    })
}

fn s3(snapshot: &Snapshot, about: &About, began: Instant) -> Value {
    let vendors = about.vendors.iter().map(|(vendor, check)| {
        let status = named(snapshot, check).map_or("unknown", |check| healthy(is_ok(check)));
        (vendor.to_string(), json!(status))
    });
    let database = named(snapshot, "database").map_or("unknown", |database| healthy(is_ok(database)));
    json!({
        "status": word(snapshot),
        "timestamp": snapshot.timestamp,
        "uptime": snapshot.uptime_seconds,
        "environment": about.environment,
        "version": if about.version.is_empty() { "unknown" } else { about.version },
        // There is no Node; the key stays for whoever reads it.
        "nodeVersion": "none",
        "memory": memory_json(process::memory().unwrap_or_default()),
        "pid": std::process::id(),
        "services": services(snapshot, about),
        "agents": {},
        "database": {"status": database},
        "externalServices": vendors.collect::<Map<_, _>>(),
        "responseTime": u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
    })
}

/// `[{"name", "healthy"}]`: the guide's names, then the checks that decide readiness.
fn services(snapshot: &Snapshot, about: &About) -> Vec<Value> {
    let guides =
        about.services.iter().map(|(name, check)| (*name, named(snapshot, check).is_some_and(is_ok)));
    let own = snapshot.checks.iter().filter(|check| check.decides_readiness);
    guides
        .chain(own.map(|check| (check.name, is_ok(check))))
        .map(|(name, healthy)| json!({"name": name, "healthy": healthy}))
        .collect()
}

/// Keys of Node's `process.memoryUsage()`, in bytes. The heap is what no file backs, and the most that there may be.
fn memory_json(memory: Memory) -> Value {
    json!({
        "rss": memory.resident,
        "heapTotal": memory.limit,
        "heapUsed": memory.anonymous,
        "external": 0,
        "arrayBuffers": 0,
    })
}

fn s4(snapshot: &Snapshot) -> Value {
    let memory = process::memory().unwrap_or_default();
    json!({
        "status": "healthy",
        "timestamp": snapshot.timestamp,
        "uptime": snapshot.uptime_seconds,
        "memory": {"used": memory.resident / MEBI, "total": memory.limit / MEBI},
        "database": "connected",
    })
}
