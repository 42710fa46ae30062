//! Readiness: each upstream is asked again and again, by whoever would be its client: this process.
//!
//! Candidates, live and draining pools are all probed. Readiness decides traffic and never restarts anything.

use std::{
    sync::{Arc, PoisonError},
    time::{Duration, Instant},
};

use http::{HeaderValue, header};
use model::{Address, manifest::ReadinessProbe};
use net::client::{Call, Target};

use crate::{
    clock::{now_ms, unix_ms},
    control::ProbeReport,
    pool::{ProbeState, UpstreamState},
    shared::Shared,
};

/// Bound: what is kept of an answer's body.
const BODY_BYTES_MAX: usize = 500;
/// Bound: header lines that are kept.
const HEADERS_MAX: usize = 32;

/// How an upstream is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    /// `None`: a connection is enough.
    path: Option<String>,
    host: String,
    period: Duration,
    timeout: Duration,
    successes: u32,
    failures: u32,
}

impl Plan {
    pub(crate) fn new(probe: Option<&ReadinessProbe>, pool_host: Option<&str>) -> Self {
        let Some(probe) = probe else {
            let second = Duration::from_secs(1);
            let host = "localhost".to_owned();
            return Self { path: None, host, period: second, timeout: second, successes: 1, failures: 3 };
        };
        let host = probe.request.host.as_deref().or(pool_host).unwrap_or("localhost");
        Self {
            path: Some(probe.request.http.clone()),
            host: host.to_owned(),
            // Bound: a period of nothing would be a loop that never rests.
            period: probe.request.period.0.max(Duration::from_millis(50)),
            timeout: probe.request.timeout.0.max(Duration::from_millis(50)),
            successes: probe.success_threshold.max(1),
            failures: probe.failure_threshold.max(1),
        }
    }
}

/// Probes until it is dropped. The first probe is at once.
pub(crate) async fn watch(upstream: Arc<UpstreamState>, plan: Plan, shared: Arc<Shared>) {
    let mut turns = tokio::time::interval(plan.period);
    turns.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        turns.tick().await;
        let report = ask(&upstream.address, &plan).await;
        let mut state = upstream.probe.lock().unwrap_or_else(PoisonError::into_inner);
        let now_ready = state.note(report, &plan, upstream.is_ready());
        drop(state);
        if now_ready != upstream.is_ready() {
            tracing::info!(upstream = %upstream.name, ready = now_ready, "an upstream's readiness changed");
            upstream.set_ready(now_ready);
            shared.readiness.notify_waiters();
        }
    }
}

impl ProbeState {
    /// Counts one answer; says whether the upstream is ready now.
    fn note(&mut self, report: ProbeReport, plan: &Plan, was_ready: bool) -> bool {
        if report.error.is_none() {
            self.successes = self.successes.saturating_add(1);
            self.failures = 0;
        } else {
            self.failures = self.failures.saturating_add(1);
            self.successes = 0;
        }
        self.last = Some(report);
        let now_ready = match was_ready {
            true => self.failures < plan.failures,
            false => self.successes >= plan.successes,
        };
        match (was_ready, now_ready) {
            (false, true) => self.ready_since = Some((unix_ms(), now_ms())),
            (true, false) => {
                self.ready_since = None;
                self.lost += 1;
            }
            _ => {}
        }
        now_ready
    }
}

/// One question. A status from 200 to 399 is a yes; whatever else is told in `error`.
async fn ask(address: &Address, plan: &Plan) -> ProbeReport {
    let started = Instant::now();
    let mut report = ProbeReport {
        at_unix_ms: unix_ms(),
        took_ms: 0,
        asked: plan.path.as_ref().map_or("connect".to_owned(), |path| format!("GET {path}")),
        status: None,
        headers: Vec::new(),
        body: String::new(),
        error: None,
    };
    match &plan.path {
        Some(path) => get(address, plan, path, &mut report).await,
        None => report.error = knock(address, plan.timeout).await.err(),
    }
    report.took_ms = crate::clock::ms(started.elapsed());
    report
}

async fn get(address: &Address, plan: &Plan, path: &str, report: &mut ProbeReport) {
    let target = match address {
        Address::Tcp(address) => Target::Tcp(*address),
        Address::Unix(path) => Target::Unix(path.clone()),
    };
    let host = HeaderValue::from_str(&plan.host).unwrap_or(HeaderValue::from_static("localhost"));
    let call = Call::new("GET", path)
        .header(header::HOST, host)
        .header(header::USER_AGENT, HeaderValue::from_static("mainstay-readiness"))
        .header(header::CONNECTION, HeaderValue::from_static("close"))
        .connect(plan.timeout)
        .total(plan.timeout)
        .cut_answer_at(BODY_BYTES_MAX);
    match net::client::send(&target, call).await {
        Err(error) => report.error = Some(error.to_string()),
        Ok(answer) => {
            let status = answer.status().as_u16();
            report.status = Some(status);
            report.headers = answer.headers().iter().take(HEADERS_MAX).map(told).collect();
            report.body = String::from_utf8_lossy(answer.body()).into_owned();
            if !(200..400).contains(&status) {
                report.error = Some(format!("status {status}"));
            }
        }
    }
}

fn told((name, value): (&http::HeaderName, &HeaderValue)) -> (String, String) {
    (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())
}

async fn knock(address: &Address, limit: Duration) -> Result<(), String> {
    let connect = async {
        match address {
            Address::Tcp(address) => tokio::net::TcpStream::connect(address).await.map(drop),
            Address::Unix(path) => tokio::net::UnixStream::connect(path).await.map(drop),
        }
    };
    match tokio::time::timeout(limit, connect).await {
        Ok(result) => result.map_err(|error| format!("cannot connect: {error}")),
        Err(_) => Err(format!("no connection within {limit:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(error: Option<&str>) -> ProbeReport {
        ProbeReport {
            at_unix_ms: 0,
            took_ms: 0,
            asked: "GET /".to_owned(),
            status: None,
            headers: Vec::new(),
            body: String::new(),
            error: error.map(str::to_owned),
        }
    }

    #[test]
    fn readiness_changes_after_so_many_in_a_row() {
        let plan = Plan { successes: 2, failures: 3, ..Plan::new(None, None) };
        let mut state = ProbeState::default();
        let mut ready = false;
        let mut said = Vec::new();
        for word in "+-++--+---+".chars() {
            ready = state.note(report((word == '-').then_some("x")), &plan, ready);
            said.push(ready);
        }
        let f = false;
        assert_eq!(said, [f, f, f, true, true, true, true, true, true, f, f]);
        assert_eq!(state.lost, 1);
        assert!(state.ready_since.is_none());
    }
}
