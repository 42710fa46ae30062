//! A [`Manifest`] as a `mainstay.toml`: every key, in the file's own words. Read again it means the same.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use model::{
    EnvName, Sandbox, ServiceName,
    manifest::{
        Access, Build, BuildPlace, Compress, Cors, Cron, Deploy, Drain, DrainHint, Files, Headers, Hooks,
        Limits, Manifest, Migrate, MigrateTool, ProbeRequest, RateLimit, Redirect, Release, Route, Service,
        Source,
    },
};
use toml::Value;

use super::{
    MANIFEST_FORMAT,
    compress::ENCODINGS,
    cron::{CATCH_UPS, WHILE_RUNNING},
    deploy::STRATEGIES,
    merge,
    rate_limit::key_word,
    release::build::{NETWORKS, PLACES},
    route::{AFFINITIES, BALANCES, TLS},
    service::{LISTENS, ON_CRASH_LOOP, OVERLAPS, SIGNALS, START_ATS},
};
use crate::config::sheet::{Origins, Sheet, number, word_of};

/// What `text` itself says for `env`; `None` if it is no TOML.
pub fn origins<'t>(text: &'t str, env: &EnvName) -> Option<Origins<'t>> {
    let tree = toml::de::DeTable::parse(text).ok()?.into_inner();
    let over = merge::overrides(&tree, env.as_str()).map(|over| (env.to_string(), over));
    Some(Origins::new(text, merge::merged(&tree, env.as_str()), over))
}

/// The text. With `origins` each value says where it comes from.
pub fn render(manifest: &Manifest, head: &str, origins: Option<&Origins<'_>>) -> String {
    let mut sheet = Sheet::new(head, origins);
    sheet.set("manifest", number(MANIFEST_FORMAT));
    if manifest.migrate.is_none() {
        sheet.absent("migrate", "no table of this name: a deploy runs no migration");
    }
    if manifest.routes.is_empty() {
        sheet.absent("route", "no table of this name: no request reaches the app");
    }
    sheet.table(&["app"]);
    sheet.set("name", manifest.app.as_str());
    release(&mut sheet, &manifest.release);
    sandbox(&mut sheet, &["sandbox"], &manifest.sandbox);
    for (name, one) in &manifest.services {
        service(&mut sheet, name, one);
    }
    for (name, one) in &manifest.cron {
        cron(&mut sheet, name, one);
    }
    for (n, one) in manifest.routes.iter().enumerate() {
        route(&mut sheet, n, one);
    }
    deploy(&mut sheet, &manifest.deploy);
    drain(&mut sheet, &manifest.drain);
    if let Some(one) = &manifest.migrate {
        migrate(&mut sheet, one);
    }
    hooks(&mut sheet, &manifest.hooks);
    sheet.table(&["logs"]);
    sheet.set("max_bytes", manifest.logs.max_bytes.to_string());
    sheet.set("max_age", manifest.logs.max_age.to_string());
    sheet.text()
}

fn hooks(sheet: &mut Sheet<'_>, hooks: &Hooks) {
    let all = [
        ("pre_deploy", &hooks.pre_deploy),
        ("post_deploy", &hooks.post_deploy),
        ("on_rollback", &hooks.on_rollback),
    ];
    for (name, hook) in all {
        let Some(hook) = hook else { continue };
        sheet.table(&["hooks", name]);
        sheet.set("command", hook.command.clone());
        sheet.set("timeout", hook.timeout.to_string());
        sheet.set("env_secrets", hook.env_secrets.clone());
        env(sheet, &["hooks", name], &hook.env);
    }
}

fn release(sheet: &mut Sheet<'_>, release: &Release) {
    sheet.table(&["release"]);
    match &release.source {
        Source::Dir(dir) => sheet.set("dir", dir.as_str()),
        Source::Artifact(file) => sheet.set("artifact", file.as_str()),
    }
    sheet.set_or("digest", release.digest.as_deref(), "any artifact is taken");
    sheet.set("asset_paths", release.asset_paths.clone());
    sheet.set("asset_retention", release.asset_retention.to_string());
    sheet.set("shared_paths", release.shared_paths.clone());
    sheet.set("keep_releases", i64::from(release.keep_releases));
    sheet.set("keep_bytes", release.keep_bytes.to_string());
    match &release.proof {
        None => sheet.absent("proof", "the app is not asked which release it is"),
        Some(proof) => {
            sheet.table(&["release", "proof"]);
            sheet.set("get", proof.get.as_str());
            sheet.set("json", proof.json.as_str());
        }
    }
    if let Some(one) = &release.build {
        build(sheet, one);
    }
}

fn build(sheet: &mut Sheet<'_>, build: &Build) {
    let own = ["release", "build"];
    sheet.table(&own);
    sheet.set("where", word_of(&PLACES, &build.place));
    sheet.set("command", build.command.clone());
    sheet.set("timeout", build.timeout.to_string());
    let on_server = build.place == BuildPlace::Server;
    if on_server {
        sheet.set("network", word_of(&NETWORKS, &build.network));
        sheet.set("env_secrets", build.env_secrets.clone());
    }
    env(sheet, &own, &build.env);
    if on_server {
        limits(sheet, &own, &build.limits);
    }
}

fn service(sheet: &mut Sheet<'_>, name: &ServiceName, service: &Service) {
    let name = name.as_str();
    sheet.table(&["service", name]);
    match &service.files {
        None => sheet.set("command", service.command.clone()),
        Some(one) => files(sheet, one),
    }
    sheet.set("instances", i64::from(service.instances.get()));
    sheet.set("overlap", word_of(&OVERLAPS, &service.overlap));
    sheet.set("start_at", word_of(&START_ATS, &service.start_at));
    sheet.set("stop_timeout", service.stop_timeout.to_string());
    if service.files.is_none() {
        let listen = service.listen.map(|listen| word_of(&LISTENS, &listen));
        sheet.set_or("listen", listen, "it takes no requests");
        sheet.set("env_secrets", service.env_secrets.clone());
        sheet.set("stop_signal", word_of(&SIGNALS, &service.stop_signal));
        sheet.set("allow_public_bind", service.allow_public_bind);
        env(sheet, &["service", name], &service.env);
    }
    limits(sheet, &["service", name], &service.limits);
    sandbox(sheet, &["service", name, "sandbox"], &service.sandbox);
    restart(sheet, name, service);
    recycle(sheet, name, service);
    probes(sheet, name, service);
}

fn files(sheet: &mut Sheet<'_>, files: &Files) {
    sheet.set("type", "static");
    sheet.set("root", files.root.as_str());
    sheet.set_or("fallback", files.fallback.as_deref(), "a path without a file is 404");
    sheet.set("immutable", files.immutable.clone());
}

fn cron(sheet: &mut Sheet<'_>, name: &ServiceName, cron: &Cron) {
    let name = name.as_str();
    sheet.table(&["service", name]);
    sheet.set("command", cron.command.clone());
    sheet.set("schedule", cron.schedule.as_str());
    sheet.set("timezone", cron.timezone.as_str());
    sheet.set("timeout", cron.timeout.to_string());
    sheet.set("catch_up", word_of(&CATCH_UPS, &cron.catch_up));
    sheet.set("while_running", word_of(&WHILE_RUNNING, &cron.while_running));
    sheet.set("env_secrets", cron.env_secrets.clone());
    sheet.set("stop_signal", word_of(&SIGNALS, &cron.stop_signal));
    sheet.set("stop_timeout", cron.stop_timeout.to_string());
    env(sheet, &["service", name], &cron.env);
    limits(sheet, &["service", name], &cron.limits);
    sandbox(sheet, &["service", name, "sandbox"], &cron.sandbox);
}

fn env(sheet: &mut Sheet<'_>, whose: &[&str], env: &BTreeMap<String, String>) {
    if env.is_empty() {
        return sheet.set("env", Value::Table(toml::Table::new()));
    }
    sheet.table(&[whose, &["env"]].concat());
    env.iter().for_each(|(name, value)| sheet.set(name, value.as_str()));
}

fn sandbox(sheet: &mut Sheet<'_>, path: &[&str], sandbox: &Sandbox) {
    sheet.table(path);
    sheet.set("landlock", sandbox.landlock);
    sheet.set("seccomp", sandbox.seccomp);
    sheet.set("write", sandbox.write.clone());
    sheet.set("allow", sandbox.allow.iter().map(|allow| allow.word()).collect::<Vec<_>>());
}

fn limits(sheet: &mut Sheet<'_>, whose: &[&str], limits: &Limits) {
    sheet.table(&[whose, &["limits"]].concat());
    sheet.set("nofile", number(limits.nofile));
    sheet.set_or("memory_high", limits.memory_high.map(|size| size.to_string()), "no limit");
    sheet.set_or("memory_max", limits.memory_max.map(|size| size.to_string()), "no limit");
    sheet.set_or("tasks_max", limits.tasks_max.map(number), "no limit");
    sheet.set_or("cpu_weight", limits.cpu_weight.map(number), "as the kernel has it");
}

fn restart(sheet: &mut Sheet<'_>, name: &str, service: &Service) {
    let restart = &service.restart;
    sheet.table(&["service", name, "restart"]);
    sheet.set("backoff_initial", restart.backoff_initial.to_string());
    sheet.set("backoff_factor", restart.backoff_factor);
    sheet.set("backoff_max", restart.backoff_max.to_string());
    sheet.set("jitter", restart.jitter);
    sheet.set("reset_after", restart.reset_after.to_string());
    sheet.set("max_restarts", i64::from(restart.max_restarts));
    sheet.set("window", restart.window.to_string());
    sheet.set("degraded_every", restart.degraded_every.to_string());
    sheet.set("on_crash_loop", word_of(&ON_CRASH_LOOP, &restart.on_crash_loop));
}

fn recycle(sheet: &mut Sheet<'_>, name: &str, service: &Service) {
    let Some(recycle) = &service.recycle else { return };
    sheet.table(&["service", name, "recycle"]);
    sheet.set_or("after", recycle.after.map(|after| after.to_string()), "however old it is");
    sheet.set_or("after_requests", recycle.after_requests.map(number), "whatever it has answered");
    sheet.set_or("memory", recycle.memory.map(|size| size.to_string()), "whatever it holds");
}

fn probes(sheet: &mut Sheet<'_>, name: &str, service: &Service) {
    let probes = &service.probes;
    let table = |probe| ["service", name, "probes", probe];
    sheet.table(&["service", name, "probes"]);
    for (key, is_there, meaning) in [
        ("startup", probes.startup.is_some(), "it is up when it listens"),
        ("readiness", probes.readiness.is_some(), "no request is sent to it"),
        ("liveness", probes.liveness.is_some(), "it is restarted when it ends only"),
    ] {
        if !is_there {
            sheet.absent(key, meaning);
        }
    }
    if let Some(startup) = &probes.startup {
        sheet.table(&table("startup"));
        request(sheet, &startup.request);
        sheet.set("deadline", startup.deadline.to_string());
    }
    if let Some(readiness) = &probes.readiness {
        sheet.table(&table("readiness"));
        request(sheet, &readiness.request);
        sheet.set("success_threshold", i64::from(readiness.success_threshold));
        sheet.set("failure_threshold", i64::from(readiness.failure_threshold));
    }
    if let Some(liveness) = &probes.liveness {
        sheet.table(&table("liveness"));
        request(sheet, &liveness.request);
        sheet.set("failure_threshold", i64::from(liveness.failure_threshold));
    }
}

fn request(sheet: &mut Sheet<'_>, request: &ProbeRequest) {
    sheet.set("http", request.http.as_str());
    sheet.set_or("host", request.host.as_deref(), "the first host of its routes, else localhost");
    sheet.set("period", request.period.to_string());
    sheet.set("timeout", request.timeout.to_string());
}

fn route(sheet: &mut Sheet<'_>, n: usize, route: &Route) {
    sheet.item(&["route"], n);
    sheet.set("hosts", route.hosts.clone());
    sheet.set("path_prefix", route.path_prefix.as_str());
    sheet.set("service", route.service.as_str());
    sheet.set("tls", word_of(&TLS, &route.tls));
    sheet.set("balance", word_of(&BALANCES, &route.balance));
    let affinity = route.affinity.map(|affinity| word_of(&AFFINITIES, &affinity));
    sheet.set_or("affinity", affinity, "each request goes where there is room");
    sheet.set("response_header_timeout", route.response_header_timeout.to_string());
    sheet.set("idle_timeout", route.idle_timeout.to_string());
    sheet.set("max_request_body", route.max_request_body.to_string());
    for (m, limit) in route.rate_limits.iter().enumerate() {
        sheet.inner_item(("route", n), ("rate_limit", m));
        rate_limit(sheet, limit);
    }
    if let Some(one) = &route.cors {
        cors(sheet, n, one);
    }
    if !route.headers.is_empty() {
        headers(sheet, n, &route.headers);
    }
    if let Some(one) = &route.access {
        access(sheet, n, one);
    }
    if let Some(one) = &route.compress {
        compress(sheet, n, one);
    }
    for (m, one) in route.redirects.iter().enumerate() {
        sheet.inner_item(("route", n), ("redirect", m));
        redirect(sheet, one);
    }
    for (m, one) in route.rewrites.iter().enumerate() {
        sheet.inner_item(("route", n), ("rewrite", m));
        sheet.set("from", one.from.as_str());
        sheet.set("to", one.to.as_str());
    }
}

fn cors(sheet: &mut Sheet<'_>, n: usize, cors: &Cors) {
    sheet.inner_table(("route", n), "cors");
    sheet.set("origins", cors.origins.clone());
    sheet.set("methods", cors.methods.clone());
    sheet.set("headers", cors.headers.clone());
    sheet.set("expose", cors.expose.clone());
    sheet.set("credentials", cors.credentials);
    sheet.set("max_age", cors.max_age.to_string());
}

fn headers(sheet: &mut Sheet<'_>, n: usize, headers: &Headers) {
    let lines = |lines: &BTreeMap<String, String>| {
        Value::Table(lines.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str()))).collect())
    };
    sheet.inner_table(("route", n), "headers");
    sheet.set("default", lines(&headers.default));
    sheet.set("set", lines(&headers.set));
    sheet.set("remove", headers.remove.clone());
    sheet.set("request_set", lines(&headers.request_set));
    sheet.set("request_remove", headers.request_remove.clone());
    sheet.set_or(
        "csp_reports",
        headers.csp_reports.as_deref(),
        "browsers are not asked what the policies refuse",
    );
    sheet.set("csp_report_only", headers.csp_report_only);
}

fn access(sheet: &mut Sheet<'_>, n: usize, access: &Access) {
    let tokens =
        access.tokens.iter().map(|(whose, digits)| (whose.clone(), Value::from(format!("sha256:{digits}"))));
    sheet.inner_table(("route", n), "access");
    sheet.set("tokens", Value::Table(tokens.collect()));
    sheet.set("exempt", access.exempt.iter().map(ToString::to_string).collect::<Vec<_>>());
    sheet.set("open", access.open.clone());
}

fn compress(sheet: &mut Sheet<'_>, n: usize, compress: &Compress) {
    sheet.inner_table(("route", n), "compress");
    sheet.set("types", compress.types.clone());
    sheet.set("min_bytes", compress.min_bytes.to_string());
    let words = compress.encodings.iter().map(|encoding| word_of(&ENCODINGS, encoding));
    sheet.set("encodings", words.collect::<Vec<_>>());
}

fn redirect(sheet: &mut Sheet<'_>, redirect: &Redirect) {
    sheet.set_or("host", redirect.host.as_deref(), "each that the route has");
    sheet.set("from", redirect.from.as_str());
    sheet.set("to", redirect.to.as_str());
    sheet.set("status", i64::from(redirect.status));
}

fn rate_limit(sheet: &mut Sheet<'_>, limit: &RateLimit) {
    sheet.set("name", limit.name.as_str());
    sheet.set("paths", limit.paths.clone());
    sheet.set("methods", limit.methods.clone());
    sheet.set("requests", i64::from(limit.requests.get()));
    sheet.set("per", limit.per.to_string());
    sheet.set("burst", i64::from(limit.burst.get()));
    sheet.set("key", key_word(&limit.key));
    sheet.set("exempt", limit.exempt.iter().map(ToString::to_string).collect::<Vec<_>>());
    sheet.set_or("body", limit.body.as_deref(), "a page of the edge");
}

fn deploy(sheet: &mut Sheet<'_>, deploy: &Deploy) {
    sheet.table(&["deploy"]);
    sheet.set("strategy", word_of(&STRATEGIES, &deploy.strategy));
    sheet.set("approval", deploy.approval);
    sheet.set("health_timeout", deploy.health_timeout.to_string());
    sheet.set("min_healthy_time", deploy.min_healthy_time.to_string());
    sheet.set("bake_time", deploy.bake_time.to_string());
    sheet.set("max_generations", i64::from(deploy.max_generations));
    sheet.set("auto_rollback", deploy.auto_rollback);
    if deploy.smoke.is_empty() {
        sheet.set("smoke", Vec::<String>::new());
    }
    if let Some(canary) = &deploy.canary {
        sheet.table(&["deploy", "canary"]);
        sheet.set("weight", i64::from(canary.weight));
        sheet.set("duration", canary.duration.to_string());
    }
    let abort_if = &deploy.abort_if;
    sheet.table(&["deploy", "abort_if"]);
    sheet.set("error_rate", abort_if.error_rate);
    sheet.set("confidence", abort_if.confidence);
    sheet.set("min_errors", i64::from(abort_if.min_errors));
    sheet.set("min_clients", i64::from(abort_if.min_clients));
    sheet.set("slowdown", abort_if.slowdown);
    for (n, smoke) in deploy.smoke.iter().enumerate() {
        sheet.item(&["deploy", "smoke"], n);
        sheet.set("get", smoke.get.as_str());
        sheet.set_or("host", smoke.host.as_deref(), "the first host of the routes");
        sheet.set("status", i64::from(smoke.status));
        sheet.set_or("contains", smoke.contains.as_deref(), "any body is right");
        let within = smoke.first_event_within.map(|within| within.to_string());
        sheet.set_or("first_event_within", within, "it is no event stream");
    }
}

fn drain(sheet: &mut Sheet<'_>, drain: &Drain) {
    sheet.table(&["drain"]);
    sheet.set(
        "hint",
        match &drain.hint {
            DrainHint::None => "none".to_owned(),
            DrainHint::Signal(signal) => format!("signal:{}", word_of(&SIGNALS, signal)),
            DrainHint::Http(path) => format!("http:{path}"),
        },
    );
    sheet.set("http_timeout", drain.http_timeout.to_string());
    sheet.set("stream_timeout", drain.stream_timeout.to_string());
    sheet.set("websocket_timeout", drain.websocket_timeout.to_string());
    sheet.set("websocket_close_code", i64::from(drain.websocket_close_code));
    sheet.set("close_jitter", drain.close_jitter.to_string());
}

fn migrate(sheet: &mut Sheet<'_>, migrate: &Migrate) {
    sheet.table(&["migrate"]);
    match &migrate.tool {
        MigrateTool::Command => {
            sheet.set("command", migrate.command.clone());
            sheet.set("status_command", migrate.status_command.clone());
        }
        MigrateTool::Sql { folder, database } => {
            sheet.set("tool", "sql");
            sheet.set("folder", folder.clone());
            sheet.set("database", database.clone());
        }
        MigrateTool::Alembic { program } => {
            sheet.set("tool", "alembic");
            sheet.set("program", program.clone());
        }
        MigrateTool::Prisma { program } => {
            sheet.set("tool", "prisma");
            sheet.set("program", program.clone());
        }
    }
    sheet.set_or("down_command", migrate.down_command.clone(), "there is no way down");
    sheet.set_or("contract_command", migrate.contract_command.clone(), "there is no contract step");
    sheet.set("timeout", migrate.timeout.to_string());
    sheet.set("schema", number(migrate.code.schema));
    sheet.set("schema_min", number(migrate.code.schema_min));
    let breaking = "as `schema`: its migrations break older code";
    sheet.set_or("compatible_with", migrate.compatible_with.map(number), breaking);
    sheet.set("env_secrets", migrate.env_secrets.clone());
    env(sheet, &["migrate"], &migrate.env);
}
