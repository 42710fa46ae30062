//! Health: checks run in the background with a deadline each, and the routes read their last result (W-H5 to W-H13).
//!
//! Three questions, three answers. *Live*: this process answers; nothing else is looked at, so that a database that is
//! down restarts nobody. *Ready*: what this process owns and cannot work without. *Detail*: all checks, vendors too;
//! the app decides who may read it. A check that hangs has failed, a result that is old is none.
//!
//! [`resources`] has checks of memory and disk; [`dialect`] tells one snapshot in the shapes that the monitoring of other
//! apps reads.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use serde::Serialize;

use crate::Drain;

pub mod dialect;
pub mod resources;
mod routes;

#[cfg(test)]
mod tests;

/// A check that passed before and fails is asked again after this pause, before anybody is told: one slow moment of a
/// busy machine takes no instance out of traffic.
const AGAIN: Duration = Duration::from_millis(500);
/// Failures in a row that are believed.
const BELIEVED: u32 = 2;

type Run = Box<dyn Fn() -> Pin<Box<dyn Future<Output = Result<(), String>> + Send>> + Send + Sync>;

/// Whether a failing check takes the instance out of traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// Own dependency: not ready without it.
    Ready,
    /// Shown, never decides: other people's services.
    Detail,
}

/// One question that is asked again and again.
pub struct Check {
    name: &'static str,
    weight: Weight,
    deadline: Duration,
    period: Duration,
    run: Run,
}

impl Check {
    /// `run` returns a short code or sentence without secrets when it fails.
    pub fn new<F, Fut>(name: &'static str, weight: Weight, run: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), String>> + Send + 'static,
    {
        let run: Run = Box::new(move || Box::pin(run()));
        Self { name, weight, deadline: Duration::from_secs(1), period: Duration::from_secs(5), run }
    }

    /// A run that takes longer has failed. Default 1 s: below the time-out of common probes, above what a machine that
    /// is busy with a deploy takes.
    #[must_use]
    pub fn within(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Default 5 s.
    #[must_use]
    pub fn every(mut self, period: Duration) -> Self {
        self.period = period;
        self
    }
}

struct Kept {
    name: &'static str,
    weight: Weight,
    stale_after: Duration,
    /// In a row.
    failures: u32,
    last: Option<(Instant, Duration, Result<(), String>)>,
}

/// All checks of one process; clones share them.
#[derive(Clone)]
pub struct Health {
    kept: Arc<Mutex<Vec<Kept>>>,
    drain: Drain,
    started: Instant,
}

/// One check as it stands.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// The check's.
    pub name: &'static str,
    /// `ok`, `error` or `unknown` (not yet run, or its last result is too old to believe).
    pub status: &'static str,
    /// Whether the instance gets no requests while it fails.
    pub decides_readiness: bool,
    /// What the check said, also of a first failure that is not believed yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Since its last run ended.
    pub age_ms: Option<u64>,
    /// How long its last run took.
    pub took_ms: Option<u64>,
}

/// All of it.
#[derive(Clone, Debug, Serialize)]
pub struct Snapshot {
    /// `ok`; `degraded` when only details fail; `error` when not ready.
    pub status: &'static str,
    /// RFC 3339 in UTC.
    pub timestamp: String,
    /// Since [`Health::new`].
    pub uptime_seconds: u64,
    /// In the order in which they were added.
    pub checks: Vec<Finding>,
}

impl Health {
    /// Without checks: ready until the drain stops.
    pub fn new(drain: Drain) -> Self {
        Self { kept: Arc::default(), drain, started: Instant::now() }
    }

    /// Adds a check and starts running it, first at once. Needs a running tokio.
    pub fn watch(&self, check: Check) {
        let Check { name, weight, deadline, period, run } = check;
        let stale_after = period * 3 + deadline;
        let index = {
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            kept.push(Kept { name, weight, stale_after, failures: 0, last: None });
            kept.len() - 1
        };
        let kept = Arc::clone(&self.kept);
        tokio::spawn(async move {
            loop {
                let began = Instant::now();
                let result = match tokio::time::timeout(deadline, run()).await {
                    Ok(result) => result,
                    Err(_) => Err(format!("no answer within {} ms", deadline.as_millis())),
                };
                let failed = result.is_err();
                record(&kept, index, began, result);
                tokio::time::sleep(if failed { period.min(AGAIN) } else { period }).await;
            }
        });
    }

    /// All checks as they stand now; runs none.
    pub fn snapshot(&self) -> Snapshot {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let checks: Vec<Finding> = kept.iter().map(Kept::finding).collect();
        let failing = |decides: bool| {
            checks.iter().any(|check| check.status != "ok" && check.decides_readiness == decides)
        };
        let status = match (failing(true), failing(false)) {
            (true, _) => "error",
            (false, true) => "degraded",
            (false, false) => "ok",
        };
        let timestamp = crate::clock::rfc3339(crate::clock::now_ms());
        Snapshot { status, timestamp, uptime_seconds: self.started.elapsed().as_secs(), checks }
    }

    /// Whether this process may get requests.
    ///
    /// # Errors
    /// `draining`, or the names of the checks that fail.
    pub fn ready(&self) -> Result<(), String> {
        if self.drain.is_stopping() {
            return Err("draining".to_owned());
        }
        let failing: Vec<&str> = self
            .snapshot()
            .checks
            .iter()
            .filter(|check| check.decides_readiness && check.status != "ok")
            .map(|check| check.name)
            .collect();
        if failing.is_empty() { Ok(()) } else { Err(failing.join(", ")) }
    }
}

fn record(kept: &Mutex<Vec<Kept>>, index: usize, began: Instant, result: Result<(), String>) {
    let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(check) = kept.get_mut(index) else { return };
    let failed_before = check.failures;
    // The first result of all is believed at once: there is no better one.
    let first = if check.last.is_none() { BELIEVED } else { 1 };
    check.failures = if result.is_ok() { 0 } else { failed_before.saturating_add(first) };
    match &result {
        Err(error) if check.failures >= BELIEVED && failed_before < BELIEVED => {
            tracing::warn!(check = check.name, error, "a health check fails");
        }
        Ok(()) if failed_before >= BELIEVED => {
            tracing::info!(check = check.name, "a health check passes again")
        }
        _ => {}
    }
    check.last = Some((Instant::now(), began.elapsed(), result));
}

impl Kept {
    fn finding(&self) -> Finding {
        let decides_readiness = self.weight == Weight::Ready;
        let (status, error) = match &self.last {
            Some((at, _, _)) if at.elapsed() > self.stale_after => {
                ("unknown", Some("its last result is too old".to_owned()))
            }
            Some((_, _, Ok(()))) => ("ok", None),
            Some((_, _, Err(error))) if self.failures < BELIEVED => ("ok", Some(error.clone())),
            Some((_, _, Err(error))) => ("error", Some(error.clone())),
            None => ("unknown", None),
        };
        let ms = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        let age_ms = self.last.as_ref().map(|(at, _, _)| ms(at.elapsed()));
        let took_ms = self.last.as_ref().map(|(_, took, _)| ms(*took));
        Finding { name: self.name, status, decides_readiness, error, age_ms, took_ms }
    }
}
