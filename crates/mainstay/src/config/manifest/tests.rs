//! What the manifest says and what is refused.

use model::{
    ByteSize, EnvName, Span,
    manifest::{
        CatchUp, DrainHint, LimitKey, Listen, Manifest, Overlap, RateLimit, RouteTls, StartAt, StopSignal,
        WhileRunning,
    },
    sandbox::Allow,
};
use proptest::prelude::*;

use super::parse;
use crate::{config::problem::ConfigErrors, report};

const SMALL: &str = r#"
manifest = 1
[app]
name = "assistant"
[release]
dir = "."
[service.web]
command = ["node", "server.js"]
listen = "tcp"
[service.web.probes]
readiness = { http = "/health/ready" }
[[route]]
service = "web"
"#;

/// Every key that works, so that none is lost on the way.
const FULL: &str = include_str!("testdata/full.toml");

fn env(name: &str) -> EnvName {
    name.parse().unwrap()
}

fn read(text: &str) -> Manifest {
    match parse(text, "mainstay.toml", &EnvName::production()) {
        Ok((manifest, _)) => manifest,
        Err(errors) => panic!("{}", words(&errors)),
    }
}

fn refused(text: &str) -> ConfigErrors {
    parse(text, "mainstay.toml", &EnvName::production()).expect_err("it was taken")
}

fn words(errors: &ConfigErrors) -> String {
    errors.explains().iter().map(report::plain).collect::<Vec<_>>().join("\n\n")
}

#[test]
fn a_small_manifest_gets_every_default() {
    insta::assert_snapshot!(serde_json::to_string_pretty(&read(SMALL)).unwrap());
}

#[test]
fn every_key_is_read() {
    insta::assert_snapshot!(serde_json::to_string_pretty(&read(FULL)).unwrap());
}

#[test]
fn defaults_are_those_of_the_design() {
    let manifest = read(SMALL);
    assert_eq!(manifest.deploy.bake_time, Span::secs(120));
    assert_eq!(manifest.deploy.max_generations, 3);
    assert_eq!(manifest.release.keep_releases, 5);
    assert_eq!(manifest.release.keep_bytes, ByteSize::gib(5));
    assert_eq!(manifest.drain.hint, DrainHint::None);
    let web = &manifest.services[&"web".parse().unwrap()];
    assert_eq!(web.stop_signal, StopSignal::Term);
    assert_eq!(web.listen, Some(Listen::Tcp));
    assert_eq!(manifest.routes[0].path_prefix, "/");
    assert_eq!(manifest.routes[0].tls, RouteTls::Optional);
}

#[test]
fn a_pinned_digest_lets_only_that_archive_through() {
    let pinned = |source: &str, digest: &str| {
        SMALL.replace("dir = \".\"", &format!("{source}\ndigest = \"{digest}\""))
    };
    let good = format!("sha256:{}", "0a".repeat(32));
    let archive = "artifact = \"app.tar\"";
    let release = read(&pinned(archive, &good)).release;
    assert_eq!(release.check_digest(&good), Ok(()));
    let refused_with = release.check_digest(&good.replace('a', "b")).unwrap_err();
    assert_eq!(refused_with.code, "digest-differs");
    assert_eq!(read(SMALL).release.check_digest("sha256:any"), Ok(()));
    for bad in ["0a".repeat(32), good.replace("0a", "0A"), format!("{good}0")] {
        assert_eq!(refused(&pinned(archive, &bad)).problems[0].code, "bad-digest", "{bad}");
    }
    assert_eq!(refused(&pinned("dir = \".\"", &good)).problems[0].code, "digest-of-folder");
}

#[test]
fn an_environment_merges_tables_key_by_key_and_replaces_lists_whole() {
    let text = format!(
        r#"{SMALL}
hosts = ["a.example.com", "b.example.com"]
[service.web.env]
KEPT = "1"
CHANGED = "old"
[environment.staging.service.web]
instances = 3
env = {{ CHANGED = "new" }}
command = ["node", "staging.js"]
[[environment.staging.route]]
service = "web"
hosts = ["staging.example.com"]
"#
    );
    let (staging, _) = parse(&text, "mainstay.toml", &env("staging")).unwrap();
    let web = &staging.services[&"web".parse().unwrap()];
    assert_eq!(web.instances.get(), 3);
    assert_eq!(web.command, ["node", "staging.js"]);
    assert_eq!(web.env["KEPT"], "1");
    assert_eq!(web.env["CHANGED"], "new");
    assert_eq!(staging.routes.len(), 1);
    assert_eq!(staging.routes[0].hosts, ["staging.example.com"]);

    let production = read(&text);
    assert_eq!(production.services[&"web".parse().unwrap()].instances.get(), 1);
    assert_eq!(production.routes[0].hosts, ["a.example.com", "b.example.com"]);
}

#[test]
fn a_mistake_in_another_environment_is_told_where_it_stands() {
    let text = format!("{SMALL}[environment.staging.service.web]\ninstanses = 3\n");
    insta::assert_snapshot!(words(&refused(&text)));
}

#[test]
fn an_environment_cannot_rename_the_app() {
    let text = format!("{SMALL}[environment.staging.app]\nname = \"other\"\n");
    assert_eq!(refused(&text).problems[0].code, "fixed-key");
}

#[test]
fn an_environment_that_the_file_does_not_know_is_a_warning() {
    let text = format!("{SMALL}[environment.staging.deploy]\nbake_time = \"0s\"\n");
    let (_, warnings) = parse(&text, "mainstay.toml", &env("stagin")).unwrap();
    assert_eq!(warnings.len(), 1);
    assert_eq!(warnings[0].0.help.as_deref(), Some("did you mean `--env staging`?"));
}

#[test]
fn every_kind_of_mistake_is_told_at_once() {
    let errors = refused(include_str!("testdata/mistakes.toml"));
    insta::assert_snapshot!(words(&errors));
}

#[test]
fn several_broken_lines_are_told_at_once() {
    let errors = refused("manifest = \n[app\nname = \"x\"\nother = 'y\n");
    assert!(errors.problems.len() >= 2, "{}", words(&errors));
    assert!(errors.problems.iter().all(|problem| problem.code == "bad-syntax"));
    insta::assert_snapshot!(words(&errors));
}

#[test]
fn a_key_of_a_later_version_says_so() {
    let text = format!("{SMALL}[logs]\nredact = [\"secrets\"]\n[backup]\nevery = \"1d\"\n");
    insta::assert_snapshot!(words(&refused(&text)));
}

#[test]
fn a_sandbox_is_closed_and_opened_by_name() {
    let closed = read(SMALL).sandbox_of(&"web".parse().unwrap());
    assert_eq!(closed, model::Sandbox::default());
    assert!(closed.landlock && closed.seccomp);
    let web = "[service.web.sandbox]\nallow = [\"user-namespaces\"]\nwrite = [\"/var/b\"]\n";
    let text = format!("{SMALL}[sandbox]\nallow = [\"ptrace\", \"ptrace\"]\nwrite = [\"/var/a\"]\n{web}");
    let opened = read(&text).sandbox_of(&"web".parse().unwrap());
    assert_eq!(opened.write, ["/var/a", "/var/b"]);
    assert_eq!(opened.allow, [Allow::Ptrace, Allow::UserNamespaces]);
    let wrong = "[sandbox]\nallow = [\"ptrase\"]\nwrite = [\"/\", \"cache\", \"/var/../etc\"]\nlandlok = false\n\
        [service.web.sandbox]\nlandlock = false\nwrite = [\"/var/x\"]\n";
    insta::assert_snapshot!(words(&refused(&format!("{SMALL}{wrong}"))));
}

#[test]
fn a_release_of_before_there_was_a_sandbox_is_not_tightened() {
    let mut stored = serde_json::to_value(read(SMALL)).unwrap();
    stored.as_object_mut().unwrap().remove("sandbox");
    for service in stored["services"].as_object_mut().unwrap().values_mut() {
        service.as_object_mut().unwrap().remove("sandbox");
    }
    let old: Manifest = serde_json::from_value(stored).unwrap();
    assert_eq!(old.sandbox_of(&"web".parse().unwrap()), model::Sandbox::open());
}

#[test]
fn recreating_leaves_no_old_release_for_a_canary() {
    let text = format!("{SMALL}[deploy]\nstrategy = \"recreate\"\n");
    let read = parse(&text, "mainstay.toml", &EnvName::production()).unwrap().0;
    assert_eq!(read.deploy.strategy, model::manifest::Strategy::Recreate);
    let errors = refused(&format!("{text}canary = {{ weight = 10 }}\n"));
    assert_eq!(errors.problems[0].code, "limits-crossed");
    assert!(words(&errors).contains("no old release beside a canary"), "{}", words(&errors));
}

#[test]
fn an_empty_file_says_what_it_lacks() {
    insta::assert_snapshot!(words(&refused("")));
}

#[test]
fn a_newer_format_is_refused_in_words() {
    let text = SMALL.replace("manifest = 1", "manifest = 2");
    assert_eq!(refused(&text).problems[0].code, "newer-manifest");
}

#[test]
fn an_error_carries_its_place_for_programs() {
    let text = format!("{SMALL}bad_key = 1\n");
    let explain = refused(&text).explain();
    let place = explain.place.clone().unwrap();
    assert_eq!((place.line, place.column), (14, 1));
    assert_eq!(&text[place.start..place.end], "bad_key");
    let back: model::Explain = serde_json::from_str(&serde_json::to_string(&explain).unwrap()).unwrap();
    assert_eq!(back, explain);
}

#[test]
fn two_routes_may_differ_by_path_or_host_alone() {
    let more = "[[route]]\nservice = \"web\"\npath_prefix = \"/api\"\n[[route]]\nservice = \"web\"\nhosts = [\"x.org\"]\n";
    assert_eq!(read(&format!("{SMALL}{more}")).routes.len(), 3);
    let twice = "[[route]]\nservice = \"web\"\npath_prefix = \"/api\"\n[[route]]\nservice = \"web\"\npath_prefix = \"/api/\"\n";
    assert_eq!(refused(&format!("{SMALL}{twice}")).problems[0].code, "route-twice");
}

#[test]
fn braces_that_are_no_placeholder_are_left_alone() {
    let text =
        SMALL.replace("\"server.js\"", "\"server.js\", '{\"a\": 1}', '${HOME}', '{{port}}', '--port={port}'");
    // `${HOME}` is upper case, JSON has quotes, and `{{port}}` holds a placeholder within braces.
    read(&text);
}

#[test]
fn a_secret_in_the_open_is_a_warning() {
    let text = SMALL.replace("listen = \"tcp\"", "listen = \"tcp\"\nenv = { OPENAI_API_KEY = \"sk-123\" }");
    let (_, warnings) = parse(&text, "mainstay.toml", &EnvName::production()).unwrap();
    assert_eq!(warnings[0].0.code, "secret-in-manifest");
    assert!(!report::plain(&warnings[0].0).contains("sk-123"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_text_makes_it_panic(text in "\\PC*") {
        if let Err(errors) = parse(&text, "m", &EnvName::production()) {
            prop_assert!(!errors.problems.is_empty());
            let _ = words(&errors);
        }
    }

    /// Texts of the right kind, broken anywhere, with characters of several bytes.
    #[test]
    fn no_broken_manifest_makes_it_panic(at in 0usize..4000, cut in 0usize..60, put in "[\\[\\]\"'={}\\.,\n#é∞a-z0-9 _]{0,12}") {
        let mut text: Vec<char> = FULL.chars().collect();
        let at = at.min(text.len());
        let end = (at + cut).min(text.len());
        text.splice(at..end, put.chars());
        let text: String = text.into_iter().collect();
        if let Err(errors) = parse(&text, "m", &env("staging")) {
            prop_assert!(!errors.problems.is_empty());
            let _ = words(&errors);
            let _ = errors.explain();
        }
    }
}

#[test]
fn a_variable_that_mainstay_sets_is_refused_before_anything_starts() {
    let with =
        |env: &str| format!("{SMALL}\n[service.other]\ncommand = [\"app\"]\nlisten = \"tcp\"\n{env}\n");
    let told = words(&refused(&with("env = { PORT = \"1234\" }")));
    assert!(told.contains("[fixed-port]") && told.contains("SERVER_PORT"), "{told}");
    let told = words(&refused(&with("env = { HOST = \"0.0.0.0\", MAINSTAY_ANY = \"x\" }")));
    assert_eq!(told.matches("[reserved-variable]").count(), 2, "{told}");
    // A worker has no port of Mainstay's.
    let worker = format!("{SMALL}\n[service.other]\ncommand = [\"app\"]\nenv = {{ PORT = \"1234\" }}\n");
    assert_eq!(read(&worker).services[&"other".parse().unwrap()].env["PORT"], "1234");
}

#[test]
fn what_must_never_run_twice_is_one_and_takes_no_requests() {
    let with = |keys: &str| format!("{SMALL}\n[service.queue]\ncommand = [\"queue\"]\n{keys}\n");
    let read_one = |text: &str| read(text).services[&"queue".parse().unwrap()].overlap;
    assert_eq!(read_one(&with("")), Overlap::Allow);
    assert_eq!(read_one(&with("overlap = \"never\"")), Overlap::Never);
    let several = refused(&with("overlap = \"never\"\ninstances = 2"));
    assert_eq!(several.problems[0].code, "singleton-instances");
    let routed = SMALL.replace("listen = \"tcp\"", "listen = \"tcp\"\noverlap = \"never\"");
    assert_eq!(refused(&routed).problems[0].code, "singleton-routed");
    let job = refused(&with("schedule = \"@daily\"\noverlap = \"never\""));
    assert_eq!(job.problems[0].code, "not-with-schedule");
}

#[test]
fn what_is_recycled_by_what_nobody_counts_is_refused() {
    let with = |recycle: &str, more: &str| {
        SMALL.replace("listen =", &format!("recycle = {recycle}\nlisten =")) + more
    };
    let worker = "[service.worker]\ncommand = [\"work\"]\nrecycle = { after_requests = 1000 }\n";
    let manifest = read(&with("{ after_requests = 1000, memory = \"400MiB\" }", ""));
    let web = manifest.services.values().next().unwrap().recycle.unwrap();
    assert_eq!((web.after, web.after_requests, web.memory), (None, Some(1000), Some(ByteSize::mib(400))));
    for (text, code) in [
        (with("{ after = \"1h\" }", worker), "recycle-requests-unknown"),
        (with("{ after = \"59s\" }", ""), "recycle-too-often"),
        (with("{}", ""), "missing-key"),
        (with("{ memory = \"1GiB\" }\nlimits = { memory_max = \"1GiB\" }", ""), "recycle-above-limit"),
        (with("{ after = \"1h\" }", "[deploy]\nstrategy = \"recreate\""), "recycle-beside"),
    ] {
        let told = refused(&text).explains();
        assert_eq!(told.iter().map(|one| one.code.as_str()).collect::<Vec<_>>(), [code], "{text}");
    }
}

#[test]
fn what_starts_after_the_bake_takes_no_requests_and_has_an_old_one_beside_it() {
    let late = "start_at = \"after_bake\"\n";
    let worker = format!("[service.worker]\ncommand = [\"work\"]\n{late}");
    let manifest = read(&format!("{SMALL}{worker}"));
    assert_eq!(manifest.services[&"worker".parse().unwrap()].start_at, StartAt::AfterBake);
    for (text, code) in [
        (SMALL.replace("listen =", &format!("{late}listen =")), "late-and-listens"),
        (format!("{SMALL}{worker}[deploy]\nstrategy = \"recreate\""), "late-and-recreated"),
    ] {
        let told = refused(&text).explains();
        assert_eq!(told.iter().map(|one| one.code.as_str()).collect::<Vec<_>>(), [code], "{text}");
    }
}

#[test]
fn hooks_have_a_command_and_a_bounded_time() {
    let with = |hook: &str| format!("{SMALL}\n[hooks]\n{hook}\n");
    let hooks = read(&with("pre_deploy = { command = [\"./check\"] }")).hooks;
    let hook = hooks.pre_deploy.unwrap();
    assert_eq!((hook.timeout, hook.command), (Span::secs(60), vec!["./check".to_owned()]));
    assert!(hooks.post_deploy.is_none() && read(SMALL).hooks.is_empty());
    for (hook, code) in [
        ("pre_deploy = { timeout = \"1s\" }", "missing-key"),
        ("pre_deploy = { command = [\"x\"], timeout = \"2h\" }", "out-of-range"),
        ("on_backup_failed = { command = [\"x\"] }", "not-yet"),
        ("before = { command = [\"x\"] }", "unknown-key"),
    ] {
        let found = refused(&with(hook)).problems[0].code;
        assert_eq!(found, code, "{hook}");
    }
}

#[test]
fn a_service_with_a_schedule_is_a_job_and_its_mistakes_are_told_where_they_stand() {
    let with = |keys: &str| format!("{SMALL}\n[service.digest]\ncommand = [\"digest\"]\n{keys}\n");
    let job = read(&with("schedule = \"@daily\"")).cron[&"digest".parse().unwrap()].clone();
    assert_eq!((job.timezone.as_str(), job.timeout), ("UTC", Span::secs(3600)));
    assert_eq!((job.catch_up, job.while_running), (CatchUp::Latest, WhileRunning::Skip));
    for (keys, code, place) in [
        ("schedule = \"61 * * * *\"", "bad-schedule", "\"61 * * * *\""),
        ("schedule = \"0 0 31 4 *\"", "bad-schedule", "\"0 0 31 4 *\""),
        ("schedule = 5", "wrong-type", "5"),
        ("schedule = \"@daily\"\ntimezone = \"Mars/Base\"", "no-such-timezone", "\"Mars/Base\""),
        ("schedule = \"@daily\"\nlisten = \"tcp\"", "not-with-schedule", "listen"),
        ("schedule = \"@daily\"\ntimeout = \"0s\"", "out-of-range", "\"0s\""),
        ("schedule = \"@daily\"\ncatch_up = \"all\"", "unknown-value", "\"all\""),
        ("schedule = \"@daily\"\nenv = { AT = \"{port}\" }", "placeholder-without-listen", "digest"),
        ("timezone = \"UTC\"", "only-with-schedule", "timezone"),
    ] {
        let text = with(keys);
        let errors = refused(&text);
        assert_eq!(errors.problems.len(), 1, "{}", words(&errors));
        assert_eq!(errors.problems[0].code, code, "{}", words(&errors));
        let at = errors.explain().place.unwrap();
        assert!(text[at.start..at.end].contains(place), "{} is not {place}", &text[at.start..at.end]);
    }
    let routed =
        format!("{}[[route]]\nservice = \"digest\"\npath_prefix = \"/d\"\n", with("schedule = \"@daily\""));
    assert_eq!(refused(&routed).problems[0].code, "service-does-not-listen");
}

#[test]
fn a_key_of_another_table_is_told_its_place() {
    let text = "manifest = 1\nstop_timeout = \"5s\"\n[app]\nname = \"shop\"\nbake_time = \"1m\"\n";
    let errors = parse(text, "mainstay.toml", &EnvName::production()).expect_err("it was taken");
    let told = errors.explains().iter().map(report::plain).collect::<Vec<_>>().join("\n");
    assert!(told.contains("`stop_timeout` belongs in [service.web]"), "{told}");
    assert!(told.contains("`bake_time` belongs in [deploy]"), "{told}");
}

#[test]
fn a_tool_moves_the_database_without_commands_of_the_app() {
    use model::manifest::{MigrateStep, MigrateTool, MigrateWords};
    let read = |lines: &str| {
        let text = format!("{SMALL}[migrate]\nschema = 3\n{lines}\n");
        parse(&text, "mainstay.toml", &EnvName::production())
            .map(|(manifest, _)| manifest.migrate.unwrap())
            .map_err(|errors| errors.problems.iter().map(|problem| problem.code).collect::<Vec<_>>())
    };
    let sql = read("tool = \"sql\"\nenv_secrets = [\"DATABASE_URL\"]").unwrap();
    let own = |words: &[&str]| Some(MigrateWords::Own(words.iter().map(|word| (*word).to_owned()).collect()));
    assert_eq!(sql.words(MigrateStep::Up), own(&["migrator", "sql", "migrations", "DATABASE_URL", "up"]));
    let down = sql.words(MigrateStep::Down { to: 2 });
    assert_eq!(down, own(&["migrator", "sql", "migrations", "DATABASE_URL", "down", "2"]));
    let alembic = read("tool = \"alembic\"\nprogram = [\"./venv/bin/alembic\"]").unwrap();
    let status = alembic.words(MigrateStep::Status);
    assert_eq!(status, own(&["migrator", "alembic", "./venv/bin/alembic", "--", "status"]));
    assert_eq!(alembic.words(MigrateStep::Contract), None);
    let prisma = read("tool = \"prisma\"\ndown_command = [\"./down\"]").unwrap();
    assert_eq!(prisma.words(MigrateStep::Down { to: 2 }), Some(MigrateWords::Command(vec!["./down".into()])));
    assert!(matches!(prisma.tool, MigrateTool::Prisma { .. }));

    assert_eq!(read("tool = \"sql\""), Err(vec!["no-database"]));
    assert_eq!(
        read("tool = \"sql\"\nenv = { DATABASE_URL = \"x\" }\ncommand = [\"x\"]"),
        Err(vec!["tool-and-command"])
    );
    assert_eq!(read("tool = \"alembic\"\nfolder = \"x\""), Err(vec!["tool-and-command"]));
    assert_eq!(read("tool = \"alembic\"\nprogram = [\"{release_dir}/x\"]"), Err(vec!["unknown-placeholder"]));
    assert_eq!(read("tool = \"flyway\""), Err(vec!["unknown-value"]));
}

#[test]
fn the_guides_limits_have_names_and_may_be_changed_key_by_key() {
    let read = |lines: &str| {
        let text = format!("{SMALL}[[route.rate_limit]]\n{lines}\n");
        read(&text).routes.remove(0).rate_limits.remove(0)
    };
    let said = |limit: &RateLimit| (limit.requests.get(), limit.per, limit.burst.get(), limit.key.clone());
    // RATE-01: 100 in 15 minutes, and its own words.
    let app = read("preset = \"app\"");
    assert_eq!(said(&app), (100, Span::secs(900), 100, LimitKey::Address));
    assert!(app.body.is_some_and(|body| body.contains("retryAfter")) && app.paths.is_empty());
    // RATE-02: zone api_limit, 10 a second, burst=20 nodelay, on /api.
    let api = read("preset = \"api\"");
    assert_eq!(said(&api), (10, Span::secs(1), 21, LimitKey::Address));
    assert_eq!(api.paths, ["/api"]);
    // RATE-03: zone login_limit, 5 a minute, burst=5 nodelay; W-E5: where logins really go.
    let login = read("preset = \"login\"");
    assert_eq!(said(&login), (5, Span::secs(60), 6, LimitKey::Address));
    assert_eq!(login.paths[1], "/api/auth/callback/credentials");

    let own = read(
        "preset = \"login\"\nname = \"signin\"\nrequests = 8\npaths = [\"/signin\"]\nkey = \"cookie:sid\"",
    );
    assert_eq!(said(&own), (8, Span::secs(60), 8, LimitKey::Cookie("sid".into())));
    assert_eq!((own.name.as_str(), &own.paths[..]), ("signin", &["/signin".to_owned()][..]));
    let short = read("name = \"x\"\nrequests = 3\nper = \"1s\"");
    assert_eq!(short.burst.get(), 3, "as many at once as in the time");
}

#[test]
fn profiles_of_headers_are_defaults_that_a_manifest_changes_one_by_one() {
    let read = |lines: &str| read(&format!("{SMALL}[route.headers]\n{lines}\n")).routes.remove(0).headers;
    // HDR-12, HDR-13; W-E19: no preload, and no subdomains unasked; W-E20; W-E21.
    let pages = read("profile = \"pages\"").default;
    assert_eq!(pages["strict-transport-security"], "max-age=31536000");
    assert_eq!(
        (pages["x-frame-options"].as_str(), pages["x-content-type-options"].as_str()),
        ("DENY", "nosniff")
    );
    let policies = (pages["referrer-policy"].as_str(), pages["permissions-policy"].as_str());
    assert_eq!(policies, ("strict-origin-when-cross-origin", "camera=(), microphone=(), geolocation=()"));
    for word in ["object-src 'none'", "base-uri 'none'", "form-action 'self'", "frame-ancestors 'none'"] {
        assert!(pages["content-security-policy"].contains(word), "{word}");
    }
    assert!(!pages.contains_key("x-xss-protection"));
    // W-E25: an answer that is no page loads nothing.
    let api = read("profile = \"api\"").default;
    assert_eq!(api["content-security-policy"], "default-src 'none'; frame-ancestors 'none'");
    // W-E23: an assistant with a voice.
    let voice = read("profile = \"pages\"\ndefault = { Permissions-Policy = \"microphone=(self)\" }").default;
    assert_eq!(voice["permissions-policy"], "microphone=(self)");
    assert_eq!(voice.len(), pages.len());
}

#[test]
fn where_browsers_report_to_is_a_path_of_the_route_that_fits_into_a_policy() {
    let text =
        |path: &str| format!("{SMALL}path_prefix = \"/app\"\n[route.headers]\ncsp_reports = {path:?}\n");
    let headers = read(&text("/app/csp")).routes.remove(0).headers;
    assert_eq!((headers.csp_reports.as_deref(), headers.csp_report_only), (Some("/app/csp"), false));
    for wrong in ["/csp", "/app", "/app/", "/app/a;b", "/app/a,b", "/app/../x", "/application/x", ""] {
        assert!(words(&refused(&text(wrong))).contains("must be a path below `/app/`"), "{wrong}");
    }
}
