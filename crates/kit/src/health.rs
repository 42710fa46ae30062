//! Health: checks run in the background with a deadline each, and the routes read their last result (W-H5 to W-H13).
//!
//! Three questions, three answers. *Live*: this process answers; nothing else is looked at, so that a database that is
//! down restarts nobody. *Ready*: what this process owns and cannot work without. *Detail*: all checks, vendors too;
//! the app decides who may read it. A check that hangs has failed, a result that is old is none.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use axum::{Json, Router, extract::State, http::StatusCode, response::IntoResponse, routing::get};
use serde::Serialize;

use crate::Drain;

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
    pub name: &'static str,
    /// `ok`, `error` or `unknown` (not yet run, or its last result is too old to believe).
    pub status: &'static str,
    pub decides_readiness: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    pub age_ms: Option<u64>,
    pub took_ms: Option<u64>,
}

/// All of it.
#[derive(Clone, Debug, Serialize)]
pub struct Snapshot {
    /// `ok`; `degraded` when only details fail; `error` when not ready.
    pub status: &'static str,
    pub timestamp: String,
    pub uptime_seconds: u64,
    pub checks: Vec<Finding>,
}

impl Health {
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

    /// `/health/live` and `/health/ready`.
    pub fn routes<S: Clone + Send + Sync + 'static>(&self) -> Router<S> {
        Router::new()
            .route("/health/live", get(live))
            .route("/health/ready", get(ready))
            .with_state(self.clone())
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

async fn live() -> impl IntoResponse {
    Json(serde_json::json!({"status": "live"}))
}

async fn ready(State(health): State<Health>) -> impl IntoResponse {
    match health.ready() {
        Ok(()) => (StatusCode::OK, Json(serde_json::json!({"status": "ready"}))),
        Err(reason) => (
            StatusCode::SERVICE_UNAVAILABLE,
            Json(serde_json::json!({"status": "not ready", "reason": reason})),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn health() -> Health {
        Health::new(Drain::new(Duration::from_secs(1)))
    }

    async fn settled(health: &Health) -> Snapshot {
        while health.snapshot().checks.iter().any(|check| check.age_ms.is_none()) {
            tokio::task::yield_now().await;
            tokio::time::advance(Duration::from_millis(10)).await;
        }
        health.snapshot()
    }

    #[tokio::test(start_paused = true)]
    async fn a_check_that_has_not_run_is_not_ready() {
        let health = health();
        health.watch(Check::new("database", Weight::Ready, std::future::pending));
        assert_eq!(health.ready(), Err("database".to_owned()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_hang_is_a_failure_and_says_so() {
        let health = health();
        health.watch(
            Check::new("database", Weight::Ready, std::future::pending).within(Duration::from_millis(200)),
        );
        let snapshot = settled(&health).await;
        assert_eq!(snapshot.status, "error");
        assert_eq!(snapshot.checks[0].error.as_deref(), Some("no answer within 200 ms"));
    }

    #[tokio::test(start_paused = true)]
    async fn one_failure_is_asked_again_before_it_is_believed() {
        let health = health();
        let runs = Arc::new(std::sync::atomic::AtomicU32::new(0));
        let counted = Arc::clone(&runs);
        health.watch(Check::new("database", Weight::Ready, move || {
            let run = counted.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            async move { if run == 0 { Ok(()) } else { Err("busy".to_owned()) } }
        }));
        let after = async |wanted: u32| {
            while runs.load(std::sync::atomic::Ordering::SeqCst) < wanted {
                tokio::time::advance(Duration::from_millis(10)).await;
                tokio::task::yield_now().await;
            }
            tokio::task::yield_now().await;
            health.ready()
        };
        assert_eq!(after(2).await, Ok(()));
        assert_eq!(after(3).await, Err("database".to_owned()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_vendor_that_fails_degrades_and_never_unreadies() {
        let health = health();
        health.watch(Check::new("database", Weight::Ready, || async { Ok(()) }));
        health.watch(Check::new("model", Weight::Detail, || async { Err("refused".to_owned()) }));
        assert_eq!(settled(&health).await.status, "degraded");
        assert_eq!(health.ready(), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_stopping_process_is_not_ready() {
        let health = health();
        health.drain.stop();
        assert_eq!(health.ready(), Err("draining".to_owned()));
    }
}
