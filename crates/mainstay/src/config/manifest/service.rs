//! `[service.NAME]`: one kind of process.

use std::{collections::BTreeMap, num::NonZeroU32};

use model::{
    ByteSize, Span,
    manifest::{
        INSTANCES_MAX, Limits, Listen, OnCrashLoop, Overlap, Recycle, Restart, Service, StartAt, StopSignal,
    },
};

use super::{cron, files, probes, sandbox::sandbox, text};
use crate::config::{
    decode::{Later, Section},
    problem::Problem,
};

const LATER: &[Later] = &[Later {
    key: "writable",
    instead: "use `shared_paths` in [release] for what is written, or `write` in [sandbox]",
}];

pub(super) const SIGNALS: [(&str, StopSignal); 7] = [
    ("SIGTERM", StopSignal::Term),
    ("SIGINT", StopSignal::Int),
    ("SIGQUIT", StopSignal::Quit),
    ("SIGHUP", StopSignal::Hup),
    ("SIGUSR1", StopSignal::Usr1),
    ("SIGUSR2", StopSignal::Usr2),
    ("SIGWINCH", StopSignal::Winch),
];

pub(super) const LISTENS: [(&str, Listen); 3] =
    [("tcp", Listen::Tcp), ("unix", Listen::Unix), ("inherit", Listen::Inherit)];

pub(super) const OVERLAPS: [(&str, Overlap); 2] = [("allow", Overlap::Allow), ("never", Overlap::Never)];

pub(super) const START_ATS: [(&str, StartAt); 2] =
    [("switch", StartAt::Switch), ("after_bake", StartAt::AfterBake)];

pub(super) const ON_CRASH_LOOP: [(&str, OnCrashLoop); 2] =
    [("retry", OnCrashLoop::Retry), ("rollback", OnCrashLoop::Rollback)];

pub(super) fn service(section: &mut Section<'_, '_, '_>) -> Service {
    section.later(LATER);
    cron::without_schedule(section);
    let files = files::files(section);
    let command = if files.is_none() { text::command(section, "command") } else { None };
    if files.is_none() && !section.has("command") {
        section.missing("command", "command = [\"node\", \"server.js\"]");
    }
    let instances = section.integer("instances", 1..=u64::from(INSTANCES_MAX));
    let overlap = section.one_of("overlap", &OVERLAPS).unwrap_or_default();
    one_of_a_singleton(section, overlap, instances);
    let start_at = section.one_of("start_at", &START_ATS).unwrap_or_default();
    let listen = if files.is_none() { section.one_of("listen", &LISTENS) } else { Some(Listen::Inherit) };
    let env = text::env(section);
    let env_secrets = text::env_secrets(section, &env);
    fixed_port(section, listen, &env, &env_secrets);
    let stop_signal = section.one_of("stop_signal", &SIGNALS);
    let stop_timeout = section.duration("stop_timeout");
    let limits = section.table("limits", limits).unwrap_or_default();
    let sandbox = section.table("sandbox", sandbox).unwrap_or_default();
    let restart = section.table("restart", restart).unwrap_or_default();
    let mut probes = section.table("probes", probes::probes).unwrap_or_else(probes::none);
    if files.is_some() {
        probes.readiness.get_or_insert_with(files::readiness);
    }
    let allow_public_bind = section.boolean("allow_public_bind").unwrap_or(false);
    let recycle = section.table("recycle", |own| recycle(own, limits.memory_max));
    let instances = instances.and_then(|n| u32::try_from(n).ok()).and_then(NonZeroU32::new);
    Service {
        command: command.unwrap_or_default(),
        files,
        instances: instances.unwrap_or(NonZeroU32::MIN),
        overlap,
        start_at,
        listen,
        env,
        env_secrets,
        stop_signal: stop_signal.unwrap_or(StopSignal::Term),
        stop_timeout: stop_timeout.unwrap_or(Span::secs(30)),
        limits,
        sandbox,
        restart,
        probes,
        allow_public_bind,
        recycle,
    }
}

fn one_of_a_singleton(section: &mut Section<'_, '_, '_>, overlap: Overlap, instances: Option<u64>) {
    let Some(instances) = instances.filter(|n| overlap == Overlap::Never && *n > 1) else { return };
    let span = section.span_of("instances");
    let problem = Problem::new(
        "singleton-instances",
        span,
        format!("`overlap = \"never\"` means that one runs, and {instances} are wanted"),
    );
    section.problem(problem.help("remove `instances`, or `overlap` if the service bears several of it"));
}

/// With `listen = "tcp"` each instance is given a port of its own in `PORT`.
fn fixed_port(
    section: &mut Section<'_, '_, '_>,
    listen: Option<Listen>,
    env: &BTreeMap<String, String>,
    env_secrets: &[String],
) {
    let is_set = env.contains_key("PORT") || env_secrets.iter().any(|name| name == "PORT");
    if listen != Some(Listen::Tcp) || !is_set {
        return;
    }
    let span = section.span_of(if env.contains_key("PORT") { "env" } else { "env_secrets" });
    section.problem(
        Problem::new("fixed-port", span, "`PORT` is set by Mainstay: each instance has a port of its own")
            .help("remove it; an app that wants the port under another name: `env = { SERVER_PORT = \"{port}\" }`"),
    );
}

pub(super) fn limits(section: &mut Section<'_, '_, '_>) -> Option<Limits> {
    let default = Limits::default();
    let nofile = section.integer("nofile", 64..=1_048_576);
    let memory_high = section.size("memory_high");
    let memory_max = section.size("memory_max");
    let tasks_max = section.integer("tasks_max", 1..=4_194_304);
    let cpu_weight = section.integer("cpu_weight", 1..=10_000);
    if let (Some(high), Some(max)) = (memory_high, memory_max)
        && high > max
    {
        let span = section.span_of("memory_high");
        section.problem(
            Problem::new("limits-crossed", span, format!("`memory_high` ({high}) is above `memory_max` ({max})"))
                .help("the kernel slows the service at `memory_high` and kills it at `memory_max`: give high the lower value"),
        );
    }
    Some(Limits { nofile: nofile.unwrap_or(default.nofile), memory_high, memory_max, tasks_max, cpu_weight })
}

/// Younger than this an instance is not recycled: more often would be a service that only starts.
const RECYCLE_AFTER_MIN: Span = Span::secs(60);

fn recycle(section: &mut Section<'_, '_, '_>, memory_max: Option<ByteSize>) -> Option<Recycle> {
    let after = section.duration("after");
    let after_requests = section.integer("after_requests", 1..=1_000_000_000);
    let memory = section.size("memory");
    if after.is_some_and(|after| after < RECYCLE_AFTER_MIN) {
        let span = section.span_of("after");
        section.problem(
            Problem::new("recycle-too-often", span, format!("`after` is at least {RECYCLE_AFTER_MIN}"))
                .help("an instance that does not bear a minute is to be mended, not replaced; hours or a day are usual"),
        );
    }
    if let (Some(memory), Some(max)) = (memory, memory_max)
        && memory >= max
    {
        let span = section.span_of("memory");
        section.problem(
            Problem::new("recycle-above-limit", span, format!("`memory` ({memory}) is not below `limits.memory_max` ({max})"))
                .help("at `memory_max` the kernel kills it, with what it holds: let it be replaced well before that"),
        );
    }
    let any = ["after", "after_requests", "memory"];
    if !any.iter().any(|key| section.has(key)) {
        section.missing("after", "after = \"24h\"` or `memory = \"400MiB\"` or `after_requests = 1000");
    }
    Some(Recycle { after, after_requests, memory })
}

fn restart(section: &mut Section<'_, '_, '_>) -> Option<Restart> {
    section.later(&[Later {
        key: "policy",
        instead: "a service is always restarted; `mainstay scale` or `down` end it",
    }]);
    let default = Restart::default();
    Some(Restart {
        backoff_initial: section.duration("backoff_initial").unwrap_or(default.backoff_initial),
        backoff_factor: section.number("backoff_factor", 1.0..=10.0).unwrap_or(default.backoff_factor),
        backoff_max: section.duration("backoff_max").unwrap_or(default.backoff_max),
        jitter: section.number("jitter", 0.0..=1.0).unwrap_or(default.jitter),
        reset_after: section.duration("reset_after").unwrap_or(default.reset_after),
        max_restarts: section.integer("max_restarts", 1..=10_000).map_or(default.max_restarts, |n| n as u32),
        window: section.duration("window").unwrap_or(default.window),
        degraded_every: section.duration("degraded_every").unwrap_or(default.degraded_every),
        on_crash_loop: section.one_of("on_crash_loop", &ON_CRASH_LOOP).unwrap_or(default.on_crash_loop),
    })
}
