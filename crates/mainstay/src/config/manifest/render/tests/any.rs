//! Any manifest that a file can mean.

use std::{collections::BTreeMap, num::NonZeroU32};

use model::{
    ByteSize, EnvName, Sandbox, ServiceName, Span,
    manifest::{
        AbortIf, Access, Affinity, Balance, Build, BuildPlace, Canary, CatchUp, Compress, Cors, Cron, Deploy,
        Drain, DrainHint, Encoding, FORMAT, Files, Headers, Hook, Hooks, LimitKey, Limits, Listen,
        LivenessProbe, Logs, Manifest, Migrate, MigrateTool, Overlap, ProbeRequest, Probes, Proof, RateLimit,
        ReadinessProbe, Recycle, Redirect, Release, Restart, Rewrite, Route, RouteTls, Service, Smoke,
        Source, StartAt, StartupProbe, StopSignal, WhileRunning,
    },
    sandbox::Allow,
    schema::CodeSchema,
};
use proptest::{collection, option, prelude::*, sample::select};

use crate::config::manifest::{
    files, probes,
    service::{ON_CRASH_LOOP, OVERLAPS, SIGNALS, START_ATS},
};

pub(super) fn manifest() -> impl Strategy<Value = Manifest> {
    let name = "[a-z][a-z0-9]{0,5}(-[a-z0-9]{1,3})?";
    let services = collection::btree_map(name, (with_files(), option::of(route())), 1..4);
    let jobs = collection::btree_map("[a-z][a-z0-9]{0,5}-(job|cron)", cron(), 0..3)
        .prop_map(|jobs| jobs.into_iter().map(|(name, job)| (name.parse().unwrap(), job)).collect());
    let logs = (size(), span())
        .prop_map(|(max_bytes, max_age)| Logs { max_bytes: max_bytes.max(ByteSize::mib(1)), max_age });
    let parts = (release(), sandbox());
    let steps = (option::of(migrate()), hooks());
    ("[a-z][a-z0-9]{0,9}x", parts, (services, jobs), deploy(), drain(), steps, logs).prop_map(
        |(app, (release, sandbox), (all, cron), deploy, drain, (migrate, hooks), logs)| {
            let (services, routes) = joined(all);
            let services = recyclable(services, &routes, deploy.strategy);
            let (app, env) = (app.parse().unwrap(), EnvName::production());
            Manifest {
                format: FORMAT,
                app,
                env,
                release,
                sandbox,
                services,
                cron,
                routes,
                deploy,
                drain,
                migrate,
                hooks,
                logs,
            }
        },
    )
}

/// What is recycled can be.
fn recyclable(
    mut services: BTreeMap<ServiceName, Service>,
    routes: &[Route],
    strategy: model::manifest::Strategy,
) -> BTreeMap<ServiceName, Service> {
    for (name, service) in &mut services {
        if strategy == model::manifest::Strategy::Recreate {
            service.recycle = None;
            service.start_at = StartAt::Switch;
        }
        let Some(recycle) = &mut service.recycle else { continue };
        if !routes.iter().any(|route| route.service == *name) {
            recycle.after_requests = None;
        }
    }
    services
}

fn recycle() -> impl Strategy<Value = Recycle> {
    (60..90_000u64, option::of(1..=1_000_000_000u64)).prop_map(|(after, after_requests)| Recycle {
        after: Some(Span::secs(after)),
        after_requests,
        memory: None,
    })
}

/// Files that Mainstay serves in place of a program, sometimes.
fn with_files() -> impl Strategy<Value = Service> {
    let files =
        ("[a-z]{1,5}(/[a-z]{1,5})?", option::of("[a-z]{1,5}\\.html"), collection::vec("/[a-z]{1,5}", 0..2));
    (service(), option::of(files)).prop_map(|(service, files)| {
        let Some((root, fallback, immutable)) = files else { return service };
        let mut probes = service.probes.clone();
        probes.readiness.get_or_insert_with(files::readiness);
        Service {
            command: Vec::new(),
            files: Some(Files { root, fallback, immutable }),
            start_at: StartAt::Switch,
            listen: Some(Listen::Inherit),
            env: BTreeMap::new(),
            env_secrets: Vec::new(),
            stop_signal: StopSignal::Term,
            allow_public_bind: false,
            probes,
            ..service
        }
    })
}

/// Each route leads to its service where that can be asked, by a path of its own.
fn joined(all: BTreeMap<String, (Service, Option<Route>)>) -> (BTreeMap<ServiceName, Service>, Vec<Route>) {
    let (mut services, mut routes) = (BTreeMap::new(), Vec::new());
    for (n, (name, (service, route))) in all.into_iter().enumerate() {
        let name: ServiceName = name.parse().unwrap();
        let may_be_routed = service.listen.is_some()
            && service.probes.readiness.is_some()
            && service.overlap == Overlap::Allow;
        if let Some(mut route) = route.filter(|_| may_be_routed) {
            let path_prefix = format!("{}{n}", route.path_prefix);
            route.headers.csp_reports = route.headers.csp_reports.map(|path| format!("{path_prefix}{path}"));
            routes.push(Route { service: name.clone(), path_prefix, ..route });
        }
        services.insert(name, service);
    }
    (services, routes)
}

fn span() -> impl Strategy<Value = Span> {
    prop_oneof![(0..=100_000u64).prop_map(Span::millis), (0..=40_000_000u64).prop_map(Span::secs)]
}

fn size() -> impl Strategy<Value = ByteSize> {
    prop_oneof![(0..1u64 << 50).prop_map(ByteSize), (0..9000u64).prop_map(ByteSize::mib)]
}

/// A text with all that TOML must escape; braces come in known placeholders only.
fn text() -> impl Strategy<Value = String> {
    ("[a-zé∞\"'\\\\ #=\\[\\]\n\t\r\u{1}\u{7f}]{0,12}", any::<bool>())
        .prop_map(|(text, named)| if named { format!("{text}{{instance}}") } else { text })
}

fn command() -> impl Strategy<Value = Vec<String>> {
    ("[a-z./\"é ]{0,8}[a-z]", collection::vec(text(), 0..3))
        .prop_map(|(program, rest)| [program].into_iter().chain(rest).collect())
}

fn path() -> impl Strategy<Value = String> {
    "/[a-z0-9?='\"\\\\%]{0,9}"
}

fn host() -> impl Strategy<Value = String> {
    "(\\*\\.)?[a-z]{1,5}(\\.[a-z0-9]{1,4}){0,2}"
}

fn env() -> impl Strategy<Value = BTreeMap<String, String>> {
    collection::btree_map("[a-z_][A-Za-z0-9_]{0,6}", text(), 0..3)
}

fn secrets() -> impl Strategy<Value = Vec<String>> {
    collection::btree_set("S_[A-Z]{1,4}", 0..3).prop_map(|names| names.into_iter().collect())
}

fn release() -> impl Strategy<Value = Release> {
    let archive = ("[a-zé\"' ]{1,8}\\.tar", option::of("sha256:[0-9a-f]{64}"))
        .prop_map(|(file, digest)| (Source::Artifact(file), digest));
    let source = prop_oneof!["[a-z]{1,5}(/[a-z]{1,5})?".prop_map(|dir| (Source::Dir(dir), None)), archive];
    let shared = collection::btree_set("[a-z]{1,6}", 0..3);
    let proof = option::of((path(), text()).prop_map(|(get, json)| Proof { get, json }));
    let assets = (collection::btree_set("[a-z]{1,6}-/a", 0..3), span());
    (source, shared, proof, (1..=1000u32, size()), assets, option::of(build())).prop_map(
        |((source, digest), shared, proof, (keep_releases, keep_bytes), (assets, asset_retention), build)| {
            let asset_paths = assets.into_iter().collect();
            Release {
                source,
                digest,
                asset_paths,
                asset_retention,
                build,
                shared_paths: shared.into_iter().collect(),
                proof,
                keep_releases,
                keep_bytes,
            }
        },
    )
}

fn sandbox() -> impl Strategy<Value = Sandbox> {
    let write = collection::btree_set("/[a-zé\"' ]{1,6}", 0..3);
    let allow = collection::btree_set(select(Allow::WORDS.map(|(_, allow)| allow).to_vec()), 0..4);
    (any::<bool>(), any::<bool>(), write, allow).prop_map(|(landlock, seccomp, write, allow)| Sandbox {
        landlock,
        seccomp,
        // Where files are open anyway it is refused.
        write: write.into_iter().filter(|_| landlock).collect(),
        allow: allow.into_iter().collect(),
    })
}

fn limits() -> impl Strategy<Value = Limits> {
    let memory = (option::of(size()), option::of(size()));
    (64..=1_048_576u64, memory, option::of(1..=4_194_304u64), option::of(1..=10_000u64)).prop_map(
        |(nofile, (a, b), tasks_max, cpu_weight)| {
            let (memory_high, memory_max) = match (a, b) {
                (Some(a), Some(b)) => (Some(a.min(b)), Some(a.max(b))),
                either => either,
            };
            Limits { nofile, memory_high, memory_max, tasks_max, cpu_weight }
        },
    )
}

fn restart() -> impl Strategy<Value = Restart> {
    let waits = [span(), span(), span(), span(), span()];
    let on_crash_loop = select(ON_CRASH_LOOP.map(|(_, word)| word).to_vec());
    (waits, 1.0..=10.0f64, 0.0..=1.0f64, 1..=10_000u32, on_crash_loop).prop_map(
        |(waits, backoff_factor, jitter, max_restarts, on_crash_loop)| {
            let [backoff_initial, backoff_max, reset_after, window, degraded_every] = waits;
            let (factor, max) = (backoff_factor, backoff_max);
            Restart {
                backoff_initial,
                backoff_factor: factor,
                backoff_max: max,
                jitter,
                reset_after,
                max_restarts,
                window,
                degraded_every,
                on_crash_loop,
            }
        },
    )
}

fn request() -> impl Strategy<Value = ProbeRequest> {
    let often = || span().prop_map(|span| span.max(Span::millis(50)));
    (path(), option::of(host()), often(), often()).prop_map(|(http, host, period, timeout)| ProbeRequest {
        http,
        host,
        period,
        timeout,
    })
}

fn all_probes() -> impl Strategy<Value = Probes> {
    let startup = (request(), span()).prop_map(|(request, deadline)| StartupProbe { request, deadline });
    let readiness =
        (request(), 1..=1000u32, 1..=1000u32).prop_map(|(request, success_threshold, failure_threshold)| {
            ReadinessProbe { request, success_threshold, failure_threshold }
        });
    let liveness = (request(), 1..=1000u32)
        .prop_map(|(request, failure_threshold)| LivenessProbe { request, failure_threshold });
    (option::of(startup), option::of(readiness), option::of(liveness))
        .prop_map(|(startup, readiness, liveness)| Probes { startup, readiness, liveness })
}

fn signal() -> impl Strategy<Value = StopSignal> {
    select(SIGNALS.map(|(_, signal)| signal).to_vec())
}

fn service() -> impl Strategy<Value = Service> {
    let listen = option::of(select(vec![Listen::Tcp, Listen::Unix, Listen::Inherit]));
    // One of what must never run twice, else as many as one likes.
    let count = (1..=512u32).prop_flat_map(|n| {
        let overlaps = if n == 1 { OVERLAPS.to_vec() } else { OVERLAPS[..1].to_vec() };
        (Just(n), select(overlaps.into_iter().map(|(_, overlap)| overlap).collect::<Vec<_>>()))
    });
    let first = (command(), count, listen, env(), secrets());
    let last = (
        any::<bool>(),
        option::of(recycle()),
        option::of(size()),
        select(START_ATS.map(|(_, at)| at).to_vec()),
    );
    (first, signal(), span(), (limits(), sandbox()), restart(), all_probes(), last).prop_map(
        |(
            (command, (n, overlap), listen, env, env_secrets),
            stop_signal,
            stop_timeout,
            (limits, sandbox),
            restart,
            all,
            (public, recycle, memory, late),
        )| {
            Service {
                command,
                files: None,
                instances: NonZeroU32::new(n).unwrap(),
                overlap,
                start_at: if listen.is_none() { late } else { StartAt::Switch },
                listen,
                env,
                env_secrets,
                stop_signal,
                stop_timeout,
                limits,
                sandbox,
                restart,
                // A worker has no address to ask at.
                probes: if listen.is_some() { all } else { probes::none() },
                allow_public_bind: public,
                recycle: recycle.map(|recycle| Recycle {
                    // Where it may be killed for less, it is not recycled by what it holds.
                    memory: memory.filter(|_| limits.memory_max.is_none()),
                    ..recycle
                }),
            }
        },
    )
}

fn cron() -> impl Strategy<Value = Cron> {
    let times =
        select(vec![("30 2 * * *", "Europe/Berlin"), ("@hourly", "UTC"), ("*/5 * * * * *", "Asia/Tokyo")]);
    let ways =
        (select(vec![CatchUp::None, CatchUp::Latest]), select(vec![WhileRunning::Skip, WhileRunning::Wait]));
    (command(), times, 1..90_000u64, ways, env(), secrets(), signal(), span(), (limits(), sandbox()))
        .prop_map(
            |(
                command,
                (schedule, timezone),
                timeout,
                ways,
                env,
                env_secrets,
                stop_signal,
                stop_timeout,
                (limits, sandbox),
            )| Cron {
                command,
                schedule: schedule.to_owned(),
                timezone: timezone.to_owned(),
                timeout: Span::secs(timeout),
                catch_up: ways.0,
                while_running: ways.1,
                env,
                env_secrets,
                stop_signal,
                stop_timeout,
                limits,
                sandbox,
            },
        )
}

fn rate_limit() -> impl Strategy<Value = RateLimit> {
    let name = "[a-zA-Z][a-z-]{0,6}";
    let key = prop_oneof![
        Just(LimitKey::Address),
        name.prop_map(|name| LimitKey::Header(name.to_lowercase())),
        name.prop_map(LimitKey::Cookie),
    ];
    let exempt = select(vec!["10.0.0.0/8", "2001:db8::/32", "192.0.2.7/32"]);
    let lists = (
        collection::vec("(/[a-z0-9%]{1,5}){1,3}", 0..3),
        collection::vec("[A-Z]{3,6}", 0..2),
        collection::vec(exempt.prop_map(|net| net.parse().unwrap()), 0..3),
    );
    let many = || (1..=1_000_000u32).prop_map(|n| NonZeroU32::new(n).unwrap());
    ("[a-z]{1,8}", lists, many(), 1..=86_400u64, many(), key, option::of(text())).prop_map(
        |(name, (paths, methods, exempt), requests, per, burst, key, body)| RateLimit {
            name: name.parse().unwrap(),
            paths,
            methods,
            requests,
            per: Span::secs(per),
            burst,
            key,
            exempt,
            body,
        },
    )
}

type Rules = (Option<Cors>, Headers, Vec<Redirect>, Vec<Rewrite>, Option<Access>, Option<Compress>);

fn rules() -> impl Strategy<Value = Rules> {
    let value = || "[ -~é]{0,12}";
    let lines = || collection::btree_map("x-[a-z]{1,6}", value(), 0..3);
    let names = || collection::vec("x-[a-z]{1,6}", 0..2);
    let origins = collection::vec("https?://[a-z]{1,5}\\.test(:81)?", 1..3);
    let methods = collection::vec("[A-Z]{3,6}", 0..3);
    let cors = (origins, methods, names(), names(), any::<bool>(), 0..=86_400u64).prop_map(
        |(origins, methods, headers, expose, credentials, max_age)| Cors {
            origins,
            methods,
            headers,
            expose,
            credentials,
            max_age: Span::secs(max_age),
        },
    );
    let reports = option::of("/[a-z-]{1,8}");
    let headers = (lines(), lines(), names(), lines(), names(), reports, any::<bool>()).prop_map(
        |(default, set, remove, request_set, request_remove, csp_reports, csp_report_only)| Headers {
            default,
            set,
            remove,
            request_set,
            request_remove,
            csp_reports,
            csp_report_only,
        },
    );
    let status = select(vec![301u16, 302, 303, 307, 308]);
    let redirect =
        (option::of("[a-z]{1,5}\\.test"), "/[a-z]{0,5}", status).prop_map(|(host, from, status)| Redirect {
            host,
            from: format!("{from}x/*"),
            to: format!("https://a.test{from}/*"),
            status,
        });
    let rewrite = "/[a-z]{0,5}".prop_map(|from| Rewrite { to: format!("{from}y"), from });
    let tokens = collection::btree_map("[a-zé \"]{1,6}", "[0-9a-f]{64}", 0..3);
    let access = (tokens, collection::vec("/[a-z]{1,5}", 0..2)).prop_map(|(tokens, open)| Access {
        tokens,
        exempt: Vec::new(),
        open,
    });
    let moves = (collection::vec(redirect, 0..3), collection::vec(rewrite, 0..3));
    (option::of(cors), headers, moves, option::of(access), option::of(compress())).prop_map(
        |(cors, headers, (redirects, rewrites), access, compress)| {
            (cors, headers, redirects, rewrites, access, compress)
        },
    )
}

fn compress() -> impl Strategy<Value = Compress> {
    let types = collection::vec("[a-z]{1,5}/([a-z+]{1,5}|\\*)", 1..3);
    let encodings = Just(vec![Encoding::Zstd, Encoding::Br, Encoding::Gzip]).prop_shuffle();
    (types, size(), encodings, 1..=3usize).prop_map(|(types, min_bytes, mut encodings, count)| {
        encodings.truncate(count);
        Compress { types, min_bytes, encodings }
    })
}

/// Of no service yet.
fn route() -> impl Strategy<Value = Route> {
    let tls = select(vec![RouteTls::Required, RouteTls::Optional, RouteTls::Off]);
    let balance = select(vec![Balance::LeastConnections, Balance::RoundRobin]);
    let affinity = select(vec![None, Some(Affinity::Cookie), Some(Affinity::Address)]);
    let limits = collection::vec(rate_limit(), 0..3).prop_map(|mut limits| {
        limits.sort_by(|a, b| a.name.cmp(&b.name));
        limits.dedup_by(|a, b| a.name == b.name);
        limits
    });
    (
        collection::vec(host(), 0..2),
        "/[a-z]{0,5}",
        tls,
        (balance, affinity),
        [span(), span()],
        (size(), limits, rules()),
    )
        .prop_map(
            |(
                hosts,
                path_prefix,
                tls,
                (balance, affinity),
                [head, idle],
                (max_request_body, rate_limits, rules),
            )| {
                Route {
                    hosts,
                    path_prefix,
                    service: "none".parse().unwrap(),
                    tls,
                    balance,
                    affinity,
                    response_header_timeout: head,
                    idle_timeout: idle,
                    max_request_body,
                    rate_limits,
                    cors: rules.0,
                    headers: rules.1,
                    redirects: rules.2,
                    rewrites: rules.3,
                    access: rules.4,
                    compress: rules.5,
                }
            },
        )
}

fn smoke() -> impl Strategy<Value = Smoke> {
    (path(), option::of(host()), 100..=599u16, option::of(text()), option::of(span())).prop_map(
        |(get, host, status, contains, first_event_within)| Smoke {
            get,
            host,
            status,
            contains,
            first_event_within,
        },
    )
}

fn abort_if() -> impl Strategy<Value = AbortIf> {
    (0.0..=1.0f64, 0.5..=0.999_999f64, 1..=1_000_000u32, 1..=200u32, 1.2..=1000.0f64).prop_map(
        |(error_rate, confidence, min_errors, min_clients, slowdown)| AbortIf {
            error_rate,
            confidence,
            min_errors,
            min_clients,
            slowdown,
        },
    )
}

fn canary() -> impl Strategy<Value = Canary> {
    (1..=99u8, 0..=3600u64).prop_map(|(weight, duration)| Canary { weight, duration: Span::secs(duration) })
}

fn deploy() -> impl Strategy<Value = Deploy> {
    let times = (1..90_000u64, 0..90_000u64, 0..=3600u64);
    let judges = (option::of(canary()), abort_if());
    (times, 2..=64u32, any::<bool>(), judges, collection::vec(smoke(), 0..3)).prop_map(
        |((health, healthy, bake), max_generations, auto_rollback, (canary, abort_if), smoke)| Deploy {
            strategy: match canary {
                None if max_generations % 2 == 0 => model::manifest::Strategy::Recreate,
                _ => model::manifest::Strategy::BlueGreen,
            },
            approval: max_generations % 3 == 0,
            health_timeout: Span::secs(health),
            min_healthy_time: Span::secs(healthy.min(health - 1)),
            bake_time: Span::secs(bake),
            max_generations,
            auto_rollback,
            canary,
            abort_if,
            smoke,
        },
    )
}

fn drain() -> impl Strategy<Value = Drain> {
    let said = prop_oneof![signal().prop_map(DrainHint::Signal), path().prop_map(DrainHint::Http)];
    let hint = prop_oneof![Just(DrainHint::None), said];
    (hint, [span(), span(), span(), span()], 3000..=4999u16).prop_map(
        |(hint, times, websocket_close_code)| {
            let [http_timeout, stream_timeout, websocket_timeout, close_jitter] = times;
            Drain {
                hint,
                http_timeout,
                stream_timeout,
                websocket_timeout,
                websocket_close_code,
                close_jitter,
            }
        },
    )
}

fn build() -> impl Strategy<Value = Build> {
    let timeout = (1..=2400u64).prop_map(Span::secs);
    let on_server = option::of((secrets(), limits()));
    (command(), timeout, env(), on_server, any::<bool>()).prop_map(
        |(command, timeout, env, on_server, offline)| {
            let place = if on_server.is_some() { BuildPlace::Server } else { BuildPlace::Client };
            let (env_secrets, limits) = on_server.unwrap_or_default();
            let network = match place {
                BuildPlace::Server if offline => model::manifest::BuildNetwork::None,
                _ => model::manifest::BuildNetwork::Machine,
            };
            Build { place, command, timeout, env, env_secrets, limits, network }
        },
    )
}

fn hooks() -> impl Strategy<Value = Hooks> {
    let hook = || {
        let timeout = (1..=3600u64).prop_map(Span::secs);
        let hook = (command(), timeout, env(), secrets());
        option::of(hook.prop_map(|(command, timeout, env, env_secrets)| Hook {
            command,
            timeout,
            env,
            env_secrets,
        }))
    };
    (hook(), hook(), hook()).prop_map(|(pre_deploy, post_deploy, on_rollback)| Hooks {
        pre_deploy,
        post_deploy,
        on_rollback,
    })
}

/// With one of the tools, or the app's commands.
fn migrate() -> impl Strategy<Value = Migrate> {
    let program = collection::vec("[a-z./-]{1,12}", 1..3);
    (migrate_by_command(), 0..4u8, program).prop_map(|(mut migrate, kind, program)| {
        migrate.tool = match kind {
            0 => return migrate,
            1 => MigrateTool::Alembic { program },
            2 => MigrateTool::Prisma { program },
            _ => match migrate.env.keys().next() {
                Some(name) => MigrateTool::Sql { folder: "db/steps".into(), database: name.clone() },
                None => return migrate,
            },
        };
        (migrate.command, migrate.status_command) = (Vec::new(), Vec::new());
        migrate
    })
}

fn migrate_by_command() -> impl Strategy<Value = Migrate> {
    let schema = (0..1u64 << 62, 0..1u64 << 62, option::of(0..1u64 << 62));
    (command(), command(), option::of(command()), span(), schema, env(), secrets()).prop_map(
        |(command, status_command, down_command, timeout, (schema, min, with), env, env_secrets)| Migrate {
            tool: MigrateTool::Command,
            command,
            status_command,
            contract_command: down_command.clone(),
            down_command,
            timeout,
            code: CodeSchema { schema, schema_min: min.min(schema) },
            compatible_with: with.map(|with| with.min(schema)),
            env,
            env_secrets,
        },
    )
}
