//! What holds between tables: routes and services, commands and how they listen.

use std::collections::BTreeMap;

use model::{
    Explain, ServiceName,
    manifest::{Listen, Manifest, Overlap, Service, StartAt},
};

use super::{Draft, text::used};
use crate::config::{
    decode::{Problems, nearest},
    problem::Problem,
};

pub(super) fn between_tables(draft: &Draft, problems: &mut Problems) {
    routes_lead_somewhere(draft, problems);
    routes_are_distinct(draft, problems);
    super::loops::redirects_come_to_an_end(draft, problems);
    jobs_have_no_address(draft, problems);
    for (name, service) in &draft.manifest.services {
        let Some(written) = draft.services.get(name).filter(|written| !written.doubtful) else { continue };
        let texts = service.command.iter().chain(service.env.values());
        placeholders_fit(name, texts, service.listen, &written.at).into_iter().for_each(|p| problems.push(p));
        probes_have_an_address(name, service, &written.at, problems);
        starts_after_the_bake(&draft.manifest, name, &written.at, problems);
        recycling_is_possible(&draft.manifest, name, &written.at, problems);
    }
}

fn jobs_have_no_address(draft: &Draft, problems: &mut Problems) {
    for (name, cron) in &draft.manifest.cron {
        let Some(written) = draft.services.get(name).filter(|written| !written.doubtful) else { continue };
        let texts = cron.command.iter().chain(cron.env.values());
        placeholders_fit(name, texts, None, &written.at).into_iter().for_each(|p| problems.push(p));
    }
}

fn routes_lead_somewhere(draft: &Draft, problems: &mut Problems) {
    for (route, written) in draft.manifest.routes.iter().zip(&draft.routes) {
        let at = &written.at.service;
        let name = &route.service;
        let Some(service) = draft.manifest.services.get(name) else {
            if draft.manifest.cron.contains_key(name) {
                problems.push(
                    Problem::new(
                        "service-does-not-listen",
                        at.clone(),
                        format!(
                            "the route leads to `{name}`, which runs by a schedule and takes no requests"
                        ),
                    )
                    .help("lead it to a service with `listen`"),
                );
                continue;
            }
            let known: Vec<&str> = draft.manifest.services.keys().map(ServiceName::as_str).collect();
            let mut problem = Problem::new(
                "no-such-service",
                at.clone(),
                format!("the route leads to `{name}`, which is no service"),
            );
            if let Some(near) = nearest(name.as_str(), known.iter().copied()) {
                problem = problem.label(format!("did you mean `{near}`?"));
            }
            problems.push(problem.help(format!("the services are: {}", known.join(", "))));
            continue;
        };
        if draft.services.get(name).is_none_or(|written| written.doubtful) {
            continue;
        }
        if service.listen.is_none() {
            problems.push(
                Problem::new(
                    "service-does-not-listen",
                    at.clone(),
                    format!("the route leads to `{name}`, which takes no requests"),
                )
                .help(format!("add `listen = \"tcp\"` to [service.{name}]")),
            );
        }
        if service.overlap == Overlap::Never {
            problems.push(
                Problem::new(
                    "singleton-routed",
                    at.clone(),
                    format!("the route leads to `{name}`, which is stopped before its successor starts"),
                )
                .help(format!("nobody would answer meanwhile: remove `overlap` from [service.{name}], or do what must never run twice in a service of its own")),
            );
        }
        if service.probes.readiness.is_none() {
            problems.push(
                Problem::new("no-readiness-probe", at.clone(), format!("`{name}` takes requests and has no readiness probe"))
                    .help(format!("without one nobody knows when it may be asked: add `[service.{name}.probes]` with `readiness = {{ http = \"/health/ready\" }}`")),
            );
        }
    }
}

fn routes_are_distinct(draft: &Draft, problems: &mut Problems) {
    let mut claimed: BTreeMap<(String, String), usize> = BTreeMap::new();
    for (n, route) in draft.manifest.routes.iter().enumerate() {
        let any = [String::from("*")];
        let hosts = if route.hosts.is_empty() { &any[..] } else { &route.hosts };
        let prefix = route.path_prefix.trim_end_matches('/');
        for host in hosts {
            let first = *claimed.entry((host.clone(), prefix.to_owned())).or_insert(n);
            let (Some(here), Some(there)) = (draft.routes.get(n), draft.routes.get(first)) else { continue };
            if first != n && !here.doubtful && !there.doubtful {
                let host = if host == "*" { "any host" } else { host };
                problems.push(
                    Problem::new(
                        "route-twice",
                        here.at.route.clone(),
                        format!("two routes claim {host}{prefix}/"),
                    )
                    .other(there.at.route.clone(), "the first one")
                    .help("remove one, or give them different hosts or paths"),
                );
                break;
            }
        }
    }
}

fn placeholders_fit<'t>(
    name: &ServiceName,
    texts: impl Iterator<Item = &'t String>,
    listen: Option<Listen>,
    span: &std::ops::Range<usize>,
) -> Vec<Problem> {
    let mut wants = [("port", false), ("socket", false)];
    for text in texts {
        for word in used(text) {
            for (wanted, found) in &mut wants {
                *found |= word == *wanted;
            }
        }
    }
    let needs = |listen| match listen {
        "port" => (Listen::Tcp, "tcp"),
        _ => (Listen::Unix, "unix"),
    };
    wants
        .into_iter()
        .filter(|(word, found)| *found && listen != Some(needs(word).0))
        .map(|(word, _)| {
            let (_, listen) = needs(word);
            Problem::new(
                "placeholder-without-listen",
                span.clone(),
                format!("[service.{name}] uses `{{{word}}}` and does not listen by it"),
            )
            .help(format!("`{{{word}}}` exists with `listen = \"{listen}\"`"))
        })
        .collect()
}

fn probes_have_an_address(
    name: &ServiceName,
    service: &Service,
    span: &std::ops::Range<usize>,
    problems: &mut Problems,
) {
    let probes = &service.probes;
    let any = probes.startup.is_some() || probes.readiness.is_some() || probes.liveness.is_some();
    if any && service.listen.is_none() {
        problems.push(
            Problem::new("probe-without-listen", span.clone(), format!("[service.{name}] has probes and takes no requests"))
                .help("add `listen`, or remove the probes: a worker is ready when it sent READY=1 or lived for `min_healthy_time`"),
        );
    }
}

/// What takes requests is what is baked; and where the old release is stopped first nothing works until then.
fn starts_after_the_bake(
    manifest: &Manifest,
    name: &ServiceName,
    span: &std::ops::Range<usize>,
    problems: &mut Problems,
) {
    let service = manifest.services.get(name).filter(|service| service.start_at == StartAt::AfterBake);
    let Some(service) = service else { return };
    if service.listen.is_some() {
        problems.push(
            Problem::new(
                "late-and-listens",
                span.clone(),
                format!("[service.{name}] listens and has `start_at = \"after_bake\"`"),
            )
            .help(
                "what takes requests is what the bake watches: remove `start_at`, or `listen` from a worker",
            ),
        );
    }
    if manifest.recreates() {
        problems.push(
            Problem::new("late-and-recreated", span.clone(), format!("[service.{name}] has `start_at = \"after_bake\"`, and `deploy.strategy` is \"recreate\""))
                .help("the old one is stopped before the deploy goes on, so nothing would do its work until the bake has ended: remove `start_at`"),
        );
    }
}

/// Requests are counted by the edge; and the next instance runs beside the one that it replaces.
fn recycling_is_possible(
    manifest: &Manifest,
    name: &ServiceName,
    span: &std::ops::Range<usize>,
    problems: &mut Problems,
) {
    let Some(recycle) = manifest.services.get(name).and_then(|service| service.recycle) else { return };
    if recycle.after_requests.is_some() && !manifest.is_routed(name) {
        problems.push(
            Problem::new(
                "recycle-requests-unknown",
                span.clone(),
                format!("[service.{name}] is recycled by requests, and no route leads to it"),
            )
            .help("nobody counts what it does: recycle it by `after` or `memory`"),
        );
    }
    if manifest.recreates() {
        problems.push(
            Problem::new("recycle-beside", span.clone(), format!("[service.{name}] is recycled, and `deploy.strategy` is \"recreate\""))
                .help("a recycled instance has its successor beside it, which \"recreate\" rules out: remove `recycle`, and let `limits.memory_max` bound what it holds"),
        );
    }
}

/// What is allowed and probably not meant.
pub(super) fn warnings(draft: &Draft) -> Vec<Explain> {
    let manifest = &draft.manifest;
    let mut warnings = Vec::new();
    for (name, service) in &manifest.services {
        if service.listen.is_some() && !manifest.is_routed(name) {
            warnings.push(
                Explain::new("service-without-route", format!("`{name}` listens and no route leads to it"))
                    .help(format!("add `[[route]]` with `service = \"{name}\"`, or remove `listen`")),
            );
        }
    }
    warnings.extend(secrets_in_the_open(manifest));
    warnings
}

fn secrets_in_the_open(manifest: &Manifest) -> Vec<Explain> {
    let secretive = |name: &str| {
        ["SECRET", "PASSWORD", "PASSWD", "TOKEN", "API_KEY", "PRIVATE_KEY"]
            .iter()
            .any(|word| name.contains(word))
    };
    let mut warnings = Vec::new();
    let services = manifest.services.iter().map(|(name, service)| (name, &service.env));
    let jobs = manifest.cron.iter().map(|(name, cron)| (name, &cron.env));
    for (service, env) in services.chain(jobs) {
        for (name, _) in env.iter().filter(|(name, value)| secretive(name) && !value.is_empty()) {
            warnings.push(
                Explain::new("secret-in-manifest", format!("`{name}` of `{service}` looks like a secret and stands in the manifest"))
                    .help(format!("name it in `env_secrets` and put the value where machine.toml says: `mainstay check` shows the place of {name}")),
            );
        }
    }
    warnings
}
