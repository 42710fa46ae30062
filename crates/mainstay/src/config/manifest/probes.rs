//! `[service.NAME.probes]`: three questions with three owners.

use model::{
    Span,
    manifest::{LivenessProbe, ProbeRequest, Probes, ReadinessProbe, StartupProbe},
};

use super::text;
use crate::config::{decode::Section, problem::Problem};

pub(super) fn none() -> Probes {
    Probes { startup: None, readiness: None, liveness: None }
}

pub(super) fn probes(section: &mut Section<'_, '_, '_>) -> Option<Probes> {
    let startup = section.table("startup", |probe| {
        let request = request(probe, Span::secs(1));
        let deadline = probe.duration("deadline").unwrap_or(Span::secs(60));
        Some(StartupProbe { request: request?, deadline })
    });
    let readiness = section.table("readiness", |probe| {
        let request = request(probe, Span::secs(1));
        let success_threshold = threshold(probe, "success_threshold", 3);
        let failure_threshold = threshold(probe, "failure_threshold", 3);
        Some(ReadinessProbe { request: request?, success_threshold, failure_threshold })
    });
    let liveness = section.table("liveness", |probe| {
        let request = request(probe, Span::secs(10));
        let failure_threshold = threshold(probe, "failure_threshold", 6);
        Some(LivenessProbe { request: request?, failure_threshold })
    });
    Some(Probes { startup, readiness, liveness })
}

fn threshold(probe: &mut Section<'_, '_, '_>, key: &'static str, default: u32) -> u32 {
    probe.integer(key, 1..=1000).map_or(default, |n| n as u32)
}

fn request(probe: &mut Section<'_, '_, '_>, period: Span) -> Option<ProbeRequest> {
    let http = text::request_path(probe, "http");
    if !probe.has("http") {
        probe.missing("http", "http = \"/health/ready\"");
    }
    let host = probe.string("host").and_then(|at| text::host(probe, at));
    let period = positive(probe, "period", period);
    let timeout = positive(probe, "timeout", Span::secs(5));
    Some(ProbeRequest { http: http?, host, period, timeout })
}

fn positive(probe: &mut Section<'_, '_, '_>, key: &'static str, default: Span) -> Span {
    let Some(at) = probe.parsed::<Span>(key, "bad-unit", "a duration in quotes, like `\"1s\"`") else {
        return default;
    };
    if at.value < Span::millis(50) {
        probe.problem(
            Problem::new("out-of-range", at.span, format!("`{key}` of a probe must be at least 50ms"))
                .help("shorter ones would load the app more than its users do"),
        );
    }
    at.value
}
